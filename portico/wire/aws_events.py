"""AWS event streams: binary frames to events and back (`application/vnd.amazon.eventstream`).

https://smithy.io/2.0/aws/amazon-eventstream.html (2026-11-23). A frame is a prelude (total length,
length of the headers, CRC-32 of those eight bytes), typed headers, a payload, and the CRC-32 of all
before it. Both sums are checked: a frame that fails is never handed on, and nothing after it.
"""

import struct
from binascii import crc32
from functools import lru_cache
from typing import Final

import msgspec

from portico.errors import UpstreamProtocol

HeaderValue = str | bytes | int | bool
"""Timestamps are epoch milliseconds, UUIDs their sixteen bytes."""

CONTENT_TYPE: Final = b"application/vnd.amazon.eventstream"
MAX_FRAME_BYTES: Final = 24 * 1024 * 1024
MAX_HEADER_BYTES: Final = 128 * 1024

_PRELUDE: Final = struct.Struct(">III")
_LENGTH: Final = struct.Struct(">H")
_SUM: Final = struct.Struct(">I")
_OVERHEAD: Final = _PRELUDE.size + _SUM.size
_NUMBERS: Final = {
    2: struct.Struct(">b"),
    3: struct.Struct(">h"),
    4: struct.Struct(">i"),
    5: struct.Struct(">q"),
    8: struct.Struct(">q"),
}


class AwsEvent(msgspec.Struct, frozen=True):
    """`headers` is shared between events with the same bytes: look, do not change."""

    headers: dict[str, HeaderValue]
    payload: bytes

    @property
    def kind(self) -> str:
        """`event`, `exception` (with a modelled payload) or `error` (with headers alone)."""
        return str(self.headers.get(":message-type", "event"))

    @property
    def name(self) -> str:
        """The type of the event or exception, the code of the error."""
        headers = self.headers
        for field in (":event-type", ":exception-type", ":error-code"):
            if (name := headers.get(field)) is not None:
                return str(name)
        return ""


class AwsEventSplitter:
    """Feed it pieces of any size; it returns the events that became complete.

    Raises UpstreamProtocol for a frame that is damaged or larger than the format allows; the events
    before it are returned first, and the next call raises.
    """

    __slots__ = ("_need", "_problem", "_tail")

    def __init__(self) -> None:
        self._tail = bytearray()
        self._need = 0
        self._problem: str | None = None

    def feed(self, data: bytes) -> list[AwsEvent]:
        self._check()
        if self._tail:
            self._tail += data
            if len(self._tail) < self._need:
                return []
            data = bytes(self._tail)
            self._tail.clear()
        events: list[AwsEvent] = []
        at, end = 0, len(data)
        self._need = _PRELUDE.size
        while end - at >= _PRELUDE.size:
            total, header_bytes, prelude_sum = _PRELUDE.unpack_from(data, at)
            if crc32(data[at : at + 8]) != prelude_sum:
                self._problem = "the checksum of a frame's prelude is wrong"
            elif total > MAX_FRAME_BYTES or header_bytes > min(MAX_HEADER_BYTES, total - _OVERHEAD):
                self._problem = f"a frame claims {total} bytes, {header_bytes} of them headers"
            elif end - at < total:
                self._need = total
                break
            else:
                self._take(data, at, total, header_bytes, events)
                at += total
            if self._problem is not None:
                if not events:
                    self._check()
                return events
        self._tail += data[at:]
        return events

    def _take(
        self, data: bytes, at: int, total: int, header_bytes: int, events: list[AwsEvent]
    ) -> None:
        end = at + total - _SUM.size
        if crc32(data[at:end]) != _SUM.unpack_from(data, end)[0]:
            self._problem = "the checksum of a frame is wrong"
            return
        start = at + _PRELUDE.size
        try:
            headers = _read_headers(data[start : start + header_bytes])
        except (struct.error, ValueError, KeyError):
            self._problem = "the headers of a frame cannot be read"
            return
        events.append(AwsEvent(headers, data[start + header_bytes : end]))

    def close(self) -> list[AwsEvent]:
        """The body has ended; raises UpstreamProtocol if it ended within a frame: none is left."""
        self._check()
        if self._tail:
            self._problem = "it ended within a frame"
            self._check()
        return []

    def _check(self) -> None:
        if self._problem is not None:
            raise UpstreamProtocol(f"the provider's event stream is damaged: {self._problem}")


@lru_cache(maxsize=64)
def _read_headers(data: bytes) -> dict[str, HeaderValue]:
    """Nearly every frame of a stream repeats the headers of another, byte for byte."""
    headers: dict[str, HeaderValue] = {}
    at = 0
    while at < len(data):
        length = data[at]
        at += 1
        name = _slice(data, at, length).decode()
        at += length
        kind = _slice(data, at, 1)[0]
        at += 1
        if kind < 2:
            headers[name] = kind == 0
        elif kind == 6 or kind == 7:
            (length,) = _LENGTH.unpack_from(data, at)
            value = _slice(data, at + 2, length)
            headers[name] = value if kind == 6 else value.decode()
            at += 2 + length
        elif kind == 9:
            headers[name] = _slice(data, at, 16)
            at += 16
        else:
            number = _NUMBERS[kind]
            headers[name] = number.unpack_from(data, at)[0]
            at += number.size
    return headers


def _slice(data: bytes, at: int, length: int) -> bytes:
    part = data[at : at + length]
    if len(part) < length:
        raise ValueError("cut short")
    return part


def write_event(headers: dict[str, str], payload: bytes) -> bytes:
    """One frame; text headers are all that any model API uses."""
    block = b"".join(
        b"%c%b\x07%b%b" % (len(name), name, _LENGTH.pack(len(value)), value)
        for name, value in ((n.encode(), v.encode()) for n, v in headers.items())
    )
    prelude = struct.pack(">II", len(block) + len(payload) + _OVERHEAD, len(block))
    frame = prelude + _SUM.pack(crc32(prelude)) + block + payload
    return frame + _SUM.pack(crc32(frame))
