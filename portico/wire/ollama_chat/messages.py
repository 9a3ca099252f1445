"""Messages of Ollama's chat to canonical messages and back.

https://docs.ollama.com/api/chat and https://docs.ollama.com/capabilities/tool-calling (2026-11-23).
A message holds one thought, one text, its pictures and its calls, in this order; what comes in
another order is written as several messages of one role, which Ollama's templates join. Older
clients give calls no ids and results no names: they are matched by order.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from portico.types.chat import (
    Audio,
    Block,
    BlocksSource,
    DataSource,
    Document,
    Image,
    JsonObject,
    Message,
    OpaqueBlock,
    ProviderState,
    RedactedThinking,
    Refusal,
    Role,
    Text,
    TextSource,
    Thinking,
    ToolCall,
    ToolResult,
)
from portico.wire.base import Unsupported, drop_extra
from portico.wire.call_ids import CallIds, with_results_in_order
from portico.wire.json_io import (
    MalformedError,
    arguments_object,
    compact,
    convert,
    fields_of,
    unknown,
)

NAME: Final = "ollama_chat"

_ROLES: Final[dict[str, Role]] = {"system": "system", "user": "user", "assistant": "assistant"}
_IMAGE_TYPES: Final = (
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
    ("Qk", "image/bmp"),
)
"""How the base64 of each begins: a message does not say what its pictures are."""


class _Function(msgspec.Struct):
    name: str
    arguments: Any = None


class _Call(msgspec.Struct):
    function: _Function
    id: str | None = None


class MessageFields(msgspec.Struct):
    """A message of any role, in requests and in answers."""

    role: str = "assistant"
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[_Call] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


_KNOWN: Final = fields_of(MessageFields)


def read_messages(raw: list[Any]) -> tuple[Message, ...]:
    fields = convert(raw, list[MessageFields], "messages")
    ids = CallIds()
    messages: list[Message] = []
    for i, message in enumerate(fields):
        extra = unknown(raw[i], _KNOWN) or None
        blocks = read_blocks(message, ids)
        if message.role == "tool":
            id = ids.result(message.tool_name, message.tool_call_id)
            result = ToolResult(id, blocks, name=message.tool_name)
            messages.append(Message("user", (result,), None, extra))
            continue
        role = _ROLES.get(message.role)
        if role is None:
            raise MalformedError(
                "expected one of `system`, `user`, `assistant`, `tool`", f"messages[{i}].role"
            )
        messages.append(Message(role, blocks, None, extra))
    return tuple(messages)


def read_blocks(message: MessageFields, ids: CallIds) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if message.thinking:
        blocks.append(Thinking(message.thinking))
    if message.content:
        blocks.append(Text(message.content))
    blocks += read_images(message.images)
    blocks += (read_call(call, ids) for call in message.tool_calls or ())
    return tuple(blocks)


def read_call(call: _Call, ids: CallIds) -> ToolCall:
    name, arguments = call.function.name, call.function.arguments
    if not isinstance(arguments, str):
        arguments = compact(arguments) if arguments else ""
    return ToolCall(ids.call(name, call.id), name, arguments)


def read_images(images: list[str] | None) -> list[Image]:
    return [Image(DataSource(_image_type(data), data)) for data in images or ()]


def _image_type(data: str) -> str:
    return next((type for head, type in _IMAGE_TYPES if data.startswith(head)), "image/png")


class MessageWriter:
    """Writes one request's messages, or one answer's message."""

    def __init__(self, unsupported: Unsupported, *, is_own: bool) -> None:
        self._unsupported = unsupported
        self._is_own = is_own
        self._names: dict[str, str] = {}

    def write(self, messages: tuple[Message, ...]) -> list[JsonObject]:
        written: list[JsonObject] = []
        for message in messages if self._is_own else with_results_in_order(messages):
            if message.name is not None:
                self._unsupported("messages.name", NAME)
            rest = message.extra or {}
            if not self._is_own:
                drop_extra(message.extra, NAME, self._unsupported, "messages.")
                rest = {}
            role = "system" if message.role == "developer" else message.role
            results = [block for block in message.content if isinstance(block, ToolResult)]
            written += ({**self._result(result), **rest} for result in results)
            others = (block for block in message.content if not isinstance(block, ToolResult))
            said = self.turn(role, others)
            is_lost = role == "assistant" and message.content and not self._is_own
            if said or not (results or is_lost):
                said = said or [{"role": role, "content": ""}]
                written += ({**item, **rest} for item in said)
        return written

    def _result(self, result: ToolResult) -> JsonObject:
        if result.is_error:
            self._unsupported("tool_result.is_error", NAME)
        if result.cache is not None:
            self._unsupported("cache_control", NAME)
        texts: list[str] = []
        images: list[str] = []
        for block in result.content:
            match block:
                case Text(text) | Refusal(text):
                    texts.append(text)
                case Image():
                    images += self._image(block)
                case _:
                    self._unsupported(f"tool_result.{block.__struct_config__.tag}", NAME)
        written: JsonObject = {"role": "tool", "content": "\n".join(texts)}
        if images:
            written["images"] = images
        name = result.name or self._names.get(result.call_id)
        if name is not None:
            written["tool_name"] = name
        written["tool_call_id"] = result.call_id
        return written

    def turn(self, role: str, blocks: Iterable[Block]) -> list[JsonObject]:
        """Blocks of one role, as few messages as their order allows; empty if nothing is left."""
        turn = _Turn(role)
        for block in blocks:
            self._add(block, turn)
        return turn.messages

    def _add(self, block: Block, turn: "_Turn") -> None:
        if getattr(block, "cache", None) is not None:
            self._unsupported("cache_control", NAME)
        match block:
            case Text(text):
                self._no_state(block.state)
                if block.citations:
                    self._unsupported("citations", NAME)
                turn.text(text)
            case Refusal(text):
                turn.text(text)
            case ToolCall():
                self._no_state(block.state)
                self._names[block.id] = block.name
                turn.call(write_call(block, turn.calls))
            case Thinking(text, state):
                if state is not None:
                    self._unsupported("thinking.signature", NAME)
                turn.thinking(text)
            case Image():
                for data in self._image(block):
                    turn.image(data)
            case Document(TextSource(text)):
                self._no_citing(block)
                title = f"{block.title}\n" if block.title else ""
                turn.text(title + text)
            case Document(BlocksSource(content)):
                self._no_citing(block)
                for inner in content:
                    self._add(inner, turn)
            case Audio(_, _, transcript) if transcript:
                self._unsupported("content.audio", NAME)
                turn.text(transcript)
            case RedactedThinking():
                self._unsupported("thinking", NAME)
            case OpaqueBlock(_, data):
                self._unsupported(f"content.{data.get('type')}", NAME)
            case _:
                self._unsupported(f"content.{block.__struct_config__.tag}", NAME)

    def _no_state(self, state: ProviderState | None) -> None:
        if state is not None:
            self._unsupported("thought_signature", NAME)

    def _no_citing(self, document: Document) -> None:
        """What only somebody who knows documents can be told of one."""
        if document.context is not None:
            self._unsupported("document.context", NAME)
        if document.cite:
            self._unsupported("document.citations", NAME)

    def _image(self, image: Image) -> list[str]:
        self._no_state(image.state)
        if image.detail not in (None, "auto"):
            self._unsupported("image.detail", NAME)
        if isinstance(image.source, DataSource):
            return [image.source.data]
        self._unsupported(f"image.{image.source.__struct_config__.tag}", NAME)
        return []


class _Turn:
    """Puts blocks into a message as long as their order is that of its fields."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._rank = 0
        self.messages: list[JsonObject] = []
        self.calls = 0

    def thinking(self, text: str) -> None:
        self._at(1, 0)["thinking"] = text

    def text(self, text: str) -> None:
        if text:
            self._at(2, 1)["content"] = text

    def image(self, data: str) -> None:
        self._at(3, 3).setdefault("images", []).append(data)

    def call(self, call: JsonObject) -> None:
        self._at(4, 4).setdefault("tool_calls", []).append(call)
        self.calls += 1

    def _at(self, rank: int, after: int) -> JsonObject:
        """The message to put it in: a new one if something later than `after` is in this one.

        Pictures alone may come before their text: Ollama shows them to the model first.
        """
        is_caption = rank == 2 and self._rank == 3 and not self.messages[-1]["content"]
        if not self.messages or (self._rank > after and not is_caption):
            self.messages.append({"role": self._role, "content": ""})
            self.calls = 0
        self._rank = max(rank, self._rank if is_caption else rank)
        return self.messages[-1]


def write_call(call: ToolCall, index: int) -> JsonObject:
    """Arguments are an object here, byte for byte; the text of a custom tool is one `input`."""
    is_custom = call.kind == "custom"
    arguments = {"input": call.arguments} if is_custom else arguments_object(call.arguments)
    function = {"index": index, "name": call.name, "arguments": arguments}
    return {"id": call.id, "function": function}
