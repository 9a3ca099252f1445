"""Every public name and the deployments it leads to, laid out from the configuration."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Final, Literal

from msgspec import structs

from portico.catalog import models as model_catalog
from portico.config.schema.root import Config
from portico.config.schema.routes import RouteConfig, TargetConfig
from portico.engine import route_policies as policies
from portico.engine.provider_set import KnownProvider
from portico.engine.snapshot import ModelListing, RoutePattern
from portico.errors import ConfigError
from portico.types.deployment import Deployment, Limits, Route

_ADAPTIVE: Final[dict[str, Literal["aimd", "gradient"] | None]] = {
    "off": None,
    "aimd": "aimd",
    "gradient": "gradient",
}


class RouteTable:
    """Lays out routes: those of `models:` first, then each provider's own model names."""

    def __init__(self, config: Config, providers: Mapping[str, KnownProvider], now: int) -> None:
        self._config = config
        self._providers = providers
        self._now = now
        self._circuit = policies.circuit(config.router.circuit_breaker)
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
                yield RoutePattern(template=self._route(route), known=self._known)
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
            yield self._pattern(f"{name}/{model}", f"{name}/", templates, known)
            if known.models:
                yield self._pattern(model, "", templates, known)

    def _pattern(
        self, pattern: str, prefix: str, templates: tuple[Deployment, ...], known: KnownProvider
    ) -> RoutePattern:
        template = self._plain(pattern, templates, known)
        return RoutePattern(template=template, prefix=prefix, known=self._known)

    def _plain(self, name: str, deployments: tuple[Deployment, ...], known: KnownProvider) -> Route:
        """A route that nobody has said anything of."""
        return self._laid(RouteConfig(name=name, targets=()), deployments, known)

    def _route(self, route: RouteConfig) -> Route:
        return self._laid(route, *self._targets(route))

    def _laid(
        self, route: RouteConfig, deployments: tuple[Deployment, ...], first: KnownProvider
    ) -> Route:
        config = self._config
        sticky = config.router.load_balancer.sticky_sessions
        return Route(
            name=route.name,
            deployments=deployments,
            strategy=route.strategy or config.router.strategy,
            fallbacks=policies.fallbacks(route),
            timeouts=policies.timeouts(config, first.config, route.timeouts),
            retry=policies.retry(config, first.config, route.retries),
            refuses_unsupported=(route.unsupported_params or config.unsupported_params) == "error",
            affinity=sticky if route.affinity is None else route.affinity,
            max_cost_nanousd=policies.nanousd(route.max_cost_usd),
            buffered=route.buffered,
            coalesce=route.coalesce,
            hedge=policies.hedge(route.hedge),
        )

    def _targets(self, route: RouteConfig) -> tuple[tuple[Deployment, ...], KnownProvider]:
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
                        adaptive=_ADAPTIVE[config.adaptive_concurrency],
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
