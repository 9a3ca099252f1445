"""Everything a call may need, in one place: what is known (the snapshot), whom to ask, whom to
tell.
"""

import asyncio
import itertools
import logging
import os
import random
import time
from collections.abc import Callable, Mapping

from portico.engine.coalescing import Coalescer
from portico.engine.conversations import Conversations
from portico.engine.gate import Gate
from portico.engine.media import Fetcher, Media
from portico.engine.snapshot import Snapshot
from portico.http.base import Pool
from portico.integrations.base import Meters, Observers
from portico.routing.health import Transition
from portico.stores.base import Journal
from portico.types.call import Call
from portico.types.http import HttpRequest
from portico.types.media import Fetched, Unfetched

MAX_REFUSALS_LOGGED_PER_S = 50
STEPS = "steps"
"""The pool for requests that take several to be answered; the others are called by scheme."""


class Gateway:
    """The running gateway: one per process and event loop, made inside it.

    `snapshot` is swapped whole on reload; a call keeps the one it started with. `calls` holds the
    calls under way and their tasks. `clock` is monotonic seconds, `wall` is UTC epoch seconds.
    """

    def __init__(
        self,
        *,
        snapshot: Snapshot,
        pools: Mapping[str, Pool],
        journal: Journal,
        events: Observers,
        meter: Meters,
        log: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        rng: random.Random | None = None,
        gate: Gate | None = None,
        fetcher: Fetcher | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.pools = pools
        self.journal = journal
        self.events = events
        self.meter = meter
        self.gate = gate
        self.media = Media(fetcher, self._media_fetched)
        self.shared = Coalescer()
        self.log = log
        self.clock = clock
        self.wall = wall
        self.rng = rng or random.Random()  # noqa: S311  # spreads load, guards nothing
        self.calls: dict[Call, asyncio.Task[None]] = {}
        self.conversations = Conversations()
        self.is_draining = False
        self.started_at = clock()
        self.loop = asyncio.get_running_loop()
        self._refusals_second = 0
        self._refusals = 0
        self._id_prefix = os.urandom(5).hex()
        self._id_numbers = itertools.count(1)

    def new_id(self) -> str:
        """Unique across restarts and processes: 40 random bits of this process and a number."""
        return f"req_{self._id_prefix}{next(self._id_numbers):08x}"

    def now_ms(self) -> int:
        return int(self.wall() * 1000)

    def _media_fetched(self, call: Call, result: Fetched) -> None:
        """A file that a request named by URL is here, or will not come: one figure, one line."""
        if not isinstance(result, Unfetched):
            self.meter.media("fetched")
            return
        self.meter.media(result.outcome)
        if result.detail and self.may_log_refusal():
            level = logging.WARNING if result.outcome == "refused" else logging.INFO
            known = {"request_id": call.request_id, "key": call.principal.key_id}
            self.log.log(level, "media not fetched: %s", result.detail, extra=known)

    def may_log_refusal(self) -> bool:
        """At most fifty lines a second about refused calls, and one that says how many were left
        out: a client that loops over a wrong key must not fill the disk.
        """
        second = int(self.clock())
        if second != self._refusals_second:
            left_out = self._refusals - MAX_REFUSALS_LOGGED_PER_S
            if left_out > 0:
                self.log.warning("left out %d more lines about refused calls", left_out)
            self._refusals_second = second
            self._refusals = 0
        self._refusals += 1
        return self._refusals <= MAX_REFUSALS_LOGGED_PER_S

    def health_changed(self, change: Transition) -> None:
        """A deployment has come or gone: one log line."""
        back = f" for {change.for_s:.1f} s" if change.for_s is not None else ""
        self.log.warning(
            "%s: %s -> %s%s (%s)",
            change.deployment,
            change.before,
            change.after,
            back,
            change.cause or "recovered",
            extra={"deployment": change.deployment},
        )

    def pool(self, request: HttpRequest) -> Pool:
        return self.pools[STEPS if request.steps is not None else request.origin.scheme]
