"""What the gateway knows right now: keys, routes, targets. Immutable, built whole, swapped in one go.

The state of deployments (in flight, health) is not part of it: it outlives a reload.
"""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Final

import msgspec
from msgspec import structs

from portico.policy.pricing import PriceTable
from portico.providers import openai_compatible
from portico.routing.health import DeploymentState
from portico.types.deployment import Deployment, Fallbacks, RetryPolicy, Route
from portico.types.http import Timeouts
from portico.types.identity import Principal
from portico.wire.envelope import json_string

_MAX_RESOLVED: Final = 4096
MAX_MODEL_NAME: Final = 256


class Target:
    """A deployment with all that can be made ready before the first call: heads, prices, state."""

    __slots__ = ("_prefixes", "deployment", "model_json", "prices", "state")

    def __init__(
        self, deployment: Deployment, prices: PriceTable | None, state: DeploymentState
    ) -> None:
        self.deployment = deployment
        self.prices = prices
        self.state = state
        self.model_json = json_string(deployment.model)
        self._prefixes: dict[str, bytes] = {}

    def head_prefix(self, path: str) -> bytes:
        prefix = self._prefixes.get(path)
        if prefix is None:
            prefix = openai_compatible.head_prefix(self.deployment.provider, path)
            self._prefixes[path] = prefix
        return prefix


class RoutePattern(msgspec.Struct, frozen=True, kw_only=True):
    """A route for every name that matches `pattern`; made concrete when a name is first asked for.

    A template whose model is `*` gets the asked name, without `prefix`.
    """

    pattern: str
    prefix: str = ""
    templates: tuple[Deployment, ...]
    strategy: str
    fallbacks: Fallbacks = Fallbacks()
    timeouts: Timeouts = Timeouts()
    retry: RetryPolicy = RetryPolicy()

    def route(self, name: str) -> Route:
        model = name.removeprefix(self.prefix)
        deployments = tuple(
            structs.replace(template, id=f"{template.provider.name}/{model}", model=model)
            if template.model == "*"
            else template
            for template in self.templates
        )
        return Route(
            name=name,
            deployments=deployments,
            strategy=self.strategy,
            fallbacks=self.fallbacks,
            timeouts=self.timeouts,
            retry=self.retry,
        )


class ModelListing(msgspec.Struct, frozen=True):
    """One line of `GET /v1/models`; `created` is UTC epoch seconds."""

    id: str
    owned_by: str
    created: int


class Snapshot:
    """Look-ups by name and by key hash.

    `make_target` prices a deployment and finds its state; it is asked at most once per deployment.
    Routes made from patterns are remembered, at most 4096 of them, then forgotten together: a client
    that invents names costs time, not memory.
    """

    def __init__(
        self,
        *,
        keys: Mapping[bytes, Principal],
        routes: Mapping[str, Route],
        patterns: tuple[RoutePattern, ...],
        aliases: Mapping[str, str],
        listings: tuple[ModelListing, ...],
        make_target: Callable[[Deployment], Target],
    ) -> None:
        self.keys = keys
        self.routes = routes
        self.patterns = patterns
        self.aliases = aliases
        self.listings = listings
        self._make_target = make_target
        self._targets: dict[str, Target] = {}
        self._resolved: dict[str, Route] = {}
        for route in routes.values():
            for deployment in route.deployments:
                self.target(deployment)

    def target(self, deployment: Deployment) -> Target:
        target = self._targets.get(deployment.id)
        if target is None:
            target = self._targets[deployment.id] = self._make_target(deployment)
        return target

    @property
    def targets(self) -> Mapping[str, Target]:
        return self._targets

    def resolve(self, name: str) -> Route | None:
        """The route of a public name: exact, by alias, or by the first pattern that matches."""
        route = self.routes.get(name)
        if route is not None:
            return route
        alias = self.aliases.get(name)
        if alias is not None:
            return self.resolve(alias)
        route = self._resolved.get(name)
        if route is None and len(name) <= MAX_MODEL_NAME:
            route = self._match(name)
            if route is not None:
                if len(self._resolved) >= _MAX_RESOLVED:
                    self._forget()
                self._resolved[name] = route
        return route

    def _match(self, name: str) -> Route | None:
        for pattern in self.patterns:
            if fnmatchcase(name, pattern.pattern) and name != pattern.prefix:
                return pattern.route(name)
        return None

    def _forget(self) -> None:
        kept = {d.id for route in self.routes.values() for d in route.deployments}
        self._targets = {id: target for id, target in self._targets.items() if id in kept}
        self._resolved.clear()
