"""How the journal lies on disk: one line of text a record, one numbered file a segment.

A line is `<crc32 in 8 hex digits> <length in decimal> <json>\\n`; both are of the JSON bytes.
JSON never holds a raw line feed, so a reader that has lost its place finds it again after the
next one. A client cannot forge a record inside a damaged one: the quotes of its strings are
escaped, so no text of its own is a JSON object.

A segment is `<worker>-<number>.log`; a worker writes only its own series, the highest number last.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import msgspec

_SEGMENT = re.compile(r"([a-z0-9]{1,16})-([0-9]{8,})\.log")
_HEAD = re.compile(rb"([0-9a-f]{8}) ([0-9]{1,9}) (?=\{)")
WORKER = re.compile(r"[a-z0-9]{1,16}")


class Position(msgspec.Struct, frozen=True, order=True):
    """Where a record begins. Compares in reading order: worker, segment number, byte offset."""

    worker: str
    number: int
    offset: int

    @property
    def segment(self) -> str:
        return segment_name(self.worker, self.number)

    def __str__(self) -> str:
        return f"{self.segment}:{self.offset}"


class Frame(msgspec.Struct, frozen=True):
    """A JSON text whose checksum is right, and where its frame lies within the line."""

    start: int
    end: int
    payload: bytes


def frame(payload: bytes) -> bytes:
    return b"%08x %d %b\n" % (crc32(payload), len(payload), payload)


def find_frames(line: bytes) -> Iterator[Frame]:
    """Every sound record in a piece of text, whatever damage lies around it.

    A damaged line feed glues two records into one line, so a line may hold several.
    """
    at = 0
    while (head := _HEAD.search(line, at)) is not None:
        end = head.end() + int(head[2])
        payload = line[head.end() : end]
        if end <= len(line) and crc32(payload) == int(head[1], 16):
            yield Frame(head.start(), end, payload)
            at = end
        else:
            at = head.start() + 1


def segment_name(worker: str, number: int) -> str:
    return f"{worker}-{number:08d}.log"


def list_segments(folder: Path, worker: str | None = None) -> list[tuple[str, int]]:
    """(worker, number) of each segment in reading order; other files are left alone."""
    found = [
        (match[1], int(match[2]))
        for path in folder.iterdir()
        if (match := _SEGMENT.fullmatch(path.name)) is not None
    ]
    return sorted(pair for pair in found if worker is None or pair[0] == worker)
