"""The hook table, the events as a library user builds them, and who satisfies which Protocol."""

import inspect
import time

import msgspec
import pytest

from portico.errors import GatewayFault
from portico.integrations.base import (
    HOOKS,
    CacheHitEvent,
    EmbeddingEndEvent,
    EmbeddingStartEvent,
    Integration,
    IntegrationError,
    IntegrationUnavailable,
    LlmEndEvent,
    LlmErrorEvent,
    LlmStartEvent,
    LlmStreamEvent,
    Meters,
    Observers,
)
from portico.integrations.gateway_metrics import GatewayMetrics
from portico.integrations.manager import IntegrationManager
from portico.integrations.prometheus import PrometheusIntegration


def test_every_event_has_a_hook_and_is_frozen():
    assert list(HOOKS) == [
        "on_llm_start",
        "on_llm_end",
        "on_llm_error",
        "on_llm_stream",
        "on_embedding_start",
        "on_embedding_end",
        "on_embedding_error",
        "on_cache_hit",
        "on_cache_miss",
    ]
    assert all(event.__struct_config__.frozen for event in HOOKS.values())


@pytest.mark.parametrize("hook", [h for h in HOOKS if hasattr(PrometheusIntegration, h)])
def test_a_hook_is_a_plain_function_of_its_event(hook):
    function = getattr(PrometheusIntegration, hook)
    (_, event) = inspect.signature(function).parameters.values()
    assert event.annotation is HOOKS[hook]
    assert not inspect.iscoroutinefunction(function)


def test_request_id_and_model_are_positional_and_the_rest_goes_by_keyword():
    start = LlmStartEvent("r", "m", provider="openai", tags=("a",), timestamp_ms=5)
    end = LlmEndEvent(
        "r", "m", provider="openai", input_tokens=1, output_tokens=2, latency_ms=3, ttft_ms=1,
        cost_usd=0.5, timestamp_ms=5,
    )  # fmt: skip
    error = LlmErrorEvent("r", "m", error_message="no", error_type="timeout", status_code=504)
    assert msgspec.structs.asdict(start) == {
        "request_id": "r", "model": "m", "provider": "openai", "input": None, "parameters": {},
        "user_id": None, "session_id": None, "metadata": {}, "tags": ("a",), "attempt": 1,
        "route": None, "deployment": None, "key": None, "team": None, "timestamp_ms": 5,
    }  # fmt: skip
    assert (end.input_tokens, end.output_tokens, end.cached_tokens) == (1, 2, None)
    assert (error.retryable, error.status_code) == (False, 504)
    assert EmbeddingStartEvent("r", "m", input_count=3).input_count == 3
    assert EmbeddingEndEvent("r", "m", total_tokens=3).total_tokens == 3
    assert CacheHitEvent("r", "k").cache_backend == "memory"
    assert LlmStreamEvent("r", 0, "hi").is_final is False


def test_the_time_of_an_event_is_now_in_milliseconds():
    before = int(time.time() * 1000)
    event = LlmStartEvent("r", "m")
    assert before <= event.timestamp_ms <= int(time.time() * 1000)


def test_an_event_cannot_be_changed():
    with pytest.raises(AttributeError):
        LlmStartEvent("r", "m").model = "other"


def test_only_unavailability_is_worth_another_try():
    assert issubclass(IntegrationError, GatewayFault)
    assert (IntegrationError.retryable, IntegrationUnavailable.retryable) == (False, True)


def test_the_classes_satisfy_their_protocols():
    integration: Integration = PrometheusIntegration.with_defaults()
    observers: Observers = IntegrationManager()
    meters: Meters = GatewayMetrics()
    for thing, protocol in ((integration, Integration), (observers, Observers), (meters, Meters)):
        members = [n for n in vars(protocol) if not n.startswith("_")]
        wanted = members + list(vars(protocol).get("__annotations__", {}))
        assert [name for name in wanted if not hasattr(thing, name)] == []
