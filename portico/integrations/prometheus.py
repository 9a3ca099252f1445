"""Counts attempts, tokens, money and latency for Prometheus.

An event costs about a microsecond: one lock, one dict look-up, and additions to the plain numbers
of one `Series` per label set. prometheus_client's own children would take a lock per metric, and a
scrape between two of them could see a request that is both active and done. Here a scrape copies
every number under that same lock, so each page is consistent:
`requests = success + error + active`. The library turns the copy into text.

What the numbers mean:
- An attempt keeps the labels it started with, so what it adds to several metrics stays together.
- An end whose start was not seen counts as an attempt that started and ended at once. A second end
  of the same attempt is counted as a duplicate and nowhere else.
- An embedding attempt feeds requests, success, error, active, cost and latency like any other, and
  `embedding_requests_total` besides; its tokens are `embedding_tokens_total` only.
- An attempt that never ends gives way once `MAX_ACTIVE` are under way, as the error `lost`.
- Times of failed attempts are part of `request_latency_seconds`, and alone in
  `error_latency_seconds`.
"""

import threading
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from portico.integrations import exposition
from portico.integrations.base import (
    CacheHitEvent,
    CacheMissEvent,
    Delivery,
    EmbeddingEndEvent,
    EmbeddingErrorEvent,
    EmbeddingStartEvent,
    LlmEndEvent,
    LlmErrorEvent,
    LlmStartEvent,
)
from portico.integrations.exposition import OTHER, Row
from portico.integrations.metrics_table import ATTEMPT_METRICS, PROCESS_METRICS, RESERVED_LABELS
from portico.integrations.open_attempts import AttemptKey, OpenAttempts
from portico.integrations.series import Series, by_field, copy

MAX_ACTIVE = 65_536
REMEMBERED_ENDS = 4096

LABELS = ("model", "provider", "route", "team", "key")

LabelValues = tuple[str | None, ...]


class PrometheusConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`labels` are constant and on every metric. Raises `InvalidMetrics`, which is a `ValueError`.

    `latency_buckets` are milliseconds. Series per route, team or key are off by default: each adds
    a factor to their number. Past `max_series` label sets, new ones count as `other`.
    """

    enabled: bool = True
    prefix: str = "litellm"
    labels: dict[str, str] = {}
    per_model_metrics: bool = True
    per_provider_metrics: bool = True
    per_route_metrics: bool = False
    per_team_metrics: bool = False
    per_key_metrics: bool = False
    latency_buckets: tuple[float, ...] = (10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
    token_buckets: tuple[float, ...] = (10, 50, 100, 500, 1000, 2000, 4000, 8000, 16000)
    max_series: int = 1000

    def __post_init__(self) -> None:
        exposition.check_prefix(self.prefix)
        exposition.check_labels(self.labels, RESERVED_LABELS)
        exposition.check_buckets("latency_buckets", self.latency_buckets)
        exposition.check_buckets("token_buckets", self.token_buckets)
        if self.max_series < 1:
            raise exposition.InvalidMetrics(f"max_series: {self.max_series} must be at least 1")
        msgspec.structs.force_setattr(self, "latency_buckets", tuple(self.latency_buckets))
        msgspec.structs.force_setattr(self, "token_buckets", tuple(self.token_buckets))


class PrometheusIntegration:
    """Satisfies `base.Integration`; every method may be called from any thread."""

    name = "prometheus"
    delivery: Delivery = "inline"

    def __init__(
        self,
        config: PrometheusConfig | None = None,
        *,
        registry: CollectorRegistry | None = None,
    ) -> None:
        """`registry` is shared with who else shows on the page, such as `GatewayMetrics`."""
        self.config = config or PrometheusConfig()
        self.is_enabled = self.config.enabled
        self.registry = registry or CollectorRegistry()
        self._lock = threading.Lock()
        self._label_names = tuple(n for n in LABELS if getattr(self.config, f"per_{n}_metrics"))
        self._labels_of = _reader(self._label_names)
        self._declared: dict[str, frozenset[str]] = {}
        self._series: dict[LabelValues, Series] = {}
        self._open = OpenAttempts[Series](MAX_ACTIVE, REMEMBERED_ENDS)
        self._error_types: set[str] = set()
        self._cache_hits = self._cache_misses = 0
        self._overflow = self._duplicates = 0
        exposition.register(self.registry, self, f"prometheus prefix {self.config.prefix!r}")

    @classmethod
    def with_defaults(cls) -> "PrometheusIntegration":
        return cls(PrometheusConfig())

    def declare(self, models: Iterable[str], providers: Iterable[str]) -> None:
        """From now on only these get series of their own; other values count as `other`."""
        with self._lock:
            self._declared = {"model": frozenset(models), "provider": frozenset(providers)}

    def on_llm_start(self, event: LlmStartEvent) -> None:
        labels = self._labels_of(event)
        key = event.request_id if event.attempt == 1 else (event.request_id, event.attempt)
        with self._lock:
            self._start(key, labels, event.attempt)

    def on_llm_end(self, event: LlmEndEvent) -> None:
        key = event.request_id if event.attempt == 1 else (event.request_id, event.attempt)
        with self._lock:
            series = self._open.end(key) or self._end_unopened(key, event)
            if series is None:
                return
            series.success += 1
            series.observe(series.latency_ms, event.latency_ms)
            if event.ttft_ms is not None:
                series.observe(series.ttft_ms, event.ttft_ms)
            series.add_tokens(event.input_tokens, event.output_tokens)
            if event.cached_tokens:
                series.cached_tokens += series.valid(event.cached_tokens)
            if event.cache_write_tokens:
                series.cache_write_tokens += series.valid(event.cache_write_tokens)
            if event.reasoning_tokens:
                series.reasoning_tokens += series.valid(event.reasoning_tokens)
            series.add_cost(event.cost_nanousd, event.cost_usd)

    def on_llm_error(self, event: LlmErrorEvent) -> None:
        """A partial answer's tokens and cost count, too: the provider bills them."""
        key = event.request_id if event.attempt == 1 else (event.request_id, event.attempt)
        with self._lock:
            series = self._open.end(key) or self._end_unopened(key, event)
            if series is None:
                return
            series.fail(event.error_type, event.latency_ms, self._error_types)
            series.add_tokens(event.input_tokens, event.output_tokens)
            costs = (event.cost_nanousd, event.cost_usd)
            if costs != (None, None) or event.input_tokens or event.output_tokens:
                series.add_cost(*costs)

    def on_embedding_start(self, event: EmbeddingStartEvent) -> None:
        labels = self._labels_of(event)
        with self._lock:
            series = self._start(
                (event.request_id, event.attempt, "embedding"), labels, event.attempt
            )
            series.embedding_requests += 1

    def on_embedding_end(self, event: EmbeddingEndEvent) -> None:
        with self._lock:
            series = self._end_embedding(event)
            if series is None:
                return
            series.success += 1
            series.observe(series.latency_ms, event.latency_ms)
            if event.total_tokens:
                series.embedding_tokens += series.valid(event.total_tokens)
            series.add_cost(event.cost_nanousd, event.cost_usd)

    def on_embedding_error(self, event: EmbeddingErrorEvent) -> None:
        with self._lock:
            series = self._end_embedding(event)
            if series is not None:
                series.fail(event.error_type, event.latency_ms, self._error_types)

    def on_cache_hit(self, event: CacheHitEvent) -> None:
        with self._lock:
            self._cache_hits += 1

    def on_cache_miss(self, event: CacheMissEvent) -> None:
        with self._lock:
            self._cache_misses += 1

    async def flush(self) -> None:
        """Nothing waits: Prometheus comes and reads."""

    async def shutdown(self) -> None:
        """Nothing is open."""

    def render_metrics(self) -> str:
        return self.render().decode()

    def render(self, openmetrics: bool = False) -> bytes:
        """The whole registry's page; see `exposition.render`."""
        return exposition.render(self.registry, openmetrics=openmetrics)

    def describe(self) -> Iterable[Metric]:
        """The names that this integration takes on its registry; asked once, when it registers."""
        return [exposition.family(row, self.config.prefix) for row in self._rows()]

    def collect(self) -> Iterable[Metric]:
        """Asked by the registry at each scrape."""
        numbers, series = self._snapshot()
        for row in PROCESS_METRICS:
            metric = exposition.family(row, self.config.prefix)
            exposition.add_number(metric, row, self.config.labels, numbers[row.field])
            yield metric
        for row in ATTEMPT_METRICS:
            metric = exposition.family(row, self.config.prefix)
            for labels, values in series:
                _add(metric, row, labels, values[row.field])
            yield metric

    def _rows(self) -> tuple[Row, ...]:
        return PROCESS_METRICS + ATTEMPT_METRICS

    def _snapshot(
        self,
    ) -> tuple[dict[str, int], list[tuple[dict[str, str], dict[str, Any]]]]:
        """Every number as of one moment: by field, and by label set in sorted order."""
        with self._lock:
            numbers = {
                "active": len(self._open),
                "cache_hits": self._cache_hits,
                "cache_misses": self._cache_misses,
                "overflow": self._overflow,
                "duplicates": self._duplicates,
            }
            taken = [(labels, copy(series)) for labels, series in self._series.items()]
        taken.sort(key=lambda item: tuple(value or "" for value in item[0]))
        return numbers, [(self._named(labels), by_field(copied)) for labels, copied in taken]

    def _named(self, values: LabelValues) -> dict[str, str]:
        named = {n: v for n, v in zip(self._label_names, values, strict=True) if v is not None}
        return {**self.config.labels, **named}

    def _start(self, key: AttemptKey, labels: LabelValues, attempt: int) -> Series:
        series = self._series.get(labels) or self._adopt(labels)
        series.requests += 1
        if attempt > 1:
            series.retries += 1
        lost = self._open.begin(key, series)
        if lost is not None:
            lost.fail("lost", 0.0, self._error_types)
        return series

    def _end_unopened(self, key: AttemptKey, event: Any) -> Series | None:
        """The series of an attempt whose start was not seen; `None` if it has ended before."""
        if self._open.has_ended(key):
            self._duplicates += 1
            return None
        self._open.remember(key)
        labels = self._labels_of(event)
        series = self._series.get(labels) or self._adopt(labels)
        series.requests += 1
        return series

    def _end_embedding(self, event: EmbeddingEndEvent | EmbeddingErrorEvent) -> Series | None:
        key = (event.request_id, event.attempt, "embedding")
        series = self._open.end(key)
        if series is None:
            series = self._end_unopened(key, event)
            if series is not None:
                series.embedding_requests += 1
        return series

    def _adopt(self, labels: LabelValues) -> Series:
        """The series for values seen for the first time, or no longer given one of their own.

        What is not a label value in good order is never a key: junk leaves nothing behind.
        """
        allowed = tuple(map(self._allowed, self._label_names, labels))
        known = self._series.get(allowed)
        is_room = len(self._series) < self.config.max_series
        if known is None and not is_room:
            allowed = (OTHER,) * len(labels)
            known = self._series.get(allowed)
        if OTHER in allowed:
            self._overflow += 1
        if known is None:
            known = Series(self.config.latency_buckets, self.config.token_buckets)
            self._series[allowed] = known
        return known

    def _allowed(self, name: str, value: str | None) -> str | None:
        if value is None:
            return None
        closed = self._declared.get(name)
        if len(value) > exposition.MAX_VALUE_LENGTH or (closed is not None and value not in closed):
            return OTHER
        return exposition.clean(value)


def _reader(names: tuple[str, ...]) -> Callable[[Any], LabelValues]:
    """`attrgetter` gives a tuple only for two names and more."""
    if not names:
        return lambda event: ()
    first, *others = names
    get = attrgetter(first)
    return attrgetter(first, *others) if others else lambda event: (get(event),)


def _add(metric: Metric, row: Row, labels: dict[str, str], value: Any) -> None:
    """A histogram nobody has fed yet is left out, to keep the page short."""
    if row.kind == "histogram":
        if any(value.counts):
            exposition.add_histogram(metric, row, labels, value)
    elif isinstance(value, dict):
        for kind in sorted(value):
            exposition.add_number(metric, row, {**labels, "error_type": kind}, value[kind])
    else:
        exposition.add_number(metric, row, labels, value)
