"""How many extra attempts a route may make, so that retries never become the outage.

At most `ratio` of the calls of the last ten seconds, but `floor` are always allowed. After Envoy's
and Finagle's retry budgets (https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/
circuit_breaker.proto, https://twitter.github.io/finagle/guide/Glossary.html, read 2026-11-23).
"""

from portico.routing.tally import Tally

SPAN_S = 10.0


class RetryBudget:
    __slots__ = ("_calls", "floor", "ratio")

    def __init__(self, ratio: float = 0.2, floor: int = 3) -> None:
        self.ratio = ratio
        self.floor = floor
        self._calls = Tally(SPAN_S)

    def requested(self, now: float) -> None:
        """A call came."""
        self._calls.add(now, marked=False)

    def take(self, now: float) -> bool:
        """May one more extra attempt be made? If so it is counted."""
        extra = self._calls.marked(now)
        if extra >= self.floor and extra + 1 > self.ratio * self._calls.total(now):
            return False
        self._calls.mark(now)
        return True
