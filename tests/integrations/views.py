"""How a deployment is seen, for those who show it."""

from typing import Any

from portico.routing.steering import DeploymentView, HealthCheckView


def check_of(verdict: Any) -> HealthCheckView:
    return HealthCheckView(
        verdict=verdict,
        problem=None,
        bad_in_a_row=0,
        failure_threshold=5,
        latency_ms=None,
        asked_at=None,
        asked_ago_s=None,
        next_in_s=0.0,
    )


def view_of(id: str, **fields: Any) -> DeploymentView:
    plain: dict[str, Any] = {
        "provider": id.partition("/")[0],
        "model": id.partition("/")[2],
        "dialects": ("openai_chat",),
        "key": None,
        "state": "healthy",
        "in_flight": 0,
        "requests": 0,
        "succeeded": 0,
        "failed": 0,
        "requests_last_minute": 0,
        "tokens_last_minute": 0,
        "rpm": None,
        "tpm": None,
        "max_concurrent_requests": None,
        "in_flight_limit": None,
        "weight": 1.0,
        "order": 0,
        "priority": 0,
        "circuit": "closed",
        "circuit_openings": 0,
        "warming_up_limit": None,
        "returns_at": None,
        "returns_in_s": None,
        "credential_refusals": 0,
        "ttft_ms": None,
        "per_token_ms": None,
        "error_share": 0.0,
        "last_error": None,
        "last_error_message": None,
        "last_error_at": None,
        "last_error_ago_s": None,
        "last_used_at": None,
        "last_used_ago_s": None,
        "health_check": check_of("good"),
    }
    return DeploymentView(id=id, **{**plain, **fields})
