"""Items of OpenAI Responses to messages and back.

https://developers.openai.com/api/docs/api-reference/responses/create#input and
https://developers.openai.com/api/docs/guides/reasoning (2026-11-23). What the model said comes as
items, one a message, call or piece of reasoning; neighbours are one assistant message here, and how
they were cut is kept beside it for the way home. Items of built-in tools and references to stored
ones are opaque.

A foreign state that sits on a call has no place in its item; it travels ahead of the call in a
`reasoning` item, which clients give back without looking inside.
"""

from typing import Any, Final

import msgspec

from portico.types.chat import (
    Block,
    DataSource,
    Home,
    Image,
    JsonObject,
    Message,
    OpaqueBlock,
    ProviderState,
    RedactedThinking,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from portico.wire.base import Unsupported, drop_extra
from portico.wire.json_io import MalformedError, convert, unknown
from portico.wire.openai_responses.parts import (
    NAME,
    InputWriter,
    read_content,
    write_annotations,
)
from portico.wire.state import seal, unseal

_AHEAD: Final = "portico:next:"
"""Starts the `encrypted_content` of an item whose state belongs to the call after it."""

_ITEMS: Final = "~items"
"""Among an assistant message's extra: its items, as (type, number of blocks, other fields)."""

_ROLES: Final[dict[str, Role]] = {
    "user": "user",
    "system": "system",
    "developer": "developer",
    "assistant": "assistant",
}
_MESSAGE: Final = frozenset({"type", "role", "content"})
_CALL: Final = frozenset({"type", "call_id", "name", "arguments", "input", "namespace"})
_OUTPUT: Final = frozenset({"type", "call_id", "output"})
_FROM_CLIENTS: Final = frozenset({"mcp_approval_response"})


class _Message(msgspec.Struct):
    role: str
    content: Any = None


class _Call(msgspec.Struct):
    call_id: str
    name: str
    arguments: str = ""
    input: str = ""
    namespace: str | None = None


class _Output(msgspec.Struct):
    call_id: str
    output: Any = None


class _Words(msgspec.Struct):
    text: str = ""


class _Reasoning(msgspec.Struct):
    id: str | None = None
    summary: list[_Words] | None = None
    content: list[_Words] | None = None
    encrypted_content: str | None = None


class _ImageCall(msgspec.Struct):
    result: str | None = None
    output_format: str | None = None


def flat_name(namespace: str | None, name: str) -> str:
    """A tool of a namespace has one name elsewhere."""
    if not namespace:
        return name
    return namespace + name if namespace.endswith("__") else f"{namespace}__{name}"


def read_input(items: str | list[Any]) -> tuple[Message, ...]:
    if isinstance(items, str):
        return (Message("user", (Text(items),) if items else ()),)
    messages: list[Message] = []
    said = _Said()
    for i, item in enumerate(items):
        path = f"input[{i}]"
        if not isinstance(item, dict):
            raise MalformedError("expected an item, an object with a `type` or a `role`", path)
        heard = _read_heard(item, path)
        if heard is None:
            said.read(item, path)
            continue
        messages += said.take()
        messages.append(heard)
    return (*messages, *said.take())


def _read_heard(item: JsonObject, path: str) -> Message | None:
    """What users, tools and clients said; `None` for what the model did."""
    type = item.get("type")
    if type == "message" or (type is None and "role" in item):
        fields = convert(item, _Message, path)
        role = _ROLES.get(fields.role)
        if role is None:
            raise MalformedError(
                "expected one of `user`, `assistant`, `system`, `developer`", f"{path}.role"
            )
        if role == "assistant":
            return None
        content = read_content(fields.content, f"{path}.content")
        return Message(role, content, None, unknown(item, _MESSAGE) or None)
    if type in ("function_call_output", "custom_tool_call_output"):
        output = convert(item, _Output, path)
        content = read_content(output.output, f"{path}.output")
        result = ToolResult(
            output.call_id, content, kind="function" if type[0] == "f" else "custom"
        )
        return Message("user", (result,), None, unknown(item, _OUTPUT) or None)
    if isinstance(type, str) and (type.endswith("_output") or type in _FROM_CLIENTS):
        return Message("user", (OpaqueBlock(NAME, item),))
    return None


class _Said:
    """Collects the items of one turn of the model."""

    def __init__(self, home: Home | None = None) -> None:
        self._home = home
        self._ahead: ProviderState | None = None
        self.blocks: list[Block] = []
        self.items: list[list[Any]] = []

    def read(self, item: JsonObject, path: str) -> None:
        blocks = read_item(item, path, self._home)
        if len(blocks) == 1:
            (block,) = blocks
            ahead = read_ahead(block)
            if ahead is not None:
                self._ahead = ahead
                return
            if self._ahead is not None and isinstance(block, ToolCall):
                blocks = (msgspec.structs.replace(block, state=self._ahead),)
        self._ahead = None
        self.blocks += blocks
        self.items.append([item.get("type", "message"), len(blocks), _rest(item)])

    def take(self) -> list[Message]:
        if not self.items:
            return []
        message = Message("assistant", tuple(self.blocks), None, {_ITEMS: self.items})
        self.blocks, self.items = [], []
        return [message]


def _rest(item: JsonObject) -> JsonObject:
    match item.get("type", "message"):
        case "message":
            return unknown(item, _MESSAGE)
        case "function_call" | "custom_tool_call" as kind:
            rest = unknown(item, _CALL)
            if kind == "function_call" and item.get("namespace") is not None:
                rest |= {"name": item["name"], "namespace": item["namespace"]}
            return rest
        case "reasoning" | "image_generation_call":
            return item
        case _:
            return {}


def read_output(output: list[Any], home: Home | None) -> tuple[tuple[Block, ...], list[list[Any]]]:
    """The blocks of an answer, and how its items were cut."""
    said = _Said(home)
    for i, item in enumerate(output):
        if not isinstance(item, dict):
            raise MalformedError("expected an item, an object with a `type`", f"output[{i}]")
        said.read(item, f"output[{i}]")
    return tuple(said.blocks), said.items


def read_item(item: JsonObject, path: str, home: Home | None = None) -> tuple[Block, ...]:
    """The blocks of one item of the model."""
    match item.get("type", "message" if "role" in item else None):
        case "message":
            return read_content(item.get("content"), f"{path}.content")
        case "function_call":
            call = convert(item, _Call, path)
            return (ToolCall(call.call_id, flat_name(call.namespace, call.name), call.arguments),)
        case "custom_tool_call":
            call = convert(item, _Call, path)
            return (ToolCall(call.call_id, call.name, call.input, kind="custom"),)
        case "reasoning":
            return (_read_reasoning(item, path, home),)
        case "image_generation_call" if item.get("result"):
            image = convert(item, _ImageCall, path)
            return (Image(DataSource(f"image/{image.output_format or 'png'}", image.result or "")),)
        case type:
            if not isinstance(type, str) and "id" not in item:
                raise MalformedError("an item needs a `type`, such as `message`", path)
            return (OpaqueBlock(NAME, item),)


def _read_reasoning(item: JsonObject, path: str, home: Home | None) -> Block:
    fields = convert(item, _Reasoning, path)
    text = reasoning_text(item, path)
    state = read_state(fields.encrypted_content, home)
    if text:
        return Thinking(text, state, fields.id)
    if state is not None:
        return RedactedThinking(state, fields.id)
    return OpaqueBlock(NAME, item)


def reasoning_text(item: JsonObject, path: str) -> str:
    """The summary, or the reasoning itself where a server shows it."""
    fields = convert(item, _Reasoning, path)
    return "\n\n".join(words.text for words in fields.summary or fields.content or ())


def read_state(encrypted: str | None, home: Home | None) -> ProviderState | None:
    """Bare data are this dialect's; from a provider (`home`) they are that provider's."""
    if not encrypted:
        return None
    state = unseal(encrypted, NAME)
    if home is None or state.home is not None or state.dialect != NAME:
        return state
    return ProviderState(NAME, encrypted, home)


def read_ahead(block: Block) -> ProviderState | None:
    """The state of the next call, if this block is only its carrier."""
    if isinstance(block, RedactedThinking) and block.state.data.startswith(_AHEAD):
        return unseal(block.state.data.removeprefix(_AHEAD), NAME)
    return None


def write_ahead(state: ProviderState) -> JsonObject:
    """The carrier of a state that belongs to the next call."""
    return {"type": "reasoning", "summary": [], "encrypted_content": _AHEAD + seal(state, NAME)}


def write_call(call: ToolCall) -> JsonObject:
    if call.kind == "custom":
        return {
            "type": "custom_tool_call",
            "call_id": call.id,
            "name": call.name,
            "input": call.arguments,
        }
    return {
        "type": "function_call",
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments or "{}",
    }


def write_reasoning(block: Thinking | RedactedThinking, encrypted: str | None) -> JsonObject:
    text = block.text if isinstance(block, Thinking) else ""
    written: JsonObject = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text}] if text else [],
    }
    if block.id is not None:
        written["id"] = block.id
    if encrypted is not None:
        written["encrypted_content"] = encrypted
    return written


def write_said(block: Text | Refusal, unsupported: Unsupported) -> JsonObject:
    """A content part of the model's."""
    if isinstance(block, Refusal):
        return {"type": "refusal", "refusal": block.text}
    return {
        "type": "output_text",
        "text": block.text,
        "annotations": write_annotations(block, unsupported),
    }


class ItemWriter:
    """Writes one request's messages as items."""

    def __init__(
        self, unsupported: Unsupported, *, is_own: bool, has_files: bool, home: Home | None
    ) -> None:
        self._unsupported = unsupported
        self._is_own = is_own
        self._home = home
        self._input = InputWriter(unsupported, is_own=is_own, has_files=has_files)
        self._custom: set[str] = set()

    def write(self, messages: tuple[Message, ...]) -> list[JsonObject]:
        written: list[JsonObject] = []
        for message in messages:
            if message.name is not None:
                self._unsupported("messages.name", NAME)
            if not self._is_own:
                drop_extra(message.extra, NAME, self._unsupported, "messages.")
            if message.role == "assistant":
                written += self._assistant(message)
            else:
                written += self._heard(message)
        return written

    def _heard(self, message: Message) -> list[JsonObject]:
        """Tool outputs first, then the rest as one message."""
        rest = message.extra if self._is_own and message.extra else {}
        written: list[JsonObject] = []
        others: list[Block] = []
        for block in message.content:
            if isinstance(block, ToolResult):
                written.append({**self._result(block), **rest})
            elif isinstance(block, OpaqueBlock) and str(block.data.get("type")).endswith(
                ("_output", "_response")
            ):
                self._opaque(block, written)
            else:
                others.append(block)
        if others or not message.content:
            content = self._input.parts(others)
            written.append({"role": message.role, "content": content, **rest})
        return written

    def _result(self, result: ToolResult) -> JsonObject:
        if result.is_error:
            self._unsupported("tool_result.is_error", NAME)
        if result.cache is not None:
            self._unsupported("cache_control", NAME)
        is_custom = result.kind == "custom" or result.call_id in self._custom
        return {
            "type": "custom_tool_call_output" if is_custom else "function_call_output",
            "call_id": result.call_id,
            "output": self._input.content(result.content),
        }

    def _assistant(self, message: Message) -> list[JsonObject]:
        items = (message.extra or {}).get(_ITEMS) if self._is_own else None
        content = message.content
        if items is None or sum(count for _, count, _ in items) != len(content):
            return self._turn(content)
        written: list[JsonObject] = []
        at = 0
        for type, count, rest in items:
            cut = content[at : at + count]
            at += count
            if type == "message":
                parts = [part for block in cut for part in self._parts(block)]
                written.append({"type": type, "role": "assistant", "content": parts, **rest})
            else:
                written += (self._home_again(item, rest, cut) for item in self._turn(cut))
        return written

    def _home_again(
        self, item: JsonObject, rest: JsonObject, blocks: tuple[Block, ...]
    ) -> JsonObject:
        """With the fields it came with, unless its words were changed since."""
        if item["type"] == "reasoning":
            (block,) = blocks
            text = block.text if isinstance(block, Thinking) else ""
            return rest if reasoning_text(rest, "") == text else item
        return {**item, **rest}

    def _turn(self, content: tuple[Block, ...]) -> list[JsonObject]:
        """Neighbouring texts are one message, everything else is an item each."""
        written: list[JsonObject] = []
        parts: list[JsonObject] | None = None
        for block in content:
            if isinstance(block, Text | Refusal):
                if parts is None:
                    parts = []
                    written.append({"type": "message", "role": "assistant", "content": parts})
                parts += self._parts(block)
            else:
                parts = None
                self._item(block, written)
        return written

    def _parts(self, block: Block) -> list[JsonObject]:
        if not isinstance(block, Text | Refusal):
            return self._input.parts((block,))
        if isinstance(block, Text):
            if block.cache is not None:
                self._unsupported("cache_control", NAME)
            if block.state is not None:
                self._unsupported("thought_signature", NAME)
            if block.citations and not self._is_own:
                block = msgspec.structs.replace(block, citations=())
        return [write_said(block, self._unsupported)]

    def _item(self, block: Block, written: list[JsonObject]) -> None:
        match block:
            case ToolCall():
                if block.kind == "custom":
                    self._custom.add(block.id)
                if block.state is not None:
                    self._unsupported("thought_signature", NAME)
                if block.cache is not None:
                    self._unsupported("cache_control", NAME)
                written.append(write_call(block))
            case Thinking(_, state) | RedactedThinking(state):
                if state is not None and state.is_at_home(NAME, self._home):
                    written.append(write_reasoning(block, state.data))
                elif state is None and self._is_own and block.id is not None:
                    written.append(write_reasoning(block, None))
                else:
                    self._unsupported("thinking", NAME)
            case Image(DataSource(_, data)) if self._is_own:
                written.append({"type": "image_generation_call", "result": data})
            case OpaqueBlock():
                self._opaque(block, written)
            case _:
                self._unsupported(f"content.{block.__struct_config__.tag}", NAME)

    def _opaque(self, block: OpaqueBlock, written: list[JsonObject]) -> None:
        if block.dialect == NAME:
            written.append(block.data)
        else:
            self._unsupported(f"content.{block.data.get('type')}", NAME)
