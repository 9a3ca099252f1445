"""The journal on a healthy disk: what is appended is read back, by whom, under which names."""

import os
import stat
import threading
from pathlib import Path

import msgspec
import pytest

from portico.errors import ConfigError, JournalUnavailable
from portico.stores.journal import FileJournal
from portico.stores.journal_format import Position, find_frames, frame, list_segments
from portico.stores.journal_reader import (
    Problem,
    VerifyReport,
    follow,
    read_records,
    verify,
)


def test_records_come_back_whole_and_in_order(tmp_path, make_record):
    records = [make_record(n) for n in range(5)]
    journal = FileJournal.open(tmp_path / "journal")
    for record in records:
        journal.admit()
        journal.append(record)
    journal.close()

    assert [record for _, record in read_records(tmp_path / "journal")] == records
    text = (tmp_path / "journal" / "0-00000001.log").read_bytes()
    assert verify(tmp_path / "journal") == VerifyReport(
        segments=1,
        records=5,
        bytes=len(text),
        cost_nanousd=7_500_000,
        unpriced=0,
        problems=(),
        duplicates=(),
        side_files=(),
    )


def test_a_record_is_readable_as_soon_as_append_returns(tmp_path, make_record):
    journal = FileJournal.open(tmp_path)
    try:
        journal.append(make_record(1))
        assert [record for _, record in read_records(tmp_path)] == [make_record(1)]
    finally:
        journal.close()


def test_a_line_is_crc_length_and_json():
    assert frame(b'{"id":"a"}') == b'9aa4e643 10 {"id":"a"}\n'
    assert [found.payload for found in find_frames(frame(b'{"id":"a"}'))] == [b'{"id":"a"}']


def test_files_are_for_the_owner_only(tmp_path, make_record):
    old = os.umask(0)
    try:
        journal = FileJournal.open(tmp_path / "journal")
        journal.append(make_record(1))
        journal.close()
    finally:
        os.umask(old)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "journal").iterdir()
    }
    assert modes == {"0-00000001.log": 0o600, "0.lock": 0o600}
    assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) == 0o700


def test_the_next_process_goes_on_in_the_same_segment(tmp_path, make_record):
    for n in range(3):
        journal = FileJournal.open(tmp_path)
        assert journal.recovered is None
        journal.append(make_record(n))
        journal.close()
    assert list_segments(tmp_path) == [("0", 1)]
    assert [record.id for _, record in read_records(tmp_path)] == [
        "call-00000",
        "call-00001",
        "call-00002",
    ]


def test_segments_rotate_by_size_and_a_full_one_is_not_reopened(tmp_path, make_record):
    size = len(frame(msgspec.json.encode(make_record(0))))
    journal = FileJournal.open(tmp_path, segment_bytes=2 * size)
    for n in range(7):
        journal.append(make_record(n))
    journal.sync()
    journal.close()
    FileJournal.open(tmp_path, segment_bytes=size).close()

    assert list_segments(tmp_path) == [("0", 1), ("0", 2), ("0", 3), ("0", 4), ("0", 5)]
    sizes = [path.stat().st_size for path in sorted(tmp_path.glob("*.log"))]
    assert sizes == [2 * size, 2 * size, 2 * size, size, 0]
    assert verify(tmp_path).is_sound
    assert verify(tmp_path).records == 7


def test_blocks_set_aside_do_not_lengthen_the_file_and_are_given_back(tmp_path, make_record):
    journal = FileJournal.open(tmp_path)
    journal.append(make_record(1))
    written = journal.path.stat().st_size
    assert journal.path.read_bytes().count(b"\0") == 0
    journal.close()
    assert journal.path.stat().st_size == written
    assert journal.path.stat().st_blocks * 512 < 64 * 1024


def test_a_second_writer_is_refused_with_the_pid_of_the_first(tmp_path):
    journal = FileJournal.open(tmp_path)
    try:
        with pytest.raises(ConfigError) as caught:
            FileJournal.open(tmp_path)
        assert caught.value.message == (
            f"journal {tmp_path} is in use by process {os.getpid()} (lock {tmp_path}/0.lock); "
            "stop that process or choose another data folder"
        )
        FileJournal.open(tmp_path, worker="1").close()
    finally:
        journal.close()
    FileJournal.open(tmp_path).close()


def test_workers_write_their_own_series(tmp_path, make_record):
    for worker in ("0", "1"):
        journal = FileJournal.open(tmp_path, worker=worker)
        journal.append(make_record(int(worker)))
        journal.close()
    assert [(str(at), record.id) for at, record in read_records(tmp_path)] == [
        ("0-00000001.log:0", "call-00000"),
        ("1-00000001.log:0", "call-00001"),
    ]
    assert [record.id for _, record in read_records(tmp_path, worker="1")] == ["call-00001"]


@pytest.mark.parametrize("worker", ["", "A", "a-b", "../x", "x" * 17])
def test_a_worker_name_that_is_no_file_name_is_refused(tmp_path, worker):
    with pytest.raises(ConfigError, match="lower-case letters or digits"):
        FileJournal.open(tmp_path, worker=worker)


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "journal").write_text("")
    with pytest.raises(ConfigError, match=r"journal folder .*/journal cannot be made: File exists"):
        FileJournal.open(tmp_path / "journal")


def test_a_folder_in_the_place_of_a_segment_is_named_and_the_lock_is_freed(tmp_path):
    (tmp_path / "0-00000001.log").mkdir()
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"0-00000001.log cannot be opened: Is a directory"):
            FileJournal.open(tmp_path)


def test_a_folder_without_write_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("root may write everywhere")
        with pytest.raises(ConfigError, match="is not writable: Permission denied"):
            FileJournal.open(tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_after_close_nothing_is_admitted_and_a_record_goes_to_the_log(
    tmp_path, make_record, caplog
):
    journal = FileJournal.open(tmp_path)
    journal.close()
    journal.close()
    with pytest.raises(JournalUnavailable, match="the journal is closed"):
        journal.admit()
    with pytest.raises(JournalUnavailable, match="it is in the log"):
        journal.append(make_record(7))
    assert journal.lost == 1
    line = caplog.records[-1].getMessage().partition("to the journal: ")[2]
    assert line.encode() + b"\n" == frame(msgspec.json.encode(make_record(7)))


def test_a_clock_set_back_changes_nothing(tmp_path, make_record, clock):
    journal = FileJournal.open(tmp_path, clock=clock)
    records = [make_record(1), make_record(2, at=5.0), make_record(3, at=-1.0)]
    for record in records:
        clock.now -= 7200
        journal.admit()
        journal.append(record)
    journal.close()
    assert [record for _, record in read_records(tmp_path)] == records
    assert verify(tmp_path).is_sound


def test_reading_resumes_after_a_position(tmp_path, make_record):
    size = len(frame(msgspec.json.encode(make_record(0))))
    journal = FileJournal.open(tmp_path, segment_bytes=2 * size)
    for n in range(5):
        journal.append(make_record(n))
    journal.close()
    places = [position for position, _ in read_records(tmp_path)]
    assert places == [
        Position("0", 1, 0),
        Position("0", 1, size),
        Position("0", 2, 0),
        Position("0", 2, size),
        Position("0", 3, 0),
    ]
    for index, place in enumerate(places):
        assert [at for at, _ in read_records(tmp_path, since=place)] == places[index + 1 :]


def test_following_shows_new_records_of_every_worker_once(tmp_path, make_record):
    first = FileJournal.open(tmp_path, worker="0")
    second = FileJournal.open(tmp_path, worker="1")
    steps = [lambda: first.append(make_record(2)), lambda: second.append(make_record(3))]

    def pause() -> None:
        if not steps:
            raise EOFError
        steps.pop(0)()

    seen = []
    second.append(make_record(1))
    with pytest.raises(EOFError):
        seen.extend(follow(tmp_path, pause=pause))
    first.close()
    second.close()
    assert [record.id for _, record in seen] == ["call-00001", "call-00002", "call-00003"]


def test_unknown_fields_of_a_newer_version_are_skipped(tmp_path, make_record):
    newer = msgspec.to_builtins(make_record(1)) | {"carbon_grams": 3}
    newer["attempts"][0]["region"] = "eu"
    (tmp_path / "0-00000001.log").write_bytes(frame(msgspec.json.encode(newer)))
    assert [record for _, record in read_records(tmp_path)] == [make_record(1)]


def test_a_sound_line_that_is_no_call_is_a_problem_and_not_a_record(tmp_path, make_record):
    text = frame(b'{"id":3}') + frame(msgspec.json.encode(make_record(1)))
    (tmp_path / "0-00000001.log").write_bytes(text)
    report = verify(tmp_path)
    assert report.records == 1
    assert report.problems == (
        Problem(
            "0-00000001.log",
            0,
            8,
            "the checksum is right but this is no call record: "
            "Expected `str`, got `int` - at `$.id`",
        ),
    )


def test_verify_counts_duplicates_and_unpriced_calls(tmp_path, make_record):
    journal = FileJournal.open(tmp_path)
    for record in (make_record(1), make_record(1), make_record(2, cost_nanousd=None)):
        journal.append(record)
    journal.close()
    report = verify(tmp_path)
    assert (report.records, report.duplicates, report.unpriced) == (3, ("call-00001",), 1)
    assert not report.is_sound


def test_a_missing_segment_between_two_is_a_problem_but_missing_old_ones_are_not(tmp_path):
    for number in (3, 4, 7):
        (tmp_path / f"0-{number:08d}.log").touch()
    assert [str(problem) for problem in verify(tmp_path).problems] == [
        "0-00000005.log:0: missing: 0-00000005.log to 0-00000006.log, "
        "though older segments are here"
    ]


def test_a_folder_without_a_journal_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no journal can be read in .*/none: No such file"):
        list(read_records(tmp_path / "none"))


def test_sync_may_run_in_another_thread_while_records_are_appended(tmp_path, make_record):
    size = len(frame(msgspec.json.encode(make_record(0))))
    journal = FileJournal.open(tmp_path, segment_bytes=3 * size)
    done = threading.Event()

    def sync_on() -> None:
        while not done.is_set():
            journal.sync()

    thread = threading.Thread(target=sync_on)
    thread.start()
    try:
        for n in range(300):
            journal.append(make_record(n))
    finally:
        done.set()
        thread.join()
        journal.close()
    assert journal.failures == 0
    assert verify(tmp_path).records == 300
    assert verify(tmp_path).is_sound


def test_a_journal_without_a_sync_holds_few_old_segments_open(tmp_path, make_record):
    journal = FileJournal.open(tmp_path, segment_bytes=1)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for n in range(40):
        journal.append(make_record(n))
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 8
    journal.close()
