"""One play for each way a provider fails, whole and streamed: what the client, the journal, the
metrics and the log then say.

A cell is (failure, mode). Whatever happens, these hold: the answer is an error in the client's
dialect or a complete success, never a forged one; no stream has more than one `[DONE]`; the
journal has exactly one record of the call; `requests_total = success + error + active`; and the
provider's credential is nowhere to be seen.
"""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvloop

from tests.harness import (
    CANARY,
    CHAT,
    DONE,
    LAST_CHUNK,
    SSE_HEAD,
    USAGE_EVENT,
    Answer,
    Received,
    Running,
    Script,
    Wire,
    chat,
    chunk,
    closed_port,
    config,
    delta,
    event,
    gateway,
    http,
    replying,
    upstream,
    whole,
)

QUICK = ", timeouts: {connect: 2, first_byte: 0.2, first_event: 0.2, idle: 0.2, total: 30}"


def then_reset(*pieces: bytes) -> Script:
    async def script(wire: Wire, _: Received) -> None:
        for piece in pieces:
            wire.send(piece)
            await wire.drain()
        # A reset overtakes what the gateway has not read: let it read first.
        await asyncio.sleep(0.01 if pieces else 0)
        wire.reset()

    return script


def then_close(*pieces: bytes) -> Script:
    async def script(wire: Wire, _: Received) -> None:
        for piece in pieces:
            wire.send(piece)
        await wire.drain()
        wire.close()

    return script


def then_stall(*pieces: bytes) -> Script:
    async def script(wire: Wire, _: Received) -> None:
        for piece in pieces:
            wire.send(piece)
        await wire.gone()

    return script


def refusal(status: int, error: object, **fields: str) -> Script:
    return replying(whole(json.dumps({"error": error}).encode(), status, **fields))


def passed(name: str, status: int, code: str, error: dict[str, object], **fields: str) -> "Cell":
    return Cell(name, refusal(status, error, **fields), status, code, passed=error)


@dataclass(frozen=True)
class Cell:
    """`status` and `code` are what the client is told; a broken stream has status 200, the texts it
    had carried, and the code of its last event. `text` of a success is the whole text. `passed` is
    the provider's own error where the client gets that as it was said."""

    name: str
    script: Script
    status: int
    code: str | None
    text: str = ""
    route: str = ""
    passed: dict[str, object] | None = None


HEAD_OF_WHOLE = whole(CHAT)[:90]
WHOLE = [
    Cell("reset before the head", then_reset(), 502, "upstream_unreachable"),
    Cell("close before the head", then_close(), 502, "upstream_unreachable"),
    Cell("reset after the head", then_reset(HEAD_OF_WHOLE), 502, "upstream_protocol_error"),
    Cell("close inside the body", then_close(whole(CHAT)[:-5]), 502, "upstream_protocol_error"),
    Cell(
        "content-length too long",
        then_close(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n" + CHAT),
        502,
        "upstream_protocol_error",
    ),
    Cell(
        "chunked body cut",
        then_close(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunk(CHAT)),
        502,
        "upstream_protocol_error",
    ),
    Cell("not HTTP", then_close(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), 502, "upstream_protocol_error"),
    Cell(
        "an HTML page with 200",
        replying(whole(b"<html>login</html>", kind="text/html")),
        502,
        "upstream_protocol_error",
    ),
    Cell("an empty 200", replying(whole(b"")), 502, "upstream_protocol_error"),
    Cell("an error in a 200", refusal(200, {"message": "no", "code": 502}), 502, "upstream_error"),
    Cell("head never comes", then_stall(), 504, "timeout", route=QUICK),
    Cell("body stalls", then_stall(whole(CHAT)[:-5]), 504, "timeout", route=QUICK),
]
BOTH = [
    Cell(
        "an HTML page with 502",
        replying(whole(b"<html>bad</html>", 502, "text/html")),
        502,
        "upstream_error",
    ),
    passed(
        "429 with a wait",
        429,
        "rate_limit_exceeded",
        {"message": "slow", "type": "requests", "code": "x"},
        retry_after="2",
    ),
    passed(
        "429 without credit",
        429,
        "insufficient_quota",
        {"message": "pay", "type": "insufficient_quota", "code": None},
    ),
    Cell(
        "401 that quotes the key",
        refusal(401, {"message": f"Incorrect API key provided: {CANARY}-0"}),
        502,
        "upstream_authentication",
    ),
    Cell(
        "403 of a content filter",
        refusal(403, {"message": f"flagged for {CANARY}-0", "code": "content_filter"}),
        403,
        "content_filter",
    ),
    Cell(
        "400 that quotes the key",
        refusal(400, {"message": f"bad header {CANARY}-0", "code": "bad"}),
        400,
        "bad",
    ),
    passed("500", 500, "upstream_error", {"message": "oops"}),
    passed("503", 503, "upstream_unavailable", {"message": "busy"}),
    Cell("529", refusal(529, {"message": "busy"}), 503, "upstream_unavailable"),
    passed(
        "400 too long",
        400,
        "context_length_exceeded",
        {"message": "long", "code": "context_length_exceeded"},
    ),
    passed("404", 404, "model_not_found", {"message": "no such model"}),
    passed("404 of something else", 404, "invalid_request", {"message": "no such file"}),
    Cell("a redirect", replying(whole(b"", 302, location="/x")), 502, "upstream_protocol_error"),
]
HE = SSE_HEAD + chunk(delta("he"))
ERROR_EVENT = event({"error": {"message": "overloaded", "type": "server_error", "code": 503}})
STREAMED = [
    Cell("reset before the head", then_reset(), 502, "upstream_unreachable"),
    Cell("reset after the head", then_reset(SSE_HEAD), 502, "upstream_protocol_error"),
    Cell("reset after an event", then_reset(HE), 200, "upstream_protocol_error", "he"),
    Cell("close after an event", then_close(HE), 200, "upstream_protocol_error", "he"),
    Cell("clean end without a word", replying(SSE_HEAD, LAST_CHUNK), 502, "stream_truncated"),
    Cell("clean end, not finished", replying(HE, LAST_CHUNK), 200, "stream_truncated", "he"),
    Cell(
        "clean end inside a line",
        replying(HE, chunk(delta("llo")[:20]), LAST_CHUNK),
        200,
        "stream_truncated",
        "he",
    ),
    Cell(
        "clean end inside a character",
        replying(HE, chunk(b'data: {"choices":[{"delta":{"content":"\xe2\x82'), LAST_CHUNK),
        200,
        "stream_truncated",
        "he",
    ),
    Cell(
        "reset inside an event",
        then_reset(HE, chunk(delta("llo")[:20])),
        200,
        "upstream_protocol_error",
        "he",
    ),
    Cell(
        "an error event first",
        replying(SSE_HEAD + chunk(ERROR_EVENT) + LAST_CHUNK),
        503,
        "upstream_unavailable",
    ),
    Cell(
        "an error event after a comment",
        replying(SSE_HEAD + chunk(b": PROCESSING\n\n"), chunk(ERROR_EVENT) + LAST_CHUNK),
        503,
        "upstream_unavailable",
    ),
    Cell(
        "an error event later",
        replying(HE, chunk(ERROR_EVENT), LAST_CHUNK),
        200,
        "upstream_unavailable",
        "he",
    ),
    Cell(
        "an error event and then [DONE]",
        replying(HE, chunk(ERROR_EVENT + DONE), LAST_CHUNK),
        200,
        "upstream_unavailable",
        "he",
    ),
    Cell(
        "an error document called a stream",
        replying(SSE_HEAD + chunk(b'{"error":{"message":"no"}}') + LAST_CHUNK),
        502,
        "stream_truncated",
    ),
    Cell("a whole answer", replying(whole(CHAT)), 502, "upstream_protocol_error"),
    Cell(
        "an error in a 200",
        refusal(200, {"message": "no", "code": 429}),
        429,
        "rate_limit_exceeded",
    ),
    Cell(
        "an HTML page with 200",
        replying(whole(b"<html>", kind="text/html")),
        502,
        "upstream_protocol_error",
    ),
    Cell("head never comes", then_stall(), 504, "timeout", route=QUICK),
    Cell("first event never comes", then_stall(SSE_HEAD), 504, "timeout", route=QUICK),
    Cell("stalls after an event", then_stall(HE), 200, "timeout", "he", QUICK),
    Cell(
        "an endless event",
        replying(HE, chunk(b"data: " + b"x" * (1 << 20) + b"x")),
        200,
        "upstream_protocol_error",
        "he",
    ),
    Cell(
        "finished, without [DONE]",
        replying(HE, chunk(delta("llo", "stop")), LAST_CHUNK),
        200,
        None,
        "hello",
    ),
    Cell(
        "two [DONE]s",
        replying(HE, chunk(delta("llo", "stop") + DONE + DONE), chunk(DONE) + LAST_CHUNK),
        200,
        None,
        "hello",
    ),
    Cell(
        "[DONE], and the connection stays open",
        then_stall(HE, chunk(delta("llo", "stop") + USAGE_EVENT + DONE)),
        200,
        None,
        "hello",
    ),
    Cell(
        "no usage",
        replying(HE, chunk(delta("llo", "stop")), chunk(DONE), LAST_CHUNK),
        200,
        None,
        "hello",
    ),
    Cell(
        "usage twice",
        replying(HE, chunk(delta("llo", "stop") + USAGE_EVENT + USAGE_EVENT + DONE), LAST_CHUNK),
        200,
        None,
        "hello",
    ),
    Cell(
        "reset after [DONE]",
        then_reset(HE, chunk(delta("llo", "stop") + DONE)),
        200,
        None,
        "hello",
    ),
]
CELLS = [(cell, False) for cell in WHOLE + BOTH] + [(cell, True) for cell in STREAMED + BOTH]


def named(value: object) -> str:
    if isinstance(value, Cell):
        return value.name.replace(" ", "-")
    return "streamed" if value else "whole"


@pytest.mark.parametrize(("cell", "streamed"), CELLS, ids=named)
def test_a_failing_provider(cell: Cell, streamed: bool, tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(cell.script) as provider,
            gateway(tmp_path, config(provider.url, route=cell.route)) as running,
        ):
            answer = await running.ask(http(chat(stream=streamed), x_request_id="play-1"))
            await running.settled()
            check_answer(answer, cell)
            check_traces(running, answer, cell, streamed)

    uvloop.run(play())


def check_answer(answer: Answer, cell: Cell) -> None:
    assert answer.is_complete
    assert answer.headers["x-request-id"] == "play-1"
    assert answer.status == cell.status, answer.body
    if cell.status != 200:
        if cell.passed is not None:
            assert answer.error == cell.passed
        else:
            assert answer.error["code"] == cell.code
        return
    assert answer.headers["content-type"] == "text/event-stream"
    events = answer.events()
    values = [json.loads(one) for one in events if one != "[DONE]"]
    text = "".join(
        choice["delta"]["content"] for value in values for choice in value.get("choices", [])
    )
    assert text == cell.text
    assert "usage" not in str(values)
    if cell.code is None:
        assert events.count("[DONE]") == 1
        assert events[-1] == "[DONE]"
    else:
        assert "[DONE]" not in events
        assert values[-1]["error"]["code"] == cell.code


def check_traces(running: Running, answer: Answer, cell: Cell, streamed: bool) -> None:
    (record,) = running.journal()
    assert (record.request_id, record.status) == ("play-1", cell.status)
    assert record.streamed == (streamed and cell.status == 200)
    (attempt,) = record.attempts
    assert attempt.deployment == "up0/real-0"
    assert attempt.outcome == ("success" if cell.code is None else cell.code)
    assert attempt.partial == (cell.status == 200 and cell.code is not None)
    running.check_balance()
    assert running.count("litellm_requests_total") == 1
    refusals = [line for line in running.log.splitlines() if "request_id=play-1" in line]
    assert len(refusals) == (0 if cell.code is None else 1)
    seen = (str(answer.headers), answer.body.decode(), running.log, running.metrics())
    assert not any(CANARY in one for one in seen)
    journal = (running.folder / "journal").iterdir()
    assert not any(CANARY.encode() in path.read_bytes() for path in journal if path.is_file())


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_nobody_listens(streamed: bool, tmp_path: Path) -> None:
    cell = Cell("refused", replying(), 502, "upstream_unreachable")

    async def play() -> None:
        url = f"http://127.0.0.1:{closed_port()}"
        async with gateway(tmp_path, config(url)) as running:
            answer = await running.ask(http(chat(stream=streamed), x_request_id="play-1"))
            await running.settled()
            check_answer(answer, cell)
            check_traces(running, answer, cell, streamed)

    uvloop.run(play())


def test_the_matrix_has_67_cells() -> None:
    assert len(CELLS) + 2 == 67
