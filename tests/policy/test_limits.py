from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.policy.limits import Exceeded, Gate, RateWindow, Ticket
from portico.types.deployment import Limits


def test_the_request_after_the_last_one_allowed_is_told_how_long_to_wait() -> None:
    window = RateWindow(Limits(rpm=2))
    for now in (100.0, 101.0):
        assert window.has_room(now, 0)
        window.reserve(now, 0)
    assert window.excess(102.0, 0) == Exceeded("rpm", 2, 63.0)
    assert not window.has_room(164.9, 0)
    assert window.has_room(165.0, 0)


def test_tokens_are_counted_apart_from_requests() -> None:
    window = RateWindow(Limits(tpm=100))
    window.reserve(100.0, 60)
    assert window.has_room(100.0, 40)
    assert window.excess(100.0, 41) == Exceeded("tpm", 100, 65.0)


def test_waiting_is_no_help_to_a_request_larger_than_the_limit() -> None:
    assert RateWindow(Limits(tpm=100)).excess(1.0, 101) == Exceeded("tpm", 100, None)


def test_a_limit_of_zero_lets_nothing_through() -> None:
    assert RateWindow(Limits(rpm=0)).excess(1.0, 0) == Exceeded("rpm", 0, None)


def test_settling_replaces_what_was_reserved() -> None:
    window = RateWindow(Limits(tpm=100))
    window.reserve(100.0, 90)
    window.settle(100.0, 110.0, reserved=90, used=20)
    assert window.used(110.0) == (1, 20)
    assert window.used(165.0) == (0, 0)


@pytest.mark.parametrize(("used", "left"), [(10, 0), (130, 40)])
def test_settling_after_a_minute_refunds_nothing_and_counts_an_excess_now(
    used: int, left: int
) -> None:
    window = RateWindow(Limits(tpm=100))
    window.reserve(100.0, 90)
    window.settle(100.0, 200.0, reserved=90, used=used)
    assert window.used(200.0) == (0, left)


def test_a_cancelled_reservation_leaves_no_trace() -> None:
    window = RateWindow(Limits(rpm=1, tpm=10))
    window.reserve(100.0, 10)
    window.cancel(100.0, 103.0, reserved=10)
    assert window.used(103.0) == (0, 0)
    window.cancel(0.0, 1000.0, reserved=10)
    assert window.used(1000.0) == (0, 0)


def test_a_clock_that_goes_back_forgets_nothing() -> None:
    window = RateWindow(Limits(rpm=5))
    window.reserve(1000.0, 1)
    window.reserve(900.0, 1)
    assert window.used(900.0) == (2, 2)


def test_new_limits_hold_at_once_and_keep_the_count() -> None:
    window = RateWindow(Limits(rpm=10))
    for _ in range(3):
        window.reserve(50.0, 0)
    window.limit(Limits(rpm=3))
    assert not window.has_room(50.0, 0)


events = st.lists(
    st.tuples(
        st.floats(0, 30), st.integers(0, 40), st.none() | st.integers(0, 60), st.floats(0, 90)
    ),
    max_size=120,
)


@given(events, st.integers(0, 12), st.integers(0, 200))
def test_no_minute_however_aligned_holds_more_than_the_limits(
    events: list[tuple[float, int, int | None, float]], rpm: int, tpm: int
) -> None:
    window = RateWindow(Limits(rpm=rpm, tpm=tpm))
    now = 1000.0
    admitted: list[tuple[float, int]] = []
    for step, tokens, _, _ in events:
        now += step
        if window.has_room(now, tokens):
            window.reserve(now, tokens)
            admitted.append((now, tokens))
    times = [at for at, _ in admitted]
    for index, at in enumerate(times):
        end = bisect_left(times, at + 60.0)
        assert end - index <= rpm
        assert sum(tokens for _, tokens in admitted[index:end]) <= tpm


@given(events, st.integers(1, 12), st.integers(1, 200))
def test_who_waits_as_told_is_let_in(
    events: list[tuple[float, int, int | None, float]], rpm: int, tpm: int
) -> None:
    window = RateWindow(Limits(rpm=rpm, tpm=tpm))
    now = 1000.0
    for step, tokens, _, _ in events:
        now += step
        exceeded = window.excess(now, tokens)
        assert (exceeded is None) == window.has_room(now, tokens)
        while exceeded is not None and exceeded.wait_s is not None:
            assert 0.0 <= exceeded.wait_s <= 65.0
            now += exceeded.wait_s + 1e-6
            exceeded = window.excess(now, tokens)
        if exceeded is None:
            window.reserve(now, tokens)
        else:
            assert tokens > tpm


@given(events)
def test_whatever_is_given_back_everything_is_empty_in_the_end(
    events: list[tuple[float, int, int | None, float]],
) -> None:
    gate = Gate(Limits(max_concurrent_requests=5, tpm=500))
    now = 1000.0
    held: list[Ticket] = []
    for step, tokens, used, _ in events:
        now += step
        answer = gate.reserve(now, tokens)
        if isinstance(answer, Ticket):
            held.append(answer)
        elif answer.limit == "max_concurrent_requests":
            gate.settle(held.pop(0), now, used)
        assert 0 <= gate.in_flight <= 5
    for ticket in held:
        gate.release(ticket, now)
        gate.release(ticket, now)
        gate.settle(ticket, now, 10**6)
    assert gate.in_flight == 0
    assert gate.window.used(now + 120.0) == (0, 0)
    assert min(gate.window._tokens) == min(gate.window._requests) == 0


def test_a_gate_says_which_limit_stands_in_the_way() -> None:
    gate = Gate(Limits(rpm=2, max_concurrent_requests=1))
    first = gate.reserve(0.0)
    assert isinstance(first, Ticket)
    assert gate.reserve(0.0) == Exceeded("max_concurrent_requests", 1, None)
    gate.settle(first, 1.0, None)
    assert isinstance(gate.reserve(1.0), Ticket)
    gate.in_flight = 0
    assert gate.reserve(2.0) == Exceeded("rpm", 2, 63.0)
