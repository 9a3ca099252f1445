"""Where the gateway's time goes under load.

    .venv/bin/python bench/where_time_goes.py [CASE] [--perf | --callers NAME]

By Python function with cProfile, which slows small functions more than large ones: read it for what
is called and how often. With --perf, by symbol of interpreter, libraries and kernel, unslowed.
"""

import argparse
import pstats
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import measure
from cases import CASES, Case
from contenders import PORTICO, ROOT, Contender, Ports

LINES = 45


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("case", nargs="?", default="whole", choices=[case.name for case in CASES])
    parser.add_argument("--perf", action="store_true", help="by symbol, with perf")
    parser.add_argument("--callers", metavar="NAME", help="who calls functions of this name")
    options = parser.parse_args()
    case = next(case for case in CASES if case.name == options.case)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        upstream = folder / "upstream"
        subprocess.run(["cc", "-O2", "-o", upstream, ROOT / "bench" / "upstream.c"], check=True)
        if options.perf:
            _by_symbol(folder, case)
        else:
            _by_function(folder, case, options.callers)


def _by_function(folder: Path, case: Case, callers: str | None) -> None:
    output = folder / "profile"

    def command(place: Path, ports: Ports) -> tuple[list[str], dict[str, str]]:
        (python, *arguments), env = PORTICO.command(place, ports)
        del arguments[: arguments.index("-m")]
        return [python, "-P", "-m", "cProfile", "-o", str(output), *arguments], env

    served = _load(replace(PORTICO, title="Portico, profiled", command=command), folder, case, [])
    stats = pstats.Stats(str(output))
    print(f"{served:,.0f} requests/s while profiled")
    stats.strip_dirs().sort_stats("tottime")
    if callers:
        stats.print_callers(callers)
    else:
        stats.print_stats(LINES)


def _by_symbol(folder: Path, case: Case) -> None:
    output = folder / "perf.data"
    _load(PORTICO, folder, case, ["perf", "record", "-q", "-g", "-o", str(output), "-p"])
    report = ["perf", "report", "-i", str(output), "--no-children", "--stdio", "-g", "none"]
    text = subprocess.run([*report, "--sort", "dso,symbol"], capture_output=True, text=True).stdout
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    print("\n".join(lines[:LINES]))


def _load(contender: Contender, folder: Path, case: Case, recorder: list[str]) -> float:
    """Drive for some seconds, with `recorder PID` beside it; requests per second."""
    ports = Ports(*measure.free_ports(4))
    with (
        measure.upstream(folder, case, ports),
        measure.started(contender, folder / contender.name, case, ports) as running,
    ):
        measure.drive(running, case, 1)
        recording = subprocess.Popen([*recorder, str(running.process.pid)]) if recorder else None
        load = measure.drive(running, case, 4)
        if recording:
            recording.terminate()
            recording.wait()
    return load.per_second


if __name__ == "__main__":
    main()
