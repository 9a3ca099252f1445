"""How many requests a deployment takes at once, told from how much later its answers begin.

While the first event comes as soon as it usually does, the limit rises by its square root, the
queue that it may have there; where it comes later than `TOLERANCE` times the usual, the limit falls
in proportion, before anything is refused. It moves once for each crowd that is in flight together,
as those that began before it last moved show nothing of what that did. A 429 or a time-out lowers
it as in `concurrency`.

After Gradient2 of https://github.com/Netflix/concurrency-limits (read 2026-11-23), with what is
usual as in TCP Vegas.
"""

from math import exp, inf, sqrt

FIRST_LIMIT = 20.0
MOST = 1000.0
"""A limit that has grown so far is none in effect."""
TOLERANCE = 1.5
"""What differs by so much is noise."""
SMOOTHING = 0.2
"""What one crowd weighs in the limit."""
LATELY_TAU_S = 0.3
LEAST_GAIN = 0.1
"""How fast single times become those of late: by time, and where there are many calls, by count."""
FEWEST = 10
"""So many times are needed to say what is usual."""
USUAL_TAU_S = 180.0
"""How fast a slower normal is believed; a faster one is at once."""
LEAST_GRADIENT = 0.5
AFTER_REFUSAL = 0.7


class Gradient:
    __slots__ = ("_moved_at", "_pace", "limit")

    def __init__(self) -> None:
        self.limit = FIRST_LIMIT
        self._pace = _Pace()
        self._moved_at = -inf

    def first_event(self, began_at: float, now: float, in_flight: int) -> None:
        pace = self._pace
        pace.add(now, now - began_at)
        if began_at < self._moved_at or in_flight * 2 < self.limit:
            return
        self._moved_at = now
        ratio = TOLERANCE * pace.usual_s / max(pace.lately_s, 1e-6)
        gradient = max(LEAST_GRADIENT, min(1.0, ratio))
        wanted = self.limit * gradient + sqrt(self.limit)
        self.limit = min(MOST, max(1.0, self.limit + (wanted - self.limit) * SMOOTHING))

    def succeeded(self, in_flight: int, *, streamed: bool) -> None:
        """An attempt ended well. A whole answer does not say when it began: it can only raise the
        limit by one a round.
        """
        if not streamed and in_flight * 2 >= self.limit:
            self.limit = min(MOST, self.limit + 1.0 / self.limit)

    def refused(self, began_at: float, now: float, in_flight: int) -> None:
        if began_at < self._moved_at:
            return
        self._moved_at = now
        self.limit = max(1.0, min(self.limit, in_flight) * AFTER_REFUSAL)


class _Pace:
    """What is usual, and how it is of late: two means of the times to the first event.

    What is usual falls at once to what is of late and rises slowly, as the shortest round trip of
    TCP Vegas does: else a queue that grows slowly would become the usual, and allow the next.
    """

    __slots__ = ("_at", "_seen", "lately_s", "usual_s")

    def __init__(self) -> None:
        self._seen = 0
        self._at = 0.0
        self.lately_s = 0.0
        self.usual_s = 0.0

    def add(self, now: float, seconds: float) -> None:
        age = now - self._at
        self._at = now
        self._seen += 1
        if self._seen <= FEWEST:
            gain = 1.0 / self._seen
        else:
            gain = max(LEAST_GAIN, 1.0 - exp(-age / LATELY_TAU_S))
        self.lately_s += gain * (seconds - self.lately_s)
        if self._seen <= FEWEST or self.lately_s <= self.usual_s:
            self.usual_s = self.lately_s
        else:
            self.usual_s += (self.lately_s - self.usual_s) * (1.0 - exp(-age / USUAL_TAU_S))
