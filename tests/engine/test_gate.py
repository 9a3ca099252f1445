"""The gate on a clock of its own: who gets a place, who waits, and who is told at once."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from portico.engine.gate import Gate, Place
from portico.errors import Overloaded
from portico.types.identity import Principal


class Meter:
    """Counts what the gate tells; of everything else it knows nothing."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.waits: list[float] = []

    def queued(self, seconds: float) -> None:
        self.waits.append(seconds)

    def queue_refused(self, reason: str) -> None:
        self.refused.append(reason)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def who(key: str, priority: int = 0) -> Principal:
    return Principal(key_id=key, name=key, priority=priority)


def played(play: Callable[[Gate, Clock, Meter], Any], **limits: Any) -> None:
    async def run() -> None:
        clock, meter = Clock(), Meter()
        given = {"max_in_flight": 4, "max_queued": 100, "max_wait_share": 0.5} | limits
        loop = asyncio.get_running_loop()
        gate = Gate(**given, patience_s=60.0, meter=meter, clock=clock, loop=loop)  # type: ignore[arg-type]
        await play(gate, clock, meter)

    asyncio.run(run())


async def filled(gate: Gate, clock: Clock, *, usual_s: float = 10.0) -> list[Place]:
    """All places taken at the same moment, after a call that took as long as is usual."""
    first = await gate.enter(who("a"), 0)
    clock.now += usual_s
    gate.leave(first)
    return [await gate.enter(who("a"), 0) for _ in range(4)]


async def lined_up(gate: Gate, key: str = "a", priority: int = 0) -> asyncio.Task[Place]:
    task = asyncio.ensure_future(gate.enter(who(key), priority))
    await asyncio.sleep(0)
    return task


def test_who_would_wait_too_long_is_refused_at_once() -> None:
    async def play(gate: Gate, clock: Clock, meter: Meter) -> None:
        await filled(gate, clock)
        clock.now += 4.9
        refusal = gate.refusal(who("a"), 0)
        assert refusal is not None
        assert (refusal.code, refusal.retry_after_s) == ("server_is_overloaded", 5.1)
        with pytest.raises(Overloaded):
            await gate.enter(who("a"), 0)
        assert (gate.queued, meter.refused) == (0, ["full", "full"])

    played(play)


def test_the_line_is_as_long_as_it_is_served_soon() -> None:
    async def play(gate: Gate, clock: Clock, meter: Meter) -> None:
        places = await filled(gate, clock)
        clock.now += 6.0
        waiting = [
            await lined_up(gate) for _ in range(3)
        ]  # half of the four places, and one at once
        assert gate.refusal(who("a"), 0) is not None
        clock.now += 4.0
        for place in places[:3]:
            gate.leave(place)
        assert len([await one for one in waiting]) == 3
        assert (meter.waits, meter.refused) == ([4.0, 4.0, 4.0], ["full"])
        assert (gate.in_flight, gate.queued) == (4, 0)

    played(play)


def test_nobody_is_lined_up_whose_patience_would_end_before() -> None:
    async def play(gate: Gate, clock: Clock, meter: Meter) -> None:
        await filled(gate, clock, usual_s=200.0)
        clock.now += 139.0
        assert gate.refusal(who("a"), 0) is not None
        clock.now += 1.0
        assert gate.refusal(who("a"), 0) is None

    played(play)


def test_before_any_call_has_ended_only_the_limit_counts() -> None:
    async def play(gate: Gate, clock: Clock, meter: Meter) -> None:
        for _ in range(4):
            await gate.enter(who("a"), 0)
        waiting = [await lined_up(gate) for _ in range(2)]
        assert gate.refusal(who("a"), 0) is not None
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert (gate.in_flight, gate.queued) == (4, 0)

    played(play, max_queued=2)


@pytest.mark.parametrize(("key", "priority"), [("b", 0), ("a", 1)])
def test_who_has_more_right_to_the_line_is_not_refused(key: str, priority: int) -> None:
    async def play(gate: Gate, clock: Clock, meter: Meter) -> None:
        places = await filled(gate, clock)
        clock.now += 6.0
        waiting = [await lined_up(gate) for _ in range(3)]
        assert gate.refusal(who(key), priority) is None
        favoured = await lined_up(gate, key, priority)
        with pytest.raises(Overloaded):
            await waiting[-1]
        gate.leave(places[0])
        assert (await favoured).key == key
        assert meter.refused == ["displaced"]
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    played(play)


def test_a_gate_with_places_refuses_nobody() -> None:
    async def play(gate: Gate, clock: Clock, meter: Meter) -> None:
        places = await filled(gate, clock)
        gate.leave(places[0])
        assert gate.refusal(who("a"), 0) is None
        assert (gate.in_flight, gate.is_full, meter.refused) == (3, False, [])

    played(play)
