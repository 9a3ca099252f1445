import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico import errors
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
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from portico.routing.budget import RetryBudget
from portico.routing.eligibility import Exclusion
from portico.routing.retry import (
    FAIL,
    MAX_FALLBACK_DEPTH,
    NEXT,
    RETURN,
    Decision,
    Fallback,
    NextDeployment,
    RetryAfter,
    decide,
    decide_refusal,
    fallback_cause,
    plan_fallbacks,
    rule_of,
    wait_before,
)
from portico.routing.router import Outlook, Refusal, RouteState
from portico.types.deployment import Fallbacks, RetryPolicy, Route

OTHERS = Outlook(untried=True, again_in_s=0.0)
ALONE = Outlook(untried=False, again_in_s=0.0)
HOPELESS = Outlook(untried=False, again_in_s=None)
POLICY = RetryPolicy()


def asked(
    error: GatewayError | None,
    outlook: Outlook,
    *,
    policy: RetryPolicy = POLICY,
    attempts: int = 1,
    elapsed_s: float = 1.0,
    has_fallback: bool = False,
    budget: RetryBudget | None = None,
) -> Decision:
    return decide(
        error,
        policy,
        attempts=attempts,
        elapsed_s=elapsed_s,
        budget=budget or RetryBudget(),
        outlook=outlook,
        now=0.0,
        rng=random.Random(1),
        has_fallback=has_fallback,
    )


LATER = "later"
TRANSIENT = ("next", LATER, "general")
ELSEWHERE = ("next", None, "general")
FINAL = (None, None, None)
CASES: list[tuple[GatewayError, tuple[str | None, str | None, str | None]]] = [
    (UpstreamFailed("x"), TRANSIENT),
    (UpstreamUnavailable("x"), TRANSIENT),
    (UpstreamUnreachable("x", sent=True), TRANSIENT),
    (UpstreamUnreachable("x", sent=False), TRANSIENT),
    (UpstreamProtocol("x"), TRANSIENT),
    (UpstreamTimeout("x", timer="first_byte"), TRANSIENT),
    (UpstreamTimeout("x", timer="total"), FINAL),
    (UpstreamRateLimited("x"), ("next", LATER, "rate_limit")),
    (UpstreamQuotaExceeded("x"), ("next", None, "rate_limit")),
    (UpstreamAuthentication("x"), ELSEWHERE),
    (UpstreamModelNotFound("x"), ELSEWHERE),
    (UpstreamRejected("x", code="model_not_found"), FINAL),
    (UpstreamContextExceeded("x"), (None, None, "context_window")),
    (ContextLengthExceeded("x"), (None, None, "context_window")),
    (UpstreamContentFiltered("x"), (None, None, "content_policy")),
    (UpstreamRejected("x"), FINAL),
]


@pytest.mark.parametrize(("error", "expected"), CASES)
def test_each_error_has_its_row(
    error: GatewayError, expected: tuple[str | None, str | None, str | None]
) -> None:
    elsewhere, again, cause = expected
    assert asked(error, OTHERS) == (NEXT if elsewhere else FAIL)
    assert isinstance(asked(error, ALONE), RetryAfter) == (again == LATER)
    assert asked(error, HOPELESS) == FAIL
    assert fallback_cause(error) == cause
    after = asked(error, HOPELESS, has_fallback=True)
    assert after == (Fallback(cause) if cause else FAIL)  # type: ignore[arg-type]


def test_local_errors_are_never_retried() -> None:
    ours = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type)
        and issubclass(kind, errors.ClientError | errors.GatewayFault)
        and kind is not ContextLengthExceeded
    ]
    assert len(ours) > 20
    for kind in ours:
        error = kind.__new__(kind)
        assert rule_of(error) is None, kind


def test_success_returns() -> None:
    assert asked(None, OTHERS) == RETURN


def test_another_deployment_comes_before_waiting_and_waiting_after_a_fallback() -> None:
    error = UpstreamFailed("x")
    assert asked(error, OTHERS, has_fallback=True) == NEXT
    assert asked(error, ALONE, has_fallback=True) == Fallback("general")


def test_the_last_attempt_is_kept_for_the_fallback() -> None:
    error = UpstreamFailed("x")
    assert asked(error, OTHERS, attempts=2, has_fallback=False) == NEXT
    assert asked(error, OTHERS, attempts=2, has_fallback=True) == Fallback("general")


@pytest.mark.parametrize("has_fallback", [True, False])
def test_no_more_than_max_attempts_and_none_after_the_deadline(has_fallback: bool) -> None:
    error = UpstreamFailed("x")
    assert asked(error, OTHERS, attempts=3, has_fallback=has_fallback) == FAIL
    assert asked(error, OTHERS, elapsed_s=300.0, has_fallback=has_fallback) == FAIL


def test_nothing_is_waited_for_past_the_deadline() -> None:
    policy = RetryPolicy(deadline_s=2.0)
    error = UpstreamRateLimited("x", retry_after_s=1.5)
    assert isinstance(asked(error, ALONE, policy=policy, elapsed_s=0.1), RetryAfter)
    assert asked(error, ALONE, policy=policy, elapsed_s=1.0) == FAIL


@pytest.mark.parametrize(
    ("hint", "outlook", "waits"),
    [
        (None, ALONE, (0.0, 0.1)),
        (2.0, ALONE, (2.0, 2.1)),
        (5.0, ALONE, (5.0, 5.0)),
        (5.1, ALONE, None),
        (None, Outlook(untried=False, again_in_s=3.0), (3.0, 3.1)),
        (None, Outlook(untried=False, again_in_s=60.0), None),
    ],
)
def test_hints_and_cool_downs_are_kept_to_or_not_waited_for(
    hint: float | None, outlook: Outlook, waits: tuple[float, float] | None
) -> None:
    decision = asked(UpstreamRateLimited("x", retry_after_s=hint), outlook)
    if waits is None:
        assert decision == FAIL
    else:
        assert isinstance(decision, RetryAfter)
        assert waits[0] <= decision.seconds <= waits[1]


def test_a_connection_that_carried_nothing_is_tried_again_at_once() -> None:
    assert asked(UpstreamUnreachable("x", sent=False), ALONE) == RetryAfter(0.0)


@given(
    st.integers(1, 1000), st.floats(0, 10), st.floats(0, 10), st.none() | st.floats(0, 100),
    st.integers(),
)  # fmt: skip
def test_back_off_is_jittered_and_bounded(
    attempts: int, base: float, most: float, hint: float | None, seed: int
) -> None:
    policy = RetryPolicy(base_delay_s=base, max_delay_s=most)
    error = UpstreamFailed("x", retry_after_s=hint)
    wait = wait_before(error, policy, attempts, random.Random(seed))
    if wait is None:
        assert hint is not None
        assert hint > most
    else:
        assert (hint or 0.0) <= wait <= most


# The budget


@given(st.integers(0, 300), st.floats(0, 1), st.integers(0, 10), st.integers(0, 100))
def test_extra_attempts_stay_within_the_budget(
    calls: int, ratio: float, floor: int, wanted: int
) -> None:
    budget = RetryBudget(ratio, floor)
    for _ in range(calls):
        budget.requested(1.0)
    taken = sum(budget.take(1.0) for _ in range(wanted))
    assert taken <= max(floor, ratio * calls)
    assert taken == wanted or taken + 1 > max(floor, ratio * calls)


def test_an_outage_is_not_made_worse() -> None:
    budget = RetryBudget()
    attempts = 0
    for number in range(6000):
        budget.requested(number / 100)
        attempts += 1
        while budget.take(number / 100):
            attempts += 1
    assert attempts / 6000 <= 1.21


def test_a_decision_to_try_again_has_paid_for_it() -> None:
    budget = RetryBudget(ratio=0.0, floor=2)
    error = UpstreamFailed("x")
    assert asked(error, OTHERS, budget=budget) == NEXT
    assert asked(error, HOPELESS, budget=budget, has_fallback=True) == Fallback("general")
    assert asked(error, OTHERS, budget=budget) == FAIL
    assert asked(error, ALONE, budget=budget) == FAIL
    assert asked(error, HOPELESS, budget=budget, has_fallback=True) == FAIL


def test_the_budget_forgets() -> None:
    budget = RetryBudget(ratio=0.0, floor=1)
    assert budget.take(0.0)
    assert not budget.take(4.9)
    assert budget.take(10.1)


@given(st.lists(st.sampled_from(CASES), max_size=20), st.integers(1, 6), st.booleans())
def test_a_call_ends_within_its_attempts(
    cases: list[tuple[GatewayError, object]], most: int, has_fallback: bool
) -> None:
    policy = RetryPolicy(max_attempts=most)
    attempts = 0
    for error, _ in cases:
        attempts += 1
        decision = asked(error, OTHERS, policy=policy, attempts=attempts, has_fallback=has_fallback)
        if not isinstance(decision, NextDeployment | RetryAfter | Fallback):
            break
    assert attempts <= most


# Refusals


LIMITED = Refusal("rate_limit", (("a", Exclusion("rpm", 2.0)),), 2.0)


@pytest.mark.parametrize(
    ("refusal", "attempts", "elapsed_s", "has_fallback", "expected"),
    [
        (LIMITED, 0, 0.0, True, Fallback("rate_limit")),
        (LIMITED, 0, 0.0, False, RetryAfter(2.0)),
        (LIMITED, 0, 3.0, False, RetryAfter(2.0)),
        (LIMITED, 0, 3.1, False, FAIL),
        (LIMITED, 3, 0.0, True, FAIL),
        (LIMITED, 0, 299.0, False, FAIL),
        (Refusal("rate_limit", (), 5.1), 0, 0.0, False, FAIL),
        (Refusal("general", (), None), 0, 0.0, False, FAIL),
        (Refusal("context_window", (), None), 0, 0.0, True, Fallback("context_window")),
    ],
)
def test_what_follows_a_refusal(
    refusal: Refusal, attempts: int, elapsed_s: float, has_fallback: bool, expected: Decision
) -> None:
    assert (
        decide_refusal(
            refusal, POLICY, attempts=attempts, elapsed_s=elapsed_s, has_fallback=has_fallback
        )
        == expected
    )


# Fallbacks


def route_of(name: str, fallbacks: Fallbacks) -> Route:
    return Route(name=name, deployments=(), strategy="adaptive", fallbacks=fallbacks)


def test_each_cause_has_its_own_fallbacks_or_the_general_ones() -> None:
    one = route_of("one", Fallbacks(general=("g", "h"), context_window=("big",)))
    routes = {name: route_of(name, Fallbacks()) for name in ("one", "g", "h", "big")}
    assert plan_fallbacks(one, routes, "context_window", ("one",)) == ("big",)
    assert plan_fallbacks(one, routes, "rate_limit", ("one",)) == ("g", "h")
    assert plan_fallbacks(one, routes, "general", ("one", "g")) == ("h",)
    assert plan_fallbacks(routes["g"], routes, "general", ("one", "g")) == ()


def test_what_is_unknown_or_named_twice_is_left_out() -> None:
    one = route_of("one", Fallbacks(general=("two", "missing", "two", "one")))
    routes = {"one": one, "two": route_of("two", Fallbacks())}
    assert plan_fallbacks(one, routes, "general", ("one",)) == ("two",)


def test_an_alias_is_the_route_it_leads_to() -> None:
    one = route_of("one", Fallbacks(general=("first", "second", "two", "third")))
    two, three = (route_of(name, Fallbacks()) for name in ("two", "three"))
    routes = {"one": one, "first": one, "two": two, "second": two, "three": three, "third": three}
    assert plan_fallbacks(one, routes, "general", ("one",)) == ("two", "three")
    assert plan_fallbacks(one, routes, "general", ("one", "two")) == ("three",)


NAMES = [f"r{number}" for number in range(10)]


@given(
    st.fixed_dictionaries(
        {name: st.lists(st.sampled_from(NAMES), max_size=5).map(tuple) for name in NAMES}
    ),
    st.integers(),
)
def test_no_walk_over_fallbacks_visits_a_route_twice_or_goes_too_deep(
    edges: dict[str, tuple[str, ...]], seed: int
) -> None:
    routes = {name: route_of(name, Fallbacks(general=to)) for name, to in edges.items()}
    rng = random.Random(seed)
    visited = ["r0"]
    while names := plan_fallbacks(routes[visited[-1]], routes, "general", visited):
        assert not set(names) & set(visited)
        visited.append(rng.choice(names))
    assert len(visited) == len(set(visited)) <= 1 + MAX_FALLBACK_DEPTH


def test_the_retry_policy_of_a_route_feeds_its_budget(
    make_route: Callable[..., RouteState],
) -> None:
    route = make_route("a", retry=RetryPolicy(budget_ratio=0.1, budget_floor=1))
    assert (route.budget.ratio, route.budget.floor) == (0.1, 1)
