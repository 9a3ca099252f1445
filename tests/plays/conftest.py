"""Prints the failure matrix after a run of `test_failures.py` alone."""

from collections import defaultdict
from collections.abc import Iterator

import pytest


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if not any("test_failures" in argument for argument in config.args):
        return
    played: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    count = 0
    for failure, mode, pair, outcome in _cells(terminalreporter):
        count += 1
        played[failure][mode].append("" if outcome == "passed" else pair)
    if not played:
        return
    terminalreporter.section(f"failure matrix: {count} cells, as docs/failures.md says")
    width = max(map(len, played))
    for failure, modes in played.items():
        parts = [_part(mode, modes.get(mode, [])) for mode in ("whole", "streamed")]
        terminalreporter.line(f"{failure:<{width}}  {'  '.join(parts)}".rstrip())


def _cells(terminalreporter: pytest.TerminalReporter) -> Iterator[tuple[str, str, str, str]]:
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties:
                if name == "cell":
                    failure, mode, pair = value
                    yield failure, mode, pair, outcome


def _part(mode: str, pairs: list[str]) -> str:
    if not pairs:
        return " " * (len(mode) + 6)
    bad = [pair for pair in pairs if pair]
    failed = f" FAILED: {', '.join(bad)}" if bad else ""
    return f"{mode} {len(pairs) - len(bad):>2}/{len(pairs):<2}{failed}"
