"""From configuration and catalog to a snapshot: providers, deployments, routes and keys made ready.

Everything that can be wrong with a valid file in this environment is found here, all of it at
once, so that a reload is either applied whole or refused whole.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Final, Literal

from msgspec import structs

from portico.catalog import models as model_catalog
from portico.config.schema.access import KeyConfig
from portico.config.schema.pricing import ModelPrice
from portico.config.schema.root import Config
from portico.config.schema.router import CircuitBreaker
from portico.config.schema.routes import (
    HedgeConfig,
    RetriesConfig,
    RouteConfig,
    RuleConfig,
    TargetConfig,
    TimeoutsConfig,
)
from portico.engine.provider_set import KnownProvider, known_providers
from portico.engine.snapshot import ModelListing, RoutePattern, Snapshot, Target
from portico.errors import ConfigError
from portico.http.base import HeldCredential
from portico.policy.pricing import PriceTable
from portico.providers.auth import is_fetched
from portico.routing.rules import Rule
from portico.types.deployment import (
    CircuitPolicy,
    Deployment,
    Fallbacks,
    HedgePolicy,
    Limits,
    Provider,
    RetryPolicy,
    Route,
)
from portico.types.http import BUILT_IN_TIMEOUTS, Timeouts
from portico.types.identity import Principal
from portico.types.secret import Secret

ADAPTIVE: Final[dict[str, Literal["aimd", "gradient"] | None]] = {
    "off": None,
    "aimd": "aimd",
    "gradient": "gradient",
}
_FREE = {"input": Decimal(0), "output": Decimal(0), "query": Decimal(0)}

Hold = Callable[[Provider], HeldCredential | None]


def build_snapshot(
    config: Config,
    *,
    environ: Mapping[str, str],
    admin_key: Secret | None,
    before: Snapshot | None,
    now: float,
    hold: Hold = lambda provider: None,
) -> Snapshot:
    """`before` hands its states on; `now` is UTC epoch seconds, for `created` in model lists;
    `hold` finds the credential of a cloud provider without a key.

    Raises `ConfigError` that lists every problem, one a line.
    """
    problems: list[str] = []
    providers = known_providers(config, environ, problems)
    _check_weights(config.models, problems)
    _check_dialects(config.models, problems)
    house = _House(config, providers, int(now))
    if problems:
        raise ConfigError("\n".join(problems))
    return Snapshot(
        principals=_principals(config.keys, admin_key),
        routes=house.routes(),
        patterns=tuple(house.patterns()),
        aliases=dict(config.model_aliases),
        listings=tuple(house.listings()),
        make_target=_target_maker(config.pricing.models, providers, hold),
        created_at=int(now),
        rules=tuple(_rule(rule) for rule in config.rules),
        before=before,
    )


def _check_weights(routes: Iterable[RouteConfig], problems: list[str]) -> None:
    """A deployment has one load and so one weight, whichever route a call came by."""
    said: dict[str, tuple[float, str]] = {}
    for route in routes:
        for target in route.targets:
            if target.weight is None:
                continue
            weight, where = said.setdefault(target.target, (target.weight, route.name))
            if weight != target.weight:
                problems.append(
                    f"models: {route.name}: {target.target} has the weight {target.weight:g} here "
                    f"and {weight:g} in {where}; give it one weight in all routes, or list its "
                    "provider a second time under another name."
                )


def _check_dialects(routes: Iterable[RouteConfig], problems: list[str]) -> None:
    """Nor does a deployment speak one dialect by one route and another by the next."""
    said: dict[str, tuple[str, str]] = {}
    for route in routes:
        for target in route.targets:
            if target.dialect is None:
                continue
            dialect, where = said.setdefault(target.target, (target.dialect, route.name))
            if dialect != target.dialect:
                problems.append(
                    f"models: {route.name}: {target.target} speaks {target.dialect} here and "
                    f"{dialect} in {where}; say one dialect, or list its provider a second time "
                    "under another name."
                )


class _House:
    """Lays out routes: those of `models:` first, then each provider's own model names."""

    def __init__(self, config: Config, providers: Mapping[str, KnownProvider], now: int) -> None:
        self._config = config
        self._providers = providers
        self._now = now
        self._circuit = _circuit(config.router.circuit_breaker)
        self._said = {
            target.target: target.dialect
            for route in config.models
            for target in route.targets
            if target.dialect is not None
        }

    def routes(self) -> dict[str, Route]:
        named = {
            route.name: self._route(route) for route in self._config.models if "*" not in route.name
        }
        plain: dict[str, Route] = {}
        groups: dict[str, list[Deployment]] = defaultdict(list)
        for known in self._providers.values():
            for model in self._own_models(known):
                deployments = self._deployments(known, model)
                groups[model].extend(deployments)
                name = f"{known.provider.name}/{model}"
                plain[name] = self._plain(name, deployments, known)
        for model, found in groups.items():
            first = self._providers[found[0].provider.name]
            plain[model] = self._plain(model, tuple(found), first)
        # First come the routes that give weights and priorities: a deployment's state is shared by
        # all its routes and takes them from where it is met first.
        return {**named, **plain, **named}

    def patterns(self) -> Iterable[RoutePattern]:
        for route in self._config.models:
            if "*" in route.name:
                yield self._pattern(route)
        for known in self._providers.values():
            yield from self._open(known)

    def listings(self) -> Iterable[ModelListing]:
        """Public names: routes, aliases, and the models that providers list; not
        `provider/model`.
        """
        owners: dict[str, str] = {}
        for known in self._providers.values():
            for model in self._own_models(known):
                owners.setdefault(model, known.provider.type)
        for route in self._config.models:
            if "*" not in route.name:
                owners[route.name] = "portico"
        for alias in self._config.model_aliases:
            owners[alias] = "portico"
        for name in sorted(owners):
            yield ModelListing(name, owners[name], self._now)

    def _own_models(self, known: KnownProvider) -> tuple[str, ...]:
        """The models a provider lists; if it lists none, those the catalog knows it to have."""
        if known.models:
            return tuple(model for model in known.models if "*" not in model)
        return model_catalog.models_of(known.row.prices)

    def _open(self, known: KnownProvider) -> Iterable[RoutePattern]:
        """A provider that lists no models takes any as `provider/model`, and every pattern it lists
        is taken under the bare name as well."""
        name = known.provider.name
        templates = self._deployments(known, "*")
        for model in known.models or ("*",):
            if "*" not in model:
                continue
            yield self._plain_pattern(f"{name}/{model}", f"{name}/", templates, known)
            if known.models:
                yield self._plain_pattern(model, "", templates, known)

    def _plain(self, name: str, deployments: tuple[Deployment, ...], known: KnownProvider) -> Route:
        return Route(
            name=name,
            deployments=deployments,
            strategy=self._config.router.strategy,
            timeouts=self._timeouts(known, None),
            retry=self._retry(known, None),
            refuses_unsupported=self._config.unsupported_params == "error",
            affinity=self._config.router.load_balancer.sticky_sessions,
        )

    def _plain_pattern(
        self, pattern: str, prefix: str, templates: tuple[Deployment, ...], known: KnownProvider
    ) -> RoutePattern:
        return RoutePattern(
            pattern=pattern,
            prefix=prefix,
            templates=templates,
            known=self._known,
            strategy=self._config.router.strategy,
            timeouts=self._timeouts(known, None),
            retry=self._retry(known, None),
            refuses_unsupported=self._config.unsupported_params == "error",
            affinity=self._config.router.load_balancer.sticky_sessions,
        )

    def _route(self, route: RouteConfig) -> Route:
        deployments, first = self._targets(route)
        return Route(
            name=route.name,
            deployments=deployments,
            strategy=route.strategy or self._config.router.strategy,
            fallbacks=_fallbacks(route),
            timeouts=self._timeouts(first, route.timeouts),
            retry=self._retry(first, route.retries),
            refuses_unsupported=(route.unsupported_params or self._config.unsupported_params)
            == "error",
            affinity=self._affinity(route),
            max_cost_nanousd=_nanousd(route.max_cost_usd),
            buffered=route.buffered,
            coalesce=route.coalesce,
            hedge=_hedge(route.hedge),
        )

    def _pattern(self, route: RouteConfig) -> RoutePattern:
        deployments, first = self._targets(route)
        return RoutePattern(
            pattern=route.name,
            templates=deployments,
            known=self._known,
            strategy=route.strategy or self._config.router.strategy,
            fallbacks=_fallbacks(route),
            timeouts=self._timeouts(first, route.timeouts),
            retry=self._retry(first, route.retries),
            refuses_unsupported=(route.unsupported_params or self._config.unsupported_params)
            == "error",
            affinity=self._affinity(route),
            max_cost_nanousd=_nanousd(route.max_cost_usd),
            buffered=route.buffered,
            coalesce=route.coalesce,
            hedge=_hedge(route.hedge),
        )

    def _targets(self, route: RouteConfig) -> tuple[tuple[Deployment, ...], "KnownProvider"]:
        """The deployments of enabled providers, in order, and the provider of the first."""
        targets = [target for target in route.targets if target.provider in self._providers]
        if not targets:
            raise ConfigError(
                f"models: {route.name}: none of its targets is at an enabled provider; enable one, "
                "or take the route out."
            )
        deployments = tuple(
            deployment
            for priority, target in enumerate(targets)
            for deployment in self._deployments(
                self._providers[target.provider], target.model, target, priority
            )
        )
        return deployments, self._providers[targets[0].provider]

    def _deployments(
        self,
        known: KnownProvider,
        model: str,
        target: TargetConfig | None = None,
        priority: int = 0,
    ) -> tuple[Deployment, ...]:
        """One for each key of the provider; those after the first are called `…~2` and so on."""
        config = known.config
        weight = target.weight if target is not None and target.weight else config.weight
        return tuple(
            self._known(
                Deployment(
                    id=f"{provider.name}/{model}{f'~{number}' if number > 1 else ''}",
                    provider=provider,
                    model=model,
                    weight=weight,
                    priority=priority,
                    order=target.order if target is not None else 0,
                    limits=Limits(
                        config.rpm,
                        config.tpm,
                        config.max_concurrent_requests,
                        adaptive=ADAPTIVE[config.adaptive_concurrency],
                    ),
                    circuit=self._circuit,
                    region=config.region,
                    tags=config.tags + (target.tags if target is not None else ()),
                )
            )
            for number, provider in enumerate(known.providers, 1)
        )

    def _known(self, deployment: Deployment) -> Deployment:
        """The deployment with what is known of its model."""
        known = self._providers[deployment.provider.name]
        model = deployment.model
        entry = model_catalog.find_model(model, known.row.prices)
        dialects = self._dialects(known, model, entry)
        if entry is None:
            return structs.replace(deployment, dialects=dialects)
        return structs.replace(
            deployment,
            dialects=dialects,
            abilities=frozenset(entry.abilities) if entry.abilities else None,
            max_input_tokens=entry.max_input_tokens,
            max_output_tokens=entry.max_output_tokens,
        )

    def _dialects(
        self, known: KnownProvider, model: str, entry: model_catalog.ModelEntry | None
    ) -> tuple[str, ...]:
        """What the model is spoken to in, if that is not as its provider speaks: as the operator
        says, as its provider type offers it, or by Responses where it is offered in that alone.
        """
        config = known.config
        said = self._said.get(f"{config.name}/{model}")
        if said is None:
            patterns = config.model_dialects.items()
            said = next((d for pattern, d in patterns if fnmatchcase(model, pattern)), None)
        if said is not None:
            return (said,)
        if config.dialect is not None:
            return ()
        offered = known.row.dialects_of(model)
        if not offered and entry is not None and entry.mode == "responses":
            return tuple(one for one in known.provider.also if one == "openai_responses")
        return offered

    def _affinity(self, route: RouteConfig) -> bool:
        if route.affinity is not None:
            return route.affinity
        return self._config.router.load_balancer.sticky_sessions

    def _timeouts(self, known: KnownProvider, own: TimeoutsConfig | None) -> Timeouts:
        server, router = self._config.server, self._config.router
        idle = server.stream_idle_timeout or 86_400.0
        built_in = structs.replace(BUILT_IN_TIMEOUTS, idle=idle)
        begin = known.config.timeout
        provider = TimeoutsConfig(first_byte=begin, first_event=begin)
        layers = [layer for layer in (own, provider, router.timeouts) if layer is not None]

        def pick(name: str) -> float:
            for layer in layers:
                value: float | None = getattr(layer, name)
                if value is not None:
                    return value
            fallback: float = getattr(built_in, name)
            return fallback

        names = [name for name in Timeouts.__struct_fields__ if name != "whole"]
        return Timeouts(whole=_whole(layers), **{name: pick(name) for name in names})

    def _retry(self, known: KnownProvider, own: RetriesConfig | None) -> RetryPolicy:
        config = known.config
        attempts = config.max_retries + 1 if config.max_retries is not None else None
        delays = config.retry
        provider = RetriesConfig(
            max_attempts=attempts,
            base_delay=delays.base_delay / 1000 if delays else None,
            max_delay=delays.max_delay / 1000 if delays else None,
        )
        layers = [layer for layer in (own, provider, self._config.router.retries) if layer]
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


def _whole(layers: Iterable[TimeoutsConfig]) -> float | None:
    """The first that speaks of it decides; who sets `first_byte` alone means it for both."""
    for layer in layers:
        if layer.whole is not None or layer.first_byte is not None:
            return layer.whole
    return BUILT_IN_TIMEOUTS.whole


def _circuit(given: CircuitBreaker) -> CircuitPolicy:
    built_in = CircuitPolicy()
    return CircuitPolicy(
        failure_threshold=given.failure_threshold or built_in.failure_threshold,
        open_s=given.recovery_timeout or built_in.open_s,
        min_requests=given.min_requests or built_in.min_requests,
        success_threshold=given.success_threshold or built_in.success_threshold,
    )


def _nanousd(usd: Decimal | None) -> int | None:
    return None if usd is None else int(usd * 1_000_000_000)


def _hedge(given: HedgeConfig | None) -> HedgePolicy | None:
    if given is None:
        return None
    return HedgePolicy(given.after, given.budget, _nanousd(given.max_cost_usd))


def _rule(given: RuleConfig) -> Rule:
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


def _fallbacks(route: RouteConfig) -> Fallbacks:
    given = route.fallbacks
    return Fallbacks(given.general, given.context_window, given.content_policy, given.rate_limit)


def _principals(keys: Iterable[KeyConfig], admin_key: Secret | None) -> dict[bytes, Principal]:
    known = {
        bytes.fromhex(key.digest): Principal(
            key_id=key.name,
            name=key.name,
            models=key.models,
            is_admin=key.admin,
            expires_at=key.expires_at_s,
            team=key.team,
            user=key.user,
            user_field=key.user_header.lower().encode() if key.user_header else None,
            priority=key.priority,
        )
        for key in keys
    }
    if admin_key is not None:
        digest = KeyConfig(name="admin", key=admin_key).digest
        known[bytes.fromhex(digest)] = Principal(key_id="admin", name="admin", is_admin=True)
    return known


def _target_maker(
    overrides: Mapping[str, ModelPrice],
    providers: Mapping[str, KnownProvider],
    hold: Hold,
) -> Callable[[Deployment], Target]:
    def make(deployment: Deployment) -> Target:
        known = providers[deployment.provider.name]
        held = hold(deployment.provider) if is_fetched(deployment.provider) else None
        return Target(deployment, _prices(deployment, known, overrides), held)

    return make


def _prices(
    deployment: Deployment, known: KnownProvider, overrides: Mapping[str, ModelPrice]
) -> PriceTable | None:
    """An operator's own price comes before the catalog's; what it leaves out is the catalog's.

    `None` where nobody knows a price. What is built in is free.
    """
    if known.row.location == "builtin":
        return PriceTable.from_usd_per_million(_FREE)
    name = f"{deployment.provider.name}/{deployment.model}"
    own = overrides.get(name) or overrides.get(deployment.model)
    entry = model_catalog.find_model(deployment.model, known.row.prices)
    if own is not None:
        return PriceTable.from_usd_per_million(
            {name: usd for name, usd in structs.asdict(own).items() if usd is not None},
            base=entry.prices if entry is not None else None,
            regions=entry.regions if entry is not None else None,
        )
    if entry is None or not entry.prices:
        return None
    return PriceTable(entry.prices, entry.regions)
