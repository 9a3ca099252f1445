"""What the gateway knows right now: keys, routes, targets. Immutable, built whole, swapped in one
go.

Only the states of deployments (in flight, health) live on: a new snapshot takes them over from
the one before it.
"""

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Final

import msgspec
from msgspec import structs

from portico.engine.demand import Demand, Price
from portico.http.base import HeldCredential
from portico.policy import pricing
from portico.policy.limits import RateWindow
from portico.policy.pricing import PriceTable
from portico.providers import openai_compatible
from portico.providers.auth import static_credential
from portico.providers.base import Preparer, Task
from portico.providers.heads import SteadyHead
from portico.providers.table import preparer_of
from portico.routing.health import Credential, DeploymentState, carry_over
from portico.routing.hedging import Hedge
from portico.routing.router import RouteState
from portico.routing.rules import Rule
from portico.types.deployment import Deployment, Route
from portico.types.identity import Principal
from portico.types.usage import Usage
from portico.wire.envelope import json_string

_MAX_RESOLVED: Final = 4096
MAX_MODEL_NAME: Final = 256
_CARRIED: Final = {"bedrock_invoke": "anthropic_messages"}
"""Dialects that wrap the bodies of another: what its clients say reaches the model whole."""


class Target:
    """A deployment with all that can be made ready before the first call: heads and prices."""

    __slots__ = (
        "_prefixes",
        "_preparers",
        "_spoken",
        "credential",
        "deployment",
        "dialect",
        "held",
        "model_json",
        "prices",
        "steady_heads",
    )

    def __init__(
        self,
        deployment: Deployment,
        prices: PriceTable | None,
        held: HeldCredential | None = None,
    ) -> None:
        self.deployment = deployment
        self.prices = prices
        self.model_json = json_string(deployment.model)
        self.credential = static_credential(deployment.provider)
        self.held = held
        """Where the credential comes from if it expires; `credential` is then the last one."""
        speaks = deployment.speaks
        self.dialect = speaks[0]
        self._spoken = {_CARRIED[one]: one for one in speaks if one in _CARRIED}
        self._spoken.update((one, one) for one in speaks)
        self._prefixes: dict[str, bytes] = {}
        self._preparers: dict[str, Preparer | None] = {}
        self.steady_heads: dict[Task, SteadyHead] = {}

    def dialect_for(self, client: str) -> str:
        """The dialect to ask in for a client of this one: its own where that is offered, the one
        that carries its own, or the usual."""
        return self._spoken.get(client, self.dialect)

    def disown(self, dialect: str) -> None:
        """It does not offer this dialect after all; until the next snapshot it is not asked so."""
        self._spoken.pop(dialect, None)

    def addressed(self, dialect: str) -> Deployment:
        """The deployment with the address at which it offers this dialect."""
        path = self.deployment.provider.messages_path
        if path is None or dialect != "anthropic_messages":
            return self.deployment
        provider = structs.replace(self.deployment.provider, base_path=path)
        return structs.replace(self.deployment, provider=provider)

    def preparer(self, dialect: str) -> Preparer | None:
        """The provider's own module, where requests in this dialect need one."""
        if dialect not in self._preparers:
            self._preparers[dialect] = preparer_of(self.deployment.provider, dialect)
        return self._preparers[dialect]

    def head_prefix(self, path: str) -> bytes:
        prefix = self._prefixes.get(path)
        if prefix is None:
            prefix = openai_compatible.head_prefix(self.deployment.provider, path)
            self._prefixes[path] = prefix
        return prefix


class RoutePattern(msgspec.Struct, frozen=True, kw_only=True):
    """A route for every name that matches `pattern`; made concrete when a name is first asked for.

    `template` is that route but for its name and for deployments whose model is `*`: they get the
    asked name, without `prefix`. Its own name is the pattern.
    """

    template: Route
    prefix: str = ""
    known: Callable[[Deployment], Deployment] = lambda deployment: deployment
    """Adds what is known of the model, once it has a name."""

    @property
    def pattern(self) -> str:
        return self.template.name

    def route(self, name: str) -> Route:
        model = name.removeprefix(self.prefix)
        deployments = tuple(
            self.known(
                structs.replace(template, id=template.id.replace("/*", f"/{model}", 1), model=model)
            )
            if template.model == "*"
            else template
            for template in self.template.deployments
        )
        return structs.replace(self.template, name=name, deployments=deployments)


class ModelListing(msgspec.Struct, frozen=True):
    """One line of `GET /v1/models`; `created` is UTC epoch seconds."""

    id: str
    owned_by: str
    created: int


class BoundRoute:
    """A route with the states of its deployments, and what its choices need to know of a call."""

    __slots__ = ("demand", "hedge", "route", "state")

    def __init__(self, route: Route, state: RouteState, price: Price) -> None:
        self.route = route
        self.state = state
        self.demand = Demand(route, price)
        may_hedge = route.hedge is not None and len(route.deployments) > 1
        self.hedge = Hedge(route.hedge) if route.hedge is not None and may_hedge else None


class Snapshot(Mapping[str, Route]):
    """Look-ups by name and by key hash; as a mapping, from public names to routes.

    `make_target` prices a deployment; it is asked at most once per deployment. Routes made from
    patterns are remembered, at most 4096 of them, then forgotten together: a client that invents
    names costs time, not memory.
    """

    def __init__(
        self,
        *,
        principals: Mapping[bytes, Principal],
        routes: Mapping[str, Route],
        patterns: tuple[RoutePattern, ...],
        aliases: Mapping[str, str],
        listings: tuple[ModelListing, ...],
        make_target: Callable[[Deployment], Target],
        created_at: int,
        rules: tuple[Rule, ...] = (),
        before: "Snapshot | None" = None,
    ) -> None:
        self.principals = principals
        self.routes = routes
        self.patterns = patterns
        self.aliases = aliases
        self.listings = listings
        self.created_at = created_at
        self.rules = rules
        self.coalesces = any(route.coalesce for route in routes.values()) or any(
            pattern.template.coalesce for pattern in patterns
        )
        """May identical calls share an answer on any route?"""
        self._make_target = make_target
        self._resolved: dict[str, Route] = {}
        self._bound: dict[str, BoundRoute] = {}
        self._credentials: dict[object, Credential] = {}
        self.targets: dict[str, Target] = {}
        deployments = [one for route in routes.values() for one in route.deployments]
        for deployment in deployments:
            self.target(deployment)
        # What may fail is done: from here on the states in use are changed.
        self.states: dict[str, DeploymentState] = carry_over(
            deployments,
            before.states if before is not None else {},
            RateWindow,
            self._credentials,
        )
        earlier = before._bound if before is not None else {}
        for route in routes.values():
            self._bind(route, earlier.get(route.name))
        if before is not None:
            self._resolve_again(before)

    def _resolve_again(self, before: "Snapshot") -> None:
        """What clients asked for by a pattern keeps its state, too, where one still leads there."""
        for name, bound in before._bound.items():
            if name in before._resolved and (route := self.resolve(name)) is not None:
                self._bind(route, bound, before.states)

    def __getitem__(self, name: str) -> Route:
        route = self.resolve(name)
        if route is None:
            raise KeyError(name)
        return route

    def __iter__(self) -> Iterator[str]:
        return iter(self.routes)

    def __len__(self) -> int:
        return len(self.routes)

    def target(self, deployment: Deployment) -> Target:
        target = self.targets.get(deployment.id)
        if target is None:
            target = self.targets[deployment.id] = self._make_target(deployment)
        return target

    def bind(self, route: Route) -> BoundRoute:
        return self._bound.get(route.name) or self._bind(route, None)

    def _bind(
        self,
        route: Route,
        before: BoundRoute | None,
        states: Mapping[str, DeploymentState] = {},
    ) -> BoundRoute:
        new = [one for one in route.deployments if one.id not in self.states]
        if new:
            old = {one.id: states[one.id] for one in new if one.id in states}
            self.states |= carry_over(new, old, RateWindow, self._credentials)
        state = RouteState(route, self.states, before.state if before is not None else None)
        bound = self._bound[route.name] = BoundRoute(route, state, self._expected_cost)
        return bound

    def _expected_cost(
        self, deployment: Deployment, input_tokens: int, output_tokens: int
    ) -> int | None:
        prices = self.target(deployment).prices
        if prices is None:
            return None
        usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
        return pricing.settle(usage, prices).cost_nanousd

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
        """All that was resolved, but for what is in use and what an administrator has said."""
        kept = {d.id for route in self.routes.values() for d in route.deployments}
        kept |= {
            id
            for id, state in self.states.items()
            if state.in_flight or state.disabled or state.draining
        }
        for held in (self.targets, self.states):
            for id in held.keys() - kept:
                del held[id]
        for credential in self._credentials.values():
            credential.members = [one for one in credential.members if one.deployment.id in kept]
        for name in self._bound.keys() - self.routes.keys():
            del self._bound[name]
        self._resolved.clear()
