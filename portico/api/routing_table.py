"""What `GET /admin/routing` says, as lines for a terminal of any width."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

Row = Mapping[str, Any]

_GAP = "  "
_LEAST_NAME = 12
_LEAST_ERROR = 16


class Column(msgspec.Struct, frozen=True):
    """Where there is not room for all, those with the highest `rank` are left out first."""

    head: str
    rank: int
    cell: Callable[[Row], str]


def lines(rows: Iterable[Row], width: int | None = None) -> list[str]:
    """A table with a head; no line is longer than `width` where that can be had."""
    rows = list(rows)
    columns = list(COLUMNS)
    cells = [[column.cell(row) for column in columns] for row in rows]
    widths = [
        max(len(column.head), *(len(line[at]) for line in cells), 1)
        for at, column in enumerate(columns)
    ]
    if width is not None:
        _fit(columns, widths, width)
    shown = [at for at, size in enumerate(widths) if size]
    table = [[column.head for column in columns], *cells]
    return [
        _GAP.join(_cut(line[at], widths[at]).ljust(widths[at]) for at in shown).rstrip()
        for line in table
    ]


def _fit(columns: list[Column], widths: list[int], width: int) -> None:
    """Shorten the last error, leave out columns (width 0), at last shorten the names."""
    last = len(widths) - 1

    def excess() -> int:
        present = [size for size in widths if size]
        return sum(present) + len(_GAP) * (len(present) - 1) - width

    for at in sorted(range(1, last), key=lambda at: -columns[at].rank):
        if excess() <= max(0, widths[last] - _LEAST_ERROR) or columns[at].rank == 0:
            break
        widths[at] = 0
    if widths[last] - excess() < _LEAST_ERROR and excess() > 0:
        widths[last] = 0
    widths[last] = max(0, widths[last] - max(0, excess()))
    widths[0] = max(_LEAST_NAME, widths[0] - max(0, excess()))


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else text[: max(0, size - 1)] + "…"


def summary(at: str, rows: Iterable[Row]) -> str:
    """The moment, and how many are in which state: those that are not well first."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["state"]] = counts.get(row["state"], 0) + 1
    states = sorted(counts, key=lambda state: (state == "healthy", state))
    return f"{at}  " + ", ".join(f"{counts[state]} {state}" for state in states)


def troubled_first(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["state"] == "healthy", row["id"]))


def span(seconds: float) -> str:
    """`4 s`, `12 min`, `3 h`, `2 d`."""
    for size, unit in ((86_400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _state(row: Row) -> str:
    is_warming = row["warming_up_limit"] is not None and row["circuit"] == "closed"
    return f"{row['state']}, warming up" if is_warming else str(row["state"])


def _of(used: str, limit: str) -> Callable[[Row], str]:
    return lambda row: f"{row[used]}" if row[limit] is None else f"{row[used]}/{row[limit]}"


def _back(row: Row) -> str:
    return "-" if row["returns_in_s"] is None else span(row["returns_in_s"])


def _ttft(row: Row) -> str:
    return "-" if row["ttft_ms"] is None else f"{row['ttft_ms']:.0f}"


def _check(row: Row) -> str:
    check = row["health_check"]
    if check is None:
        return "-"
    if check["bad_in_a_row"]:
        return f"bad {check['bad_in_a_row']}/{check['failure_threshold']}"
    return str(check["verdict"])


def _last_error(row: Row) -> str:
    if row["last_error"] is None:
        return "-"
    return f"{row['last_error']}, {span(row['last_error_ago_s'])} ago"


COLUMNS = (
    Column("DEPLOYMENT", 0, lambda row: str(row["id"])),
    Column("STATE", 0, _state),
    Column("BACK IN", 1, _back),
    Column("IN FLIGHT", 2, _of("in_flight", "in_flight_limit")),
    Column("ERRORS", 3, lambda row: f"{row['error_share']:.0%}"),
    Column("TTFT MS", 4, _ttft),
    Column("CHECK", 5, _check),
    Column("REQUESTS", 6, lambda row: str(row["requests"])),
    Column("RPM", 7, _of("requests_last_minute", "rpm")),
    Column("TPM", 8, _of("tokens_last_minute", "tpm")),
    Column("DIALECT", 9, lambda row: str(row["dialects"][0])),
    Column("KEY", 10, lambda row: row["key"] or "-"),
    Column("LAST ERROR", 0, _last_error),
)
"""From left to right; the first and the last are never left out before any other."""
