import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from portico.errors import (
    Cancelled,
    GatewayError,
    NoDeployment,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
)
from portico.policy.limits import RateWindow
from portico.routing import steering
from portico.routing.affinity import session_of
from portico.routing.eligibility import Exclusion
from portico.routing.health import (
    DeploymentState,
    carry_over,
    cool,
    finished,
    first_event,
    started,
)
from portico.routing.router import (
    Candidate,
    Explanation,
    Outlook,
    Refusal,
    RouteState,
    explain,
    next_deployment,
    outlook,
    refusal_error,
    refuse,
)
from portico.routing.strategies import RoutingRequest
from portico.types.deployment import Deployment, Limits, Route

MakeDeployment = Callable[..., Deployment]
MakeRoute = Callable[..., RouteState]

FAILURE = UpstreamFailed("x")


def chosen(
    route: RouteState,
    rng: random.Random,
    now: float = 0.0,
    tried: tuple[str, ...] = (),
    request: RoutingRequest = RoutingRequest(),  # noqa: B008
) -> str | None:
    choice = next_deployment(route, now=now, rng=rng, tried=tried, request=request)
    return choice.deployment.id if isinstance(choice, DeploymentState) else None


def open_circuit(state: DeploymentState, now: float, rng: random.Random) -> None:
    for _ in range(5):
        finished(started(state, now), now, FAILURE, rng=rng)


def test_a_route_takes_turns(make_route: MakeRoute, rng: random.Random) -> None:
    route = make_route("a", "b", "c")
    assert [chosen(route, rng) for _ in range(4)] == ["a/m", "b/m", "c/m", "a/m"]


def test_each_deployment_once_before_any_twice(make_route: MakeRoute, rng: random.Random) -> None:
    route = make_route("a", "b", "c")
    tried: tuple[str, ...] = ()
    for _ in range(3):
        tried += (chosen(route, rng, tried=tried) or "",)
    assert sorted(tried) == ["a/m", "b/m", "c/m"]
    assert chosen(route, rng, tried=tried) in tried


@pytest.mark.parametrize(
    ("fields", "request_", "reason"),
    [
        ({"abilities": frozenset({"tools"})}, {"needs": frozenset({"vision"})}, "abilities"),
        ({"max_input_tokens": 100}, {"input_tokens": 101}, "context_window"),
        ({"tags": ("eu",)}, {"tags": ("us",)}, "tags"),
        ({"region": "eu"}, {"region": "us"}, "region"),
        ({}, {"region": "us"}, "region"),
    ],
)
def test_the_unfit_are_left_out(
    make_route: MakeRoute,
    make_deployment: MakeDeployment,
    rng: random.Random,
    fields: dict[str, object],
    request_: dict[str, object],
    reason: str,
) -> None:
    request = RoutingRequest(**request_)  # type: ignore[arg-type]
    fit = {
        "abilities": frozenset({"vision", "tools"}),
        "max_input_tokens": 1000,
        "tags": ("us", "x"),
        "region": "us",
    }
    route = make_route(make_deployment("a", **fields), make_deployment("b", **fit))
    assert {chosen(route, rng, request=request) for _ in range(10)} == {"b/m"}
    alone = make_route(make_deployment("a", **fields))
    refusal = next_deployment(alone, now=0.0, rng=rng, request=request)
    assert isinstance(refusal, Refusal)
    assert refusal.excluded == (("a/m", Exclusion(reason)),)  # type: ignore[arg-type]
    assert refusal.cause == ("context_window" if reason == "context_window" else "general")


def test_what_nobody_knows_excludes_nothing(make_route: MakeRoute, rng: random.Random) -> None:
    request = RoutingRequest(needs=frozenset({"vision"}), input_tokens=10**9)
    assert chosen(make_route("a"), rng, request=request) == "a/m"


def test_a_higher_tier_only_while_no_lower_one_can(
    make_route: MakeRoute, make_deployment: MakeDeployment, rng: random.Random
) -> None:
    route = make_route(
        make_deployment("a", limits=Limits(max_concurrent_requests=1)),
        make_deployment("b"),
        make_deployment("c", order=1),
    )
    assert {chosen(route, rng) for _ in range(10)} == {"a/m", "b/m"}
    assert {chosen(route, rng, tried=("a/m",)) for _ in range(10)} == {"b/m"}
    assert chosen(route, rng, tried=("a/m", "b/m")) == "c/m"
    started(route.states[0], 0.0)
    steering.disable(route.states[1])
    assert chosen(route, rng) == "c/m"


def test_an_open_breaker_is_avoided_but_never_the_last(
    make_route: MakeRoute, rng: random.Random
) -> None:
    route = make_route("a", "b")
    a, b = route.states
    open_circuit(a, 0.0, rng)
    assert {chosen(route, rng, now=0.1) for _ in range(10)} == {"b/m"}
    open_circuit(b, 0.0, rng)
    assert {chosen(route, rng, now=0.1) for _ in range(10)} == {"a/m", "b/m"}


def test_an_open_breaker_is_overruled_when_the_other_is_at_its_limit(
    make_route: MakeRoute, make_deployment: MakeDeployment, rng: random.Random
) -> None:
    route = make_route("a", make_deployment("b", limits=Limits(rpm=0)))
    open_circuit(route.states[0], 0.0, rng)
    assert chosen(route, rng, now=0.1) == "a/m"


def test_hard_reasons_are_never_overruled(make_route: MakeRoute, rng: random.Random) -> None:
    route = make_route("a")
    steering.disable(route.states[0])
    refusal = next_deployment(route, now=0.0, rng=rng)
    assert refusal == Refusal("general", (("a/m", Exclusion("disabled")),), None)
    assert isinstance(refusal, Refusal)
    error = refusal_error(route, refusal)
    assert isinstance(error, NoDeployment)
    assert error.message == ("No deployment of `r` can take this request now (a/m: disabled).")


def test_a_refusal_says_when_to_come_back(
    make_route: MakeRoute, make_deployment: MakeDeployment, rng: random.Random
) -> None:
    route = make_route("a", make_deployment("b", limits=Limits(rpm=1)))
    started(route.states[1], 0.0)
    cool(route.states[0], 0.0, 20.0)
    refusal = next_deployment(route, now=5.0, rng=rng)
    assert refusal == Refusal(
        "rate_limit",
        (("a/m", Exclusion("cooldown", 15.0)), ("b/m", Exclusion("rpm", 60.0))),
        15.0,
    )
    assert isinstance(refusal, Refusal)
    error = refusal_error(route, refusal)
    assert isinstance(error, UpstreamRateLimited)
    assert (error.status, error.retry_after_s) == (429, 15.0)


def test_a_request_that_no_limit_will_ever_admit_is_not_told_to_come_back(
    make_route: MakeRoute, make_deployment: MakeDeployment, rng: random.Random
) -> None:
    route = make_route(make_deployment("a", limits=Limits(tpm=100)))
    refusal = next_deployment(route, now=5.0, rng=rng, request=RoutingRequest(tokens=101))
    assert refusal == Refusal("rate_limit", (("a/m", Exclusion("tpm")),), None)
    assert isinstance(refusal, Refusal)
    error = refusal_error(route, refusal)
    assert isinstance(error, UpstreamRateLimited)
    assert (error.status, error.retry_after_s) == (429, None)
    assert "more tokens than `tpm` allows" in error.message


def test_a_session_comes_before_the_strategy_but_after_eligibility(
    make_route: MakeRoute, rng: random.Random
) -> None:
    route = make_route("a", "b", "c", "d")
    request = RoutingRequest(session=session_of("k", "s"))
    favourite = chosen(route, rng, request=request)
    assert {chosen(route, rng, request=request) for _ in range(10)} == {favourite}
    second = chosen(route, rng, request=request, tried=(favourite or "",))
    assert second != favourite
    steering.drain(next(s for s in route.states if s.deployment.id == favourite))
    assert chosen(route, rng, request=request) == second


def test_the_outlook_overrules_no_breaker(
    make_route: MakeRoute, make_deployment: MakeDeployment, rng: random.Random
) -> None:
    route = make_route("a", "b")
    a, b = route.states
    assert outlook(route, now=0.0, tried=("a/m",)) == Outlook(untried=True, again_in_s=0.0)
    open_circuit(b, 0.0, rng)
    assert outlook(route, now=0.0, tried=("a/m",)) == Outlook(untried=False, again_in_s=0.0)
    cool(a, 0.0, 3.0)
    assert outlook(route, now=1.0, tried=("a/m",)) == Outlook(untried=False, again_in_s=2.0)
    steering.disable(a)
    assert outlook(route, now=1.0, tried=("a/m",)) == Outlook(untried=False, again_in_s=None)


def test_an_explanation_names_every_deployment(
    make_route: MakeRoute, make_deployment: MakeDeployment, rng: random.Random
) -> None:
    route = make_route("a", "b", make_deployment("c", order=1), strategy="least_busy")
    a, b, _ = route.states
    started(b, 0.0)
    steering.disable(a)
    choice = chosen(route, rng)
    fields = {"was_tried": False, "score": 0.0, "in_flight": 0, "excluded": None}
    assert explain(route, now=0.0, chosen=choice) == Explanation(
        route="r",
        strategy="least_busy",
        chosen="b/m",
        session_order=(),
        candidates=(
            Candidate(
                deployment="a/m",
                state="disabled",
                is_candidate=False,
                **(fields | {"excluded": Exclusion("disabled")}),
            ),
            Candidate(
                deployment="b/m",
                state="healthy",
                is_candidate=True,
                **(fields | {"score": 1.0, "in_flight": 1}),
            ),
            Candidate(deployment="c/m", state="healthy", is_candidate=False, **fields),
        ),
    )


def test_an_explanation_changes_nothing(make_route: MakeRoute, rng: random.Random) -> None:
    route = make_route("a", "b")
    request = RoutingRequest(session=session_of("s"))
    first = explain(route, now=0.0, request=request)
    assert explain(route, now=0.0, request=request) == first
    assert set(first.session_order) == {"a/m", "b/m"}
    assert (route.turn, route.budget.take(0.0)) == (0, True)


def test_a_new_configuration_goes_on_where_the_old_one_was(
    make_deployment: MakeDeployment, rng: random.Random
) -> None:
    deployments = tuple(make_deployment(name) for name in "ab")
    states = carry_over(deployments, {}, RateWindow)
    route = Route(name="r", deployments=deployments, strategy="round_robin")
    old = RouteState(route, states)
    chosen(old, rng)
    new = RouteState(route, states, old)
    assert chosen(new, rng) == "b/m"
    assert new.budget is old.budget


def test_who_may_take_it_is_who_is_chosen(make_route: MakeRoute, rng: random.Random) -> None:
    route = make_route("a", "b", "c", strategy="simple_shuffle")
    steering.disable(route.states[1])
    counts = Counter(chosen(route, rng) for _ in range(100))
    assert set(counts) == {"a/m", "c/m"}
    assert refuse(route, now=0.0).excluded == (("b/m", Exclusion("disabled")),)


# Whatever happens, in whatever order

OUTCOMES: list[GatewayError | None] = [
    None,
    FAILURE,
    UpstreamTimeout("x", timer="idle"),
    UpstreamRateLimited("x", retry_after_s=5.0),
    UpstreamRateLimited("x"),
    UpstreamRejected("x"),
    Cancelled("x"),
]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["call", "call", "end"]),
        st.floats(0.0, 10.0),
        st.integers(0, 6),
        st.integers(0, 60),
    ),
    max_size=150,
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=STEPS,
    strategy=st.sampled_from(["adaptive", "round_robin", "least_busy", "rate_limit_aware"]),
)
def test_limits_hold_breakers_leave_one_and_all_leases_come_back(
    make_route: MakeRoute,
    make_deployment: MakeDeployment,
    steps: list[tuple[str, float, int, int]],
    strategy: str,
) -> None:
    rng = random.Random(5)
    limits = Limits(rpm=8, tpm=200, max_concurrent_requests=3)
    route = make_route(
        make_deployment("a", limits=limits),
        make_deployment("b", limits=limits),
        "free",
        strategy=strategy,
    )
    a, b, free = route.states
    now = 1000.0
    leases = []
    admitted: dict[str, list[tuple[float, int]]] = {
        state.deployment.id: [] for state in route.states
    }
    for what, step, number, tokens in steps:
        now += step
        if what == "end" and leases:
            lease = leases.pop(number % len(leases))
            if number % 2:
                first_event(lease, now)
            finished(lease, now, OUTCOMES[number], rng=rng)
            continue
        choice = next_deployment(route, now=now, rng=rng, request=RoutingRequest(tokens=tokens))
        if isinstance(choice, Refusal):
            assert free.cool_until > now
            assert all(not reason.soft for _, reason in choice.excluded)
            continue
        leases.append(started(choice, now, tokens))
        admitted[choice.deployment.id].append((now, tokens))
        for state in (a, b):
            assert state.in_flight <= 3
            recent = [used for at, used in admitted[state.deployment.id] if at > now - 60.0]
            assert len(recent) <= 8
            assert sum(recent) <= 200
    for lease in leases:
        finished(lease, now, None, rng=rng)
    assert [state.in_flight for state in route.states] == [0, 0, 0]
    assert [state.circuit.trials for state in route.states] == [set(), set(), set()]


def test_two_routes_give_the_same_deployments_different_priorities(
    make_deployment: MakeDeployment, rng: random.Random
) -> None:
    a, b = make_deployment("a"), make_deployment("b")
    states = carry_over([a, b], {}, RateWindow)

    def first(*deployments: Deployment) -> str:
        route = Route(name="r", deployments=deployments, strategy="priority_based")
        choice = next_deployment(RouteState(route, states), now=0.0, rng=rng)
        assert isinstance(choice, DeploymentState)
        return choice.deployment.id

    assert first(a, structs.replace(b, priority=1)) == "a/m"
    assert first(structs.replace(a, priority=1), b) == "b/m"
