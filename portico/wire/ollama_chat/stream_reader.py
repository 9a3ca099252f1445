"""Lines of a streamed Ollama answer to canonical events.

https://docs.ollama.com/api/streaming and https://docs.ollama.com/capabilities/tool-calling
(2026-11-23). Calls come whole, also before the line that is `done`, which ends the answer and has
the counts. A line with `error` ends it too.
"""

from typing import Final

import msgspec

from portico.errors import UpstreamProtocol
from portico.types.chat import DataSource, Home, Image, Text, Thinking, ToolCall
from portico.types.chat_stream import (
    ArgumentsDelta,
    BlockStart,
    BlockStop,
    Event,
    Finish,
    LogprobsDelta,
    StreamEnd,
    StreamError,
    StreamStart,
    TextDelta,
    ThinkingDelta,
    UsageUpdate,
)
from portico.wire.call_ids import CallIds
from portico.wire.json_io import MalformedError, decode_object, fields_of, malformed, unknown
from portico.wire.ollama_chat.answer import (
    Answer,
    call_ids,
    read_time,
    read_usage,
    stop_reason,
)
from portico.wire.ollama_chat.errors import error_of
from portico.wire.ollama_chat.lines import LineSplitter
from portico.wire.ollama_chat.messages import NAME, MessageFields, read_blocks

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""Pictures come in one line."""

_LINE: Final = msgspec.json.Decoder(Answer)
_KNOWN: Final = fields_of(Answer)


class ChatStreamReader:
    """One streamed answer."""

    __slots__ = ("_has_calls", "_ids", "_is_ended", "_is_started", "_lines", "_next", "_open")

    def __init__(self, home: Home | None) -> None:
        self._lines = LineSplitter(MAX_LINE_BYTES)
        self._ids = CallIds()
        self._next = 0
        self._open = ""
        self._has_calls = False
        self._is_started = False
        self._is_ended = False

    def feed(self, data: bytes, /) -> list[Event]:
        events: list[Event] = []
        if not self._is_ended:
            try:
                self._read_all(self._lines.feed(data), events)
            except UpstreamProtocol as problem:
                self._fail(problem, events)
            except MalformedError as problem:
                self._fail(problem.from_provider(), events)
        return events

    def close(self) -> list[Event]:
        events: list[Event] = []
        if not self._is_ended:
            try:
                self._read_all(self._lines.close(), events)
            except MalformedError as problem:
                self._fail(problem.from_provider(), events)
        if not self._is_ended:
            cut = UpstreamProtocol("the provider's stream ended before the answer was complete")
            self._fail(cut, events)
        return events

    def _fail(self, error: UpstreamProtocol, events: list[Event]) -> None:
        self._is_ended = True
        events.append(StreamError(error))

    def _read_all(self, lines: list[bytes], events: list[Event]) -> None:
        for line in lines:
            if self._is_ended:
                return
            try:
                answer = _LINE.decode(line)
            except msgspec.ValidationError as problem:
                raise malformed(problem) from None
            except (ValueError, RecursionError) as problem:
                raise MalformedError(f"not valid JSON ({problem})") from None
            self._read(answer, line, events)

    def _read(self, answer: Answer, line: bytes, events: list[Event]) -> None:
        if answer.error:
            self._is_ended = True
            events.append(StreamError(error_of(answer.error, 200, {})))
            return
        if not self._is_started:
            self._is_started = True
            self._ids = call_ids(answer)
            created = read_time(answer.created_at)
            start = StreamStart(dialect=NAME, id="", model=answer.model or "", created=created)
            events.append(start)
        if answer.message is not None:
            self._read_message(answer.message, events)
        if answer.logprobs:
            events.append(LogprobsDelta({"content": answer.logprobs}))
        if answer.done:
            self._finish(answer, line, events)

    def _read_message(self, message: MessageFields, events: list[Event]) -> None:
        if message.thinking:
            self._begin("thinking", Thinking(""), events)
            events.append(ThinkingDelta(self._next - 1, message.thinking))
        if message.content:
            self._begin("text", Text(""), events)
            events.append(TextDelta(self._next - 1, message.content))
        if message.images or message.tool_calls:
            rest = MessageFields(images=message.images, tool_calls=message.tool_calls)
            for block in read_blocks(rest, self._ids):
                match block:
                    case ToolCall(id, name, arguments):
                        self._has_calls = True
                        self._begin("call", ToolCall(id, name, ""), events)
                        if arguments:
                            events.append(ArgumentsDelta(self._next - 1, arguments))
                        self._close(events)
                    case Image(DataSource()):
                        self._begin("image", block, events)
                        self._close(events)
                    case _:
                        pass

    def _begin(
        self, kind: str, block: Text | Thinking | ToolCall | Image, events: list[Event]
    ) -> None:
        """Text and thoughts grow for as long as nothing else comes between."""
        if self._open == kind:
            return
        self._close(events)
        self._open = kind
        events.append(BlockStart(self._next, block))
        self._next += 1

    def _close(self, events: list[Event]) -> None:
        if self._open:
            events.append(BlockStop(self._next - 1))
            self._open = ""

    def _finish(self, answer: Answer, line: bytes, events: list[Event]) -> None:
        self._close(events)
        events.append(
            Finish(
                stop=stop_reason(answer.done_reason, has_calls=self._has_calls),
                native_stop=answer.done_reason,
                extra=unknown(decode_object(line), _KNOWN) or None,
            )
        )
        usage = read_usage(answer)
        if usage is not None:
            events.append(UsageUpdate(usage))
        self._is_ended = True
        events.append(StreamEnd())
