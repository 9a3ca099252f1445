"""Lines of a streamed Ollama answer to canonical events.

https://docs.ollama.com/api/streaming and https://docs.ollama.com/capabilities/tool-calling
(2026-11-23). Calls come whole, also before the line that is `done`, which ends the answer and has
the counts. A line with `error` ends it too.
"""

from typing import Final

import msgspec

from portico.types.chat import DataSource, Home, Image, Text, Thinking, ToolCall
from portico.types.chat_stream import (
    ArgumentsDelta,
    BlockStart,
    BlockStop,
    Event,
    Finish,
    LogprobsDelta,
    StreamStart,
    TextDelta,
    ThinkingDelta,
    UsageUpdate,
)
from portico.wire.call_ids import CallIds
from portico.wire.json_io import decode_object, decoded, fields_of, unknown
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
from portico.wire.stream_reading import PiecewiseReader

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""Pictures come in one line."""

_LINE: Final = msgspec.json.Decoder(Answer)
_KNOWN: Final = fields_of(Answer)


class ChatReader:
    """One streamed answer; satisfies `PieceReader`."""

    __slots__ = ("_has_calls", "_ids", "_is_started", "_next", "_open")

    def __init__(self) -> None:
        self._ids = CallIds()
        self._next = 0
        self._open = ""
        self._has_calls = False
        self._is_started = False

    def read(self, line: bytes, events: list[Event], /) -> bool:
        answer = decoded(_LINE, line)
        if answer.error:
            raise error_of(answer.error, 200, {})
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
        return answer.done

    def close(self, _: list[Event], /) -> bool:
        return False  # a line that is `done` completes an answer, and nothing else does

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


def stream_reader(*, home: Home | None = None) -> PiecewiseReader[bytes]:
    return PiecewiseReader(LineSplitter(MAX_LINE_BYTES), ChatReader())
