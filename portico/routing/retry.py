"""What to do after an attempt, from one table of error classes; retryable is never the default.

`decide` is asked after each attempt and answers with one of five things. Nothing here sleeps or
sends.
"""

from collections.abc import Collection, Mapping
from random import Random

import msgspec

from portico.errors import (
    ContextLengthExceeded,
    GatewayError,
    UpstreamAuthentication,
    UpstreamContentFiltered,
    UpstreamContextExceeded,
    UpstreamFailed,
    UpstreamModelNotFound,
    UpstreamProtocol,
    UpstreamQuotaExceeded,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from portico.routing.budget import RetryBudget
from portico.routing.router import Cause, Outlook, Refusal
from portico.types.deployment import RetryPolicy, Route

MAX_FALLBACK_DEPTH = 5


class Return(msgspec.Struct, frozen=True):
    """It worked: answer the client."""


class Fail(msgspec.Struct, frozen=True):
    """Answer the client with the error."""


class NextDeployment(msgspec.Struct, frozen=True):
    """Ask `next_deployment` again at once; an untried one is eligible."""


class RetryAfter(msgspec.Struct, frozen=True):
    """Sleep, then ask `next_deployment` again; it will use one for the second time."""

    seconds: float


class Fallback(msgspec.Struct, frozen=True):
    """Go on with the routes that `plan_fallbacks` names for this cause."""

    cause: Cause


Decision = Return | Fail | NextDeployment | RetryAfter | Fallback

RETURN = Return()
FAIL = Fail()
NEXT = NextDeployment()


class Rule(msgspec.Struct, frozen=True):
    """For one class of error: may another deployment help, may the same one later, and which of the
    route's fallbacks may, when neither does."""

    other: bool
    again: bool
    fallback: Cause | None


_TRANSIENT = Rule(other=True, again=True, fallback="general")
_ELSEWHERE = Rule(other=True, again=False, fallback="general")

RULES: dict[type[GatewayError], Rule] = {
    UpstreamRateLimited: Rule(other=True, again=True, fallback="rate_limit"),
    UpstreamQuotaExceeded: Rule(other=True, again=False, fallback="rate_limit"),
    UpstreamFailed: _TRANSIENT,
    UpstreamUnavailable: _TRANSIENT,
    UpstreamTimeout: _TRANSIENT,
    UpstreamUnreachable: _TRANSIENT,
    UpstreamProtocol: _TRANSIENT,
    UpstreamAuthentication: _ELSEWHERE,
    UpstreamModelNotFound: _ELSEWHERE,
    UpstreamContextExceeded: Rule(other=False, again=False, fallback="context_window"),
    UpstreamContentFiltered: Rule(other=False, again=False, fallback="content_policy"),
    ContextLengthExceeded: Rule(other=False, again=False, fallback="context_window"),
}
"""A class that is not here, nor any it derives from, is final: the client's or our own doing."""


def decide(
    error: GatewayError | None,
    policy: RetryPolicy,
    *,
    attempts: int,
    elapsed_s: float,
    budget: RetryBudget,
    outlook: Outlook,
    now: float,
    rng: Random,
    has_fallback: bool = False,
) -> Decision:
    """What follows the `attempts`-th attempt of a call, which ended with `error` (`None`: it
    worked).

    `has_fallback` says whether `plan_fallbacks` has a route for `fallback_cause(error)`; the last
    of `max_attempts` is kept for it. Every answer that leads to another attempt has paid for it.
    """
    if error is None:
        return RETURN
    rule = rule_of(error)
    if rule is None:
        return FAIL
    left = policy.max_attempts - attempts
    time_left = policy.deadline_s - elapsed_s
    if left <= 0 or time_left <= 0.0:
        return FAIL
    wants_fallback = has_fallback and rule.fallback is not None
    if left > 1 or not wants_fallback:
        if rule.other and outlook.untried:
            return NEXT if budget.take(now) else FAIL
        if rule.again and outlook.again_in_s is not None and not wants_fallback:
            wait = wait_before(error, policy, attempts, rng, at_least_s=outlook.again_in_s)
            if wait is not None and wait < time_left:
                return RetryAfter(wait) if budget.take(now) else FAIL
    if wants_fallback and rule.fallback is not None and budget.take(now):
        return Fallback(rule.fallback)
    return FAIL


def rule_of(error: GatewayError) -> Rule | None:
    if isinstance(error, UpstreamTimeout) and error.timer == "total":
        return None
    for kind in type(error).__mro__:
        rule = RULES.get(kind)
        if rule is not None:
            return rule
    return None


def fallback_cause(error: GatewayError) -> Cause | None:
    """Which of a route's fallbacks could take over after `error`."""
    rule = rule_of(error)
    return None if rule is None else rule.fallback


def wait_before(
    error: GatewayError,
    policy: RetryPolicy,
    attempts: int,
    rng: Random,
    *,
    at_least_s: float = 0.0,
) -> float | None:
    """Seconds before the same deployment may be tried again; `None` if that is too long to wait.

    Full jitter over a doubling back-off; a provider's hint is kept to, not shortened. Nothing is
    waited for after a connection that never carried a byte.
    """
    hint = max(at_least_s, error.retry_after_s or 0.0)
    if isinstance(error, UpstreamUnreachable) and not error.sent and attempts == 1:
        return hint if hint <= policy.max_delay_s else None
    if hint > policy.max_delay_s:
        return None
    ceiling = min(policy.max_delay_s, policy.base_delay_s * 2.0 ** min(attempts - 1, 30))
    return min(policy.max_delay_s, hint + rng.random() * ceiling)


def decide_refusal(
    refusal: Refusal,
    policy: RetryPolicy,
    *,
    attempts: int,
    elapsed_s: float,
    has_fallback: bool,
) -> Decision:
    """What to do when `next_deployment` refuses: a fallback, a short wait, or the refusal's error.

    A wait ends at most `max_delay_s` after the call came, however often it is refused: calls must
    not pile up behind a limit that all of them wait for.
    """
    if attempts >= policy.max_attempts or elapsed_s >= policy.deadline_s:
        return FAIL
    if has_fallback:
        return Fallback(refusal.cause)
    wait = refusal.retry_after_s
    if wait is not None and elapsed_s + wait <= min(policy.max_delay_s, policy.deadline_s):
        return RetryAfter(wait)
    return FAIL


def plan_fallbacks(
    route: Route,
    routes: Mapping[str, Route],
    cause: Cause,
    visited: Collection[str],
    *,
    max_depth: int = MAX_FALLBACK_DEPTH,
) -> tuple[str, ...]:
    """Names of the routes to go on with, in order, without any this call has been on already; an
    alias counts as the route it leads to.

    `visited` holds every route of the call so far, the first included; at most `max_depth`
    fallbacks are made in one call. A cause without fallbacks of its own uses the general ones.
    """
    left = max_depth - max(0, len(visited) - 1)
    if left <= 0:
        return ()
    own: tuple[str, ...] = getattr(route.fallbacks, cause)
    names = own or route.fallbacks.general
    named = dict.fromkeys(routes[name].name for name in names if name in routes)
    return tuple(name for name in named if name not in visited and name != route.name)[:left]
