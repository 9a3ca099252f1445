"""A stream from one dialect to another: bytes -> reader -> events -> stages -> writer -> bytes.

Satisfies `tap.Tap`, so that a relay need not know whether it translates.
"""

from collections.abc import Sequence
from typing import Protocol

from portico.errors import GatewayError
from portico.types.chat import Text, Thinking
from portico.types.chat_stream import (
    ArgumentsDelta,
    AudioDelta,
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


class Stage(Protocol):
    """Looks at the events of one stream on their way, or changes them."""

    def see(self, event: Event, /) -> tuple[Event, ...]:
        """The events that go on in place of one."""
        ...


class TranslatingTap:
    """`events` counts pieces of content: the estimate of last resort for output tokens. A text that
    is announced and has not begun is none: a failure then may still go to another deployment.
    """

    __slots__ = ("_reader", "_stages", "_writer", "error", "events", "is_done", "usage")

    def __init__(
        self, reader: StreamReader, writer: StreamWriter, stages: Sequence[Stage] = ()
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._stages = stages
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
            case TextDelta() | ThinkingDelta() | ArgumentsDelta() | AudioDelta():
                self.events += 1
            case BlockStart(block=block) if not isinstance(block, Text | Thinking):
                self.events += 1
            case UsageUpdate(usage):
                self.usage = usage
            case StreamEnd():
                self.is_done = True
            case StreamError(error):
                # The relay decides what becomes of it: another deployment, or `fail`.
                self.error = error
                return b""
            case _:
                pass
        if not self._stages:
            return self._writer.write(event)
        events: tuple[Event, ...] = (event,)
        for stage in self._stages:
            if len(events) == 1:
                events = stage.see(events[0])
            else:
                events = tuple([after for before in events for after in stage.see(before)])
        if len(events) == 1:
            return self._writer.write(events[0])
        return b"".join([self._writer.write(one) for one in events])
