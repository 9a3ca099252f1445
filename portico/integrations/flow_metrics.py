"""Figures of routing: the line before the gate, second copies, shared answers, health checks, and
each deployment as it is at the scrape.

What is counted here is counted under the lock of `GatewayMetrics`; how deployments do is read from
their states, so that it agrees with `GET /admin/routing` of the same moment.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from portico.integrations.exposition import Histogram
from portico.routing.steering import DeploymentView

QUEUE_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_REFUSALS = ("full", "displaced", "timeout")
_HEDGES = ("won", "lost", "failed")
_SHARED = ("answer", "error")
_STATES = {"healthy": 0, "half_open": 1}
"""In service, on probation; all else is out of service."""
_OUT = 2
_CIRCUITS = {"closed": 0, "half_open": 1, "open": 2}
_CHECKS = {"good": 1, "bad": 0}

Samples = list[tuple[tuple[str, ...], Any]]


class FlowCounts:
    """Not locked. All reasons and outcomes are there from the start, so that a rate of the first
    one is not lost."""

    __slots__ = ("health_checks", "hedges", "refusals", "shared", "waits")

    def __init__(self) -> None:
        self.waits = Histogram(QUEUE_BUCKETS)
        self.refusals = dict.fromkeys(_REFUSALS, 0)
        self.hedges = dict.fromkeys(_HEDGES, 0)
        self.shared = dict.fromkeys(_SHARED, 0)
        self.health_checks: dict[tuple[str, str], int] = {}

    def samples(self) -> dict[str, Samples]:
        return {
            "queue_waits": [((), self.waits.copy())],
            "queue_refusals": _samples(self.refusals.items()),
            "hedges": _samples(self.hedges.items()),
            "shared": _samples(self.shared.items()),
            "health_checks": list(self.health_checks.items()),
        }


class Watched:
    """What is read at each scrape, once there is a gateway to read it from."""

    __slots__ = ("_deployments", "_queued")

    def __init__(
        self,
        deployments: Callable[[], Iterable[DeploymentView]] = tuple,
        queued: Callable[[], int] = int,
    ) -> None:
        self._deployments = deployments
        self._queued = queued

    def samples(self, most: int) -> dict[str, Samples]:
        """The first so many deployments: clients that invent names add no more series."""
        views = list(islice(self._deployments(), most))
        return {
            "queue_length": [((), self._queued())],
            "deployments": [((v.id,), _STATES.get(v.state, _OUT)) for v in views],
            "deployment_in_flight": [((v.id,), v.in_flight) for v in views],
            "deployment_limits": [
                ((v.id,), v.in_flight_limit) for v in views if v.in_flight_limit is not None
            ],
            "circuits": [((v.id,), _CIRCUITS[v.circuit]) for v in views],
            "circuit_openings": [((v.id,), v.circuit_openings) for v in views],
            "deployment_checks": [
                ((v.id,), _CHECKS[v.health_check.verdict])
                for v in views
                if v.health_check is not None and v.health_check.verdict in _CHECKS
            ],
        }


def _samples(counts: Iterable[tuple[str, int]]) -> Samples:
    return [((value,), count) for value, count in counts]
