"""`router:`, how a deployment is chosen."""

from typing import Annotated

from msgspec import Meta

from portico.config.schema.base import Count, Section
from portico.config.schema.choices import STRATEGIES
from portico.config.schema.routes import RetriesConfig, TimeoutsConfig
from portico.types.deployment import CircuitPolicy

_CIRCUIT = CircuitPolicy()


class CircuitBreaker(Section, frozen=True, kw_only=True):
    """When a failing deployment is left alone; unset is built in."""

    failure_threshold: Annotated[
        Count | None,
        Meta(
            description="Failures in a row that exclude a deployment. "
            f"Built in: {_CIRCUIT.failure_threshold}."
        ),
    ] = None
    recovery_timeout: Annotated[
        Annotated[float, Meta(gt=0, le=86_400)] | None,
        Meta(
            description="Seconds until an excluded deployment is tried again, more while it goes "
            f"on failing. Built in: {_CIRCUIT.open_s:g} (the reference: 60)."
        ),
    ] = None
    min_requests: Annotated[
        Count | None,
        Meta(
            description=f"Requests within {_CIRCUIT.window_s:g} seconds before a share of failures "
            f"counts. Built in: {_CIRCUIT.min_requests} (the reference: 10)."
        ),
    ] = None
    success_threshold: Annotated[
        Count | None,
        Meta(
            description="Successful trials that end the exclusion. "
            f"Built in: {_CIRCUIT.success_threshold} (the reference: 3)."
        ),
    ] = None


class LoadBalancer(Section, frozen=True, kw_only=True):
    health_check_enabled: Annotated[
        bool,
        Meta(
            description="Leave out deployments that are excluded right now.",
            extra={"unused": "excluded deployments are always left out"},
        ),
    ] = True
    sticky_sessions: Annotated[
        bool,
        Meta(
            description="Keep each session on one deployment while its load allows, where a "
            "route's `affinity` does not say.",
        ),
    ] = False
    session_timeout: Annotated[
        int,
        Meta(
            description="Seconds a session is remembered.",
            ge=0,
            extra={"unused": "sessions are not remembered"},
        ),
    ] = 3600


class RouterConfig(Section, frozen=True, kw_only=True):
    strategy: Annotated[
        str,
        Meta(
            description="How a deployment is chosen where a route does not say: a name, or "
            "`{type: name}`. The reference's default is `round_robin`.",
            extra={"choices": STRATEGIES, "mapping_key": "type"},
        ),
    ] = "adaptive"
    timeouts: Annotated[TimeoutsConfig, Meta(description="Timers of every route.")] = (
        TimeoutsConfig()
    )
    retries: Annotated[RetriesConfig, Meta(description="Tries of every route.")] = RetriesConfig()
    circuit_breaker: Annotated[
        CircuitBreaker, Meta(description="When a failing deployment is left alone.")
    ] = CircuitBreaker()
    load_balancer: Annotated[LoadBalancer, Meta(description="The reference's balancer.")] = (
        LoadBalancer()
    )
