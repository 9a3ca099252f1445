"""Streams that stay open without getting on, and answers that are held back to begin anew."""

import asyncio
import json
from pathlib import Path

import pytest
import uvloop

from portico.engine import relay
from tests.harness import (
    DONE,
    LAST_CHUNK,
    SSE_HEAD,
    USAGE_EVENT,
    Received,
    Script,
    Wire,
    chat,
    chunk,
    config,
    delta,
    event,
    gateway,
    good,
    http,
    replying,
    upstream,
)

QUICK = ", timeouts: {first_event: 0.3, first_content: 0.4, idle: 0.15, total: 30}"
COMMENT = chunk(b": still here\n\n")


def repeating(piece: bytes, *first: bytes, every_s: float = 0.02) -> Script:
    """Begin, then send the same piece until the gateway has had enough."""

    async def script(wire: Wire, _: Received) -> None:
        wire.send(SSE_HEAD + b"".join(first))
        gone = asyncio.ensure_future(wire.gone())
        while not gone.done():
            wire.send(piece)
            await asyncio.wait([gone], timeout=every_s)

    return script


def last_code(text: str) -> str:
    return str(json.loads(text)["error"]["code"])


def test_comments_are_no_beginning(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(repeating(COMMENT)) as bad,
            upstream(good) as second,
            gateway(tmp_path, config(bad.url, second.url, attempts=2, route=QUICK)) as running,
        ):
            answer = await running.ask(http(chat(stream=True)))
            assert answer.headers["x-portico-deployment"] == "up1/real-1"
            assert answer.events()[-1] == "[DONE]"
            await running.settled()
            (record,) = running.journal()
            assert [one.outcome for one in record.attempts] == ["timeout", "success"]

    uvloop.run(play())


def test_comments_are_no_progress_for_ever(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(repeating(COMMENT, chunk(delta("he")))) as bad,
            gateway(tmp_path, config(bad.url, route=QUICK)) as running,
        ):
            answer = await running.ask(http(chat(stream=True)))
            await running.settled()
            assert json.loads(answer.events()[0])["choices"][0]["delta"]["content"] == "he"
            assert last_code(answer.events()[-1]) == "timeout"
            assert "only comments" in answer.body.decode()
            (record,) = running.journal()
            assert record.attempts[0].partial
            assert record.attempts[0].usage is not None
            running.check_balance()

    uvloop.run(play())


def test_events_that_keep_coming_are_progress(tmp_path: Path) -> None:
    async def steady(wire: Wire, _: Received) -> None:
        wire.send(SSE_HEAD)
        for _ in range(20):
            wire.send(chunk(delta("x")) + COMMENT)
            await asyncio.sleep(0.03)
        wire.send(chunk(delta("", "stop") + DONE) + LAST_CHUNK)

    async def play() -> None:
        async with (
            upstream(steady) as provider,
            gateway(tmp_path, config(provider.url, route=QUICK)) as running,
        ):
            answer = await running.ask(http(chat(stream=True)))
            assert answer.events()[-1] == "[DONE]"
            assert len(answer.events()) == 22

    uvloop.run(play())


def test_a_drip_is_given_up(tmp_path: Path) -> None:
    async def play() -> None:
        route = ", timeouts: {idle: 5, min_rate: 100000, rate_window: 0.2}"
        async with (
            upstream(repeating(chunk(delta("x")), chunk(delta("he")))) as bad,
            gateway(tmp_path, config(bad.url, route=route)) as running,
        ):
            answer = await running.ask(http(chat(stream=True)))
            assert last_code(answer.events()[-1]) == "timeout"
            assert "timeouts.min_rate" in answer.body.decode()

    uvloop.run(play())


def test_a_slow_client_is_not_the_providers_silence(tmp_path: Path) -> None:
    many = b"".join(chunk(delta("x" * 60_000)) for _ in range(100))

    async def play() -> None:
        route = ", timeouts: {first_event: 5, idle: 0.1, min_rate: 1, rate_window: 0.1}"
        sent = replying(SSE_HEAD + many, chunk(delta("", "stop") + DONE) + LAST_CHUNK)
        async with (
            upstream(sent) as provider,
            gateway(tmp_path, config(provider.url, route=route)) as running,
        ):
            client = await running.client(http(chat(stream=True)), receive_buffer=4096)
            await asyncio.sleep(0.5)
            answer = await client.answer()
            assert answer.is_complete
            assert answer.events()[-1] == "[DONE]"

    uvloop.run(play())


BUFFERED = ", buffered: true, timeouts: {first_event: 2, idle: 0.15}"
BROKEN: dict[str, Script] = {
    "cut": replying(SSE_HEAD + chunk(delta("he")), b"0\r\n\r\n"),
    "an error event": replying(
        SSE_HEAD + chunk(delta("he")) + chunk(event({"error": {"message": "busy", "code": 503}}))
    ),
    "a stall": repeating(COMMENT, chunk(delta("he"))),
}


@pytest.mark.parametrize("failure", BROKEN)
def test_a_buffered_answer_begins_anew(failure: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(BROKEN[failure]) as bad,
            upstream(good) as second,
            gateway(tmp_path, config(bad.url, second.url, attempts=2, route=BUFFERED)) as running,
        ):
            answer = await running.ask(http(chat(stream=True)))
            await running.settled()
            texts = [json.loads(one)["choices"] for one in answer.events()[:-1]]
            assert "".join(one[0]["delta"]["content"] for one in texts) == "hello"
            assert answer.events()[-1] == "[DONE]"
            assert answer.headers["x-portico-deployment"] == "up1/real-1"
            (record,) = running.journal()
            broken, served = record.attempts
            assert broken.partial
            assert broken.usage is not None
            assert broken.usage.estimated
            assert broken.usage.output_tokens == 1
            assert (served.outcome, served.partial) == ("success", False)
            running.check_balance()

    uvloop.run(play())


def test_a_buffered_answer_that_breaks_everywhere_is_an_error(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(BROKEN["cut"]) as bad,
            gateway(tmp_path, config(bad.url, bad.url, attempts=2, route=BUFFERED)) as running,
        ):
            answer = await running.ask(http(chat(stream=True)))
            assert (answer.status, answer.error["code"]) == (502, "stream_truncated")
            assert len(bad.requests) == 2

    uvloop.run(play())


def test_a_client_that_leaves_a_buffered_answer_pays_for_it(tmp_path: Path) -> None:
    closed = asyncio.Event()
    begun = asyncio.Event()

    async def begin(wire: Wire, _: Received) -> None:
        wire.send(SSE_HEAD + chunk(delta("he")) + chunk(USAGE_EVENT))
        await wire.drain()
        begun.set()
        await wire.gone()
        closed.set()

    async def play() -> None:
        route = ", buffered: true"
        async with (
            upstream(begin) as provider,
            gateway(tmp_path, config(provider.url, route=route)) as running,
        ):
            client = await running.client(http(chat(stream=True)))
            await begun.wait()
            await asyncio.sleep(0.05)
            client.leave()
            await asyncio.wait_for(closed.wait(), 2)
            await running.settled()
            (record,) = running.journal()
            assert record.attempts[0].partial
            usage = record.attempts[0].usage
            assert usage is not None
            assert usage.output_tokens == 3

    uvloop.run(play())


def test_no_more_than_so_much_is_held_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "MAX_BUFFERED_BYTES", 1 << 20)

    async def play() -> None:
        flood = repeating(chunk(delta("x" * 50_000)), every_s=0.001)
        route = ", buffered: true"
        async with (
            upstream(flood) as provider,
            gateway(tmp_path, config(provider.url, route=route)) as running,
        ):
            answer = await running.ask(http(chat(stream=True)))
            assert (answer.status, answer.error["code"]) == (502, "upstream_protocol_error")

    uvloop.run(play())
