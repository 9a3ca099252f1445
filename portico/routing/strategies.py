"""Who is chosen among the deployments that may be: one row per strategy, each a pure function.

`choose(candidates, request, now, rng, turn)` returns an index into `candidates`, which has at
least two members. `turn` counts the choices of the route. `score` is what the strategy compares,
lower is better, for `x-portico-explain`; a strategy that does not compare has none.
"""

import math
from collections.abc import Callable, Sequence
from random import Random

import msgspec

from portico.routing.health import DeploymentState
from portico.types.deployment import Deployment

Candidates = Sequence[DeploymentState]

EXPLORATION = 150
"""One call in so many goes to whoever has been left alone the longest, so that a recovery is
noticed (`adaptive`, `latency_based`)."""
ERROR_WEIGHT = 20.0
"""How much worse `adaptive` finds a deployment that always fails than one that never does."""
FAST_ENOUGH = 2.0
"""`latency_based` takes any that is expected to need at most so many times the shortest time: the
expectation jumps to each slow answer, so less would be noise."""
_TRIAL = 1e-9


class RoutingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What routing has to know of a call. `tokens` is what it may use, for `tpm` and
    `usage_based`.
    """

    tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 128
    needs: frozenset[str] = frozenset()
    """Abilities that the call asks for: `vision`, `tools` …"""
    tags: tuple[str, ...] = ()
    region: str | None = None
    session: bytes | None = None
    """Calls with the same one belong together (`affinity.session_of`)."""
    expected_cost: Callable[[Deployment], int | None] | None = None
    """Nano-USD this very call may cost there, `None` where unpriced; for `cost_based`."""
    max_cost_nanousd: int | None = None
    """The most that it may be expected to cost; what has no price is then left out."""


ANY = RoutingRequest()


def simple_shuffle(
    candidates: Candidates, request: RoutingRequest, now: float, rng: Random, turn: int
) -> int:
    total = 0.0
    for state in candidates:
        total += state.weight
    point = rng.random() * total
    for index, state in enumerate(candidates):
        point -= state.weight
        if point < 0.0:
            return index
    return len(candidates) - 1


def round_robin(
    candidates: Candidates, request: RoutingRequest, now: float, rng: Random, turn: int
) -> int:
    return turn % len(candidates)


def least_busy(
    candidates: Candidates, request: RoutingRequest, now: float, rng: Random, turn: int
) -> int:
    return _lowest([state.in_flight / state.weight for state in candidates], rng)


def usage_based(
    candidates: Candidates, request: RoutingRequest, now: float, rng: Random, turn: int
) -> int:
    return _lowest([used_share(state, now) for state in candidates], rng)


def latency_based(
    candidates: Candidates, request: RoutingRequest, now: float, rng: Random, turn: int
) -> int:
    """At random among the fast: to send all calls to the very fastest would only make it slow."""
    times = [state.expectation.ttft_s for state in candidates]
    known = [seconds for seconds in times if seconds is not None]
    if not known:
        return int(rng.random() * len(times))
    if turn % EXPLORATION == EXPLORATION - 1:
        return _longest_unused(candidates)
    mean = sum(known) / len(known)
    most = min(known) * FAST_ENOUGH
    fast = [
        index
        for index, seconds in enumerate(times)
        if (mean if seconds is None else seconds) <= most
    ]
    return fast[int(rng.random() * len(fast))]


def priority_based(
    candidates: Candidates, request: RoutingRequest, now: float, rng: Random, turn: int
) -> int:
    """The first: a route holds its deployments in the order of their priority in that route, which
    the deployment, shared by several routes, does not know.
    """
    return 0


def rate_limit_aware(
    candidates: Candidates, request: RoutingRequest, now: float, rng: Random, turn: int
) -> int:
    return _lowest([-headroom(state, now) for state in candidates], rng)


def cost_based(
    candidates: Candidates, request: RoutingRequest, now: float, rng: Random, turn: int
) -> int:
    """Unpriced is not free: it comes after everything that has a price."""
    price = request.expected_cost
    if price is None:
        return least_busy(candidates, request, now, rng, turn)
    costs = [price(state.deployment) for state in candidates]
    return _lowest([math.inf if cost is None else cost for cost in costs], rng)


def adaptive(
    candidates: Candidates, request: RoutingRequest, now: float, rng: Random, turn: int
) -> int:
    """The better of two at random, by expected time, load and errors (`expected_pain`).

    A cold one is assumed to be as fast as the other: it fills up until its first answers are in.
    """
    if turn % EXPLORATION == EXPLORATION - 1:
        return _longest_unused(candidates)
    count = len(candidates)
    if count == 2:
        first, second = 0, 1
    else:
        first = int(rng.random() * count)
        second = int(rng.random() * (count - 1))
        if second >= first:
            second += 1
    a = candidates[first]
    b = candidates[second]
    pain_a = expected_pain(a, request, now, b)
    pain_b = expected_pain(b, request, now, a)
    if pain_a == pain_b:
        return first if rng.random() < 0.5 else second
    return first if pain_a < pain_b else second


class Strategy(msgspec.Struct, frozen=True):
    choose: Callable[[Candidates, RoutingRequest, float, Random, int], int]
    score: Callable[[DeploymentState, RoutingRequest, float], float | None] | None
    summary: str


def expected_pain(
    state: DeploymentState, request: RoutingRequest, now: float, other: DeploymentState
) -> float:
    """Seconds this call would take there, times who is there already, times a penalty for
    errors.
    """
    if state.hindered and state.circuit.open_until > 0.0:
        circuit = state.circuit
        if now < circuit.open_until or circuit.wants_trial():
            # A candidate all the same: time to try it out, or all are open and the idlest may.
            return _TRIAL * (state.in_flight + 1)
    expected = state.expectation
    seconds = expected.ttft_s
    per_token = expected.per_token_s
    if seconds is None:
        seconds = other.expectation.ttft_s
        per_token = other.expectation.per_token_s
        if seconds is None:
            seconds = 1.0
    if per_token is not None:
        seconds += per_token * request.output_tokens
    errors = expected.errors(now)
    return seconds * (state.in_flight + 1) / state.weight * (1.0 + ERROR_WEIGHT * errors)


def used_share(state: DeploymentState, now: float) -> float:
    """Of its tokens per minute; without a limit, the tokens on a scale below any such share."""
    tokens = state.meter.used(now)[1]
    if state.metered:
        tpm = state.deployment.limits.tpm
        if tpm is not None:
            return tokens / tpm if tpm else math.inf
    return tokens / (1e9 * state.weight)


def headroom(state: DeploymentState, now: float) -> float:
    """The smaller of what is left of tpm and of rpm, as a share; 1 without limits."""
    if not state.metered:
        return 1.0
    limits = state.deployment.limits
    requests, tokens = state.meter.used(now)
    used = 0.0
    if limits.rpm is not None:
        used = requests / limits.rpm if limits.rpm else 1.0
    if limits.tpm is not None:
        share = tokens / limits.tpm if limits.tpm else 1.0
        if share > used:
            used = share
    return 1.0 - used


def _longest_unused(candidates: Candidates) -> int:
    """Whoever has been left alone the longest is who may have changed unnoticed."""
    times = [
        -math.inf if state.last_used_at is None else state.last_used_at for state in candidates
    ]
    return times.index(min(times))


def _lowest(scores: Sequence[float], rng: Random) -> int:
    """Index of the lowest, a random one of several."""
    lowest = min(scores)
    index = scores.index(lowest)
    ties = scores.count(lowest)
    if ties > 1:
        for _ in range(int(rng.random() * ties)):
            index = scores.index(lowest, index + 1)
    return index


def _cost(state: DeploymentState, request: RoutingRequest, now: float) -> float | None:
    return None if request.expected_cost is None else request.expected_cost(state.deployment)


_SHUFFLE = Strategy(simple_shuffle, None, "at random, by weight")

STRATEGIES: dict[str, Strategy] = {
    "adaptive": Strategy(
        adaptive,
        lambda s, r, now: expected_pain(s, r, now, s),
        "the better of two by expected time, load and errors",
    ),
    "simple_shuffle": _SHUFFLE,
    "weighted": _SHUFFLE,
    "round_robin": Strategy(round_robin, None, "in turn"),
    "least_busy": Strategy(
        least_busy, lambda s, r, now: s.in_flight / s.weight, "fewest calls in flight, by weight"
    ),
    "usage_based": Strategy(
        usage_based, lambda s, r, now: used_share(s, now), "least of its tpm used"
    ),
    "latency_based": Strategy(
        latency_based,
        lambda s, r, now: s.expectation.ttft_s,
        "any of those with a short expected time to the first event",
    ),
    "priority_based": Strategy(
        priority_based, lambda s, r, now: s.deployment.priority, "lowest priority number"
    ),
    "rate_limit_aware": Strategy(
        rate_limit_aware, lambda s, r, now: -headroom(s, now), "most of its rpm and tpm left"
    ),
    "cost_based": Strategy(cost_based, _cost, "cheapest for this very call"),
}
