"""What operators see of the journal."""

import msgspec
import pytest

from portico.stores.journal_format import Position
from portico.stores.journal_reader import Problem, VerifyReport
from portico.stores.journal_report import (
    format_time,
    format_usd,
    show_json,
    show_table,
    table_row,
    verify_json,
    verify_table,
)
from portico.types.call import AttemptRecord
from portico.types.usage import Usage


@pytest.mark.parametrize(
    ("nanousd", "text"),
    [
        (0, "0.00"),
        (1, "0.000000001"),
        (1_500_000, "0.0015"),
        (500_000_000, "0.50"),
        (12_000_000_000, "12.00"),
        (123_456_789_012_345_678, "123456789.012345678"),
        (-1_500_000_000, "-1.50"),
    ],
)
def test_money_is_exact_decimal(nanousd, text):
    assert format_usd(nanousd) == text


@pytest.mark.parametrize(
    ("at", "text"),
    [(0.0, "1970-01-01T00:00:00Z"), (1_700_000_000.9, "2023-11-14T22:13:20Z"), (1e30, "1e+30")],
)
def test_time_is_utc(at, text):
    assert format_time(at) == text


def test_the_table_has_a_heading_and_a_line_a_call(make_record):
    lines = list(show_table([(Position("0", 1, 0), make_record(1))]))
    assert [" ".join(line.split()) for line in lines] == [
        "TIME (UTC) REQUEST ID KEY ROUTE DEPLOYMENT STATUS IN OUT COST USD",
        "2023-11-14T22:13:21Z req-1 team-a fast up/gpt-4o-mini 200 12 3 0.0015",
    ]
    assert len(lines[0]) == len(lines[1])


def _attempt(number: int, usage: Usage | None) -> AttemptRecord:
    return AttemptRecord(number=number, deployment=f"d{number}", outcome="x", usage=usage)


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({"attempts": (), "cost_nanousd": None, "status": 401}, "- 401 - - -"),
        ({"attempts": (_attempt(1, None),), "cost_nanousd": None}, "d1 200 - - -"),
        (
            {"attempts": (_attempt(1, Usage(5, output_tokens=0)), _attempt(2, Usage(7)))},
            "d2 (2 tries) 200 12 0 0.0015",
        ),
        (
            {"attempts": (_attempt(1, Usage(5, output_tokens=2, estimated=True)),)},
            "d1 200 ~5 ~2 0.0015",
        ),
        (
            {"attempts": (_attempt(1, Usage(5, output_tokens=2)),), "cost_nanousd": None},
            "d1 200 5 2 unpriced",
        ),
        ({"attempts": (), "cost_nanousd": 0}, "- 200 - - 0.00"),
    ],
)
def test_unknown_is_shown_as_unknown(make_record, changes, end):
    assert " ".join(table_row(make_record(1, **changes)).split()).endswith("fast " + end)


def test_terminal_control_sequences_are_not_printed(make_record):
    row = table_row(make_record(1, request_id="a\x1b[2Jb\nc"))
    assert "a?[2Jb?c" in row
    assert row.isprintable()


def test_json_lines_hold_the_record_its_place_and_the_exact_cost(make_record):
    record = make_record(1)
    (line,) = show_json([(Position("0", 1, 371), record)])
    read = msgspec.json.decode(line)
    assert read.pop("position") == "0-00000001.log:371"
    assert read.pop("cost_usd") == "0.0015"
    assert read == msgspec.json.decode(msgspec.json.encode(record))
    (line,) = show_json([(Position("0", 1, 0), make_record(1, cost_nanousd=None))])
    assert msgspec.json.decode(line)["cost_usd"] is None


REPORT = VerifyReport(
    segments=2,
    records=3,
    bytes=1000,
    cost_nanousd=4_500_000,
    unpriced=1,
    problems=(Problem("0-00000001.log", 371, 20, "20 bytes are no sound record"),),
    duplicates=("call-1",),
    side_files=("0-00000001.torn-99",),
)


def test_verify_says_what_is_wrong_where_and_what_was_counted():
    assert list(verify_table(REPORT)) == [
        "problem    0-00000001.log:371: 20 bytes are no sound record",
        "duplicate  call call-1 is recorded more than once",
        "kept       0-00000001.torn-99 holds a torn tail of an earlier crash",
        "segments   2",
        "records    3",
        "bytes      1000",
        "cost USD   0.0045",
        "unpriced   1",
        "the journal has 2 problems",
    ]
    sound = msgspec.structs.replace(REPORT, problems=(), duplicates=())
    assert list(verify_table(sound))[-1] == "the journal is sound"


def test_verify_as_json():
    assert msgspec.json.decode(verify_json(REPORT)) == {
        "sound": False,
        "cost_usd": "0.0045",
        "segments": 2,
        "records": 3,
        "bytes": 1000,
        "cost_nanousd": 4_500_000,
        "unpriced": 1,
        "problems": [
            {
                "segment": "0-00000001.log",
                "offset": 371,
                "length": 20,
                "what": "20 bytes are no sound record",
            }
        ],
        "duplicates": ["call-1"],
        "side_files": ["0-00000001.torn-99"],
    }
