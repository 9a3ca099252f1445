"""Gemini's embeddings as its clients ask for them: `embedContent` and `batchEmbedContents`.

https://ai.google.dev/api/embeddings (2026-11-23). Names may be in camelCase or snake_case. Parts of
one content become one vector. Purpose and size are one for all here: where the requests of a batch
differ in them, the first one's are taken and the others are named.
"""

from typing import Any, Final, Literal

import msgspec

from portico.types.chat import DataSource, JsonObject, UrlSource
from portico.types.embeddings import (
    EmbeddingInput,
    EmbeddingRequest,
    EmbeddingResponse,
    Mixed,
    Part,
    Purpose,
)
from portico.wire.embeddings.base import as_floats
from portico.wire.embeddings.gemini import NAME, TASKS, resource
from portico.wire.gemini_generate.parts import camel
from portico.wire.json_io import MalformedError, convert, decode_object, encode, fields_of, unknown

_PURPOSES: Final[dict[str, Purpose | None]] = {
    **{task: purpose for purpose, task in TASKS.items()},
    "QUESTION_ANSWERING": "query",
    "TASK_TYPE_UNSPECIFIED": None,
}
_TRUNCATES: Final[dict[bool | None, Literal["none", "end"] | None]] = {
    None: None,
    True: "end",
    False: "none",
}
_URL_SAFE: Final = str.maketrans("-_", "+/")


class _Content(msgspec.Struct):
    parts: list[dict[str, Any]]


class _Request(msgspec.Struct, rename="camel"):
    content: _Content
    model: str | None = None
    task_type: str | None = None
    output_dimensionality: int | None = None
    auto_truncate: bool | None = None


class _Blob(msgspec.Struct, rename="camel"):
    data: str
    mime_type: str = "application/octet-stream"


class _File(msgspec.Struct, rename="camel"):
    file_uri: str


_KNOWN: Final = fields_of(_Request)
_SHARED: Final = ("taskType", "outputDimensionality", "autoTruncate")
_RAW: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAWS: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def read_request(body: bytes, /) -> EmbeddingRequest:
    """One content. The model is in the path: `EmbeddingRequest.model` is not known here."""
    try:
        return _canonical([_flat(decode_object(body))], [""])
    except MalformedError as problem:
        raise problem.from_client() from None


def read_batch_request(body: bytes, /) -> EmbeddingRequest:
    try:
        requests = camel(decode_object(body)).get("requests")
        if not isinstance(requests, list) or not requests:
            raise MalformedError("expected at least one request", "requests")
        paths = [f"requests[{i}]" for i in range(len(requests))]
        for path, one in zip(paths, requests, strict=True):
            if not isinstance(one, dict):
                raise MalformedError("expected an object with `content`", path)
        return _canonical([_flat(one) for one in requests], paths)
    except MalformedError as problem:
        raise problem.from_client() from None


def _flat(raw: JsonObject) -> JsonObject:
    """Newer clients put the settings into `embedContentConfig`."""
    flat = camel(raw)
    config = flat.get("embedContentConfig")
    if isinstance(config, dict):
        flat = {key: value for key, value in flat.items() if key != "embedContentConfig"}
        flat |= camel(config)
    return flat


def _canonical(raw: list[JsonObject], paths: list[str]) -> EmbeddingRequest:
    asked = [convert(one, _Request, path) for one, path in zip(raw, paths, strict=True)]
    first = asked[0]
    extra = unknown(raw[0], _KNOWN)
    for field in _SHARED:
        if any(one.get(field) != raw[0].get(field) for one in raw):
            extra[f"requests.{field}"] = True
    for one in raw[1:]:
        extra |= unknown(one, _KNOWN)
    return EmbeddingRequest(
        dialect=NAME,
        model="",
        inputs=tuple(
            _read_input(one.content, path) for one, path in zip(asked, paths, strict=True)
        ),
        dimensions=first.output_dimensionality,
        purpose=_read_purpose(first.task_type, paths[0]),
        truncate=_TRUNCATES[first.auto_truncate],
        extra=extra,
    )


def _read_purpose(task: str | None, path: str) -> Purpose | None:
    if task is None:
        return None
    if task not in _PURPOSES:
        expected = ", ".join(f"`{word}`" for word in _PURPOSES)
        raise MalformedError(f"expected one of {expected}", _below(path, "taskType"))
    return _PURPOSES[task]


def _read_input(content: _Content, path: str) -> EmbeddingInput:
    path = _below(path, "content.parts")
    parts = tuple(_read_part(part, f"{path}[{i}]") for i, part in enumerate(content.parts))
    if not parts:
        raise MalformedError("expected at least one part", path)
    if len(parts) > 1 and all(isinstance(part, str) for part in parts):
        return "\n".join(map(str, parts))
    return parts[0] if len(parts) == 1 else Mixed(parts)


def _read_part(raw: JsonObject, path: str) -> Part:
    part = camel(raw)
    if isinstance(part.get("text"), str):
        return str(part["text"])
    if isinstance(part.get("inlineData"), dict):
        blob = convert(camel(part["inlineData"]), _Blob, f"{path}.inlineData")
        return DataSource(blob.mime_type, blob.data.translate(_URL_SAFE))
    if isinstance(part.get("fileData"), dict):
        return UrlSource(convert(camel(part["fileData"]), _File, f"{path}.fileData").file_uri)
    raise MalformedError("expected `text`, `inlineData` or `fileData`", path)


def _below(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field


def write_response(response: EmbeddingResponse, /, *, request: EmbeddingRequest, id: str) -> bytes:
    return encode({"embedding": _vectors(response)[0], **_usage(response)})


def write_batch_response(
    response: EmbeddingResponse, /, *, request: EmbeddingRequest, id: str
) -> bytes:
    return encode({"embeddings": _vectors(response), **_usage(response)})


def _vectors(response: EmbeddingResponse) -> list[JsonObject]:
    return [{"values": as_floats(vector)} for vector in response.vectors]


def _usage(response: EmbeddingResponse) -> JsonObject:
    usage = response.usage
    if usage is None or usage.input_tokens is None:
        return {}
    return {"usageMetadata": {"promptTokenCount": usage.total_input_tokens}}


def rename(body: bytes, model: str) -> bytes:
    """A body that passes, with this model wherever one is named; all else stays as it is."""
    if b'"model"' not in body and b"\\u006" not in body:
        return body
    named = msgspec.Raw(encode(resource(model)))
    try:
        fields = _RAW.decode(body)
        if "model" in fields:
            fields["model"] = named
        if "requests" in fields:
            requests = _RAWS.decode(fields["requests"])
            for one in requests:
                if "model" in one:
                    one["model"] = named
            fields["requests"] = msgspec.Raw(encode(requests))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body  # the provider says what is wrong with it
    return encode(fields)
