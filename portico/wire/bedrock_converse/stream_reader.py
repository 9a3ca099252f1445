"""Events of ConverseStream to canonical ones.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html
(2026-11-23). Only tool calls, results and pictures announce themselves: a block of text or
reasoning begins with its first delta. Usage comes after the stop, in `metadata`, which is the end.
What is only Bedrock's (server tools, their results) is held until whole and given as one block.
"""

import base64
import binascii
from typing import Any, Final

import msgspec

from portico.types.chat import (
    Block,
    DataSource,
    Home,
    Image,
    JsonObject,
    OpaqueBlock,
    ProviderState,
    RedactedThinking,
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
    SignatureDelta,
    StreamStart,
    TextDelta,
    ThinkingDelta,
    UsageUpdate,
)
from portico.wire.aws_events import AwsEvent, AwsEventSplitter
from portico.wire.bedrock_converse.answer import STOPS, stop_sequence
from portico.wire.bedrock_converse.blocks import read_citation, signed
from portico.wire.bedrock_converse.errors import read_exception
from portico.wire.bedrock_converse.tools import NAME
from portico.wire.bedrock_converse.usage import ServiceTier, UsageFields, normal
from portico.wire.json_io import MalformedError, decode, decode_object, decoded
from portico.wire.stream_reading import PiecewiseReader


class _ToolUseDelta(msgspec.Struct):
    input: str = ""


class _Reasoning(msgspec.Struct, rename="camel"):
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class _Source(msgspec.Struct):
    bytes: str | None = None


class _ImageDelta(msgspec.Struct):
    source: _Source | None = None


class _Delta(msgspec.Struct, rename="camel"):
    text: str | None = None
    tool_use: _ToolUseDelta | None = None
    reasoning_content: _Reasoning | None = None
    citation: dict[str, Any] | None = None
    tool_result: list[Any] | None = None
    image: _ImageDelta | None = None


class _ToolUseStart(msgspec.Struct, rename="camel"):
    tool_use_id: str
    name: str
    type: str | None = None


class _ImageStart(msgspec.Struct):
    format: str


class _Start(msgspec.Struct, rename="camel"):
    tool_use: _ToolUseStart | None = None
    tool_result: dict[str, Any] | None = None
    image: _ImageStart | None = None


class _Payload(msgspec.Struct, rename="camel"):
    content_block_index: int = 0
    delta: _Delta | None = None
    start: _Start | None = None
    stop_reason: str | None = None
    usage: UsageFields | None = None
    service_tier: ServiceTier | None = None
    additional_model_response_fields: Any = None


class _Open:
    """A block being received; `index` of `None` while it is held back."""

    __slots__ = ("block", "index", "parts", "raw", "signature")

    def __init__(self, index: int | None, block: Block, raw: JsonObject | None = None) -> None:
        self.index = index
        self.block = block
        self.raw = raw or {}
        self.signature: list[str] = []
        self.parts: list[Any] = []


_PAYLOAD: Final = msgspec.json.Decoder(_Payload)
_NAMES: Final = frozenset(
    {
        "messageStart",
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    }
)


class ConverseReader:
    """One streamed answer; satisfies `PieceReader`."""

    __slots__ = (
        "_home",
        "_is_finished",
        "_is_started",
        "_next",
        "_open",
    )

    def __init__(self, home: Home | None) -> None:
        self._home = home
        self._open: dict[int, _Open] = {}
        self._next = 0
        self._is_started = False
        self._is_finished = False

    def read(self, event: AwsEvent, events: list[Event], /) -> bool:
        if event.kind != "event":
            raise read_exception(event)
        name = event.name
        if name not in _NAMES:
            events.append(OpaqueEvent(NAME, name, decode_object(event.payload)))
            return False
        payload = decoded(_PAYLOAD, event.payload)
        if not self._is_started:
            self._is_started = True
            events.append(StreamStart(dialect=NAME, id="", model=""))
        match name:
            case "contentBlockDelta":
                if payload.delta is not None and not self._is_finished:
                    self._delta(payload.content_block_index, payload.delta, events)
            case "contentBlockStart":
                if payload.start is not None and not self._is_finished:
                    self._begin(payload.content_block_index, payload.start, events)
            case "contentBlockStop":
                opened = self._open.pop(payload.content_block_index, None)
                if opened is not None:
                    self._stop(opened, events)
            case "messageStop":
                self._finish(payload, events)
            case "metadata":
                if payload.usage is not None:
                    events.append(UsageUpdate(normal(payload.usage, payload.service_tier)))
                return self._is_finished
            case _:
                pass
        return False

    def close(self, _: list[Event], /) -> bool:
        return self._is_finished

    def _begin(self, at: int, start: _Start, events: list[Event]) -> None:
        if at in self._open:
            raise MalformedError(f"content block {at} is started twice", "contentBlockIndex")
        if start.tool_use is not None:
            call = start.tool_use
            if call.type is None:
                self._start(at, ToolCall(call.tool_use_id, call.name, ""), events)
                return
            raw: JsonObject = {"toolUseId": call.tool_use_id, "name": call.name, "type": call.type}
            self._open[at] = _Open(None, OpaqueBlock(NAME, {"toolUse": raw}), raw)
        elif start.tool_result is not None:
            raw = dict(start.tool_result)
            self._open[at] = _Open(None, OpaqueBlock(NAME, {"toolResult": raw}), raw)
        elif start.image is not None:
            block = Image(DataSource(f"image/{start.image.format}", ""))
            self._open[at] = _Open(None, block)

    def _start(self, at: int, block: Block, events: list[Event]) -> _Open:
        opened = self._open[at] = _Open(self._next, block)
        self._next += 1
        events.append(BlockStart(self._next - 1, block))
        return opened

    def _delta(self, at: int, delta: _Delta, events: list[Event]) -> None:
        opened = self._open.get(at)
        if opened is None:
            opened = self._implied(at, delta, events)
            if opened is None:
                return
        index = opened.index
        if index is None:
            self._hold(opened, delta)
        elif delta.text is not None:
            if delta.text and isinstance(opened.block, Text):
                events.append(TextDelta(index, delta.text))
        elif delta.tool_use is not None:
            if delta.tool_use.input and isinstance(opened.block, ToolCall):
                events.append(ArgumentsDelta(index, delta.tool_use.input))
        elif delta.reasoning_content is not None:
            reasoning = delta.reasoning_content
            if reasoning.text and isinstance(opened.block, Thinking):
                events.append(ThinkingDelta(index, reasoning.text))
            if reasoning.signature:
                opened.signature.append(reasoning.signature)
        elif delta.citation is not None and isinstance(opened.block, Text):
            events.append(CitationDelta(index, read_citation(delta.citation)))

    def _implied(self, at: int, delta: _Delta, events: list[Event]) -> _Open | None:
        """The block that a first delta begins; `None` for a delta of a kind not known yet."""
        if delta.text is not None or delta.citation is not None:
            return self._start(at, Text(""), events)
        if delta.reasoning_content is not None:
            if delta.reasoning_content.redacted_content is None:
                return self._start(at, Thinking(""), events)
            opened = self._open[at] = _Open(None, RedactedThinking(ProviderState(NAME, "")))
            return opened
        if delta.tool_use is not None:
            raise MalformedError("a tool call was not started", "contentBlockIndex")
        return None

    def _hold(self, opened: _Open, delta: _Delta) -> None:
        if delta.reasoning_content is not None and delta.reasoning_content.redacted_content:
            opened.parts.append(_bytes(delta.reasoning_content.redacted_content))
        elif delta.image is not None and delta.image.source and delta.image.source.bytes:
            opened.parts.append(_bytes(delta.image.source.bytes))
        elif delta.tool_use is not None:
            opened.parts.append(delta.tool_use.input)
        elif delta.tool_result is not None:
            opened.parts += delta.tool_result

    def _stop(self, opened: _Open, events: list[Event]) -> None:
        index = opened.index
        if index is None:
            index = self._next
            self._next += 1
            events.append(BlockStart(index, self._whole(opened)))
        elif opened.signature and isinstance(opened.block, Thinking):
            state = signed("".join(opened.signature), self._home)
            if state is not None:
                events.append(SignatureDelta(index, state))
        events.append(BlockStop(index))

    def _whole(self, opened: _Open) -> Block:
        """What was held, now that all of it is here."""
        match opened.block:
            case RedactedThinking():
                return RedactedThinking(ProviderState(NAME, _base64(opened.parts), self._home))
            case Image(DataSource(media_type)):
                return Image(DataSource(media_type, _base64(opened.parts)))
            case OpaqueBlock(_, {"toolUse": _}):
                opened.raw["input"] = decode("".join(opened.parts) or "{}")
            case OpaqueBlock():
                opened.raw["content"] = opened.parts
            case _:
                pass
        return opened.block

    def _finish(self, payload: _Payload, events: list[Event]) -> None:
        if self._is_finished:
            return
        for opened in self._open.values():
            self._stop(opened, events)
        self._open.clear()
        self._is_finished = True
        reason = payload.stop_reason
        events.append(
            Finish(
                stop=STOPS.get(reason or "", "other"),
                native_stop=reason,
                stop_sequence=stop_sequence(payload.additional_model_response_fields),
            )
        )


def _bytes(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedError("not base64", "delta") from None


def _base64(parts: list[bytes]) -> str:
    return base64.b64encode(b"".join(parts)).decode()


def stream_reader(*, home: Home | None = None) -> PiecewiseReader[AwsEvent]:
    return PiecewiseReader(AwsEventSplitter(), ConverseReader(home))
