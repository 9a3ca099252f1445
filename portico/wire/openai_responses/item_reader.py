"""Items of a streamed Responses answer: from parts that grow to blocks that begin and end.

A message's parts, a call, and a reasoning item's words are a block each; everything else is held
until its item is done. What `done` events repeat is read only where deltas were left out.
"""

from typing import Any

import msgspec

from portico.types.chat import (
    Block,
    Home,
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
    BlockStart,
    BlockStop,
    CitationDelta,
    Event,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)
from portico.wire.openai_responses.answer import read_logprobs
from portico.wire.openai_responses.items import read_ahead, read_item
from portico.wire.openai_responses.parts import read_annotation


class Fields(msgspec.Struct):
    """The fields of all events that concern items."""

    type: str | None = None
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    item: Any = None
    part: Any = None
    delta: Any = None
    text: Any = None
    refusal: Any = None
    arguments: Any = None
    input: Any = None
    annotation: Any = None
    logprobs: Any = None


class _Open:
    """A block being received."""

    __slots__ = ("block", "citations", "index", "is_closed", "is_empty", "part")

    def __init__(self, index: int, block: Block) -> None:
        self.index = index
        self.block = block
        self.part = 0
        self.citations = 0
        self.is_empty = True
        self.is_closed = False


class Blocks:
    __slots__ = ("_ahead", "_begun", "_done", "_home", "_logprobs", "_open", "_said", "_waiting")

    def __init__(self, home: Home | None) -> None:
        self._home = home
        self._open: dict[tuple[int, int], _Open] = {}
        self._begun = 0
        self._said: list[Block] = []
        self._done: set[int] = set()
        self._waiting: dict[int, JsonObject] = {}
        self._ahead: ProviderState | None = None
        self._logprobs: list[Any] = []

    def read(self, fields: Fields, payload: bytes, events: list[Event]) -> bool:
        """Is the event one of those read here?"""
        match fields.type:
            case "response.output_text.delta":
                if isinstance(fields.logprobs, list):
                    self._logprobs += fields.logprobs
                self._grow(fields, Text(""), fields.delta, events)
            case "response.refusal.delta":
                self._grow(fields, Refusal(""), fields.delta, events)
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
                self._call(fields, fields.delta, events)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                self._think(fields, fields.delta, events)
            case "response.output_item.added":
                self._added(fields, events)
            case "response.output_item.done":
                self._item_done(fields, events)
            case "response.content_part.added":
                self._part_added(fields, events)
            case "response.content_part.done":
                self._part_done(fields, events)
            case "response.output_text.done":
                self._whole(fields, Text(""), fields.text, events)
            case "response.refusal.done":
                self._whole(fields, Refusal(""), fields.refusal, events)
            case "response.function_call_arguments.done":
                self._call_whole(fields, fields.arguments, events)
            case "response.custom_tool_call_input.done":
                self._call_whole(fields, fields.input, events)
            case "response.output_text.annotation.added":
                self._annotate(fields, events)
            case (
                "response.reasoning_summary_part.added"
                | "response.reasoning_summary_part.done"
                | "response.reasoning_summary_text.done"
                | "response.reasoning_text.done"
            ):
                pass
            case _:
                return False
        return True

    def finish(
        self, output: list[Any], events: list[Event]
    ) -> tuple[tuple[Block, ...], JsonObject | None]:
        """Close what is open, and read what only the last event has.

        Returns the blocks by kind (their text is not kept), and logprobs not yet told.
        """
        for place, item in enumerate(output):
            if isinstance(item, dict) and place not in self._done:
                self._item_done(Fields(output_index=place, item=item), events)
        for opened in self._open.values():
            self._close(opened, events)
        logprobs = {"content": self._logprobs} if self._logprobs else read_logprobs(output)
        return tuple(self._said), logprobs

    def _begin(self, key: tuple[int, int], block: Block, events: list[Event]) -> _Open:
        opened = self._open[key] = _Open(self._begun, block)
        self._begun += 1
        self._said.append(block)
        events.append(BlockStart(opened.index, block))
        return opened

    def _close(self, opened: _Open, events: list[Event]) -> None:
        if not opened.is_closed:
            opened.is_closed = True
            events.append(BlockStop(opened.index))

    def _one(self, block: Block, events: list[Event]) -> None:
        """A block that comes whole."""
        self._close(self._begin((-1, self._begun), block, events), events)

    def _find(
        self, fields: Fields, block: Block, events: list[Event], content_index: int = 0
    ) -> _Open:
        key = (fields.output_index, content_index)
        return self._open.get(key) or self._begin(key, block, events)

    def _grow(self, fields: Fields, block: Block, text: Any, events: list[Event]) -> None:
        opened = self._find(fields, block, events, fields.content_index)
        if text and isinstance(text, str) and _is_of_text(opened):
            opened.is_empty = False
            events.append(TextDelta(opened.index, text))

    def _whole(self, fields: Fields, block: Block, text: Any, events: list[Event]) -> None:
        opened = self._find(fields, block, events, fields.content_index)
        if opened.is_empty and text:
            self._grow(fields, block, text, events)

    def _part_added(self, fields: Fields, events: list[Event]) -> None:
        match _object(fields.part).get("type"):
            case "output_text":
                self._find(fields, Text(""), events, fields.content_index)
            case "refusal":
                self._find(fields, Refusal(""), events, fields.content_index)
            case _:
                pass

    def _part_done(self, fields: Fields, events: list[Event]) -> None:
        part = _object(fields.part)
        match part.get("type"):
            case "output_text":
                self._whole(fields, Text(""), part.get("text"), events)
            case "refusal":
                self._whole(fields, Refusal(""), part.get("refusal"), events)
            case _:
                return
        opened = self._open[fields.output_index, fields.content_index]
        self._cite(opened, part.get("annotations"), events)
        self._close(opened, events)

    def _cite(self, opened: _Open, annotations: Any, events: list[Event]) -> None:
        """Annotations that were not told one by one."""
        listed = annotations if isinstance(annotations, list) else []
        for annotation in listed[opened.citations :]:
            if isinstance(opened.block, Text) and not opened.is_closed:
                opened.citations += 1
                events.append(CitationDelta(opened.index, read_annotation(annotation)))

    def _annotate(self, fields: Fields, events: list[Event]) -> None:
        opened = self._find(fields, Text(""), events, fields.content_index)
        if isinstance(opened.block, Text) and not opened.is_closed:
            opened.citations += 1
            events.append(CitationDelta(opened.index, read_annotation(fields.annotation)))

    def _added(self, fields: Fields, events: list[Event]) -> None:
        item = _object(fields.item)
        if item.get("type") not in ("function_call", "custom_tool_call"):
            self._waiting[fields.output_index] = item
            return
        blocks = read_item({**item, "arguments": "", "input": ""}, "item", self._home)
        (call,) = blocks
        if self._ahead is not None and isinstance(call, ToolCall):
            call = msgspec.structs.replace(call, state=self._ahead)
            self._ahead = None
        self._find(fields, call, events)
        self._call_whole(fields, item.get("arguments") or item.get("input"), events)

    def _call(self, fields: Fields, text: Any, events: list[Event]) -> None:
        opened = self._open.get((fields.output_index, 0))
        if opened is None or opened.is_closed or not isinstance(opened.block, ToolCall):
            return  # read when its item is done
        if text and isinstance(text, str):
            opened.is_empty = False
            events.append(ArgumentsDelta(opened.index, text))

    def _call_whole(self, fields: Fields, text: Any, events: list[Event]) -> None:
        opened = self._open.get((fields.output_index, 0))
        if opened is not None and opened.is_empty:
            self._call(fields, text, events)

    def _think(self, fields: Fields, text: Any, events: list[Event]) -> None:
        item = self._waiting.get(fields.output_index, {})
        id = item.get("id")
        block = Thinking("", None, id if isinstance(id, str) else None)
        opened = self._find(fields, block, events)
        if not isinstance(opened.block, Thinking) or opened.is_closed:
            return
        if not (text and isinstance(text, str)):
            return
        part = max(fields.summary_index, fields.content_index)
        if part != opened.part and not opened.is_empty:
            text = "\n\n" + text
        opened.part = part
        opened.is_empty = False
        events.append(ThinkingDelta(opened.index, text))

    def _item_done(self, fields: Fields, events: list[Event]) -> None:
        """What of the item was not told by deltas."""
        place, item = fields.output_index, _object(fields.item)
        if place in self._done:
            return
        self._done.add(place)
        mine = [opened for (at, _), opened in self._open.items() if at == place]
        blocks = read_item(item, "item", self._home) if item else ()
        if not mine:
            for block in blocks:
                self._item_whole(block, events)
            return
        for opened, block in zip(mine, blocks, strict=False):
            self._catch_up(opened, block, events)
        for opened in mine:
            self._close(opened, events)

    def _catch_up(self, opened: _Open, block: Block, events: list[Event]) -> None:
        if opened.is_closed:
            return
        index = opened.index
        match opened.block, block:
            case (Text(), Text(text)) | (Refusal(), Refusal(text)):
                if opened.is_empty and text:
                    events.append(TextDelta(index, text))
            case ToolCall(), ToolCall() if opened.is_empty and block.arguments:
                events.append(ArgumentsDelta(index, block.arguments))
            case Thinking(), Thinking(_, state) | RedactedThinking(state) if state is not None:
                events.append(SignatureDelta(index, state))
            case _:
                pass

    def _item_whole(self, block: Block, events: list[Event]) -> None:
        if (ahead := read_ahead(block)) is not None:
            self._ahead = ahead
            return
        match block:
            case ToolCall(id, name, arguments):
                call = ToolCall(id, name, "", block.kind, None, self._ahead)
                self._ahead = None
                opened = self._begin((-1, self._begun), call, events)
                if arguments:
                    events.append(ArgumentsDelta(opened.index, arguments))
                self._close(opened, events)
            case _:
                self._one(block, events)


def _object(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _is_of_text(opened: _Open) -> bool:
    return isinstance(opened.block, Text | Refusal) and not opened.is_closed
