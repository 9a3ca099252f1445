"""More calls than the gateway may have under way: some wait, the rest are turned away at once."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.harness import (
    CHAT,
    KEY,
    SSE_HEAD,
    Received,
    Running,
    Wire,
    chat,
    chunk,
    config,
    delta,
    gateway,
    good,
    http,
    upstream,
    whole,
)

OTHER_KEY = "sk-team-b-0123456789"


class Slow:
    """A provider that answers when it is told to, and says which text each request had."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Semaphore(0)

    async def __call__(self, wire: Wire, request: Received) -> None:
        await self.may_answer.acquire()
        wire.send(whole(CHAT))


def limited(
    url: str, *, queued: int, patience: float = 30, most: int = 1, share: float = 100
) -> str:
    more = (
        f"  - {{name: team-b, key: {OTHER_KEY}, priority: 5}}\n"
        f"server: {{limits: {{max_in_flight: {most}, max_queued: {queued}, "
        f"queue_timeout: {patience}, max_wait_share: {share}}}}}\n"
    )
    return config(url, more=more)


async def reached(running: Running, in_flight: int, queued: int) -> None:
    gate = running.app.gateway.gate
    assert gate is not None
    async with asyncio.timeout(5):
        while (gate.in_flight, gate.queued) != (in_flight, queued):  # noqa: ASYNC110  # no event says so
            await asyncio.sleep(0)


def test_who_finds_no_room_is_told_so_at_once(tmp_path: Path) -> None:
    async def play() -> None:
        slow = Slow()
        async with (
            upstream(slow) as provider,
            gateway(tmp_path, limited(provider.url, queued=1)) as running,
        ):
            first = await running.client(http(chat()))
            await reached(running, 1, 0)
            second = await running.client(http(chat()))
            await reached(running, 1, 1)
            third = await running.ask(http(chat()))
            assert (third.status, third.error["code"]) == (503, "server_is_overloaded")
            assert int(third.headers["retry-after"]) >= 1
            slow.may_answer.release()
            slow.may_answer.release()
            assert (await first.answer()).status == (await second.answer()).status == 200
            await running.settled()
            await reached(running, 0, 0)
            assert len(provider.requests) == 2

    uvloop.run(play())


def test_who_waits_too_long_is_turned_away(tmp_path: Path) -> None:
    async def play() -> None:
        slow = Slow()
        async with (
            upstream(slow) as provider,
            gateway(tmp_path, limited(provider.url, queued=5, patience=0.05)) as running,
        ):
            await running.client(http(chat()))
            await reached(running, 1, 0)
            assert (await running.ask(http(chat()))).status == 503
            await reached(running, 1, 0)

    uvloop.run(play())


def test_a_key_of_higher_priority_goes_first(tmp_path: Path) -> None:
    async def play() -> None:
        slow = Slow()
        async with (
            upstream(slow) as provider,
            gateway(tmp_path, limited(provider.url, queued=5)) as running,
        ):
            await running.client(http(chat()))
            await reached(running, 1, 0)
            for number, key in enumerate((KEY, KEY, OTHER_KEY)):
                await running.client(http(chat(user=f"u{number}"), key=key))
                await reached(running, 1, number + 1)
            for _ in range(4):
                slow.may_answer.release()
            await running.settled()
            users = [one.json().get("user") for one in provider.requests]
            assert users == [None, "u2", "u0", "u1"]

    uvloop.run(play())


@pytest.mark.parametrize("is_waiting", [True, False])
def test_a_client_that_leaves_gives_its_place_back(is_waiting: bool, tmp_path: Path) -> None:
    async def play() -> None:
        slow = Slow()
        async with (
            upstream(slow) as provider,
            gateway(tmp_path, limited(provider.url, queued=5)) as running,
        ):
            clients = []
            for number in range(2):
                clients.append(await running.client(http(chat())))
                await reached(running, 1, number)
            clients[1 if is_waiting else 0].leave()
            await reached(running, 1, 0)
            slow.may_answer.release()
            slow.may_answer.release()
            await running.settled()
            await reached(running, 0, 0)

    uvloop.run(play())


def test_a_stream_holds_its_place_to_its_end(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def stream(wire: Wire, _: Received) -> None:
        wire.send(SSE_HEAD + chunk(delta("he")))
        await ended.wait()
        wire.close()

    async def play() -> None:
        async with (
            upstream(stream) as provider,
            gateway(tmp_path, limited(provider.url, queued=0)) as running,
        ):
            client = await running.client(http(chat(stream=True)))
            await client.until(b"he")
            await reached(running, 1, 0)
            assert (await running.ask(http(chat()))).status == 503
            ended.set()
            await running.settled()
            await reached(running, 0, 0)

    uvloop.run(play())


def test_places_are_given_back_whatever_happens(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(good) as provider,
            gateway(tmp_path, limited(provider.url, queued=50, most=3)) as running,
        ):
            requests = [http(chat()), http(chat(stream=True)), http(chat("none")), http(b"{")] * 10
            answers = await asyncio.gather(*(running.ask(one) for one in requests))
            assert sorted(one.status for one in answers) == [200] * 20 + [400] * 10 + [404] * 10
            await running.settled()
            await reached(running, 0, 0)

    uvloop.run(play())


ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", chat()),
    "responses": ("/v1/responses", {"model": "m", "input": "hi"}),
    "messages": (
        "/v1/messages",
        {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]},
    ),
    "gemini": ("/v1beta/models/m:generateContent", {"contents": [{"parts": [{"text": "hi"}]}]}),
    "cohere": ("/v2/chat", chat()),
    "ollama": ("/api/chat", chat()),
}
MESSAGE = "The gateway is at its limit of 1 calls at a time; try again shortly."
OPENAI = {
    "error": {
        "message": MESSAGE,
        "type": "service_unavailable_error",
        "param": None,
        "code": "server_is_overloaded",
    }
}
TOLD: dict[str, Any] = {
    "chat": OPENAI,
    "responses": OPENAI,
    "messages": {"type": "error", "error": {"type": "overloaded_error", "message": MESSAGE}},
    "gemini": {
        "error": {
            "code": 503,
            "message": MESSAGE,
            "status": "UNAVAILABLE",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "SERVER_IS_OVERLOADED",
                    "domain": "portico",
                },
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "10s"},
            ],
        }
    },
    "cohere": {"message": MESSAGE},
    "ollama": {"error": MESSAGE},
}


@pytest.mark.parametrize("coalesces", [False, True], ids=["at the door", "inside"])
@pytest.mark.parametrize("client", ASKED)
def test_every_client_is_refused_in_its_own_words(
    client: str, coalesces: bool, tmp_path: Path
) -> None:
    """A gateway whose calls may share answers looks at a call before it refuses it."""
    path, body = ASKED[client]

    async def play() -> None:
        slow = Slow()
        async with upstream(slow) as provider:
            text = limited(provider.url, queued=0)
            if coalesces:
                text = text.replace("strategy:", "coalesce: true, strategy:")
            async with gateway(tmp_path, text) as running:
                await running.client(http(chat()))
                await reached(running, 1, 0)
                refused = await running.ask(http(body, path=path, x_request_id="mine"))
                assert refused.status == 503
                assert 1 <= int(refused.headers["retry-after"]) <= 60
                assert refused.headers["x-request-id"] == "mine"
                assert refused.headers["content-type"] == "application/json"
                assert refused.json() == TOLD[client]
                assert 'status="503"' in running.metrics()
                assert 'gateway_queue_refusals_total{reason="full"} 1.0' in running.metrics()
                slow.may_answer.release()
                await running.settled()
                await reached(running, 0, 0)

    uvloop.run(play())


def test_a_full_gateway_still_tells_who_may_not_come_in(tmp_path: Path) -> None:
    async def play() -> None:
        slow = Slow()
        async with (
            upstream(slow) as provider,
            gateway(tmp_path, limited(provider.url, queued=0)) as running,
        ):
            await running.client(http(chat()))
            await reached(running, 1, 0)
            assert (await running.ask(http(chat(), key="sk-unknown-0123456789"))).status == 401
            assert (await running.ask(http(chat(), x_portico_priority="high"))).status == 400
            slow.may_answer.release()
            await running.settled()

    uvloop.run(play())
