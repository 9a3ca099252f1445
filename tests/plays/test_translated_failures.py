"""The failures again where client and provider speak different dialects: the client is told in its
own, no broken stream looks like a whole one, and the books balance as ever.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.harness import (
    CANARY,
    CHAT,
    DONE,
    KEY,
    LAST_CHUNK,
    SSE_HEAD,
    USAGE_EVENT,
    Answer,
    Received,
    Script,
    Wire,
    chunk,
    delta,
    event,
    gateway,
    http,
    replying,
    upstream,
    whole,
)


def said(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\n".encode() + event({"type": kind, **fields})


MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "real",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 7, "output_tokens": 3},
}
START = said("message_start", message={**MESSAGE, "content": [], "stop_reason": None}) + said(
    "content_block_start", index=0, content_block={"type": "text", "text": ""}
)


def text(piece: str) -> bytes:
    return said("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})


STOP = (
    said("content_block_stop", index=0)
    + said("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3})
    + said("message_stop")
)
OVERLOADED = said("error", error={"type": "overloaded_error", "message": "Overloaded"})
OPENAI_ERROR = event({"error": {"message": "busy", "type": "server_error", "code": 503}})


@dataclass(frozen=True)
class Side:
    """A provider's dialect as this test plays it, and how the client of the other one asks."""

    provider_type: str
    path: str
    whole: bytes
    begin: bytes
    more: bytes
    end: bytes
    error: bytes
    refusal: dict[str, Any] = field(default_factory=dict)


ANTHROPIC = Side(
    "anthropic",
    "/v1/chat/completions",
    json.dumps(MESSAGE).encode(),
    START + text("he"),
    text("llo"),
    STOP,
    OVERLOADED,
    {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
)
OPENAI = Side(
    "openai_compatible",
    "/v1/messages",
    CHAT,
    delta("he"),
    delta("llo", "stop"),
    USAGE_EVENT + DONE,
    OPENAI_ERROR,
    {"error": {"message": "busy"}},
)
SIDES = pytest.mark.parametrize("side", [ANTHROPIC, OPENAI], ids=lambda side: side.provider_type)


def then_close(*pieces: bytes) -> Script:
    async def script(wire: Wire, _: Received) -> None:
        for piece in pieces:
            wire.send(piece)
        await wire.drain()
        wire.close()

    return script


def config(side: Side, *urls: str) -> str:
    providers = "".join(
        f"  - {{name: p{at}, provider_type: {side.provider_type}, base_url: '{url}', "
        f"api_key: {CANARY}}}\n"
        for at, url in enumerate(urls)
    )
    targets = ", ".join(f"p{at}/real" for at in range(len(urls)))
    return (
        f"providers:\n{providers}models:\n  - {{name: m, targets: [{targets}], "
        f"strategy: priority_based, retries: {{max_attempts: {len(urls)}, base_delay: 0}}}}\n"
        f"keys:\n  - {{name: k, key: {KEY}}}\n"
    )


def request(side: Side, *, streamed: bool) -> bytes:
    body: dict[str, Any] = {"model": "m", "max_tokens": 50, "stream": streamed}
    body["messages"] = [{"role": "user", "content": "hi"}]
    return http(body, path=side.path)


def text_of(side: Side, answer: Answer) -> str:
    """The text that the client of the other dialect got."""
    values = [json.loads(one) for one in answer.events() if one != "[DONE]"]
    if side is ANTHROPIC:
        return "".join(
            choice["delta"].get("content") or ""
            for one in values
            for choice in one.get("choices", [])
        )
    return "".join(one["delta"].get("text", "") for one in values if "delta" in one)


def has_end(side: Side, answer: Answer) -> bool:
    return (b"[DONE]" if side is ANTHROPIC else b"message_stop") in answer.body


def has_error(side: Side, answer: Answer) -> bool:
    last = json.loads(answer.events()[-1])
    return "error" in last and (side is ANTHROPIC or last["type"] == "error")


BROKEN = {
    "clean end, not finished": lambda side: replying(SSE_HEAD + chunk(side.begin), LAST_CHUNK),
    "close": lambda side: then_close(SSE_HEAD + chunk(side.begin)),
    "clean end inside a line": lambda side: replying(
        SSE_HEAD + chunk(side.begin), chunk(side.more[:30]), LAST_CHUNK
    ),
    "an error event": lambda side: replying(
        SSE_HEAD + chunk(side.begin), chunk(side.error), LAST_CHUNK
    ),
    "an error event and then an end": lambda side: replying(
        SSE_HEAD + chunk(side.begin), chunk(side.error + side.more + side.end), LAST_CHUNK
    ),
    "an endless event": lambda side: replying(
        SSE_HEAD + chunk(side.begin), chunk(b"data: " + b"x" * (17 << 20))
    ),
}


@SIDES
@pytest.mark.parametrize("failure", BROKEN)
def test_a_stream_that_breaks(side: Side, failure: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(BROKEN[failure](side)) as provider,
            gateway(tmp_path, config(side, provider.url)) as running,
        ):
            answer = await running.ask(request(side, streamed=True))
            await running.settled()
            assert (answer.status, answer.is_complete) == (200, True)
            assert text_of(side, answer) == "he"
            assert not has_end(side, answer)
            assert has_error(side, answer)
            (record,) = running.journal()
            assert record.attempts[0].outcome != "success"
            assert record.attempts[0].partial
            running.check_balance()
            assert running.log.count("request_id=") == 1

    uvloop.run(play())


EARLY = {
    "500": lambda side: replying(whole(json.dumps(side.refusal).encode(), 500)),
    "429": lambda side: replying(whole(json.dumps(side.refusal).encode(), 429)),
    "401": lambda side: replying(whole(json.dumps(side.refusal).encode(), 401)),
    "html": lambda side: replying(whole(b"<html>", 200, "text/html")),
    "empty object": lambda side: replying(whole(b"{}")),
    "list": lambda side: replying(whole(b"[1]")),
    "cut json": lambda side: replying(whole(side.whole[:-9])),
    "wrong types": lambda side: replying(
        whole(side.whole.replace(b'"assistant"', b"5").replace(b'"hello"', b"5"))
    ),
    "garbage": lambda side: then_close(b"220 smtp\r\n"),
    "error event first": lambda side: replying(SSE_HEAD + chunk(side.error) + LAST_CHUNK),
    "error event after the start": lambda side: replying(
        SSE_HEAD + chunk(START if side is ANTHROPIC else b": hm\n\n"),
        chunk(side.error) + LAST_CHUNK,
    ),
    "empty stream": lambda side: replying(SSE_HEAD + LAST_CHUNK),
    "not json": lambda side: replying(SSE_HEAD + chunk(b"data: oops\n\n") + LAST_CHUNK),
}
WHOLE_ONLY = {"empty object", "list", "cut json", "wrong types"}
CELLS = [
    (failure, streamed)
    for failure in EARLY
    for streamed in (False, True)
    if not (streamed and failure in WHOLE_ONLY)
]


async def good_side(side: Side, wire: Wire, asked: Received) -> None:
    if asked.json().get("stream"):
        wire.send(SSE_HEAD + chunk(side.begin) + chunk(side.more + side.end) + LAST_CHUNK)
    else:
        wire.send(whole(side.whole))


@SIDES
@pytest.mark.parametrize(("failure", "streamed"), CELLS)
def test_an_early_failure_alone(side: Side, failure: str, streamed: bool, tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(EARLY[failure](side)) as provider,
            gateway(tmp_path, config(side, provider.url)) as running,
        ):
            answer = await running.ask(request(side, streamed=streamed))
            await running.settled()
            assert answer.status >= 400, answer.body
            value = answer.json()
            assert isinstance(value["error"]["message"], str)
            if side is OPENAI:
                assert value["type"] == "error"
                assert value["error"]["type"].endswith("_error")
            else:
                assert set(value["error"]) == {"message", "type", "param", "code"}
            assert "Traceback" not in running.log
            assert answer.json()["error"].get("code") != "internal_error", running.log
            running.check_balance()
            assert len(running.journal()) == 1

    uvloop.run(play())


@SIDES
@pytest.mark.parametrize(("failure", "streamed"), CELLS)
def test_an_early_failure_with_another_deployment(
    side: Side, failure: str, streamed: bool, tmp_path: Path
) -> None:
    async def play() -> None:
        async def good(wire: Wire, asked: Received) -> None:
            await good_side(side, wire, asked)

        async with (
            upstream(EARLY[failure](side)) as bad,
            upstream(good) as second,
            gateway(tmp_path, config(side, bad.url, second.url)) as running,
        ):
            answer = await running.ask(request(side, streamed=streamed))
            await running.settled()
            assert answer.status == 200, answer.body
            assert answer.headers["x-portico-deployment"] == "p1/real"
            if streamed:
                assert text_of(side, answer) == "hello"
                assert has_end(side, answer)
            (record,) = running.journal()
            assert [one.outcome == "success" for one in record.attempts] == [False, True]
            usage = record.attempts[1].usage
            assert usage is not None
            assert (usage.total_input_tokens, usage.total_output_tokens) == (7, 3)
            running.check_balance()

    uvloop.run(play())
