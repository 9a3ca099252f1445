"""Looks at a stream of server-sent events that passes unchanged, in a dialect that is not OpenAI's.

What `tap.StreamTap` is for OpenAI's streams: events go on whole and as they came, an ordinary one
is never decoded, what the provider says of an error is held for the gateway to say. What is worth
a look, and what ends a stream, is the dialect's own affair: a `Watcher` of its package knows.
"""

import re
from typing import Final, Protocol

from portico.errors import GatewayError, UpstreamProtocol
from portico.types.usage import Usage
from portico.wire.json_io import MalformedError, decode
from portico.wire.sse import MAX_EVENT_BYTES, parse_event

_ENDS: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")
_WHOLE: Final = (b"\n\n", b"\r\n\r\n")
_END: Final = re.compile(rb"\n\n|\r\n\r\n|\r\r")


class Watcher(Protocol):
    """A dialect's own eye on one stream; no method raises, whatever the bytes."""

    @property
    def usage(self) -> Usage | None: ...

    @property
    def error(self) -> GatewayError | None: ...

    @property
    def is_done(self) -> bool: ...

    @property
    def events(self) -> int:
        """Pieces of content passed on: the estimate of last resort for output tokens."""
        ...

    def is_marked(self, data: bytes) -> bool:
        """May an event of these say something? A search for a few byte strings that JSON text
        cannot hold inside a string, where their quotes would be escaped."""
        ...

    def see(self, payload: bytes) -> None:
        """Look into the data of a marked event."""

    def passed(self, data: bytes) -> None:
        """These whole events have gone on to the client."""

    def end(self) -> None:
        """The body has ended cleanly; where nothing else ends a stream, that may be the end."""

    def write_error(self, error: GatewayError) -> bytes:
        """The event that ends a broken stream."""
        ...


class NativeTap:
    """Satisfies `tap.Tap`; an event above `max_event_bytes` is refused."""

    __slots__ = ("_max_event_bytes", "_tail", "_watcher")

    def __init__(self, watcher: Watcher, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._watcher = watcher
        self._max_event_bytes = max_event_bytes
        self._tail = bytearray()

    @property
    def usage(self) -> Usage | None:
        return self._watcher.usage

    @property
    def error(self) -> GatewayError | None:
        return self._watcher.error

    @property
    def events(self) -> int:
        return self._watcher.events

    @property
    def is_done(self) -> bool:
        return self._watcher.is_done

    def feed(self, data: bytes) -> bytes:
        """Raises `UpstreamProtocol` for an event that is too large."""
        if self._tail or not data.endswith(_WHOLE):
            data = self._whole_events(data)
            if not data:
                return b""
        return self._pass(data)

    def _pass(self, data: bytes) -> bytes:
        if self._watcher.is_marked(data):
            data = self._look(data)
        if data:
            self._watcher.passed(data)
        return data

    def _whole_events(self, data: bytes) -> bytes:
        tail = self._tail
        searched = max(len(tail) - 3, 0)
        tail += data
        end = 0
        for mark in _ENDS:
            found = tail.rfind(mark, searched)
            if found >= 0:
                end = max(end, found + len(mark))
        if len(tail) - end > self._max_event_bytes:
            raise UpstreamProtocol(
                f"The provider sent a stream event of more than {self._max_event_bytes >> 20} MiB."
            )
        whole = bytes(tail[:end])
        del tail[:end]
        return whole

    def _look(self, data: bytes) -> bytes:
        """What goes on: nothing after the end, nor an error or what follows it."""
        watcher = self._watcher
        start = kept = 0
        for mark in _END.finditer(data):
            event = data[start : mark.end()]
            start = mark.end()
            if watcher.is_marked(event):
                watcher.see(payload_of(event))
                if watcher.error is not None:
                    return data[:kept]
                if watcher.is_done:
                    return data[:start]
            kept = start
        return data

    def close(self) -> bytes:
        """The provider has ended cleanly; a last event without its blank line is completed, one
        that breaks off is dropped.
        """
        rest = b""
        last = bytes(self._tail)
        self._tail.clear()
        if last and _is_whole(payload_of(last)):
            rest = self._pass(last.rstrip(b"\r\n") + b"\n\n")
        if not self.is_done and self.error is None:
            self._watcher.end()
        return rest

    def fail(self, error: GatewayError) -> bytes:
        return self._watcher.write_error(error)


def payload_of(event: bytes) -> bytes:
    """The data of one whole event; empty if it has none."""
    if b"\r" in event:
        event = event.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    parsed = parse_event(event.rstrip(b"\n"))
    return b"" if parsed is None else parsed[1]


def payloads_of(data: bytes) -> list[bytes]:
    """The data of each of some whole events that have any."""
    return [payload for event in _END.split(data) if (payload := payload_of(event))]


def _is_whole(payload: bytes) -> bool:
    try:
        decode(payload)
    except MalformedError:
        return False
    return True
