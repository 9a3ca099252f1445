"""How long one would wait for a place."""

import pytest

from portico.policy.turnover import Turnover


def held(*since: float, usual: float | None = 10.0) -> Turnover[str]:
    """Places held since these moments, after another was held for as long as is usual."""
    turnover: Turnover[str] = Turnover()
    if usual is not None:
        turnover.take("before", since[0] - usual)
        turnover.give_back("before", since[0])
    for number, moment in enumerate(since):
        turnover.take(str(number), moment)
    return turnover


WAITS = [
    # held since, usual, ahead in line, now, seconds to wait
    ((0.0, 0.0, 0.0, 0.0), 10.0, 0, 0.0, 10.0),  # all have just begun
    ((0.0, 0.0, 0.0, 0.0), 10.0, 0, 6.0, 4.0),
    ((0.0, 2.0, 5.0, 6.0), 10.0, 0, 7.0, 3.0),
    ((0.0, 2.0, 5.0, 6.0), 10.0, 1, 7.0, 5.0),  # by whoever has the place that is next but one
    ((0.0, 0.0, 0.0, 0.0), 10.0, 0, 25.0, 0.0),  # overdue: any moment now
    ((0.0, 0.0, 0.0, 0.0), 10.0, 2, 25.0, 5.0),  # but not three at once
    ((0.0, 0.0), 10.0, 2, 25.0, 10.0),
    ((0.0, 0.0), 10.0, 5, 25.0, 25.0),
    ((0.0, 0.0), None, 5, 25.0, 0.0),  # nobody knows yet what is usual
]


@pytest.mark.parametrize(("since", "usual", "ahead", "now", "seconds"), WAITS)
def test_the_wait_follows_from_who_holds_a_place(
    since: tuple[float, ...], usual: float | None, ahead: int, now: float, seconds: float
) -> None:
    assert held(*since, usual=usual).wait_s(ahead, now) == pytest.approx(seconds)


def test_what_is_usual_follows_slowly() -> None:
    turnover = held(0.0, usual=10.0)
    for start in range(200):
        turnover.take("x", float(start))
        turnover.give_back("x", start + 1.0)
    turnover.give_back("0", 200.0)
    turnover.take("y", 200.0)
    assert turnover.usual_s == pytest.approx(1.0 + 199 / 32, abs=0.1)


def test_nobody_holds_a_place_and_nobody_waits() -> None:
    turnover = held(0.0)
    turnover.give_back("0", 1.0)
    assert (len(turnover), turnover.wait_s(0, 2.0)) == (0, 0.0)
