"""Canonical events to a streamed Gemini answer, as server-sent events or as one JSON array.

https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent (2026-11-23). Calls
are written when they are whole, for a part holds a whole object; finish reasons, grounding and
usage come in one last chunk. An error is an object with `error`, which official clients raise.
"""

from typing import Final

from portico.errors import GatewayError, UpstreamProtocol
from portico.types.chat import (
    Audio,
    Block,
    Citation,
    DataSource,
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
from portico.wire.base import ReplyContext, Unsupported
from portico.wire.gemini_generate.answer import answer_id, block_reason, finish_reason
from portico.wire.gemini_generate.errors import error_fields
from portico.wire.gemini_generate.grounding import write_grounding, write_logprobs
from portico.wire.gemini_generate.parts import NAME, PartWriter
from portico.wire.gemini_generate.usage import write_usage
from portico.wire.json_io import encode
from portico.wire.stream_reading import CUT

_TEXT: Final = b'{"candidates":[{"content":{"parts":[{"text":%b}],"role":"model"},"index":%d}],%b'
_THOUGHT: Final = (
    b'{"candidates":[{"content":{"parts":[{"text":%b,"thought":true}],"role":"model"},'
    b'"index":%d}],%b'
)


class _Written:
    """A block of the answer: what of it later events need."""

    __slots__ = ("block", "citations", "pieces", "state")

    def __init__(self, block: Block) -> None:
        self.block = block
        self.pieces: list[str] = []
        self.citations: list[Citation] = []
        self.state: ProviderState | None = getattr(block, "state", None)


class GenerateStreamWriter:
    """One answer to one client."""

    __slots__ = (
        "_blocks",
        "_context",
        "_finished",
        "_framing",
        "_has_written",
        "_is_ended",
        "_is_own",
        "_parts",
        "_start_extra",
        "_tail",
        "_unsupported",
        "_usage",
    )

    def __init__(self, context: ReplyContext, unsupported: Unsupported) -> None:
        self._context = context
        self._unsupported = unsupported
        self._framing = context.framing
        self._parts = PartWriter(unsupported, to_client=True, is_own=False)
        self._blocks: dict[tuple[int, int], _Written] = {}
        self._finished: list[Finish] = []
        self._usage: Usage | None = None
        self._start_extra: JsonObject = {}
        self._tail = b"}"
        self._has_written = False
        self._is_own = False
        self._is_ended = False

    def write(self, event: Event, /) -> bytes:
        if self._is_ended:
            return b""
        match event:
            case TextDelta(index, text, choice):
                return self._text(self._blocks[choice, index], text, choice)
            case ThinkingDelta(_, text, choice):
                return self._chunk(_THOUGHT % (encode(text), choice, self._tail))
            case ArgumentsDelta(index, text, choice):
                self._blocks[choice, index].pieces.append(text)
                return b""
            case BlockStart(index, block, choice):
                return self._begin(index, block, choice)
            case BlockStop(index, choice):
                return self._stop(self._blocks[choice, index], choice)
            case SignatureDelta(index, state, choice):
                return self._signature(self._blocks[choice, index], state, choice)
            case CitationDelta(index, citation, choice):
                self._blocks[choice, index].citations.append(citation)
                return b""
            case AudioDelta():
                return self._audio(event)
            case LogprobsDelta(logprobs, choice):
                return self._candidate(choice, {"logprobsResult": write_logprobs(logprobs)})
            case UsageUpdate(usage):
                self._usage = usage
                return b""
            case Finish():
                self._finished.append(event)
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

    def _start(self, start: StreamStart) -> bytes:
        self._is_own = start.dialect == NAME
        self._parts = PartWriter(self._unsupported, to_client=True, is_own=self._is_own)
        self._start_extra = start.extra if self._is_own else {}
        head = {
            "modelVersion": start.model or self._context.request.model,
            "responseId": answer_id(start.id, self._context),
        }
        self._tail = encode(head)[1:]
        return b""

    def _chunk(self, chunk: bytes) -> bytes:
        if self._framing == "sse":
            return b"data: %b\n\n" % chunk
        before = b",\n" if self._has_written else b"["
        self._has_written = True
        return before + chunk

    def _object(self, fields: JsonObject) -> bytes:
        return self._chunk(encode(fields)[:-1] + b"," + self._tail)

    def _candidate(self, choice: int, fields: JsonObject) -> bytes:
        return self._object({"candidates": [{**fields, "index": choice}]})

    def _content(self, parts: list[JsonObject], choice: int) -> bytes:
        if not parts:
            return b""
        return self._candidate(choice, {"content": {"parts": parts, "role": "model"}})

    def _text(self, written: _Written, text: str, choice: int) -> bytes:
        written.pieces.append(text)
        return self._chunk(_TEXT % (encode(text), choice, self._tail))

    def _begin(self, index: int, block: Block, choice: int) -> bytes:
        written = self._blocks[choice, index] = _Written(block)
        match block:
            case Text(text) | Refusal(text):
                return self._text(written, text, choice) if text else b""
            case Thinking(text):
                if not text:
                    return b""
                return self._chunk(_THOUGHT % (encode(text), choice, self._tail))
            case ToolCall():
                written.pieces.append(block.arguments)
                return b""
            case Audio(DataSource(_, data)) if not data:
                return b""
            case _:
                return self._content(self._parts.parts(block), choice)

    def _stop(self, written: _Written, choice: int) -> bytes:
        block = written.block
        if not isinstance(block, ToolCall):
            return b""
        whole = ToolCall(
            block.id, block.name, "".join(written.pieces), block.kind, None, written.state
        )
        return self._content(self._parts.parts(whole), choice)

    def _signature(self, written: _Written, state: ProviderState, choice: int) -> bytes:
        match written.block:
            case ToolCall():
                written.state = state
                return b""
            case Thinking():
                return self._content(self._parts.parts(Thinking("", state)), choice)
            case _:
                return self._content(self._parts.parts(Text("", state=state)), choice)

    def _audio(self, event: AudioDelta) -> bytes:
        block = self._blocks[event.choice, event.index].block
        if event.transcript:
            self._unsupported("audio.transcript", NAME)
        if not event.data or not isinstance(block, Audio):
            return b""
        source = block.source
        media_type = source.media_type if isinstance(source, DataSource) else "audio/pcm16"
        part = {"inlineData": {"mimeType": media_type, "data": event.data}}
        return self._content([part], event.choice)

    def _end(self) -> bytes:
        self._is_ended = True
        last: JsonObject = {}
        if not (self._is_own and block_reason(self._start_extra.get("promptFeedback"))):
            last["candidates"] = [self._finish(finish) for finish in self._finished]
        last.update(self._start_extra)
        usage = None if self._usage is None else write_usage(self._usage)
        if usage is not None:
            last["usageMetadata"] = usage
        return self._object(last) + (b"" if self._framing == "sse" else b"]")

    def _finish(self, finish: Finish) -> JsonObject:
        written: JsonObject = {
            "content": {"parts": [{"text": ""}], "role": "model"},
            "finishReason": finish_reason(finish.stop, finish.native_stop, is_own=self._is_own),
            "index": finish.choice,
        }
        if self._is_own:
            written.update(finish.extra or {})
            return written
        texts = (
            Text("".join(held.pieces), tuple(held.citations))
            for (choice, _), held in self._blocks.items()
            if choice == finish.choice and isinstance(held.block, Text)
        )
        grounding = write_grounding(texts, self._unsupported)
        if grounding is not None:
            written["groundingMetadata"] = grounding
        return written

    def _fail(self, error: GatewayError) -> bytes:
        self._is_ended = True
        last = self._chunk(encode({"error": error_fields(error)}))
        return last if self._framing == "sse" else last + b"]"
