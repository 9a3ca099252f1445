"""More calls than there is room for: what is served, how late, and how soon the rest is refused.

The upstream takes 200 ms and the gateway has `max_in_flight: 100`, so 500 calls a second are all
there is. The load is an open loop: calls come when they come, whatever becomes of the others.
"""

import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import measure
from cases import CASES
from contenders import PORTICO, Contender, Ports
from measure import Failed

IN_FLIGHT = 100
TAKES_US = 200_000
CAPACITY = IN_FLIGHT * 1_000_000 // TAKES_US
UNLOADED = 0.5
OFFERED = (1, 1.5, 2, 3, 5, 10)
CONNECTIONS = 2000


@dataclass(frozen=True)
class Run:
    """Offered and served in calls a second; times in milliseconds."""

    offered: float
    served: float
    p50: float
    p99: float
    refused_p50: float
    refused_p99: float
    failed: int


def run(folder: Path, *, rounds: int, seconds: int) -> list[Run]:
    """One row for each rate, the unloaded one first: medians of `rounds` runs, taken in turns."""
    case = replace(CASES[0], pace_us=TAKES_US)
    ports, _ = measure.pair_of_ports()
    with (
        measure.upstream(folder, case, ports),
        measure.started(_bounded(PORTICO), folder / "overload", case, ports) as gateway,
    ):
        request = gateway.request_files(case)[2]

        def once(times: float) -> Run:
            print(f"Portico: {times:g} × capacity", file=sys.stderr, flush=True)
            seen = measure.open_loop(
                folder / "openloop",
                gateway.ports.gateway,
                request,
                rate=round(CAPACITY * times),
                seconds=seconds,
                connections=CONNECTIONS,
            )
            return Run(
                CAPACITY * times,
                seen["done"] / seconds,
                seen["p50_us"] / 1e3,
                seen["p99_us"] / 1e3,
                seen["refused_p50_us"] / 1e3,
                seen["refused_p99_us"] / 1e3,
                int(seen["failed"]),
            )

        turns = [[once(times) for times in (UNLOADED, *OFFERED)] for _ in range(rounds)]
        fault = measure.fault(PORTICO, case, gateway.ports)
        if fault:
            raise Failed(f"after the load: {fault}")
    return [_median(list(same)) for same in zip(*turns, strict=True)]


def _bounded(contender: Contender) -> Contender:
    def command(folder: Path, ports: Ports) -> tuple[list[str], dict[str, str]]:
        argv, env = contender.command(folder, ports)
        return argv, env | {"PORTICO_SERVER__LIMITS__MAX_IN_FLIGHT": str(IN_FLIGHT)}

    return replace(contender, command=command)


def _median(runs: list[Run]) -> Run:
    def middle(field: Callable[[Run], float]) -> float:
        return statistics.median(map(field, runs))

    return Run(
        runs[0].offered,
        middle(lambda run: run.served),
        middle(lambda run: run.p50),
        middle(lambda run: run.p99),
        middle(lambda run: run.refused_p50),
        middle(lambda run: run.refused_p99),
        sum(run.failed for run in runs),
    )


def table(runs: list[Run]) -> str:
    unloaded, *loaded = runs
    peak = max(run.served for run in loaded)
    lines = [
        "| offered, × capacity | served a second | of the peak | served p50 / p99, ms "
        "| p99 × unloaded | refused p50 / p99, ms | failed |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for run in runs:
        refused = f"{run.refused_p50:.1f} / {run.refused_p99:.1f}" if run.refused_p99 else "–"
        lines.append(
            f"| {run.offered / CAPACITY:g} | {run.served:,.0f} | {run.served / peak:.0%} "
            f"| {run.p50:.0f} / {run.p99:.0f} | {run.p99 / unloaded.p99:.2f} "
            f"| {refused} | {run.failed} |"
        )
    return "\n".join(lines)
