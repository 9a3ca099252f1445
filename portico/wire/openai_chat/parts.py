"""Content parts of OpenAI Chat messages to blocks and back.

https://developers.openai.com/api/docs/api-reference/chat (2026-11-23). Besides OpenAI's own parts
these are read and written: `video_url` (vLLM, OpenRouter, Qwen), `cache_control` on a part
(OpenRouter, LiteLLM); and read only: `input_text`, `output_text` and `input_image` (clients that
mix in the Responses API), Mistral's `thinking` chunks.
"""

import re
from typing import Any, Final, Literal

import msgspec

from portico.types.chat import (
    Audio,
    Block,
    CacheMarker,
    DataSource,
    Document,
    FileSource,
    Image,
    JsonObject,
    OpaqueBlock,
    ProviderState,
    Refusal,
    Text,
    TextSource,
    Thinking,
    UrlSource,
    Video,
)
from portico.wire.base import Unsupported
from portico.wire.json_io import MalformedError, convert

NAME: Final = "openai_chat"

_DATA_URL: Final = re.compile(r"data:([^;,]*)(?:;[^;,]+)*;base64,", re.IGNORECASE)
_AUDIO_TYPES: Final = {"audio/mpeg": "mp3", "audio/x-wav": "wav", "audio/wave": "wav"}


class _Cache(msgspec.Struct):
    type: str = "ephemeral"
    ttl: Literal["5m", "1h"] | None = None


class _Url(msgspec.Struct):
    url: str
    detail: str | None = None


class _InputAudio(msgspec.Struct):
    data: str
    format: str = "wav"


class _File(msgspec.Struct):
    file_id: str | None = None
    file_data: str | None = None
    filename: str | None = None


class _Text(msgspec.Struct):
    text: str
    cache_control: _Cache | None = None


class _Refusal(msgspec.Struct):
    refusal: str


class _Image(msgspec.Struct):
    image_url: _Url | str
    detail: str | None = None
    cache_control: _Cache | None = None


class _Video(msgspec.Struct):
    video_url: _Url | str
    cache_control: _Cache | None = None


class _Audio(msgspec.Struct):
    input_audio: _InputAudio


class _FilePart(msgspec.Struct):
    file: _File
    cache_control: _Cache | None = None


class _Thinking(msgspec.Struct):
    thinking: str | list[_Text]


_SHAPES: Final[dict[str, type[msgspec.Struct]]] = {
    "text": _Text,
    "input_text": _Text,
    "output_text": _Text,
    "refusal": _Refusal,
    "image_url": _Image,
    "input_image": _Image,
    "video_url": _Video,
    "input_audio": _Audio,
    "file": _FilePart,
    "thinking": _Thinking,
}


def read_content(content: str | list[Any] | None, path: str) -> tuple[Block, ...]:
    """`path` is that of the content; an empty string is no block."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),) if content else ()
    return tuple(read_part(part, f"{path}[{i}]") for i, part in enumerate(content))


def read_part(part: Any, path: str) -> Block:
    if not isinstance(part, dict):
        if isinstance(part, str):
            return Text(part)
        raise MalformedError("expected a content part, an object with a `type`", path)
    type = part.get("type")
    shape = _SHAPES.get(type) if isinstance(type, str) else None
    if shape is None:
        if not isinstance(type, str):
            raise MalformedError("a content part needs a `type`, such as `text`", path)
        return OpaqueBlock(NAME, part)
    return _block(convert(part, shape, path), path)


def _block(part: msgspec.Struct, path: str) -> Block:
    match part:
        case _Text():
            return Text(part.text, cache=_read_cache(part.cache_control))
        case _Image():
            url = part.image_url if isinstance(part.image_url, str) else part.image_url.url
            detail = part.detail if isinstance(part.image_url, str) else part.image_url.detail
            source = read_url(url)
            if isinstance(source, DataSource) and source.media_type == "application/pdf":
                return Document(source, cache=_read_cache(part.cache_control))  # seen in the wild
            return Image(source, detail, _read_cache(part.cache_control))
        case _Video():
            url = part.video_url if isinstance(part.video_url, str) else part.video_url.url
            return Video(read_url(url), _read_cache(part.cache_control))
        case _Audio():
            audio = part.input_audio
            return Audio(DataSource(f"audio/{audio.format}", audio.data))
        case _FilePart():
            return _read_file(part, path)
        case _Refusal():
            return Refusal(part.refusal)
        case _Thinking():
            words = part.thinking
            text = words if isinstance(words, str) else "".join(w.text for w in words)
            return Thinking(text, ProviderState(NAME, "thinking"))
        case _:
            raise AssertionError(part)


def _read_file(part: _FilePart, path: str) -> Document:
    file, cache = part.file, _read_cache(part.cache_control)
    if file.file_id is not None:
        return Document(FileSource(file.file_id), title=file.filename, cache=cache)
    if file.file_data is None:
        raise MalformedError("a file needs `file_id` or `file_data`", f"{path}.file")
    source = read_url(file.file_data)
    if isinstance(source, UrlSource) and "://" not in source.url:
        source = DataSource("application/pdf", file.file_data)
    return Document(source, title=file.filename, cache=cache)


def read_url(url: str) -> UrlSource | DataSource:
    """A `data:` URL in base64 is data, everything else an address."""
    found = _DATA_URL.match(url)
    if found is None:
        return UrlSource(url)
    return DataSource(found.group(1).lower() or "application/octet-stream", url[found.end() :])


def _read_cache(cache: _Cache | None) -> CacheMarker | None:
    return None if cache is None else CacheMarker(cache.ttl)


def write_cache(cache: CacheMarker) -> JsonObject:
    if cache.ttl is None:
        return {"type": "ephemeral"}
    return {"type": "ephemeral", "ttl": cache.ttl}


def write_part(block: Block, unsupported: Unsupported, *, markers: bool) -> JsonObject | None:
    """One part of a user message; `None` if it was dropped. `markers` writes cache markers."""
    part: JsonObject
    match block:
        case Text(text):
            part = {"type": "text", "text": text}
        case Image(FileSource()) | Video(FileSource()):
            unsupported(f"{block.__struct_config__.tag}.file_id", NAME)
            return None
        case Image(source, detail):
            image = {"url": write_url(source)}
            if detail is not None:
                image["detail"] = detail
            part = {"type": "image_url", "image_url": image}
        case Video(source):
            part = {"type": "video_url", "video_url": {"url": write_url(source)}}
        case Audio(DataSource(media_type, data)):
            format = _AUDIO_TYPES.get(media_type) or media_type.removeprefix("audio/")
            part = {"type": "input_audio", "input_audio": {"data": data, "format": format}}
        case Audio(UrlSource()):
            unsupported("audio.url", NAME)
            return None
        case Document():
            written = _write_document(block, unsupported)
            if written is None:
                return None
            part = written
        case Thinking(text, state) if state is not None and state.dialect == NAME:
            return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}
        case OpaqueBlock(dialect, data) if dialect == NAME:
            return data
        case OpaqueBlock(_, data):
            unsupported(f"content.{data.get('type')}", NAME)
            return None
        case _:
            unsupported(f"content.{block.__struct_config__.tag}", NAME)
            return None
    cache = getattr(block, "cache", None)
    if cache is not None:
        if markers:
            part["cache_control"] = write_cache(cache)
        else:
            unsupported("cache_control", NAME)
    return part


def _write_document(block: Document, unsupported: Unsupported) -> JsonObject | None:
    if block.context is not None:
        unsupported("document.context", NAME)
    if block.cite:
        unsupported("document.citations", NAME)
    file: JsonObject = {}
    match block.source:
        case TextSource(text):
            title = f"{block.title}\n" if block.title else ""
            return {"type": "text", "text": title + text}
        case FileSource(file_id):
            file["file_id"] = file_id
        case DataSource() as source:
            file["filename"] = block.title or "document.pdf"
            file["file_data"] = write_url(source)
            return {"type": "file", "file": file}
        case UrlSource():
            unsupported("document.url", NAME)
            return None
        case _:
            unsupported("document.content", NAME)
            return None
    if block.title is not None:
        file["filename"] = block.title
    return {"type": "file", "file": file}


def write_url(source: UrlSource | DataSource | FileSource) -> str:
    match source:
        case UrlSource(url):
            return url
        case DataSource(media_type, data):
            return f"data:{media_type};base64,{data}"
        case FileSource(file_id):
            return file_id
