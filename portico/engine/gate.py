"""How many calls are under way at once, and what becomes of those beyond.

A full gateway lets calls wait in a short line, by priority and fairly among keys, and turns away at
once whoever finds no room there. The line is as long as those in it will be served soon, measured
by what calls take: to wait long and be refused then helps nobody. Off unless
`server.limits.max_in_flight` is set: then nothing here runs.
"""

import asyncio
from collections.abc import Callable

from portico.errors import Overloaded
from portico.integrations.base import Meters, QueueRefusal
from portico.policy.fair_queue import FairQueue, Waiter
from portico.policy.turnover import Turnover
from portico.types.identity import Principal

_LEAST_RETRY_S = 1.0
_UNKNOWN_RETRY_S = 10.0
_MOST_RETRY_S = 60.0


class Place:
    """A call's place among those under way."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key = key


class Gate:
    """Enter with `await enter`, and leave with the place that it gave, exactly once."""

    __slots__ = (
        "_by_key",
        "_clock",
        "_loop",
        "_max",
        "_max_wait_share",
        "_meter",
        "_patience_s",
        "_queue",
        "_turnover",
    )

    def __init__(
        self,
        *,
        max_in_flight: int,
        max_queued: int,
        max_wait_share: float,
        patience_s: float,
        meter: Meters,
        clock: Callable[[], float],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._max = max_in_flight
        self._max_wait_share = max_wait_share
        self._patience_s = patience_s
        self._meter = meter
        self._clock = clock
        self._loop = loop
        self._queue: FairQueue[asyncio.Future[Place]] = FairQueue(max_queued)
        self._turnover: Turnover[Place] = Turnover()
        self._by_key: dict[str, int] = {}

    @property
    def in_flight(self) -> int:
        return len(self._turnover)

    @property
    def queued(self) -> int:
        return len(self._queue)

    @property
    def is_full(self) -> bool:
        return len(self._turnover) >= self._max

    def refusal(self, principal: Principal, priority: int) -> Overloaded | None:
        """What `enter` would raise at once, if it would."""
        if not self.is_full or self._has_room():
            return None
        if self._queue.has_victim(principal.key_id, priority):
            return None
        return self._overloaded("full")

    async def enter(self, principal: Principal, priority: int) -> Place:
        """A place, now or after a wait; raises `Overloaded`. Of two in line the higher `priority`
        goes first.
        """
        key = principal.key_id
        if not self.is_full:
            return self._take(key)
        began_at = self._clock()
        ticket: asyncio.Future[Place] = self._loop.create_future()
        waiter = Waiter(key, priority, ticket)
        victim = self._queue.push(waiter, is_full=not self._has_room())
        if victim is waiter:
            raise self._overloaded("full")
        if victim is not None and not victim.ticket.done():
            victim.ticket.set_exception(self._overloaded("displaced"))
        timer = self._loop.call_later(self._patience_s, self._lose_patience, waiter)
        try:
            place = await ticket
        except asyncio.CancelledError:
            if not self._queue.remove(waiter) and _has_place(waiter):
                self.leave(ticket.result())
            raise
        finally:
            timer.cancel()
        self._meter.queued(self._clock() - began_at)
        return place

    def leave(self, place: Place) -> None:
        """Give the place back, to whoever is next in line."""
        key = place.key
        left = self._by_key[key] - 1
        if left:
            self._by_key[key] = left
        else:
            del self._by_key[key]
        self._turnover.give_back(place, self._clock())
        while (waiter := self._queue.pop(self._by_key)) is not None:
            if not waiter.ticket.done():
                waiter.ticket.set_result(self._take(waiter.key))
                break

    def _take(self, key: str) -> Place:
        place = Place(key)
        self._turnover.take(place, self._clock())
        self._by_key[key] = self._by_key.get(key, 0) + 1
        return place

    def _has_room(self) -> bool:
        """Would one more in line be served soon enough, and before its patience ends?"""
        ahead = len(self._queue)
        if ahead >= self._queue.limit:
            return False
        usual_s = self._turnover.usual_s
        if usual_s is None:
            return True
        most_s = min(usual_s * self._max_wait_share, self._patience_s)
        return self._turnover.wait_s(ahead, self._clock()) <= most_s

    def _lose_patience(self, waiter: Waiter[asyncio.Future[Place]]) -> None:
        if self._queue.remove(waiter) and not waiter.ticket.done():
            waiter.ticket.set_exception(self._overloaded("timeout"))

    def _overloaded(self, reason: QueueRefusal) -> Overloaded:
        """`retry-after` is how long it takes until those in front have their places."""
        self._meter.queue_refused(reason)
        wait_s = _UNKNOWN_RETRY_S
        if self._turnover.usual_s is not None:
            wait_s = self._turnover.wait_s(len(self._queue), self._clock())
        return Overloaded(
            f"The gateway is at its limit of {self._max} calls at a time; try again shortly.",
            retry_after_s=min(max(wait_s, _LEAST_RETRY_S), _MOST_RETRY_S),
        )


def _has_place(waiter: Waiter[asyncio.Future[Place]]) -> bool:
    ticket = waiter.ticket
    return ticket.done() and not ticket.cancelled() and ticket.exception() is None
