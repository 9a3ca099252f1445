"""The numbers of one label set, and what may be added to them. Not locked: the owner is.

What is negative or not finite is left out and counted as invalid: it would spoil a counter for
ever.
"""

import math
from operator import attrgetter
from typing import Any

from portico.integrations.exposition import MAX_VALUE_LENGTH, OTHER, Histogram, clean
from portico.integrations.metrics_table import ATTEMPT_METRICS

MAX_ERROR_TYPES = 64
MAX_COST_NANOUSD = 10**18
"""A billion dollars; no attempt costs more, and a float that large is a mistake."""


class Series:
    """The names are the `field`s of `ATTEMPT_METRICS`."""

    __slots__ = tuple(row.field for row in ATTEMPT_METRICS)

    def __init__(self, latency: tuple[float, ...], tokens: tuple[float, ...]) -> None:
        self.requests = self.success = self.retries = self.invalid = 0
        self.input_tokens = self.output_tokens = self.cached_tokens = 0
        self.cache_write_tokens = self.reasoning_tokens = 0
        self.embedding_requests = self.embedding_tokens = 0
        self.cost_nanousd = self.unpriced = 0
        self.errors: dict[str, int] = {}
        self.latency_ms = Histogram(latency)
        self.error_latency_ms = Histogram(latency)
        self.ttft_ms = Histogram(latency)
        self.input_sizes = Histogram(tokens)
        self.output_sizes = Histogram(tokens)

    def observe(self, histogram: Histogram, value: float) -> None:
        if 0 <= value < math.inf:
            histogram.observe(value)
        else:
            self.invalid += 1

    def valid(self, tokens: int) -> int:
        if tokens >= 0:
            return tokens
        self.invalid += 1
        return 0

    def add_tokens(self, input_tokens: int | None, output_tokens: int | None) -> None:
        if input_tokens is not None:
            if input_tokens >= 0:
                self.input_tokens += input_tokens
                self.input_sizes.observe(input_tokens)
            else:
                self.invalid += 1
        if output_tokens is not None:
            if output_tokens >= 0:
                self.output_tokens += output_tokens
                self.output_sizes.observe(output_tokens)
            else:
                self.invalid += 1

    def add_cost(self, cost_nanousd: int | None, cost_usd: float | None) -> None:
        """Exact nano-dollars go before dollars; neither is unpriced."""
        if cost_nanousd is None:
            if cost_usd is None:
                self.unpriced += 1
                return
            # Also false for NaN.
            if not 0 <= cost_usd <= MAX_COST_NANOUSD / 1e9:
                self.invalid += 1
                return
            cost_nanousd = round(cost_usd * 1e9)
        if 0 <= cost_nanousd <= MAX_COST_NANOUSD:
            self.cost_nanousd += cost_nanousd
        else:
            self.invalid += 1

    def fail(self, error_type: str | None, latency_ms: float, known: set[str]) -> None:
        """`known` bounds the error types of all series together."""
        kind = error_type or "unknown"
        if kind not in known:
            kind = clean(kind)
            if len(known) >= MAX_ERROR_TYPES or len(kind) > MAX_VALUE_LENGTH:
                kind = OTHER
            known.add(kind)
        self.errors[kind] = self.errors.get(kind, 0) + 1
        # 0 is what an event carries when nobody measured.
        if latency_ms != 0:
            self.observe(self.latency_ms, latency_ms)
            self.observe(self.error_latency_ms, latency_ms)


_NUMBERS = tuple(r.field for r in ATTEMPT_METRICS if r.kind == "counter" and r.field != "errors")
_HISTOGRAMS = tuple(r.field for r in ATTEMPT_METRICS if r.kind == "histogram")
_numbers = attrgetter(*_NUMBERS)
_histograms = attrgetter(*_HISTOGRAMS)

Copy = tuple[tuple[int, ...], dict[str, int], list[Histogram]]


def copy(series: Series) -> Copy:
    """Runs for every series while the lock is held, so it only copies."""
    return _numbers(series), series.errors.copy(), [h.copy() for h in _histograms(series)]


def by_field(copied: Copy) -> dict[str, Any]:
    numbers, errors, histograms = copied
    values: dict[str, Any] = dict(zip(_NUMBERS, numbers, strict=True))
    values["errors"] = errors
    values.update(zip(_HISTOGRAMS, histograms, strict=True))
    return values
