"""How long one would wait for a place, as a share of the time that places are held."""

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
    # held since, usual, ahead in line, now, share of the usual time
    (
        (0.0, 0.0, 0.0, 0.0),
        10.0,
        0,
        0.0,
        1.0,
    ),  # all have just begun: none is free for the whole time
    ((0.0, 0.0, 0.0, 0.0), 10.0, 0, 6.0, 0.4),
    ((0.0, 2.0, 5.0, 6.0), 10.0, 0, 7.0, 0.3),
    ((0.0, 2.0, 5.0, 6.0), 10.0, 1, 7.0, 0.5),  # by whoever has the place that is next but one
    ((0.0, 0.0, 0.0, 0.0), 10.0, 0, 25.0, 0.0),  # overdue: any moment now
    ((0.0, 0.0, 0.0, 0.0), 10.0, 2, 25.0, 0.5),  # but not three at once
    ((0.0, 0.0), 10.0, 2, 25.0, 1.0),
    ((0.0, 0.0), 10.0, 5, 25.0, 2.5),
    ((0.0, 0.0), None, 5, 25.0, 0.0),  # nobody knows yet what is usual
]


@pytest.mark.parametrize(("since", "usual", "ahead", "now", "share"), WAITS)
def test_the_wait_follows_from_who_holds_a_place(
    since: tuple[float, ...], usual: float | None, ahead: int, now: float, share: float
) -> None:
    turnover = held(*since, usual=usual)
    assert turnover.wait(ahead, now) == pytest.approx(share)
    seconds = None if usual is None else pytest.approx(share * usual)
    assert turnover.wait_s(ahead, now) == seconds


def test_what_is_usual_follows_slowly() -> None:
    turnover = held(0.0, usual=10.0)
    for start in range(200):
        turnover.take("x", float(start))
        turnover.give_back("x", start + 1.0)
    turnover.give_back("0", 200.0)
    turnover.take("y", 200.0)
    assert turnover.wait(0, 201.0) == pytest.approx(1 - 1 / (1 + 199 / 32), abs=0.01)


def test_nobody_holds_a_place_and_nobody_waits() -> None:
    turnover = held(0.0)
    turnover.give_back("0", 1.0)
    assert (len(turnover), turnover.wait(0, 2.0)) == (0, 0.0)
