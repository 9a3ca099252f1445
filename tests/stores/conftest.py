"""What several store tests need: records, and a disk and clock that do as they are told."""

import errno
import os
from collections.abc import Callable

import pytest

from portico.types.call import AttemptRecord, CallRecord
from portico.types.usage import Spend, Usage

MakeRecord = Callable[..., CallRecord]


@pytest.fixture
def make_record() -> MakeRecord:
    def make(number: int, **changes: object) -> CallRecord:
        attempt = AttemptRecord(
            number=1,
            deployment="up/gpt-4o-mini",
            outcome="success",
            status=200,
            usage=Usage(input_tokens=12, output_tokens=3),
            spend=Spend(1_500_000, {"input": 1_200_000, "output": 300_000}),
        )
        fields: dict[str, object] = {
            "id": f"call-{number:05d}",
            "request_id": f"req-{number}",
            "at": 1_700_000_000.25 + number,
            "operation": "chat",
            "key_id": "team-a",
            "route": "fast",
            "status": 200,
            "cost_nanousd": 1_500_000,
            "attempts": (attempt,),
        }
        return CallRecord(**(fields | changes))  # type: ignore[arg-type]

    return make


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class FakeDisk:
    """Takes `free` more bytes, then says no; a partial write comes first, as on a real disk."""

    def __init__(self) -> None:
        self.free = 1 << 40
        self.code = errno.ENOSPC
        self.room: int | None = None
        self.writes = 0

    def write(self, fd: int, data: bytes) -> int:
        self.writes += 1
        part = data[: self.free]
        if not part:
            raise OSError(self.code, os.strerror(self.code))
        self.free -= len(part)
        return os.write(fd, part)

    def reserve(self, fd: int, offset: int, length: int) -> bool:
        """`room` of `None` is a file system that sets nothing aside."""
        if self.room is None:
            return False
        if self.room < length:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= length
        return True


@pytest.fixture
def disk() -> FakeDisk:
    return FakeDisk()
