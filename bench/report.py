"""The results as one Markdown table, and its place in docs/performance.md."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cases import CASES
from providers import PIECES

END = "<!-- and here -->"

Results = dict[str, dict[str, Any]]


def table(results: Results) -> str:
    rows = [["", "nginx", *(result["title"] for result in results.values())]]
    for case in CASES:
        if not any(case.name in result for result in results.values()):
            continue
        rows.append(
            [
                f"CPU µs, {case.title}",
                *_cells(results, case.name, "nginx_cpu_us", "cpu_us", "{:,.0f}"),
            ]
        )
        rows.append(["— × nginx", "1", *_own(results, case.name, "ratio", "**{:.1f}**")])
        if case.stream:
            rows.append(["— µs a chunk", *_per_chunk(results, case.name)])
        if not case.pace_us:
            rows.append(
                [
                    "— requests/s on one core",
                    *_cells(results, case.name, "nginx_per_second", "per_second", "{:,.0f}"),
                ]
            )
        rows.append(["— failed", "", *_own(results, case.name, "failed", "{:,}")])
    for percentile in ("p50", "p99"):
        rows.append([f"added latency {percentile}, µs at 200/s", *_latencies(results, percentile)])
    for name, title, form in (
        ("idle_mib", "resident idle, MiB", "{:,.0f}"),
        ("loaded_mib", "resident loaded, MiB", "{:,.0f}"),
        ("ready_ms", "start to first answer, ms", "{:,.0f}"),
        ("import_ms", "`import portico`, ms", "{:,.1f}"),
    ):
        rows.append([title, "", *(_shown(form, result.get(name)) for result in results.values())])
    lines = ["| " + " | ".join(row) + " |" for row in rows if any(row[1:])]
    lines.insert(1, "|---|" + "--:|" * (len(rows[0]) - 1))
    for result in results.values():
        lines.extend(f"\nNot measured: {failure}" for failure in result["failures"])
    return "\n".join(lines)


def _shown(form: str, value: float | None) -> str:
    return "" if value is None else form.format(value)


def _own(results: Results, case: str, key: str, form: str) -> list[str]:
    return [_shown(form, result.get(case, {}).get(key)) for result in results.values()]


def _cells(results: Results, case: str, nginx: str, own: str, form: str) -> list[str]:
    """nginx's figure beside the first contender, then each contender's own."""
    floor = next((r[case][nginx] for r in results.values() if nginx in r.get(case, {})), None)
    return [_shown(form, floor), *_own(results, case, own, form)]


def _latencies(results: Results, percentile: str) -> list[str]:
    """Who cannot answer as fast as is asked has no latency, only a growing queue."""
    first = CASES[0].name
    cells = _cells(
        results, first, f"nginx_added_{percentile}_us", f"added_{percentile}_us", "{:,.0f}"
    )
    for at, result in enumerate(results.values(), start=1):
        figures = result.get(first)
        if figures and figures["per_second"] < figures["rate"]:
            cells[at] = f"over its {figures['per_second']:,.0f}/s"
    return cells


def _per_chunk(results: Results, case: str) -> list[str]:
    cells = _cells(results, case, "nginx_cpu_us", "cpu_us", "{}")
    return [cell and f"{float(cell) / (PIECES + 1):,.1f}" for cell in cells]


def machine() -> str:
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    return f"{when}, Python {platform.python_version()}, {os.cpu_count()} cores, {model}."


def write(page: Path, lines: str, command: str) -> None:
    """Replace what stands between the command's mark and the end mark after it."""
    begin = f"<!-- {command} writes between here -->"
    before, found, rest = page.read_text().partition(begin)
    if not found:
        raise SystemExit(f"{page} has no line {begin!r}, so the table has no place in it")
    after = rest.partition(END)[2]
    page.write_text(f"{before}{begin}\n{machine()}\n\n{lines}\n{END}{after}")
