"""How many requests a deployment takes at once, found out rather than configured.

Additive increase, multiplicative decrease: a 429, a time-out or a first event that comes much later
than usual lowers the limit once for the whole crowd that was in flight together; every success
while the limit is in use raises it by one per round. There is no limit before the first trouble.
After TCP (RFC 5681) and https://github.com/Netflix/concurrency-limits (read 2026-11-23).
"""

from math import exp, inf

SLOW = 3.0
"""So many times the usual time to the first event is trouble."""
AFTER_REFUSAL = 0.7
AFTER_SLOWNESS = 0.9
NO_LIMIT = 1000.0
"""A limit that has grown so far is none."""
USUAL_TAU_S = 60.0
"""How fast a slower normal is believed; a faster one is at once."""


class Concurrency:
    __slots__ = ("_moved_at", "_usual_at", "_usual_s", "limit")

    def __init__(self) -> None:
        self.limit = inf
        self._moved_at = -inf
        self._usual_s: float | None = None
        self._usual_at = 0.0

    def first_event(self, began_at: float, now: float, in_flight: int) -> None:
        """A first event is here; `in_flight` counts this attempt too."""
        seconds = now - began_at
        usual = self._usual_s
        if usual is None or seconds <= usual:
            self._usual_s = seconds
        else:
            self._usual_s = seconds + (usual - seconds) * exp((self._usual_at - now) / USUAL_TAU_S)
            if seconds > SLOW * usual and in_flight > 1:
                self._fall(AFTER_SLOWNESS, began_at, now, in_flight)
        self._usual_at = now

    def succeeded(self, in_flight: int) -> None:
        """An attempt ended well; `in_flight` counts it too."""
        if self.limit < inf and in_flight * 2 >= self.limit:
            self.limit += 1.0 / self.limit
            if self.limit >= NO_LIMIT:
                self.limit = inf

    def refused(self, began_at: float, now: float, in_flight: int) -> None:
        """A 429 or a time-out; `in_flight` counts the attempt too."""
        self._fall(AFTER_REFUSAL, began_at, now, in_flight)

    def _fall(self, factor: float, began_at: float, now: float, in_flight: int) -> None:
        """Those that were in flight together say one thing, not many."""
        if began_at < self._moved_at:
            return
        self._moved_at = now
        self.limit = max(1.0, min(self.limit, in_flight) * factor)
