"""The append-only record of calls: the authority for money.

One record is one line written by one `write(2)` on the event loop: when `append` returns, the
kernel has it, and a `kill -9` of this process loses nothing (a power cut may lose what `sync` has
not yet pushed out). Segments are kept for ever: money is deleted by the operator, or by nobody.
Old segments may be moved away or compressed while Portico runs; the newest one is in use.

What happens when the disk says no (full, over quota, broken, read-only):

- Room for a thousand records and more is set aside ahead of need, so a disk that fills up is
  noticed while the calls in flight can still be recorded. `admit` refuses further calls as soon
  as less than a quarter of that room is left, or the last write failed.
- A record that could not be written waits in memory, in order, and is written before any other.
  Its client gets the answer: the provider has billed it, and withholding it would only make the
  client buy it again. What protects the ledger is that no further call is dispatched until the
  backlog is empty, so it holds no more than the calls that were in flight. A half-written line is
  cut off again, so a record is never there twice.
- Every second at most, the next `admit` or `append` tries again; no restart is needed.
- Only if the backlog overflows, or the process ends with one, are records missing from the
  journal. On overflow and on an orderly end they are then in the log, as ready journal lines.

Order is the order of appending and names are counted up: the time of day plays no part, so a
clock that is set back breaks nothing.
"""

import errno
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Self

import msgspec

from portico.errors import JournalUnavailable
from portico.stores.journal_files import (
    Recovery,
    Segment,
    create_segment,
    lock_series,
    open_last,
    prepare_folder,
    reserve_blocks,
)
from portico.stores.journal_format import frame, segment_name
from portico.types.call import CallRecord

log = logging.getLogger(__name__)

Clock = Callable[[], float]
Write = Callable[[int, bytes], int]
Reserve = Callable[[int, int, int], bool]

_SEGMENT_BYTES = 64 * 1024 * 1024
_AHEAD_BYTES = 1024 * 1024
_BACKLOG_BYTES = 16 * 1024 * 1024
_RETRY_S = 1.0
_RETIRED_OPEN = 4
"""Finished segments that may wait for `sync`; more than that are synced by `append` itself."""
_UNLIMITED = 1 << 62
_ALWAYS = -1
"""A threshold that every append exceeds: each then takes the careful path."""


class FileJournal:
    """Satisfies `base.Journal`. All but `sync` belong to one thread; `sync` may run in another.

    `failures` counts the times the disk said no, `lost` the records that only the log has.
    """

    def __init__(
        self,
        folder: Path,
        worker: str,
        segment: Segment,
        *,
        lock_fd: int = -1,
        recovered: Recovery | None = None,
        segment_bytes: int = _SEGMENT_BYTES,
        ahead_bytes: int = _AHEAD_BYTES,
        backlog_bytes: int = _BACKLOG_BYTES,
        clock: Clock = time.monotonic,
        write: Write = os.write,
        reserve: Reserve = reserve_blocks,
    ) -> None:
        self.folder = folder
        self.worker = worker
        self.recovered = recovered
        self.failures = 0
        self.lost = 0
        self._encode = msgspec.json.Encoder().encode
        self._write = write
        self._reserve = reserve
        self._clock = clock
        self._lock_fd = lock_fd
        self._segment_bytes = segment_bytes
        self._ahead_bytes = ahead_bytes
        self._backlog_limit = backlog_bytes
        self._number, self._fd, self._size = segment.number, segment.fd, segment.size
        self._room_end = segment.size
        self._rotate_at = segment_bytes
        self._threshold = _ALWAYS
        self._torn = False
        self._backlog: deque[bytes] = deque()
        self._backlog_size = 0
        self._refusal: OSError | None = None
        self._sync_error: OSError | None = None
        self._next_try = 0.0
        self._retired: deque[int] = deque()
        self._sync_lock = threading.Lock()
        self._drain()

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        segment_bytes: int = _SEGMENT_BYTES,
        worker: str = "0",
        clock: Clock = time.monotonic,
    ) -> Self:
        """Lock the worker's series, mend a torn tail, and go on where it ended.

        Raises ConfigError when the folder cannot be used or another process writes it. A full disk
        is no error here: the journal opens, `admit` refuses, and it heals when there is room.
        """
        prepare_folder(folder)
        lock_fd = lock_series(folder, worker)
        try:
            segment, recovered = open_last(folder, worker, segment_bytes)
        except BaseException:
            os.close(lock_fd)
            raise
        return cls(
            folder,
            worker,
            segment,
            lock_fd=lock_fd,
            recovered=recovered,
            segment_bytes=segment_bytes,
            clock=clock,
        )

    @property
    def path(self) -> Path:
        """The segment that is being written."""
        return self.folder / segment_name(self.worker, self._number)

    @property
    def waiting(self) -> int:
        """Records in memory that the disk has not taken yet."""
        return len(self._backlog)

    def admit(self) -> None:
        """Raise `JournalUnavailable` if one more call could not be recorded."""
        if self._refusal is not None:
            self._admit_again()

    def append(self, record: CallRecord) -> None:
        """Write one record; when this returns, a `kill -9` does not lose it.

        A disk that refuses does not raise here (see the module). `JournalUnavailable` means that
        even the backlog is full, or that the journal is closed; the record is then in the log.
        """
        line = frame(self._encode(record))
        end = self._size + len(line)
        if end > self._threshold:
            self._append_with_care(line)
            return
        try:
            written = self._write(self._fd, line)
        except OSError as error:
            self._fail_write(line, error)
            return
        if written != len(line):
            self._fail_write(line, _short_write())
            return
        self._size = end

    def sync(self) -> None:
        """Push everything out to the disk (fdatasync). Blocks: call it off the event loop.

        After a failed fdatasync the kernel may have dropped the pages and would report success the
        next time, so the segment is not trusted again: the next try goes to a fresh one.
        """
        with self._sync_lock:
            try:
                self._sync_retired()
                fd = self._fd
                if fd < 0:
                    return
                os.fdatasync(fd)
                if os.fstat(fd).st_nlink == 0:
                    raise OSError(errno.ESTALE, "the segment was deleted while in use")
            except OSError as error:
                self._sync_error = error
                self._fail(error)
                self._next_try = 0.0

    def close(self) -> None:
        """Write what waits, sync, give back the room set aside, unlock. Harmless when repeated."""
        if self._fd < 0:
            return
        self._drain()
        self.sync()
        for line in self._backlog:
            self._lose(line)
        self._backlog.clear()
        self._give_back(self._fd, self._size)
        with self._sync_lock:
            os.close(self._fd)
            self._fd = -1
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
        self._refusal = OSError(errno.EBADF, "the journal is closed")
        self._threshold = _ALWAYS

    def _admit_again(self) -> None:
        if self._fd >= 0 and self._clock() >= self._next_try:
            self._drain()
        if self._refusal is not None:
            raise JournalUnavailable(
                f"calls cannot be recorded in {self.path}: {self._refusal.strerror}; "
                f"{_remedy(self._refusal)}",
                retry_after_s=_RETRY_S,
            )

    def _append_with_care(self, line: bytes) -> None:
        """Append in order behind the backlog; a line that nothing waits before is tried at once."""
        is_due = not self._backlog or self._clock() >= self._next_try
        self._keep(line)
        if is_due:
            self._drain()

    def _keep(self, line: bytes) -> None:
        if self._fd < 0 or self._backlog_size + len(line) > self._backlog_limit:
            self._lose(line)
            raise JournalUnavailable(
                f"a record for {self.path} could be neither written nor kept; it is in the log"
            )
        self._backlog.append(line)
        self._backlog_size += len(line)

    def _lose(self, line: bytes) -> None:
        self.lost += 1
        log.critical(
            "%s: not recorded; append this line to the journal: %s",
            self.path,
            line.decode().rstrip(),
        )

    def _drain(self) -> None:
        """Write the backlog in order, see to the room ahead, and open or shut admission."""
        try:
            if self._sync_error is not None:
                self._replace_segment()
            self._write_backlog()
            self._make_room()
        except OSError as error:
            self._fail(error)
            return
        if self._refusal is not None:
            self._refusal = self._sync_error
            log.warning("%s: records are taken again, calls are admitted", self.path)

    def _write_backlog(self) -> None:
        if self._torn:
            self._cut_torn_line()
        while self._backlog:
            line = self._backlog[0]
            try:
                written = self._write(self._fd, line)
                if written != len(line):
                    raise _short_write()
            except OSError:
                self._tear()
                raise
            self._size += len(line)
            self._backlog.popleft()
            self._backlog_size -= len(line)

    def _fail_write(self, line: bytes, error: OSError) -> None:
        self._tear()
        self._fail(error)
        self._keep(line)

    def _tear(self) -> None:
        """Some of a line may have been written: cut it off, now or before the next line."""
        self._torn = True
        try:
            self._cut_torn_line()
        except OSError as error:
            log.error("%s: a torn line could not be cut off: %s", self.path, error.strerror)

    def _cut_torn_line(self) -> None:
        """Undo a partial write. Cutting also frees the room set aside, so that is taken anew."""
        actual = os.fstat(self._fd).st_size
        if actual > self._size:
            os.ftruncate(self._fd, self._size)
            self._room_end = self._size
        self._size = min(actual, self._size)
        self._torn = False

    def _fail(self, error: OSError) -> None:
        self.failures += 1
        if self._refusal is None:
            log.error(
                "%s: %s; no further calls are admitted; %s",
                self.path, error.strerror, _remedy(error),
            )  # fmt: skip
        self._refusal = error
        self._next_try = self._clock() + _RETRY_S
        self._threshold = _ALWAYS

    def _make_room(self) -> None:
        """Rotate if it is time, keep half the room ahead; raise below a quarter of it."""
        if self._size >= self._rotate_at:
            self._rotate()
            self._limit_retired()
        room = self._room_end - self._size
        if room < self._ahead_bytes // 2:
            try:
                self._reserve_from(self._size)
            except OSError:
                if room < self._ahead_bytes // 4:
                    raise
                self._threshold = self._size + self._ahead_bytes // 16
                return
        self._threshold = min(self._rotate_at - 1, self._room_end - self._ahead_bytes // 2)

    def _reserve_from(self, offset: int) -> None:
        granted = self._reserve(self._fd, offset, self._ahead_bytes)
        self._room_end = offset + self._ahead_bytes if granted else _UNLIMITED

    def _rotate(self) -> None:
        """Begin the next segment if that is possible; if not, the old one simply grows on."""
        try:
            self._start_segment()
        except OSError as error:
            log.warning("%s: no new segment could be begun: %s", self.path, error.strerror)
            self._rotate_at = self._size + self._ahead_bytes // 16

    def _replace_segment(self) -> None:
        """Leave a segment whose fdatasync failed; an empty one can lose nothing and is kept."""
        if self._size > 0 or os.fstat(self._fd).st_nlink == 0:
            self._start_segment()
        os.fdatasync(self._fd)
        self._sync_error = None

    def _start_segment(self) -> None:
        fresh = create_segment(self.folder, self.worker)
        try:
            granted = self._reserve(fresh.fd, 0, self._ahead_bytes)
        except OSError:
            os.close(fresh.fd)
            (self.folder / segment_name(self.worker, fresh.number)).unlink(missing_ok=True)
            raise
        if self._torn:
            self._tear()
        old, old_size = self._fd, self._size
        self._number, self._fd, self._size = fresh.number, fresh.fd, 0
        self._room_end = self._ahead_bytes if granted else _UNLIMITED
        self._rotate_at = self._segment_bytes
        self._give_back(old, old_size)
        self._retired.append(old)

    def _limit_retired(self) -> None:
        """Where nobody calls `sync`, do its work now and then; where it is at work, leave it be.

        Only the holder of the lock closes a segment: `sync` may be using the one just finished.
        """
        if len(self._retired) > _RETIRED_OPEN and self._sync_lock.acquire(blocking=False):
            try:
                self._sync_retired()
            finally:
                self._sync_lock.release()

    def _sync_retired(self) -> None:
        """Push finished segments out and close them; the caller holds the lock."""
        while self._retired:
            fd = self._retired.popleft()
            try:
                os.fdatasync(fd)
            finally:
                os.close(fd)

    def _give_back(self, fd: int, size: int) -> None:
        """Free the blocks set aside beyond the end of a segment that is finished."""
        try:
            if os.fstat(fd).st_size == size:
                os.ftruncate(fd, size)
        except OSError as error:
            log.warning("%s: room set aside could not be freed: %s", self.path, error.strerror)


def _short_write() -> OSError:
    return OSError(errno.ENOSPC, "only part of the record was taken (disk full)")


def _remedy(error: OSError) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "free space or raise the quota, Portico goes on by itself"
        case errno.EROFS:
            return "remount the file system writable, Portico goes on by itself"
        case errno.EBADF:
            return "the gateway is shutting down"
        case _:
            return "check the disk and `portico journal verify`; Portico tries again each second"
