"""What routing has to know of a call, found out only as far as its route asks for it.

A route whose strategy looks at deployments alone costs two look-ups here. Everything that needs the
body is read only where it can change the choice: sessions where a route has `affinity`, abilities
and lengths where the catalog says that the route's deployments differ in them.
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Final

from portico.errors import InvalidRequest
from portico.policy.estimate import tokens_of
from portico.routing.affinity import session_of
from portico.routing.strategies import ANY, RoutingRequest
from portico.types.call import Call
from portico.types.deployment import Deployment, Route
from portico.wire import conversation

TAGS = b"x-portico-tags"
REGION = b"x-portico-region"
MAX_COST = b"x-portico-max-cost-usd"
SESSIONS = (b"x-portico-session", b"x-session-id")

_NANO: Final = Decimal(1_000_000_000)
_MOST_USD: Final = Decimal(1_000_000)
_USUAL_OUTPUT: Final = 256
"""Output tokens to reckon with where a request sets no limit."""
_BLIND_STRATEGIES: Final = frozenset(
    {"round_robin", "simple_shuffle", "least_busy", "latency_based", "priority_based"}
)
"""Strategies that look at deployments only, never at the call."""
_NOTED_ABILITIES: Final = frozenset({"vision", "tools"})
_NO_NEEDS: Final[frozenset[str]] = frozenset()

Price = Callable[[Deployment, int, int], int | None]
"""What so many input and output tokens cost there, in nano-USD; `None` where unpriced."""


class Demand:
    """The questions of one route."""

    __slots__ = ("_differing", "_has_affinity", "_is_plain", "_max_cost", "_price", "_widest")

    def __init__(self, route: Route, price: Price) -> None:
        self._price = price
        self._max_cost = route.max_cost_nanousd
        deployments = route.deployments
        has_choice = len(deployments) > 1
        self._has_affinity = route.affinity and has_choice
        self._differing = _differing(deployments) if has_choice else _NO_NEEDS
        self._widest = _widest(deployments) if has_choice else None
        self._is_plain = (
            not self._has_affinity
            and not self._differing
            and self._widest is None
            and self._max_cost is None
            and (route.hedge is None or route.hedge.max_cost_nanousd is None)
            and (not has_choice or route.strategy in _BLIND_STRATEGIES)
            and all(deployment.limits.tpm is None for deployment in deployments)
        )

    def of(self, call: Call) -> RoutingRequest:
        headers = call.request.headers
        if self._is_plain and not (TAGS in headers or REGION in headers or MAX_COST in headers):
            return ANY
        body = call.request.body
        input_tokens = tokens_of(len(body))
        output_tokens = call.envelope.output_limit or _USUAL_OUTPUT
        price = self._price
        tags, region = headers.get(TAGS), headers.get(REGION)
        return RoutingRequest(
            tokens=input_tokens + output_tokens,
            input_tokens=self._length(body, input_tokens),
            output_tokens=output_tokens,
            needs=conversation.needs(body) & self._differing if self._differing else _NO_NEEDS,
            tags=words(tags) if tags is not None else (),
            region=region.decode("latin-1") if region is not None else None,
            session=_session(call) if self._has_affinity else None,
            expected_cost=lambda deployment: price(deployment, input_tokens, output_tokens),
            max_cost_nanousd=self._cap(call),
        )

    def _cap(self, call: Call) -> int | None:
        """What is left of the highest price, after earlier attempts: the client's, or the route's
        if that is lower.
        """
        caps = [cap for cap in (max_cost_nanousd(call), self._max_cost) if cap is not None]
        return max(min(caps) - _spent(call), 0) if caps else None

    def _length(self, body: bytes, input_tokens: int) -> int:
        """Tokens to hold against context windows; 0 holds nothing against any.

        Never more than the widest: an estimate alone refuses no call.
        """
        if self._widest is None or conversation.has_data(body):
            return 0
        return min(input_tokens, self._widest)


def _differing(deployments: tuple[Deployment, ...]) -> frozenset[str]:
    """Abilities that some are known to lack and others have, or may have."""
    return frozenset(
        ability
        for ability in _NOTED_ABILITIES
        if len({d.abilities is None or ability in d.abilities for d in deployments}) == 2
    )


def _widest(deployments: tuple[Deployment, ...]) -> int | None:
    """The widest context window where they differ."""
    known = [d.max_input_tokens for d in deployments if d.max_input_tokens is not None]
    if not known or (len(known) == len(deployments) and len(set(known)) == 1):
        return None
    return max(known) if len(known) == len(deployments) else max(known) + 1


def max_cost_nanousd(call: Call) -> int | None:
    """The most that the call may be expected to cost: the client's limit, in nano-USD."""
    value = call.request.headers.get(MAX_COST)
    if value is None:
        return None
    try:
        usd = Decimal(value.decode("latin-1").strip())
    except InvalidOperation:
        usd = Decimal("NaN")
    if not usd.is_finite() or not 0 <= usd <= _MOST_USD:
        raise InvalidRequest(
            "`x-portico-max-cost-usd` must be a number of US dollars, such as 0.05."
        )
    return int(usd * _NANO)


def _spent(call: Call) -> int:
    spends = [attempt.spend for attempt in call.attempts]
    return sum(spend.cost_nanousd or 0 for spend in spends if spend is not None)


def words(value: bytes) -> tuple[str, ...]:
    return tuple(word for part in value.decode("latin-1").split(",") if (word := part.strip()))


def _session(call: Call) -> bytes | None:
    """What names the session; begins with the key, so that tenants never share one."""
    key = call.principal.key_id
    headers = call.request.headers
    for field in SESSIONS:
        named = headers.get(field)
        if named:
            return session_of(key, "named", named)
    body = call.request.body
    name = conversation.session_name(body) or call.envelope.user
    if name:
        return session_of(key, "named", name)
    opening = conversation.opening(body)
    return session_of(key, "opening", *opening) if opening else None
