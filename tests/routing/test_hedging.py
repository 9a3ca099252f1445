"""When a second copy is worth it: what is unusual, and how many may be sent."""

from portico.routing.hedging import FEWEST, Hedge
from portico.types.deployment import HedgePolicy


def test_what_95_in_100_needed_is_usual() -> None:
    hedge = Hedge(HedgePolicy())
    for number in range(100):
        hedge.learn("a", float(number))
    assert hedge.wait_s("a", 0.0) == 95.0
    assert hedge.wait_s("b", 0.0) is None


def test_a_few_times_say_nothing() -> None:
    hedge = Hedge(HedgePolicy())
    for _ in range(FEWEST - 1):
        hedge.learn("a", 1.0)
    assert hedge.wait_s("a", 0.0) is None
    hedge.learn("a", 1.0)
    assert hedge.wait_s("a", 0.0) == 1.0


def test_a_time_that_is_given_needs_no_history() -> None:
    assert Hedge(HedgePolicy(after_s=2.0)).wait_s("a", 0.0) == 2.0


def test_second_copies_stay_within_their_share() -> None:
    hedge = Hedge(HedgePolicy(after_s=1.0))
    taken = 0
    for number in range(1000):
        now = number / 1000
        hedge.wait_s("a", now)
        taken += hedge.take(now)
    assert taken == 50
