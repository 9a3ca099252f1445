import random
from collections.abc import Callable

import pytest

from portico.errors import (
    Cancelled,
    ContentFiltered,
    GatewayError,
    InternalError,
    InvalidRequest,
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
from portico.policy.limits import RateWindow
from portico.routing import steering
from portico.routing.eligibility import Exclusion, exclusion
from portico.routing.health import (
    DeploymentState,
    Transition,
    carry_over,
    describe,
    finished,
    first_event,
    released,
    started,
)
from portico.types.deployment import CircuitPolicy, Deployment, Limits

MakeState = Callable[..., DeploymentState]
MakeDeployment = Callable[..., Deployment]

FAILURE = UpstreamFailed("500", upstream_status=500)


def attempt(
    state: DeploymentState,
    now: float,
    error: GatewayError | None,
    rng: random.Random,
    *,
    lasting: float = 0.1,
) -> Transition | None:
    return finished(started(state, now), now + lasting, error, rng=rng)


def broken(state: DeploymentState, now: float, rng: random.Random) -> float:
    """Fail until the breaker opens; the time at which it turns half open."""
    for _ in range(state.deployment.circuit.failure_threshold):
        attempt(state, now, FAILURE, rng, lasting=0.0)
    assert state.circuit.name(now) == "open"
    return state.circuit.open_until


def test_a_healthy_deployment_without_limits_costs_one_look(make_state: MakeState) -> None:
    state = make_state()
    assert not state.guarded
    assert exclusion(state, 0.0) is None


def test_a_lease_is_given_back_once(make_state: MakeState, rng: random.Random) -> None:
    state = make_state()
    lease = started(state, 1.0, 10)
    assert state.in_flight == 1
    finished(lease, 2.0, rng=rng)
    finished(lease, 3.0, FAILURE, rng=rng)
    released(lease, 4.0)
    assert (state.in_flight, state.succeeded, state.failed) == (0, 1, 0)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(rpm=1), "rpm"),
        (Limits(tpm=10), "tpm"),
        (Limits(max_concurrent_requests=1), "max_concurrent_requests"),
    ],
)
def test_limits_count_at_admission(make_state: MakeState, limits: Limits, reason: str) -> None:
    state = make_state(limits=limits)
    assert exclusion(state, 1.0, 6) is None
    started(state, 1.0, 6)
    excluded = exclusion(state, 1.0, 6)
    assert excluded is not None
    assert (excluded.reason, excluded.soft) == (reason, False)


def test_concurrency_comes_back_at_the_end_and_rpm_after_a_minute(
    make_state: MakeState, rng: random.Random
) -> None:
    state = make_state(limits=Limits(rpm=1, max_concurrent_requests=1))
    lease = started(state, 0.0)
    first_event(lease, 1.0)
    assert exclusion(state, 50.0) == Exclusion("max_concurrent_requests")
    finished(lease, 50.0, rng=rng)
    assert exclusion(state, 50.0) == Exclusion("rpm", 15.0)
    assert exclusion(state, 65.0) is None


def test_what_was_never_sent_does_not_count(make_state: MakeState) -> None:
    state = make_state(limits=Limits(rpm=1, tpm=10))
    released(started(state, 0.0, 10), 0.5, sent=False)
    assert exclusion(state, 0.5, 10) is None


def test_the_true_use_replaces_the_reserved(make_state: MakeState, rng: random.Random) -> None:
    state = make_state(limits=Limits(tpm=100))
    finished(started(state, 0.0, 100), 1.0, rng=rng, used_tokens=30)
    assert exclusion(state, 1.0, 70) is None
    assert exclusion(state, 1.0, 71) == Exclusion("tpm", 64.0)


# The breaker


@pytest.mark.parametrize(
    "error",
    [
        UpstreamFailed("x"),
        UpstreamUnavailable("x"),
        UpstreamTimeout("x", timer="first_byte"),
        UpstreamUnreachable("x", sent=False),
        UpstreamUnreachable("x", sent=True),
        UpstreamProtocol("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_failures_in_a_row_open_it(
    make_state: MakeState, rng: random.Random, error: GatewayError
) -> None:
    state = make_state()
    for number in range(4):
        assert attempt(state, float(number), error, rng) is None
    transition = attempt(state, 5.0, error, rng)
    assert transition is not None
    assert (transition.deployment, transition.before, transition.after, transition.cause) == (
        "a/m",
        "healthy",
        "open",
        error.code,
    )
    excluded = exclusion(state, 5.2)
    assert excluded is not None
    assert (excluded.reason, excluded.soft) == ("circuit_open", True)


@pytest.mark.parametrize(
    "error",
    [
        UpstreamRejected("x"),
        UpstreamContextExceeded("x"),
        UpstreamContentFiltered("x"),
        Cancelled("x"),
        ContentFiltered("x"),
        InvalidRequest("x"),
        InternalError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_not_its_doing_never_counts(
    make_state: MakeState, rng: random.Random, error: GatewayError
) -> None:
    state = make_state()
    for number in range(50):
        assert attempt(state, float(number), error, rng) is None
    assert describe(state, 51.0) == "healthy"
    assert (state.failed, state.last_error, state.guarded) == (0, None, False)


def test_a_success_between_failures_keeps_it_closed(
    make_state: MakeState, rng: random.Random
) -> None:
    state = make_state(circuit=CircuitPolicy(min_requests=1000))
    for number in range(100):
        attempt(state, float(number), None if number % 5 == 4 else FAILURE, rng)
    assert state.circuit.name(100.0) == "closed"


def test_a_high_share_of_errors_opens_it(make_state: MakeState, rng: random.Random) -> None:
    state = make_state()
    opened = [
        number
        for number in range(30)
        if attempt(state, number / 10, None if number % 3 == 0 else FAILURE, rng)
    ]
    assert opened == [19]


def test_it_stays_open_longer_each_time_with_jitter(
    make_state: MakeState, rng: random.Random
) -> None:
    state = make_state()
    now = 100.0
    lengths = []
    until = broken(state, now, rng)
    for _ in range(30):
        lengths.append(until - now)
        now = until
        attempt(state, now, FAILURE, rng, lasting=10.0)
        until = state.circuit.open_until
        now += 10.0
    for number, length in enumerate(lengths, 1):
        assert 0.75 * min(60.0, 3.0 * number) <= length <= 1.25 * min(60.0, 3.0 * number)
    assert len(set(lengths)) == 30


@pytest.mark.parametrize(
    ("outage_s", "most_s"), [(10.0, 3.0), (60.0, 3.75), (160.0, 10.0), (9600.0, 60.0)]
)
def test_who_fails_quickly_is_asked_again_within_a_share_of_the_outage(
    make_state: MakeState, rng: random.Random, outage_s: float, most_s: float
) -> None:
    state = make_state()
    now = broken(state, 0.0, rng)
    length = 0.0
    while now < outage_s:
        attempt(state, now, FAILURE, rng, lasting=0.05)
        length = state.circuit.open_until - now - 0.05
        now = state.circuit.open_until
    assert length <= 1.25 * most_s + 0.5


def test_one_trial_at_first_and_enough_successes_close_it(
    make_state: MakeState, rng: random.Random
) -> None:
    state = make_state()
    now = broken(state, 0.0, rng)
    assert exclusion(state, now) is None
    trial = started(state, now)
    assert exclusion(state, now) == Exclusion("on_trial", soft=True)
    assert finished(trial, now + 1, rng=rng) is None
    assert describe(state, now + 1) == "half_open"
    second = started(state, now + 1)
    assert finished(second, now + 2, rng=rng) == Transition("a/m", "half_open", "healthy")
    assert exclusion(state, now + 2) is None


def test_who_is_back_gets_two_more_for_each_that_was_answered(
    make_state: MakeState, rng: random.Random
) -> None:
    state = make_state()
    now = broken(state, 0.0, rng)
    admitted = []
    under_way = []
    for _ in range(5):
        newcomers = []
        while exclusion(state, now) is None and state.in_flight < 50:
            newcomers.append(started(state, now))
        admitted.append(len(newcomers))
        for lease in newcomers:
            first_event(lease, now + 0.1)
        for lease in under_way:
            finished(lease, now + 0.2, rng=rng)
        under_way = newcomers
        now += 0.3
    assert admitted == [1, 2, 5, 12, 38]
    assert (state.circuit.name(now), state.guarded) == ("closed", False)


def test_a_breaker_that_closed_is_warm_after_a_while_and_cold_after_a_failure(
    make_state: MakeState, rng: random.Random
) -> None:
    state = make_state()
    now = broken(state, 0.0, rng)
    for _ in range(2):
        attempt(state, now, None, rng, lasting=0.0)
    crowd = [started(state, now) for _ in range(5)]
    assert exclusion(state, now) == Exclusion("warming_up", soft=True)
    assert steering.view(state, now + 9.0, 0.0).warming_up_limit == 5
    assert steering.view(state, now + 10.0, 0.0).warming_up_limit is None
    assert exclusion(state, now + 10.0) is None
    assert not state.guarded
    for lease in crowd:
        finished(lease, now + 11.0, FAILURE, rng=rng)
    again = state.circuit.open_until
    attempt(state, again, None, rng, lasting=0.0)
    assert [started(state, again) for _ in range(3)]
    assert exclusion(state, again) == Exclusion("on_trial", soft=True)


def test_closing_forgives_the_errors(make_state: MakeState, rng: random.Random) -> None:
    state = make_state()
    now = broken(state, 0.0, rng)
    assert state.expectation.errors(now) > 0.5
    for _ in range(2):
        attempt(state, now, None, rng, lasting=0.0)
    assert state.expectation.errors(now) == 0.0


def test_a_trial_that_streams_makes_room_for_others(
    make_state: MakeState, rng: random.Random
) -> None:
    state = make_state()
    now = broken(state, 0.0, rng)
    first_event(started(state, now), now + 1)
    assert exclusion(state, now + 1) is None


def test_a_trial_that_is_cancelled_makes_room_for_the_next(
    make_state: MakeState, rng: random.Random
) -> None:
    state = make_state()
    now = broken(state, 0.0, rng)
    released(started(state, now), now + 1)
    assert exclusion(state, now + 1) is None


def test_a_trial_that_hangs_while_it_opens_again_does_not_stop_the_next(
    make_state: MakeState, rng: random.Random
) -> None:
    state = make_state()
    now = broken(state, 0.0, rng)
    started(state, now)
    attempt(state, now, FAILURE, rng, lasting=0.0)
    assert state.circuit.open_until > now
    assert exclusion(state, state.circuit.open_until) is None


def test_old_attempts_do_not_judge_a_breaker_that_moved(
    make_state: MakeState, rng: random.Random
) -> None:
    state = make_state()
    old = [started(state, 0.0) for _ in range(12)]
    until = broken(state, 1.0, rng)
    for lease in old[:5]:
        finished(lease, 2.0, rng=rng)
    assert state.circuit.name(2.0) == "open"
    attempt(state, until, None, rng)
    attempt(state, until + 1, None, rng)
    for lease in old[5:]:
        finished(lease, until + 2, FAILURE, rng=rng)
    assert state.circuit.name(until + 2) == "closed"


def test_overruled_attempts_do_not_prolong_it(make_state: MakeState, rng: random.Random) -> None:
    state = make_state()
    until = broken(state, 0.0, rng)
    for number in range(20):
        attempt(state, 0.01 * number, FAILURE, rng, lasting=0.0)
    assert state.circuit.open_until == until


# Cool-downs, credentials, missing models


def test_a_429_comes_back_exactly_when_it_says(make_state: MakeState, rng: random.Random) -> None:
    state = make_state()
    transition = attempt(state, 0.0, UpstreamRateLimited("x", retry_after_s=20.0), rng, lasting=0.0)
    assert transition == Transition("a/m", "healthy", "cooldown", "rate_limit_exceeded", 20.0)
    assert exclusion(state, 19.0) == Exclusion("cooldown", 1.0)
    assert exclusion(state, 20.0) is None
    assert not state.guarded


def test_a_429_without_a_hint_doubles_but_those_in_flight_together_count_once(
    make_state: MakeState, rng: random.Random
) -> None:
    state = make_state()
    error = UpstreamRateLimited("x")
    together = [started(state, 0.0) for _ in range(50)]
    for lease in together:
        finished(lease, 1.0, error, rng=rng)
    assert state.cool_until <= 2.0
    now = 2.0
    for number in range(1, 8):
        attempt(state, now, error, rng, lasting=0.0)
        wait = state.cool_until - now
        assert 0.5 * min(60.0, 2.0**number) <= wait <= min(60.0, 2.0**number)
        now = state.cool_until
    attempt(state, now, None, rng)
    attempt(state, now + 1, error, rng, lasting=0.0)
    assert state.cool_until - (now + 1) <= 1.0


def test_a_longer_cool_down_stays(make_state: MakeState, rng: random.Random) -> None:
    state = make_state()
    attempt(state, 0.0, UpstreamRateLimited("x", retry_after_s=50.0), rng, lasting=0.0)
    attempt(state, 0.0, UpstreamRateLimited("x", retry_after_s=5.0), rng, lasting=0.0)
    assert state.cool_until == 50.0


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (UpstreamRateLimited("x", retry_after_s=10**9), 3600.0),
        (UpstreamUnavailable("x", retry_after_s=10**9), 60.0),
        (UpstreamQuotaExceeded("x"), 300.0),
    ],
)
def test_waits_are_bounded(
    make_state: MakeState, rng: random.Random, error: GatewayError, wait: float
) -> None:
    state = make_state()
    attempt(state, 0.0, error, rng, lasting=0.0)
    assert exclusion(state, 0.0) == Exclusion("cooldown", wait)


def test_a_refused_key_marks_all_that_share_it_and_nobody_else(
    make_deployment: MakeDeployment, rng: random.Random
) -> None:
    same = {"key": "one", "host": "p.example"}
    deployments = (
        make_deployment("a", **same),
        make_deployment("b", **same),
        make_deployment("c", key="two", host="p.example"),
    )
    a, b, c = carry_over(deployments, {}, RateWindow).values()
    attempt(a, 0.0, UpstreamAuthentication("x", upstream_status=401), rng, lasting=0.0)
    assert exclusion(a, 1.0) == exclusion(b, 1.0) == Exclusion("credential", 29.0, soft=True)
    assert exclusion(c, 1.0) is None
    attempt(b, 30.0, UpstreamAuthentication("x", upstream_status=401), rng, lasting=0.0)
    assert exclusion(a, 30.0) == Exclusion("credential", 60.0, soft=True)
    attempt(b, 90.0, None, rng)
    assert exclusion(a, 90.0) is None


@pytest.mark.parametrize(
    "error",
    [
        UpstreamModelNotFound("x"),
        UpstreamAuthentication("x", upstream_status=403),
    ],
)
def test_a_missing_model_marks_only_that_deployment(
    make_deployment: MakeDeployment, rng: random.Random, error: GatewayError
) -> None:
    deployments = tuple(make_deployment(name, key="one", host="p.example") for name in "ab")
    a, b = carry_over(deployments, {}, RateWindow).values()
    attempt(a, 0.0, error, rng, lasting=0.0)
    assert exclusion(a, 0.0) == Exclusion("model_missing", 60.0, soft=True)
    assert exclusion(b, 0.0) is None


# Expectations


def test_a_slower_first_event_counts_at_once_a_faster_one_in_time(make_state: MakeState) -> None:
    state = make_state()
    first_event(started(state, 0.0), 1.0)
    first_event(started(state, 0.0), 5.0)
    assert state.expectation.ttft_s == 5.0
    first_event(started(state, 5.0), 6.0)
    assert state.expectation.ttft_s == pytest.approx(1.0 + 4.0 * 2.718281828 ** (-1 / 3))
    first_event(started(state, 199.0), 200.0)
    assert state.expectation.ttft_s == pytest.approx(1.0)


def test_the_pace_of_tokens_is_believed_the_sooner_the_older_the_one_before(
    make_state: MakeState, rng: random.Random
) -> None:
    state = make_state()

    def stream(began_at: float, seconds: float) -> float | None:
        lease = started(state, began_at)
        first_event(lease, began_at)
        finished(lease, began_at + seconds, rng=rng, output_tokens=10)
        return state.expectation.per_token_s

    assert stream(0.0, 10.0) == 1.0
    assert stream(0.1, 5.0) == pytest.approx(0.9)
    assert stream(30.1, 1.0) == pytest.approx(0.1, abs=0.001)
    assert stream(20.0, 10.0) == pytest.approx(0.28, abs=0.001)


def test_whole_answers_scale_what_streams_taught(make_state: MakeState, rng: random.Random) -> None:
    state = make_state()
    lease = started(state, 0.0)
    first_event(lease, 1.0)
    finished(lease, 2.0, rng=rng, output_tokens=100)
    assert state.expectation.per_token_s == pytest.approx(0.01)
    finished(started(state, 10.0), 14.0, rng=rng, output_tokens=100)
    assert state.expectation.ttft_s == pytest.approx(2.0)
    assert state.expectation.per_token_s == pytest.approx(0.012)


def test_errors_fade(make_state: MakeState, rng: random.Random) -> None:
    state = make_state()
    attempt(state, 0.0, FAILURE, rng, lasting=0.0)
    assert state.expectation.errors(0.0) == 0.25
    assert state.expectation.errors(15.0) == pytest.approx(0.25 / 2.718281828)
    attempt(state, 0.0, None, rng, lasting=0.0)
    assert state.expectation.errors(0.0) == pytest.approx(0.1875)


# Reloads and the administrator


def test_a_reload_keeps_the_state_of_what_did_not_change(
    make_deployment: MakeDeployment, rng: random.Random
) -> None:
    old = carry_over([make_deployment(name) for name in "abc"], {}, RateWindow)
    broken(old["a/m"], 0.0, rng)
    lease = started(old["b/m"], 0.0)
    new = carry_over(
        [
            make_deployment("a", weight=3.0, limits=Limits(max_concurrent_requests=1)),
            make_deployment("b"),
            make_deployment("c", key="another"),
        ],
        old,
        RateWindow,
    )
    assert new["a/m"] is old["a/m"]
    assert new["b/m"] is old["b/m"]
    assert new["c/m"] is not old["c/m"]
    assert new["a/m"].circuit.name(0.0) == "open"
    assert (new["a/m"].weight, new["a/m"].max_in_flight) == (3.0, 1)
    finished(lease, 1.0, rng=rng)
    assert new["b/m"].in_flight == 0


@pytest.mark.parametrize("steer", [steering.disable, steering.drain])
def test_a_reload_keeps_what_an_administrator_said_of_a_name(
    make_deployment: MakeDeployment, steer: Callable[[DeploymentState], None]
) -> None:
    old = carry_over([make_deployment("a", key="one")], {}, RateWindow)
    steer(old["a/m"])
    new = carry_over([make_deployment("a", key="two")], old, RateWindow)["a/m"]
    assert new is not old["a/m"]
    assert describe(new, 0.0) == describe(old["a/m"], 0.0) != "healthy"
    assert exclusion(new, 0.0) is not None
    steering.enable(new)
    assert exclusion(new, 0.0) is None


def test_a_reload_without_changes_changes_nothing(
    make_deployment: MakeDeployment, rng: random.Random
) -> None:
    deployments = [make_deployment(name, limits=Limits(rpm=5)) for name in "ab"]
    old = carry_over(deployments, {}, RateWindow)
    broken(old["a/m"], 0.0, rng)
    attempt(old["b/m"], 0.0, UpstreamRateLimited("x", retry_after_s=9.0), rng)
    before = [steering.view(state, 1.0, 0.0) for state in old.values()]
    new = carry_over(deployments, old, RateWindow)
    assert [steering.view(state, 1.0, 0.0) for state in new.values()] == before
    assert [s.credential.members for s in new.values()] == [[s] for s in new.values()]


def test_the_administrator_disables_drains_enables_and_resets(
    make_state: MakeState, rng: random.Random
) -> None:
    state = make_state()
    steering.disable(state)
    assert exclusion(state, 0.0) == Exclusion("disabled")
    steering.enable(state)
    steering.drain(state)
    assert exclusion(state, 0.0) == Exclusion("draining")
    steering.enable(state)
    assert exclusion(state, 0.0) is None
    broken(state, 0.0, rng)
    attempt(state, 0.0, UpstreamQuotaExceeded("x"), rng)
    steering.reset(state, 1.0)
    assert exclusion(state, 1.0) is None
    assert describe(state, 1.0) == "healthy"


def test_the_view_shows_it_all(make_state: MakeState, rng: random.Random) -> None:
    state = make_state(limits=Limits(rpm=9), key="sk-0123456789abcdefgh")
    lease = started(state, 0.0, 50)
    first_event(lease, 0.5)
    finished(lease, 1.5, rng=rng, output_tokens=100)
    started(state, 2.0)
    attempt(state, 2.0, UpstreamRateLimited("Slow down.", retry_after_s=10.0), rng, lasting=0.0)
    assert steering.view(state, 3.0, 1_795_000_000.5) == steering.DeploymentView(
        id="a/m",
        provider="a",
        model="m",
        dialects=("openai",),
        key="sk-…efgh",
        state="cooldown",
        in_flight=1,
        requests=3,
        succeeded=1,
        failed=1,
        requests_last_minute=3,
        tokens_last_minute=50,
        rpm=9,
        tpm=None,
        max_concurrent_requests=None,
        in_flight_limit=None,
        weight=1.0,
        order=0,
        priority=0,
        circuit="closed",
        circuit_openings=0,
        warming_up_limit=None,
        returns_at="2026-11-18T11:06:49.500Z",
        returns_in_s=9.0,
        credential_refusals=0,
        ttft_ms=500.0,
        per_token_ms=10.0,
        error_share=0.0,
        last_error="rate_limit_exceeded",
        last_error_message="Slow down.",
        last_error_at="2026-11-18T11:06:39.500Z",
        last_error_ago_s=1.0,
        last_used_at="2026-11-18T11:06:39.500Z",
        last_used_ago_s=1.0,
        health_check=None,
    )


def test_a_long_message_is_shortened(make_state: MakeState, rng: random.Random) -> None:
    state = make_state()
    attempt(state, 0.0, UpstreamFailed("x" * 5000), rng)
    assert steering.view(state, 1.0, 0.0).last_error_message == "x" * 299 + "…"
