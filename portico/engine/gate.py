"""How many calls are under way at once, and what becomes of those beyond.

A full gateway lets calls wait in a short line, by priority and fairly among keys, and turns away at
once whoever finds no room there or has waited too long. Off unless `server.limits.max_in_flight` is
set: then nothing here runs.
"""

import asyncio
from collections.abc import Callable

from portico.errors import Overloaded
from portico.integrations.base import Meters, QueueRefusal
from portico.policy.fair_queue import FairQueue, Waiter
from portico.types.identity import Principal

_RECENT_S = 10.0
_LEAST_RETRY_S = 1.0
_MOST_RETRY_S = 60.0


class Gate:
    """Enter with `await enter`, leave with `leave`, exactly once each."""

    __slots__ = (
        "_by_key",
        "_clock",
        "_counted_from",
        "_ended",
        "_loop",
        "_max",
        "_meter",
        "_patience_s",
        "_queue",
        "in_flight",
    )

    def __init__(
        self,
        *,
        max_in_flight: int,
        max_queued: int,
        patience_s: float,
        meter: Meters,
        clock: Callable[[], float],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.in_flight = 0
        self._max = max_in_flight
        self._patience_s = patience_s
        self._meter = meter
        self._clock = clock
        self._loop = loop
        self._queue: FairQueue[asyncio.Future[None]] = FairQueue(max_queued)
        self._by_key: dict[str, int] = {}
        self._counted_from = clock()
        self._ended = 0

    @property
    def queued(self) -> int:
        return len(self._queue)

    @property
    def is_full(self) -> bool:
        return self.in_flight >= self._max

    async def enter(self, principal: Principal, priority: int) -> None:
        """Take a place, now or after a wait; raises `Overloaded`. Of two in line the higher
        `priority` goes first.
        """
        key = principal.key_id
        if self.in_flight < self._max:
            self._take(key)
            return
        began_at = self._clock()
        waiter = Waiter(key, priority, self._loop.create_future())
        victim = self._queue.push(waiter)
        if victim is waiter:
            raise self._overloaded("full")
        if victim is not None and not victim.ticket.done():
            victim.ticket.set_exception(self._overloaded("displaced"))
        timer = self._loop.call_later(self._patience_s, self._lose_patience, waiter)
        try:
            await waiter.ticket
        except asyncio.CancelledError:
            if not self._queue.remove(waiter) and _has_place(waiter):
                self.leave(principal)
            raise
        finally:
            timer.cancel()
        self._meter.queued(self._clock() - began_at)

    def leave(self, principal: Principal) -> None:
        """Give the place back, to whoever is next in line."""
        key = principal.key_id
        left = self._by_key[key] - 1
        if left:
            self._by_key[key] = left
        else:
            del self._by_key[key]
        self.in_flight -= 1
        self._ended += 1
        while (waiter := self._queue.pop(self._by_key)) is not None:
            if not waiter.ticket.done():
                self._take(waiter.key)
                waiter.ticket.set_result(None)
                break

    def _take(self, key: str) -> None:
        self.in_flight += 1
        self._by_key[key] = self._by_key.get(key, 0) + 1

    def _lose_patience(self, waiter: Waiter[asyncio.Future[None]]) -> None:
        if self._queue.remove(waiter) and not waiter.ticket.done():
            waiter.ticket.set_exception(self._overloaded("timeout"))

    def _overloaded(self, reason: QueueRefusal) -> Overloaded:
        """`retry-after` is how long those in front need at the pace of the last seconds."""
        self._meter.queue_refused(reason)
        now = self._clock()
        span = max(now - self._counted_from, 0.001)
        pace = self._ended / span
        if span > _RECENT_S:
            self._counted_from, self._ended = now - _RECENT_S / 2, int(pace * _RECENT_S / 2)
        wait = (len(self._queue) + 1) / pace if pace else _MOST_RETRY_S / 6
        return Overloaded(
            f"The gateway is at its limit of {self._max} calls at a time; try again shortly.",
            retry_after_s=min(max(wait, _LEAST_RETRY_S), _MOST_RETRY_S),
        )


def _has_place(waiter: Waiter[asyncio.Future[None]]) -> bool:
    ticket = waiter.ticket
    return ticket.done() and not ticket.cancelled() and ticket.exception() is None
