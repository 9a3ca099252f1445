"""Disks that say no: nothing is lost, nothing is doubled, admission shuts and opens by itself."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from portico.errors import JournalUnavailable
from portico.stores import journal_tail
from portico.stores.journal import FileJournal
from portico.stores.journal_files import create_segment
from portico.stores.journal_format import list_segments
from portico.stores.journal_reader import read_records, verify


def _open(folder: Path, disk, clock, **settings) -> FileJournal:
    return FileJournal(
        folder,
        "0",
        create_segment(folder, "0"),
        clock=clock,
        write=disk.write,
        reserve=disk.reserve,
        **settings,
    )


def _numbers(folder: Path) -> list[int]:
    return [int(record.id[5:]) for _, record in read_records(folder)]


def _append_until_refused(journal: FileJournal, make_record) -> int:
    for count in range(1_000_000):
        try:
            journal.admit()
        except JournalUnavailable as error:
            assert "No space left on device" in error.message  # noqa: PT017
            return count
        journal.append(make_record(count))
    raise AssertionError("the disk never filled up")


@pytest.mark.parametrize("free", [0, 1, 200, 370])
@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "free space or raise the quota"),
        (errno.EDQUOT, "free space or raise the quota"),
        (errno.EROFS, "remount the file system writable"),
        (errno.EIO, "check the disk"),
    ],
)
def test_a_refused_record_waits_and_is_written_once_in_order(
    tmp_path, make_record, disk, clock, caplog, free, code, remedy
):
    journal = _open(tmp_path, disk, clock)
    journal.append(make_record(1))
    disk.free, disk.code = free, code
    for n in (2, 3, 4):  # three calls were in flight
        journal.append(make_record(n))
    assert journal.waiting == 3
    assert _numbers(tmp_path) == [1]
    assert verify(tmp_path).is_sound  # the half-written line was cut off
    with pytest.raises(JournalUnavailable) as caught:
        journal.admit()
    assert caught.value.status == 503
    assert caught.value.retry_after_s == 1.0

    disk.free = 0  # what the cut-off line gave back is taken by others
    clock.now += 1
    with pytest.raises(JournalUnavailable, match=remedy):
        journal.admit()
    assert str(journal.path) in caplog.text

    disk.free = 1 << 30
    with pytest.raises(JournalUnavailable):
        journal.admit()  # not a second yet: the disk is not asked
    clock.now += 1
    journal.admit()
    journal.append(make_record(5))
    assert (journal.waiting, journal.lost) == (0, 0)
    journal.close()
    assert _numbers(tmp_path) == [1, 2, 3, 4, 5]
    assert verify(tmp_path).is_sound
    assert "records are taken again" in caplog.text


def test_a_disk_is_asked_at_most_once_a_second(tmp_path, make_record, disk, clock):
    journal = _open(tmp_path, disk, clock)
    disk.free = 0
    journal.append(make_record(1))
    asked = disk.writes
    for n in range(2, 50):
        journal.append(make_record(n))
        with pytest.raises(JournalUnavailable):
            journal.admit()
    assert disk.writes == asked
    disk.free = 1 << 30
    journal.close()
    assert _numbers(tmp_path) == list(range(1, 50))


def test_an_append_that_is_due_flushes_what_waits_first(tmp_path, make_record, disk, clock):
    journal = _open(tmp_path, disk, clock)
    disk.free = 0
    journal.append(make_record(1))
    disk.free = 1 << 30
    clock.now += 1
    journal.append(make_record(2))
    assert journal.waiting == 0
    journal.admit()
    journal.close()
    assert _numbers(tmp_path) == [1, 2]


def test_a_disk_that_fills_up_again_in_the_middle_of_the_backlog(
    tmp_path, make_record, disk, clock
):
    journal = _open(tmp_path, disk, clock)
    disk.free = 0
    for n in range(10):
        journal.append(make_record(n))
    for _ in range(10):
        disk.free = 500  # room for one record and a piece of the next
        clock.now += 1
        if journal.waiting > 1:
            with pytest.raises(JournalUnavailable):
                journal.admit()
    journal.admit()
    journal.close()
    assert _numbers(tmp_path) == list(range(10))
    assert verify(tmp_path).is_sound


def test_admission_shuts_while_there_is_still_room_for_calls_in_flight(
    tmp_path, make_record, disk, clock
):
    disk.room = 8192
    journal = _open(tmp_path, disk, clock, ahead_bytes=8192)
    admitted = _append_until_refused(journal, make_record)
    left = 8192 - journal.path.stat().st_size
    assert 1024 < left < 8192 // 4
    for n in range(admitted, admitted + 3):
        journal.append(make_record(n))  # in flight: written at once, into the room set aside
    assert journal.waiting == 0
    assert _numbers(tmp_path) == list(range(admitted + 3))

    disk.room = 1 << 20
    clock.now += 1
    journal.admit()
    journal.close()


def test_a_backlog_that_overflows_puts_the_record_into_the_log(
    tmp_path, make_record, disk, clock, caplog
):
    journal = _open(tmp_path, disk, clock, backlog_bytes=800)
    disk.free = 0
    journal.append(make_record(1))
    journal.append(make_record(2))
    with pytest.raises(JournalUnavailable, match="it is in the log"):
        journal.append(make_record(3))
    assert (journal.waiting, journal.lost) == (2, 1)
    lost = caplog.records[-1].getMessage().partition("to the journal: ")[2]
    disk.free = 1 << 30
    journal.close()
    with journal.path.open("a") as file:
        file.write(lost + "\n")
    assert _numbers(tmp_path) == [1, 2, 3]
    assert verify(tmp_path).is_sound


def test_closing_on_a_full_disk_puts_the_backlog_into_the_log(
    tmp_path, make_record, disk, clock, caplog
):
    journal = _open(tmp_path, disk, clock)
    disk.free = 0
    journal.append(make_record(1))
    journal.append(make_record(2))
    journal.close()
    assert journal.lost == 2
    lines = [
        record.getMessage().partition("to the journal: ")[2]
        for record in caplog.records
        if record.levelname == "CRITICAL"
    ]
    (tmp_path / "0-00000001.log").write_text("".join(line + "\n" for line in lines))
    assert _numbers(tmp_path) == [1, 2]


def test_a_segment_grows_on_when_the_next_cannot_be_begun(tmp_path, make_record, disk, clock):
    disk.room = 8192
    journal = _open(tmp_path, disk, clock, ahead_bytes=8192, segment_bytes=1000)
    for n in range(5):
        journal.append(make_record(n))
    assert list_segments(tmp_path) == [("0", 1)]
    disk.room = 1 << 20
    for n in range(5, 10):
        journal.append(make_record(n))
    assert len(list_segments(tmp_path)) > 1
    journal.close()
    assert _numbers(tmp_path) == list(range(10))
    assert verify(tmp_path).is_sound


def test_a_failed_sync_shuts_admission_and_the_segment_is_not_trusted_again(
    tmp_path, make_record, disk, clock, monkeypatch
):
    journal = _open(tmp_path, disk, clock)
    journal.append(make_record(1))

    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(journal_tail.os, "fdatasync", fail)
        journal.sync()
        assert journal.failures == 1
        for _ in range(3):
            with pytest.raises(JournalUnavailable, match="Input/output error"):
                journal.admit()
            clock.now += 1
        journal.append(make_record(2))
    clock.now += 1
    journal.admit()
    journal.append(make_record(3))
    journal.close()
    assert list_segments(tmp_path) == [("0", 1), ("0", 2)]
    assert _numbers(tmp_path) == [1, 2, 3]


def test_a_deleted_segment_is_noticed_by_sync(tmp_path, make_record, disk, clock):
    journal = _open(tmp_path, disk, clock)
    journal.append(make_record(1))
    journal.path.unlink()
    journal.sync()
    journal.admit()
    journal.append(make_record(2))
    journal.close()
    assert journal.failures == 1
    assert _numbers(tmp_path) == [2]


def test_a_segment_emptied_by_someone_does_not_grow_a_hole(tmp_path, make_record, disk, clock):
    journal = _open(tmp_path, disk, clock)
    journal.append(make_record(1))
    os.truncate(journal.path, 0)
    disk.free = 100
    journal.append(make_record(2))
    disk.free = 1 << 30
    clock.now += 1
    journal.admit()
    journal.append(make_record(3))
    journal.close()
    assert _numbers(tmp_path) == [2, 3]
    assert b"\0" not in journal.path.read_bytes()


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        pytest.skip("no mount(8): a real small disk cannot be made")
    if done.returncode != 0:
        pytest.skip("mounting a small tmpfs needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_real_disk_that_fills_up_and_is_freed(small_disk, make_record, clock):
    folder = small_disk / "journal"
    journal = FileJournal.open(folder, clock=clock)
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(b"x" * (5 << 20))
    count = _append_until_refused(journal, make_record)
    assert journal.waiting == 0
    for _ in range(2000):  # far more calls in flight than the room set aside holds
        journal.append(make_record(count))
        count += 1
    assert journal.waiting > 0
    assert _numbers(folder) == list(range(count - journal.waiting))
    assert verify(folder).is_sound

    filler.unlink()
    clock.now += 1
    journal.admit()
    journal.append(make_record(count))
    assert journal.waiting == 0
    journal.close()
    assert _numbers(folder) == list(range(count + 1))
    assert verify(folder).is_sound
    assert journal.lost == 0


def test_opening_on_a_full_disk_refuses_calls_and_heals(small_disk, make_record, clock):
    folder = small_disk / "journal"
    FileJournal.open(folder).close()
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(b"x" * (5 << 20))
    journal = FileJournal.open(folder, clock=clock)
    with pytest.raises(JournalUnavailable, match="No space left on device"):
        journal.admit()
    filler.unlink()
    clock.now += 1
    journal.admit()
    journal.append(make_record(1))
    journal.close()
    assert _numbers(folder) == [1]
