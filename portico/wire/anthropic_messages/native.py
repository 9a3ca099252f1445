"""Messages that pass as they are: what of them is read, in answers and in streams.

https://platform.claude.com/docs/en/build-with-claude/streaming (2026-11-23). Usage comes with
`message_start` and grows with `message_delta`; `message_stop` is the end; an `error` event may come
at any point.
"""

from typing import Any, Final

import msgspec

from portico.errors import GatewayError
from portico.types.usage import Usage
from portico.wire.anthropic_messages.errors import error_of, write_error
from portico.wire.anthropic_messages.usage import UsageFields, merge, normal
from portico.wire.json_io import decoded_or_none
from portico.wire.native_tap import NativeTap
from portico.wire.sse import write_event


class _Answer(msgspec.Struct):
    usage: UsageFields | None = None


class _Event(msgspec.Struct):
    type: str | None = None
    message: _Answer | None = None
    usage: UsageFields | None = None
    error: Any = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_EVENT: Final = msgspec.json.Decoder(_Event)


def read_answer_usage(body: bytes) -> Usage | None:
    """The usage of a whole answer; one of the wrong shape counts as none."""
    answer = decoded_or_none(_ANSWER, body)
    return None if answer is None or answer.usage is None else normal(answer.usage)


def tap() -> NativeTap:
    return NativeTap(MessageWatcher())


class MessageWatcher:
    """One streamed message; satisfies `native_tap.Watcher`."""

    __slots__ = ("_usage", "error", "events", "is_done")

    def __init__(self) -> None:
        self._usage: UsageFields | None = None
        self.error: GatewayError | None = None
        self.events = 0
        self.is_done = False

    @property
    def usage(self) -> Usage | None:
        return None if self._usage is None else normal(self._usage)

    def is_marked(self, data: bytes) -> bool:
        return b'"message_' in data or b'"error"' in data

    def see(self, payload: bytes) -> None:
        event = decoded_or_none(_EVENT, payload)
        if event is None:
            return
        match event.type:
            case "message_start":
                self._use(event.message.usage if event.message is not None else None)
            case "message_delta":
                self._use(event.usage)
            case "message_stop":
                self.is_done = True
            case "error":
                self.error = error_of(event.error, 200, {})
            case _:
                pass

    def _use(self, usage: UsageFields | None) -> None:
        if usage is not None:
            self._usage = merge(self._usage, usage)

    def passed(self, data: bytes) -> None:
        self.events += data.count(b'"content_block_delta"')

    def end(self) -> None:
        """The end of the body ends nothing: `message_stop` does."""

    def write_error(self, error: GatewayError) -> bytes:
        return write_event(write_error(error), b"error")
