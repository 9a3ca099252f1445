"""Which deployment next: eligibility, the ones already tried, tiers, sessions, then the strategy.

How the engine uses it, for one call on one route (all synchronous between choice and start, so
nobody else can take the same place):

    choice = next_deployment(route, now=now, rng=rng, request=request)
    if isinstance(choice, Refusal): ... retry.decide_refusal(...) or refusal_error(...)
    lease = health.started(choice, now, request.tokens)
    ...                                             # the attempt; choice.deployment is whom to call
    health.first_event(lease, now)                  # streams only
    health.finished(lease, now, error, rng=rng, used_tokens=..., output_tokens=...)
    tried += (choice.deployment.id,)
    retry.decide(error, ..., outlook=outlook(route, now=now, tried=tried, request=request))

Pure but for the route's own counters (`RouteState.turn` and `.budget`).
"""

from collections.abc import Collection, Mapping, Sequence
from random import Random
from typing import Literal

import msgspec

from portico.errors import GatewayError, InvalidRequest, NoDeployment, UpstreamRateLimited
from portico.routing import affinity
from portico.routing.budget import RetryBudget
from portico.routing.eligibility import Exclusion, exclusion
from portico.routing.health import DeploymentState, describe
from portico.routing.strategies import ANY, STRATEGIES, RoutingRequest
from portico.types.deployment import Deployment, Route

Cause = Literal["general", "context_window", "content_policy", "rate_limit"]

_ASKED = frozenset({"tags", "region", "cost"})
"""What excludes by the client's own wish, now and later."""
_WAITS = frozenset({"cooldown", "rpm", "tpm", "max_concurrent_requests"})


class RouteState:
    """A route, bound to the states of its deployments. Made anew with each configuration; the retry
    budget of the same route before is handed on."""

    __slots__ = ("budget", "choose", "is_selective", "is_tiered", "own", "route", "states", "turn")

    def __init__(
        self,
        route: Route,
        states: Mapping[str, DeploymentState],
        before: "RouteState | None" = None,
    ) -> None:
        self.route = route
        ordered = sorted(route.deployments, key=lambda deployment: deployment.priority)
        self.states = tuple(states[deployment.id] for deployment in ordered)
        self.choose = STRATEGIES[route.strategy].choose
        self.own = {deployment.id: deployment for deployment in route.deployments}
        """Tiers and tags are the route's: the state, shared by several, does not know them."""
        self.is_tiered = len({d.order for d in route.deployments}) > 1
        self.is_selective = any(
            d.abilities is not None or d.max_input_tokens is not None for d in route.deployments
        )
        """Is anything known that could make a deployment unfit for a request?"""
        self.turn: int = before.turn if before else 0
        self.budget = RetryBudget(route.retry.budget_ratio, route.retry.budget_floor)
        if before is not None and before.route.retry == route.retry:
            self.budget = before.budget


class Refusal(msgspec.Struct, frozen=True):
    """Nobody can take the call now: why, for each deployment, and when to ask again if known.

    `cause` is `rate_limit` if only limits and cool-downs stand in the way, `context_window` if the
    request is too long for all that could otherwise take it, else `general`.
    """

    cause: Cause
    excluded: tuple[tuple[str, Exclusion], ...]
    retry_after_s: float | None = None


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment in an explanation: `score` is what the strategy compares, lower is better."""

    deployment: str
    state: str
    is_candidate: bool
    was_tried: bool
    excluded: Exclusion | None
    score: float | None
    in_flight: int


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """For `x-portico-explain`: all deployments of the route, and which of them came to the
    choice.
    """

    route: str
    strategy: str
    chosen: str | None
    session_order: tuple[str, ...]
    candidates: tuple[Candidate, ...]


class Outlook(msgspec.Struct, frozen=True):
    """What another attempt could use. `again_in_s` is when one that was tried may be used again (0
    is now), `None` if a breaker or the like stands in the way.
    """

    untried: bool
    again_in_s: float | None


def next_deployment(
    route: RouteState,
    *,
    now: float,
    rng: Random,
    tried: Collection[str] = (),
    request: RoutingRequest = ANY,
) -> DeploymentState | Refusal:
    """Where the next attempt of a call goes. `tried` holds the ids of its attempts so far; each
    deployment is used once before any is used twice. The first choice of a call feeds the
    budget.
    """
    states: Sequence[DeploymentState] = route.states
    if not tried:
        route.budget.requested(now)
    if tried or route.is_tiered or (request is not ANY and _selects(route, request)):
        candidates = _narrow(route, now, tried, request)
    else:
        candidates = states
        for state in states:
            if state.guarded:
                candidates = _narrow(route, now, tried, request)
                break
    if not candidates:
        return refuse(route, now=now, request=request)
    if len(candidates) == 1:
        return candidates[0]
    if request.session is not None:
        return candidates[affinity.choose(candidates, request.session)]
    turn = route.turn
    route.turn = turn + 1
    return candidates[route.choose(candidates, request, now, rng, turn)]


def _selects(route: RouteState, request: RoutingRequest) -> bool:
    return (
        (route.is_selective and (request.input_tokens > 0 or bool(request.needs)))
        or bool(request.tags)
        or request.region is not None
        or request.max_cost_nanousd is not None
    )


def _narrow(
    route: RouteState, now: float, tried: Collection[str], request: RoutingRequest
) -> Sequence[DeploymentState]:
    """The eligible; of these the untried, if any; of these the lowest tier.

    What only a soft reason excludes comes back when nothing else is left.
    """
    tokens = request.tokens
    selects = request is not ANY and _selects(route, request)
    eligible: list[DeploymentState] = []
    doubtful: list[DeploymentState] = []
    for state in route.states:
        if selects and _unfit(route.own[state.deployment.id], request) is not None:
            continue
        if state.hindered:
            reason = exclusion(state, now, tokens)
            if reason is None:
                eligible.append(state)
            elif reason.soft:
                doubtful.append(state)
        elif state.in_flight < state.max_in_flight and (
            not state.metered or state.meter.has_room(now, tokens)
        ):
            eligible.append(state)
    if not eligible:
        eligible = doubtful
    if tried and len(eligible) > 1:
        eligible = [s for s in eligible if s.deployment.id not in tried] or eligible
    if route.is_tiered and len(eligible) > 1:
        orders = [route.own[state.deployment.id].order for state in eligible]
        lowest = min(orders)
        eligible = [s for s, order in zip(eligible, orders, strict=True) if order == lowest]
    return eligible


def _unfit(deployment: Deployment, request: RoutingRequest) -> Exclusion | None:
    """Why this deployment could never take this request."""
    abilities = deployment.abilities
    if request.needs and abilities is not None and not request.needs <= abilities:
        return Exclusion("abilities")
    most = deployment.max_input_tokens
    if most is not None and request.input_tokens > most:
        return Exclusion("context_window")
    if request.tags and not set(request.tags) <= set(deployment.tags):
        return Exclusion("tags")
    if request.region is not None and deployment.region != request.region:
        return Exclusion("region")
    if request.max_cost_nanousd is not None and request.expected_cost is not None:
        cost = request.expected_cost(deployment)
        if cost is None or cost > request.max_cost_nanousd:
            return Exclusion("cost")
    return None


def refuse(route: RouteState, *, now: float, request: RoutingRequest = ANY) -> Refusal:
    """Say why nobody can take the call."""
    excluded = tuple(
        (state.deployment.id, reason)
        for state in route.states
        if (
            reason := _unfit(route.own[state.deployment.id], request)
            or exclusion(state, now, request.tokens)
        )
        is not None
    )
    reasons = {reason.reason for _, reason in excluded}
    waits = [r.wait_s for _, r in excluded if r.reason in _WAITS and r.wait_s is not None]
    cause: Cause = "general"
    if reasons & _WAITS:
        cause = "rate_limit"
    elif "context_window" in reasons:
        cause = "context_window"
    return Refusal(cause, excluded, min(waits, default=None))


def refusal_error(route: RouteState, refusal: Refusal) -> GatewayError:
    """The error for the client when no fallback takes over."""
    why = "; ".join(f"{name}: {reason.reason}" for name, reason in refusal.excluded)
    message = f"No deployment of `{route.route.name}` can take this request now ({why or 'none'})."
    reasons = {reason.reason for _, reason in refusal.excluded}
    if reasons and reasons <= _ASKED:
        return InvalidRequest(message, code="no_deployment_fits")
    if refusal.cause == "rate_limit":
        if refusal.retry_after_s is None and "max_concurrent_requests" not in reasons:
            return UpstreamRateLimited(
                f"{message} It may use more tokens than `tpm` allows in a minute: waiting is no "
                "help, a shorter prompt or a lower limit of the output is."
            )
        return UpstreamRateLimited(message, retry_after_s=refusal.retry_after_s or 1.0)
    return NoDeployment(message, retry_after_s=refusal.retry_after_s)


def explain(
    route: RouteState,
    *,
    now: float,
    tried: Collection[str] = (),
    request: RoutingRequest = ANY,
    chosen: str | None = None,
) -> Explanation:
    """Why a choice made at `now` fell as it did; `chosen` is what `next_deployment` answered.

    Ask it before `started`, which changes the scores.
    """
    score = STRATEGIES[route.route.strategy].score
    may = {state.deployment.id for state in _narrow(route, now, tried, request)}
    candidates = tuple(
        Candidate(
            deployment=state.deployment.id,
            state=describe(state, now),
            is_candidate=state.deployment.id in may,
            was_tried=state.deployment.id in tried,
            excluded=_shown(
                _unfit(route.own[state.deployment.id], request)
                or exclusion(state, now, request.tokens)
            ),
            score=None if score is None else _rounded(score(state, request, now)),
            in_flight=state.in_flight,
        )
        for state in route.states
    )
    favourites: tuple[str, ...] = ()
    if request.session is not None:
        order = affinity.ranked(route.states, request.session)
        favourites = tuple(route.states[index].deployment.id for index in order)
    return Explanation(
        route=route.route.name,
        strategy=route.route.strategy,
        chosen=chosen,
        session_order=favourites,
        candidates=candidates,
    )


def _shown(reason: Exclusion | None) -> Exclusion | None:
    """With a wait that people can read."""
    if reason is None or reason.wait_s is None:
        return reason
    return msgspec.structs.replace(reason, wait_s=round(reason.wait_s, 3))


def _rounded(score: float | None) -> float | None:
    """To six figures: more would be noise in a header field."""
    return None if score is None else float(f"{score:.6g}")


def outlook(
    route: RouteState,
    *,
    now: float,
    tried: Collection[str],
    request: RoutingRequest = ANY,
) -> Outlook:
    """What another attempt could use, after those in `tried`. A breaker is not overruled here: when
    everything fails, calls are still tried once, but not retried."""
    untried = False
    again: float | None = None
    for state in route.states:
        if _unfit(route.own[state.deployment.id], request) is not None:
            continue
        reason = exclusion(state, now, request.tokens)
        if state.deployment.id not in tried:
            untried = untried or reason is None
        if reason is None:
            again = 0.0
        elif not reason.soft and reason.wait_s is not None:
            again = reason.wait_s if again is None else min(again, reason.wait_s)
    return Outlook(untried, again)
