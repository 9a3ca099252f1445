"""Whatever the bytes: readers raise declared errors and nothing else."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portico.errors import InvalidRequest, UpstreamError
from portico.types.chat import ChatRequest
from portico.types.chat_stream import StreamEnd, StreamError
from portico.types.http import HttpHead
from portico.wire.base import Dropped, ReplyContext
from portico.wire.table import CLIENT_DIALECTS, PROVIDER_DIALECTS

ROOT = Path(__file__).parent.parent / "fixtures"
PROVIDERS = sorted(PROVIDER_DIALECTS)
CLIENTS = sorted(CLIENT_DIALECTS)
fuzz = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["text", "tool_use", "function", "user", "assistant", "tool", "image"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


def samples(name: str, file: str) -> list[Any]:
    return [json.loads(path.read_bytes()) for path in sorted(ROOT.glob(f"{name}/*/{file}"))]


@st.composite
def mutated(draw: st.DrawFn, sample: Any) -> Any:
    """A sample with one value somewhere put out or replaced by any JSON."""
    if isinstance(sample, dict) and sample and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(sorted(sample)))
        return {**sample, key: draw(mutated(sample[key]))}
    if isinstance(sample, list) and sample and draw(st.integers(0, 9)):
        at = draw(st.integers(0, len(sample) - 1))
        return [*sample[:at], draw(mutated(sample[at])), *sample[at + 1 :]]
    return draw(JSON)


def read_request(name: str, body: bytes) -> ChatRequest:
    extra: Any = {"model": "m", "stream": False} if name == "gemini_generate" else {}
    return CLIENT_DIALECTS[name].read_request(body, **extra)


@pytest.mark.parametrize("name", CLIENTS)
@fuzz
@given(data=st.data())
def test_any_request_is_read_or_refused(name: str, data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(samples(name, "request.json")))
    body = json.dumps(data.draw(mutated(sample))).encode()
    try:
        request = read_request(name, body)
    except InvalidRequest:
        return
    for provider in PROVIDER_DIALECTS.values():
        provider.write_request(request, unsupported=Dropped())


@pytest.mark.parametrize("name", PROVIDERS)
@fuzz
@given(data=st.data())
def test_any_answer_is_read_or_refused(name: str, data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(samples(name, "response.json")))
    body = json.dumps(data.draw(mutated(sample))).encode()
    try:
        response = PROVIDER_DIALECTS[name].read_response(body)
    except UpstreamError:
        return
    request = ChatRequest(dialect="test", model="m", messages=())
    for client in CLIENT_DIALECTS.values():
        context = ReplyContext(request=request, id="x", now=0)
        client.write_response(response, context=context, unsupported=Dropped())


@pytest.mark.parametrize("name", PROVIDERS)
@fuzz
@given(data=st.data())
def test_any_stream_ends_once(name: str, data: st.DataObject) -> None:
    """Events are mutated, left out, doubled and moved; then the bytes are damaged."""
    paths = sorted(ROOT.glob(f"{name}/*/stream.txt"))
    if not paths:
        pytest.skip("the stream is not text")
    stream = data.draw(st.sampled_from(paths)).read_bytes()
    events = stream.split(b"\n\n")
    picked = data.draw(st.lists(st.sampled_from(events), min_size=1, max_size=len(events) + 2))
    kept = picked if data.draw(st.booleans()) else events
    damaged = b"\n\n".join(data.draw(changed(event)) for event in kept) + b"\n\n"
    reader = PROVIDER_DIALECTS[name].stream_reader()
    told = [*reader.feed(damaged), *reader.close()]
    ends = [event for event in told if isinstance(event, StreamEnd | StreamError)]
    assert len(ends) == 1
    assert told[-1] is ends[0]
    assert list(reader.feed(damaged)) == []
    assert list(reader.close()) == []
    request = ChatRequest(dialect="test", model="m", messages=())
    for client in CLIENT_DIALECTS.values():
        context = ReplyContext(request=request, id="x", now=0)
        writer = client.stream_writer(context=context, unsupported=Dropped())
        for event in told:
            writer.write(event)
        assert writer.close() == b""


@st.composite
def changed(draw: st.DrawFn, event: bytes) -> bytes:
    if draw(st.integers(0, 7)):
        return event
    head, data, payload = event.partition(b"data: ")
    try:
        value = draw(mutated(json.loads(payload)))
    except ValueError:
        return event
    return head + data + json.dumps(value).encode()


@pytest.mark.parametrize("name", PROVIDERS)
@fuzz
@given(body=st.binary(max_size=200), status=st.integers(400, 599))
def test_any_error_body_is_read(name: str, body: bytes, status: int) -> None:
    error = PROVIDER_DIALECTS[name].read_error(HttpHead(status, {}), body)
    assert isinstance(error, UpstreamError)
    assert error.upstream_status == status
    assert error.message
    for client in CLIENT_DIALECTS.values():
        json.loads(client.write_error(error))


@pytest.mark.parametrize("name", PROVIDERS)
@fuzz
@given(value=JSON, status=st.integers(400, 599))
def test_any_json_error_body_is_read(name: str, value: Any, status: int) -> None:
    for body in (value, {"error": value}, {"error": {"message": value, "type": value}}):
        sent = json.dumps(body).encode()
        error = PROVIDER_DIALECTS[name].read_error(HttpHead(status, {}), sent)
        assert isinstance(error, UpstreamError)


HOSTILE = {
    "nothing": b"",
    "white space": b" \n ",
    "not JSON": b"{",
    "null": b"null",
    "a list": b"[]",
    "a number": b"1",
    "deep list": b"[" * 100_000,
    "deep list closed": b"[" * 50_000 + b"]" * 50_000,
    "deep object": b'{"a":' * 900 + b"1" + b"}" * 900,
    "deep inside": b'{"model":"m","max_tokens":1,"messages":' + b"[" * 600 + b"]" * 600 + b"}",
    "bad UTF-8": b'{"model":"\xff"}',
    "lone surrogate": b'{"model":"\\ud800","messages":[]}',
    "huge number": b'{"model":"m","max_tokens":' + b"9" * 5000 + b"}",
    "not a number": b'{"model":"m","max_tokens":NaN}',
    "many keys": b"{" + b",".join(b'"k%d":1' % i for i in range(20_000)) + b"}",
}


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bodies_are_refused(name: str, body: bytes) -> None:
    with pytest.raises(UpstreamError):
        PROVIDER_DIALECTS[name].read_response(body)
    if name in CLIENT_DIALECTS and name != "gemini_generate":
        with pytest.raises(InvalidRequest):
            CLIENT_DIALECTS[name].read_request(body)


@pytest.mark.parametrize("name", PROVIDERS)
@fuzz
@given(body=st.binary(max_size=300))
def test_any_bytes_are_refused_with_a_declared_error(name: str, body: bytes) -> None:
    with contextlib.suppress(UpstreamError):
        PROVIDER_DIALECTS[name].read_response(body)
    reader = PROVIDER_DIALECTS[name].stream_reader()
    told = [*reader.feed(body), *reader.close()]
    assert isinstance(told[-1], StreamEnd | StreamError)
