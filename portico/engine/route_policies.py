"""What the configuration says of a route's conduct, as the policies that routing goes by.

Several places may speak of the same thing; the nearest to the call decides, field by field.
"""

from collections.abc import Iterable
from decimal import Decimal

from msgspec import structs

from portico.config.schema.providers import ProviderConfig
from portico.config.schema.root import Config
from portico.config.schema.router import CircuitBreaker
from portico.config.schema.routes import (
    HedgeConfig,
    RetriesConfig,
    RouteConfig,
    RuleConfig,
    TimeoutsConfig,
)
from portico.routing.rules import Rule
from portico.types.deployment import CircuitPolicy, Fallbacks, HedgePolicy, RetryPolicy
from portico.types.http import BUILT_IN_TIMEOUTS, Timeouts


def timeouts(config: Config, provider: ProviderConfig, own: TimeoutsConfig | None) -> Timeouts:
    """The route's own first, then its first provider's, then those of all."""
    server, router = config.server, config.router
    idle = server.stream_idle_timeout or 86_400.0
    built_in = structs.replace(BUILT_IN_TIMEOUTS, idle=idle)
    begin = provider.timeout
    of_provider = TimeoutsConfig(first_byte=begin, first_event=begin)
    layers = [layer for layer in (own, of_provider, router.timeouts) if layer is not None]

    def pick(name: str) -> float:
        for layer in layers:
            value: float | None = getattr(layer, name)
            if value is not None:
                return value
        fallback: float = getattr(built_in, name)
        return fallback

    names = [name for name in Timeouts.__struct_fields__ if name != "whole"]
    return Timeouts(whole=_whole(layers), **{name: pick(name) for name in names})


def _whole(layers: Iterable[TimeoutsConfig]) -> float | None:
    """The first that speaks of it decides; who sets `first_byte` alone means it for both."""
    for layer in layers:
        if layer.whole is not None or layer.first_byte is not None:
            return layer.whole
    return BUILT_IN_TIMEOUTS.whole


def retry(config: Config, provider: ProviderConfig, own: RetriesConfig | None) -> RetryPolicy:
    """In the same order."""
    attempts = provider.max_retries + 1 if provider.max_retries is not None else None
    delays = provider.retry
    of_provider = RetriesConfig(
        max_attempts=attempts,
        base_delay=delays.base_delay / 1000 if delays else None,
        max_delay=delays.max_delay / 1000 if delays else None,
    )
    layers = [layer for layer in (own, of_provider, config.router.retries) if layer]
    built_in = RetryPolicy()

    def pick(name: str, default: float) -> float:
        values = (getattr(layer, name) for layer in layers)
        return next((value for value in values if value is not None), default)

    return RetryPolicy(
        max_attempts=int(pick("max_attempts", built_in.max_attempts)),
        base_delay_s=pick("base_delay", built_in.base_delay_s),
        max_delay_s=pick("max_delay", built_in.max_delay_s),
        deadline_s=pick("deadline", built_in.deadline_s),
        budget_ratio=pick("budget_ratio", built_in.budget_ratio),
        budget_floor=int(pick("budget_floor", built_in.budget_floor)),
    )


def circuit(given: CircuitBreaker) -> CircuitPolicy:
    built_in = CircuitPolicy()
    return CircuitPolicy(
        failure_threshold=given.failure_threshold or built_in.failure_threshold,
        open_s=given.recovery_timeout or built_in.open_s,
        min_requests=given.min_requests or built_in.min_requests,
        success_threshold=given.success_threshold or built_in.success_threshold,
    )


def nanousd(usd: Decimal | None) -> int | None:
    return None if usd is None else int(usd * 1_000_000_000)


def hedge(given: HedgeConfig | None) -> HedgePolicy | None:
    if given is None:
        return None
    return HedgePolicy(given.after, given.budget, nanousd(given.max_cost_usd))


def rule(given: RuleConfig) -> Rule:
    headers = ((name.lower().encode(), pattern) for name, pattern in given.headers.items())
    return Rule(
        route=given.route,
        models=given.models,
        keys=given.keys,
        teams=given.teams,
        tags=given.tags,
        headers=tuple(headers),
        needs=frozenset(given.needs),
        min_input_tokens=given.min_input_tokens,
        max_input_tokens=given.max_input_tokens,
    )


def fallbacks(route: RouteConfig) -> Fallbacks:
    given = route.fallbacks
    return Fallbacks(given.general, given.context_window, given.content_policy, given.rate_limit)
