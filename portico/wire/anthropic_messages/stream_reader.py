"""Events of a streamed Anthropic message to canonical ones.

https://platform.claude.com/docs/en/build-with-claude/streaming (2026-11-23). Blocks come one after
the other, so they map one to one. What only Anthropic knows (server tools and their results) is
held until it is whole and given as one opaque block; unknown events pass as `OpaqueEvent`.
"""

from typing import Any, Final

import msgspec

from portico.types.chat import (
    Block,
    Home,
    JsonObject,
    OpaqueBlock,
    ProviderState,
    Text,
    Thinking,
    ToolCall,
)
from portico.types.chat_stream import (
    ArgumentsDelta,
    BlockStart,
    BlockStop,
    CitationDelta,
    Event,
    Finish,
    OpaqueEvent,
    Ping,
    SignatureDelta,
    StreamStart,
    TextDelta,
    ThinkingDelta,
    UsageUpdate,
)
from portico.wire.anthropic_messages.answer import STOP_FIELDS, STOPS
from portico.wire.anthropic_messages.blocks import (
    NAME,
    own_state,
    read_ahead,
    read_block,
    read_citation,
)
from portico.wire.anthropic_messages.errors import error_of
from portico.wire.anthropic_messages.usage import UsageFields, merge, normal
from portico.wire.json_io import MalformedError, decode, decode_object, decoded
from portico.wire.sse import SseEvent, SseSplitter
from portico.wire.stream_reading import PiecewiseReader


class _Delta(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: dict[str, Any] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Any = None
    container: Any = None


class _Message(msgspec.Struct):
    id: str = ""
    model: str = ""
    usage: UsageFields | None = None


class _Event(msgspec.Struct):
    type: str
    index: int = 0
    delta: _Delta | None = None
    content_block: dict[str, Any] | None = None
    message: _Message | None = None
    usage: UsageFields | None = None
    error: Any = None
    context_management: Any = None


class _Open:
    """A block being received; `index` of `None` is the carrier of another block's state."""

    __slots__ = ("block", "index", "parts", "raw", "signature")

    def __init__(self, index: int | None, block: Block, raw: JsonObject) -> None:
        self.index = index
        self.block = block
        self.raw = raw
        self.signature: list[str] = []
        self.parts: list[str] = []


_EVENT: Final = msgspec.json.Decoder(_Event)


class MessageReader:
    """One streamed message; satisfies `PieceReader`."""

    __slots__ = (
        "_ahead",
        "_home",
        "_is_finished",
        "_is_started",
        "_next",
        "_open",
        "_usage",
    )

    def __init__(self, home: Home | None) -> None:
        self._home = home
        self._open: dict[int, _Open] = {}
        self._next = 0
        self._ahead: ProviderState | None = None
        self._usage: UsageFields | None = None
        self._is_started = False
        self._is_finished = False

    def read(self, received: SseEvent, events: list[Event], /) -> bool:
        payload = received[1]
        event = decoded(_EVENT, payload)
        match event.type:
            case "content_block_delta":
                self._delta(event, events)
            case "content_block_start":
                self._begin(event, events)
            case "content_block_stop":
                self._stop(self._find(event.index), events)
            case "message_start":
                self._start(event, payload, events)
            case "message_delta":
                self._message_delta(event, events)
            case "message_stop":
                if not self._is_finished:
                    raise MalformedError("`message_stop` without a `stop_reason` before")
                return True
            case "ping":
                events.append(Ping())
            case "error":
                raise error_of(event.error, 200, {})
            case name:
                events.append(OpaqueEvent(NAME, name, decode_object(payload)))
        return False

    def close(self, _: list[Event], /) -> bool:
        return self._is_finished

    def _start(self, event: _Event, payload: bytes, events: list[Event]) -> None:
        if self._is_started:
            return
        self._is_started = True
        message = event.message or _Message()
        raw = decode_object(payload).get("message") or {}
        extra = {key: raw[key] for key in raw if key not in _START_FIELDS}
        events.append(StreamStart(dialect=NAME, id=message.id, model=message.model, extra=extra))
        if message.usage is not None:
            self._use(message.usage, events)

    def _use(self, usage: UsageFields, events: list[Event]) -> None:
        self._usage = merge(self._usage, usage)
        events.append(UsageUpdate(normal(self._usage)))

    def _find(self, index: int) -> _Open:
        found = self._open.get(index)
        if found is None:
            raise MalformedError(f"content block {index} was not started", "index")
        return found

    def _begin(self, event: _Event, events: list[Event]) -> None:
        if event.content_block is None or not self._is_started:
            raise MalformedError("a block starts with `content_block`, after `message_start`")
        if event.index in self._open:
            raise MalformedError(f"content block {event.index} is started twice", "index")
        block = read_block(event.content_block, "content_block", self._home)
        if (ahead := read_ahead(block)) is not None:
            self._ahead = ahead
            self._open[event.index] = _Open(None, block, event.content_block)
            return
        if self._ahead is not None and isinstance(block, ToolCall):
            block = msgspec.structs.replace(block, state=self._ahead)
        self._ahead = None
        index = self._next
        self._next += 1
        self._open[event.index] = _Open(index, block, event.content_block)
        if not isinstance(block, OpaqueBlock):
            events.append(BlockStart(index, block))

    def _delta(self, event: _Event, events: list[Event]) -> None:
        opened = self._find(event.index)
        delta = event.delta or _Delta()
        index, block = opened.index, opened.block
        if index is None:
            return
        if isinstance(block, OpaqueBlock):
            if delta.partial_json:
                opened.parts.append(delta.partial_json)
            return
        match delta.type:
            case "text_delta" if delta.text and isinstance(block, Text):
                events.append(TextDelta(index, delta.text))
            case "input_json_delta" if delta.partial_json and isinstance(block, ToolCall):
                events.append(ArgumentsDelta(index, delta.partial_json))
            case "thinking_delta" if delta.thinking and isinstance(block, Thinking):
                events.append(ThinkingDelta(index, delta.thinking))
            case "signature_delta" if delta.signature:
                opened.signature.append(delta.signature)
            case "citations_delta" if delta.citation is not None and isinstance(block, Text):
                events.append(CitationDelta(index, read_citation(delta.citation)))
            case _:
                pass  # empty, or of a kind that is not known yet

    def _stop(self, opened: _Open, events: list[Event]) -> None:
        self._open = {k: v for k, v in self._open.items() if v is not opened}
        block = opened.block
        if opened.index is None:
            return
        if isinstance(block, OpaqueBlock):
            data = dict(opened.raw)
            if opened.parts:
                data["input"] = decode("".join(opened.parts))
            events.append(BlockStart(opened.index, OpaqueBlock(NAME, data)))
        elif opened.signature and isinstance(block, Thinking):
            state = own_state("".join(opened.signature), self._home)
            events.append(SignatureDelta(opened.index, state))
        events.append(BlockStop(opened.index))

    def _message_delta(self, event: _Event, events: list[Event]) -> None:
        if event.usage is not None:
            self._use(event.usage, events)
        delta = event.delta
        if delta is None or delta.stop_reason is None or self._is_finished:
            return
        if not self._is_started:
            raise MalformedError("`message_delta` before `message_start`")
        for opened in list(self._open.values()):
            self._stop(opened, events)
        self._is_finished = True
        extra = {field: getattr(delta, field, None) for field in STOP_FIELDS}
        extra["context_management"] = event.context_management
        extra = {field: value for field, value in extra.items() if value is not None}
        events.append(
            Finish(
                stop=STOPS.get(delta.stop_reason, "other"),
                native_stop=delta.stop_reason,
                stop_sequence=delta.stop_sequence,
                extra=extra or None,
            )
        )


_START_FIELDS: Final = frozenset(
    {"id", "type", "role", "model", "content", "usage", "stop_reason", "stop_sequence"}
    | set(STOP_FIELDS)
)


def stream_reader(*, home: Home | None = None) -> PiecewiseReader[SseEvent]:
    return PiecewiseReader(SseSplitter(), MessageReader(home))
