"""The promises of the routing under trouble, on the simulation that `docs/routing.md` shows."""

import statistics

import pytest

from bench.routing_sim import SCENARIOS, simulate, total_failure

SLOW, DOWN, STUCK, FLAPPING, LIMITED, UNEVEN, COLD, ALL = SCENARIOS


@pytest.mark.parametrize("scenario", [SLOW, DOWN, STUCK])
def test_ten_seconds_after_one_goes_bad_it_gets_next_to_nothing(scenario: str) -> None:
    seen = simulate(scenario, "adaptive", seed=2)
    assert seen["share"] is not None
    assert seen["share"] <= 0.05
    assert seen["errors"] == 0.0


@pytest.mark.parametrize(("scenario", "within_s"), [(SLOW, 5.0), (DOWN, 5.0), (STUCK, 15.0)])
def test_a_deployment_that_healed_is_soon_back(scenario: str, within_s: float) -> None:
    waits = [simulate(scenario, "adaptive", seed)["recovery"] for seed in range(1, 7)]
    assert statistics.mean(wait for wait in waits if wait is not None) <= within_s


@pytest.mark.parametrize("scenario", [SLOW, UNEVEN, ALL])
@pytest.mark.parametrize("other", ["round_robin", "least_busy", "simple_shuffle"])
def test_adaptive_serves_faster_where_speeds_differ(scenario: str, other: str) -> None:
    ours, theirs = simulate(scenario, "adaptive", 2), simulate(scenario, other, 2)
    assert ours["p99"] is not None
    assert theirs["p99"] is not None
    assert ours["p99"] < theirs["p99"]


@pytest.mark.parametrize("scenario", [FLAPPING, LIMITED, COLD])
def test_no_call_fails_while_others_can_serve_it(scenario: str) -> None:
    assert simulate(scenario, "adaptive", 2)["errors"] == 0.0


@pytest.mark.parametrize("mode", ["down", "stuck"])
def test_a_total_failure_is_not_made_worse_and_soon_forgotten(mode: str) -> None:
    seen = total_failure("adaptive", mode, 2)
    assert seen["attempts"] is not None
    assert seen["attempts"] <= 1.1
    assert seen["recovered"] is not None
    assert seen["recovered"] <= 5.0
