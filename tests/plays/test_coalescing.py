"""Identical deterministic requests in flight share one answer; all others do not."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.harness import (
    CHAT,
    Received,
    Running,
    Upstream,
    Wire,
    chat,
    config,
    gateway,
    http,
    upstream,
    whole,
)

OTHER_KEY = "sk-team-b-0123456789"
MORE = f"  - {{name: team-b, key: {OTHER_KEY}}}\n"


class Held:
    """A provider that answers once it may."""

    def __init__(self, answer: bytes = whole(CHAT)) -> None:  # bytes do not change
        self.answer = answer
        self.may_answer = asyncio.Event()

    async def __call__(self, wire: Wire, _: Received) -> None:
        await self.may_answer.wait()
        wire.send(self.answer)


def text(url: str) -> str:
    return config(url, more=MORE, route=", coalesce: true")


async def under_way(running: Running, provider: Upstream, calls: int, asked: int) -> None:
    async with asyncio.timeout(5):
        while (len(running.app.gateway.calls), len(provider.requests)) != (calls, asked):  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def same(**more: Any) -> bytes:
    return http(chat(temperature=0, **more))


def test_identical_requests_share_one_answer(tmp_path: Path) -> None:
    async def play() -> None:
        held = Held()
        async with upstream(held) as provider, gateway(tmp_path, text(provider.url)) as running:
            clients = [await running.client(same()) for _ in range(5)]
            await under_way(running, provider, 5, 1)
            held.may_answer.set()
            answers = [await client.answer() for client in clients]
            await running.settled()
            assert [one.status for one in answers] == [200] * 5
            assert {one.body for one in answers} == {CHAT}
            assert len({one.headers["x-request-id"] for one in answers}) == 5
            shared = [one for one in answers if one.headers.get("x-portico-coalesced")]
            assert [one.headers["x-portico-attempts"] for one in shared] == ["0"] * 4
            assert len(provider.requests) == 1
            assert len(running.journal()) == 1
            assert running.count("litellm_requests_total") == 1
            assert len(running.app.gateway.shared) == 0
            await running.ask(same())
            assert len(provider.requests) == 2

    uvloop.run(play())


DIFFERENT = {
    "chance": (http(chat()), http(chat())),
    "warm": (http(chat(temperature=0.1)), http(chat(temperature=0.1))),
    "false is no number": (http(chat(temperature=False)), http(chat(temperature=False))),
    "another text": (same(n=1), same(n=2)),
    "another key": (same(), http(chat(temperature=0), key=OTHER_KEY)),
    "another header": (same(), http(chat(temperature=0), x_portico_tags="")),
    "streams": (same(stream=True), same(stream=True)),
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_others_are_asked_for_themselves(kind: str, tmp_path: Path) -> None:
    async def play() -> None:
        held = Held()
        async with upstream(held) as provider, gateway(tmp_path, text(provider.url)) as running:
            for request in DIFFERENT[kind]:
                await running.client(request)
            await under_way(running, provider, 2, 2)

    uvloop.run(play())


def test_a_seed_or_an_embedding_leaves_nothing_to_chance(tmp_path: Path) -> None:
    async def play() -> None:
        held = Held()
        async with upstream(held) as provider, gateway(tmp_path, text(provider.url)) as running:
            for _ in range(3):
                await running.client(http(chat(seed=7)))
                await running.client(http({"model": "m", "input": "x"}, path="/v1/embeddings"))
            await under_way(running, provider, 6, 2)

    uvloop.run(play())


def test_a_route_that_does_not_ask_for_it_shares_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        held = Held()
        async with upstream(held) as provider, gateway(tmp_path, config(provider.url)) as running:
            for _ in range(2):
                await running.client(same())
            await under_way(running, provider, 2, 2)

    uvloop.run(play())


def test_an_error_is_shared_too(tmp_path: Path) -> None:
    async def play() -> None:
        held = Held(whole(b'{"error":{"message":"bad","code":"odd"}}', 400))
        async with upstream(held) as provider, gateway(tmp_path, text(provider.url)) as running:
            clients = [await running.client(same()) for _ in range(3)]
            await under_way(running, provider, 3, 1)
            held.may_answer.set()
            answers = [await client.answer() for client in clients]
            assert [(one.status, one.error["code"]) for one in answers] == [(400, "odd")] * 3
            await running.settled()
            assert len(provider.requests) == 1
            assert len(running.app.gateway.shared) == 0

    uvloop.run(play())


def test_what_is_shared_is_billed_once_to_who_asked(tmp_path: Path) -> None:
    async def play() -> None:
        held = Held()
        priced = "pricing: {models: {up0/real-0: {input: 1, output: 2}}}\n"
        async with (
            upstream(held) as provider,
            gateway(tmp_path, text(provider.url) + priced) as running,
        ):
            clients = [await running.client(same()) for _ in range(3)]
            await under_way(running, provider, 3, 1)
            held.may_answer.set()
            answers = [await client.answer() for client in clients]
            await running.settled()
            (record,) = running.journal()
            assert record.cost_nanousd == 7 * 1000 + 3 * 2000
            costs = [one.headers.get("x-portico-cost-usd") for one in answers]
            assert sorted(costs, key=str) == ["0.000013000", None, None]
            owner = answers[costs.index("0.000013000")]
            assert record.request_id == owner.headers["x-request-id"]
            running.check_balance()

    uvloop.run(play())


def test_a_stop_tells_all_who_wait_for_the_same(tmp_path: Path) -> None:
    async def play() -> None:
        held = Held()
        drain = "server: {limits: {drain_timeout: 0.05, drain_delay: 0}}\n"
        async with (
            upstream(held) as provider,
            gateway(tmp_path, drain + text(provider.url)) as running,
        ):
            clients = [await running.client(same()) for _ in range(3)]
            await under_way(running, provider, 3, 1)
            answers = [asyncio.ensure_future(client.answer()) for client in clients]
            await running.app.stop()
            told = [await answer for answer in answers]
            assert {(one.status, one.error["code"]) for one in told} == {
                (503, "server_is_shutting_down")
            }
            (record,) = running.journal()
            assert record.attempts[0].outcome == "server_is_shutting_down"
            assert len(provider.requests) == 1

    uvloop.run(play())


def test_if_the_first_leaves_the_next_asks(tmp_path: Path) -> None:
    async def play() -> None:
        held = Held()
        async with upstream(held) as provider, gateway(tmp_path, text(provider.url)) as running:
            first = await running.client(same())
            await under_way(running, provider, 1, 1)
            others = [await running.client(same()) for _ in range(3)]
            await under_way(running, provider, 4, 1)
            first.leave()
            await under_way(running, provider, 3, 2)
            others[2].leave()
            await under_way(running, provider, 2, 2)
            held.may_answer.set()
            assert [(await one.answer()).status for one in others[:2]] == [200, 200]
            await running.settled()
            assert len(provider.requests) == 2

    uvloop.run(play())
