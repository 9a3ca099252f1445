"""The administrator's hand on a deployment at run time, and what there is to see of it."""

from math import inf

import msgspec

from portico.routing.health import DeploymentState, describe


class DeploymentView(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `GET /admin/routing`; times are durations as of the asking."""

    id: str
    provider: str
    model: str
    dialects: tuple[str, ...]
    """What it is offered in; translations are written in the first."""
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
    returns_in_s: float | None
    """When a cool-down, breaker or refused credential lets it back in."""
    ttft_ms: float | None
    per_token_ms: float | None
    error_share: float
    last_error: str | None
    last_error_ago_s: float | None
    last_used_ago_s: float | None


def view(state: DeploymentState, now: float) -> DeploymentView:
    deployment = state.deployment
    limits = deployment.limits
    requests, tokens = state.meter.used(now)
    until = state.returns_at()
    return DeploymentView(
        id=deployment.id,
        provider=deployment.provider.name,
        model=deployment.model,
        dialects=deployment.speaks,
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
        circuit_openings=state.circuit.openings,
        returns_in_s=until - now if until > now else None,
        ttft_ms=_ms(state.expectation.ttft_s),
        per_token_ms=_ms(state.expectation.per_token_s),
        error_share=round(state.expectation.errors(now), 4),
        last_error=state.last_error,
        last_error_ago_s=_ago(state.last_error_at, now),
        last_used_ago_s=_ago(state.last_used_at, now),
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
