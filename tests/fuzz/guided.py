"""Readers fuzzed by coverage, one process each, for as long as asked: what `scripts/fuzz` runs.

Needs atheris (libFuzzer for Python). An input that raises what is not declared, or that takes
longer than it may, is written to the folder of its reader and ends that process.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

LARGEST = 16 * 1024
SLOW_S = 1.0
"""Of CPU time, with the instrumentation that makes everything several times slower."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="for each reader")
    parser.add_argument("--folder", type=Path, default=Path(".cache/fuzz"), help="kept inputs")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", help="parts of names of readers; all if none")
    asked = parser.parse_args()
    if asked.one is not None:
        fuzz(asked.one, asked.folder, asked.seconds)
        return
    from tests.fuzz.readers import readers

    chosen = [name for name in readers() if not asked.names or any(p in name for p in asked.names)]
    failed = [name for name in chosen if not in_own_process(name, asked.folder, asked.seconds)]
    print(f"{len(chosen)} readers, {len(failed)} with findings: {', '.join(failed) or 'none'}")
    sys.exit(bool(failed))


def in_own_process(name: str, folder: Path, seconds: int) -> bool:
    command = [sys.executable, "-m", "tests.fuzz.guided", "--one", name]
    command += ["--seconds", str(seconds), "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.findall(r"stat::number_of_executed_units: +(\d+)", done.stderr)
    print(f"{name}: {found[-1] if found else '?'} inputs", flush=True)
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-6000:], flush=True)
    return done.returncode == 0


def fuzz(name: str, folder: Path, seconds: int) -> None:
    import atheris

    with atheris.instrument_imports(include=["portico"]):
        from tests.fuzz.readers import readers, run

    reader = readers()[name]
    place = folder / name.replace(" ", "-")
    place.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(reader.seeds):
        (place / f"seed-{number}").write_bytes(seed)

    def one_input(data: bytes) -> None:
        spent_s = run(reader, data)
        if spent_s > SLOW_S and run(reader, data) > SLOW_S:
            raise AssertionError(f"{spent_s:.2f} s for {len(data)} bytes")

    options = (
        f"-max_total_time={seconds}",
        f"-max_len={LARGEST}",
        f"-artifact_prefix={place}/",
        "-print_final_stats=1",
        "-rss_limit_mb=4096",
    )
    atheris.Setup(["fuzz", *options, str(place)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
