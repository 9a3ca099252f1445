"""Canonical events to lines of a streamed Ollama answer.

https://docs.ollama.com/api/streaming (2026-11-23). Calls are written when they are whole; the last
line is `done` and has the counts. An error is a line with `error`, and no `done`.
"""

from portico.errors import GatewayError, UpstreamProtocol
from portico.types.chat import Audio, Block, JsonObject, Refusal, Text, Thinking, ToolCall
from portico.types.chat_stream import (
    ArgumentsDelta,
    AudioDelta,
    BlockStart,
    BlockStop,
    CitationDelta,
    Event,
    Finish,
    LogprobsDelta,
    OpaqueEvent,
    Ping,
    SignatureDelta,
    StreamEnd,
    StreamError,
    StreamStart,
    TextDelta,
    ThinkingDelta,
    UsageUpdate,
)
from portico.types.usage import Usage
from portico.wire.base import ReplyContext, Unsupported
from portico.wire.json_io import encode
from portico.wire.ollama_chat.answer import done_reason, head, write_durations, write_usage
from portico.wire.ollama_chat.errors import write_error
from portico.wire.ollama_chat.messages import NAME, MessageWriter
from portico.wire.ollama_chat.shape import CHAT, Shape
from portico.wire.stream_reading import CUT


class _HeldCall:
    __slots__ = ("call", "pieces")

    def __init__(self, call: ToolCall) -> None:
        self.call = call
        self.pieces = [call.arguments]


class ChatStreamWriter:
    """One answer to one client."""

    __slots__ = (
        "_calls",
        "_context",
        "_finish",
        "_first_ns",
        "_head",
        "_held",
        "_is_ended",
        "_is_own",
        "_messages",
        "_shape",
        "_unsupported",
        "_usage",
    )

    def __init__(
        self, context: ReplyContext, unsupported: Unsupported, shape: Shape = CHAT
    ) -> None:
        self._context = context
        self._unsupported = unsupported
        self._shape = shape
        self._first_ns: int | None = None
        self._messages = MessageWriter(unsupported, is_own=False)
        self._held: dict[int, _HeldCall] = {}
        self._calls = 0
        self._head = b""
        self._finish = Finish(stop="other")
        self._usage: Usage | None = None
        self._is_own = False
        self._is_ended = False

    def write(self, event: Event, /) -> bytes:
        if self._is_ended:
            return b""
        match event:
            case TextDelta(_, text, 0):
                return self._content(text)
            case ThinkingDelta(_, text, 0):
                return self._line(self._shape.thought, text)
            case ArgumentsDelta(index, text, 0):
                self._held[index].pieces.append(text)
                return b""
            case BlockStart(index, block, 0):
                return self._begin(index, block)
            case BlockStop(index, 0):
                return self._stop(index)
            case SignatureDelta(index, _, 0):
                is_call = index in self._held
                self._unsupported("thought_signature" if is_call else "thinking.signature", NAME)
                return b""
            case CitationDelta(choice=0):
                self._unsupported("citations", NAME)
                return b""
            case AudioDelta(_, _, transcript, _, 0):
                return self._content(transcript) if transcript else b""
            case LogprobsDelta(logprobs, 0):
                return self._fields({**self._empty(), "logprobs": logprobs.get("content") or []})
            case UsageUpdate(usage):
                self._usage = usage
                return b""
            case Finish(choice=0):
                self._finish = event
                return b""
            case StreamStart():
                self._start(event)
                return b""
            case StreamEnd():
                return self._end()
            case StreamError(error):
                return self._fail(error)
            case OpaqueEvent() | Ping():
                return b""
            case _:
                self._unsupported("n", NAME)
                return b""

    def close(self) -> bytes:
        if self._is_ended:
            return b""
        return self._fail(UpstreamProtocol(CUT))

    def _start(self, start: StreamStart) -> None:
        self._is_own = start.dialect == NAME
        self._messages = MessageWriter(self._unsupported, is_own=self._is_own)
        self._head = encode(head(self._context, start.model, start.created))[:-1]

    def _line(self, fields: bytes, text: str) -> bytes:
        if self._first_ns is None and self._context.elapsed_ns is not None:
            self._first_ns = self._context.elapsed_ns()
        return self._head + b"," + fields % encode(text) + b',"done":false}\n'

    def _content(self, text: str) -> bytes:
        return self._line(self._shape.text, text)

    def _message(self, message: JsonObject) -> bytes:
        return self._fields(self._shape.of(message, self._unsupported))

    def _empty(self) -> JsonObject:
        return self._shape.of({"role": "assistant", "content": ""}, self._unsupported)

    def _fields(self, fields: JsonObject) -> bytes:
        return self._head + b"," + encode({**fields, "done": False})[1:] + b"\n"

    def _begin(self, index: int, block: Block) -> bytes:
        match block:
            case ToolCall():
                self._held[index] = _HeldCall(block)
                return b""
            case Text("") | Refusal("") | Thinking(""):
                return b""
            case Audio():
                self._unsupported("content.audio", NAME)
                return self._content(block.transcript) if block.transcript else b""
            case _:
                return self._block(block)

    def _block(self, block: Block) -> bytes:
        written = self._messages.turn("assistant", (block,))
        return b"".join([self._message(message) for message in written])

    def _stop(self, index: int) -> bytes:
        held = self._held.pop(index, None)
        if held is None:
            return b""
        call = held.call
        whole = ToolCall(
            call.id, call.name, "".join(held.pieces), call.kind, call.cache, call.state
        )
        (message,) = self._messages.turn("assistant", (whole,))
        message["tool_calls"][0]["function"]["index"] = self._calls
        self._calls += 1
        return self._message(message)

    def _end(self) -> bytes:
        self._is_ended = True
        finish = self._finish
        last: JsonObject = {
            **self._empty(),
            "done": True,
            "done_reason": done_reason(finish.stop, finish.native_stop, is_own=self._is_own),
        }
        last |= write_durations(self._context, self._first_ns)
        if self._is_own:
            last.update(finish.extra or {})
        if self._usage is not None:
            last |= write_usage(self._usage)
        return self._head + b"," + encode(last)[1:] + b"\n"

    def _fail(self, error: GatewayError) -> bytes:
        self._is_ended = True
        return write_error(error) + b"\n"
