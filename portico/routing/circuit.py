"""The circuit breaker of one deployment.

*Closed* while `open_until` is 0, *open* until that moment, *half open* after it: first one trial,
then two more for each that had its first event, until enough succeeded in a row or one failed. A
breaker that has just closed goes on letting in two more for each (TCP's slow start, RFC 5681), so
that a deployment that is back is not flooded by whoever waited for it.

Each opening lasts longer than the one before, with jitter so that many gateways do not try
together; but while failing costs a caller little, no longer than a sixteenth of the outage, so that
its end is noticed soon. What an attempt shows that began before the breaker last moved is old news
and changes nothing.

The breaker only advises: `router` overrules it when nothing else of a route is left, and what such
an overruled attempt shows counts too, except that its failure does not prolong the opening.
"""

from random import Random
from typing import Literal

from portico.routing.tally import Tally
from portico.types.deployment import CircuitPolicy

CircuitName = Literal["closed", "open", "half_open"]

OUTAGE_SHARE = 1 / 16
"""An opening need not last longer than this share of the whole outage,"""
FAILURE_PRICE = 6.0
"""unless the failed attempt took long: then so many times as long as that."""
TRIALS_PER_ANSWER = 2
WARM = 32
"""So many at once are as good as no limit."""
WARMING_S = 10.0
"""After this long it is warm, however little came."""


class Circuit:
    __slots__ = (
        "allowance",
        "failures_in_a_row",
        "moved_at",
        "open_until",
        "opened",
        "openings",
        "out_since",
        "policy",
        "results",
        "successes_in_a_row",
        "trials",
    )

    def __init__(self, policy: CircuitPolicy) -> None:
        self.policy = policy
        self.open_until = 0.0
        self.openings = 0
        """In a short while, each longer than the one before."""
        self.opened = 0
        """How often since the gateway began."""
        self.out_since = 0.0
        """When it opened first in that while."""
        self.moved_at = float("-inf")
        self.failures_in_a_row = 0
        self.successes_in_a_row = 0
        """Since it opened."""
        self.trials: set[object] = set()
        """The leases that try it out, while half open or warming up."""
        self.allowance: int | None = None
        """How many of those may be under way at once; `None` for one that is in full service."""
        self.results = Tally(policy.window_s)

    def name(self, now: float) -> CircuitName:
        if self.open_until == 0.0:
            return "closed"
        return "open" if now < self.open_until else "half_open"

    def adopt(self, policy: CircuitPolicy) -> None:
        """Go on under a new policy."""
        if policy.window_s != self.policy.window_s:
            self.results = Tally(policy.window_s)
        self.policy = policy

    def try_out(self, lease: object, now: float) -> None:
        """An attempt begins while it is on trial."""
        if self.allowance is not None and now >= self.open_until:
            self.trials.add(lease)

    def answered(self, lease: object) -> None:
        """A trial had its first event, or its whole answer: there is room for more."""
        if self.allowance is not None and lease in self.trials:
            self.allowance += TRIALS_PER_ANSWER

    def limit(self, now: float) -> int | None:
        """How many trials may be under way; `None` where it is warm or never was out."""
        allowance = self.allowance
        if allowance is None or self.open_until > 0.0:
            return allowance
        return None if allowance >= WARM or now - self.moved_at >= WARMING_S else allowance

    def is_full(self, now: float) -> bool:
        """Are as many on trial as may be? Notices, too, that it is warm."""
        if self.allowance is None:
            return False
        limit = self.limit(now)
        if limit is None:
            self.allowance = None
            self.trials.clear()
            return False
        return len(self.trials) >= limit

    def wants_trial(self) -> bool:
        """Is it half open, with fewer on trial than it takes to close it?"""
        return len(self.trials) + self.successes_in_a_row < self.policy.success_threshold

    def succeeded(self, began_at: float, now: float) -> bool:
        """Did this success close it?"""
        if began_at < self.moved_at:
            return False
        self.failures_in_a_row = 0
        if self.open_until == 0.0:
            self.results.add(now, marked=False)
            return False
        self.successes_in_a_row += 1
        if self.successes_in_a_row < self.policy.success_threshold:
            return False
        self.close(now)
        return True

    def failed(self, began_at: float, now: float, rng: Random) -> bool:
        """Did this failure open it?"""
        if began_at < self.moved_at:
            return False
        self.failures_in_a_row += 1
        self.successes_in_a_row = 0
        if self.open_until > 0.0:
            if now < self.open_until:
                return False
        else:
            self.results.add(now, marked=True)
            if not self._is_too_much(now):
                return False
            if self.openings == 0 or now - self.moved_at > self.policy.max_open_s:
                self.openings = 0
                self.out_since = now
        self.openings += 1
        self.opened += 1
        self.open_until = now + self._lasting_s(began_at, now) * (0.75 + rng.random() / 2.0)
        self.moved_at = now
        self.allowance = 1
        self.trials.clear()
        return True

    def _lasting_s(self, began_at: float, now: float) -> float:
        policy = self.policy
        enough = max(
            policy.open_s, (now - self.out_since) * OUTAGE_SHARE, (now - began_at) * FAILURE_PRICE
        )
        return min(policy.open_s * self.openings, enough, policy.max_open_s)

    def trip(self, now: float, for_s: float) -> None:
        """Open it, or hold it open, on other evidence than attempts."""
        if self.open_until <= now:
            if self.open_until == 0.0:
                self.out_since = now
            self.opened += 1
            self.successes_in_a_row = 0
            self.moved_at = now
            self.allowance = 1
            self.trials.clear()
        self.open_until = max(self.open_until, now + for_s)

    def shorten(self, now: float) -> None:
        """If it is open, let it be half open now."""
        self.open_until = min(self.open_until, now)

    def close(self, now: float) -> None:
        """Back in service, but for the warming up if it was out."""
        self.open_until = 0.0
        self.moved_at = now
        self.failures_in_a_row = self.successes_in_a_row = 0
        self.results.clear()

    def reset(self, now: float) -> None:
        """As if it had never failed."""
        self.close(now)
        self.openings = 0
        self.allowance = None
        self.trials.clear()

    def _is_too_much(self, now: float) -> bool:
        policy = self.policy
        if self.failures_in_a_row >= policy.failure_threshold:
            return True
        total = self.results.total(now)
        if total < policy.min_requests:
            return False
        return self.results.marked(now) > policy.error_rate * total
