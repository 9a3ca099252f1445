"""Canonical events to a streamed Responses answer.

https://developers.openai.com/api/docs/api-reference/responses-streaming (2026-11-23). The order is
`response.created`, `response.in_progress`, then for each item `output_item.added`, its parts and
deltas with their `done`, `output_item.done`, and at last one of `response.completed`,
`response.incomplete` and `response.failed`, all numbered. Neighbouring texts are parts of one
message, which therefore ends only when something else begins. A broken answer is a failed one.
"""

from typing import Final

from portico.errors import GatewayError, UpstreamProtocol
from portico.types.chat import (
    Audio,
    Block,
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
from portico.wire.json_io import encode
from portico.wire.openai_responses.answer import (
    OutputWriter,
    answer_id,
    outcome,
    response_object,
    write_usage,
)
from portico.wire.openai_responses.parts import NAME, write_annotation
from portico.wire.sse import write_event
from portico.wire.state import seal
from portico.wire.stream_reading import CUT

_TEXT: Final = (
    b"event: response.output_text.delta\n"
    b'data: {"type":"response.output_text.delta",%b,"delta":%b,"logprobs":[],'
    b'"sequence_number":%d}\n\n'
)
_DELTA: Final = b'event: %b\ndata: {"type":"%b",%b,"delta":%b,"sequence_number":%d}\n\n'


class _Item:
    """An item of the output; `place` is its index."""

    __slots__ = ("fields", "is_done", "open_parts", "place")

    def __init__(self, place: int, fields: JsonObject) -> None:
        self.place = place
        self.fields = fields
        self.open_parts = 0
        self.is_done = False


class _Written:
    """A block of the answer: what of it later events need. `at` is its place in JSON."""

    __slots__ = ("at", "block", "item", "part", "pieces", "state")

    def __init__(self, block: Block, item: _Item | None, part: int = 0) -> None:
        self.block = block
        self.item = item
        self.part = part
        self.pieces: list[str] = []
        self.state: ProviderState | None = None
        self.at = b""


class ResponseStreamWriter:
    """One answer to one client."""

    __slots__ = (
        "_blocks",
        "_context",
        "_finish",
        "_head",
        "_is_ended",
        "_is_own",
        "_items",
        "_message",
        "_number",
        "_output",
        "_unsupported",
        "_usage",
    )

    def __init__(self, context: ReplyContext, unsupported: Unsupported) -> None:
        self._context = context
        self._unsupported = unsupported
        self._items = OutputWriter(context.id, unsupported, context.request)
        self._head: JsonObject = {}
        self._blocks: dict[int, _Written] = {}
        self._output: list[_Item] = []
        self._message: _Item | None = None
        self._finish = Finish(stop="other")
        self._usage: Usage | None = None
        self._number = 0
        self._is_own = False
        self._is_ended = False

    def write(self, event: Event, /) -> bytes:
        if self._is_ended:
            return b""
        match event:
            case TextDelta(index, text, 0):
                return self._text(self._blocks[index], text)
            case ArgumentsDelta(index, text, 0):
                return self._arguments(self._blocks[index], text)
            case ThinkingDelta(index, text, 0):
                return self._think(self._blocks[index], text)
            case BlockStart(index, block, 0):
                return self._begin(index, block)
            case BlockStop(index, 0):
                return self._stop(self._blocks[index])
            case SignatureDelta(index, state, 0):
                return self._sign(self._blocks[index], state)
            case CitationDelta(index, _, 0):
                return self._cite(event, self._blocks[index])
            case AudioDelta(index, _, transcript, _, 0):
                return self._text(self._blocks[index], transcript) if transcript else b""
            case LogprobsDelta(logprobs, 0):
                return self._add_logprobs(logprobs)
            case Finish(choice=0):
                self._finish = event
                return b""
            case UsageUpdate(usage):
                self._usage = usage
                return b""
            case StreamStart():
                return self._start(event)
            case StreamEnd():
                return self._end()
            case StreamError(error):
                return self._fail(error)
            case OpaqueEvent(dialect, name, data) if dialect == NAME:
                rest = {key: value for key, value in data.items() if key != "sequence_number"}
                return b"" if "output_index" in data else self._event(name, rest)
            case OpaqueEvent() | Ping():
                return b""
            case _:
                self._unsupported("n", NAME)
                return b""

    def close(self) -> bytes:
        if self._is_ended:
            return b""
        return self._fail(UpstreamProtocol(CUT))

    def _event(self, type: str, fields: JsonObject) -> bytes:
        number = self._number
        self._number += 1
        data = {**fields, "type": type, "sequence_number": number}
        return write_event(encode(data), type.encode())

    def _response(self, status: str, **fields: object) -> JsonObject:
        head = self._head or response_object(
            self._context,
            id=answer_id("", self._context),
            model="",
            created=None,
            extra={},
        )
        output = [item.fields for item in self._output if item.is_done]
        return {**head, "status": status, "output": output, **fields}

    def _start(self, start: StreamStart) -> bytes:
        self._is_own = start.dialect == NAME
        id = start.id if self._is_own and start.id else answer_id(start.id, self._context)
        self._items = OutputWriter(id, self._unsupported, self._context.request)
        self._head = response_object(
            self._context,
            id=id,
            model=start.model,
            created=start.created,
            extra=start.extra if self._is_own else {},
        )
        response = {"response": self._response("in_progress")}
        created = self._event("response.created", response)
        return created + self._event("response.in_progress", response)

    # Items.

    def _add(self, fields: JsonObject, **begun: object) -> tuple[_Item, bytes]:
        """A new item; `begun` is what differs while it is not done."""
        item = _Item(len(self._output), fields)
        self._output.append(item)
        shown = {**fields, **begun}
        added = {"output_index": item.place, "item": shown}
        return item, self._event("response.output_item.added", added)

    def _done(self, item: _Item) -> bytes:
        if item.is_done:
            return b""
        item.is_done = True
        done = {"output_index": item.place, "item": item.fields}
        return self._event("response.output_item.done", done)

    def _whole(self, fields: JsonObject) -> bytes:
        item, added = self._add(fields)
        return added + self._done(item)

    def _end_message(self) -> bytes:
        """End the message if nothing of it is open."""
        message = self._message
        if message is None or message.open_parts:
            return b""
        self._message = None
        return self._done(message)

    def _begin(self, index: int, block: Block) -> bytes:
        match block:
            case Text() | Refusal():
                return self._begin_part(index, block, block)
            case Audio():
                self._unsupported("content.audio", NAME)
                return self._begin_part(index, block, Text(block.transcript or ""))
            case ToolCall():
                return self._end_message() + self._begin_call(index, block)
            case Thinking(text):
                return self._end_message() + self._begin_thinking(index, block, text)
            case _:
                self._blocks[index] = _Written(block, None)
                written = self._end_message()
                return written + b"".join(map(self._whole, self._items.items(block)))

    def _begin_part(self, index: int, block: Block, said: Text | Refusal) -> bytes:
        written = b""
        if self._message is None:
            item, written = self._add(self._items.message(), status="in_progress")
            self._message = item
        message = self._message
        message.open_parts += 1
        parts = message.fields["content"]
        held = self._blocks[index] = _Written(block, message, len(parts))
        empty = Text("") if isinstance(said, Text) else Refusal("")
        parts.append(self._items.part(empty))
        place = {
            "item_id": message.fields["id"],
            "output_index": message.place,
            "content_index": held.part,
        }
        held.at = encode(place)[1:-1]
        written += self._event("response.content_part.added", {**place, "part": parts[-1]})
        return written + self._text(held, said.text) if said.text else written

    def _begin_call(self, index: int, call: ToolCall) -> bytes:
        *ahead, fields = self._items.items(call)
        written = b"".join(map(self._whole, ahead))
        field = "input" if call.kind == "custom" else "arguments"
        fields[field] = ""
        item, added = self._add(fields, status="in_progress")
        held = self._blocks[index] = _Written(call, item)
        held.at = encode(_place(item))[1:-1]
        written += added
        return written + self._arguments(held, call.arguments) if call.arguments else written

    def _begin_thinking(self, index: int, block: Thinking, text: str) -> bytes:
        (fields,) = self._items.items(Thinking("", None, block.id))
        item, written = self._add(fields)
        held = self._blocks[index] = _Written(block, item)
        held.state = block.state
        held.at = encode({**_place(item), "summary_index": 0})[1:-1]
        return written + self._think(held, text) if text else written

    # Deltas.

    def _delta(self, type: bytes, held: _Written, text: str) -> bytes:
        held.pieces.append(text)
        number = self._number
        self._number += 1
        return _DELTA % (type, type, held.at, encode(text), number)

    def _text(self, held: _Written, text: str) -> bytes:
        if isinstance(held.block, Refusal):
            return self._delta(b"response.refusal.delta", held, text)
        held.pieces.append(text)
        number = self._number
        self._number += 1
        return _TEXT % (held.at, encode(text), number)

    def _arguments(self, held: _Written, text: str) -> bytes:
        if not text:
            return b""
        if isinstance(held.block, ToolCall) and held.block.kind == "custom":
            return self._delta(b"response.custom_tool_call_input.delta", held, text)
        return self._delta(b"response.function_call_arguments.delta", held, text)

    def _think(self, held: _Written, text: str) -> bytes:
        begun = b""
        if not held.pieces and held.item is not None:
            part = {"type": "summary_text", "text": ""}
            fields = {**_place(held.item), "summary_index": 0, "part": part}
            begun = self._event("response.reasoning_summary_part.added", fields)
        return begun + self._delta(b"response.reasoning_summary_text.delta", held, text)

    def _sign(self, held: _Written, state: ProviderState) -> bytes:
        if isinstance(held.block, Thinking):
            held.state = state
        else:
            self._unsupported("thought_signature", NAME)
        return b""

    def _cite(self, event: CitationDelta, held: _Written) -> bytes:
        annotation = write_annotation(event.citation, sum(map(len, held.pieces)))
        if annotation is None or held.item is None:
            self._unsupported("citations", NAME)
            return b""
        annotations = held.item.fields["content"][held.part]["annotations"]
        annotations.append(annotation)
        fields = {
            **_place(held.item),
            "content_index": held.part,
            "annotation_index": len(annotations) - 1,
            "annotation": annotation,
        }
        return self._event("response.output_text.annotation.added", fields)

    def _add_logprobs(self, logprobs: JsonObject) -> bytes:
        """They go to the last part of the message, as long as that is not done."""
        tokens = logprobs.get("content") or []
        part = self._message.fields["content"][-1] if self._message is not None else {}
        if "logprobs" in part:
            part["logprobs"] = [*part["logprobs"], *tokens]
        elif tokens:
            self._unsupported("logprobs", NAME)
        return b""

    # Ends.

    def _stop(self, held: _Written) -> bytes:
        item = held.item
        if item is None:
            return b""
        text = "".join(held.pieces)
        match held.block:
            case ToolCall():
                return self._stop_call(held.block, item, held, text)
            case Thinking():
                return self._stop_thinking(held, item, text)
            case _:
                return self._stop_part(held, item, text)

    def _stop_part(self, held: _Written, item: _Item, text: str) -> bytes:
        item.open_parts -= 1
        part = item.fields["content"][held.part]
        place = {**_place(item), "content_index": held.part}
        if part["type"] == "refusal":
            part["refusal"] = text
            done = self._event("response.refusal.done", {**place, "refusal": text})
        else:
            part["text"] = text
            fields = {**place, "text": text, "logprobs": part["logprobs"]}
            done = self._event("response.output_text.done", fields)
        return done + self._event("response.content_part.done", {**place, "part": part})

    def _stop_call(self, call: ToolCall, item: _Item, held: _Written, text: str) -> bytes:
        if call.kind == "custom":
            item.fields["input"] = text
            fields: JsonObject = {**_place(item), "input": text}
            done = self._event("response.custom_tool_call_input.done", fields)
            return done + self._done(item)
        written = b""
        if not text.strip():  # clients parse it, and an empty text is not JSON
            text = "{}"
            written = self._arguments(held, text)
        item.fields["arguments"] = text
        fields = {**_place(item), "name": item.fields["name"], "arguments": text}
        written += self._event("response.function_call_arguments.done", fields)
        return written + self._done(item)

    def _stop_thinking(self, held: _Written, item: _Item, text: str) -> bytes:
        written = b""
        if text:
            place = {**_place(item), "summary_index": 0}
            part = {"type": "summary_text", "text": text}
            item.fields["summary"] = [part]
            written = self._event(
                "response.reasoning_summary_text.done", {**place, "text": text}
            ) + self._event("response.reasoning_summary_part.done", {**place, "part": part})
        if held.state is not None:
            item.fields["encrypted_content"] = seal(held.state, NAME)
        return written + self._done(item)

    def _end(self) -> bytes:
        blocks = tuple(held.block for held in self._blocks.values())
        status, details = outcome(self._finish.stop, blocks)
        if self._message is not None:
            self._message.fields["status"] = status
        written = self._end_message()
        if status == "incomplete" and self._output and "status" in self._output[-1].fields:
            self._output[-1].fields["status"] = status
        self._is_ended = True
        usage = write_usage(self._usage) if self._usage is not None else {}
        response = self._response(status, incomplete_details=details, **usage)
        return written + self._event(f"response.{status}", {"response": response})

    def _fail(self, error: GatewayError) -> bytes:
        self._is_ended = True
        problem = {"code": error.code, "message": error.message}
        response = self._response("failed", error=problem)
        return self._event("response.failed", {"response": response})


def _place(item: _Item) -> JsonObject:
    return {"item_id": item.fields["id"], "output_index": item.place}
