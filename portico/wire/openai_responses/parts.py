"""Content parts of OpenAI Responses messages and tool outputs to blocks and back.

https://developers.openai.com/api/docs/api-reference/responses/create (2026-11-23): `input_text`,
`input_image`, `input_file`, `input_audio` from users and tools, `output_text` and `refusal` from
the model. `text` and `image_url` parts of clients that mix in Chat Completions are read too.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from portico.types.chat import (
    Audio,
    Block,
    Citation,
    DataSource,
    Document,
    FileSource,
    Image,
    JsonObject,
    MediaSource,
    OpaqueBlock,
    Refusal,
    Text,
    TextSource,
    UrlSource,
)
from portico.wire.base import Unsupported
from portico.wire.json_io import MalformedError, convert

NAME: Final = "openai_responses"

OPENAI: Final = frozenset({NAME, "openai_chat"})
"""The dialects whose file ids are OpenAI's."""

_DATA_URL: Final = re.compile(r"data:([^;,]*)(?:;[^;,]+)*;base64,", re.IGNORECASE)


class _Text(msgspec.Struct):
    text: str
    annotations: list[Any] | None = None


class _Refusal(msgspec.Struct):
    refusal: str


class _Image(msgspec.Struct):
    image_url: str | dict[str, Any] | None = None
    file_id: str | None = None
    detail: str | None = None


class _File(msgspec.Struct):
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None


class _InputAudio(msgspec.Struct):
    data: str
    format: str = "wav"


class _Audio(msgspec.Struct):
    input_audio: _InputAudio


_SHAPES: Final[dict[str, type[msgspec.Struct]]] = {
    "input_text": _Text,
    "output_text": _Text,
    "text": _Text,
    "refusal": _Refusal,
    "input_image": _Image,
    "image_url": _Image,
    "input_file": _File,
    "input_audio": _Audio,
}


def read_content(content: Any, path: str) -> tuple[Block, ...]:
    """`path` is that of the content; an empty string is no block."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),) if content else ()
    if not isinstance(content, list):
        raise MalformedError("expected a string or a list of content parts", path)
    return tuple(read_part(part, f"{path}[{i}]") for i, part in enumerate(content))


def read_part(part: Any, path: str) -> Block:
    type = part.get("type") if isinstance(part, dict) else None
    if not isinstance(type, str):
        raise MalformedError("expected a content part, an object with a `type`", path)
    shape = _SHAPES.get(type)
    if shape is None:
        return OpaqueBlock(NAME, part)
    return _block(convert(part, shape, path), path)


def _block(part: msgspec.Struct, path: str) -> Block:
    match part:
        case _Text(text, annotations):
            return Text(text, tuple(map(read_annotation, annotations or ())))
        case _Refusal(refusal):
            return Refusal(refusal)
        case _Image(url, file_id, detail):
            if isinstance(url, dict):
                detail = detail or url.get("detail")
                url = url.get("url")
            if isinstance(url, str):
                return Image(read_url(url), detail if isinstance(detail, str) else None)
            if file_id is None:
                raise MalformedError("an image needs `image_url` or `file_id`", path)
            return Image(FileSource(file_id), detail)
        case _File():
            return _read_file(part, path)
        case _Audio(audio):
            return Audio(DataSource(f"audio/{audio.format}", audio.data))
        case _:
            raise AssertionError(part)


def _read_file(file: _File, path: str) -> Document:
    if file.file_id is not None:
        return Document(FileSource(file.file_id), title=file.filename)
    if file.file_url is not None:
        return Document(UrlSource(file.file_url), title=file.filename)
    if file.file_data is None:
        raise MalformedError("a file needs `file_id`, `file_data` or `file_url`", path)
    source = read_url(file.file_data)
    if isinstance(source, UrlSource):
        source = DataSource("application/pdf", file.file_data)
    return Document(source, title=file.filename)


def read_url(url: str) -> UrlSource | DataSource:
    """A `data:` URL in base64 is data, everything else an address."""
    found = _DATA_URL.match(url)
    if found is None:
        return UrlSource(url)
    return DataSource(found.group(1).lower() or "application/octet-stream", url[found.end() :])


def read_annotation(annotation: Any) -> Citation:
    """What others can use of any annotation; the rest stays in `native`."""
    if not isinstance(annotation, dict):
        return Citation(dialect=NAME)
    url, title = annotation.get("url"), annotation.get("title") or annotation.get("filename")
    start, end = annotation.get("start_index"), annotation.get("end_index")
    return Citation(
        url=url if isinstance(url, str) else None,
        title=title if isinstance(title, str) else None,
        start_index=start if isinstance(start, int) else None,
        end_index=end if isinstance(end, int) else None,
        dialect=NAME,
        native=annotation,
    )


def write_annotation(citation: Citation, length: int) -> JsonObject | None:
    """`length` is that of the text; `None` without an address."""
    if citation.dialect == NAME and citation.native is not None:
        return citation.native
    if citation.url is None:
        return None
    return {
        "type": "url_citation",
        "url": citation.url,
        "title": citation.title or "",
        "start_index": citation.start_index or 0,
        "end_index": length if citation.end_index is None else citation.end_index,
    }


def write_annotations(text: Text, unsupported: Unsupported) -> list[JsonObject]:
    written: list[JsonObject] = []
    for citation in text.citations:
        annotation = write_annotation(citation, len(text.text))
        if annotation is None:
            unsupported("citations", NAME)
        else:
            written.append(annotation)
    return written


class InputWriter:
    """Writes what users and tools say; `has_files` if the request's file ids are OpenAI's."""

    def __init__(self, unsupported: Unsupported, *, is_own: bool, has_files: bool) -> None:
        self._unsupported = unsupported
        self._is_own = is_own
        self._has_files = has_files

    def content(self, blocks: Iterable[Block]) -> str | list[JsonObject]:
        """A string where it is one text."""
        parts = self.parts(blocks)
        if not parts:
            return ""
        if len(parts) == 1 and len(parts[0]) == 2 and parts[0]["type"] == "input_text":
            text: str = parts[0]["text"]
            return text
        return parts

    def parts(self, blocks: Iterable[Block]) -> list[JsonObject]:
        return [part for block in blocks for part in self._parts(block)]

    def _parts(self, block: Block) -> list[JsonObject]:
        if getattr(block, "cache", None) is not None:
            self._unsupported("cache_control", NAME)
        match block:
            case Text(text):
                if block.state is not None:
                    self._unsupported("thought_signature", NAME)
                return [{"type": "input_text", "text": text}]
            case Refusal(text):
                return [{"type": "input_text", "text": text}]
            case Image(source, detail):
                media = self._media(source, "image_url", "image")
                if media is None:
                    return []
                if detail is not None:
                    media["detail"] = detail
                return [{"type": "input_image", **media}]
            case Document():
                return self._document(block)
            case Audio(DataSource(media_type, data)) if self._is_own:
                format = media_type.removeprefix("audio/")
                return [{"type": "input_audio", "input_audio": {"data": data, "format": format}}]
            case OpaqueBlock(dialect, data) if dialect == NAME:
                return [data]
            case OpaqueBlock(_, data):
                self._unsupported(f"content.{data.get('type')}", NAME)
                return []
            case _:
                self._unsupported(f"content.{block.__struct_config__.tag}", NAME)
                return []

    def _media(self, source: MediaSource, field: str, what: str) -> JsonObject | None:
        match source:
            case UrlSource(url):
                return {field: url}
            case DataSource(media_type, data):
                return {field: f"data:{media_type};base64,{data}"}
            case FileSource(file_id) if self._has_files:
                return {"file_id": file_id}
            case FileSource():
                self._unsupported(f"{what}.file_id", NAME)
                return None

    def _document(self, document: Document) -> list[JsonObject]:
        if document.context is not None:
            self._unsupported("document.context", NAME)
        if document.cite:
            self._unsupported("document.citations", NAME)
        file: JsonObject | None
        match document.source:
            case TextSource(text):
                title = f"{document.title}\n" if document.title else ""
                return [{"type": "input_text", "text": title + text}]
            case DataSource() as source:
                file = {"filename": document.title or "document.pdf"}
                file |= self._media(source, "file_data", "document") or {}
            case UrlSource(url):
                file = {"file_url": url}
            case FileSource() as source:
                file = self._media(source, "file_url", "document")
            case _:
                self._unsupported("document.content", NAME)
                return []
        if file is None:
            return []
        if document.title is not None and "file_id" not in file:
            file["filename"] = document.title
        return [{"type": "input_file", **file}]
