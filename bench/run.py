"""The bench: what a request costs in each gateway, beside nginx measured in the same seconds.

Run it with `scripts/bench`, which installs what it needs. The gateway is pinned to one core, load
and upstream to another. The machine may be noisy, so times move and ratios hold: each figure is the
median of short runs that alternate with nginx, and each ratio is taken pair by pair.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import against
import measure
import overload
import pairs
import report
from cases import CASES, Case
from contenders import NGINX, PEER_CONTENDERS, PORTICO, ROOT, Contender, environment
from measure import Failed, Running

ENOUGH = 150  # requests in a run, at least, unless it would take ten seconds
RATE = (
    200  # requests per second of the latency runs: well below what any contender can do but LiteLLM
)


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(dir=ROOT / ".cache") as name:
        folder = Path(name)
        for tool in ("upstream", "openloop"):
            source = ROOT / "bench" / f"{tool}.c"
            subprocess.run(["cc", "-O2", "-o", folder / tool, source], check=True)
        return _SUBJECTS[options.subject](folder, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "subject",
        nargs="?",
        default="gateways",
        choices=_SUBJECTS,
        help="gateways: beside nginx and the peers, the default; pairs: every dialect before every "
        "other; overload: more calls than there is room for; against: this code beside REVISION's",
    )
    parser.add_argument("revision", nargs="?", metavar="REVISION", help="a commit, for `against`")
    parser.add_argument(
        "--peers", action="store_true", help="also install and measure other gateways"
    )
    parser.add_argument(
        "--only", nargs="+", help="these contenders: portico envoy tensorzero portkey litellm"
    )
    parser.add_argument(
        "--cases", nargs="+", choices=[case.name for case in CASES], help="these rows only"
    )
    parser.add_argument(
        "--quick", action="store_true", help="three rounds of one second; else seven of two"
    )
    parser.add_argument("--json", metavar="FILE", help="write every figure there")
    parser.add_argument("--write", action="store_true", help="put the table into the docs")
    options = parser.parse_args()
    if (options.subject == "against") != (options.revision is not None):
        parser.error("`against` needs a REVISION, and nothing else takes one")
    options.rounds, options.seconds = (3, 1) if options.quick else (7, 2)
    options.only = options.only and set(options.only)
    return options


def _gateways(folder: Path, options: argparse.Namespace) -> int:
    names = [PORTICO, *(PEER_CONTENDERS if options.peers else ())]
    chosen = [one for one in names if not options.only or one.name in options.only]
    results = {one.name: _measure(one, folder, options) for one in chosen}
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=2) + "\n")
    _tell(report.table(results), options, "scripts/bench")
    return 1 if any(result["failures"] for result in results.values()) else 0


def _pairs(folder: Path, options: argparse.Namespace) -> int:
    costs = pairs.run(folder, rounds=1 if options.quick else 3)
    _tell(pairs.tables(costs), options, "scripts/bench pairs")
    return 1 if any(isinstance(cost, str) for cost in costs.values()) else 0


def _against(folder: Path, options: argparse.Namespace) -> int:
    cases = [case for case in CASES if not options.cases or case.name in options.cases]
    changes = against.run(
        folder, options.revision, cases, rounds=3 * options.rounds, seconds=options.seconds
    )
    print(against.table(changes, options.revision))
    return 0


def _overload(folder: Path, options: argparse.Namespace) -> int:
    runs = overload.run(folder, rounds=options.rounds, seconds=2 * options.seconds)
    _tell(overload.table(runs), options, "scripts/bench overload")
    return 1 if any(run.failed for run in runs) else 0


_SUBJECTS = {
    "gateways": _gateways,
    "pairs": _pairs,
    "overload": _overload,
    "against": _against,
}


def _tell(lines: str, options: argparse.Namespace, command: str) -> None:
    print(lines)
    if options.write:
        report.write(ROOT / "docs" / "performance.md", lines, command)


def _measure(contender: Contender, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    failures: list[str] = []
    result: dict[str, Any] = {"title": contender.title, "failures": failures}
    for case in CASES:
        if (options.cases and case.name not in options.cases) or not contender.can(case):
            continue
        print(f"{contender.title}: {case.title}", file=sys.stderr, flush=True)
        try:
            result |= _measure_case(contender, case, folder, options)
        except Failed as failure:
            print(f"{contender.title}: not measured: {failure}", file=sys.stderr)
            failures.append(f"{contender.title}, {case.title}: {str(failure).splitlines()[0]}")
    if contender is PORTICO:
        result["import_ms"] = _import_ms()
    return result


def _measure_case(
    contender: Contender, case: Case, folder: Path, options: argparse.Namespace
) -> dict[str, Any]:
    ports, floor_ports = measure.pair_of_ports()
    place = folder / contender.name / case.name
    with (
        measure.upstream(folder, case, ports),
        measure.started(NGINX, place / "floor", case, floor_ports) as floor,
        measure.started(contender, place, case, ports) as running,
    ):
        figures = _rounds(running, floor, case, options)
        result: dict[str, Any] = {case.name: figures}
        if case is CASES[0]:
            figures |= _latency(running, floor, folder, options)
            result["idle_mib"] = running.idle_mib
            result["ready_ms"] = round(running.ready_ms)
            result["loaded_mib"] = measure.resident_mib(running.process.pid)
        fault = measure.fault(contender, case, running.ports)
        if fault:
            raise Failed(f"after the load: {fault}")
    return result


def _rounds(
    running: Running, floor: Running, case: Case, options: argparse.Namespace
) -> dict[str, Any]:
    measure.drive(floor, case, 1)
    warm = measure.drive(running, case, 5 if running.contender.connections < 100 else 2)
    seconds = min(10, max(options.seconds, math.ceil(ENOUGH / warm.per_second)))
    pairs = []
    for _ in range(options.rounds):
        nginx = measure.drive(floor, case, options.seconds)
        pairs.append((measure.drive(running, case, seconds), nginx))
    ratios = [load.cpu_us / nginx.cpu_us for load, nginx in pairs]
    return {
        "cpu_us": _median(load.cpu_us for load, _ in pairs),
        "nginx_cpu_us": _median(nginx.cpu_us for _, nginx in pairs),
        "ratio": round(statistics.median(ratios), 2),
        "ratio_spread": [round(min(ratios), 2), round(max(ratios), 2)],
        "per_second": _median(load.per_second for load, _ in pairs),
        "nginx_per_second": _median(nginx.per_second for _, nginx in pairs),
        "failed": sum(load.failed for load, _ in pairs),
    }


def _latency(
    running: Running, floor: Running, folder: Path, options: argparse.Namespace
) -> dict[str, Any]:
    """What the gateway, and what nginx, adds to a direct call at a fixed rate, in microseconds."""
    case = CASES[0]
    runs: dict[str, list[dict[str, float]]] = {"direct": [], "nginx": [], "gateway": []}
    targets = {
        "direct": (floor, floor.ports.upstream_a),
        "nginx": (floor, floor.ports.gateway),
        "gateway": (running, running.ports.gateway),
    }
    for _ in range(options.rounds):
        for name, (side, port) in targets.items():
            request = side.request_files(case)[2]
            binary = folder / "openloop"
            seconds = options.seconds * 2
            runs[name].append(measure.open_loop(binary, port, request, rate=RATE, seconds=seconds))

    def added(name: str, percentile: str) -> float:
        pairs = zip(runs[name], runs["direct"], strict=True)
        return _median(there[percentile] - direct[percentile] for there, direct in pairs)

    return {
        "added_p50_us": added("gateway", "p50_us"),
        "added_p99_us": added("gateway", "p99_us"),
        "nginx_added_p50_us": added("nginx", "p50_us"),
        "nginx_added_p99_us": added("nginx", "p99_us"),
        "direct_p50_us": _median(run["p50_us"] for run in runs["direct"]),
        "rate": RATE,
        "latency_failed": sum(run["failed"] for run in runs["gateway"]),
    }


def _import_ms() -> float:
    """The import alone, without the interpreter's own start."""
    clock = "import time; t = time.perf_counter(); import portico; print(time.perf_counter() - t)"
    argv = [sys.executable, "-c", clock]
    env = environment({"PYTHONPATH": str(ROOT)})
    times = [subprocess.run(argv, env=env, capture_output=True, check=True) for _ in range(9)]
    return round(statistics.median(float(one.stdout) for one in times) * 1e3, 1)


def _median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 1)


if __name__ == "__main__":
    sys.exit(main())
