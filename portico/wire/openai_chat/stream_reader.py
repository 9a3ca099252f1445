"""`chat.completion.chunk` events to canonical ones.

https://developers.openai.com/api/docs/api-reference/chat-streaming (2026-11-23). What is in a
choice is the business of `choice_reader`. Survived here: usage on any chunk, empty choices, no
`[DONE]` after a finish reason, no finish reason before `[DONE]`, error events of any shape.
"""

from typing import Any, Final

import msgspec

from portico.errors import UpstreamError, UpstreamProtocol
from portico.types.chat import Home
from portico.types.chat_stream import (
    Event,
    LogprobsDelta,
    StreamStart,
    UsageUpdate,
)
from portico.wire.json_io import MalformedError, decode, malformed
from portico.wire.openai_chat.choice_reader import ChoiceReader, Delta
from portico.wire.openai_chat.errors import error_of
from portico.wire.openai_chat.parts import NAME
from portico.wire.openai_usage import read_usage
from portico.wire.sse import SseEvent, SseSplitter
from portico.wire.stream_reading import PiecewiseReader


class _Choice(msgspec.Struct):
    index: int = 0
    delta: Delta | None = None
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class _Chunk(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    created: float | None = None
    choices: list[_Choice] | None = None
    usage: Any = None
    x_groq: Any = None
    error: Any = None
    system_fingerprint: str | None = None


_CHUNK: Final = msgspec.json.Decoder(_Chunk)


class ChatReader:
    """One streamed answer; satisfies `PieceReader`."""

    __slots__ = ("_choices", "_home", "_start")

    def __init__(self, home: Home | None) -> None:
        self._home = home
        self._choices: dict[int, ChoiceReader] = {}
        self._start: StreamStart | None = None

    def read(self, received: SseEvent, events: list[Event], /) -> bool:
        name, payload = received
        if payload.startswith(b"[DONE]"):
            self._done(events)
            return True
        try:
            chunk = _CHUNK.decode(payload)
        except msgspec.ValidationError as problem:
            raise malformed(problem) from None
        except (ValueError, RecursionError) as problem:
            if name == b"error":
                raise UpstreamProtocol(payload[:500].decode("utf-8", "replace")) from None
            raise MalformedError(f"not valid JSON ({problem})") from None
        if chunk.error or name == b"error":
            raise _failure(chunk.error or decode(payload))
        for choice in chunk.choices or ():
            self._read_choice(chunk, choice, events)
        may_report = chunk.usage is not None or chunk.x_groq is not None
        if may_report and (usage := read_usage(payload)) is not None:
            self._started(chunk, events)
            events.append(UsageUpdate(usage))
        return False

    def close(self, _: list[Event], /) -> bool:
        choices = self._choices.values()
        return bool(choices) and all(choice.is_finished for choice in choices)

    def _read_choice(self, chunk: _Chunk, choice: _Choice, events: list[Event]) -> None:
        if self._start is None:
            self._started(chunk, events)
        reader = self._choices.get(choice.index)
        if reader is None:
            reader = ChoiceReader(choice.index, chunk.id or "", self._home)
            self._choices[choice.index] = reader
        if reader.is_finished:
            return
        if choice.delta is not None:
            reader.read(choice.delta, events)
        if choice.logprobs:
            events.append(LogprobsDelta(choice.logprobs, choice.index))
        if choice.finish_reason:
            reader.finish(choice.finish_reason, events)

    def _started(self, chunk: _Chunk, events: list[Event]) -> None:
        if self._start is None:
            fingerprint = chunk.system_fingerprint
            self._start = StreamStart(
                dialect=NAME,
                id=chunk.id or "",
                model=chunk.model or "",
                created=None if chunk.created is None else int(chunk.created),
                extra={} if fingerprint is None else {"system_fingerprint": fingerprint},
            )
            events.append(self._start)

    def _done(self, events: list[Event]) -> None:
        """`[DONE]` is the provider's word that the answer is complete, whatever it forgot."""
        if not self._choices:
            raise UpstreamProtocol("the provider's stream is empty")
        for choice in self._choices.values():
            if not choice.is_finished:
                choice.finish(None, events)


def _failure(error: Any) -> UpstreamError:
    if isinstance(error, dict):
        inner = error.get("error") or error.get("errors")
        error = inner if isinstance(inner, dict | str | list) else error
    return error_of(error, 200, {})


def stream_reader(*, home: Home | None = None) -> PiecewiseReader[SseEvent]:
    return PiecewiseReader(SseSplitter(), ChatReader(home))
