"""One choice of a streamed Chat answer: from fields that grow to blocks that begin and end.

- text, refusal and reasoning are a block each for as long as nothing else comes between;
- a call is a block from its first delta. When anything new starts, calls whose arguments are a
  complete object are closed, so that clients that want one block at a time see each call as it is
  written; a call that others interrupt half-way stays open until it is complete or the choice ends.
Survived: calls without index or id, one index for all calls, another id in every delta, names that
come late, arguments that are objects, the older `function_call`.
"""

from typing import Any

import msgspec

from portico.types.chat import (
    Audio,
    DataSource,
    Home,
    Image,
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
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)
from portico.wire.json_io import compact, is_object
from portico.wire.openai_chat.answer import stop_reason
from portico.wire.openai_chat.messages import arguments_text, legacy_id, made_id, read_annotation
from portico.wire.openai_chat.parts import NAME, read_content, read_part
from portico.wire.openai_chat.reasoning import (
    ExtraContent,
    details_text,
    merge_details,
    read_extra_content,
    read_thinking_block,
)


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: Any = None


class _Custom(msgspec.Struct):
    name: str | None = None
    input: str | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    custom: _Custom | None = None
    extra_content: ExtraContent | None = None


class _AudioFields(msgspec.Struct):
    id: str | None = None
    data: str | None = None
    transcript: str | None = None
    expires_at: int | None = None


class Delta(msgspec.Struct):
    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Any] | None = None
    thinking_blocks: list[Any] | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None
    audio: _AudioFields | None = None
    annotations: list[Any] | None = None
    images: list[Any] | None = None


class _OpenCall:
    """A call being written; `index` is its block's, once its name is known and it has begun."""

    __slots__ = ("arguments", "id", "index", "is_closed", "kind", "state")

    def __init__(self, id: str, kind: str, state: ProviderState | None) -> None:
        self.id = id
        self.kind = kind
        self.state = state
        self.index: int | None = None
        self.arguments: list[str] = []
        self.is_closed = False


class ChoiceReader:
    __slots__ = (
        "_answer_id",
        "_audio",
        "_calls",
        "_details",
        "_has_refusal",
        "_has_thought",
        "_home",
        "_keys",
        "_next",
        "_number",
        "_open",
        "_open_kind",
        "_reasoning_field",
        "_signature",
        "is_finished",
    )

    def __init__(self, number: int, answer_id: str, home: Home | None) -> None:
        self._number = number
        self._answer_id = answer_id
        self._home = home
        self._next = 0
        self._open: int | None = None
        self._open_kind = ""
        self._reasoning_field = "reasoning_content"
        self._details: list[Any] = []
        self._signature: ProviderState | None = None
        self._has_thought = False
        self._audio: int | None = None
        self._calls: list[_OpenCall] = []
        self._keys: dict[int | str, _OpenCall] = {}
        self._has_refusal = False
        self.is_finished = False

    def read(self, delta: Delta, events: list[Event]) -> None:
        content = delta.content
        if content and isinstance(content, str):
            self._text("text", content, events)
        if (
            delta.reasoning_content
            or delta.reasoning
            or delta.reasoning_details
            or delta.thinking_blocks
        ):
            self._reasoning(delta, events)
        if content and not isinstance(content, str):
            self._parts(content, events)
        if delta.refusal:
            self._has_refusal = True
            self._text("refusal", delta.refusal, events)
        if delta.audio is not None:
            self._read_audio(delta.audio, events)
        for image in delta.images or ():
            block = read_part(image, "delta.images")
            if isinstance(block, Image):
                self._whole(block, events)
        for annotation in delta.annotations or ():
            if (citation := read_annotation(annotation)) is not None:
                if self._open_kind != "text":
                    self._begin("text", Text(""), events)
                assert self._open is not None
                events.append(CitationDelta(self._open, citation, self._number))
        for call in delta.tool_calls or ():
            self._call(call, events)
        if delta.function_call is not None:
            self._call(_Call(0, legacy_id(1), delta.function_call), events)

    def finish(self, reason: str | None, events: list[Event]) -> None:
        self._close_open(events)
        for call in self._calls:
            if call.index is None:
                self._begin_call(call, "", events)
            self._close_call(call, events)
        if self._audio is not None:
            events.append(BlockStop(self._audio, self._number))
        self.is_finished = True
        stop = stop_reason(
            reason or "stop", has_calls=bool(self._calls), has_refusal=self._has_refusal
        )
        events.append(Finish(stop=stop, choice=self._number, native_stop=reason))

    def _text(self, kind: str, text: str, events: list[Event]) -> None:
        if self._open_kind != kind:
            self._begin(kind, Text("") if kind == "text" else Refusal(""), events)
        assert self._open is not None
        events.append(TextDelta(self._open, text, self._number))

    def _reasoning(self, delta: Delta, events: list[Event]) -> None:
        text = delta.reasoning_content or delta.reasoning
        blocks = map(read_thinking_block, delta.thinking_blocks or ())
        known = [block for block in blocks if block is not None]
        is_said = bool(text)
        if not text and not self._has_thought:  # else these repeat what was said in words
            text = "".join(block.text for block in known if isinstance(block, Thinking))
            text = text or details_text(delta.reasoning_details or [])
        has_signature = any(block.state for block in known if isinstance(block, Thinking))
        if text or has_signature or delta.reasoning_details:
            if self._open_kind != "thinking":
                self._begin("thinking", Thinking(""), events)
            if delta.reasoning and not delta.reasoning_content:
                self._reasoning_field = "reasoning"
            self._details += delta.reasoning_details or ()
            if text:
                assert self._open is not None
                self._has_thought = self._has_thought or is_said
                events.append(ThinkingDelta(self._open, text, self._number))
        for block in known:
            if isinstance(block, RedactedThinking):
                self._whole(block, events)
            elif block.state is not None:
                self._signature = block.state
                self._close_open(events)  # a signature is the last of its block

    def _parts(self, content: list[Any], events: list[Event]) -> None:
        """Mistral streams lists: `thinking` chunks, then text."""
        for block in read_content(content, "delta.content"):
            match block:
                case Text(text):
                    self._text("text", text, events)
                case Thinking(text):
                    if self._open_kind != "thinking":
                        self._begin("thinking", Thinking(""), events)
                        self._reasoning_field = "thinking"
                    assert self._open is not None
                    events.append(ThinkingDelta(self._open, text, self._number))
                case _:
                    self._whole(block, events)

    def _read_audio(self, audio: _AudioFields, events: list[Event]) -> None:
        if self._audio is None:
            self._settle(events)
            self._audio = self._take()
            block = Audio(DataSource("audio/pcm16", ""), audio.id)
            events.append(BlockStart(self._audio, block, self._number))
        if audio.data or audio.transcript or audio.expires_at is not None:
            data, transcript = audio.data or "", audio.transcript or ""
            events.append(AudioDelta(self._audio, data, transcript, audio.expires_at, self._number))

    def _call(self, delta: _Call, events: list[Event]) -> None:
        name, piece, kind = "", "", "function"
        if delta.function is not None:
            name = delta.function.name or ""
            piece = arguments_text(delta.function.arguments)
        elif delta.custom is not None:
            name, piece, kind = delta.custom.name or "", delta.custom.input or "", "custom"
        call = self._find(delta, name, kind)
        if call.is_closed:
            return
        if call.index is None:
            call.arguments.append(piece)
            if name:
                self._begin_call(call, name, events)
        elif piece:
            call.arguments.append(piece)
            events.append(ArgumentsDelta(call.index, piece, self._number))

    def _find(self, delta: _Call, name: str, kind: str) -> _OpenCall:
        """The call a delta belongs to: by id, else by index unless a new id and name start another.

        Some servers make up an id for each delta, some give all calls one index; both are told
        apart by the name, which only a call's first delta has.
        """
        call = self._keys.get(delta.id) if delta.id else None
        key: int | str | None = delta.index
        if call is None:
            if key is None:
                key = delta.id or (self._calls[-1].id if self._calls else "")
            call = self._keys.get(key)
            if call is not None and delta.id and name and call.index is not None:
                call = None
        if call is None:
            id = delta.id or made_id(self._answer_id, len(self._calls))
            call = _OpenCall(id, kind, read_extra_content(delta.extra_content, self._home))
            self._calls.append(call)
            self._keys[id] = call
        if key is not None:
            self._keys[key] = call
        return call

    def _begin_call(self, call: _OpenCall, name: str, events: list[Event]) -> None:
        self._settle(events)
        call.index = self._take()
        block = ToolCall(
            call.id, name, "", "custom" if call.kind == "custom" else "function", None, call.state
        )
        events.append(BlockStart(call.index, block, self._number))
        if held := "".join(call.arguments):
            events.append(ArgumentsDelta(call.index, held, self._number))

    def _close_call(self, call: _OpenCall, events: list[Event]) -> None:
        if not call.is_closed and call.index is not None:
            call.is_closed = True
            events.append(BlockStop(call.index, self._number))

    def _whole(self, block: Any, events: list[Event]) -> None:
        self._settle(events)
        index = self._take()
        events.append(BlockStart(index, block, self._number))
        events.append(BlockStop(index, self._number))

    def _begin(self, kind: str, block: Text | Refusal | Thinking, events: list[Event]) -> None:
        self._settle(events)
        self._open = self._take()
        self._open_kind = kind
        events.append(BlockStart(self._open, block, self._number))

    def _settle(self, events: list[Event]) -> None:
        """Something new begins: close what is complete."""
        self._close_open(events)
        for call in self._calls:
            if not call.is_closed and call.index is not None:
                text = "".join(call.arguments)
                if is_object(text):
                    self._close_call(call, events)
                else:
                    call.arguments = [text]

    def _close_open(self, events: list[Event]) -> None:
        if self._open is None:
            return
        if self._open_kind == "thinking":
            state = self._signature
            if state is None:
                details = merge_details(self._details)
                data = compact(details) if details else self._reasoning_field
                state = ProviderState(NAME, data, self._home)
            events.append(SignatureDelta(self._open, state, self._number))
            self._details = []
            self._signature = None
            self._has_thought = False
        events.append(BlockStop(self._open, self._number))
        self._open = None
        self._open_kind = ""

    def _take(self) -> int:
        index = self._next
        self._next += 1
        return index
