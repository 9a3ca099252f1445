"""One candidate of a streamed Gemini answer: from parts to blocks that begin and end.

Text and thoughts are a block each for as long as nothing else comes between; a signature ends its
block, since it signs what came before it. Everything else comes whole, but for calls whose
arguments the client asked to have streamed.
"""

from typing import Any

import msgspec

from portico.types.chat import (
    Block,
    Home,
    JsonObject,
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
    LogprobsDelta,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)
from portico.wire.call_ids import CallIds
from portico.wire.gemini_generate.answer import stop_reason
from portico.wire.gemini_generate.grounding import read_citations, read_logprobs
from portico.wire.gemini_generate.partial_args import PartialArguments
from portico.wire.gemini_generate.parts import FunctionCall, Part, read_part


class CandidateReader:
    __slots__ = (
        "_has_calls",
        "_home",
        "_ids",
        "_next",
        "_number",
        "_open",
        "_open_kind",
        "_partial",
        "_texts",
        "extra",
        "finish_reason",
    )

    def __init__(self, number: int, ids: CallIds, home: Home | None) -> None:
        self._number = number
        self._ids = ids
        self._home = home
        self._next = 0
        self._open = -1
        self._open_kind = ""
        self._partial: PartialArguments | None = None
        self._texts: list[str] = []
        self._has_calls = False
        self.finish_reason: str | None = None
        self.extra: JsonObject = {}

    def goes_on(self, part: Part, events: list[Event]) -> bool:
        """Take the part, if it is no more than the next words of the block that is open."""
        if not part.text or part.thought_signature is not None:
            return False
        if self._open_kind != ("thinking" if part.thought else "text"):
            return False
        self._grow(part.text, events)
        return True

    def read(self, part: Part, raw: JsonObject, path: str, events: list[Event]) -> None:
        """`raw` is looked at only for parts that are not plain."""
        call = part.function_call
        if call is not None and (self._partial is not None or call.will_continue):
            self._read_partial(part, call, path, events)
            return
        block = read_part(part, raw, path, self._ids, self._home)
        match block:
            case None:
                pass
            case Text(text) | Thinking(text):
                kind = "text" if isinstance(block, Text) else "thinking"
                if self._open_kind != kind:
                    self._begin(kind, Text("") if kind == "text" else Thinking(""), events)
                if text:
                    self._grow(text, events)
                if block.state is not None:
                    events.append(SignatureDelta(self._open, block.state, self._number))
                    self._close(events)
            case RedactedThinking(state) if self._open_kind == "thinking":
                events.append(SignatureDelta(self._open, state, self._number))
                self._close(events)
            case _:
                self._whole(block, events)

    def _read_partial(self, part: Part, call: FunctionCall, path: str, events: list[Event]) -> None:
        partial = self._partial
        if partial is None or call.name:
            begun = read_part(part, {}, path, self._ids, self._home)
            assert isinstance(begun, ToolCall)
            self._has_calls = True
            self._begin("call", msgspec.structs.replace(begun, arguments=""), events)
            partial = self._partial = PartialArguments(call.args)
        elif call.args:
            partial.extend(call.args)
        for piece in call.partial_args or ():
            partial.add(piece)
        if not call.will_continue:
            self._close(events)

    def _grow(self, text: str, events: list[Event]) -> None:
        if self._open_kind == "text":
            self._texts.append(text)
            events.append(TextDelta(self._open, text, self._number))
        else:
            events.append(ThinkingDelta(self._open, text, self._number))

    def read_logprobs(self, result: Any, events: list[Event]) -> None:
        logprobs = read_logprobs(result)
        if logprobs is not None:
            events.append(LogprobsDelta(logprobs, self._number))

    def finish(self, events: list[Event]) -> None:
        extra = self.extra
        grounding, recitation = extra.get("groundingMetadata"), extra.get("citationMetadata")
        if grounding is not None or recitation is not None:
            cited = read_citations(grounding, recitation, "".join(self._texts))
            if cited and self._open_kind != "text":
                self._begin("text", Text(""), events)
            events += (CitationDelta(self._open, citation, self._number) for citation in cited)
        self._close(events)
        events.append(
            Finish(
                stop=stop_reason(self.finish_reason, has_calls=self._has_calls),
                choice=self._number,
                native_stop=self.finish_reason,
                extra=extra or None,
            )
        )

    def _whole(self, block: Block, events: list[Event]) -> None:
        self._close(events)
        index = self._next
        self._next += 1
        if isinstance(block, ToolCall):
            self._has_calls = True
            bare = ToolCall(block.id, block.name, "", state=block.state)
            events.append(BlockStart(index, bare, self._number))
            if block.arguments:
                events.append(ArgumentsDelta(index, block.arguments, self._number))
        else:
            events.append(BlockStart(index, block, self._number))
        events.append(BlockStop(index, self._number))

    def _begin(self, kind: str, block: Text | Thinking | ToolCall, events: list[Event]) -> None:
        self._close(events)
        self._open = self._next
        self._open_kind = kind
        self._next += 1
        events.append(BlockStart(self._open, block, self._number))

    def _close(self, events: list[Event]) -> None:
        if self._partial is not None:
            text = self._partial.text()
            self._partial = None
            if text:
                events.append(ArgumentsDelta(self._open, text, self._number))
        if self._open_kind:
            events.append(BlockStop(self._open, self._number))
            self._open_kind = ""
