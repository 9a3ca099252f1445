"""How many requests a deployment takes at once, found out rather than configured.

Additive increase, multiplicative decrease: a 429, a time-out or a first event that comes much later
than usual lowers the limit once for the whole crowd that was in flight together; every success
while the limit is in use raises it by one per round. There is no limit before the first trouble.
After TCP (RFC 5681) and https://github.com/Netflix/concurrency-limits (read 2026-11-23).
"""

from math import exp, inf
from typing import Protocol

SLOW = 3.0
"""So many times the usual time to the first event is trouble."""
AFTER_REFUSAL = 0.7
AFTER_SLOWNESS = 0.9
NO_LIMIT = 1000.0
"""A limit that has grown so far is none."""
FEWEST = 10
"""So many first events say what is usual."""
USUAL_TAU_S = 60.0
LEAST_GAIN = 0.002
"""How fast another normal is believed: by time, and where there are very many calls, by count."""


class Concurrency(Protocol):
    """Finds out how many; `in_flight` counts the attempt that is told of, too."""

    limit: float

    def first_event(self, began_at: float, now: float, in_flight: int) -> None:
        """The first event of a stream is here."""

    def succeeded(self, in_flight: int, *, streamed: bool) -> None:
        """An attempt ended well."""

    def refused(self, began_at: float, now: float, in_flight: int) -> None:
        """It ended with a 429 or a time-out."""


class Aimd:
    __slots__ = ("_moved_at", "_seen", "_usual_at", "_usual_s", "limit")

    def __init__(self) -> None:
        self.limit = inf
        self._moved_at = -inf
        self._seen = 0
        self._usual_s = 0.0
        self._usual_at = 0.0

    def first_event(self, began_at: float, now: float, in_flight: int) -> None:
        seconds = now - began_at
        if self._seen >= FEWEST and in_flight > 1 and seconds > SLOW * self._usual_s:
            self._fall(AFTER_SLOWNESS, began_at, now, in_flight)
        self._seen += 1
        by_time = 1.0 - exp((self._usual_at - now) / USUAL_TAU_S)
        gain = max(LEAST_GAIN, by_time) if self._seen > FEWEST else 1.0 / self._seen
        self._usual_s += gain * (seconds - self._usual_s)
        self._usual_at = now

    def succeeded(self, in_flight: int, *, streamed: bool) -> None:
        if self.limit < inf and in_flight * 2 >= self.limit:
            self.limit += 1.0 / self.limit
            if self.limit >= NO_LIMIT:
                self.limit = inf

    def refused(self, began_at: float, now: float, in_flight: int) -> None:
        self._fall(AFTER_REFUSAL, began_at, now, in_flight)

    def _fall(self, factor: float, began_at: float, now: float, in_flight: int) -> None:
        """Those that were in flight together say one thing, not many."""
        if began_at < self._moved_at:
            return
        self._moved_at = now
        self.limit = max(1.0, min(self.limit, in_flight) * factor)
