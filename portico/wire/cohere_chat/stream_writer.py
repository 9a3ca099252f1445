"""Canonical events to those of Cohere's streamed chat.

https://docs.cohere.com/docs/streaming and …/docs/tool-use-streaming (2026-11-23). Contents and tool
calls count their indexes apart; a call begins with its first arguments, when its state is known.
`message-end` is the end of any stream, also of one that failed.
"""

from typing import Final

import msgspec

from portico.errors import GatewayError, UpstreamProtocol
from portico.types.chat import (
    Audio,
    Block,
    JsonObject,
    ProviderState,
    RedactedThinking,
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
from portico.wire.base import ReplyContext, Unsupported
from portico.wire.cohere_chat.answer import (
    finish_reason,
    write_call,
    write_citation,
    write_logprobs,
    write_usage,
)
from portico.wire.cohere_chat.messages import write_thought
from portico.wire.cohere_chat.tools import NAME
from portico.wire.json_io import compact, encode
from portico.wire.sse import write_event
from portico.wire.state import seal
from portico.wire.stream_reading import CUT

_TEXT: Final = (
    b'event: content-delta\ndata: {"type":"content-delta","index":%d,"delta":{"message":{"content":'
    b'{"text":%b}}}}\n\n'
)


class _Open:
    """A block of the answer: its place among its like, and how much of it has been said."""

    __slots__ = ("at", "block", "has_begun", "length", "pieces")

    def __init__(self, at: int, block: Block) -> None:
        self.at = at
        self.block = block
        self.has_begun = False
        self.length = 0
        self.pieces: list[str] = []


class ChatStreamWriter:
    """One answer to one client; other choices than the first have no place here."""

    __slots__ = (
        "_blocks",
        "_calls",
        "_context",
        "_finish",
        "_is_ended",
        "_is_own",
        "_parts",
        "_unsupported",
        "_usage",
    )

    def __init__(self, context: ReplyContext, unsupported: Unsupported) -> None:
        self._context = context
        self._unsupported = unsupported
        self._blocks: dict[int, _Open] = {}
        self._parts = 0
        self._calls = 0
        self._finish: Finish | None = None
        self._usage: Usage | None = None
        self._is_own = False
        self._is_ended = False

    def write(self, event: Event, /) -> bytes:
        if self._is_ended:
            return b""
        if getattr(event, "choice", 0):
            self._unsupported("n", NAME)
            return b""
        match event:
            case TextDelta(index, text):
                return self._text(self._blocks[index], text)
            case ThinkingDelta(index, text):
                return self._content("content-delta", self._blocks[index].at, {"thinking": text})
            case ArgumentsDelta(index, text):
                return self._arguments(self._blocks[index], text)
            case BlockStart(index, block):
                return self._begin(index, block)
            case BlockStop(index):
                opened = self._blocks.get(index)
                return b"" if opened is None else self._stop(opened)
            case CitationDelta(index, citation):
                opened = self._blocks[index]
                written = write_citation(citation, opened.at, opened.length)
                begun = {"message": {"citations": written}}
                return self._event("citation-start", index=opened.at, delta=begun) + self._event(
                    "citation-end", index=opened.at
                )
            case SignatureDelta(index, state):
                return self._signature(self._blocks[index], state)
            case AudioDelta(index, transcript=transcript):
                return self._text(self._blocks[index], transcript) if transcript else b""
            case LogprobsDelta(logprobs):
                pieces = write_logprobs(logprobs)
                at = max(self._parts - 1, 0)
                return b"".join(
                    [self._event("content-delta", index=at, delta={}, logprobs=p) for p in pieces]
                )
            case UsageUpdate(usage):
                self._usage = usage
                return b""
            case Finish():
                self._finish = event
                return b""
            case StreamStart():
                return self._start(event)
            case StreamEnd():
                return self._end()
            case StreamError(error):
                return self._fail(error)
            case OpaqueEvent() | Ping():
                return b""

    def close(self) -> bytes:
        if self._is_ended:
            return b""
        return self._fail(UpstreamProtocol(CUT))

    def _event(self, type: str, **fields: object) -> bytes:
        return write_event(encode({"type": type, **fields}), type.encode())

    def _content(self, type: str, at: int, content: JsonObject) -> bytes:
        return self._event(type, index=at, delta={"message": {"content": content}})

    def _start(self, start: StreamStart) -> bytes:
        self._is_own = start.dialect == NAME
        empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": []}
        message = {**empty, "citations": []}
        id = start.id or self._context.id
        return self._event("message-start", id=id, delta={"message": message})

    def _begin(self, index: int, block: Block) -> bytes:
        match block:
            case ToolCall():
                opened = self._blocks[index] = _Open(self._calls, block)
                self._calls += 1
                return self._arguments(opened, block.arguments) if block.arguments else b""
            case Text(text) | Refusal(text):
                part: JsonObject = {"type": "text", "text": text}
            case Thinking() | RedactedThinking():
                part = write_thought(block)
            case Audio(transcript=transcript):
                self._unsupported("content.audio", NAME)
                part = {"type": "text", "text": transcript or ""}
            case _:
                self._unsupported(f"content.{block.__struct_config__.tag}", NAME)
                return b""
        opened = self._blocks[index] = _Open(self._parts, block)
        opened.length = len(part.get("text", ""))
        self._parts += 1
        return self._content("content-start", opened.at, part)

    def _text(self, opened: _Open, text: str) -> bytes:
        opened.length += len(text)
        return _TEXT % (opened.at, encode(text))

    def _arguments(self, opened: _Open, text: str) -> bytes:
        """Free text is only wrapped when it is whole."""
        if isinstance(opened.block, ToolCall) and opened.block.kind == "custom":
            opened.pieces.append(text)
            return b""
        return self._call_start(opened) + self._call_delta(opened.at, text)

    def _call_start(self, opened: _Open) -> bytes:
        if opened.has_begun or not isinstance(opened.block, ToolCall):
            return b""
        opened.has_begun = True
        call = write_call(opened.block)
        call["function"]["arguments"] = ""
        return self._event(
            "tool-call-start", index=opened.at, delta={"message": {"tool_calls": call}}
        )

    def _call_delta(self, at: int, arguments: str) -> bytes:
        calls = {"function": {"arguments": arguments}}
        return self._event("tool-call-delta", index=at, delta={"message": {"tool_calls": calls}})

    def _signature(self, opened: _Open, state: ProviderState) -> bytes:
        match opened.block:
            case Thinking():
                if state.dialect == NAME:
                    return b""
                signed = {"thinking": "", "signature": seal(state, NAME)}
                return self._content("content-delta", opened.at, signed)
            case ToolCall() if not opened.has_begun:
                opened.block = msgspec.structs.replace(opened.block, state=state)
            case _:
                self._unsupported("thought_signature", NAME)
        return b""

    def _stop(self, opened: _Open) -> bytes:
        if not isinstance(opened.block, ToolCall):
            return self._event("content-end", index=opened.at)
        begun = self._call_start(opened)
        if opened.block.kind == "custom":
            begun += self._call_delta(opened.at, compact({"input": "".join(opened.pieces)}))
        return begun + self._event("tool-call-end", index=opened.at)

    def _end(self) -> bytes:
        self._is_ended = True
        finish = self._finish or Finish(stop="other")
        reason = finish_reason(finish.stop, finish.native_stop, is_own=self._is_own)
        delta: JsonObject = {"finish_reason": reason}
        if self._usage is not None:
            delta["usage"] = write_usage(self._usage)
        return self._event("message-end", delta=delta)

    def _fail(self, error: GatewayError) -> bytes:
        self._is_ended = True
        return self._event("message-end", delta={"error": error.message, "finish_reason": "ERROR"})
