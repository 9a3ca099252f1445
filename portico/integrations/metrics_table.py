"""Every metric Portico exposes: the rows that make the families and the page in the docs."""

from collections.abc import Iterable

from portico.integrations.exposition import Row

SERIES = ("model", "provider")

ATTEMPT_METRICS = (
    Row("requests_total", "counter", SERIES,
        "Attempts sent to a provider: always success + error + active.", "requests"),
    Row("requests_success_total", "counter", SERIES,
        "Attempts that a provider answered well.", "success"),
    Row("requests_error_total", "counter", (*SERIES, "error_type"),
        "Attempts that failed, by error code; a client that left is `cancelled`.", "errors"),
    Row("input_tokens_total", "counter", SERIES,
        "Input tokens of LLM attempts, cached ones included.", "input_tokens"),
    Row("output_tokens_total", "counter", SERIES,
        "Output tokens of LLM attempts, reasoning included.", "output_tokens"),
    Row("cached_tokens_total", "counter", SERIES,
        "Input tokens read from a provider's prompt cache.", "cached_tokens"),
    Row("cache_write_tokens_total", "counter", SERIES,
        "Input tokens written to a provider's prompt cache.", "cache_write_tokens"),
    Row("reasoning_tokens_total", "counter", SERIES,
        "Output tokens spent on reasoning.", "reasoning_tokens"),
    Row("cost_usd_total", "counter", SERIES,
        "Cost in US dollars, counted in whole nano-dollars.", "cost_nanousd", 1e9),
    Row("unpriced_requests_total", "counter", SERIES,
        "Attempts whose usage has no known price; they are not in the cost.", "unpriced"),
    Row("retries_total", "counter", SERIES,
        "Attempts after the first one of a call, retries and fallbacks.", "retries"),
    Row("embedding_requests_total", "counter", SERIES,
        "Embedding attempts; they are part of the requests, too.", "embedding_requests"),
    Row("embedding_tokens_total", "counter", SERIES,
        "Tokens of embedding attempts; they are not part of the input tokens.",
        "embedding_tokens"),
    Row("invalid_values_total", "counter", SERIES,
        "Costs, times and token counts that are negative or not finite; they are left out.",
        "invalid"),
    Row("request_latency_seconds", "histogram", SERIES,
        "Time from sending an attempt to its end, good or bad.", "latency_ms", 1000),
    Row("error_latency_seconds", "histogram", SERIES,
        "The same for failed attempts only.", "error_latency_ms", 1000),
    Row("ttft_latency_seconds", "histogram", SERIES,
        "Time to the first token.", "ttft_ms", 1000),
    Row("request_input_tokens", "histogram", SERIES,
        "Input tokens per LLM attempt.", "input_sizes"),
    Row("request_output_tokens", "histogram", SERIES,
        "Output tokens per LLM attempt.", "output_sizes"),
)  # fmt: skip
"""One value per label set; the prefix is configured."""

PROCESS_METRICS = (
    Row("active_requests", "gauge", (),
        "Attempts under way.", "active"),
    Row("cache_hits_total", "counter", (),
        "Calls answered from the response cache.", "cache_hits"),
    Row("cache_misses_total", "counter", (),
        "Calls that the response cache could not answer.", "cache_misses"),
    Row("series_overflow_total", "counter", (),
        "Attempts counted under the label value `other`, to bound the number of series.",
        "overflow"),
    Row("duplicate_events_total", "counter", (),
        "Ends of attempts that had already ended; they are not counted elsewhere.", "duplicates"),
)  # fmt: skip
"""One value each; the prefix is configured."""

GATEWAY_METRICS = (
    Row("build_info", "gauge", ("version", "python"),
        "Always 1; says which Portico on which Python.", "build_info"),
    Row("uptime_seconds", "gauge", (),
        "Time since this process began to serve.", "uptime"),
    Row("memory_usage_bytes", "gauge", (),
        "Resident memory of this process.", "memory"),
    Row("cpu_usage_percent", "gauge", (),
        "CPU time of this process since the scrape before; 100 is one core.", "cpu_percent"),
    Row("cpu_seconds_total", "counter", (),
        "CPU time of this process.", "cpu_seconds"),
    Row("providers_total", "unknown", (),
        "Configured providers. A gauge by nature, but its name ends like a counter's.",
        "providers"),
    Row("http_requests_total", "counter", ("endpoint", "status"),
        "Answers to clients; an unknown path is the endpoint `other`.", "http_requests"),
    Row("http_request_duration_seconds", "histogram", ("endpoint",),
        "Time from a request's first byte to its answer's last.", "http_durations"),
    Row("overhead_seconds", "histogram", (),
        "Time a call spent in the gateway itself, without the upstream.", "overheads"),
    Row("attempts_total", "counter", ("outcome",),
        "Attempts by outcome: `success` or an error code.", "attempts"),
    Row("deployment_state", "gauge", ("deployment",),
        "0 in service, 1 on probation, 2 out of service.", "deployments"),
    Row("deployment_in_flight", "gauge", ("deployment",),
        "Attempts under way there.", "deployment_in_flight"),
    Row("deployment_in_flight_limit", "gauge", ("deployment",),
        "Attempts it may have at once, as configured or as found out; absent without a limit.",
        "deployment_limits"),
    Row("deployment_health_check", "gauge", ("deployment",),
        "1 if its provider answered the last health check well, 0 if not; absent if not asked.",
        "deployment_checks"),
    Row("circuit_state", "gauge", ("deployment",),
        "The breaker: 0 closed, 1 half open, 2 open.", "circuits"),
    Row("circuit_openings_total", "counter", ("deployment",),
        "How often the breaker opened.", "circuit_openings"),
    Row("health_checks_total", "counter", ("provider", "verdict"),
        "Active health checks: `good`, `bad`, or `unclear` where the answer says nothing.",
        "health_checks"),
    Row("queue_length", "gauge", (),
        "Calls that wait in line for a place.", "queue_length"),
    Row("queue_wait_seconds", "histogram", (),
        "Time in line, of calls that got a place.", "queue_waits"),
    Row("queue_refusals_total", "counter", ("reason",),
        "Calls turned away: the line was `full`, they were `displaced` by calls with more right, "
        "or waited to their `timeout`.", "queue_refusals"),
    Row("hedges_total", "counter", ("outcome",),
        "Second copies of slow calls: `won` and was taken, `lost` and was cancelled, or both "
        "copies `failed`.", "hedges"),
    Row("shared_answers_total", "counter", ("outcome",),
        "Calls that got what an identical one under way got: an `answer` or its `error`.",
        "shared"),
    Row("unpriced_calls_total", "counter", ("model",),
        "Calls whose usage has no known price.", "unpriced_calls"),
    Row("media_total", "counter", ("outcome",),
        "Media by URL for providers that take only data: `fetched`, or why not (`off`, `refused`, "
        "`too_many`, `too_large`, `wrong_type`, `timeout`, `failed`).", "media"),
    Row("journal_failures_total", "counter", (),
        "Records that could not be written to the journal.", "journal_failures"),
    Row("config_last_reload_successful", "gauge", (),
        "1 if the configuration in use is the latest one that was offered.", "reload_ok"),
    Row("config_last_reload_success_timestamp_seconds", "gauge", (),
        "When the configuration in use was loaded, Unix time.", "reloaded_at"),
    Row("integration_events_total", "counter", ("integration", "outcome"),
        "Events per integration: `delivered`, `failed`, or `dropped` by its full queue.",
        "integration_events"),
    Row("integration_events_waiting", "gauge", ("integration",),
        "Events in an integration's queue.", "integration_waiting"),
)  # fmt: skip
"""The gateway's own; the prefix is always `gateway`."""

RESERVED_LABELS = frozenset(
    ("le", "quantile", "route", "team", "key"),
).union(*(row.labels for row in ATTEMPT_METRICS + PROCESS_METRICS + GATEWAY_METRICS))
"""Constant labels are on every metric, so they may be named like none of these."""


def metrics_markdown(prefix: str = "litellm") -> str:
    """The tables of the metrics page in the docs."""
    return "\n".join(
        [
            "## Providers, models and money",
            "",
            *_table(prefix, ATTEMPT_METRICS + PROCESS_METRICS),
            "",
            "## The gateway itself",
            "",
            *_table("gateway", GATEWAY_METRICS),
            "",
        ]
    )


def _table(prefix: str, rows: Iterable[Row]) -> list[str]:
    lines = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for row in rows:
        labels = ", ".join(f"`{label}`" for label in row.labels) or "none"
        lines.append(f"| `{prefix}_{row.name}` | {row.kind} | {labels} | {row.help} |")
    return lines
