"""This code beside that of another revision: has a request become dearer?

Both gateways run at once behind the same upstream and take turns on one core, so that what the
machine does meanwhile falls on both; each ratio is taken of neighbours, and the median is told.
"""

import contextlib
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import measure
from cases import Case
from contenders import PORTICO, ROOT, Contender, Ports, portico_at


@dataclass(frozen=True)
class Change:
    """CPU µs of a request there and here, and the ratio with its quartiles."""

    before_us: float
    after_us: float
    ratio: float
    quartiles: tuple[float, float]


def run(
    folder: Path, revision: str, cases: Sequence[Case], *, rounds: int, seconds: int
) -> list[tuple[Case, Change]]:
    with _checked_out(revision, folder / "then") as root:
        then = portico_at(root, "then", f"Portico at {revision}")
        changes = []
        for case in cases:
            print(f"{case.title}: {then.title} and here", file=sys.stderr, flush=True)
            changes.append((case, _change(then, case, folder, rounds, seconds)))
    return changes


@contextlib.contextmanager
def _checked_out(revision: str, place: Path) -> Iterator[Path]:
    git = ["git", "-C", str(ROOT)]
    add = [*git, "worktree", "add", "--quiet", "--detach", str(place), revision]
    subprocess.run(add, check=True)
    try:
        yield place
    finally:
        subprocess.run([*git, "worktree", "remove", "--force", str(place)], check=True)


def _change(then: Contender, case: Case, folder: Path, rounds: int, seconds: int) -> Change:
    ports, other = measure.pair_of_ports()
    now_ports = Ports(other.gateway, other.stream, ports.upstream_a, ports.upstream_b)
    with (
        measure.upstream(folder, case, ports),
        measure.started(then, folder / "before" / case.name, case, ports) as before,
        measure.started(PORTICO, folder / "after" / case.name, case, now_ports) as after,
    ):
        sides = (before, after)
        for side in sides:
            measure.drive(side, case, 2)
        costs: list[tuple[float, float]] = []
        for at in range(rounds):
            order = sides if at % 2 else sides[::-1]
            load = {side is after: measure.drive(side, case, seconds).cpu_us for side in order}
            costs.append((load[False], load[True]))
    ratios = [now / earlier for earlier, now in costs]
    quarters = statistics.quantiles(ratios, n=4)
    return Change(
        statistics.median(earlier for earlier, _ in costs),
        statistics.median(now for _, now in costs),
        statistics.median(ratios),
        (quarters[0], quarters[2]),
    )


def table(changes: list[tuple[Case, Change]], revision: str) -> str:
    lines = [
        f"| CPU µs of a request | {revision} | here | ratio | quartiles |",
        "|---|--:|--:|--:|--:|",
    ]
    for case, change in changes:
        low, high = change.quartiles
        lines.append(
            f"| {case.title} | {change.before_us:,.0f} | {change.after_us:,.0f} "
            f"| **{change.ratio:.3f}** | {low:.3f} to {high:.3f} |"
        )
    return "\n".join(lines)
