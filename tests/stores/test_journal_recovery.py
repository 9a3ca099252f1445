"""Damage: torn tails are mended on opening, and no damage hides the sound records around it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portico.stores.journal import FileJournal
from portico.stores.journal_files import Recovery
from portico.stores.journal_format import frame
from portico.stores.journal_reader import Problem, read_records, verify

NAME = "0-00000001.log"


def _ids(folder: Path) -> list[str]:
    return [record.id for _, record in read_records(folder)]


def _line(record) -> bytes:
    return frame(msgspec.json.encode(record))


def test_a_tail_torn_at_every_byte_is_mended_and_writing_goes_on(tmp_path, make_record):
    lines = [_line(make_record(n)) for n in range(3)]
    sound, last = b"".join(lines[:2]), lines[2]
    for cut in range(len(last)):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / NAME).write_bytes(sound + last[:cut])

        journal = FileJournal.open(folder)
        recovered = journal.recovered
        journal.append(make_record(3))
        journal.close()

        side = folder / f"0-00000001.torn-{len(sound)}"
        if cut == 0:
            assert recovered is None
        elif cut == len(last) - 1:
            assert recovered == Recovery(NAME, len(sound + last) - 1, 0, None)
        else:
            assert recovered == Recovery(NAME, len(sound), cut, side)
            assert side.read_bytes() == last[:cut]
            assert side.stat().st_mode & 0o777 == 0o600
        whole = ["call-00002"] if cut == len(last) - 1 else []
        assert _ids(folder) == ["call-00000", "call-00001", *whole, "call-00003"]
        assert verify(folder).is_sound


def test_a_journal_that_is_nothing_but_a_torn_record_starts_empty(tmp_path, make_record):
    (tmp_path / NAME).write_bytes(_line(make_record(1))[:50])
    journal = FileJournal.open(tmp_path)
    assert journal.recovered == Recovery(NAME, 0, 50, tmp_path / "0-00000001.torn-0")
    journal.close()
    assert (tmp_path / NAME).read_bytes() == b""


@pytest.mark.parametrize("rubbish", [b"\0" * 5000, b"\n\n\n", b"x" * 70 + b"\n", b"\xff\n\xff"])
def test_rubbish_that_a_power_cut_left_at_the_end_is_moved_aside(tmp_path, make_record, rubbish):
    sound = _line(make_record(1))
    (tmp_path / NAME).write_bytes(sound + rubbish)
    FileJournal.open(tmp_path).close()
    assert (tmp_path / NAME).read_bytes() == sound
    assert (tmp_path / f"0-00000001.torn-{len(sound)}").read_bytes() == rubbish


def test_damage_in_the_middle_stays_for_verify_and_is_not_taken_for_a_torn_tail(
    tmp_path, make_record
):
    lines = [bytearray(_line(make_record(n))) for n in range(3)]
    lines[1][40] ^= 1
    text = b"".join(lines)
    (tmp_path / NAME).write_bytes(text)
    journal = FileJournal.open(tmp_path)
    assert journal.recovered is None
    journal.close()
    assert (tmp_path / NAME).read_bytes() == text
    assert _ids(tmp_path) == ["call-00000", "call-00002"]
    start, length = len(lines[0]), len(lines[1])
    assert verify(tmp_path).problems == (
        Problem(NAME, start, length, f"{length} bytes are no sound record"),
    )


def test_a_damaged_line_feed_loses_neither_neighbour(tmp_path, make_record):
    text = bytearray(_line(make_record(1)) + _line(make_record(2)))
    at = text.index(b"\n")
    text[at] = 0x20
    (tmp_path / NAME).write_bytes(text)
    FileJournal.open(tmp_path).close()
    assert (tmp_path / NAME).read_bytes() == text
    assert _ids(tmp_path) == ["call-00001", "call-00002"]
    assert verify(tmp_path).problems == (Problem(NAME, at, 1, "1 bytes are no sound record"),)


def test_verify_says_that_an_unmended_end_is_torn(tmp_path, make_record):
    sound = _line(make_record(1))
    (tmp_path / NAME).write_bytes(sound + sound[:30])
    assert [str(problem) for problem in verify(tmp_path).problems] == [
        f"{NAME}:{len(sound)}: the end is torn: 30 bytes that are no whole record"
    ]
    (tmp_path / NAME).write_bytes(sound[:-1])
    assert [str(problem) for problem in verify(tmp_path).problems] == [
        f"{NAME}:{len(sound) - 1}: the end is torn: the last record lacks its line feed"
    ]
    assert _ids(tmp_path) == ["call-00001"]


def test_a_client_cannot_forge_a_record_inside_its_request_id(tmp_path, make_record):
    forged = _line(make_record(9, id="forged")).decode()
    line = bytearray(_line(make_record(1, request_id=f"x\n{forged}\n")))
    line[0] ^= 1
    (tmp_path / NAME).write_bytes(line)
    assert _ids(tmp_path) == []
    assert len(verify(tmp_path).problems) == 1


def test_a_tail_whose_side_file_cannot_be_written_is_left_and_a_new_segment_begun(
    tmp_path, make_record, caplog
):
    sound = _line(make_record(1))
    (tmp_path / NAME).write_bytes(sound + b"torn")
    (tmp_path / f"0-00000001.torn-{len(sound)}").mkdir()
    journal = FileJournal.open(tmp_path)
    journal.append(make_record(2))
    journal.close()
    assert (tmp_path / NAME).read_bytes() == sound + b"torn"
    assert _ids(tmp_path) == ["call-00001", "call-00002"]
    assert [problem.offset for problem in verify(tmp_path).problems] == [len(sound)]
    assert "torn record could not be mended: Is a directory" in caplog.text


_damage = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.sampled_from(["flip", "cut", "insert", "zero", "feed"]),
        st.binary(min_size=1, max_size=40),
    ),
    max_size=5,
)


@settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(damage=_damage)
def test_whatever_the_damage_sound_records_are_found_and_every_byte_is_accounted_for(
    make_record, damage
):
    lines = [_line(make_record(n)) for n in range(6)]
    text = bytearray(b"".join(lines))
    for where, kind, data in damage:
        at = int(where * len(text))
        match kind:
            case "flip":
                text[at : at + 1] = bytes(byte ^ (data[0] | 1) for byte in text[at : at + 1])
            case "cut":
                del text[at : at + len(data)]
            case "insert":
                text[at:at] = data
            case "zero":
                text[at : at + len(data)] = bytes(len(text[at : at + len(data)]))
            case _:
                text[at : at + 1] = b"\n"
    untouched = [f"call-{n:05d}" for n, line in enumerate(lines) if line[:-1] in text]

    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / NAME).write_bytes(text)
        report = verify(folder)
        assert _ids(folder) == untouched
        assert report.records == len(untouched)
        assert report.is_sound == (bytes(text) == b"".join(line for line in lines if line in text))
        records = sum(len(_line(make_record(int(id[5:])))) - 1 for id in untouched)
        rest = report.bytes - records - sum(problem.length for problem in report.problems)
        assert 0 <= rest <= len(untouched)

        FileJournal.open(folder).close()
        assert _ids(folder) == untouched
