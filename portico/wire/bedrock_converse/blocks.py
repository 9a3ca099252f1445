"""Content blocks of Converse to canonical blocks and back.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html (2026-11-23).
A block is an object with one member that names its kind; bytes are base64; a cache marker is a
block of its own behind what it marks. Media come as bytes or from S3 (`s3://…`), never by URL.
"""

import re
from typing import Any, Final

import msgspec

from portico.types.chat import (
    Audio,
    Block,
    BlocksSource,
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
    Video,
)
from portico.wire.base import Unsupported
from portico.wire.bedrock_converse.tools import NAME, tool_id, write_cache
from portico.wire.json_io import MalformedError, arguments_object, compact, convert

_FORMATS: Final = {
    "image/jpg": "jpeg",
    "audio/mpeg": "mp3",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/pcm16": "pcm",
    "video/quicktime": "mov",
    "video/x-matroska": "mkv",
    "video/x-flv": "flv",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
    "application/pdf": "pdf",
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/plain": "txt",
    "text/markdown": "md",
    "text/csv": "csv",
    "text/html": "html",
}
_NAME_BREAKS: Final = re.compile(r"[^a-zA-Z0-9\-()\[\]]+")
_EXTENSION: Final = re.compile(r"\.([a-z0-9]{2,5})$")


class _ToolUse(msgspec.Struct, rename="camel"):
    tool_use_id: str
    name: str
    input: Any = None
    type: str | None = None


class _ReasoningText(msgspec.Struct):
    text: str = ""
    signature: str | None = None


class _Reasoning(msgspec.Struct, rename="camel"):
    reasoning_text: _ReasoningText | None = None
    redacted_content: str | None = None


class _TextPart(msgspec.Struct):
    text: str = ""


class _Cited(msgspec.Struct):
    content: list[_TextPart] | None = None
    citations: list[dict[str, Any]] | None = None


class _Source(msgspec.Struct):
    bytes: str | None = None


class _Image(msgspec.Struct):
    format: str
    source: _Source | None = None


def read_content(content: list[Any], path: str, home: Home | None) -> tuple[Block, ...]:
    """What a model said; members that are not known yet are opaque."""
    return tuple(read_block(item, f"{path}[{i}]", home) for i, item in enumerate(content))


def read_block(item: Any, path: str, home: Home | None) -> Block:
    if not isinstance(item, dict):
        raise MalformedError("expected a content block, an object", path)
    match item:
        case {"text": str() as text}:
            return Text(text)
        case {"toolUse": value}:
            call = convert(value, _ToolUse, f"{path}.toolUse")
            if call.type is not None:
                return OpaqueBlock(NAME, item)
            return ToolCall(call.tool_use_id, call.name, compact(call.input) if call.input else "")
        case {"reasoningContent": value}:
            reasoning = convert(value, _Reasoning, f"{path}.reasoningContent")
            if reasoning.redacted_content is not None:
                return RedactedThinking(ProviderState(NAME, reasoning.redacted_content, home))
            said = reasoning.reasoning_text or _ReasoningText()
            return Thinking(said.text, signed(said.signature, home))
        case {"citationsContent": value}:
            cited = convert(value, _Cited, f"{path}.citationsContent")
            text = "".join(part.text for part in cited.content or ())
            return Text(text, tuple(map(read_citation, cited.citations or ())))
        case {"image": value}:
            image = convert(value, _Image, f"{path}.image")
            if image.source is None or image.source.bytes is None:
                return OpaqueBlock(NAME, item)
            return Image(DataSource(f"image/{image.format}", image.source.bytes))
        case _:
            return OpaqueBlock(NAME, item)


def signed(signature: str | None, home: Home | None) -> ProviderState | None:
    return ProviderState(NAME, signature, home) if signature else None


def read_citation(citation: JsonObject) -> Citation:
    """The address of a web page where there is one; places in documents stay in `native`."""
    title, source = citation.get("title"), citation.get("source")
    match citation.get("location"):
        case {"web": {"url": str() as url}}:
            source = url
        case _:
            pass
    parts = citation.get("sourceContent")
    texts = (
        part["text"]
        for part in (parts if isinstance(parts, list) else ())
        if isinstance(part, dict) and isinstance(part.get("text"), str)
    )
    return Citation(
        url=source if isinstance(source, str) else None,
        title=title if isinstance(title, str) else None,
        cited_text="".join(texts) or None,
        dialect=NAME,
        native=citation,
    )


class BlockWriter:
    """Writes the blocks of one request; remembers the names of its documents."""

    def __init__(self, drop: Unsupported, home: Home | None) -> None:
        self._drop = drop
        self._home = home
        self._names: set[str] = set()

    def write(self, blocks: tuple[Block, ...]) -> list[JsonObject]:
        written: list[JsonObject] = []
        for block in blocks:
            item = self._block(block)
            if item is None:
                continue
            written.append(item)
            cache = getattr(block, "cache", None)
            if cache is not None:
                written.append(write_cache(cache))
        return written

    def _block(self, block: Block) -> JsonObject | None:
        """One block, or `None` if there is nothing to write."""
        match block:
            case Text():
                return self._text(block)
            case ToolCall():
                return self._tool_use(block)
            case ToolResult():
                return self._tool_result(block)
            case Thinking(text, state):
                if state is not None and state.is_at_home(NAME, self._home):
                    said = {"text": text, "signature": state.data}
                    return {"reasoningContent": {"reasoningText": said}}
                self._drop("thinking", NAME)
                return None
            case RedactedThinking(state):
                if state.is_at_home(NAME, self._home):
                    return {"reasoningContent": {"redactedContent": state.data}}
                self._drop("thinking", NAME)
                return None
            case Image(source, detail):
                if detail is not None and detail != "auto":
                    self._drop("image.detail", NAME)
                return self._media("image", source)
            case Video(source):
                return self._media("video", source)
            case Audio(source, _, transcript):
                if source is not None:
                    return self._media("audio", source)
                self._drop("content.audio", NAME)
                return {"text": transcript} if transcript else None
            case Document():
                return self._document(block)
            case Refusal(text):
                return {"text": text} if text else None
            case OpaqueBlock(dialect, data) if dialect == NAME:
                return data
            case OpaqueBlock(_, data):
                self._drop(f"content.{data.get('type')}", NAME)
                return None

    def _text(self, block: Text) -> JsonObject | None:
        if block.state is not None:
            self._drop("thought_signature", NAME)
        if not block.text:
            return None  # refused by the API
        own = [c.native for c in block.citations if c.dialect == NAME and c.native is not None]
        if len(own) < len(block.citations):
            self._drop("citations", NAME)
        if own:
            return {"citationsContent": {"content": [{"text": block.text}], "citations": own}}
        return {"text": block.text}

    def _tool_use(self, call: ToolCall) -> JsonObject:
        if call.state is not None:
            self._drop("thought_signature", NAME)
        is_custom = call.kind == "custom"
        input = {"input": call.arguments} if is_custom else arguments_object(call.arguments)
        return {"toolUse": {"toolUseId": tool_id(call.id), "name": call.name, "input": input}}

    def _tool_result(self, result: ToolResult) -> JsonObject:
        written: JsonObject = {
            "toolUseId": tool_id(result.call_id),
            "content": [
                item for block in result.content if (item := self._block(block)) is not None
            ],
        }
        if result.is_error:
            written["status"] = "error"
        return {"toolResult": written}

    def _media(self, kind: str, source: MediaSource) -> JsonObject | None:
        match source:
            case DataSource(media_type, data):
                format = _FORMATS.get(media_type) or media_type.partition("/")[2]
                return {kind: {"format": format, "source": {"bytes": data}}}
            case UrlSource(url) if (found := _s3(url)) is not None:
                format = _format_of(url) or "jpeg"
                return {kind: {"format": format, "source": found}}
            case UrlSource():
                self._drop(f"{kind}.url", NAME)
            case FileSource():
                self._drop(f"{kind}.file_id", NAME)
        return None

    def _document(self, document: Document) -> JsonObject | None:
        written = self._document_source(document.source)
        if written is None:
            return None
        written["name"] = self._name(document.title)
        if document.context is not None:
            written["context"] = document.context
        if document.cite:
            written["citations"] = {"enabled": True}
        return {"document": written}

    def _document_source(self, source: DocumentSource) -> JsonObject | None:
        match source:
            case DataSource(media_type, data):
                format = _FORMATS.get(media_type) or media_type.partition("/")[2]
                return {"format": format, "source": {"bytes": data}}
            case TextSource(text):
                return {"format": "txt", "source": {"text": text}}
            case BlocksSource(content):
                texts = [{"text": b.text} for b in content if isinstance(b, Text)]
                if len(texts) < len(content):
                    self._drop("document.content", NAME)
                return {"format": "txt", "source": {"content": texts}}
            case UrlSource(url) if (found := _s3(url)) is not None:
                return {"format": _format_of(url) or "pdf", "source": found}
            case UrlSource():
                self._drop("document.url", NAME)
            case FileSource():
                self._drop("document.file_id", NAME)
        return None

    def _name(self, title: str | None) -> str:
        """Letters, digits, single spaces and few signs; no two documents of a request alike."""
        plain = _NAME_BREAKS.sub(" ", title or "").strip()[:180] or "document"
        name, count = plain, 1
        while name in self._names:
            count += 1
            name = f"{plain} ({count})"
        self._names.add(name)
        return name


def _s3(url: str) -> JsonObject | None:
    return {"s3Location": {"uri": url}} if url.startswith("s3://") else None


def _format_of(url: str) -> str | None:
    found = _EXTENSION.search(url.lower())
    if found is None:
        return None
    return "jpeg" if found.group(1) == "jpg" else found.group(1)
