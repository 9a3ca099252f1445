"""Content blocks of Anthropic Messages to canonical blocks and back.

https://platform.claude.com/docs/en/api/messages (2026-11-23). Blocks of server tools
(`server_tool_use`, `web_search_tool_result`, `mcp_tool_use`, …), `search_result` and
`container_upload` are opaque: they go home as they came.

A foreign state that sits on a tool call has no place in this dialect; it travels ahead of the call
as `redacted_thinking`, which clients give back without looking inside.
"""

import base64
import binascii
from collections.abc import Iterable
from typing import Any, Final, Literal, get_args

import msgspec

from portico.types.chat import (
    Audio,
    Block,
    BlocksSource,
    CacheMarker,
    Citation,
    DataSource,
    Document,
    DocumentSource,
    FileSource,
    Home,
    Image,
    JsonObject,
    MediaSource,
    OpaqueBlock,
    ProviderState,
    RedactedThinking,
    Refusal,
    Text,
    TextSource,
    Thinking,
    ToolCall,
    ToolResult,
    UrlSource,
)
from portico.wire.base import Unsupported
from portico.wire.json_io import MalformedError, arguments_object, compact, convert
from portico.wire.state import seal, unseal

NAME: Final = "anthropic_messages"

_AHEAD: Final = "portico:next:"
"""Starts the data of a `redacted_thinking` whose state belongs to the block after it."""


class Cache(msgspec.Struct):
    """`cache_control`."""

    type: str = "ephemeral"
    ttl: Literal["5m", "1h"] | None = None


class _Source(msgspec.Struct):
    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: str | list[Any] | None = None


class _CitationsConfig(msgspec.Struct):
    enabled: bool | None = None


class _Text(msgspec.Struct, tag_field="type", tag="text"):
    text: str
    citations: list[dict[str, Any]] | None = None
    cache_control: Cache | None = None


class _Image(msgspec.Struct, tag_field="type", tag="image"):
    source: _Source
    cache_control: Cache | None = None


class _Document(msgspec.Struct, tag_field="type", tag="document"):
    source: _Source
    title: str | None = None
    context: str | None = None
    citations: _CitationsConfig | None = None
    cache_control: Cache | None = None


class _ToolUse(msgspec.Struct, tag_field="type", tag="tool_use"):
    id: str
    name: str
    input: Any = None
    cache_control: Cache | None = None


class _ToolResult(msgspec.Struct, tag_field="type", tag="tool_result"):
    tool_use_id: str
    content: str | list[Any] | None = None
    is_error: bool | None = None
    cache_control: Cache | None = None


class _Thinking(msgspec.Struct, tag_field="type", tag="thinking"):
    thinking: str
    signature: str | None = None


class _RedactedThinking(msgspec.Struct, tag_field="type", tag="redacted_thinking"):
    data: str


KnownBlock = _Text | _Image | _Document | _ToolUse | _ToolResult | _Thinking | _RedactedThinking
"""The shapes of blocks that mean something to others."""

_SHAPES: Final[dict[str, type[msgspec.Struct]]] = {
    str(shape.__struct_config__.tag): shape for shape in get_args(KnownBlock)
}


def read_content(
    content: str | list[Any] | None, path: str, home: Home | None = None
) -> tuple[Block, ...]:
    """`path` is that of the content; an empty string is no block."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),) if content else ()
    return _told([read_block(item, f"{path}[{i}]", home) for i, item in enumerate(content)])


def blocks_of(shapes: list[KnownBlock], path: str, home: Home | None = None) -> tuple[Block, ...]:
    """The same for content that is decoded already."""
    if len(shapes) == 1 and type(shapes[0]) is _Text:  # what most answers are
        return (_read_text(shapes[0]),)
    return _told([_read(shape, f"{path}[{i}]", home) for i, shape in enumerate(shapes)])


def _told(content: list[Block]) -> tuple[Block, ...]:
    """The blocks, each with the state that travelled ahead of it."""
    blocks: list[Block] = []
    ahead: ProviderState | None = None
    for block in content:
        if (carried := read_ahead(block)) is not None:
            ahead = carried
            continue
        if ahead is not None and isinstance(block, ToolCall):
            block = msgspec.structs.replace(block, state=ahead)
        ahead = None
        blocks.append(block)
    return tuple(blocks)


def read_block(block: Any, path: str, home: Home | None = None) -> Block:
    type = block.get("type") if isinstance(block, dict) else None
    if not isinstance(type, str):
        raise MalformedError("expected a content block, an object with a `type`", path)
    shape = _SHAPES.get(type)
    if shape is None:
        return OpaqueBlock(NAME, block)
    return _read(convert(block, shape, path), path, home)


def _read(block: msgspec.Struct, path: str, home: Home | None) -> Block:
    match block:
        case _Text():
            return _read_text(block)
        case _ToolUse(id, name, input):
            arguments = compact(input) if input else ""
            return ToolCall(id, name, arguments, cache=read_cache(block.cache_control))
        case _ToolResult(id, content):
            inner = read_content(content, f"{path}.content")
            is_error = bool(block.is_error)
            return ToolResult(id, inner, is_error, cache=read_cache(block.cache_control))
        case _Thinking(text, signature):
            return Thinking(text, own_state(signature, home) if signature else None)
        case _RedactedThinking(data):
            return RedactedThinking(own_state(data, home))
        case _Image(source):
            media = _read_source(source, path)
            if isinstance(media, TextSource | BlocksSource):
                raise MalformedError("not a source for images", f"{path}.source.type")
            return Image(media, cache=read_cache(block.cache_control))
        case _Document(source, title, context):
            cite = None if block.citations is None else bool(block.citations.enabled)
            cache = read_cache(block.cache_control)
            return Document(_read_source(source, path), title, context, cite, cache)
        case _:
            raise AssertionError(block)


def _read_text(block: _Text) -> Text:
    if not block.citations and block.cache_control is None:
        return Text(block.text)
    read = tuple(map(read_citation, block.citations or ()))
    return Text(block.text, read, read_cache(block.cache_control))


def own_state(data: str, home: Home | None) -> ProviderState:
    """Bare data are this dialect's; from a provider (`home`) they are that provider's."""
    state = unseal(data, NAME)
    if home is None or state.home is not None or state.dialect != NAME:
        return state
    return ProviderState(NAME, data, home)


def _read_source(source: _Source, path: str) -> DocumentSource:
    path = f"{path}.source"
    match source:
        case _Source("base64", media_type, str() as data):
            return DataSource(media_type or "application/pdf", data)
        case _Source("url", url=str() as url):
            return UrlSource(url)
        case _Source("file", file_id=str() as file_id):
            return FileSource(file_id)
        case _Source("text", data=str() as data):
            return TextSource(data)
        case _Source("content", content=content) if content is not None:
            return BlocksSource(read_content(content, f"{path}.content"))
        case _:
            raise MalformedError(
                "expected a source of type `base64` with `data`, `url` with `url`, `file` with "
                "`file_id`, `text` with `data`, or `content` with `content`",
                path,
            )


def read_cache(cache: Cache | None) -> CacheMarker | None:
    return None if cache is None else CacheMarker(cache.ttl)


def read_citation(citation: JsonObject) -> Citation:
    """What others can use of any of the five citation types; the rest stays in `native`."""
    url, title, text = (
        value if isinstance(value, str) else None
        for value in (
            citation.get("url") or citation.get("source"),
            citation.get("title") or citation.get("document_title"),
            citation.get("cited_text"),
        )
    )
    return Citation(url=url, title=title, cited_text=text, dialect=NAME, native=citation)


class BlockWriter:
    """Writes blocks for one side: to a client foreign state is sealed, to a provider it is dropped.

    `is_own`: the request was of this dialect, so file ids and citations mean something.
    """

    def __init__(
        self, drop: Unsupported, *, to_client: bool, is_own: bool, home: Home | None = None
    ) -> None:
        self._drop = drop
        self._to_client = to_client
        self._is_own = is_own
        self._home = home

    def write(self, blocks: Iterable[Block]) -> list[JsonObject]:
        written: list[JsonObject] = []
        for block in blocks:
            if isinstance(block, Text) and not (block.citations or block.cache or block.state):
                if block.text:  # what nearly every block is
                    written.append({"type": "text", "text": block.text})
                continue
            if isinstance(block, Text | ToolCall | Image) and block.state is not None:
                if self._to_client and isinstance(block, ToolCall):
                    written.append(write_ahead(block.state))
                else:
                    self._drop("thought_signature", NAME)
            item = self.block(block)
            if item is not None:
                written.append(item)
        return written

    def block(self, block: Block) -> JsonObject | None:
        """One block, or `None` if there is nothing to write."""
        match block:
            case Text(text, citations):
                if not text and not citations:
                    return None  # refused by the API
                written: JsonObject = {"type": "text", "text": text}
                if citations:
                    cited = self._citations(citations)
                    if cited:
                        written["citations"] = cited
            case ToolCall():
                written = {"type": "tool_use", "id": tool_id(block.id), "name": block.name}
                is_custom = block.kind == "custom"
                arguments = block.arguments
                written["input"] = (
                    {"input": arguments} if is_custom else arguments_object(arguments)
                )
            case ToolResult():
                written = self._tool_result(block)
            case Thinking(text, state):
                return self._thinking(text, state)
            case RedactedThinking(state):
                if self._to_client or state.is_at_home(NAME, self._home):
                    return {"type": "redacted_thinking", "data": seal(state, NAME)}
                self._drop("thinking", NAME)
                return None
            case Image(source, detail):
                if detail is not None and detail != "auto":
                    self._drop("image.detail", NAME)
                media = self._media(source, "image")
                if media is None:
                    return None
                written = {"type": "image", "source": media}
            case Document():
                document = self._document(block)
                if document is None:
                    return None
                written = document
            case Refusal(text):
                return {"type": "text", "text": text} if text else None
            case OpaqueBlock(dialect, data) if dialect == NAME:
                return data
            case OpaqueBlock(_, data):
                self._drop(f"content.{data.get('type')}", NAME)
                return None
            case Audio(_, _, transcript) if transcript:
                self._drop("content.audio", NAME)
                return {"type": "text", "text": transcript}
            case _:
                self._drop(f"content.{block.__struct_config__.tag}", NAME)
                return None
        cache = getattr(block, "cache", None)
        if cache is not None:
            written["cache_control"] = write_cache(cache)
        return written

    def _thinking(self, text: str, state: ProviderState | None) -> JsonObject | None:
        if self._to_client or (state is not None and state.is_at_home(NAME, self._home)):
            signature = "" if state is None else seal(state, NAME)
            return {"type": "thinking", "thinking": text, "signature": signature}
        self._drop("thinking", NAME)
        return None

    def _citations(self, citations: tuple[Citation, ...]) -> list[JsonObject]:
        written: list[JsonObject] = []
        for citation in citations:
            item = write_citation(citation) if self._to_client or self._is_own else None
            if item is None:
                self._drop("citations", NAME)
            else:
                written.append(item)
        return written

    def _tool_result(self, result: ToolResult) -> JsonObject:
        written: JsonObject = {"type": "tool_result", "tool_use_id": tool_id(result.call_id)}
        content = self.write(result.content)
        if len(content) == 1 and len(content[0]) == 2 and content[0]["type"] == "text":
            written["content"] = content[0]["text"]
        elif content:
            written["content"] = content
        if result.is_error:
            written["is_error"] = True
        return written

    def _media(self, source: MediaSource, what: str) -> JsonObject | None:
        match source:
            case UrlSource(url):
                return {"type": "url", "url": url}
            case DataSource(media_type, data):
                return {"type": "base64", "media_type": media_type, "data": data}
            case FileSource(file_id) if self._is_own:
                return {"type": "file", "file_id": file_id}
            case FileSource():
                self._drop(f"{what}.file_id", NAME)
                return None

    def _document(self, document: Document) -> JsonObject | None:
        source: JsonObject | None
        match document.source:
            case TextSource(text):
                source = _text_source(text)
            case BlocksSource(content):
                source = {"type": "content", "content": self.write(content)}
            case DataSource(media_type, data) if media_type.startswith("text/"):
                source = _decoded(data)
                if source is None:
                    self._drop("document.data", NAME)
            case media:
                source = self._media(media, "document")
        if source is None:
            return None
        written: JsonObject = {"type": "document", "source": source}
        if document.title is not None:
            written["title"] = document.title
        if document.context is not None:
            written["context"] = document.context
        if document.cite is not None:
            written["citations"] = {"enabled": document.cite}
        return written


def _text_source(text: str) -> JsonObject:
    return {"type": "text", "media_type": "text/plain", "data": text}


def _decoded(data: str) -> JsonObject | None:
    try:
        return _text_source(base64.b64decode(data, validate=True).decode())
    except (binascii.Error, ValueError):
        return None


def write_cache(cache: CacheMarker) -> JsonObject:
    if cache.ttl is None:
        return {"type": "ephemeral"}
    return {"type": "ephemeral", "ttl": cache.ttl}


def write_citation(citation: Citation) -> JsonObject | None:
    if citation.dialect == NAME and citation.native is not None:
        return citation.native
    if citation.url is None:
        return None
    return {
        "type": "web_search_result_location",
        "url": citation.url,
        "title": citation.title,
        "encrypted_index": "",
        "cited_text": citation.cited_text or "",
    }


def read_ahead(block: Block) -> ProviderState | None:
    """The state of the next block, if this one is only its carrier."""
    if isinstance(block, RedactedThinking) and block.state.data.startswith(_AHEAD):
        return unseal(block.state.data.removeprefix(_AHEAD), NAME)
    return None


def write_ahead(state: ProviderState) -> JsonObject:
    """The carrier of a state that belongs to the next block."""
    return {"type": "redacted_thinking", "data": _AHEAD + seal(state, NAME)}


def tool_id(id: str) -> str:
    """Ids here match `^[a-zA-Z0-9_-]+$`; others are respelled, a call and its result alike."""
    if id.isascii() and id.replace("_", "").replace("-", "").isalnum():
        return id
    return (
        "".join(
            char if char.isascii() and (char.isalnum() or char in "_-") else f"_{ord(char):x}_"
            for char in id
        )
        or "_"
    )
