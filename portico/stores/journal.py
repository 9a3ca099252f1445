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
    lock_series,
    open_last,
    prepare_folder,
    reserve_blocks,
)
from portico.stores.journal_format import frame
from portico.stores.journal_tail import AHEAD_BYTES, SEGMENT_BYTES, Reserve, Tail, Write
from portico.types.call import CallRecord

log = logging.getLogger(__name__)

_BACKLOG_BYTES = 16 * 1024 * 1024
_RETRY_S = 1.0


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
        segment_bytes: int = SEGMENT_BYTES,
        ahead_bytes: int = AHEAD_BYTES,
        backlog_bytes: int = _BACKLOG_BYTES,
        clock: Callable[[], float] = time.monotonic,
        write: Write = os.write,
        reserve: Reserve = reserve_blocks,
    ) -> None:
        self.recovered = recovered
        self.failures = 0
        self.lost = 0
        self._encode = msgspec.json.Encoder().encode
        self._clock = clock
        self._lock_fd = lock_fd
        self._tail = Tail(
            folder,
            worker,
            segment,
            segment_bytes=segment_bytes,
            ahead_bytes=ahead_bytes,
            write=write,
            reserve=reserve,
        )
        self._backlog: deque[bytes] = deque()
        self._backlog_size = 0
        self._backlog_limit = backlog_bytes
        self._refusal: OSError | None = None
        self._next_try = 0.0
        self._drain()

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        worker: str = "0",
        clock: Callable[[], float] = time.monotonic,
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
        return self._tail.path

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
        if self._refusal is not None:
            self._append_behind_backlog(line)
            return
        tail = self._tail
        try:
            tail.write(line)
        except OSError as error:
            self._fail(error)
            self._keep(line)
            return
        if tail.size > tail.threshold:
            self._drain()

    def sync(self) -> None:
        """Push everything out to the disk (fdatasync). Blocks: call it off the event loop."""
        try:
            self._tail.sync()
        except OSError as error:
            self._fail(error)
            self._next_try = 0.0

    def close(self) -> None:
        """Write what waits, sync, give back the room set aside, unlock. Harmless when repeated."""
        if self._tail.is_closed:
            return
        self._drain()
        self.sync()
        for line in self._backlog:
            self._lose(line)
        self._backlog.clear()
        self._tail.close()
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
        self._refusal = OSError(errno.EBADF, "the journal is closed")

    def _admit_again(self) -> None:
        if not self._tail.is_closed and self._clock() >= self._next_try:
            self._drain()
        if self._refusal is not None:
            raise JournalUnavailable(
                f"calls cannot be recorded in {self.path}: {self._refusal.strerror}; "
                f"{_remedy(self._refusal)}",
                retry_after_s=_RETRY_S,
            )

    def _append_behind_backlog(self, line: bytes) -> None:
        """A line that nothing waits before is tried at once: there may be room for it set aside."""
        is_due = not self._backlog or self._clock() >= self._next_try
        self._keep(line)
        if is_due:
            self._drain()

    def _keep(self, line: bytes) -> None:
        if self._tail.is_closed or self._backlog_size + len(line) > self._backlog_limit:
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
            self._tail.restore()
            while self._backlog:
                line = self._backlog[0]
                self._tail.write(line)
                self._backlog.popleft()
                self._backlog_size -= len(line)
            self._tail.make_room()
        except OSError as error:
            self._fail(error)
            return
        if self._refusal is not None and not self._tail.is_suspect:
            self._refusal = None
            log.warning("%s: records are taken again, calls are admitted", self.path)

    def _fail(self, error: OSError) -> None:
        self.failures += 1
        if self._refusal is None:
            log.error(
                "%s: %s; no further calls are admitted; %s",
                self.path,
                error.strerror,
                _remedy(error),
            )
        self._refusal = error
        self._next_try = self._clock() + _RETRY_S


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
