"""Parts of Gemini contents to blocks and back.

https://ai.google.dev/api/caching#Part, https://ai.google.dev/gemini-api/docs/thought-signatures and
https://ai.google.dev/gemini-api/docs/file-input-methods (2026-11-23). Field names may come in
camelCase or snake_case, as the API takes both. Code execution and other tools Google runs itself,
uploaded files and parts with settings of their own are opaque: they go home as they came.

A signature is base64, and clients decode it; so a foreign state travels sealed *and* in base64.
"""

import base64
import binascii
import re
from typing import Any, Final

import msgspec

from portico.types.chat import (
    Audio,
    Block,
    BlocksSource,
    DataSource,
    Document,
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
    UrlSource,
    Video,
)
from portico.wire.base import Unsupported
from portico.wire.call_ids import CallIds
from portico.wire.gemini_generate.partial_args import PartialArg
from portico.wire.json_io import MalformedError, arguments_object, compact, convert, fields_of
from portico.wire.state import seal, unseal

NAME: Final = "gemini_generate"

SKIP_VALIDATION: Final = "skip_thought_signature_validator"
"""Google's word for "this call was not made by you": histories from elsewhere have no signature."""

_SEALED: Final = "portico:1:"
_SEALED_BASE64: Final = base64.b64encode(_SEALED[:9].encode()).decode()
_URL_SAFE: Final = str.maketrans("-_", "+/")
_OWN_FILE: Final = re.compile(r"https://[a-z0-9.-]*googleapis\.com/|gs://|files/")
_PUBLIC: Final = re.compile(r"https?://", re.IGNORECASE)
_MEDIA_TYPES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "bmp": "image/bmp",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "mpeg": "video/mpeg",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "csv": "text/csv",
    "json": "application/json",
}


class _Blob(msgspec.Struct, rename="camel"):
    mime_type: str | None = None
    data: str = ""


class _FileData(msgspec.Struct, rename="camel"):
    file_uri: str
    mime_type: str | None = None


class FunctionCall(msgspec.Struct, rename="camel"):
    """In a stream it may go on in later parts, which have no name."""

    name: str = ""
    id: str | None = None
    args: dict[str, Any] | None = None
    partial_args: list[PartialArg] | None = None
    will_continue: bool | None = None


class FunctionResponse(msgspec.Struct):
    name: str = ""
    id: str | None = None
    response: dict[str, Any] | None = None
    parts: list[Any] | None = None


class Part(msgspec.Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: _Blob | None = None
    file_data: _FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None


_KNOWN: Final = fields_of(Part)
_NESTED: Final = ("inlineData", "fileData", "functionCall", "functionResponse")


def camel(value: JsonObject) -> JsonObject:
    """The object with its keys in camelCase; what is below stays."""
    if not any("_" in key for key in value):
        return value
    return {_camel(key): item for key, item in value.items()}


def _camel(key: str) -> str:
    if key.startswith("_") or "_" not in key:
        return key
    head, *tail = key.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in tail)


def read_raw_part(raw: Any, path: str, ids: CallIds, home: Home | None = None) -> Block | None:
    """A part as decoded JSON; `None` if it holds nothing."""
    if not isinstance(raw, dict):
        raise MalformedError('expected a part, an object such as {"text": …}', path)
    if len(raw) == 1 and isinstance(text := raw.get("text"), str):  # what most parts are
        return Text(text) if text else None
    raw = {key: value for key, value in camel(raw).items() if value is not None}
    for field in _NESTED:
        if isinstance(raw.get(field), dict):
            raw = {**raw, field: camel(raw[field])}
    return read_part(convert(raw, Part, path), raw, path, ids, home)


def is_plain(part: Part) -> bool:
    """Can it be read without its raw form?"""
    return part.text is not None or part.function_call is not None


def read_part(
    part: Part, raw: JsonObject, path: str, ids: CallIds, home: Home | None
) -> Block | None:
    """`raw` is looked at where `is_plain` says no."""
    signature = part.thought_signature
    state = read_state(signature, home) if signature else None
    if part.function_call is not None:
        call = part.function_call
        if not call.name:
            raise MalformedError("the field is required", f"{path}.functionCall.name")
        arguments = compact(call.args) if call.args else ""
        return ToolCall(ids.call(call.name, call.id), call.name, arguments, state=state)
    if part.text is not None:
        if not part.thought:
            return Text(part.text, state=state) if part.text or state else None
        if not part.text:
            return None if state is None else RedactedThinking(state)
        return Thinking(part.text, state)
    kind = next((key for key in raw if key not in ("thought", "thoughtSignature")), None)
    if kind is None:
        return None if state is None else Text("", state=state)
    if raw.keys() <= _KNOWN and (media := _read_media(part, state)) is not None:
        return media
    return OpaqueBlock(NAME, {"type": kind, "part": raw})


def read_state(signature: str, home: Home | None) -> ProviderState | None:
    if signature == SKIP_VALIDATION:
        return None
    text = signature.translate(_URL_SAFE)
    if text.startswith(_SEALED_BASE64):
        try:
            state = unseal(base64.b64decode(text + "=" * (-len(text) % 4)).decode(), NAME)
        except (binascii.Error, ValueError):
            return None
        if state.dialect != NAME or state.home is not None:
            return state
    return ProviderState(NAME, signature, home)


def write_state(state: ProviderState) -> str:
    sealed = seal(state, NAME)
    if not sealed.startswith(_SEALED):
        return sealed
    return base64.b64encode(sealed.encode()).decode()


def _read_media(part: Part, state: ProviderState | None) -> Block | None:
    """`None` for media that only Google can find."""
    source: DataSource | UrlSource
    if part.inline_data is not None:
        media_type = part.inline_data.mime_type or "application/octet-stream"
        source = DataSource(media_type, part.inline_data.data.translate(_URL_SAFE))
    elif part.file_data is not None:
        uri = part.file_data.file_uri
        if _OWN_FILE.match(uri) or not _PUBLIC.match(uri):
            return None
        media_type = part.file_data.mime_type or guess_type(uri, "")
        if not media_type:
            media_type = "video/mp4" if "youtu" in uri else "application/pdf"
        source = UrlSource(uri)
    else:
        return None
    match media_type.partition("/")[0]:
        case "image":
            return Image(source, state=state)
        case "audio":
            return Audio(source)
        case "video":
            return Video(source)
        case _:
            return Document(source)


def guess_type(url: str, default: str) -> str:
    """The media type an address looks like: this dialect wants one beside each."""
    path = url.partition("?")[0].partition("#")[0]
    return _MEDIA_TYPES.get(path.rpartition(".")[2].lower(), default)


class PartWriter:
    """Writes blocks for one side: to a client foreign state is sealed, to a provider it is dropped.

    `is_own`: the request was of this dialect.
    """

    def __init__(
        self, drop: Unsupported, *, to_client: bool, is_own: bool, home: Home | None = None
    ) -> None:
        self._drop = drop
        self._to_client = to_client
        self._is_own = is_own
        self._home = home

    def write(self, blocks: tuple[Block, ...]) -> list[JsonObject]:
        return [part for block in blocks for part in self.parts(block)]

    def parts(self, block: Block) -> list[JsonObject]:
        """Mostly one; none if there is nothing to write."""
        if getattr(block, "cache", None) is not None:
            self._drop("cache_control", NAME)
        match block:
            case Text(text):
                part: JsonObject = {"text": text}
                self._sign(part, block.state)
                return [part] if text or len(part) > 1 else []
            case ToolCall():
                part = {"functionCall": write_call(block)}
                self._sign(part, block.state)
                return [part]
            case Thinking(text, state):
                return self._thinking({"text": text, "thought": True}, state)
            case RedactedThinking(state):
                return self._thinking({"text": "", "thought": True}, state)
            case Refusal(text):
                return [{"text": text}] if text else []
            case OpaqueBlock(dialect, data) if dialect == NAME:
                return [data["part"]]
            case OpaqueBlock(_, data):
                self._drop(f"content.{data.get('type')}", NAME)
                return []
            case Document():
                return self._document(block)
            case Image(source, detail):
                if detail is not None and detail != "auto":
                    self._drop("image.detail", NAME)
                parts = self._media(source, "image/jpeg", "image")
                if parts:
                    self._sign(parts[0], block.state)
                return parts
            case Video(source):
                return self._media(source, "video/mp4", "video")
            case Audio(source, _, transcript) if source is not None:
                if transcript and self._to_client:
                    self._drop("audio.transcript", NAME)
                return self._media(source, "audio/wav", "audio")
            case _:
                self._drop(f"content.{block.__struct_config__.tag}", NAME)
                return []

    def _sign(self, part: JsonObject, state: ProviderState | None) -> None:
        if state is None:
            return
        if self._to_client:
            part["thoughtSignature"] = write_state(state)
        elif state.is_at_home(NAME, self._home):
            part["thoughtSignature"] = state.data
        else:
            self._drop("thought_signature", NAME)

    def _thinking(self, part: JsonObject, state: ProviderState | None) -> list[JsonObject]:
        is_home = self._is_own if state is None else state.is_at_home(NAME, self._home)
        if not (self._to_client or is_home):
            self._drop("thinking", NAME)
            return []
        self._sign(part, state)
        return [part]

    def _media(self, source: MediaSource, default: str, what: str) -> list[JsonObject]:
        match source:
            case DataSource(media_type, data):
                return [{"inlineData": {"mimeType": media_type, "data": data}}]
            case UrlSource(url):
                media_type = guess_type(url, default)
                return [{"fileData": {"mimeType": media_type, "fileUri": url}}]
            case FileSource():
                self._drop(f"{what}.file_id", NAME)
                return []

    def _document(self, document: Document) -> list[JsonObject]:
        for field, is_said in (
            ("document.context", document.context is not None),
            ("document.citations", bool(document.cite)),
        ):
            if is_said:
                self._drop(field, NAME)
        match document.source:
            case TextSource(text):
                title = f"{document.title}\n" if document.title else ""
                return [{"text": title + text}]
            case BlocksSource(content):
                return self.write(content)
            case source:
                if document.title is not None:
                    self._drop("document.title", NAME)
                return self._media(source, "application/pdf", "document")


def write_call(call: ToolCall) -> JsonObject:
    """Arguments are an object here, byte for byte; the text of a custom tool is one `input`."""
    is_custom = call.kind == "custom"
    args = {"input": call.arguments} if is_custom else arguments_object(call.arguments)
    return {"id": call.id, "name": call.name, "args": args}
