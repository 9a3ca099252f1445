"""Messages to providers that speak Messages, Gemini to those that speak Gemini: bytes."""

import base64
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import uvloop

from portico.types.usage import Usage
from tests.harness import (
    CANARY,
    KEY,
    LAST_CHUNK,
    SSE_HEAD,
    Answer,
    Received,
    Script,
    Wire,
    chunk,
    event,
    gateway,
    http,
    replying,
    upstream,
    whole,
)

GENERATE = "/v1beta/models/m:generateContent"
STREAM = "/v1beta/models/m:streamGenerateContent?alt=sse"
ARRAY = "/v1beta/models/m:streamGenerateContent"


def config(provider_type: str, *urls: str) -> str:
    providers = "".join(
        f"  - {{name: p{at}, provider_type: {provider_type}, base_url: '{url}', "
        f"api_key: {CANARY}}}\n"
        for at, url in enumerate(urls)
    )
    targets = ", ".join(f"p{at}/real" for at in range(len(urls)))
    return (
        f"providers:\n{providers}models:\n  - {{name: m, targets: [{targets}], "
        f"strategy: priority_based, retries: {{max_attempts: {len(urls)}, base_delay: 0}}}}\n"
        f"keys:\n  - {{name: k, key: {KEY}}}\n"
    )


def said(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\n".encode() + event({"type": kind, **fields})


MESSAGES = (
    '{"system":[{"type":"text","text":"be  brief","cache_control":{"type":"ephemeral"}}],'
    '"model":"m", "max_tokens" : 50,"novel":{"b":1,"a":[1.0,1e3]},%s'
    '"messages":[{"role":"user","content":"h\\u00e9 \U0001f44b"}]}'
)
MESSAGE = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"real","novel": [1],'
    b'"content":[{"type":"thinking","thinking":"hm","signature":"c2ln"},'
    b'{"type":"text","text":"hello"}],"stop_reason":"end_turn",'
    b'"usage":{"input_tokens":7,"cache_read_input_tokens":90,"output_tokens":3}}'
)
START = said(
    "message_start",
    message={"id": "msg_1", "usage": {"input_tokens": 7, "output_tokens": 1}, "novel": 1},
)
TEXT = said("content_block_delta", index=0, delta={"type": "text_delta", "text": "hi"})
ENDING = (
    said("novel_event", x=1)
    + said("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3})
    + said("message_stop")
)
PARTS = (
    '{"contents":[{"role":"user","parts":[{"text":"h\\u00e9"}]},'
    '{"role":"model","parts":[{"text":"ok", "thoughtSignature":"c2ln"}]}],"novel":{"b":1,"a":2}}'
)
CANDIDATE = b'{"candidates":[{"content":{"parts":[{"text":"hi"}]},"novel":1}],"usageMetadata":{}}'
LAST = (
    b'{"candidates":[{"content":{"parts":[{"text":"!"}]},"finishReason":"STOP"}],'
    b'"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3,"totalTokenCount":10}}'
)
GEMINI_EVENTS = b"data: " + CANDIDATE + b"\r\n\r\ndata: " + LAST + b"\r\n\r\n"


def asked(body: str, path: str, **fields: str) -> bytes:
    return http(body, path=path, **fields)


def test_a_message_passes_as_it_is(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(replying(whole(MESSAGE))) as provider,
            gateway(tmp_path, config("anthropic", provider.url)) as running,
        ):
            body = MESSAGES % ""
            fields = {"anthropic_beta": "context-1m-2025-08-07", "anthropic_version": "2023-06-01"}
            answer = await running.ask(asked(body, "/v1/messages?beta=true", **fields))
            assert (answer.status, answer.body) == (200, MESSAGE)
            (sent,) = provider.requests
            assert sent.target == "/v1/messages"
            assert sent.body.decode() == body.replace('"model":"m"', '"model":"real"')
            assert sent.headers["anthropic-beta"] == "context-1m-2025-08-07"
            assert sent.headers["anthropic-version"] == "2023-06-01"
            assert sent.headers["x-api-key"] == CANARY
            assert "authorization" not in sent.headers
            await running.settled()
            (record,) = running.journal()
            used = Usage(input_tokens=7, cache_read_tokens=90, output_tokens=3)
            assert record.attempts[0].usage == used

    uvloop.run(play())


def test_a_streamed_message_passes_as_it_is(tmp_path: Path) -> None:
    async def play() -> None:
        script = replying(
            SSE_HEAD + chunk(START + TEXT[:30]), chunk(TEXT[30:] + ENDING), LAST_CHUNK
        )
        async with (
            upstream(script) as provider,
            gateway(tmp_path, config("anthropic", provider.url)) as running,
        ):
            body = MESSAGES % '"stream":true,'
            answer = await running.ask(asked(body, "/v1/messages"))
            assert (answer.body, answer.is_complete) == (START + TEXT + ENDING, True)
            await running.settled()
            assert running.journal()[0].attempts[0].usage == Usage(input_tokens=7, output_tokens=3)
            running.check_balance()

    uvloop.run(play())


def test_gemini_passes_as_it_is(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(replying(whole(LAST))) as provider,
            gateway(tmp_path, config("gemini", provider.url + "/v1beta")) as running,
        ):
            request = asked(PARTS, GENERATE, key=None, x_goog_api_key=KEY)  # type: ignore[arg-type]
            answer = await running.ask(request)
            assert (answer.status, answer.body) == (200, LAST)
            (sent,) = provider.requests
            assert (sent.target, sent.body.decode()) == (
                "/v1beta/models/real:generateContent",
                PARTS,
            )
            assert sent.headers["x-goog-api-key"] == CANARY
            await running.settled()
            used = running.journal()[0].attempts[0].usage
            assert used == Usage(input_tokens=7, output_tokens=3, reported_total=10)

    uvloop.run(play())


def test_a_second_model_in_a_gemini_body_goes_nowhere(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(replying(whole(LAST))) as provider,
            gateway(tmp_path, config("gemini", provider.url + "/v1beta")) as running,
        ):
            await running.ask(asked('{"mod\\u0065l":"dear", "contents":[]}', GENERATE))
            assert provider.requests[0].json() == {"contents": []}

    uvloop.run(play())


@pytest.mark.parametrize(
    ("path", "kind"), [(STREAM, "text/event-stream"), (ARRAY, "application/json")]
)
def test_streamed_gemini_passes_as_it_is(path: str, kind: str, tmp_path: Path) -> None:
    async def play() -> None:
        script = replying(
            SSE_HEAD + chunk(GEMINI_EVENTS[:50]), chunk(GEMINI_EVENTS[50:]), LAST_CHUNK
        )
        async with (
            upstream(script) as provider,
            gateway(tmp_path, config("gemini", provider.url + "/v1beta")) as running,
        ):
            answer = await running.ask(asked(PARTS, path))
            assert answer.headers["content-type"] == kind
            assert answer.is_complete
            if path is STREAM:
                assert answer.body == GEMINI_EVENTS
            else:
                assert answer.json() == [json.loads(CANDIDATE), json.loads(LAST)]
            assert provider.requests[0].target.endswith("real:streamGenerateContent?alt=sse")
            await running.settled()
            used = running.journal()[0].attempts[0].usage
            assert used == Usage(input_tokens=7, output_tokens=3, reported_total=10)
            running.check_balance()

    uvloop.run(play())


SIDES = {
    "anthropic": ("/v1/messages", MESSAGES % "", MESSAGES % '"stream":true,', "/v1/messages"),
    "gemini": (GENERATE, PARTS, PARTS, STREAM),
}
REFUSALS = {
    "anthropic": b'{"type":"error","error":{"type":"invalid_request_error","message":"no"},"x":1}',
    "gemini": b'{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT","x":1}}',
}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("side", SIDES)
def test_an_error_of_the_provider_passes_in_its_words(
    side: str, streamed: bool, tmp_path: Path
) -> None:
    async def play() -> None:
        async with (
            upstream(replying(whole(REFUSALS[side], 400))) as provider,
            gateway(tmp_path, config(side, provider.url)) as running,
        ):
            path, body, stream_body, stream_path = SIDES[side]
            request = asked(stream_body, stream_path) if streamed else asked(body, path)
            answer = await running.ask(request)
            assert (answer.status, answer.body) == (400, REFUSALS[side])

    uvloop.run(play())


@pytest.mark.parametrize("side", SIDES)
def test_an_error_with_a_key_in_it_is_told_in_other_words(side: str, tmp_path: Path) -> None:
    async def play() -> None:
        secret = REFUSALS[side].replace(b"no", CANARY.encode())
        async with (
            upstream(replying(whole(secret, 400))) as provider,
            gateway(tmp_path, config(side, provider.url)) as running,
        ):
            path, body, *_ = SIDES[side]
            answer = await running.ask(asked(body, path))
            assert answer.status == 400
            assert CANARY not in answer.body.decode()
            assert "message" in answer.json()["error"]

    uvloop.run(play())


GEMINI_CHUNK = b"data: " + CANDIDATE + b"\n\n"
OVERLOADED = said("error", error={"type": "overloaded_error", "message": "busy"})
UNAVAILABLE = event({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}})
BROKEN: dict[str, tuple[str, Script]] = {
    "an error event": ("anthropic", replying(SSE_HEAD + chunk(START + TEXT), chunk(OVERLOADED))),
    "cut": ("anthropic", replying(SSE_HEAD + chunk(START + TEXT), chunk(TEXT[:9]) + LAST_CHUNK)),
    "an error chunk": ("gemini", replying(SSE_HEAD + chunk(GEMINI_CHUNK), chunk(UNAVAILABLE))),
    "never finished": ("gemini", replying(SSE_HEAD + chunk(GEMINI_CHUNK), LAST_CHUNK)),
}


@pytest.mark.parametrize("failure", BROKEN)
def test_a_stream_that_breaks_ends_in_an_error(failure: str, tmp_path: Path) -> None:
    side, script = BROKEN[failure]

    async def play() -> None:
        async with (
            upstream(script) as provider,
            gateway(tmp_path, config(side, provider.url)) as running,
        ):
            *_, body, path = SIDES[side]
            answer = await running.ask(asked(body, path))
            last = json.loads(answer.events()[-1])
            assert last["error"]["message"]
            assert (last.get("type") == "error") == (side == "anthropic")
            assert b"message_stop" not in answer.body
            await running.settled()
            (attempt,) = running.journal()[0].attempts
            assert attempt.partial
            assert attempt.usage is not None
            assert (attempt.usage.total_output_tokens or 0) >= 1
            running.check_balance()

    uvloop.run(play())


def test_what_a_broken_message_had_said_counts_at_least(tmp_path: Path) -> None:
    """`message_start` reports one token; twenty pieces are no less than twenty."""

    async def play() -> None:
        script = replying(SSE_HEAD + chunk(START + TEXT * 20), LAST_CHUNK)
        async with (
            upstream(script) as provider,
            gateway(tmp_path, config("anthropic", provider.url)) as running,
        ):
            await running.ask(asked(MESSAGES % '"stream":true,', "/v1/messages"))
            await running.settled()
            usage = running.journal()[0].attempts[0].usage
            assert usage == Usage(input_tokens=7, output_tokens=20, estimated=True)

    uvloop.run(play())


@pytest.mark.parametrize("begun", [OVERLOADED, START + said("ping") + OVERLOADED])
def test_an_early_error_event_goes_to_the_next_deployment(begun: bytes, tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(replying(SSE_HEAD + chunk(begun) + LAST_CHUNK)) as bad,
            upstream(replying(SSE_HEAD + chunk(START + TEXT + ENDING) + LAST_CHUNK)) as good,
            gateway(tmp_path, config("anthropic", bad.url, good.url)) as running,
        ):
            answer = await running.ask(asked(MESSAGES % '"stream":true,', "/v1/messages"))
            assert answer.body == START + TEXT + ENDING
            assert answer.headers["x-portico-deployment"] == "p1/real"

    uvloop.run(play())


# The same conversation prefix is the same bytes to the provider, so that its prompt cache hits.


def conversation(turns: int) -> str:
    """A body whose prefix grows by appending, as clients write it."""
    told = [
        {"role": role, "content": [{"type": "text", "text": f"turn {turn} é"}]}
        for turn, role in zip(range(turns), itertools.cycle(("user", "assistant")), strict=False)
    ]
    schema = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "number"}}}
    rules = {"type": "text", "text": "rules", "cache_control": {"type": "ephemeral"}}
    body = {"model": "m", "max_tokens": 50, "system": [rules]}
    return json.dumps({**body, "tools": [{"name": "t", "input_schema": schema}], "messages": told})


@pytest.mark.parametrize("provider_type", ["anthropic", "openai_compatible", "gemini"])
def test_the_same_prefix_is_the_same_bytes(provider_type: str, tmp_path: Path) -> None:
    async def play() -> None:
        async def script(wire: Wire, _: Received) -> None:
            wire.send(whole(b'{"type":"error","error":{"message":"enough"}}', 400))

        async with (
            upstream(script) as provider,
            gateway(tmp_path, config(provider_type, provider.url)) as running,
        ):
            for turns in (1, 3, 5):
                await running.ask(asked(conversation(turns), "/v1/messages"))
            first, second, third = (sent.body for sent in provider.requests)
            for before, after in ((first, second), (second, third)):
                shared = before[: before.rindex(b"turn ")]
                assert len(shared) > 80
                assert after.startswith(shared)

    uvloop.run(play())


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
def test_a_provider_of_another_type_may_speak_messages(path: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(replying(whole(MESSAGE))) as provider,
            gateway(
                tmp_path,
                config("openai_compatible", provider.url + "/anthropic").replace(
                    "api_key", "dialect: anthropic_messages, api_key"
                ),
            ) as running,
        ):
            answer = await running.ask(asked(MESSAGES % "", path))
            assert answer.status == 200, answer.body
            (sent,) = provider.requests
            assert sent.target == "/anthropic/v1/messages"
            assert sent.headers["x-api-key"] == CANARY
            assert sent.headers["anthropic-version"] == "2023-06-01"

    uvloop.run(play())


def test_wrong_methods_are_told_in_the_dialect(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, f"keys:\n  - {{name: k, key: {KEY}}}\n") as running:

            async def got(path: str) -> Answer:
                return await running.ask(http(path=path, method="GET"))

            messages = await got("/v1/messages")
            assert messages.status == 405
            assert messages.json()["type"] == "error"
            assert messages.json()["error"]["type"] == "invalid_request_error"
            gemini = await got("/v1beta/nothing")
            assert gemini.status == 404
            assert gemini.error["status"] == "NOT_FOUND"
            other = await got("/v1/nothing")
            assert other.error["code"] == "unknown_url"

    uvloop.run(play())


SEALED = "portico:1:cohere_chat:elsewhere:their-model:c2ln"
SEALED_BASE64 = base64.b64encode(SEALED.encode()).decode()
CALLED: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "messages": (
        "anthropic",
        "/v1/messages",
        SEALED,
        {
            "model": "m",
            "max_tokens": 9,
            "novel": [1],
            "messages": [
                {"role": "user", "content": "hi"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "t", "signature": SEALED},
                        {"type": "text", "text": "ho"},
                    ],
                },
                {"role": "user", "content": "?"},
            ],
        },
    ),
    "gemini": (
        "gemini",
        GENERATE,
        SEALED_BASE64,
        {
            "novel": [1],
            "contents": [
                {"role": "user", "parts": [{"text": "hi"}]},
                {"role": "model", "parts": [{"text": "ho", "thoughtSignature": SEALED_BASE64}]},
                {"role": "user", "parts": [{"text": "?"}]},
            ],
        },
    ),
    "responses": (
        "openai",
        "/v1/responses",
        SEALED,
        {
            "model": "m",
            "novel": [1],
            "store": False,
            "input": [
                {"role": "user", "content": "hi"},
                {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": SEALED},
                {"type": "message", "role": "assistant", "content": "ho"},
                {"role": "user", "content": "?"},
            ],
        },
    ),
}


@pytest.mark.parametrize(("kind", "path", "sealed", "body"), CALLED.values(), ids=CALLED)
def test_what_another_provider_signed_is_left_out_although_the_rest_would_pass(
    kind: str, path: str, sealed: str, body: dict[str, Any], tmp_path: Path
) -> None:
    """Claude, Gemini and OpenAI refuse a whole request for a signature that is not theirs."""

    async def play() -> None:
        async with upstream(replying(whole(b"{}", 400))) as up:
            async with gateway(tmp_path, config(kind, up.url)) as running:
                await running.ask(asked(json.dumps(body), path))
                (sent,) = up.requests
                assert sealed not in sent.body.decode()
                assert (b"ho" in sent.body, sent.json()["novel"]) == (True, [1])

    uvloop.run(play())
