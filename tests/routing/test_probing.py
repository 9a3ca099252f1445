"""What active health checks teach, and what they leave to the calls."""

import random
from collections.abc import Callable

import pytest

from portico.errors import UpstreamFailed
from portico.routing.eligibility import Exclusion, exclusion
from portico.routing.health import DeploymentState, Transition, describe, finished, started
from portico.routing.probing import ProbeState, Verdict, judge, learn
from portico.types.deployment import ProbePolicy

MakeState = Callable[..., DeploymentState]


def policy(endpoint: str | None = None, **fields: float) -> ProbePolicy:
    return ProbePolicy(
        interval_s=fields.get("interval_s", 10.0),
        timeout_s=5.0,
        failure_threshold=3,
        recovery_s=60.0,
        endpoint=endpoint,
        expected_codes=(200, 204),
    )


def probed(state: DeploymentState, rng: random.Random) -> ProbeState:
    probe = state.credential.probe = ProbeState("a", policy(), 0.0, rng)
    return probe


def hear(
    state: DeploymentState, probe: ProbeState, now: float, verdict: Verdict
) -> list[Transition]:
    return learn(state.credential, probe, verdict, now, None if verdict == "good" else "HTTP 503")


@pytest.mark.parametrize(
    ("status", "by_list", "by_endpoint"),
    [
        (200, "good", "good"),
        (204, "good", "good"),
        (201, "unclear", "bad"),
        (301, "unclear", "bad"),
        (401, "unclear", "bad"),
        (403, "unclear", "bad"),
        (404, "unclear", "bad"),
        (405, "unclear", "bad"),
        (408, "bad", "bad"),
        (429, "unclear", "bad"),
        (500, "bad", "bad"),
        (503, "bad", "bad"),
        (529, "bad", "bad"),
    ],
)
def test_what_a_status_says(status: int, by_list: Verdict, by_endpoint: Verdict) -> None:
    assert judge(policy(), status) == by_list
    assert judge(policy("/health"), status) == by_endpoint


def test_failures_in_a_row_keep_it_out_until_a_good_one(
    make_state: MakeState, rng: random.Random
) -> None:
    state = make_state()
    probe = probed(state, rng)
    assert [hear(state, probe, now, "bad") for now in (10.0, 20.0)] == [[], []]
    assert describe(state, 20.0) == "healthy"
    assert hear(state, probe, 30.0, "bad") == [
        Transition("a/m", "healthy", "open", "health_check", 60.0)
    ]
    assert exclusion(state, 31.0) == Exclusion("circuit_open", 59.0, soft=True)
    assert hear(state, probe, 40.0, "bad") == []
    assert exclusion(state, 41.0) == Exclusion("circuit_open", 59.0, soft=True)
    assert hear(state, probe, 50.0, "good") == [
        Transition("a/m", "open", "half_open", "health_check")
    ]
    assert exclusion(state, 50.0) is None
    trial = started(state, 50.0)
    assert exclusion(state, 50.0) == Exclusion("on_trial", soft=True)
    finished(trial, 50.5, rng=rng)
    finished(started(state, 50.5), 51.0, rng=rng)
    assert describe(state, 51.0) == "healthy"


def test_after_a_while_a_call_tries_it_all_the_same(
    make_state: MakeState, rng: random.Random
) -> None:
    state = make_state()
    probe = probed(state, rng)
    for now in (10.0, 20.0, 30.0):
        hear(state, probe, now, "bad")
    assert exclusion(state, 90.0) is None
    assert describe(state, 90.0) == "half_open"


def test_a_good_or_unclear_check_between_begins_the_count_anew_or_not(
    make_state: MakeState, rng: random.Random
) -> None:
    state = make_state()
    probe = probed(state, rng)
    for now, verdict in enumerate(("bad", "bad", "good", "bad", "unclear", "bad")):
        assert hear(state, probe, float(now), verdict) == []
    assert probe.bad_in_a_row == 2
    assert hear(state, probe, 9.0, "bad")


def test_who_has_answered_calls_is_not_ill(make_state: MakeState, rng: random.Random) -> None:
    state = make_state()
    probe = probed(state, rng)
    for now in range(1, 20):
        finished(started(state, now - 0.5), now - 0.4, rng=rng)
        assert hear(state, probe, float(now), "bad") == []
    assert describe(state, 20.0) == "healthy"
    assert [change.after for change in hear(state, probe, 21.0, "bad")] == ["open"]


def test_a_good_check_says_nothing_of_a_failure_that_checks_do_not_see(
    make_state: MakeState, rng: random.Random
) -> None:
    state = make_state()
    probe = probed(state, rng)
    hear(state, probe, 1.0, "good")
    for _ in range(5):
        finished(started(state, 2.0), 2.0, UpstreamFailed("x"), rng=rng)
    until = state.circuit.open_until
    assert hear(state, probe, 2.5, "good") == []
    assert state.circuit.open_until == until


def test_a_good_check_after_a_bad_one_ends_an_opening_that_calls_brought(
    make_state: MakeState, rng: random.Random
) -> None:
    state = make_state()
    probe = probed(state, rng)
    for _ in range(5):
        finished(started(state, 2.0), 2.0, UpstreamFailed("x"), rng=rng)
    hear(state, probe, 2.1, "bad")
    assert [change.after for change in hear(state, probe, 2.5, "good")] == ["half_open"]
    assert exclusion(state, 2.5) is None


def test_all_deployments_with_the_key_come_and_go_together(
    make_state: MakeState, rng: random.Random
) -> None:
    one, other = make_state("a"), make_state("b")
    other.credential = one.credential
    one.credential.members = [one, other]
    probe = probed(one, rng)
    for now in (1.0, 2.0):
        hear(one, probe, now, "bad")
    assert [c.deployment for c in hear(one, probe, 3.0, "bad")] == ["a/m", "b/m"]
    assert [c.deployment for c in hear(one, probe, 4.0, "good")] == ["a/m", "b/m"]


def test_checks_are_spread(rng: random.Random) -> None:
    begins = {ProbeState("a", policy(), 100.0, rng).due_at for _ in range(50)}
    assert len(begins) == 50
    assert 100.0 <= min(begins) <= max(begins) <= 101.0
    probe = ProbeState("a", policy(), 100.0, rng)
    gaps = []
    for number in range(50):
        probe.asked(200.0 + number, rng)
        gaps.append(probe.due_at - 200.0 - number)
    assert len(set(gaps)) == 50
    assert 9.0 <= min(gaps) <= max(gaps) <= 11.0


def test_a_shorter_interval_holds_at_once(rng: random.Random) -> None:
    probe = ProbeState("a", policy(), 0.0, rng)
    probe.asked(0.0, rng)
    probe.adopt(policy(interval_s=2.0), 1.0)
    assert probe.due_at == 3.0
