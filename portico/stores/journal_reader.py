"""Reading the journal: its records in order, a check of every byte, and following it as it grows.

Reading needs no lock and never changes a file. Damage is reported with its place and stepped
over: the sound records behind it are read. Fields that this version does not know are skipped, so a
journal that a newer Portico wrote can be read.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import msgspec

from portico.errors import ConfigError
from portico.stores.journal_format import Position, find_frames, list_segments, segment_name
from portico.types.call import CallRecord

_decode = msgspec.json.Decoder(CallRecord).decode


class Problem(msgspec.Struct, frozen=True):
    """Something that should not be there: `length` bytes from `offset`, or a whole file."""

    segment: str
    offset: int
    length: int
    what: str

    def __str__(self) -> str:
        return f"{self.segment}:{self.offset}: {self.what}"


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """`duplicates` are call ids that occur more than once; `unpriced` counts records of no cost."""

    segments: int
    records: int
    bytes: int
    cost_nanousd: int
    unpriced: int
    problems: tuple[Problem, ...]
    duplicates: tuple[str, ...]
    side_files: tuple[str, ...]
    """Torn tails of earlier crashes, kept by recovery; no fault of the journal as it is now."""

    @property
    def is_sound(self) -> bool:
        return not self.problems and not self.duplicates


def read_records(
    folder: Path,
    *,
    since: Position | None = None,
    worker: str | None = None,
    on_problem: Callable[[Problem], None] | None = None,
) -> Iterator[tuple[Position, CallRecord]]:
    """Each record and where it begins, worker by worker in order of appending.

    `since` is the last position already seen; with several workers keep one for each and read them
    one by one. Raises ConfigError when there is no journal in the folder.
    """
    for name, number in _segments(folder, worker):
        if since is not None and (name, number) < (since.worker, since.number):
            continue
        resumed = since is not None and (name, number) == (since.worker, since.number)
        start = since.offset if since is not None and resumed else 0
        for found in _scan(folder, name, number, start):
            if isinstance(found, Problem):
                if on_problem is not None:
                    on_problem(found)
            elif since is None or found[0] > since:
                yield found


def follow(
    folder: Path, *, pause: Callable[[], None], seen: dict[str, Position] | None = None
) -> Iterator[tuple[Position, CallRecord]]:
    """Records as they are appended, for ever; `pause` is called when there is nothing new.

    `seen` holds the last position known of each worker; what lies before is not repeated.
    """
    cursors = dict(seen or {})
    while True:
        for worker in dict.fromkeys(name for name, _ in _segments(folder, None)):
            for position, record in read_records(folder, since=cursors.get(worker), worker=worker):
                cursors[worker] = position
                yield position, record
        pause()


def verify(folder: Path) -> VerifyReport:
    """Read every byte of every segment and account for it; raises ConfigError without a journal."""
    segments = _segments(folder, None)
    problems = list(_gaps(segments))
    ids: Counter[str] = Counter()
    size = cost = unpriced = 0
    for worker, number in segments:
        for found in _scan(folder, worker, number, 0):
            if isinstance(found, Problem):
                problems.append(found)
                continue
            record = found[1]
            ids[record.id] += 1
            if record.cost_nanousd is None:
                unpriced += 1
            else:
                cost += record.cost_nanousd
        size += _size(folder / segment_name(worker, number))
    return VerifyReport(
        segments=len(segments),
        records=ids.total(),
        bytes=size,
        cost_nanousd=cost,
        unpriced=unpriced,
        problems=tuple(problems),
        duplicates=tuple(id for id, count in ids.items() if count > 1),
        side_files=tuple(sorted(path.name for path in folder.glob("*.torn-*"))),
    )


def _segments(folder: Path, worker: str | None) -> list[tuple[str, int]]:
    try:
        return list_segments(folder, worker)
    except OSError as error:
        raise ConfigError(
            f"no journal can be read in {folder}: {error.strerror}; "
            "name the data folder that `portico serve` uses"
        ) from error


def _scan(
    folder: Path, worker: str, number: int, start: int
) -> Iterator[tuple[Position, CallRecord] | Problem]:
    """Everything in one segment from `start`; `sound_to` is where the accounted text ends."""
    name = segment_name(worker, number)
    at = sound_to = start
    line = b"\n"
    try:
        with (folder / name).open("rb") as file:
            file.seek(start)
            for line in file:
                for frame in find_frames(line):
                    begin = at + frame.start
                    if begin > sound_to:
                        yield _damage(name, sound_to, begin)
                    yield _read(Position(worker, number, begin), frame.payload)
                    has_line_feed = line[frame.end : frame.end + 1] == b"\n"
                    sound_to = at + frame.end + has_line_feed
                at += len(line)
    except OSError as error:
        yield Problem(name, at, 0, f"cannot be read: {error.strerror}")
        return
    if sound_to < at and line.endswith(b"\n"):
        yield _damage(name, sound_to, at)
    elif not line.endswith(b"\n"):
        what = f"the end is torn: {at - sound_to} bytes that are no whole record"
        if sound_to == at:
            what = "the end is torn: the last record lacks its line feed"
        yield Problem(name, sound_to, at - sound_to, what)


def _damage(name: str, start: int, end: int) -> Problem:
    return Problem(name, start, end - start, f"{end - start} bytes are no sound record")


def _read(position: Position, payload: bytes) -> tuple[Position, CallRecord] | Problem:
    try:
        return position, _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        what = f"the checksum is right but this is no call record: {error}"
        return Problem(position.segment, position.offset, len(payload), what)


def _gaps(segments: list[tuple[str, int]]) -> Iterator[Problem]:
    """Numbers missing between two segments; that the oldest are gone is the operator's choice."""
    for (worker, number), (next_worker, next_number) in pairwise(segments):
        if worker == next_worker and next_number != number + 1:
            last = next_number - 1
            span = f" to {segment_name(worker, last)}" if last > number + 1 else ""
            name = segment_name(worker, number + 1)
            yield Problem(name, 0, 0, f"missing: {name}{span}, though older segments are here")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
