"""SageMaker: endpoints by OpenAI's path with a token, and by InvokeEndpoint, signed."""

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import uvloop

from portico.providers import sigv4
from portico.types.credential import AwsKeys
from portico.types.secret import Secret
from tests.harness import (
    CHAT,
    KEY,
    LAST_CHUNK,
    Received,
    Running,
    Upstream,
    Wire,
    chat,
    chunk,
    gateway,
    good,
    http,
    replying,
    upstream,
    whole,
)
from tests.wire.simulated_sagemaker import wrapped

ENVIRON = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "canary/secret+key",
    "AWS_SESSION_TOKEN": "canary-session",
}
KEYS = AwsKeys("AKIDEXAMPLE", Secret("canary/secret+key"), Secret("canary-session"))


def config(url: str, model: str, more: str = "") -> str:
    return (
        f"providers:\n  - {{name: sage, provider_type: sagemaker, base_url: '{url}', "
        f"region: eu-west-1, models: ['{model}']{more}}}\n"
        f"models:\n  - {{name: m, targets: ['sage/{model}'], retries: {{max_attempts: 1}}}}\n"
        f"keys:\n  - {{name: k, key: {KEY}}}\n"
    )


def check_token(sent: Received) -> None:
    scheme, _, token = sent.headers["authorization"].partition(" ")
    assert scheme == "Bearer"
    url = base64.b64decode(token.removeprefix("sagemaker-api-key-")).decode()
    authority, _, query = url.partition("/?")
    asked = parse_qs(query, strict_parsing=True)
    assert authority == "sagemaker.amazonaws.com"
    assert asked["Action"] == ["CallWithBearerToken"]
    assert asked["X-Amz-Expires"] == ["900"]
    assert asked["Version"] == ["1"]
    assert asked["X-Amz-Credential"][0].endswith("/eu-west-1/sagemaker/aws4_request")


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("chat", "/endpoints/chat/openai/v1/chat/completions"),
        ("fleet/qwen", "/endpoints/fleet/inference-components/qwen/openai/v1/chat/completions"),
    ],
)
def test_chat_goes_to_openais_path_with_a_token_made_of_the_keys(
    tmp_path: Path, model: str, path: str
) -> None:
    async def play() -> None:
        async with (
            upstream(good) as up,
            gateway(tmp_path, config(up.url, model), environ=ENVIRON) as running,
        ):
            for streamed in (False, True):
                answer = await running.ask(http(chat("m", stream=streamed, seed=1)))
                assert answer.status == 200, answer.body
                sent = up.requests[-1]
                assert sent.target == path
                check_token(sent)
                assert sent.json()["model"] == ""
                assert sent.json()["seed"] == 1
                if streamed:
                    assert answer.events()[-1] == "[DONE]"
                else:
                    assert answer.body == CHAT, "bytes as they are"
            await running.settled()
            assert [record.attempts[0].usage is not None for record in running.journal()] == [
                True,
                True,
            ]
            running.check_balance()
            assert "canary" not in running.log

    uvloop.run(play())


def test_a_token_that_was_given_is_sent_as_it_is(tmp_path: Path) -> None:
    async def play() -> None:
        more = ", api_key: sagemaker-api-key-given"
        async with (
            upstream(good) as up,
            gateway(tmp_path, config(up.url, "chat", more), environ=ENVIRON) as running,
        ):
            assert (await running.ask(http(chat("m")))).status == 200
            assert up.requests[0].headers["authorization"] == "Bearer sagemaker-api-key-given"

    uvloop.run(play())


def check_signature(sent: Received) -> None:
    at = sent.headers["x-amz-date"]
    assert "SignedHeaders=content-type;host" in sent.headers["authorization"]
    fields = [("content-type", "application/json")]
    component = sent.headers.get("x-amzn-sagemaker-inference-component")
    if component is not None:
        fields.append(("x-amzn-sagemaker-inference-component", component))
    signed = sigv4.sign(
        KEYS,
        method="POST",
        authority=sent.headers["host"],
        target=sent.target,
        fields=fields,
        body=sent.body,
        region="eu-west-1",
        service="sagemaker",
        now=_epoch(at),
    )
    assert dict(signed).items() <= sent.headers.items()


def _epoch(at: str) -> float:
    from datetime import UTC, datetime

    return datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


FRAMES = "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\n"


async def container(wire: Wire, request: Received) -> None:
    """What `good` says, in SageMaker's frames if it is streamed."""
    if not request.target.endswith("-response-stream"):
        await good(wire, request)
        return
    sent: list[bytes] = []

    class _Held:
        def send(self, data: bytes) -> None:
            sent.append(data)

    await good(_Held(), request)  # type: ignore[arg-type]
    _, _, chunked = b"".join(sent).partition(b"\r\n\r\n")
    events = b"".join(part for part in chunked.split(b"\r\n") if part.startswith(b"data: "))
    wire.send(f"{FRAMES}transfer-encoding: chunked\r\n\r\n".encode())
    wire.send(chunk(wrapped(events)) + LAST_CHUNK)


@pytest.mark.parametrize("model", ["chat", "fleet/qwen"])
def test_invoke_endpoint_is_signed_and_its_frames_are_read(tmp_path: Path, model: str) -> None:
    async def play() -> None:
        more = ", dialect: sagemaker_invoke"
        async with (
            upstream(container) as up,
            gateway(tmp_path, config(up.url, model, more), environ=ENVIRON) as running,
        ):
            endpoint, _, component = model.partition("/")
            whole_, streamed = [
                await running.ask(http(chat("m", stream=stream))) for stream in (False, True)
            ]
            assert whole_.json()["choices"][0]["message"]["content"] == "hi"
            texts = [json.loads(event) for event in streamed.events()[:-1]]
            assert "".join(
                one["choices"][0]["delta"].get("content") or "" for one in texts if one["choices"]
            ) == ("hello")
            assert [one.target for one in up.requests] == [
                f"/endpoints/{endpoint}/invocations",
                f"/endpoints/{endpoint}/invocations-response-stream",
            ]
            for sent in up.requests:
                check_signature(sent)
                assert sent.headers.get("x-amzn-sagemaker-inference-component") == (
                    component or None
                )
                assert sent.json()["model"] == ""
            await running.settled()
            for record in running.journal():
                usage = record.attempts[0].usage
                assert usage is not None
                assert (usage.total_input_tokens, usage.total_output_tokens) == (7, 3)

    uvloop.run(play())


def test_vectors_come_by_invoke_endpoint_in_either_dialect(tmp_path: Path) -> None:
    vectors = {"data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 2}}

    async def play(folder: Path, more: str) -> None:
        async with (
            upstream(replying(whole(json.dumps(vectors).encode()))) as up,
            gateway(folder, config(up.url, "embed", more), environ=ENVIRON) as running,
        ):
            body = {"model": "m", "input": "a"}
            answer = await running.ask(http(body, path="/v1/embeddings"))
            assert answer.json()["data"][0]["embedding"] == [0.5]
            (sent,) = up.requests
            assert sent.target == "/endpoints/embed/invocations"
            assert sent.json() == {"model": "", "input": ["a"]}
            check_signature(sent)

    for name, more in (("a", ""), ("b", ", dialect: sagemaker_invoke")):
        uvloop.run(play(tmp_path / name, more))


CONTAINER = {
    "error": {
        "message": "max_tokens=10000000 cannot be greater than max_model_len=40960.",
        "type": "BadRequestError",
        "param": "max_tokens",
        "code": 400,
    }
}
LINK = "See https://eu-west-1.console.aws.amazon.com/cloudwatch/home in account 123456789012"


def front_door(message: str, code: str = "validation_error") -> bytes:
    error = {"message": message, "type": "invalid_request_error", "code": code}
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize(
    ("status", "body", "answered", "code"),
    [
        (
            400,
            front_door(
                "Received client error (400) from Kl6NPmsG with message "
                f'"{json.dumps(CONTAINER)}". {LINK} for more information.',
                "model_error",
            ),
            400,
            400,
        ),
        (
            400,
            front_door(
                "Inference Component has no capacity to process this request. "
                "ApplicationAutoScaling may be in-progress (if configured) or try to increase "
                "the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
            ),
            503,
            "upstream_unavailable",
        ),
        (
            400,
            front_door("Endpoint chat of account 123456789012 not found."),
            404,
            "model_not_found",
        ),
        (
            403,
            b'{"message":"not authorized to perform: sagemaker:CallWithBearerToken"}',
            502,
            "upstream_authentication",
        ),
        (429, b'{"Message":"Rate exceeded"}', 429, "rate_limit_exceeded"),
    ],
)
def test_its_refusals_are_told_without_the_operators_account(
    tmp_path: Path, status: int, body: bytes, answered: int, code: Any
) -> None:
    async def play() -> None:
        async with (
            upstream(replying(whole(body, status))) as up,
            gateway(tmp_path, config(up.url, "chat"), environ=ENVIRON) as running,
        ):
            answer = await running.ask(http(chat("m")))
            assert (answer.status, answer.error["code"]) == (answered, code)
            assert "123456789012" not in answer.body.decode()
            assert "amazon.com" not in answer.body.decode()
            if code == 400:
                assert answer.json() == CONTAINER, "the container's own words"
            as_claude = {"model": "m", "max_tokens": 5, "messages": chat("m")["messages"]}
            other = await running.ask(http(as_claude, path="/v1/messages"))
            assert "123456789012" not in other.body.decode()
            assert other.json()["type"] == "error", "in the client's dialect"

    uvloop.run(play())


async def ask_without(tmp_path: Path, running: Running, up: Upstream) -> None:
    answer = await running.ask(http(chat("m")))
    assert answer.status >= 500
    assert up.requests == []


def test_a_provider_without_a_region_says_so(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(good) as up:
            text = config(up.url, "chat").replace("region: eu-west-1, ", "")
            async with gateway(tmp_path, text, environ=ENVIRON) as running:
                await ask_without(tmp_path, running, up)
                assert "names no AWS region to sign for; give it a `region`" in running.log

    uvloop.run(play())
