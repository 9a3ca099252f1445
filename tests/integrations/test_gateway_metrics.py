"""The gateway's own figures, the shared page, and what promtool thinks of it."""

import math
import shutil
import subprocess
import threading

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from portico.errors import ConfigError
from portico.integrations import exposition, gateway_metrics
from portico.integrations.base import (
    EmbeddingEndEvent,
    IntegrationStats,
    LlmEndEvent,
    LlmErrorEvent,
    LlmStartEvent,
)
from portico.integrations.gateway_metrics import MAX_VALUES, GatewayMetrics, resident_bytes
from portico.integrations.metrics_table import (
    ATTEMPT_METRICS,
    GATEWAY_METRICS,
    PROCESS_METRICS,
    metrics_markdown,
)
from portico.integrations.prometheus import PrometheusConfig, PrometheusIntegration
from tests.integrations.views import view_of

PROMTOOL = shutil.which("promtool")


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def full_page():
    """Both collectors on one registry, with every row fed at least once."""
    registry = CollectorRegistry()
    config = PrometheusConfig(labels={"env": 'p"r\\o\nd'})
    integration = PrometheusIntegration(config, registry=registry)
    gateway = GatewayMetrics(
        registry,
        version="1.2.3",
        labels={"env": "prod"},
        integrations=lambda: (IntegrationStats("langfuse", 5, 1, 2, 3),),
    )
    integration.on_llm_start(LlmStartEvent("a", "gpt", provider="openai"))
    integration.on_llm_start(LlmStartEvent("b", 'quo"te\\\n', provider="openai", attempt=2))
    integration.on_llm_end(
        LlmEndEvent("a", "gpt", input_tokens=1, output_tokens=1, latency_ms=1, ttft_ms=1)
    )
    integration.on_llm_error(LlmErrorEvent("c", "gpt", error_type="timeout", latency_ms=3))
    integration.on_embedding_end(EmbeddingEndEvent("d", "emb", total_tokens=3, cost_usd=0.1))
    gateway.configured(3, at=1_700_000_000.5)
    gateway.watch(lambda: [view_of("up/gpt"), view_of("claude/opus", in_flight_limit=7)], lambda: 3)
    gateway.health_checked("up", "good")
    gateway.http_request("/v1/chat/completions", 200, 0.02, 0.00007)
    gateway.attempt("success")
    gateway.media("fetched")
    gateway.unpriced("gpt")
    return registry


def test_the_calls_show_on_the_page(read):
    gateway = GatewayMetrics()
    gateway.http_request("/v1/chat/completions", 200, 0.02, 0.0001)
    gateway.http_request("/v1/chat/completions", 200, 0.04)
    gateway.http_request("/v1/chat/completions", 429, 0.001)
    gateway.attempt("success")
    gateway.attempt("timeout")
    gateway.attempt("success")
    gateway.unpriced("gpt")
    gateway.media("refused")
    gateway.journal_failed()
    value = read(gateway.render())
    chat = {"endpoint": "/v1/chat/completions"}
    assert value("gateway_http_requests_total", status="200", **chat) == 2
    assert value("gateway_http_requests_total", status="429", **chat) == 1
    assert value("gateway_http_request_duration_seconds_count", **chat) == 3
    assert value("gateway_http_request_duration_seconds_bucket", le="0.025", **chat) == 2
    assert value("gateway_overhead_seconds_bucket", le="0.0001") == 1
    assert value("gateway_overhead_seconds_bucket", le="5e-05") == 0
    assert value("gateway_attempts_total", outcome="success") == 2
    assert value("gateway_attempts_total", outcome="timeout") == 1
    assert value("gateway_unpriced_calls_total", model="gpt") == 1
    assert value("gateway_media_total", outcome="refused") == 1
    assert value("gateway_journal_failures_total") == 1


def test_a_time_that_is_not_one_counts_as_zero(read):
    gateway = GatewayMetrics()
    gateway.http_request("/v1/models", 200, 0.001, -0.1)
    gateway.http_request("/v1/models", 200, 0.001, math.nan)
    value = read(gateway.render())
    assert (value("gateway_overhead_seconds_sum"), value("gateway_overhead_seconds_count")) == (
        0,
        2,
    )


def test_a_reload_is_told_good_or_bad(read):
    gateway = GatewayMetrics()
    gateway.configured(2, at=10.0)
    gateway.configured(1, at=20.0)
    value = read(gateway.render())
    assert value("gateway_providers_total") == 1
    assert value("gateway_config_last_reload_success_timestamp_seconds") == 20
    assert value("gateway_config_last_reload_successful") == 1
    gateway.reload_refused()
    value = read(gateway.render())
    assert value("gateway_config_last_reload_success_timestamp_seconds") == 20
    assert value("gateway_config_last_reload_successful") == 0


def test_process_figures_are_this_processes(read):
    clock, cpu = Clock(), Clock()
    gateway = GatewayMetrics(version="1.2.3", monotonic=clock, cpu_time=cpu)
    clock.now += 10
    cpu.now += 4
    value = read(gateway.render())
    assert value("gateway_uptime_seconds") == 10
    assert value("gateway_cpu_usage_percent") == 40
    assert value("gateway_cpu_seconds_total") == 104
    assert value("gateway_memory_usage_bytes") > 1 << 20
    assert [key[1:] for key in value.samples if key[0] == "gateway_build_info"] == [
        (("python", gateway_metrics.platform.python_version()), ("version", "1.2.3"))
    ]


def test_two_scrapers_at_once_see_the_same_cpu_share(read):
    clock, cpu = Clock(), Clock()
    gateway = GatewayMetrics(monotonic=clock, cpu_time=cpu)
    clock.now += 10
    cpu.now += 5
    gateway.render()
    clock.now += 0.01
    assert read(gateway.render())("gateway_cpu_usage_percent") == 50


def test_memory_is_known_without_proc(monkeypatch):
    real = resident_bytes()

    def refuse(*args):
        raise FileNotFoundError(args[0])

    monkeypatch.setattr("builtins.open", refuse)
    assert resident_bytes() >= real / 2 > 1 << 20


def test_label_values_are_bounded(read):
    gateway = GatewayMetrics()
    for number in range(MAX_VALUES + 50):
        gateway.http_request(f"/junk/{number}", 404, 0.001)
        gateway.attempt(f"junk{number}")
        gateway.unpriced(f"junk{number}" + "x" * 200)
    value = read(gateway.render())
    assert value("gateway_http_requests_total", endpoint="other", status="404") == 50
    assert value("gateway_http_request_duration_seconds_count", endpoint="other") == 50
    assert value("gateway_attempts_total", outcome="other") == 50
    assert value("gateway_unpriced_calls_total", model="other") == MAX_VALUES + 50


def test_integrations_report_how_they_fare(read):
    stats = (IntegrationStats("langfuse", 5, 1, 2, 3),)
    value = read(GatewayMetrics(integrations=lambda: stats).render())
    assert [
        value("gateway_integration_events_total", integration="langfuse", outcome=outcome)
        for outcome in ("delivered", "failed", "dropped")
    ] == [5, 1, 2]
    assert value("gateway_integration_events_waiting", integration="langfuse") == 3


def test_no_update_is_lost_between_threads(read):
    gateway = GatewayMetrics()

    def work():
        for _ in range(10_000):
            gateway.http_request("/v1/models", 200, 0.001)
            gateway.attempt("success")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    value = read(gateway.render())
    assert value("gateway_http_requests_total", endpoint="/v1/models", status="200") == 80_000
    assert value("gateway_attempts_total", outcome="success") == 80_000
    assert value("gateway_http_request_duration_seconds_count", endpoint="/v1/models") == 80_000


@pytest.mark.parametrize("name", ["endpoint", "status", "deployment", "le", "1x"])
def test_a_constant_label_may_not_be_one_of_ours(name):
    with pytest.raises(ConfigError, match=f"'{name}'"):
        GatewayMetrics(labels={name: "x"})


def test_the_prefix_gateway_is_free_for_the_integration_as_no_name_is_used_twice():
    registry = CollectorRegistry()
    PrometheusIntegration(PrometheusConfig(prefix="gateway"), registry=registry)
    GatewayMetrics(registry)
    with pytest.raises(ConfigError, match="gateway metrics: its metric names are already"):
        GatewayMetrics(registry)


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_has_nothing_to_say_about_the_page():
    page = exposition.render(full_page())
    result = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=page, capture_output=True, check=False
    )
    assert (result.stdout, result.stderr, result.returncode) == (b"", b"", 0)


def test_every_row_has_a_sample_on_a_full_page():
    page = exposition.render(full_page()).decode()
    named = [("gateway", row) for row in GATEWAY_METRICS]
    named += [("litellm", row) for row in ATTEMPT_METRICS + PROCESS_METRICS]
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    for prefix, row in named:
        name = f"{prefix}_{row.name}" + ("_bucket" if row.kind == "histogram" else "")
        assert any(line.startswith((f"{name} ", f"{name}{{")) for line in lines), name


def test_the_openmetrics_page_is_one():
    page = exposition.render(full_page(), openmetrics=True).decode()
    assert page.endswith("# EOF\n")
    kinds = {family.name: family.type for family in parse_openmetrics(page)}
    assert kinds["litellm_requests"] == "counter"
    assert kinds["litellm_request_latency_seconds"] == "histogram"
    assert kinds["gateway_providers_total"] == "unknown"


@pytest.mark.parametrize(
    ("accept", "kind", "end"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8", b"\n"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", b"\n"),
        (
            "application/openmetrics-text; version=1.0.0",
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
            b"# EOF\n",
        ),
    ],
)
def test_the_accept_header_chooses_the_format(accept, kind, end):
    page, content_type = exposition.expose(full_page(), accept)
    assert content_type == kind
    assert page.endswith(end)


def test_a_page_is_the_same_bytes_when_nothing_happened():
    registry = full_page()
    PrometheusIntegration(PrometheusConfig(prefix="two"), registry=registry)
    volatile = ("gateway_uptime", "gateway_cpu", "gateway_memory")

    def stable():
        return [
            line
            for line in exposition.render(registry).decode().splitlines()
            if not line.startswith(volatile)
        ]

    assert stable() == stable()


def test_the_docs_table_has_every_row():
    text = metrics_markdown("myapp")
    assert "| `myapp_requests_error_total` | counter | `model`, `provider`, `error_type` |" in text
    assert "| `myapp_active_requests` | gauge | none |" in text
    assert "| `gateway_http_requests_total` | counter | `endpoint`, `status` |" in text
    rows = len(ATTEMPT_METRICS) + len(PROCESS_METRICS) + len(GATEWAY_METRICS)
    assert sum(line.startswith("| `") for line in text.splitlines()) == rows
