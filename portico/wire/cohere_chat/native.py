"""Cohere's chat as it passes unchanged: what of it is read, in answers and in streams.

https://docs.cohere.com/docs/streaming (2026-11-23). `message-end` is the end of any stream; it
reports the usage, or what went wrong.
"""

from typing import Final

import msgspec

from portico.errors import GatewayError
from portico.types.usage import Usage
from portico.wire.cohere_chat.answer import UsageFields, normal
from portico.wire.cohere_chat.errors import failure
from portico.wire.json_io import decoded_or_none, encode
from portico.wire.native_tap import NativeTap
from portico.wire.sse import write_event


class _Answer(msgspec.Struct):
    usage: UsageFields | None = None


class _Delta(msgspec.Struct):
    usage: UsageFields | None = None
    error: str | None = None


class _Event(msgspec.Struct):
    type: str | None = None
    delta: _Delta | None = None
    message: str | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_EVENT: Final = msgspec.json.Decoder(_Event)


def read_answer_usage(body: bytes) -> Usage | None:
    """The usage of a whole answer; one of the wrong shape counts as none."""
    answer = decoded_or_none(_ANSWER, body)
    return None if answer is None or answer.usage is None else normal(answer.usage)


def tap() -> NativeTap:
    return NativeTap(ChatWatcher())


class ChatWatcher:
    """One streamed answer; satisfies `native_tap.Watcher`."""

    __slots__ = ("error", "events", "is_done", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.error: GatewayError | None = None
        self.events = 0
        self.is_done = False

    def is_marked(self, data: bytes) -> bool:
        """An event without a type is an error in place of the stream."""
        return b'"message-end"' in data or b'"type"' not in data

    def see(self, payload: bytes) -> None:
        event = decoded_or_none(_EVENT, payload)
        if event is None:
            return
        if event.type is None:
            self.error = failure(event.message) if event.message else None
        elif event.type == "message-end":
            delta = event.delta or _Delta()
            if delta.usage is not None:
                self.usage = normal(delta.usage)
            if delta.error:
                self.error = failure(delta.error)
            else:
                self.is_done = True

    def passed(self, data: bytes) -> None:
        self.events += data.count(b'"content-delta"') + data.count(b'"tool-call-delta"')

    def end(self) -> None:
        """The end of the body ends nothing: `message-end` does."""

    def write_error(self, error: GatewayError) -> bytes:
        delta = {"error": error.message, "finish_reason": "ERROR"}
        return write_event(encode({"type": "message-end", "delta": delta}), b"message-end")
