"""Canonical events to a streamed Anthropic message.

https://platform.claude.com/docs/en/build-with-claude/streaming (2026-11-23). The order is strict,
and clients break on anything else: `message_start`, then each block alone with its start, deltas
and stop and dense indexes, `message_delta` with stop reason and all usage, `message_stop`. So
- `message_start` waits for the event after the start: often it is the usage that belongs inside;
- a block that begins while another is open is held until that one stops;
- the end is written at `StreamEnd`, since other dialects report usage after their finish reason.
"""

from typing import Final

import msgspec

from portico.errors import GatewayError, UpstreamProtocol
from portico.types.chat import (
    Image,
    JsonObject,
    ProviderState,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)
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
from portico.wire.anthropic_messages.answer import answer_id, stop_reason
from portico.wire.anthropic_messages.blocks import (
    NAME,
    BlockWriter,
    write_ahead,
    write_citation,
)
from portico.wire.anthropic_messages.errors import write_error
from portico.wire.anthropic_messages.usage import write_usage
from portico.wire.base import ReplyContext, Unsupported
from portico.wire.json_io import encode
from portico.wire.sse import write_event
from portico.wire.state import seal
from portico.wire.stream_reading import CUT

_PING: Final = b'event: ping\ndata: {"type":"ping"}\n\n'
_DELTA: Final = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b}}\n\n'
)
_STOP: Final = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'


class MessageStreamWriter:
    """One message to one client."""

    __slots__ = (
        "_blocks",
        "_context",
        "_finish",
        "_held",
        "_is_ended",
        "_is_own",
        "_next",
        "_open",
        "_open_block",
        "_start",
        "_unsupported",
        "_usage",
    )

    def __init__(self, context: ReplyContext, unsupported: Unsupported) -> None:
        self._context = context
        self._unsupported = unsupported
        self._blocks = BlockWriter(unsupported, to_client=True, is_own=False)
        self._start: StreamStart | None = None
        self._usage: Usage | None = None
        self._finish: Finish | None = None
        self._next = 0
        self._open: int | None = None
        self._open_block: BlockStart | None = None
        self._held: dict[int, list[Event]] = {}
        self._is_own = False
        self._is_ended = False

    def write(self, event: Event, /) -> bytes:
        if self._is_ended:
            return b""
        match event:
            case UsageUpdate(usage):
                self._usage = usage
                return b""
            case StreamStart():
                self._is_own = event.dialect == NAME
                self._blocks = BlockWriter(self._unsupported, to_client=True, is_own=self._is_own)
                self._start = event
                return b""
            case StreamError(error):
                return self._fail(error)
            case _:
                pass
        begin = self._begin() if self._start is not None else b""
        written = self._write(event)
        return begin + written if begin else written

    def close(self) -> bytes:
        if self._is_ended:
            return b""
        return self._fail(UpstreamProtocol(CUT))

    def _write(self, event: Event) -> bytes:
        match event:
            case Finish():
                if event.choice == 0:
                    self._finish = event
                return b""
            case StreamEnd():
                return self._end()
            case Ping():
                return _PING
            case LogprobsDelta():
                self._unsupported("logprobs", NAME)
                return b""
            case OpaqueEvent(dialect, name, data):
                return write_event(encode(data), name.encode()) if dialect == NAME else b""
            case StreamStart() | UsageUpdate() | StreamError():
                return b""
            case _ if event.choice != 0:
                self._unsupported("n", NAME)
                return b""
            case BlockStart() if self._open is not None:
                self._held[event.index] = [event]
                return b""
            case _ if event.index in self._held:
                self._held[event.index].append(event)
                return b""
            case _:
                return self._block_event(event)

    def _block_event(self, event: Event) -> bytes:
        match event:
            case TextDelta(_, text) if isinstance(self._kind, Text | Refusal):
                return self._delta(b"text_delta", b"text", text)
            case ArgumentsDelta(_, text):
                return self._arguments(text)
            case ThinkingDelta(_, text):
                return self._delta(b"thinking_delta", b"thinking", text)
            case BlockStart():
                return self._block_start(event)
            case BlockStop():
                return self._block_stop()
            case SignatureDelta(_, state):
                return self._signature(state)
            case CitationDelta(_, citation):
                written = write_citation(citation)
                if written is None:
                    self._unsupported("citations", NAME)
                    return b""
                return self._raw_delta(b"citations_delta", b"citation", encode(written))
            case AudioDelta(_, _, transcript) if transcript:
                return self._delta(b"text_delta", b"text", transcript)
            case _:
                return b""

    @property
    def _kind(self) -> object:
        return self._open_block.block if self._open_block is not None else None

    def _begin(self) -> bytes:
        start, self._start = self._start, None
        if start is None:
            return b""
        message: JsonObject = {
            "id": start.id if self._is_own and start.id else answer_id(start.id, self._context),
            "type": "message",
            "role": "assistant",
            "model": start.model or self._context.request.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(self._usage),
        }
        if self._is_own:
            message.update(start.extra)
        event = encode({"type": "message_start", "message": message})
        return write_event(event, b"message_start") + _PING

    def _block_start(self, event: BlockStart) -> bytes:
        self._open = event.index
        self._open_block = None
        block = event.block
        ahead = b""
        if isinstance(block, ToolCall) and block.state is not None:
            ahead = self._one(write_ahead(block.state)) + _STOP % (self._next - 1)
        first: JsonObject | None
        initial = ""
        match block:
            case Text(initial) | Refusal(initial):
                first = {"type": "text", "text": ""}
            case Thinking(initial):
                first = {"type": "thinking", "thinking": "", "signature": ""}
            case ToolCall(_, _, initial):
                empty = msgspec.structs.replace(block, arguments="", kind="function", cache=None)
                first = self._blocks.block(empty)
            case _:
                if isinstance(block, Image) and block.state is not None:
                    self._unsupported("thought_signature", NAME)
                first = self._blocks.block(block)
        if first is None:
            return ahead
        written = ahead + self._one(first)
        self._open_block = event
        if isinstance(block, ToolCall) and block.kind == "custom":
            written += self._delta(b"input_json_delta", b"partial_json", '{"input":"')
        if initial:
            delta: Event
            match block:
                case ToolCall():
                    delta = ArgumentsDelta(event.index, initial)
                case Thinking():
                    delta = ThinkingDelta(event.index, initial)
                case _:
                    delta = TextDelta(event.index, initial)
            written += self._block_event(delta)
        return written

    def _one(self, block: JsonObject) -> bytes:
        """The start of the next block in order."""
        index = self._next
        self._next += 1
        event = {"type": "content_block_start", "index": index, "content_block": block}
        return write_event(encode(event), b"content_block_start")

    def _block_stop(self) -> bytes:
        written = b""
        opened = self._open_block
        if opened is not None:
            block = opened.block
            if isinstance(block, ToolCall) and block.kind == "custom":
                written = self._delta(b"input_json_delta", b"partial_json", '"}')
            written += _STOP % (self._next - 1)
        self._open = None
        self._open_block = None
        return written + self._release()

    def _release(self) -> bytes:
        """Write what was held, in order, up to a block that is still being made."""
        written: list[bytes] = []
        while self._open is None and self._held:
            index = min(self._held)
            written.extend(self._block_event(event) for event in self._held.pop(index))
        return b"".join(written)

    def _delta(self, type: bytes, field: bytes, text: str) -> bytes:
        return self._raw_delta(type, field, encode(text))

    def _raw_delta(self, type: bytes, field: bytes, value: bytes) -> bytes:
        if self._open_block is None:
            return b""
        return _DELTA % (self._next - 1, type, field, value)

    def _arguments(self, text: str) -> bytes:
        block = self._kind
        if isinstance(block, ToolCall) and block.kind == "custom":
            text = encode(text)[1:-1].decode()
        return self._delta(b"input_json_delta", b"partial_json", text)

    def _signature(self, state: ProviderState) -> bytes:
        if isinstance(self._kind, Thinking):
            return self._delta(b"signature_delta", b"signature", seal(state, NAME))
        self._unsupported("thought_signature", NAME)
        return b""

    def _end(self) -> bytes:
        self._is_ended = True
        finish = self._finish or Finish(stop="other")
        delta: JsonObject = {
            "stop_reason": stop_reason(finish.stop, finish.native_stop, is_own=self._is_own),
            "stop_sequence": finish.stop_sequence,
        }
        event: JsonObject = {"type": "message_delta", "delta": delta}
        if self._is_own and finish.extra:
            extra = dict(finish.extra)
            if "context_management" in extra:
                event["context_management"] = extra.pop("context_management")
            delta.update(extra)
        event["usage"] = write_usage(self._usage)
        end = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
        return write_event(encode(event), b"message_delta") + end

    def _fail(self, error: GatewayError) -> bytes:
        self._is_ended = True
        return write_event(write_error(error), b"error")
