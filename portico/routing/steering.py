"""The administrator's hand on a deployment at run time, and what there is to see of it."""

from datetime import UTC, datetime
from math import inf
from typing import Literal

import msgspec

from portico.routing.health import DeploymentState, describe
from portico.routing.probing import Verdict
from portico.types.secret import mask

_MESSAGE_MAX = 300


class HealthCheckView(msgspec.Struct, frozen=True, kw_only=True):
    """What asking the provider, with this deployment's key, has shown."""

    verdict: Verdict | Literal["not asked yet"]
    problem: str | None
    bad_in_a_row: int
    failure_threshold: int
    latency_ms: float | None
    asked_at: str | None
    asked_ago_s: float | None
    next_in_s: float


class DeploymentView(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `GET /admin/routing`. What ends in `_at` is UTC, in `_s` or `_ms` a duration as
    of the asking.
    """

    id: str
    provider: str
    model: str
    dialects: tuple[str, ...]
    """What it is offered in; translations are written in the first."""
    key: str | None
    """The provider's key, shortened so that a person can tell it from others."""
    state: str
    in_flight: int
    requests: int
    succeeded: int
    failed: int
    requests_last_minute: int
    tokens_last_minute: int
    rpm: int | None
    tpm: int | None
    max_concurrent_requests: int | None
    in_flight_limit: int | None
    """What holds now: the configured one, or less where it is found out."""
    weight: float
    order: int
    priority: int
    circuit: str
    circuit_openings: int
    """Since the gateway began."""
    warming_up_limit: int | None
    """How many at once it may have, half open or just back; `None` where that does not bind."""
    returns_at: str | None
    returns_in_s: float | None
    """When a cool-down, breaker or refused credential lets it back in."""
    credential_refusals: int
    """In a row, of this key, by any deployment that uses it."""
    ttft_ms: float | None
    per_token_ms: float | None
    error_share: float
    last_error: str | None
    last_error_message: str | None
    last_error_at: str | None
    last_error_ago_s: float | None
    last_used_at: str | None
    last_used_ago_s: float | None
    health_check: HealthCheckView | None


def view(state: DeploymentState, now: float, wall: float) -> DeploymentView:
    """`now` is monotonic, `wall` the same moment in UTC epoch seconds."""
    deployment = state.deployment
    limits = deployment.limits
    requests, tokens = state.meter.used(now)
    until = state.returns_at()
    is_away = until > now
    key = deployment.provider.api_key
    return DeploymentView(
        id=deployment.id,
        provider=deployment.provider.name,
        model=deployment.model,
        dialects=deployment.speaks,
        key=mask(key.reveal()) if key else None,
        state=describe(state, now),
        in_flight=state.in_flight,
        requests=state.requests,
        succeeded=state.succeeded,
        failed=state.failed,
        requests_last_minute=requests,
        tokens_last_minute=tokens,
        rpm=limits.rpm,
        tpm=limits.tpm,
        max_concurrent_requests=limits.max_concurrent_requests,
        in_flight_limit=None if state.max_in_flight == inf else int(state.max_in_flight),
        weight=deployment.weight,
        order=deployment.order,
        priority=deployment.priority,
        circuit=state.circuit.name(now),
        circuit_openings=state.circuit.opened,
        warming_up_limit=state.circuit.limit(now),
        returns_at=_at(until, now, wall) if is_away else None,
        returns_in_s=round(until - now, 3) if is_away else None,
        credential_refusals=state.credential.refusals,
        ttft_ms=_ms(state.expectation.ttft_s),
        per_token_ms=_ms(state.expectation.per_token_s),
        error_share=round(state.expectation.errors(now), 4),
        last_error=state.last_error,
        last_error_message=_shortened(state.last_error_message),
        last_error_at=_at(state.last_error_at, now, wall),
        last_error_ago_s=_ago(state.last_error_at, now),
        last_used_at=_at(state.last_used_at, now, wall),
        last_used_ago_s=_ago(state.last_used_at, now),
        health_check=_health_check(state, now, wall),
    )


def _health_check(state: DeploymentState, now: float, wall: float) -> HealthCheckView | None:
    probe = state.credential.probe
    if probe is None:
        return None
    return HealthCheckView(
        verdict=probe.verdict or "not asked yet",
        problem=_shortened(probe.problem),
        bad_in_a_row=probe.bad_in_a_row,
        failure_threshold=probe.policy.failure_threshold,
        latency_ms=_ms(probe.latency_s),
        asked_at=_at(probe.asked_at, now, wall),
        asked_ago_s=_ago(probe.asked_at, now),
        next_in_s=round(max(0.0, probe.due_at - now), 3),
    )


def disable(state: DeploymentState) -> None:
    """Nothing new goes there; what is in flight may end."""
    state.disabled = True
    state.mark(hindered=True)


def drain(state: DeploymentState) -> None:
    """As `disable`, of a deployment that is meant to be empty soon (`in_flight` of 0)."""
    state.draining = True
    state.mark(hindered=True)


def enable(state: DeploymentState) -> None:
    """Take back `disable` and `drain`; breaker and cool-downs stay."""
    state.disabled = state.draining = False


def reset(state: DeploymentState, now: float) -> None:
    """Forget what was held against it: breaker, cool-downs, refused credential, speed, errors.

    Limits stay counted, and what the administrator said stays said.
    """
    state.circuit.reset(now)
    state.cool_until = state.missing_until = 0.0
    state.cooled_in_a_row = 0
    state.credential.refused_until = 0.0
    state.credential.refusals = 0
    state.expectation = type(state.expectation)()
    if state.concurrency is not None:
        state.concurrency = type(state.concurrency)()
        state.rebound()


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000.0, 3)


def _ago(moment: float | None, now: float) -> float | None:
    return None if moment is None else round(now - moment, 3)


def utc(wall: float) -> str:
    """As people and programs read it: `2026-11-23T03:00:00.250Z`."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _at(moment: float | None, now: float, wall: float) -> str | None:
    return None if moment is None else utc(wall + (moment - now))


def _shortened(text: str | None) -> str | None:
    if text is None or len(text) <= _MESSAGE_MAX:
        return text
    return text[: _MESSAGE_MAX - 1] + "…"
