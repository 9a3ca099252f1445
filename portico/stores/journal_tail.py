"""The end of the journal on the disk: the open segment, the room ahead of it, and rotation.

Everything here raises OSError as the disk gives it and leaves the journal as it was before; what
that means for calls is decided in `journal.py`.
"""

import errno
import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from portico.stores.journal_files import Segment, create_segment
from portico.stores.journal_format import segment_name

log = logging.getLogger(__name__)

Write = Callable[[int, bytes], int]
Reserve = Callable[[int, int, int], bool]

SEGMENT_BYTES = 64 * 1024 * 1024
AHEAD_BYTES = 1024 * 1024
_RETIRED_OPEN = 4
"""Finished segments that may wait for `sync`; more than that are synced as the next one begins."""
_UNLIMITED = 1 << 62


class Tail:
    """`make_room` is due when `size` has passed `threshold`. `is_suspect`: an fdatasync failed."""

    def __init__(
        self,
        folder: Path,
        worker: str,
        segment: Segment,
        *,
        segment_bytes: int,
        ahead_bytes: int,
        write: Write,
        reserve: Reserve,
    ) -> None:
        self._folder = folder
        self._worker = worker
        self._number, self._fd, self.size = segment.number, segment.fd, segment.size
        self._write = write
        self._reserve = reserve
        self._segment_bytes = segment_bytes
        self._ahead_bytes = ahead_bytes
        self._room_end = segment.size
        self._rotate_at = segment_bytes
        self.threshold = segment.size
        self._torn = False
        self.is_suspect = False
        self._retired: deque[int] = deque()
        self._sync_lock = threading.Lock()

    @property
    def path(self) -> Path:
        return self._folder / segment_name(self._worker, self._number)

    @property
    def is_closed(self) -> bool:
        return self._fd < 0

    def write(self, line: bytes) -> None:
        """All of the line in one write(2), or none of it."""
        try:
            if self._torn:
                self._cut_torn_line()
            if self._write(self._fd, line) != len(line):
                raise OSError(errno.ENOSPC, "only part of the record was taken (disk full)")
        except OSError:
            self._tear()
            raise
        self.size += len(line)

    def restore(self) -> None:
        """Undo what a failure left behind, so that the next line can be written."""
        if self.is_suspect:
            self._replace()
        if self._torn:
            self._cut_torn_line()

    def make_room(self) -> None:
        """Rotate if it is time, keep half the room ahead; raise below a quarter of it."""
        if self.size >= self._rotate_at:
            self._rotate()
            self._limit_retired()
        room = self._room_end - self.size
        if room < self._ahead_bytes // 2:
            try:
                granted = self._reserve(self._fd, self.size, self._ahead_bytes)
            except OSError:
                if room < self._ahead_bytes // 4:
                    raise
                self.threshold = self.size + self._ahead_bytes // 16
                return
            self._room_end = self.size + self._ahead_bytes if granted else _UNLIMITED
        self.threshold = min(self._rotate_at - 1, self._room_end - self._ahead_bytes // 2)

    def sync(self) -> None:
        """Push everything out (fdatasync); may run in another thread than the rest.

        After a failed fdatasync the kernel may have dropped the pages and would report success the
        next time, so the segment is not trusted again: `restore` goes to a fresh one.
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
            except OSError:
                self.is_suspect = True
                raise

    def close(self) -> None:
        with self._sync_lock:
            fd, self._fd = self._fd, -1
            self._give_back(fd, self.size)
            os.close(fd)

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
        if actual > self.size:
            os.ftruncate(self._fd, self.size)
            self._room_end = self.size
        self.size = min(actual, self.size)
        self._torn = False

    def _replace(self) -> None:
        """Leave a segment whose fdatasync failed; an empty one can lose nothing and is kept."""
        if self.size > 0 or os.fstat(self._fd).st_nlink == 0:
            self._start_segment()
        os.fdatasync(self._fd)
        self.is_suspect = False

    def _rotate(self) -> None:
        """Begin the next segment if that is possible; if not, the old one simply grows on."""
        try:
            self._start_segment()
        except OSError as error:
            log.warning("%s: no new segment could be begun: %s", self.path, error.strerror)
            self._rotate_at = self.size + self._ahead_bytes // 16

    def _start_segment(self) -> None:
        fresh = create_segment(self._folder, self._worker)
        try:
            granted = self._reserve(fresh.fd, 0, self._ahead_bytes)
        except OSError:
            os.close(fresh.fd)
            (self._folder / segment_name(self._worker, fresh.number)).unlink(missing_ok=True)
            raise
        if self._torn:
            self._tear()
            self._torn = False
        old, old_size = self._fd, self.size
        self._number, self._fd, self.size = fresh.number, fresh.fd, 0
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
