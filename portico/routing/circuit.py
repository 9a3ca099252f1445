"""The circuit breaker of one deployment.

*Closed* while `open_until` is 0, *open* until that moment, *half open* after it: one probe at a
time, until enough succeeded in a row or one failed. Each opening lasts longer than the one before,
with jitter so that many gateways do not probe together. What an attempt shows that began before
the breaker last moved is old news and changes nothing.

The breaker only advises: `router` overrules it when nothing else of a route is left, and what such
an overruled attempt shows counts too, except that its failure does not prolong the opening.
"""

from random import Random
from typing import Literal

from portico.routing.tally import Tally
from portico.types.deployment import CircuitPolicy

CircuitName = Literal["closed", "open", "half_open"]


class Circuit:
    __slots__ = (
        "failures_in_a_row",
        "moved_at",
        "open_until",
        "openings",
        "policy",
        "probe",
        "results",
        "successes_in_a_row",
    )

    def __init__(self, policy: CircuitPolicy) -> None:
        self.policy = policy
        self.open_until = 0.0
        self.openings = 0
        """In a short while, each longer than the one before."""
        self.moved_at = float("-inf")
        self.failures_in_a_row = 0
        self.successes_in_a_row = 0
        """Since it opened."""
        self.probe: object | None = None
        """The lease that tries it out while half open."""
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
            if now - self.moved_at > self.policy.max_open_s:
                self.openings = 0
        self.openings += 1
        policy = self.policy
        lasting_s = min(policy.max_open_s, policy.open_s * self.openings)
        self.open_until = now + lasting_s * (0.75 + rng.random() / 2.0)
        self.moved_at = now
        self.probe = None
        return True

    def close(self, now: float) -> None:
        self.open_until = 0.0
        self.moved_at = now
        self.failures_in_a_row = self.successes_in_a_row = 0
        self.probe = None
        self.results.clear()

    def _is_too_much(self, now: float) -> bool:
        policy = self.policy
        if self.failures_in_a_row >= policy.failure_threshold:
            return True
        total = self.results.total(now)
        if total < policy.min_requests:
            return False
        return self.results.marked(now) > policy.error_rate * total
