"""Server-sent events: bytes to (event name, data) and back.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream (2026-11-23),
with one leniency: an event that the end of the body cuts before its blank line is still given,
since providers forget that line; whether its JSON is whole is for the dialect to see. `id` and
`retry` are not used by any model API and are passed over, as are comments.
"""

from typing import Final

from portico.errors import UpstreamProtocol

SseEvent = tuple[bytes | None, bytes]
"""Event name, if it has one, and data."""

MAX_EVENT_BYTES: Final = 32 * 1024 * 1024
"""The most of one event that is held, in every dialect: pictures come in one."""

_BOM: Final = b"\xef\xbb\xbf"
_END: Final = b"\n\n"


class SseSplitter:
    """Feed it pieces of any size; it returns the events that became complete.

    Raises UpstreamProtocol for an event above `max_event_bytes`, so that a body without line ends
    cannot fill the memory; the events before it are returned first, and the next call raises.
    """

    __slots__ = ("_after_cr", "_is_broken", "_max_event_bytes", "_started", "_tail")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._tail = bytearray()
        self._after_cr = False
        self._started = False
        self._is_broken = False

    def feed(self, data: bytes) -> list[SseEvent]:
        if (
            self._started
            and 8 < len(data) <= self._max_event_bytes
            and not (self._tail or self._after_cr or self._is_broken)
            and (event := _alone(data)) is not None
        ):
            return [event]  # nearly every chunk of nearly every provider
        return self._feed(data)

    def _feed(self, data: bytes) -> list[SseEvent]:
        if self._is_broken:
            raise self._too_long()
        if self._after_cr or b"\r" in data:
            data = self._normalise(data)
        if not self._started:
            data = self._skip_bom(data)
        tail = self._tail
        if not tail and data.endswith(_END):
            whole = data
        else:
            searched = max(len(tail) - 1, 0)
            tail += data
            end = tail.rfind(_END, searched)
            if end < 0:
                whole = b""
            else:
                end += 2
                whole = bytes(tail[:end])
                del tail[:end]
            self._is_broken = len(tail) - tail.endswith(b"\n") > self._max_event_bytes
        events: list[SseEvent] = []
        for block in whole.split(_END):
            if len(block) > self._max_event_bytes:
                self._is_broken = True
                break
            if block and (event := _plain(block) or parse_event(block)) is not None:
                events.append(event)
        if self._is_broken:
            self._tail.clear()
            if not events:
                raise self._too_long()
        return events

    def close(self) -> list[SseEvent]:
        """The body has ended: what is left is an event without its blank line, or nothing."""
        if self._is_broken:
            raise self._too_long()
        block = bytes(self._tail)
        self._tail.clear()
        if not self._started and _BOM.startswith(block):
            return []
        event = parse_event(block)
        return [] if event is None else [event]

    def _too_long(self) -> UpstreamProtocol:
        return UpstreamProtocol(
            f"the provider's stream holds an event of over {self._max_event_bytes} bytes"
        )

    def _normalise(self, data: bytes) -> bytes:
        """CR and CRLF become LF; a CR at the very end may yet turn out to be half of a CRLF."""
        if self._after_cr and data:
            self._after_cr = False
            if data.startswith(b"\n"):
                data = data[1:]
        if data.endswith(b"\r"):
            self._after_cr = True
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _skip_bom(self, data: bytes) -> bytes:
        head = bytes(self._tail) + data
        if len(head) < 3 and _BOM.startswith(head):
            self._tail[:] = head
            return b""
        self._tail.clear()
        self._started = True
        return head.removeprefix(_BOM)


def _alone(data: bytes) -> SseEvent | None:
    """The event, if there is one in `data` and nothing else, in the form that providers write."""
    if data.endswith(_END):
        return None if b"\r" in data else _plain(data[:-2])
    end = len(data) - 4
    if data.find(b"\r") != end or data[end:] != b"\r\n\r\n":
        return None
    return _plain(data[:end])


def _plain(block: bytes) -> SseEvent | None:
    """One line of data, with a name before it or without."""
    if block.startswith(b"data: "):
        return None if b"\n" in block else (None, block[6:])
    if not block.startswith(b"event: "):
        return None
    at = block.find(b"\n")
    if at <= 7 or not block.startswith(b"data: ", at + 1) or block.find(b"\n", at + 1) >= 0:
        return None
    return block[7:at], block[at + 7 :]


def parse_event(block: bytes) -> SseEvent | None:
    """The lines of one event, ended by LF alone; `None` if there is no data in it."""
    name: bytes | None = None
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, colon, value = line.partition(b":")
        if colon and value.startswith(b" "):
            value = value[1:]
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value or None
    return (name, b"\n".join(data)) if data else None


def write_event(data: bytes, name: bytes | None = None) -> bytes:
    """One event; `data` is JSON and so has no line end in it."""
    if name is None:
        return b"data: %b\n\n" % data
    return b"event: %b\ndata: %b\n\n" % (name, data)
