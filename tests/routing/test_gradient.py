"""How many a deployment takes at once, told from how much later its answers begin."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.routing_sim import CROWDS, crowd
from portico.routing.concurrency import Aimd, Concurrency
from portico.routing.gradient import FIRST_LIMIT, MOST, Gradient
from portico.routing.health import DeploymentState, finished, first_event, started
from portico.types.deployment import Limits

MakeState = Callable[..., DeploymentState]


def rounds(finder: Concurrency, now: float, number: int, seconds: float) -> float:
    """Crowds as large as the limit, one after the other, each of whose answers begin so late."""
    for _ in range(number):
        in_flight = int(finder.limit)
        for _ in range(in_flight):
            finder.first_event(now, now + seconds, in_flight)
        now += seconds
    return now


def test_it_rises_while_answers_begin_as_usual() -> None:
    finder = Gradient()
    rounds(finder, 0.0, 20, 0.4)
    assert FIRST_LIMIT < finder.limit < 60.0


def test_a_limit_that_is_not_in_use_stays() -> None:
    finder = Gradient()
    for number in range(500):
        finder.first_event(number, number + 0.4, 5)
    assert finder.limit == FIRST_LIMIT


@pytest.mark.parametrize(
    ("times", "falls"), [(1.2, False), (1.4, False), (3.0, True), (10.0, True)]
)
def test_it_falls_when_they_begin_much_later(times: float, falls: bool) -> None:
    finder = Gradient()
    now = rounds(finder, 0.0, 10, 0.4)
    before = finder.limit
    rounds(finder, now, 5, 0.4 * times)
    assert (finder.limit < before) is falls


def test_it_comes_back_when_they_are_as_before() -> None:
    finder = Gradient()
    now = rounds(finder, 0.0, 10, 0.4)
    before = finder.limit
    now = rounds(finder, now, 20, 2.0)
    assert finder.limit < before / 2
    rounds(finder, now, 30, 0.4)
    assert finder.limit >= before


def test_a_crowd_moves_it_once() -> None:
    finder = Gradient()
    finder.first_event(0.0, 0.4, 20)
    finder.first_event(1.0, 1.4, 20)
    moved = finder.limit
    for _ in range(19):
        finder.first_event(1.0, 1.4, 20)
    assert finder.limit == moved
    finder.refused(1.0, 1.5, 20)
    assert finder.limit == moved
    finder.refused(1.5, 1.6, 20)
    assert finder.limit == pytest.approx(14.0)


def test_whole_answers_raise_it_by_one_a_round() -> None:
    finder = Gradient()
    for _ in range(20):
        finder.succeeded(20, streamed=False)
    assert finder.limit == pytest.approx(21.0, abs=0.05)
    finder.succeeded(20, streamed=True)
    finder.succeeded(3, streamed=False)
    assert finder.limit == pytest.approx(21.0, abs=0.05)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["first_event", "succeeded", "refused"]),
        st.floats(0.0, 100.0),
        st.floats(0.0, 1000.0),
        st.integers(1, 5000),
    ),
    max_size=200,
)


@given(EVENTS, st.sampled_from([Aimd, Gradient]))
def test_it_stays_within_bounds_whatever_happens(
    events: list[tuple[str, float, float, int]], make: Callable[[], Concurrency]
) -> None:
    finder = make()
    now = 0.0
    for kind, lasting, pause, in_flight in events:
        now += pause
        if kind == "first_event":
            finder.first_event(now, now + lasting, in_flight)
        elif kind == "refused":
            finder.refused(now, now + lasting, in_flight)
        else:
            finder.succeeded(in_flight, streamed=in_flight % 2 == 0)
        now += lasting
        assert finder.limit >= 1.0
        if make is Gradient:
            assert finder.limit <= MOST


@pytest.mark.parametrize("make", [Aimd, Gradient])
def test_after_the_worst_it_finds_back(make: Callable[[], Concurrency]) -> None:
    finder = make()
    now = rounds(Gradient(), 0.0, 5, 0.4)
    for _ in range(50):
        finder.refused(now, now + 0.1, 2)
        now += 1.0
    assert finder.limit < 2.0
    for _ in range(60):
        in_flight = int(finder.limit)
        for _ in range(in_flight):
            finder.first_event(now, now + 0.4, in_flight)
            finder.succeeded(in_flight, streamed=True)
        now += 0.4
    assert finder.limit >= 20.0


@pytest.mark.parametrize("scenario", CROWDS)
@pytest.mark.parametrize("finder", ["aimd", "gradient"])
def test_it_finds_what_an_upstream_takes(scenario: str, finder: str) -> None:
    off, ours = crowd(scenario, "off", 3), crowd(scenario, finder, 3)
    assert ours["limit"] is not None
    assert 12.0 <= ours["limit"] <= 45.0
    assert ours["busy"] is not None
    assert ours["busy"] >= 14.0
    assert ours["p99"] is not None
    assert off["p99"] is not None
    assert ours["p99"] < off["p99"]


def test_a_new_configuration_may_ask_for_another(make_state: MakeState, rng: Random) -> None:
    state = make_state(limits=Limits(adaptive="gradient"))
    assert type(state.concurrency) is Gradient
    assert state.max_in_flight == FIRST_LIMIT
    for number in range(3):
        crowd = [started(state, number * 2.0) for _ in range(15)]
        for lease in crowd:
            first_event(lease, number * 2.0 + 0.4)
            finished(lease, number * 2.0 + 1.0, rng=rng)
    assert state.max_in_flight > FIRST_LIMIT
    kept = state.concurrency
    state.adopt(state.deployment)
    assert state.concurrency is kept
