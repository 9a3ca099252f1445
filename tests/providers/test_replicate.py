"""Which requests lead to a prediction's answer, and where the key may go."""

import json
from typing import Any

import pytest

from portico.errors import ModelNotFound, NotSupported, UpstreamProtocol
from portico.providers import replicate
from portico.providers.base import Task
from portico.types.credential import ApiKey
from portico.types.deployment import Deployment, Provider
from portico.types.http import HttpHead, HttpRequest, HttpResponse, Origin, Step, Steps, Timeouts
from portico.types.secret import Secret

KEY = ApiKey(Secret("r8_key"))
TIMEOUTS = Timeouts(first_byte=40, total=600)
BODY = b'{"input":{"prompt":"hi"}}'


def prepared(
    model: str = "meta/llama", *, url: str = "api.replicate.com", stream: bool = False
) -> HttpRequest:
    provider = Provider(
        name="r",
        type="replicate",
        dialect="replicate",
        origin=Origin("https", url, 443),
        base_path="/v1",
        api_key=Secret("r8_key"),
    )
    deployment = Deployment(id=f"r/{model}", provider=provider, model=model)
    task = Task("chat", "replicate", stream)
    return replicate.prepare(deployment, task, BODY, KEY, now=0.0, forwarded={}, timeouts=TIMEOUTS)


def line_and_fields(request: HttpRequest) -> tuple[str, dict[str, str]]:
    line, *lines = request.head.decode().rstrip().split("\r\n")
    return line.removesuffix(" HTTP/1.1"), dict(field.split(": ", 1) for field in lines)


def steps(**more: Any) -> Steps:
    found = prepared(**more).steps
    assert found is not None
    return found


def work(status: str, code: int = 201, id: str = "abc123", **urls: str) -> HttpResponse:
    body = json.dumps({"id": id, "status": status, "urls": urls}).encode()
    return HttpResponse(HttpHead(code, {}), body)


PLACES = {
    "meta/llama": ("/v1/models/meta/llama/predictions", {}),
    "me/llama:5c7d5dc6": ("/v1/predictions", {"version": "me/llama:5c7d5dc6"}),
    "5c7d5dc6dd8bf75c": ("/v1/predictions", {"version": "5c7d5dc6dd8bf75c"}),
    "deployments/acme/bot": ("/v1/deployments/acme/bot/predictions", {}),
    "a b/c?d": ("/v1/models/a%20b/c%3Fd/predictions", {}),
}


@pytest.mark.parametrize(("model", "place"), PLACES.items())
def test_a_model_of_each_kind_has_its_place(model: str, place: tuple[str, dict[str, str]]) -> None:
    request = prepared(model)
    line, fields = line_and_fields(request)
    assert (line, json.loads(request.body)) == (
        f"POST {place[0]}",
        {**place[1], "input": {"prompt": "hi"}},
    )
    assert fields == {
        "host": "api.replicate.com",
        "user-agent": "portico",
        "content-type": "application/json",
        "accept-encoding": "identity",
        "authorization": "Bearer r8_key",
        "cancel-after": "40s",
        "prefer": "wait=5",
        "content-length": str(len(request.body)),
    }


def test_a_stream_is_not_waited_for_and_may_live_as_long_as_the_call() -> None:
    fields = line_and_fields(prepared(stream=True))[1]
    assert "prefer" not in fields
    assert fields["cancel-after"] == "600s"


@pytest.mark.parametrize("model", ["", "a/b/c", "/", "a/", "../x", "x y"])
def test_what_names_no_model_is_said_so(model: str) -> None:
    with pytest.raises(ModelNotFound):
        prepared(model)


def test_a_prediction_is_only_for_chats() -> None:
    provider = steps().report(work("starting")).origin
    deployment = Deployment(
        id="r/m",
        provider=Provider(
            name="r",
            type="replicate",
            dialect="replicate",
            origin=provider,
            base_path="/v1",
            api_key=Secret(""),
        ),
        model="a/b",
    )
    task = Task("rerank", "cohere_rerank")
    with pytest.raises(NotSupported):
        replicate.prepare(deployment, task, BODY, KEY, now=0.0, forwarded={}, timeouts=TIMEOUTS)


def test_a_running_prediction_is_asked_for_at_growing_intervals() -> None:
    found = [steps().after(work("processing"), asked, streamed=False) for asked in range(20)]
    delays = [step.after_s for step in found if step is not None]
    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (0.25, replicate.MAX_POLL_S)
    assert found[0] is not None
    line, fields = line_and_fields(found[0].request)
    assert line == "GET /v1/predictions/abc123"
    assert fields["authorization"] == "Bearer r8_key"


@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled", "aborted"])
def test_a_prediction_that_is_over_needs_nothing_more(status: str) -> None:
    assert steps().after(work(status), 0, streamed=False) is None
    assert steps().undo(work(status)) is None


def test_an_error_needs_nothing_more() -> None:
    refused = HttpResponse(HttpHead(422, {}), b'{"detail":"no"}')
    assert steps().after(refused, 0, streamed=True) is None
    assert steps().undo(refused) is None


def test_a_running_prediction_is_cancelled() -> None:
    undo = steps().undo(work("starting"))
    assert undo is not None
    assert line_and_fields(undo)[0] == "POST /v1/predictions/abc123/cancel"


@pytest.mark.parametrize("id", ["", "a/b", "../x", "a\r\nb", "ü", "x" * 65])
def test_an_id_cannot_change_the_path(id: str) -> None:
    with pytest.raises(UpstreamProtocol, match="no usable id"):
        steps().undo(work("starting", id=id))


def streamed(at: str, **more: Any) -> Step:
    step = steps(**more).after(work("starting", stream=at), 0, streamed=True)
    assert step is not None
    return step


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("https://stream.replicate.com/v1/files/x", "stream.replicate.com", "/v1/files/x"),
        ("https://streaming.api.replicate.com/p?a=b", "streaming.api.replicate.com", "/p?a=b"),
        ("https://api.replicate.com/v1/s", "api.replicate.com", "/v1/s"),
    ],
)
def test_a_stream_is_where_replicate_says(url: str, host: str, target: str) -> None:
    request = streamed(url).request
    assert request.origin == Origin("https", host, 443)
    line, fields = line_and_fields(request)
    assert (line, fields["host"]) == (f"GET {target}", host)
    assert fields["accept"] == "text/event-stream"
    assert request.stream_types == (b"text/event-stream",)


@pytest.mark.parametrize(
    "url",
    [
        "http://stream.replicate.com/x",
        "https://stream.replicate.com:8443/x",
        "https://replicate.com.evil.example/x",
        "https://evilreplicate.com/x",
        "https://a@stream.replicate.com/x",
        "https://stream.replicate.com@evil.example/x",
        "https://169.254.169.254/latest",
        "//stream.replicate.com/x",
        "https://stream.replicate.com",
        "https://stream.replicate.com/a b",
        "https://stream.replicate.com:x/",
        "file:///etc/passwd",
        "x",
    ],
)
def test_the_key_goes_nowhere_else(url: str) -> None:
    with pytest.raises(UpstreamProtocol, match="not its own"):
        streamed(url)


def test_behind_a_proxy_of_ones_own_only_the_proxy_is_trusted() -> None:
    own = streamed("https://proxy.corp.example/s", url="proxy.corp.example")
    assert own.request.origin.host == "proxy.corp.example"
    with pytest.raises(UpstreamProtocol, match="not its own"):
        streamed("https://stream.replicate.com/x", url="proxy.corp.example")


def test_a_whole_prediction_is_an_event_of_one_line() -> None:
    told = steps().event(HttpResponse(HttpHead(200, {}), b'{\n "id":\r\n "a"}'))
    assert told == b'event: prediction\ndata: {  "id":   "a"}\n\n'


@pytest.mark.parametrize("status", ["failed", "canceled", "aborted"])
def test_nobody_listens_to_what_has_failed(status: str) -> None:
    failed = work(status, stream="https://stream.replicate.com/x")
    assert steps().after(failed, 0, streamed=True) is None
