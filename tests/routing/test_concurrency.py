"""How many a deployment takes at once: found out, held to, given back."""

from collections.abc import Callable
from math import inf
from random import Random

import pytest

from portico.errors import UpstreamFailed, UpstreamRateLimited, UpstreamTimeout
from portico.routing import health, steering
from portico.routing.concurrency import NO_LIMIT, Aimd
from portico.routing.eligibility import exclusion
from portico.routing.health import DeploymentState
from portico.types.deployment import Limits

MakeState = Callable[..., DeploymentState]


def test_there_is_no_limit_before_the_first_trouble() -> None:
    concurrency = Aimd()
    for _ in range(100):
        concurrency.first_event(0.0, 1.0, 50)
        concurrency.succeeded(50, streamed=True)
    assert concurrency.limit == inf


def test_a_crowd_that_is_refused_together_lowers_it_once() -> None:
    concurrency = Aimd()
    for in_flight in (20, 19, 18):
        concurrency.refused(1.0, 2.0, in_flight)
    assert concurrency.limit == pytest.approx(14.0)
    concurrency.refused(2.5, 3.0, 14)
    assert concurrency.limit == pytest.approx(9.8)


def test_it_never_falls_below_one() -> None:
    concurrency = Aimd()
    for at in range(50):
        concurrency.refused(at, at + 0.5, 1)
    assert concurrency.limit == 1.0


def test_a_late_first_event_lowers_it_a_little() -> None:
    concurrency = Aimd()
    for _ in range(10):
        concurrency.first_event(0.0, 0.1, 10)
    concurrency.first_event(0.1, 0.39, 10)
    assert concurrency.limit == inf
    concurrency.first_event(2.0, 3.0, 10)
    assert concurrency.limit == pytest.approx(9.0)


def test_who_is_alone_is_not_slowed_by_others() -> None:
    concurrency = Aimd()
    concurrency.first_event(0.0, 0.1, 1)
    concurrency.first_event(1.0, 9.0, 1)
    assert concurrency.limit == inf


def test_a_slower_normal_is_learned() -> None:
    concurrency = Aimd()
    concurrency.first_event(0.0, 0.1, 1)
    for at in range(10, 400, 10):
        concurrency.first_event(at, at + 1.0, 1)
    concurrency.first_event(400.0, 401.2, 10)
    assert concurrency.limit == inf


def test_what_is_usual_is_not_the_fastest_ever() -> None:
    concurrency = Aimd()
    for at in range(400):
        concurrency.first_event(at, at + (0.1 if at % 10 else 0.02), 10)
    concurrency.first_event(400.0, 400.2, 10)
    assert concurrency.limit == inf


def test_only_a_limit_that_is_in_use_grows_and_a_high_one_is_none() -> None:
    concurrency = Aimd()
    concurrency.refused(0.0, 1.0, 10)
    for _ in range(100):
        concurrency.succeeded(2, streamed=True)
    assert concurrency.limit == pytest.approx(7.0)
    for _ in range(7):
        concurrency.succeeded(7, streamed=True)
    assert concurrency.limit == pytest.approx(8.0, abs=0.1)
    while concurrency.limit < inf:
        assert concurrency.limit < NO_LIMIT
        concurrency.succeeded(999, streamed=True)


def test_it_finds_the_capacity_of_a_provider() -> None:
    capacity, now, seen = 12, 0.0, []
    concurrency = Aimd()
    for _ in range(400):
        crowd = int(min(concurrency.limit, 60))
        for place in range(crowd):
            if place < capacity:
                concurrency.succeeded(crowd - place, streamed=True)
            else:
                concurrency.refused(now, now + 0.5, crowd)
        now += 1.0
        seen.append(crowd)
    settled = seen[100:]
    assert min(settled) >= 7
    assert max(settled) <= 13
    assert sum(settled) / len(settled) > 0.7 * capacity


@pytest.mark.parametrize(
    ("error", "limit"),
    [
        (UpstreamRateLimited("slow"), 5),
        (UpstreamTimeout("late", timer="first_byte"), 5),
        (UpstreamFailed("oops"), None),
    ],
)
def test_a_deployment_holds_to_what_it_has_learned(
    error: Exception, limit: int | None, make_state: MakeState, rng: Random
) -> None:
    state = make_state(limits=Limits(adaptive="aimd"))
    leases = [health.started(state, 1.0) for _ in range(8)]
    health.finished(leases[0], 2.0, error, rng=rng)  # type: ignore[arg-type]
    assert steering.view(state, 2.0, 0.0).in_flight_limit == limit
    found = exclusion(state, 4000.0)
    assert (found is not None and found.reason == "max_concurrent_requests") is (limit is not None)
    for lease in leases[1:]:
        health.finished(lease, 3.0, rng=rng)
    assert exclusion(state, 4000.0) is None
    steering.reset(state, 4000.0)
    assert steering.view(state, 4000.0, 0.0).in_flight_limit is None


def test_the_configured_limit_stays_the_most(make_state: MakeState, rng: Random) -> None:
    state = make_state(limits=Limits(max_concurrent_requests=3, adaptive="aimd"))
    leases = [health.started(state, 1.0) for _ in range(8)]
    health.finished(leases[0], 2.0, UpstreamRateLimited("slow"), rng=rng)
    assert steering.view(state, 2.0, 0.0).in_flight_limit == 3


def test_who_does_not_ask_for_it_has_none(make_state: MakeState, rng: Random) -> None:
    state = make_state()
    leases = [health.started(state, 1.0) for _ in range(8)]
    health.finished(leases[0], 2.0, UpstreamRateLimited("slow"), rng=rng)
    assert steering.view(state, 2.0, 0.0).in_flight_limit is None
