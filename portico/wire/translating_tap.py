"""A stream from one dialect to another: bytes -> reader -> events -> writer -> bytes.

Satisfies `tap.Tap`, so that a relay need not know whether it translates.
"""

from portico.errors import GatewayError
from portico.types.chat_stream import (
    BlockStart,
    Event,
    StreamEnd,
    StreamError,
    TextDelta,
    ThinkingDelta,
    UsageUpdate,
)
from portico.types.usage import Usage
from portico.wire.base import StreamReader, StreamWriter


class TranslatingTap:
    """`events` counts content, as in `StreamTap`: the estimate of last resort for output tokens."""

    __slots__ = ("_reader", "_writer", "error", "events", "is_done", "usage")

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.usage: Usage | None = None
        self.error: GatewayError | None = None
        self.events = 0
        self.is_done = False

    def feed(self, data: bytes) -> bytes:
        return b"".join([self._pass(event) for event in self._reader.feed(data)])

    def close(self) -> bytes:
        return b"".join([self._pass(event) for event in self._reader.close()])

    def fail(self, error: GatewayError) -> bytes:
        return self._writer.write(StreamError(error))

    def _pass(self, event: Event) -> bytes:
        match event:
            case TextDelta() | ThinkingDelta() | BlockStart():
                self.events += 1
            case UsageUpdate(usage):
                self.usage = usage
            case StreamEnd():
                self.is_done = True
            case StreamError(error):
                # The relay decides what becomes of it: another deployment, or `fail`.
                self.error = error
                return b""
        return self._writer.write(event)
