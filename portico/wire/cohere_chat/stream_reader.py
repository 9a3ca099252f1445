"""Events of Cohere's streamed chat to canonical ones.

https://docs.cohere.com/docs/streaming and …/docs/tool-use-streaming (2026-11-23). Contents and tool
calls count their indexes apart; the plan has no beginning and no end of its own.
"""

from typing import Any, Final

import msgspec

from portico.errors import UpstreamProtocol
from portico.types.chat import Block, Home, ProviderState, RedactedThinking, Text, Thinking
from portico.types.chat_stream import (
    ArgumentsDelta,
    BlockStart,
    BlockStop,
    CitationDelta,
    Event,
    Finish,
    LogprobsDelta,
    OpaqueEvent,
    SignatureDelta,
    StreamStart,
    TextDelta,
    ThinkingDelta,
    UsageUpdate,
)
from portico.wire.cohere_chat.answer import STOPS, Logprobs, UsageFields, normal, read_logprobs
from portico.wire.cohere_chat.errors import failure
from portico.wire.cohere_chat.messages import THOUGHT, CallFields, read_call, read_citation
from portico.wire.cohere_chat.tools import NAME
from portico.wire.json_io import MalformedError, decode_object, decoded
from portico.wire.sse import SseEvent, SseSplitter
from portico.wire.state import unseal
from portico.wire.stream_reading import PiecewiseReader


class _Begin(msgspec.Struct):
    """`message-start` shows the message as it is then, with lists that the deltas have not."""

    type: str | None = None
    id: str | None = None
    message: str | None = None


class _Content(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    redacted: bool | None = None


class _Message(msgspec.Struct):
    content: _Content | None = None
    tool_plan: str | None = None
    tool_calls: CallFields | None = None
    citations: dict[str, Any] | None = None


class _Delta(msgspec.Struct):
    message: _Message | None = None
    finish_reason: str | None = None
    usage: UsageFields | None = None
    error: str | None = None


class _StreamEvent(msgspec.Struct):
    type: str | None = None
    id: str | None = None
    index: int = 0
    delta: _Delta | None = None
    logprobs: Logprobs | None = None
    message: str | None = None


_BEGIN: Final = msgspec.json.Decoder(_Begin)
_EVENT: Final = msgspec.json.Decoder(_StreamEvent)

_Key = tuple[str, int]


class ChatReader:
    """One streamed answer; satisfies `PieceReader`."""

    __slots__ = ("_home", "_is_started", "_next", "_open", "_signed")

    def __init__(self, home: Home | None) -> None:
        self._home = home
        self._open: dict[_Key, tuple[int, Block]] = {}
        self._signed: dict[int, ProviderState] = {}
        self._next = 0
        self._is_started = False

    def read(self, received: SseEvent, events: list[Event], /) -> bool:
        payload = received[1]
        if payload.startswith(b"[DONE]"):
            raise UpstreamProtocol("the provider's stream ended without a finish reason")
        begins = not self._is_started and b'"message-start"' in payload
        event = decoded(_BEGIN, payload) if begins else decoded(_EVENT, payload)
        if event.type is None:
            raise failure(event.message or payload[:500].decode("utf-8", "replace"))
        if not self._is_started:
            self._is_started = True
            events.append(StreamStart(dialect=NAME, id=event.id or "", model=""))
        if isinstance(event, _Begin):
            return False
        return self._read(event.type, event, payload, events)

    def close(self, _: list[Event], /) -> bool:
        return False  # `message-end` completes an answer, and nothing else does

    def _read(self, type: str, event: _StreamEvent, payload: bytes, events: list[Event]) -> bool:
        delta = event.delta or _Delta()
        message = delta.message or _Message()
        match type:
            case "content-delta":
                if message.content is not None:
                    self._content(event.index, message.content, events)
                if event.logprobs is not None:
                    events.append(LogprobsDelta(read_logprobs([event.logprobs])))
            case "tool-call-delta":
                call = message.tool_calls
                arguments = call.function.arguments if call and call.function else None
                opened = self._open.get(("call", event.index))
                if opened is None:
                    raise MalformedError(f"tool call {event.index} was not started", "index")
                if isinstance(arguments, str) and arguments:
                    events.append(ArgumentsDelta(opened[0], arguments))
            case "content-start":
                self._content(event.index, message.content or _Content(), events)
            case "content-end":
                self._stop(("content", event.index), events)
            case "tool-plan-delta":
                if message.tool_plan:
                    index = self._begin(("plan", 0), Text(""), events)
                    events.append(TextDelta(index, message.tool_plan))
            case "tool-call-start":
                self._stop(("plan", 0), events)
                begun = read_call(message.tool_calls or CallFields(), event.index, "tool_calls")
                self._begin(("call", event.index), begun, events)
            case "tool-call-end":
                self._stop(("call", event.index), events)
            case "citation-start":
                self._cite(message.citations or {}, events)
            case "message-end":
                self._end(delta, events)
                return True
            case "message-start" | "citation-end":
                pass
            case name:
                events.append(OpaqueEvent(NAME, name, decode_object(payload)))
        return False

    def _begin(self, key: _Key, block: Block, events: list[Event]) -> int:
        """The index of the block; it starts here if it has not yet."""
        opened = self._open.get(key)
        if opened is not None:
            return opened[0]
        index = self._next
        self._next += 1
        self._open[key] = (index, block)
        events.append(BlockStart(index, block))
        return index

    def _content(self, at: int, content: _Content, events: list[Event]) -> None:
        key = ("content", at)
        if content.signature and content.redacted:
            self._begin(key, RedactedThinking(unseal(content.signature, NAME)), events)
            return
        is_thought = content.type == "thinking" or content.thinking is not None
        index = self._begin(key, Thinking("") if is_thought else Text(""), events)
        block = self._open[key][1]
        if isinstance(block, Thinking):
            if content.thinking:
                events.append(ThinkingDelta(index, content.thinking))
            if content.signature:
                self._signed[index] = unseal(content.signature, NAME)
        elif content.text:
            events.append(TextDelta(index, content.text))

    def _stop(self, key: _Key, events: list[Event]) -> None:
        opened = self._open.pop(key, None)
        if opened is None:
            return
        index, block = opened
        if isinstance(block, Thinking):
            state = self._signed.pop(index, None) or ProviderState(NAME, THOUGHT, self._home)
            events.append(SignatureDelta(index, state))
        events.append(BlockStop(index))

    def _cite(self, raw: dict[str, Any], events: list[Event]) -> None:
        """A citation of a text that is still open; Cohere sends them before its end."""
        at, citation = read_citation(raw, "delta.message.citations")
        opened = self._open.get(("content", at or 0))
        if opened is not None and isinstance(opened[1], Text):
            events.append(CitationDelta(opened[0], citation))

    def _end(self, delta: _Delta, events: list[Event]) -> None:
        reason = delta.finish_reason
        if delta.error:
            raise failure(delta.error)
        for key in list(self._open):
            self._stop(key, events)
        events.append(Finish(stop=STOPS.get(reason or "", "other"), native_stop=reason))
        if delta.usage is not None:
            events.append(UsageUpdate(normal(delta.usage)))


def stream_reader(*, home: Home | None = None) -> PiecewiseReader[SseEvent]:
    return PiecewiseReader(SseSplitter(), ChatReader(home))
