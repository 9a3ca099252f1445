"""What every metric here is made of: rows, histograms, label values, families, the page itself.

A metric is a `Row` of `metrics_table.py` plus the line of code that counts. The text formats are
prometheus_client's: Prometheus text 0.0.4 and OpenMetrics 1.0.0
(https://prometheus.io/docs/instrumenting/exposition_formats/, read 2026-11-23).
"""

import math
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from portico.errors import ConfigError

OTHER = "other"
MAX_VALUE_LENGTH = 200
MAX_BUCKETS = 100

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Prometheus' own scanner takes NUL for the end of the page; the rest have no place in a label.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

Kind = Literal["counter", "gauge", "histogram", "unknown"]
Labels = Mapping[str, str]


class InvalidMetrics(ConfigError, ValueError):
    """A prefix, label or bucket that Prometheus would refuse or misread."""


class Row(msgspec.Struct, frozen=True):
    """One metric. `field` is where it is counted, `per` what that is divided by to render."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    field: str
    per: float = 1.0


class Histogram:
    """Counts per bucket (the last is +Inf) and their sum, in the unit of `bounds`; not locked."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum: float = 0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def copy(self) -> "Histogram":
        twin = Histogram.__new__(Histogram)
        twin.bounds = self.bounds
        twin.counts = self.counts.copy()
        twin.sum = self.sum
        return twin


def family(row: Row, prefix: str) -> Metric:
    """An empty family. The library wants a counter's name without its `_total`."""
    name = f"{prefix}_{row.name}"
    if row.kind == "counter":
        name = name.removesuffix("_total")
    return Metric(name, row.help, row.kind)


def add_number(metric: Metric, row: Row, labels: dict[str, str], value: float) -> None:
    """`labels` is kept, not copied: nobody changes the labels of a sample."""
    name = metric.name + "_total" if row.kind == "counter" else metric.name
    metric.samples.append(Sample(name, labels, value / row.per))


def add_histogram(metric: Metric, row: Row, labels: dict[str, str], histogram: Histogram) -> None:
    total = 0
    name = metric.name + "_bucket"
    for le, count in zip(_edges(histogram.bounds, row.per), histogram.counts, strict=True):
        total += count
        metric.samples.append(Sample(name, {**labels, "le": le}, total))
    metric.samples.append(Sample(metric.name + "_count", labels, total))
    metric.samples.append(Sample(metric.name + "_sum", labels, histogram.sum / row.per))


@lru_cache(maxsize=64)
def _edges(bounds: tuple[float, ...], per: float) -> tuple[str, ...]:
    """The `le` labels."""
    return tuple(_number(bound / per) for bound in (*bounds, math.inf))


def _number(value: float) -> str:
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call]
    return text


def clean(value: str) -> str:
    """A label value that every parser can read back: no lone surrogates, no control characters.

    Quotes, backslashes and line ends stay: the library escapes them.
    """
    if value.isprintable():
        return value
    return _CONTROL.sub("\ufffd", value.encode("utf-8", "replace").decode("utf-8"))


def check_prefix(prefix: str) -> None:
    if not _NAME.fullmatch(prefix) or prefix.startswith("__"):
        raise InvalidMetrics(
            f"metrics prefix: {prefix!r} is not a metric name; use letters, digits and '_', "
            "not starting with a digit or '__'"
        )


def check_labels(labels: Labels, reserved: frozenset[str]) -> None:
    for name, value in labels.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name.startswith("__"):
            raise InvalidMetrics(
                f"metrics labels: {name!r} is not a label name; use letters, digits and '_', "
                "not starting with a digit or '__'"
            )
        if name in reserved:
            raise InvalidMetrics(
                f"metrics labels: {name!r} is set by the gateway itself; choose another name"
            )
        if not isinstance(value, str) or clean(value) != value:
            raise InvalidMetrics(
                f"metrics labels: the value of {name!r} must be text without control characters"
            )


def check_buckets(field: str, buckets: Sequence[float]) -> None:
    """Buckets are upper bounds, inclusive; the +Inf bucket is always added."""
    if not 0 < len(buckets) <= MAX_BUCKETS:
        raise InvalidMetrics(f"{field}: has {len(buckets)} bounds; give 1 to {MAX_BUCKETS}")
    before = 0.0
    for index, bound in enumerate(buckets):
        where = f"{field}[{index}]"
        if isinstance(bound, bool) or not isinstance(bound, int | float):
            raise InvalidMetrics(f"{where}: {bound!r} is not a number")
        if not math.isfinite(bound):
            raise InvalidMetrics(f"{where}: {bound} is not finite; +Inf is added by itself")
        if bound <= 0:
            raise InvalidMetrics(f"{where}: {bound} must be above 0")
        if bound <= before:
            raise InvalidMetrics(f"{where}: {bound} must be above the bound before it, {before}")
        before = bound


def register(registry: CollectorRegistry, collector: Collector, who: str) -> None:
    try:
        registry.register(collector)
    except ValueError as error:
        raise InvalidMetrics(
            f"{who}: its metric names are already on this registry; choose another prefix ({error})"
        ) from error


def render(registry: CollectorRegistry, *, openmetrics: bool = False) -> bytes:
    """All metrics of the registry. Costs milliseconds with many series: call it from a thread."""
    return expose(registry, "application/openmetrics-text" if openmetrics else "")[0]


def expose(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """The page in the format that the `accept` header asks for, and its content type."""
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type
