"""What `portico journal show` and `portico journal verify` print. Pure: records in, lines out."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import msgspec

from portico.stores.journal_format import Position
from portico.stores.journal_reader import VerifyReport
from portico.types.call import CallRecord
from portico.types.usage import Usage

_ROW = "{:<20}  {:<36}  {:<16}  {:<20}  {:<28}  {:>6}  {:>9}  {:>9}  {:>14}"
_NANO = 1_000_000_000
_encode = msgspec.json.Encoder().encode

Placed = tuple[Position, CallRecord]


def show_table(records: Iterable[Placed]) -> Iterator[str]:
    """A heading, then one line a call as it comes; long values are never cut."""
    yield _ROW.format(
        "TIME (UTC)", "REQUEST ID", "KEY", "ROUTE", "DEPLOYMENT", "STATUS", "IN", "OUT", "COST USD"
    )
    for _, record in records:
        yield table_row(record)


def table_row(record: CallRecord) -> str:
    usages = [attempt.usage for attempt in record.attempts if attempt.usage is not None]
    cells = (
        format_time(record.at),
        record.request_id,
        record.key_id,
        record.route,
        _deployment(record),
        str(record.status),
        _tokens(usages, [usage.total_input_tokens for usage in usages]),
        _tokens(usages, [usage.total_output_tokens for usage in usages]),
        _cost(record, usages),
    )
    return _ROW.format(*(_printable(cell) for cell in cells)).rstrip()


def show_json(records: Iterable[Placed]) -> Iterator[str]:
    """One JSON object a call: the record, where it lies, and its cost in USD as an exact string."""
    for position, record in records:
        cost = record.cost_nanousd
        extra = {
            "position": str(position),
            "cost_usd": None if cost is None else format_usd(cost),
        }
        yield _encode(msgspec.to_builtins(record) | extra).decode()


def verify_table(report: VerifyReport) -> Iterator[str]:
    """The problems first, each with segment:offset, then what was counted, then the verdict."""
    for problem in report.problems:
        yield f"problem    {problem}"
    for id in report.duplicates:
        yield f"duplicate  call {_printable(id)} is recorded more than once"
    for name in report.side_files:
        yield f"kept       {name} holds a torn tail of an earlier crash"
    yield f"segments   {report.segments}"
    yield f"records    {report.records}"
    yield f"bytes      {report.bytes}"
    yield f"cost USD   {format_usd(report.cost_nanousd)}"
    yield f"unpriced   {report.unpriced}"
    if report.is_sound:
        yield "the journal is sound"
    else:
        count = len(report.problems) + len(report.duplicates)
        yield f"the journal has {count} problem{'s' if count != 1 else ''}"


def verify_json(report: VerifyReport) -> str:
    totals = {"sound": report.is_sound, "cost_usd": format_usd(report.cost_nanousd)}
    return _encode(totals | msgspec.to_builtins(report)).decode()


def format_usd(nanousd: int) -> str:
    """Exact decimal USD with at least two places: 1_500_000 is `0.0015`."""
    whole, rest = divmod(abs(nanousd), _NANO)
    places = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{'-' if nanousd < 0 else ''}{whole}.{places}"


def format_time(at: float) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(at)


def _deployment(record: CallRecord) -> str:
    """The deployment that answered, and how many tries it took if more than one."""
    if not record.attempts:
        return "-"
    tries = len(record.attempts)
    return record.attempts[-1].deployment + (f" ({tries} tries)" if tries > 1 else "")


def _tokens(usages: list[Usage], counts: list[int | None]) -> str:
    """The sum over all attempts; `~` marks an estimate, `-` that nobody said."""
    known = [count for count in counts if count is not None]
    if not known:
        return "-"
    return ("~" if any(usage.estimated for usage in usages) else "") + str(sum(known))


def _cost(record: CallRecord, usages: list[Usage]) -> str:
    if record.cost_nanousd is not None:
        return format_usd(record.cost_nanousd)
    return "unpriced" if usages else "-"


def _printable(text: str) -> str:
    """Terminal control sequences in a client's request id must not reach the operator's screen."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
