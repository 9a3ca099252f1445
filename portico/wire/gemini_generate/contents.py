"""Contents of Gemini requests to messages and back.

https://ai.google.dev/gemini-api/docs/function-calling (2026-11-23). A result is an object here:
`{"output": …}` holds its text, `{"error": …}` that of a failed tool; any other object is read as
its JSON text. All results of a turn are in one content, ahead of the rest, and each has its tool's
name.
"""

import re
from typing import Any, Final

import msgspec

from portico.types.chat import (
    Block,
    Home,
    JsonObject,
    Message,
    OpaqueBlock,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from portico.wire.base import Unsupported, drop_message_fields
from portico.wire.call_ids import CallIds
from portico.wire.gemini_generate.parts import (
    NAME,
    SKIP_VALIDATION,
    FunctionResponse,
    PartWriter,
    camel,
    read_raw_part,
)
from portico.wire.json_io import MalformedError, compact, convert, unknown

SYSTEM: Final = ("system", "developer")

_ROLES: Final[dict[str, Role]] = {"user": "user", "model": "assistant", "function": "user"}
_KNOWN: Final = frozenset({"role", "parts"})
_OBJECTS: Final = "~objects"
"""Among a message's extra: the ids of results that were objects of their own."""

_UNSIGNED_MODELS: Final = re.compile(r"gemini-(?:1|2|pro|flash)|gemma|learnlm")
"""Models before Gemini 3 make no signature and demand none."""


def read_contents(contents: list[Any]) -> tuple[Message, ...]:
    ids = CallIds()
    messages: list[Message] = []
    for i, content in enumerate(contents):
        path = f"contents[{i}]"
        if not isinstance(content, dict):
            raise MalformedError("expected an object with `role` and `parts`", path)
        said = content.get("role") or "user"
        role = _ROLES.get(said) if isinstance(said, str) else None
        if role is None:
            raise MalformedError("expected `user` or `model`", f"{path}.role")
        extra = unknown(content, _KNOWN)
        parts = read_parts(content, path, ids, extra=extra)
        messages.append(Message(role, parts, None, extra or None))
    return tuple(messages)


def read_parts(
    content: Any,
    path: str,
    ids: CallIds,
    home: Home | None = None,
    *,
    extra: JsonObject | None = None,
) -> tuple[Block, ...]:
    """The blocks of a content; a single part may stand without its list."""
    if isinstance(content, str):
        return (Text(content),) if content else ()
    parts = content.get("parts") if isinstance(content, dict) else None
    if parts is None:
        return ()
    if isinstance(parts, dict):
        parts = [parts]
    if not isinstance(parts, list):
        raise MalformedError("expected a list of parts", f"{path}.parts")
    blocks: list[Block] = []
    for i, raw in enumerate(parts):
        where = f"{path}.parts[{i}]"
        block = read_raw_part(raw, where, ids, home)
        if isinstance(block, OpaqueBlock) and block.data["type"] == "functionResponse":
            raw = block.data["part"]["functionResponse"]
            block = _read_result(raw, where, ids)
            if extra is not None and _is_own_object(raw.get("response")):
                extra.setdefault(_OBJECTS, []).append(block.call_id)
        if block is not None:
            blocks.append(block)
    return tuple(blocks)


def _read_result(raw: Any, path: str, ids: CallIds) -> ToolResult:
    fields = convert(camel(raw), FunctionResponse, f"{path}.functionResponse")
    text, is_error = _read_output(fields.response or {})
    content: list[Block] = [Text(text)] if text else []
    for i, part in enumerate(fields.parts or ()):
        media = read_raw_part(part, f"{path}.functionResponse.parts[{i}]", ids)
        if media is not None:
            content.append(media)
    id = ids.result(fields.name, fields.id)
    return ToolResult(id, tuple(content), is_error, fields.name or None)


def _read_output(response: JsonObject) -> tuple[str, bool]:
    match response:
        case {"output": str() as text} if len(response) == 1:
            return text, False
        case {"error": str() as text} if len(response) == 1:
            return text, True
        case _:
            return compact(response) if response else "", False


def _is_own_object(response: Any) -> bool:
    match response:
        case {"output": str()} | {"error": str()} if len(response) == 1:
            return False
        case _:
            return bool(response)


class ContentWriter:
    """Writes one request's messages; knows what a single message cannot."""

    def __init__(
        self, unsupported: Unsupported, *, is_own: bool, model: str, home: Home | None
    ) -> None:
        self._unsupported = unsupported
        self._is_own = is_own
        self._parts = PartWriter(unsupported, to_client=False, is_own=is_own, home=home)
        self._names: dict[str, str] = {}
        self._must_sign = not is_own and not _UNSIGNED_MODELS.search(model)

    def write(self, messages: tuple[Message, ...]) -> tuple[list[JsonObject], list[JsonObject]]:
        """The system instruction's parts, and the contents."""
        leading = 0
        while leading < len(messages) - 1 and messages[leading].role in SYSTEM:
            leading += 1
        system = [p for m in messages[:leading] for p in self._parts.write(m.content)]
        for message in messages[:leading]:
            drop_message_fields(message, NAME, self._unsupported)
        rest = messages[leading:]
        if self._is_own:
            return system, [self._own(message) for message in rest]
        return system, self._turns(rest)

    def _own(self, message: Message) -> JsonObject:
        role = "model" if message.role == "assistant" else "user"
        extra = dict(message.extra or {})
        objects = extra.pop(_OBJECTS, ())
        parts: list[JsonObject] = []
        for block in message.content:
            if isinstance(block, ToolResult):
                parts.append(self._result(block, None, is_object=block.call_id in objects))
            else:
                parts += self._block(block)
        return {"role": role, "parts": parts, **extra}

    def _block(self, block: Block) -> list[JsonObject]:
        if isinstance(block, ToolCall):
            self._names[block.id] = block.name
        return self._parts.parts(block)

    def _turns(self, messages: tuple[Message, ...]) -> list[JsonObject]:
        """Turns by turns: neighbours of one role are one content, results first, then their media.

        System text in mid-conversation is a user's word here; moving it to the top would change
        the prefix that caches go by.
        """
        turns: list[tuple[str, list[JsonObject], list[Block], list[JsonObject]]] = []
        for message in messages:
            role = "model" if message.role == "assistant" else "user"
            drop_message_fields(message, NAME, self._unsupported)
            if not turns or turns[-1][0] != role:
                turns.append((role, [], [], []))
            _, results, media, others = turns[-1]
            for block in message.content:
                if isinstance(block, ToolResult):
                    results.append(self._result(block, media))
                else:
                    said = _as_user(block) if message.role in SYSTEM else block
                    others += self._block(said)
        written: list[JsonObject] = [
            {"role": role, "parts": results + self._parts.write(tuple(media)) + others}
            for role, results, media, others in turns
            if results or media or others
        ]
        if self._must_sign:
            for content in written:
                _sign_first_call(content)
        return written

    def _result(
        self, result: ToolResult, media: list[Block] | None, *, is_object: bool = False
    ) -> JsonObject:
        """`media` takes what a result cannot hold; `None` for models that are known to take it."""
        if result.cache is not None:
            self._unsupported("cache_control", NAME)
        texts = [b.text for b in result.content if isinstance(b, Text | Refusal)]
        others = tuple(b for b in result.content if not isinstance(b, Text | Refusal))
        text = "".join(texts)
        response: JsonObject | msgspec.Raw
        if result.is_error:
            response = {"error": text}
        elif is_object:
            response = msgspec.Raw(text.encode())
        else:
            response = {"output": text} if texts else {}
        name = result.name or self._names.get(result.call_id) or result.call_id
        written: JsonObject = {"id": result.call_id, "name": name, "response": response}
        if others and media is None:
            written["parts"] = self._parts.write(others)
        elif others and media is not None:
            media.append(Text(f"Attached to the result of tool call {result.call_id}:"))
            media += others
        return {"functionResponse": written}


def _as_user(block: Block) -> Block:
    if isinstance(block, Text):
        return msgspec.structs.replace(block, text=f"<system>\n{block.text}\n</system>")
    return block


def _sign_first_call(content: JsonObject) -> None:
    """The first call of each model turn must be signed, or be said to come from elsewhere."""
    for part in content["parts"]:
        if "functionCall" in part:
            part.setdefault("thoughtSignature", SKIP_VALIDATION)
            return
