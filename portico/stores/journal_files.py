"""The journal's dealings with the file system: lock, opening and mending segments, room ahead."""

import ctypes
import errno
import fcntl
import functools
import logging
import mmap
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from portico.errors import ConfigError
from portico.stores.journal_format import WORKER, find_frames, list_segments, segment_name

log = logging.getLogger(__name__)

_KEEP_SIZE = 1
"""`FALLOC_FL_KEEP_SIZE` of fallocate(2): blocks are set aside, the file's length stays."""
_NOT_OFFERED = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


class Recovery(msgspec.Struct, frozen=True):
    """A torn tail found on opening. `kept_in` holds the bytes that were no record; `None` when the
    record was whole but for its line feed and has been completed."""

    segment: str
    offset: int
    torn_bytes: int
    kept_in: Path | None


class Segment(msgspec.Struct, frozen=True):
    number: int
    fd: int
    size: int


def prepare_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"journal folder {folder} cannot be made: {error.strerror}; "
            "remove what is in its way or choose another data folder"
        ) from error


def lock_series(folder: Path, worker: str) -> int:
    """Become the one writer of this worker's segments; closing the descriptor ends it."""
    if WORKER.fullmatch(worker) is None:
        raise ConfigError(f"worker {worker!r} must be 1 to 16 lower-case letters or digits")
    path = folder / f"{worker}.lock"
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(
            f"journal folder {folder} is not writable: {error.strerror}; "
            f"give user {os.geteuid()} write permission or choose another data folder"
        ) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise ConfigError(f"{path} cannot be locked: {error.strerror}") from error
        raise ConfigError(
            f"journal {folder} is in use by process {holder} (lock {path}); "
            "stop that process or choose another data folder"
        ) from error
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)
    except OSError as error:
        log.warning("%s: the process id could not be noted: %s", path, error.strerror)
    return fd


def open_last(folder: Path, worker: str, segment_bytes: int) -> tuple[Segment, Recovery | None]:
    """The segment to go on writing: the newest after mending its tail, or a fresh one."""
    try:
        series = list_segments(folder, worker)
        if not series:
            return create_segment(folder, worker), None
        number = series[-1][1]
        fd = _open(folder / segment_name(worker, number), os.O_RDWR | os.O_APPEND)
        try:
            recovery, sound = mend_tail(folder / segment_name(worker, number), fd)
            size = os.fstat(fd).st_size
        except BaseException:
            os.close(fd)
            raise
        if sound and size < segment_bytes:
            return Segment(number, fd, size), recovery
        os.close(fd)
        return create_segment(folder, worker), recovery
    except OSError as error:
        raise ConfigError(
            f"journal {error.filename or folder} cannot be opened: {error.strerror}; "
            "mend it or choose another data folder"
        ) from error


def create_segment(folder: Path, worker: str) -> Segment:
    series = list_segments(folder, worker)
    number = series[-1][1] + 1 if series else 1
    path = folder / segment_name(worker, number)
    return Segment(number, _open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL), 0)


def mend_tail(path: Path, fd: int) -> tuple[Recovery | None, bool]:
    """Cut what follows the last sound record into a side file; says whether the tail is sound now.

    The side file is complete and on disk before anything is cut. When it cannot be written (disk
    full) nothing is cut, and the caller begins a fresh segment behind the damage.
    """
    size = os.fstat(fd).st_size
    end = _end_of_records(fd, size)
    rest = os.pread(fd, size - end, end)
    if rest == (b"\n" if end else b""):
        return None, True
    has_line_feed = end == 0 or rest.startswith(b"\n")
    offset = end + 1 if rest.startswith(b"\n") else end
    side = path.with_suffix(f".torn-{offset}") if offset < size else None
    try:
        if side is not None:
            _write_side_file(side, rest[offset - end :])
            os.ftruncate(fd, offset)
        if not has_line_feed:
            os.write(fd, b"\n")
    except OSError as error:
        log.error("%s:%d: torn record could not be mended: %s", path, offset, error.strerror)
        return None, False
    log.warning(
        "%s:%d: the end was torn by a crash: %s",
        path,
        offset,
        "the last record lacked only its line feed; completed"
        if side is None
        else f"{size - offset} bytes that are no whole record moved to {side}",
    )
    return Recovery(path.name, offset, size - offset, side), True


def _end_of_records(fd: int, size: int) -> int:
    """Where the JSON of the last sound record ends; looks only as far back as it must."""
    if size == 0:
        return 0
    with mmap.mmap(fd, size, prot=mmap.PROT_READ) as text:
        end = size
        while end > 0:
            start = text.rfind(b"\n", 0, end - 1) + 1
            frames = list(find_frames(text[start:end]))
            if frames:
                return start + frames[-1].end
            end = start
    return 0


def _write_side_file(side: Path, torn: bytes) -> None:
    fd = _open(side, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        view = memoryview(torn)
        while view:
            view = view[os.write(fd, view) :]
        os.fdatasync(fd)
    finally:
        os.close(fd)


def _open(path: Path, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


@functools.cache
def _fallocate() -> Callable[[int, int, int, int], int] | None:
    libc = ctypes.CDLL(None, use_errno=True)
    call = getattr(libc, "fallocate64", None) or getattr(libc, "fallocate", None)
    if call is None:
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    call.restype = ctypes.c_int
    return call  # type: ignore[no-any-return]


def reserve_blocks(fd: int, offset: int, length: int) -> bool:
    """Set disk blocks aside beyond the end of a file without making it longer.

    `os.posix_fallocate` would fill the tail with zeros: no text file any more. False where the
    system or the file system does not offer it; OSError (ENOSPC, EDQUOT …) where there is no room.
    """
    call = _fallocate()
    if call is None:
        return False
    if call(fd, _KEEP_SIZE, offset, length) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NOT_OFFERED:
        return False
    if code == errno.EINTR:
        return reserve_blocks(fd, offset, length)
    raise OSError(code, os.strerror(code))
