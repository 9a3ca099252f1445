"""The gateway's own figures: HTTP, overhead, attempts, deployments, configuration, this process.

Fed by plain calls, read by a scrape, in the way of `prometheus.py`: one lock, plain numbers. Label
values come from closed sets (endpoint templates, status codes, error codes, configured deployments
and models); what does not fit in `MAX_VALUES` of one kind counts as `other`.
"""

import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from portico.integrations import exposition
from portico.integrations.base import (
    HedgeOutcome,
    IntegrationStats,
    QueueRefusal,
    SharedOutcome,
)
from portico.integrations.exposition import OTHER, Histogram
from portico.integrations.flow_metrics import FlowCounts, Watched
from portico.integrations.metrics_table import GATEWAY_METRICS, RESERVED_LABELS
from portico.routing.steering import DeploymentView

PREFIX = "gateway"
MAX_VALUES = 500
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
OVERHEAD_BUCKETS = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1,
)  # fmt: skip
MIN_CPU_WINDOW_S = 0.5

LabelValues = tuple[str, ...]
Samples = list[tuple[LabelValues, Any]]


class GatewayMetrics:
    """Satisfies `base.Meters`; every method may be called from any thread."""

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        *,
        version: str = "",
        labels: Mapping[str, str] | None = None,
        integrations: Callable[[], Iterable[IntegrationStats]] = tuple,
        monotonic: Callable[[], float] = time.monotonic,
        cpu_time: Callable[[], float] = time.process_time,
    ) -> None:
        """`labels` are constant, on every metric; `integrations` is `IntegrationManager.stats`."""
        self._labels = dict(labels or {})
        exposition.check_labels(self._labels, RESERVED_LABELS)
        self.registry = registry or CollectorRegistry()
        self._version = version
        self._integrations = integrations
        self._lock = threading.Lock()
        self._http_requests: dict[tuple[str, int], int] = {}
        self._http_durations: dict[str, Histogram] = {}
        self._overheads = Histogram(OVERHEAD_BUCKETS)
        self._attempts: dict[str, int] = {}
        self._unpriced: dict[str, int] = {}
        self._flow = FlowCounts()
        self._watched = Watched()
        self._media: dict[str, int] = {}
        self._journal_failures = 0
        self._providers = 0
        self._reload_ok = True
        self._reloaded_at = 0.0
        self._monotonic = monotonic
        self._started = monotonic()
        self._cpu = _CpuMeter(monotonic, cpu_time)
        exposition.register(self.registry, self, "gateway metrics")

    def http_request(
        self, endpoint: str, status: int, seconds: float, overhead_s: float | None = None
    ) -> None:
        """`endpoint` is a path template of the table of endpoints, never a client's path."""
        with self._lock:
            durations = self._http_durations.get(endpoint)
            if durations is None:
                endpoint = _bounded(self._http_durations, endpoint)
                durations = self._http_durations.setdefault(endpoint, Histogram(DURATION_BUCKETS))
            key = (endpoint, status)
            self._http_requests[key] = self._http_requests.get(key, 0) + 1
            durations.observe(seconds if seconds > 0 else 0.0)
            if overhead_s is not None:
                self._overheads.observe(overhead_s if overhead_s > 0 else 0.0)

    def attempt(self, outcome: str) -> None:
        with self._lock:
            _count(self._attempts, outcome)

    def unpriced(self, model: str) -> None:
        with self._lock:
            _count(self._unpriced, model)

    def media(self, outcome: str) -> None:
        with self._lock:
            _count(self._media, outcome)

    def journal_failed(self) -> None:
        with self._lock:
            self._journal_failures += 1

    def queued(self, seconds: float) -> None:
        with self._lock:
            self._flow.waits.observe(max(seconds, 0.0))

    def queue_refused(self, reason: QueueRefusal) -> None:
        with self._lock:
            self._flow.refusals[reason] += 1

    def hedged(self, outcome: HedgeOutcome) -> None:
        with self._lock:
            self._flow.hedges[outcome] += 1

    def shared(self, outcome: SharedOutcome) -> None:
        with self._lock:
            self._flow.shared[outcome] += 1

    def health_checked(self, provider: str, verdict: str) -> None:
        with self._lock:
            checks = self._flow.health_checks
            key = (provider, verdict)
            if key not in checks and len(checks) >= MAX_VALUES:
                key = (OTHER, verdict)
            checks[key] = checks.get(key, 0) + 1

    def watch(
        self, deployments: Callable[[], Iterable[DeploymentView]], queued: Callable[[], int]
    ) -> None:
        """Read these at each scrape, in the scrape's thread: that of the event loop."""
        self._watched = Watched(deployments, queued)

    def configured(self, providers: int, *, at: float) -> None:
        """A configuration is in use since `at` (Unix time)."""
        with self._lock:
            self._providers = providers
            self._reload_ok = True
            self._reloaded_at = at

    def reload_refused(self) -> None:
        """A new configuration was wrong; the one before stays in use."""
        with self._lock:
            self._reload_ok = False

    def describe(self) -> Iterable[Metric]:
        return [exposition.family(row, PREFIX) for row in GATEWAY_METRICS]

    def collect(self) -> Iterable[Metric]:
        watched = self._watched.samples(MAX_VALUES)
        values = self._snapshot() | watched | self._process() | self._observers()
        for row in GATEWAY_METRICS:
            metric = exposition.family(row, PREFIX)
            for label_values, value in sorted(values[row.field], key=lambda sample: sample[0]):
                labels = {**self._labels, **dict(zip(row.labels, label_values, strict=True))}
                if isinstance(value, Histogram):
                    exposition.add_histogram(metric, row, labels, value)
                else:
                    exposition.add_number(metric, row, labels, value)
            yield metric

    def render(self, openmetrics: bool = False) -> bytes:
        """The whole registry's page; see `exposition.render`."""
        return exposition.render(self.registry, openmetrics=openmetrics)

    def _snapshot(self) -> dict[str, Samples]:
        """Everything that is counted, as of one moment."""
        with self._lock:
            return {
                "providers": [((), self._providers)],
                "http_requests": [
                    ((endpoint, str(status)), count)
                    for (endpoint, status), count in self._http_requests.items()
                ],
                "http_durations": [((k,), v.copy()) for k, v in self._http_durations.items()],
                "overheads": [((), self._overheads.copy())],
                "attempts": _samples(self._attempts),
                "unpriced_calls": _samples(self._unpriced),
                "media": _samples(self._media),
                "journal_failures": [((), self._journal_failures)],
                "reload_ok": [((), int(self._reload_ok))],
                "reloaded_at": [((), self._reloaded_at)],
                **self._flow.samples(),
            }

    def _process(self) -> dict[str, Samples]:
        cpu_seconds, cpu_percent = self._cpu.read()
        return {
            "build_info": [((self._version, platform.python_version()), 1)],
            "uptime": [((), self._monotonic() - self._started)],
            "memory": [((), resident_bytes())],
            "cpu_percent": [((), cpu_percent)],
            "cpu_seconds": [((), cpu_seconds)],
        }

    def _observers(self) -> dict[str, Samples]:
        stats = tuple(self._integrations())
        outcomes = ("delivered", "failed", "dropped")
        return {
            "integration_events": [
                ((each.name, outcome), getattr(each, outcome))
                for each in stats
                for outcome in outcomes
            ],
            "integration_waiting": [((each.name,), each.waiting) for each in stats],
        }


class _CpuMeter:
    """CPU seconds, and their share of the time since the last read.

    Two scrapers that come at nearly the same moment see the same share.
    """

    def __init__(self, monotonic: Callable[[], float], cpu_time: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._cpu_time = cpu_time
        self._at = monotonic()
        self._used = cpu_time()
        self._percent = 0.0

    def read(self) -> tuple[float, float]:
        now = self._monotonic()
        used = self._cpu_time()
        if now - self._at >= MIN_CPU_WINDOW_S:
            self._percent = 100 * (used - self._used) / (now - self._at)
            self._at, self._used = now, used
        return used, self._percent


def resident_bytes() -> int:
    """Resident memory of this process; where there is no /proc, the highest it has been."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return _peak_resident_bytes()


def _peak_resident_bytes() -> int:
    """`ru_maxrss` is in bytes on macOS and in KiB elsewhere; Windows has no `resource`."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _bounded(known: Mapping[str, Any], value: str) -> str:
    if value in known:
        return value
    if len(known) >= MAX_VALUES or len(value) > exposition.MAX_VALUE_LENGTH:
        return OTHER
    return exposition.clean(value)


def _count(counts: dict[str, int], value: str) -> None:
    if value not in counts:
        value = _bounded(counts, value)
    counts[value] = counts.get(value, 0) + 1


def _samples(counts: Mapping[str, int]) -> Samples:
    return [((value,), count) for value, count in counts.items()]
