"""What the numbers mean, and the 21 known defects of litellm-rs 0.4.16's Prometheus integration (P1
to P21), each as a test that it would fail.
"""

import math
import threading

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from portico.errors import ConfigError
from portico.integrations import prometheus
from portico.integrations.base import (
    CacheHitEvent,
    CacheMissEvent,
    EmbeddingEndEvent,
    EmbeddingErrorEvent,
    EmbeddingStartEvent,
    LlmEndEvent,
    LlmErrorEvent,
    LlmStartEvent,
)
from portico.integrations.manager import IntegrationManager
from portico.integrations.metrics_table import ATTEMPT_METRICS, PROCESS_METRICS
from portico.integrations.prometheus import (
    PrometheusConfig,
    PrometheusIntegration,
)
from portico.integrations.series import MAX_ERROR_TYPES

GPT = {"model": "gpt", "provider": "openai"}


def started(integration, request_id="r", **fields):
    integration.on_llm_start(LlmStartEvent(request_id, **{**GPT, **fields}))


def ended(integration, request_id="r", **fields):
    integration.on_llm_end(LlmEndEvent(request_id, **{**GPT, **fields}))


def failed(integration, request_id="r", **fields):
    integration.on_llm_error(LlmErrorEvent(request_id, **{**GPT, **fields}))


def test_it_is_an_inline_integration_named_prometheus():
    integration = PrometheusIntegration.with_defaults()
    assert (integration.name, integration.is_enabled, integration.delivery) == (
        "prometheus",
        True,
        "inline",
    )
    assert PrometheusIntegration(PrometheusConfig(enabled=False)).is_enabled is False


def test_the_defaults_are_the_references():
    assert msgspec.structs.asdict(PrometheusConfig()) == {
        "enabled": True,
        "prefix": "litellm",
        "labels": {},
        "per_model_metrics": True,
        "per_provider_metrics": True,
        "per_route_metrics": False,
        "per_team_metrics": False,
        "per_key_metrics": False,
        "latency_buckets": (10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000),
        "token_buckets": (10, 50, 100, 500, 1000, 2000, 4000, 8000, 16000),
        "max_series": 1000,
    }


def test_one_attempt_moves_every_number_it_should(read):
    integration = PrometheusIntegration()
    started(integration)
    ended(
        integration, input_tokens=120, output_tokens=30, cached_tokens=100, cache_write_tokens=7,
        reasoning_tokens=10, latency_ms=1200, ttft_ms=300, cost_nanousd=1_234_567,
    )  # fmt: skip
    value = read(integration.render_metrics())
    got = {
        name: value(f"litellm_{name}", **GPT)
        for name in (
            "requests_total", "requests_success_total", "input_tokens_total",
            "output_tokens_total", "cached_tokens_total", "cache_write_tokens_total",
            "reasoning_tokens_total", "cost_usd_total", "unpriced_requests_total",
            "retries_total", "request_latency_seconds_sum", "request_latency_seconds_count",
            "ttft_latency_seconds_sum", "request_input_tokens_sum", "request_output_tokens_sum",
        )
    }  # fmt: skip
    assert got == {
        "requests_total": 1, "requests_success_total": 1, "input_tokens_total": 120,
        "output_tokens_total": 30, "cached_tokens_total": 100, "cache_write_tokens_total": 7,
        "reasoning_tokens_total": 10, "cost_usd_total": 0.001234567,
        "unpriced_requests_total": 0, "retries_total": 0, "request_latency_seconds_sum": 1.2,
        "request_latency_seconds_count": 1, "ttft_latency_seconds_sum": 0.3,
        "request_input_tokens_sum": 120, "request_output_tokens_sum": 30,
    }  # fmt: skip
    assert value("litellm_active_requests") == 0


def test_every_row_of_the_table_is_on_the_page_even_before_the_first_event():
    page = PrometheusIntegration(PrometheusConfig(prefix="myapp")).render_metrics()
    for row in ATTEMPT_METRICS + PROCESS_METRICS:
        assert f"# HELP myapp_{row.name} " in page
        assert f"# TYPE myapp_{row.name} {row.kind}\n" in page


def test_an_event_without_a_provider_has_no_provider_label(read):
    integration = PrometheusIntegration()
    integration.on_llm_start(LlmStartEvent("r", "gpt"))
    assert read(integration.render_metrics())("litellm_requests_total", model="gpt") == 1


@pytest.mark.parametrize(
    ("switches", "labels"),
    [
        ({}, {"model": "gpt", "provider": "openai"}),
        ({"per_model_metrics": False}, {"provider": "openai"}),
        ({"per_provider_metrics": False}, {"model": "gpt"}),
        ({"per_model_metrics": False, "per_provider_metrics": False}, {}),
    ],
)
def test_switches_take_labels_away(read, switches, labels):
    integration = PrometheusIntegration(PrometheusConfig(**switches))
    started(integration)
    ended(integration)
    value = read(integration.render_metrics())
    assert value("litellm_requests_total", **labels) == 1
    assert value("litellm_requests_success_total", **labels) == 1


def test_p1_a_histogram_ends_with_the_inf_bucket(read):
    integration = PrometheusIntegration()
    for latency_ms in (5, 10, 10.5, 9999, 10001):
        ended(integration, f"r{latency_ms}", latency_ms=latency_ms)
    value = read(integration.render_metrics())

    def bucket(le):
        return value("litellm_request_latency_seconds_bucket", le=le, **GPT)

    bounds = ("0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf")
    assert [bucket(le) for le in bounds] == [2, 3, 3, 3, 3, 3, 3, 3, 3, 4, 5]
    assert value("litellm_request_latency_seconds_count", **GPT) == 5


@given(model=st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from('\n"\\{},')))
def test_p2_any_label_value_comes_back_as_it_was(model):
    integration = PrometheusIntegration(PrometheusConfig(per_provider_metrics=False))
    model = model[:200]
    integration.on_llm_start(LlmStartEvent("r", model))
    families = {f.name: f for f in text_string_to_metric_families(integration.render_metrics())}
    (sample,) = families["litellm_requests"].samples
    assert sample.labels == {"model": model}


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("a\x00b", "a\ufffdb"),
        ("a\rb", "a\ufffdb"),
        ("\ud800", "?"),
        ("x" * 201, "other"),
        ("", ""),
        ("a\tb", "a\tb"),
    ],
)
def test_p2_what_a_parser_cannot_read_is_replaced(read, model, shown):
    integration = PrometheusIntegration()
    integration.on_llm_start(LlmStartEvent("r", model))
    assert read(integration.render_metrics())("litellm_requests_total", model=shown) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prefix": ""}, "prefix: '' is not a metric name"),
        ({"prefix": "my-app"}, "prefix: 'my-app' is not a metric name"),
        ({"prefix": "9lives"}, "prefix: '9lives' is not a metric name"),
        ({"prefix": "__x"}, "prefix: '__x' is not a metric name"),
        ({"prefix": "x\n"}, "is not a metric name"),
        ({"labels": {"a-b": "c"}}, "'a-b' is not a label name"),
        ({"labels": {"__a": "c"}}, "'__a' is not a label name"),
        ({"labels": {"": "c"}}, "'' is not a label name"),
        ({"labels": {"model": "c"}}, "'model' is set by the gateway itself"),
        ({"labels": {"provider": "c"}}, "'provider' is set by the gateway itself"),
        ({"labels": {"le": "c"}}, "'le' is set by the gateway itself"),
        ({"labels": {"endpoint": "c"}}, "'endpoint' is set by the gateway itself"),
        ({"labels": {"error_type": "c"}}, "'error_type' is set by the gateway itself"),
        ({"labels": {"a": "b\x00"}}, "the value of 'a' must be text without control"),
        ({"labels": {"a": 1}}, "the value of 'a' must be text"),
        ({"max_series": 0}, "max_series: 0 must be at least 1"),
    ],
)
def test_p3_wrong_names_are_refused_with_a_reason(fields, message):
    with pytest.raises(ConfigError, match=message):
        PrometheusConfig(**fields)


@pytest.mark.parametrize("field", ["latency_buckets", "token_buckets"])
@pytest.mark.parametrize(
    ("buckets", "message"),
    [
        ((), "has 0 bounds; give 1 to 100"),
        (tuple(range(1, 102)), "has 101 bounds; give 1 to 100"),
        ((1, 3, 2), r"\[2\]: 2 must be above the bound before it, 3"),
        ((1, 1), r"\[1\]: 1 must be above the bound before it, 1"),
        ((1, math.nan), r"\[1\]: nan is not finite"),
        ((1, math.inf), r"\[1\]: inf is not finite; \+Inf is added by itself"),
        ((0, 1), r"\[0\]: 0 must be above 0"),
        ((-1, 1), r"\[0\]: -1 must be above 0"),
        (("1",), r"\[0\]: '1' is not a number"),
        ((True,), r"\[0\]: True is not a number"),
    ],
)
def test_p4_wrong_buckets_are_refused_with_a_reason(field, buckets, message):
    with pytest.raises(ValueError, match=f"{field}.*{message}"):
        PrometheusConfig(**{field: buckets})


def test_p4_a_list_of_buckets_is_taken_and_cannot_change_afterwards():
    buckets = [1.0, 2.0]
    config = PrometheusConfig(latency_buckets=buckets)
    buckets.append(0.5)
    assert config.latency_buckets == (1.0, 2.0)


def test_p5_cost_is_exact_in_whole_nano_dollars(read):
    integration = PrometheusIntegration()
    for number in range(10):
        ended(integration, f"n{number}", cost_nanousd=1)
        ended(integration, f"u{number}", cost_usd=0.1)
    assert read(integration.render_metrics())("litellm_cost_usd_total", **GPT) == 1.00000001


def test_p5_a_cost_in_nano_dollars_goes_before_one_in_dollars(read):
    integration = PrometheusIntegration()
    ended(integration, cost_nanousd=1_000_000_000, cost_usd=2.0)
    assert read(integration.render_metrics())("litellm_cost_usd_total", **GPT) == 1.0


def test_p5_an_unknown_price_is_unpriced_and_a_price_of_zero_is_not(read):
    integration = PrometheusIntegration()
    ended(integration, "a")
    ended(integration, "b", cost_usd=0.0)
    failed(integration, "c")
    failed(integration, "d", input_tokens=5)
    value = read(integration.render_metrics())
    assert value("litellm_unpriced_requests_total", **GPT) == 2
    assert value("litellm_cost_usd_total", **GPT) == 0


def test_p6_time_to_first_token_is_shown_when_it_was_measured(read):
    integration = PrometheusIntegration()
    ended(integration, "a", ttft_ms=40)
    ended(integration, "b")
    value = read(integration.render_metrics())
    assert value("litellm_ttft_latency_seconds_count", **GPT) == 1
    assert value("litellm_ttft_latency_seconds_sum", **GPT) == 0.04
    assert value("litellm_ttft_latency_seconds_bucket", le="0.05", **GPT) == 1


def test_p7_embeddings_are_attempts_with_tokens_of_their_own(read):
    integration = PrometheusIntegration()
    integration.on_embedding_start(EmbeddingStartEvent("a", "emb", provider="openai"))
    integration.on_embedding_start(EmbeddingStartEvent("b", "emb", provider="openai"))
    integration.on_embedding_start(EmbeddingStartEvent("c", "emb", provider="openai"))
    integration.on_embedding_end(
        EmbeddingEndEvent("a", "emb", total_tokens=9, latency_ms=30, cost_usd=0.002)
    )
    integration.on_embedding_error(EmbeddingErrorEvent("b", "emb", error_type="timeout"))
    value = read(integration.render_metrics())
    emb = {"model": "emb", "provider": "openai"}
    assert value("litellm_embedding_requests_total", **emb) == 3
    assert value("litellm_embedding_tokens_total", **emb) == 9
    assert value("litellm_input_tokens_total", **emb) == 0
    assert value("litellm_cost_usd_total", **emb) == 0.002
    assert value("litellm_request_latency_seconds_sum", **emb) == 0.03
    assert value("litellm_requests_total", **emb) == 3
    assert value("litellm_requests_success_total", **emb) == 1
    assert value("litellm_requests_error_total", error_type="timeout", **emb) == 1
    assert value("litellm_active_requests") == 1


def test_p8_token_buckets_make_histograms_of_tokens(read):
    integration = PrometheusIntegration(PrometheusConfig(token_buckets=(10, 20)))
    ended(integration, "a", input_tokens=10, output_tokens=21)
    ended(integration, "b", input_tokens=11)
    value = read(integration.render_metrics())

    def buckets(name):
        return [value(f"litellm_{name}_bucket", le=le, **GPT) for le in ("10.0", "20.0", "+Inf")]

    assert buckets("request_input_tokens") == [1, 2, 2]
    assert buckets("request_output_tokens") == [0, 0, 1]


def test_p9_cache_misses_are_counted(read):
    integration = PrometheusIntegration()
    integration.on_cache_hit(CacheHitEvent("r", "k"))
    integration.on_cache_miss(CacheMissEvent("r", "k"))
    integration.on_cache_miss(CacheMissEvent("s", "k"))
    value = read(integration.render_metrics())
    assert (value("litellm_cache_hits_total"), value("litellm_cache_misses_total")) == (1, 2)


def test_p10_p11_p12_no_update_is_lost_and_every_scrape_is_consistent(read):
    """Eight threads, ten thousand attempts each, while another one scrapes."""
    integration = PrometheusIntegration()
    done = threading.Event()
    uneven = []

    def work(thread):
        for number in range(10_000):
            request = f"{thread}-{number}"
            started(integration, request)
            if number % 10:
                ended(integration, request, input_tokens=3, latency_ms=20, cost_nanousd=7)
            else:
                failed(integration, request, error_type="timeout", latency_ms=20)

    def scrape():
        while not done.is_set():
            value = read(integration.render_metrics())
            begun = value.total("litellm_requests_total")
            finished = value.total("litellm_requests_success_total") + value.total(
                "litellm_requests_error_total"
            )
            observed = value("litellm_request_latency_seconds_count", **GPT) or 0
            inf = value("litellm_request_latency_seconds_bucket", le="+Inf", **GPT) or 0
            if begun != finished + value("litellm_active_requests") or not (
                finished == observed == inf
            ):
                uneven.append((begun, finished, observed, inf))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    scraper = threading.Thread(target=scrape)
    scraper.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    scraper.join()

    assert uneven == []
    value = read(integration.render_metrics())
    assert value("litellm_requests_total", **GPT) == 80_000
    assert value("litellm_requests_success_total", **GPT) == 72_000
    assert value("litellm_requests_error_total", error_type="timeout", **GPT) == 8_000
    assert value("litellm_active_requests") == 0
    assert value("litellm_input_tokens_total", **GPT) == 216_000
    assert value("litellm_cost_usd_total", **GPT) == 72_000 * 7 / 1e9
    assert value("litellm_request_latency_seconds_bucket", le="0.025", **GPT) == 80_000
    assert value("litellm_request_latency_seconds_sum", **GPT) == 1600


@pytest.mark.parametrize(
    "fields",
    [
        {"cost_usd": math.nan},
        {"cost_usd": math.inf},
        {"cost_usd": -0.1},
        {"cost_usd": 1e300},
        {"cost_nanousd": -1},
        {"cost_nanousd": 10**19},
        {"latency_ms": math.nan},
        {"latency_ms": -1.0},
        {"latency_ms": math.inf},
        {"ttft_ms": -1.0},
        {"input_tokens": -1},
        {"output_tokens": -1},
        {"cached_tokens": -1},
        {"reasoning_tokens": -1},
    ],
)
def test_p12_impossible_values_are_left_out_and_counted(read, fields):
    integration = PrometheusIntegration()
    ended(integration, **fields)
    value = read(integration.render_metrics())
    assert value("litellm_invalid_values_total", **GPT) == 1
    assert value("litellm_requests_success_total", **GPT) == 1
    assert value("litellm_cost_usd_total", **GPT) == 0
    assert all(v >= 0 and math.isfinite(v) for v in value.samples.values())


def test_p13_constant_labels_are_on_every_sample():
    integration = PrometheusIntegration(PrometheusConfig(labels={"env": "prod", "zone": 'a"b'}))
    started(integration)
    ended(integration, latency_ms=1, input_tokens=1)
    failed(integration, "x")
    for family in text_string_to_metric_families(integration.render_metrics()):
        for sample in family.samples:
            assert (sample.labels["env"], sample.labels["zone"]) == ("prod", 'a"b'), sample


def test_p14_errors_have_a_type_and_a_latency(read):
    integration = PrometheusIntegration()
    failed(integration, "a", error_type="timeout", latency_ms=30)
    failed(integration, "b", error_type=None)
    ended(integration, "c", latency_ms=70)
    value = read(integration.render_metrics())
    assert value("litellm_requests_error_total", error_type="timeout", **GPT) == 1
    assert value("litellm_requests_error_total", error_type="unknown", **GPT) == 1
    assert value("litellm_error_latency_seconds_count", **GPT) == 1
    assert value("litellm_error_latency_seconds_sum", **GPT) == 0.03
    assert value("litellm_request_latency_seconds_sum", **GPT) == 0.1
    assert value("litellm_request_latency_seconds_count", **GPT) == 2


def test_p14_error_types_are_bounded(read):
    integration = PrometheusIntegration()
    for number in range(MAX_ERROR_TYPES + 5):
        failed(integration, f"r{number}", error_type=f"e{number}")
    value = read(integration.render_metrics())
    assert value("litellm_requests_error_total", error_type="other", **GPT) == 5
    assert value.total("litellm_requests_error_total") == MAX_ERROR_TYPES + 5


def test_p15_a_cancelled_attempt_ends_and_its_usage_counts(read):
    integration = PrometheusIntegration()
    started(integration)
    failed(integration, error_type="cancelled", output_tokens=4, cost_nanousd=2_000_000_000)
    value = read(integration.render_metrics())
    assert value("litellm_active_requests") == 0
    assert value("litellm_requests_error_total", error_type="cancelled", **GPT) == 1
    assert value("litellm_output_tokens_total", **GPT) == 4
    assert value("litellm_cost_usd_total", **GPT) == 2


def test_p16_an_end_without_a_start_or_twice_moves_no_gauge(read):
    integration = PrometheusIntegration()
    ended(integration, "never started", input_tokens=1)
    started(integration, "a")
    started(integration, "b")
    ended(integration, "a", input_tokens=1)
    ended(integration, "a", input_tokens=1)
    failed(integration, "a")
    value = read(integration.render_metrics())
    assert value("litellm_active_requests") == 1
    assert value("litellm_requests_total", **GPT) == 3
    assert value("litellm_requests_success_total", **GPT) == 2
    assert value("litellm_input_tokens_total", **GPT) == 2
    assert value("litellm_duplicate_events_total") == 2


def test_p16_the_same_request_id_several_times_at_once_is_several_attempts(read):
    integration = PrometheusIntegration()
    started(integration, "same")
    started(integration, "same")
    started(integration, "same", attempt=2)
    assert read(integration.render_metrics())("litellm_active_requests") == 3
    ended(integration, "same")
    ended(integration, "same")
    ended(integration, "same", attempt=2)
    value = read(integration.render_metrics())
    assert value("litellm_active_requests") == 0
    assert value("litellm_requests_success_total", **GPT) == 3
    assert value("litellm_duplicate_events_total") == 0


def test_p16_starts_that_never_end_are_bounded(read, monkeypatch):
    monkeypatch.setattr(prometheus, "MAX_ACTIVE", 5)
    integration = PrometheusIntegration()
    for number in range(8):
        started(integration, f"r{number}")
    ended(integration, "r0")
    ended(integration, "r7")
    value = read(integration.render_metrics())
    assert value("litellm_active_requests") == 4
    assert value("litellm_requests_error_total", error_type="lost", **GPT) == 3
    assert value("litellm_requests_success_total", **GPT) == 1
    assert value("litellm_requests_total", **GPT) == 8


def test_p16_which_attempts_have_ended_is_remembered_within_bounds(read, monkeypatch):
    monkeypatch.setattr(prometheus, "REMEMBERED_ENDS", 10)
    integration = PrometheusIntegration()
    for number in range(1000):
        started(integration, f"r{number}")
        ended(integration, f"r{number}")
    ended(integration, "r999")
    assert [integration._open.has_ended(f"r{n}") for n in (0, 999)] == [False, True]
    assert read(integration.render_metrics())("litellm_duplicate_events_total") == 1


def test_p17_an_attempt_stays_in_the_series_it_started_in(read):
    integration = PrometheusIntegration()
    integration.on_llm_start(LlmStartEvent("r", "gpt"))
    ended(integration, "r")
    value = read(integration.render_metrics())
    assert value("litellm_requests_total", model="gpt") == 1
    assert value("litellm_requests_success_total", model="gpt") == 1
    assert value("litellm_requests_total", **GPT) is None


def test_p18_series_are_capped_and_the_rest_counts_as_other(read):
    integration = PrometheusIntegration(PrometheusConfig(max_series=10))
    for number in range(100_000):
        started(integration, f"r{number}", model=f"junk{number}")
        ended(integration, f"r{number}", model=f"junk{number}")
    value = read(integration.render_metrics())
    series = [key for key in value.samples if key[0] == "litellm_requests_total"]
    assert len(series) == 11
    other = {"model": "other", "provider": "other"}
    assert value("litellm_requests_total", **other) == 99_990
    assert value("litellm_requests_success_total", **other) == 99_990
    assert value("litellm_series_overflow_total") == 99_990


def test_p18_only_declared_models_and_providers_get_series(read):
    integration = PrometheusIntegration()
    integration.declare(models=["gpt"], providers=["openai"])
    started(integration, "a")
    started(integration, "b", model="evil")
    started(integration, "c", provider=None)
    value = read(integration.render_metrics())
    assert value("litellm_requests_total", **GPT) == 1
    assert value("litellm_requests_total", model="other", provider="openai") == 1
    assert value("litellm_requests_total", model="gpt") == 1
    assert value("litellm_series_overflow_total") == 1


def test_p19_the_order_does_not_depend_on_the_order_of_events():
    def page(models):
        integration = PrometheusIntegration(PrometheusConfig(labels={"z": "1", "a": "2"}))
        for model in models:
            started(integration, model, model=model)
            failed(integration, model, model=model, error_type=f"e{model}")
            failed(integration, f"{model}2", model="x", error_type=f"e{model}")
        return integration.render_metrics()

    assert page("abc") == page("cab")


def test_p20_the_manager_feeds_it_and_a_registry_shows_it(read):
    registry = CollectorRegistry()
    integration = PrometheusIntegration(registry=registry)
    manager = IntegrationManager()
    assert manager.register(integration) is True
    assert manager.wants_llm_start
    assert not manager.wants_llm_stream
    manager.llm_start(LlmStartEvent("r", **GPT))
    assert read(integration.render())("litellm_requests_total", **GPT) == 1


def test_p20_two_integrations_on_one_registry_need_two_prefixes():
    registry = CollectorRegistry()
    PrometheusIntegration(registry=registry)
    PrometheusIntegration(PrometheusConfig(prefix="other"), registry=registry)
    with pytest.raises(ConfigError, match="prefix 'litellm': its metric names are already"):
        PrometheusIntegration(registry=registry)


def test_p21_series_per_route_team_and_key_are_there_for_who_asks(read):
    config = PrometheusConfig(per_route_metrics=True, per_team_metrics=True, per_key_metrics=True)
    integration = PrometheusIntegration(config)
    started(integration, "a", route="fast", team="red", key="k1", attempt=2)
    labels = {**GPT, "route": "fast", "team": "red", "key": "k1"}
    value = read(integration.render_metrics())
    assert value("litellm_requests_total", **labels) == 1
    assert value("litellm_retries_total", **labels) == 1
