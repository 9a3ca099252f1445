"""Routing under trouble, simulated: seeded, on a fake clock, with the gateway's own routing code.

    python bench/routing_sim.py [--seed 1] [--runs 5]

Each world has four upstreams, one of which misbehaves, or six with several troubles; calls come at
random (Poisson) and stream. Printed per strategy: time to the first event as the client sees it
(p50, p99), calls that failed in the end, the share of attempts that went to the bad one from ten
seconds after it went bad, and how long after it healed it got half of its fair share again. The
second table is a total failure of all upstreams, the third how `adaptive_concurrency` finds what an
upstream takes.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.routing_world import (
    LENGTH_S,
    PER_TOKEN_S,
    SLOTS,
    TOKENS,
    TTFT_S,
    Result,
    World,
)
from portico.types.deployment import Limits

STRATEGIES = ("adaptive", "round_robin", "least_busy", "simple_shuffle", "latency_based")
CHECKED = "adaptive, checked"
"""`adaptive`, with a health check every three seconds."""
RATE = 30.0


def _well(now: float) -> str:
    return ""


def _between(trouble: str, start: float, end: float) -> Callable[[float], str]:
    return lambda now: trouble if start <= now < end else ""


def _flapping(now: float) -> str:
    return "down" if 20.0 <= now < 80.0 and int(now) // 10 % 2 == 0 else ""


COLD = "cold: joins at 40 s"
SCENARIOS: dict[str, tuple[Callable[[float], str], float, float]] = {
    "slow: ten times slower from 20 s to 80 s": (_between("slow", 20, 80), 20, 80),
    "down: 503 from 20 s to 80 s": (_between("down", 20, 80), 20, 80),
    "stuck: no answer from 20 s to 80 s": (_between("stuck", 20, 80), 20, 80),
    "flapping: 10 s down, 10 s up, 20 s to 80 s": (_flapping, 20, 80),
    "limited: 120 a minute, 429 with a hint": (_between("limited", 0, 1e9), 0, 1e9),
    "uneven: always three times slower": (_between("slower", 0, 1e9), 0, 1e9),
    COLD: (_well, 0, 40),
    "one slow, one flapping, one limited, one joins": (_between("slow", 20, 80), 20, 80),
}
OTHERS: dict[str, list[Callable[[float], str]]] = {
    "one slow, one flapping, one limited, one joins": [
        _well,
        _well,
        _flapping,
        _between("limited", 0, 1e9),
        _well,
    ]
}
"""The rest of the world, where it is not three that are well. The last one joins at 40 s."""


def _world(strategy: str, troubles: list[Callable[[float], str]], seed: int, rate: float) -> World:
    is_checked = strategy == CHECKED
    return World(
        "adaptive" if is_checked else strategy, troubles, seed, rate, is_checked=is_checked
    )


def made(scenario: str, strategy: str, seed: int) -> World:
    """The world of a scenario, ready to run; the bad one is `u0/m`."""
    others = OTHERS.get(scenario, [_well, _well, _well])
    world = _world(strategy, [SCENARIOS[scenario][0], *others], seed, RATE)
    everyone = list(world.upstreams)
    late = {"cold": everyone[0], "one ": everyone[-1]}.get(scenario[:4])
    world.configure([id for id in everyone if id != late])
    world.clock.at(40.0, lambda: world.configure(everyone))
    return world


def simulate(scenario: str, strategy: str, seed: int) -> dict[str, float | None]:
    _, start, end = SCENARIOS[scenario]
    world = made(scenario, strategy, seed)
    bad = "u0/m"
    everyone = list(world.upstreams)
    result = world.run()
    settled = [id for at, id in result.attempts if start + 10 <= at < end]
    failed = sum(not answered for _, answered in result.arrivals)
    return {
        "p50": statistics.quantiles(result.waits, n=100)[49],
        "p99": statistics.quantiles(result.waits, n=100)[98],
        "errors": failed / len(result.arrivals),
        "share": None if scenario == COLD else settled.count(bad) / len(settled),
        "recovery": _recovery(result, bad, end, len(everyone)) if end < LENGTH_S else None,
    }


def _recovery(result: Result, bad: str, healed: float, count: int) -> float | None:
    """Seconds until it gets half of its fair share within two seconds."""
    times = [(at, id == bad) for at, id in result.attempts if at >= healed]
    for begin, _ in times:
        window = [is_bad for at, is_bad in times if begin <= at < begin + 2.0]
        if len(window) > 10 and sum(window) / len(window) >= 0.5 / count:
            return begin - healed
    return None


def total_failure(strategy: str, mode: str, seed: int) -> dict[str, float | None]:
    """All upstreams fail from 30 s to 90 s, at 0.8 of what they can serve."""
    capacity = 4 * SLOTS / (TTFT_S * 1.08 + TOKENS * PER_TOKEN_S)
    failing = _between(mode, 30, 90)
    world = _world(strategy, [failing] * 4, seed, 0.8 * capacity)
    world.configure(list(world.upstreams))
    result = world.run()
    during = [at for at, _ in result.attempts if 30 <= at < 90]
    calls = [at for at, _ in result.arrivals if 30 <= at < 90]
    unanswered = [at for at, answered in result.arrivals if at >= 90 and not answered]
    return {
        "attempts": len(during) / len(calls),
        "all_attempts": len(result.attempts) / len(result.arrivals),
        "recovered": max(unanswered) - 90 if unanswered else 0.0,
    }


CROWDS: dict[str, Callable[[float], str]] = {
    "it queues what it cannot serve": _well,
    "it refuses that with 429": lambda now: "crowded",
    "it queues, three times slower from 40 s to 80 s": _between("slower", 40, 80),
}
FINDERS = ("off", "aimd", "gradient")


def crowd(scenario: str, finder: str, seed: int) -> dict[str, float | None]:
    """Two upstreams of twenty places, the second for what the first does not take, and without a
    limit; calls come at 1.4 times what one can serve.
    """
    limits = {"u0/m": Limits(adaptive=None if finder == "off" else finder)}  # type: ignore[arg-type]
    world = World("priority_based", [CROWDS[scenario], _well], seed, 20.0, limits=limits)
    world.configure(list(world.upstreams))
    first, state = world.upstreams["u0/m"], world.states["u0/m"]
    found: list[float] = []
    busy: list[int] = []
    queued: list[int] = []

    def look() -> None:
        found.append(state.max_in_flight)
        busy.append(first.busy)
        queued.append(len(first.queue))
        if world.clock.now < LENGTH_S - 5.0:
            world.clock.at(world.clock.now + 0.5, look)

    world.clock.at(20.0, look)
    result = world.run()
    times = statistics.quantiles(result.waits, n=100)
    return {
        "p50": times[49],
        "p99": times[98],
        "errors": sum(not answered for _, answered in result.arrivals) / len(result.arrivals),
        "limit": None if finder == "off" else statistics.median(found),
        "busy": statistics.mean(busy),
        "queued": statistics.mean(queued),
    }


def _mean(runs: list[dict[str, float | None]], key: str) -> float | None:
    values = [value for run in runs if (value := run[key]) is not None]
    return statistics.mean(values) if values else None


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _print_table(
    head: str,
    rows: dict[str, tuple[str, ...]],
    run: Callable[[str, str, int], dict[str, float | None]],
    seeds: range,
    forms: dict[str, str],
) -> None:
    """A row for each variant in each scenario; `forms` says which figures, and how."""
    print(head)
    print("|" + "---|" * (len(forms) + 2))
    for scenario, variants in rows.items():
        for variant in variants:
            runs = [run(scenario, variant, seed) for seed in seeds]
            cells = [scenario if variant == variants[0] else "", variant]
            cells += [_cell(_mean(runs, key), form) for key, form in forms.items()]
            print("| " + " | ".join(cells) + " |", flush=True)
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=5, help="seeds to average over")
    options = parser.parse_args()
    seeds = range(options.seed, options.seed + options.runs)
    everyone = (STRATEGIES[0], CHECKED, *STRATEGIES[1:])
    _print_table(
        "| the bad one is | strategy | p50 s | p99 s | failed | share of the bad | back after s |",
        dict.fromkeys(SCENARIOS, everyone),
        simulate,
        seeds,
        {"p50": ".2f", "p99": ".2f", "errors": ".2%", "share": ".1%", "recovery": ".1f"},
    )
    _print_table(
        "| all fail for 60 s | strategy | attempts per call then | overall | recovered after s |",
        dict.fromkeys(("down", "stuck"), everyone),
        lambda mode, strategy, seed: total_failure(strategy, mode, seed),
        seeds,
        {"attempts": ".3f", "all_attempts": ".3f", "recovered": ".1f"},
    )
    _print_table(
        "| more than one takes | adaptive_concurrency | p50 s | p99 s | failed | limit found "
        "| in service, of 20 | in its queue |",
        dict.fromkeys(CROWDS, FINDERS),
        crowd,
        seeds,
        {
            "p50": ".2f",
            "p99": ".2f",
            "errors": ".2%",
            "limit": ".0f",
            "busy": ".1f",
            "queued": ".1f",
        },
    )


if __name__ == "__main__":
    main()
