"""Messages of Cohere's chat to canonical ones and back.

https://docs.cohere.com/reference/chat, …/docs/image-inputs, …/docs/reasoning and
…/docs/tool-use-citations (2026-11-23). Beside tool calls a model's words are its `tool_plan`.
Pictures are for users' messages only, and results hold text. Foreign state has a field of ours to
travel in: `signature`, on a `thinking` content or a tool call, which clients give back as it came.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from portico.types.chat import (
    Audio,
    Block,
    BlocksSource,
    Citation,
    DataSource,
    Document,
    FileSource,
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
    TextSource,
    Thinking,
    ToolCall,
    ToolResult,
    UrlSource,
)
from portico.wire.base import Unsupported, drop_extra
from portico.wire.cohere_chat.tools import NAME
from portico.wire.json_io import MalformedError, compact, convert, fields_of, unknown
from portico.wire.state import seal, unseal

THOUGHT: Final = "thinking"
"""The state of thinking in plain words: that it was Cohere's."""


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: Any = None


class CallFields(msgspec.Struct):
    id: str | None = None
    function: _Function | None = None
    signature: str | None = None


class _ImageUrl(msgspec.Struct):
    url: str
    detail: str | None = None


class _Content(msgspec.Struct):
    type: str = "text"
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    redacted: bool | None = None
    image_url: _ImageUrl | None = None


class _Source(msgspec.Struct):
    type: str | None = None
    id: str | None = None
    document: dict[str, Any] | None = None
    tool_output: dict[str, Any] | None = None


class _Citation(msgspec.Struct):
    start: int | None = None
    end: int | None = None
    sources: list[_Source] | None = None
    content_index: int | None = None


class MessageFields(msgspec.Struct):
    """An answer's message."""

    content: list[_Content] | str | None = None
    tool_plan: str | None = None
    tool_calls: list[CallFields] | None = None
    citations: list[dict[str, Any]] | None = None


def read_message(message: MessageFields, path: str, home: Home | None) -> tuple[Block, ...]:
    """Thinking and text in order, the plan, the calls."""
    blocks: list[Block] = []
    if isinstance(message.content, str):
        blocks.append(Text(message.content))
    else:
        for part in message.content or ():
            if part.type == "thinking":
                blocks.append(_thought(part, home))
            elif part.text is not None:
                blocks.append(Text(part.text))
    for i, raw in enumerate(message.citations or ()):
        at, citation = read_citation(raw, f"{path}.citations[{i}]")
        _cite(blocks, at, citation)
    if message.tool_plan:
        blocks.append(Text(message.tool_plan))
    for i, call in enumerate(message.tool_calls or ()):
        blocks.append(read_call(call, i, f"{path}.tool_calls[{i}]"))
    return tuple(blocks)


def read_call(call: CallFields, index: int, path: str) -> ToolCall:
    if call.function is None or not call.function.name:
        raise MalformedError("a tool call needs `function` with a `name`", path)
    arguments = call.function.arguments
    if not isinstance(arguments, str):
        arguments = "" if arguments is None else compact(arguments)
    state = unseal(call.signature, NAME) if call.signature else None
    return ToolCall(call.id or f"call_{index}", call.function.name, arguments, state=state)


def _thought(part: _Content, home: Home | None) -> Thinking | RedactedThinking:
    """Plain words are of whoever said them here; a signature says whose it is."""
    if not part.signature:
        return Thinking(part.thinking or "", ProviderState(NAME, THOUGHT, home))
    state = unseal(part.signature, NAME)
    return RedactedThinking(state) if part.redacted else Thinking(part.thinking or "", state)


def write_thought(block: Thinking | RedactedThinking) -> JsonObject:
    """For a client: with the state of another dialect sealed in."""
    text = block.text if isinstance(block, Thinking) else ""
    written: JsonObject = {"type": "thinking", "thinking": text}
    if block.state is not None and block.state.dialect != NAME:
        written["signature"] = seal(block.state, NAME)
    if isinstance(block, RedactedThinking):
        written["redacted"] = True
    return written


def read_citation(raw: JsonObject, path: str) -> tuple[int | None, Citation]:
    """The index of the content it belongs to, and what others can use of it."""
    fields = convert(raw, _Citation, path)
    source = fields.sources[0] if fields.sources else _Source()
    held = source.document or source.tool_output or {}
    url, title, text = (
        value if isinstance(value, str) else None
        for value in (held.get("url"), held.get("title"), held.get("snippet") or held.get("text"))
    )
    citation = Citation(
        url=url,
        title=title or source.id,
        cited_text=text,
        start_index=fields.start,
        end_index=fields.end,
        dialect=NAME,
        native=raw,
    )
    return fields.content_index, citation


def _cite(blocks: list[Block], at: int | None, citation: Citation) -> None:
    """To the content it names, if that is text; else to the first text."""
    for i in ([at] if at is not None and at < len(blocks) else []) + list(range(len(blocks))):
        block = blocks[i]
        if isinstance(block, Text):
            blocks[i] = msgspec.structs.replace(block, citations=(*block.citations, citation))
            return


class _Asked(MessageFields):
    """A message of any role in a request; its content is read part by part."""

    role: str | None = None
    tool_call_id: str | None = None


_KNOWN: Final = fields_of(_Asked)
_ROLES: Final[dict[str, Role]] = {"system": "system", "user": "user", "developer": "developer"}


def read_messages(raw: list[Any]) -> tuple[Message, ...]:
    return tuple(_read_message(message, f"messages[{i}]") for i, message in enumerate(raw))


def _read_message(raw: Any, path: str) -> Message:
    if not isinstance(raw, dict):
        raise MalformedError("expected a message, an object with a `role`", path)
    content = raw.get("content")
    message = convert({**raw, "content": None}, _Asked, path)
    extra = unknown(raw, _KNOWN) or None
    if message.role == "assistant":
        message.content = convert(raw, MessageFields, path).content
        return Message("assistant", read_message(message, path, None), None, extra)
    blocks = _read_content(content, f"{path}.content")
    if message.role == "tool":
        if message.tool_call_id is None:
            raise MalformedError("a `tool` message needs its `tool_call_id`", path)
        return Message("user", (ToolResult(message.tool_call_id, blocks),), None, extra)
    role = _ROLES.get(message.role or "")
    if role is None:
        raise MalformedError(
            "expected one of `system`, `user`, `assistant`, `tool`", f"{path}.role"
        )
    return Message(role, blocks, None, extra)


def _read_content(content: Any, path: str) -> tuple[Block, ...]:
    if content is None or content == "":
        return ()
    if isinstance(content, str):
        return (Text(content),)
    if not isinstance(content, list):
        raise MalformedError("expected a string or an array of content parts", path)
    return tuple(_read_part(part, f"{path}[{i}]") for i, part in enumerate(content))


def _read_part(raw: Any, path: str) -> Block:
    if isinstance(raw, str):
        return Text(raw)
    if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
        raise MalformedError("expected a content part, an object with a `type`", path)
    if raw["type"] not in ("text", "image_url"):
        return OpaqueBlock(NAME, raw)
    part = convert(raw, _Content, path)
    if part.image_url is not None:
        return Image(read_image_url(part.image_url.url), part.image_url.detail)
    if part.text is None:
        raise MalformedError(f"a part of type `{part.type}` needs `{part.type}`", path)
    return Text(part.text)


def read_image_url(url: str) -> DataSource | UrlSource:
    """A picture in the URL itself, or where it is."""
    found = _DATA_URL.match(url)
    return UrlSource(url) if found is None else DataSource(found[1].lower(), url[found.end() :])


_DATA_URL: Final = re.compile(r"data:([^;,]+)(?:;[^;,]+)*;base64,", re.IGNORECASE)


_NOTHING_SAID: Final[JsonObject] = {"role": "assistant", "content": ""}


class MessageWriter:
    """Writes the messages of one request; `is_own` is one that was read from this dialect."""

    def __init__(
        self, unsupported: Unsupported, home: Home | None, *, is_own: bool = False
    ) -> None:
        self._unsupported = unsupported
        self._home = home
        self._is_own = is_own

    def write(self, messages: tuple[Message, ...]) -> list[JsonObject]:
        written: list[JsonObject] = []
        for message in messages:
            if message.name is not None:
                self._unsupported("messages.name", NAME)
            extra = message.extra if self._is_own and message.extra else {}
            if not self._is_own:
                drop_extra(message.extra, NAME, self._unsupported, "messages.")
            if message.role == "assistant":
                said = self._assistant(message.content)
                if self._is_own or said != _NOTHING_SAID or not message.content:
                    written.append({**said, **extra})
            elif message.role == "user":
                written += ({**item, **extra} for item in self._user(message.content))
            else:
                content = self._content(message.content)
                if content:
                    written.append({"role": "system", "content": content, **extra})
        return written

    def _user(self, content: tuple[Block, ...]) -> Iterable[JsonObject]:
        rest: list[Block] = []
        for block in content:
            if isinstance(block, ToolResult):
                yield self._result(block)
            else:
                rest.append(block)
        written = self._content(rest)
        if written:
            yield {"role": "user", "content": written}

    def _result(self, result: ToolResult) -> JsonObject:
        if result.is_error:
            self._unsupported("tool_result.is_error", NAME)
        if result.cache is not None:
            self._unsupported("cache_control", NAME)
        texts: list[Block] = []
        for block in result.content:
            if isinstance(block, Text) or (
                isinstance(block, OpaqueBlock) and block.dialect == NAME
            ):
                texts.append(block)
            else:
                self._unsupported(f"tool_result.{block.__struct_config__.tag}", NAME)
        return {
            "role": "tool",
            "tool_call_id": result.call_id,
            "content": self._content(texts) or "",
        }

    def _assistant(self, content: tuple[Block, ...]) -> JsonObject:
        written: JsonObject = {"role": "assistant"}
        calls = [block for block in content if isinstance(block, ToolCall)]
        words: list[Block] = [block for block in content if not isinstance(block, ToolCall)]
        if calls:
            texts = [b.text for b in words if isinstance(b, Text | Refusal) and b.text]
            if texts:
                written["tool_plan"] = "".join(texts)
            words = [block for block in words if not isinstance(block, Text | Refusal)]
        parts = self._content(words)
        if parts or not calls:
            written["content"] = parts
        cited = [c for block in content if isinstance(block, Text) for c in block.citations]
        own = [c.native for c in cited if c.dialect == NAME and c.native is not None]
        if len(own) < len(cited):
            self._unsupported("citations", NAME)
        if own:
            written["citations"] = own
        if calls:
            written["tool_calls"] = [self._call(call) for call in calls]
        return written

    def _call(self, call: ToolCall) -> JsonObject:
        if call.state is not None:
            self._unsupported("thought_signature", NAME)
        if call.cache is not None:
            self._unsupported("cache_control", NAME)
        arguments = call.arguments or "{}"
        if call.kind == "custom":
            arguments = compact({"input": call.arguments})
        function = {"name": call.name, "arguments": arguments}
        return {"id": call.id, "type": "function", "function": function}

    def _content(self, blocks: Iterable[Block]) -> str | list[JsonObject]:
        parts = [part for block in blocks if (part := self._part(block)) is not None]
        if not parts:
            return ""
        if len(parts) == 1 and parts[0]["type"] == "text":
            text: str = parts[0]["text"]
            return text
        return parts

    def _part(self, block: Block) -> JsonObject | None:
        if getattr(block, "cache", None) is not None:
            self._unsupported("cache_control", NAME)
        match block:
            case Text(text, _, _, state):
                if state is not None:
                    self._unsupported("thought_signature", NAME)
                return {"type": "text", "text": text} if text else None
            case Refusal(text):
                return {"type": "text", "text": text} if text else None
            case Thinking(text, state):
                if text and state is not None and state.is_at_home(NAME, self._home):
                    return {"type": "thinking", "thinking": text}
                self._unsupported("thinking", NAME)
                return None
            case RedactedThinking():
                self._unsupported("thinking", NAME)
                return None
            case Image(source, detail):
                return self._image(source, detail)
            case Document():
                return self._document(block)
            case Audio(_, _, transcript) if transcript:
                self._unsupported("content.audio", NAME)
                return {"type": "text", "text": transcript}
            case OpaqueBlock(dialect, data) if dialect == NAME:
                return data
            case OpaqueBlock(_, data):
                self._unsupported(f"content.{data.get('type')}", NAME)
                return None
            case _:
                self._unsupported(f"content.{block.__struct_config__.tag}", NAME)
                return None

    def _image(
        self, source: UrlSource | DataSource | FileSource, detail: str | None
    ) -> JsonObject | None:
        match source:
            case UrlSource(url):
                image: JsonObject = {"url": url}
            case DataSource(media_type, data):
                image = {"url": f"data:{media_type};base64,{data}"}
            case FileSource():
                self._unsupported("image.file_id", NAME)
                return None
        if detail is not None:
            image["detail"] = detail
        return {"type": "image_url", "image_url": image}

    def _document(self, document: Document) -> JsonObject | None:
        """Text goes into the conversation, where it stood; other documents have no place there."""
        if document.cite:
            self._unsupported("document.citations", NAME)
        if document.context is not None:
            self._unsupported("document.context", NAME)
        match document.source:
            case TextSource(text):
                pass
            case BlocksSource(content):
                text = "\n".join(b.text for b in content if isinstance(b, Text))
                if not all(isinstance(b, Text) for b in content):
                    self._unsupported("document.content", NAME)
            case UrlSource():
                self._unsupported("content.document", NAME)
                return None
            case source:
                self._unsupported(f"document.{source.__struct_config__.tag}", NAME)
                return None
        return {"type": "text", "text": f"{document.title}\n{text}" if document.title else text}
