"""When a second copy of a slow call is worth its price, for a route that asks for hedging.

Per deployment the last times to the first event are kept; a call that has waited longer than 95 in
a hundred of them is unusual. A budget keeps second copies to a small share of all calls. After Dean
and Barroso, "The Tail at Scale", CACM 56(2), 2013.
"""

from collections import deque

from portico.routing.budget import RetryBudget
from portico.routing.strategies import RoutingRequest
from portico.types.deployment import Deployment, HedgePolicy

SAMPLES = 128
FEWEST = 20
"""Fewer times than this say nothing about the unusual."""
UNUSUAL = 0.95


class Hedge:
    """What a route knows for it; one owner, made anew with each configuration."""

    __slots__ = ("_budget", "_policy", "_times")

    def __init__(self, policy: HedgePolicy) -> None:
        self._policy = policy
        self._budget = RetryBudget(policy.budget, 0)
        self._times: dict[str, deque[float]] = {}

    def learn(self, deployment: str, seconds: float) -> None:
        """An attempt there had its first event, or its whole answer, after so long."""
        times = self._times.get(deployment)
        if times is None:
            times = self._times[deployment] = deque(maxlen=SAMPLES)
        times.append(seconds)

    def wait_s(self, deployment: str, now: float) -> float | None:
        """How long to wait before a second copy is sent; nothing while too little is known.

        Counts the call, as one of those that the budget is a share of.
        """
        self._budget.requested(now)
        if self._policy.after_s is not None:
            return self._policy.after_s
        times = self._times.get(deployment)
        if times is None or len(times) < FEWEST:
            return None
        return sorted(times)[int(len(times) * UNUSUAL)]

    def may_cost(self, deployment: Deployment, request: RoutingRequest) -> bool:
        """Is a copy there expected to cost no more than is allowed? What has no price is not."""
        most = self._policy.max_cost_nanousd
        if most is None:
            return True
        cost = request.expected_cost(deployment) if request.expected_cost is not None else None
        return cost is not None and cost <= most

    def take(self, now: float) -> bool:
        """May a second copy be sent? If so it is counted."""
        return self._budget.take(now)
