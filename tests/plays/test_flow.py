"""What the line, second copies and shared answers show on the metrics page; and who asks to wait
longer than his key has to.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.harness import (
    CHAT,
    Received,
    Running,
    Wire,
    chat,
    config,
    gateway,
    good,
    http,
    replying,
    upstream,
    whole,
)


class Slow:
    """A provider that answers when it is told to."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Semaphore(0)

    async def __call__(self, wire: Wire, request: Received) -> None:
        await self.may_answer.acquire()
        wire.send(whole(CHAT))


def limited(url: str, *, queued: int, patience: float = 30) -> str:
    line = f"max_queued: {queued}, max_wait_share: 100, queue_timeout: {patience}"
    return config(url, more=f"server: {{limits: {{max_in_flight: 1, {line}}}}}\n")


async def reached(running: Running, in_flight: int, queued: int) -> None:
    gate = running.app.gateway.gate
    assert gate is not None
    async with asyncio.timeout(5):
        while (gate.in_flight, gate.queued) != (in_flight, queued):  # noqa: ASYNC110  # no event says so
            await asyncio.sleep(0)


def refusals(running: Running) -> dict[str, float]:
    """The whole of it, by reason."""
    page = running.metrics().splitlines()
    found = (line for line in page if line.startswith("gateway_queue_refusals_total{"))
    return {line.split('"')[1]: float(line.split()[-1]) for line in found}


LOWER = [
    {"x_portico_priority": "-1"},
    {"x_portico_priority": " -100 "},
    {"service_tier": "flex"},
    {"x_portico_priority": "50", "service_tier": "flex"},
]


@pytest.mark.parametrize("asked", LOWER, ids=str)
def test_a_call_may_ask_to_go_last(asked: dict[str, str], tmp_path: Path) -> None:
    async def play() -> None:
        slow = Slow()
        async with (
            upstream(slow) as provider,
            gateway(tmp_path, limited(provider.url, queued=5)) as running,
        ):
            await running.client(http(chat()))
            await reached(running, 1, 0)
            fields = dict(asked)
            tier = fields.pop("service_tier", None)
            first = chat(user="first", **({"service_tier": tier} if tier else {}))
            await running.client(http(first, **fields))
            await reached(running, 1, 1)
            await running.client(http(chat(user="second")))
            await reached(running, 1, 2)
            for _ in range(3):
                slow.may_answer.release()
            await running.settled()
            users = [one.json().get("user") for one in provider.requests]
            assert users == [None, "second", "first"]

    uvloop.run(play())


@pytest.mark.parametrize(
    "asked", [{"x_portico_priority": "100"}, {"service_tier": "priority"}, {"service_tier": "auto"}]
)
def test_nobody_raises_his_own(asked: dict[str, Any], tmp_path: Path) -> None:
    async def play() -> None:
        slow = Slow()
        async with (
            upstream(slow) as provider,
            gateway(tmp_path, limited(provider.url, queued=5)) as running,
        ):
            await running.client(http(chat()))
            await reached(running, 1, 0)
            await running.client(http(chat(user="first")))
            await reached(running, 1, 1)
            fields = {name: value for name, value in asked.items() if name.startswith("x_")}
            body = chat(user="second", **{k: v for k, v in asked.items() if k not in fields})
            await running.client(http(body, **fields))
            await reached(running, 1, 2)
            for _ in range(3):
                slow.may_answer.release()
            await running.settled()
            users = [one.json().get("user") for one in provider.requests]
            assert users == [None, "first", "second"]

    uvloop.run(play())


@pytest.mark.parametrize("value", ["high", "", "101", "-101", "1.5", "٣", "9" * 5000])
def test_what_is_no_priority_is_refused_line_or_not(value: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(good) as provider,
            gateway(tmp_path, limited(provider.url, queued=5)) as running,
        ):
            sent = value.encode().decode("latin-1")
            answer = await running.ask(http(chat(), x_portico_priority=sent))
            assert (answer.status, answer.error["code"]) == (400, "invalid_priority")
            assert provider.requests == []

    uvloop.run(play())


def test_the_line_is_on_the_page(tmp_path: Path) -> None:
    async def play() -> None:
        slow = Slow()
        async with (
            upstream(slow) as provider,
            gateway(tmp_path, limited(provider.url, queued=1)) as running,
        ):
            await running.client(http(chat()))
            await reached(running, 1, 0)
            waiting = await running.client(http(chat(), x_portico_priority="-5"))
            await reached(running, 1, 1)
            assert running.count("gateway_queue_length") == 1
            assert (await running.ask(http(chat(), x_portico_priority="-6"))).status == 503
            assert refusals(running) == {"displaced": 0, "full": 1, "timeout": 0}
            await running.client(http(chat()))
            assert (await waiting.answer()).status == 503
            assert refusals(running) == {"displaced": 1, "full": 1, "timeout": 0}
            for _ in range(2):
                slow.may_answer.release()
            await running.settled()
            assert running.count("gateway_queue_length") == 0
            assert running.count("gateway_queue_wait_seconds_count") == 1

    uvloop.run(play())


def test_who_loses_patience_is_on_the_page(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(Slow()) as provider,
            gateway(tmp_path, limited(provider.url, queued=1, patience=0.02)) as running,
        ):
            await running.client(http(chat()))
            await reached(running, 1, 0)
            assert (await running.ask(http(chat()))).status == 503
            assert refusals(running) == {"displaced": 0, "full": 0, "timeout": 1}
            assert running.count("gateway_queue_wait_seconds_count") == 0

    uvloop.run(play())


async def silent(wire: Wire, _: Received) -> None:
    await wire.gone()


async def slowly(wire: Wire, request: Received) -> None:
    await asyncio.sleep(0.15)
    await good(wire, request)


BROKEN = replying(whole(b'{"error": {"message": "no"}}', 500))


async def slowly_broken(wire: Wire, request: Received) -> None:
    await asyncio.sleep(0.1)
    await BROKEN(wire, request)


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [(silent, good, "won"), (slowly, silent, "lost"), (slowly_broken, BROKEN, "failed")],
    ids=["won", "lost", "failed"],
)
def test_what_becomes_of_second_copies_is_on_the_page(
    first: Any, second: Any, outcome: str, tmp_path: Path
) -> None:
    async def play() -> None:
        route = ", hedge: {after: 0.05, budget: 1}"
        async with (
            upstream(first) as one,
            upstream(second) as two,
            gateway(tmp_path, config(one.url, two.url, attempts=2, route=route)) as running,
        ):
            await running.ask(http(chat()))
            await running.settled()
            assert running.count("gateway_hedges_total") == 1
            assert f'gateway_hedges_total{{outcome="{outcome}"}} 1.0' in running.metrics()

    uvloop.run(play())


@pytest.mark.parametrize(("status", "outcome"), [(200, "answer"), (500, "error")])
def test_answers_that_were_shared_are_on_the_page(
    status: int, outcome: str, tmp_path: Path
) -> None:
    async def play() -> None:
        may_answer = asyncio.Event()

        async def script(wire: Wire, _: Received) -> None:
            await may_answer.wait()
            wire.send(whole(CHAT if status == 200 else b'{"error": {"message": "no"}}', status))

        async with (
            upstream(script) as one,
            gateway(tmp_path, config(one.url, route=", coalesce: true")) as running,
        ):
            for number in range(3):
                await running.client(http(chat(temperature=0)))
                async with asyncio.timeout(5):
                    while len(running.app.gateway.calls) <= number or not one.requests:  # noqa: ASYNC110  # no event says so
                        await asyncio.sleep(0)
            may_answer.set()
            await running.settled()
            assert len(one.requests) == 1
            assert running.count("gateway_shared_answers_total") == 2
            assert f'gateway_shared_answers_total{{outcome="{outcome}"}} 2.0' in running.metrics()

    uvloop.run(play())
