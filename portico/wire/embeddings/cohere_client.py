"""Cohere's embeddings as its clients ask for them, versions 2 and 1.

https://docs.cohere.com/reference/embed and https://docs.cohere.com/v1/reference/embed
(2026-11-23). Version 1 without `embedding_types` gets its vectors without a name. Which encodings
are wanted decides what the answer holds; floats and base64 can be made of any provider's vectors.
"""

from typing import Any, Final, get_args

import msgspec

from portico.types.embeddings import (
    EmbeddingInput,
    EmbeddingRequest,
    EmbeddingResponse,
    Encoding,
    Mixed,
    Part,
    Purpose,
)
from portico.wire.cohere_chat.messages import read_image_url
from portico.wire.embeddings.base import as_base64, as_floats
from portico.wire.embeddings.cohere import INPUT_TYPES, NAME
from portico.wire.json_io import (
    MalformedError,
    convert,
    decode_object,
    encode,
    fields_of,
    unknown,
)

V1_NAME: Final = "cohere_embed_v1"

_PURPOSES: Final[dict[str, Purpose]] = {word: purpose for purpose, word in INPUT_TYPES.items()}
_ENCODINGS: Final[frozenset[str]] = frozenset(get_args(Encoding))
_WORDS: Final = ", ".join(f"`{word}`" for word in (*_PURPOSES, "image"))
_UNNAMED: Final = "~unnamed"


class _Url(msgspec.Struct):
    url: str


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    image_url: _Url | None = None


class _Input(msgspec.Struct):
    content: list[_Part]


class _Request(msgspec.Struct):
    model: str
    texts: list[str] | None = None
    images: list[str] | None = None
    inputs: list[_Input] | None = None
    input_type: str | None = None
    embedding_types: list[str] | None = None
    output_dimension: int | None = None
    truncate: str | None = None


_KNOWN: Final = fields_of(_Request)


def read_request(body: bytes, /) -> EmbeddingRequest:
    """Raises InvalidRequest; a version 2 request without `embedding_types` means floats."""
    return _read_request(body, NAME)


def read_v1_request(body: bytes, /) -> EmbeddingRequest:
    return _read_request(body, V1_NAME)


def _read_request(body: bytes, dialect: str) -> EmbeddingRequest:
    try:
        raw = decode_object(body)
        asked = convert(raw, _Request)
        extra = unknown(raw, _KNOWN)
        if not asked.embedding_types:
            extra[_UNNAMED] = True
        return EmbeddingRequest(
            dialect=dialect,
            model=asked.model,
            inputs=_read_inputs(asked),
            dimensions=asked.output_dimension,
            encodings=_read_encodings(asked.embedding_types),
            purpose=_read_purpose(asked.input_type),
            truncate=_read_truncate(asked.truncate),
            extra=extra,
        )
    except MalformedError as problem:
        raise problem.from_client() from None


def _read_inputs(asked: _Request) -> tuple[EmbeddingInput, ...]:
    found: tuple[EmbeddingInput, ...] = (
        *(asked.texts or ()),
        *(read_image_url(url) for url in asked.images or ()),
        *(_read_input(one, f"inputs[{i}].content") for i, one in enumerate(asked.inputs or ())),
    )
    if not found:
        raise MalformedError("expected at least one of `texts`, `images` or `inputs`", "texts")
    return found


def _read_input(one: _Input, path: str) -> EmbeddingInput:
    parts = tuple(_read_part(part, f"{path}[{i}]") for i, part in enumerate(one.content))
    if not parts:
        raise MalformedError("expected at least one part", path)
    return parts[0] if len(parts) == 1 else Mixed(parts)


def _read_part(part: _Part, path: str) -> Part:
    if part.type == "text" and part.text is not None:
        return part.text
    if part.type == "image_url" and part.image_url is not None:
        return read_image_url(part.image_url.url)
    raise MalformedError("expected a part of `type` `text` or `image_url`", path)


def _read_encodings(given: list[str] | None) -> tuple[Encoding, ...]:
    for i, one in enumerate(given or ()):
        if one not in _ENCODINGS:
            expected = ", ".join(f"`{word}`" for word in get_args(Encoding))
            raise MalformedError(f"expected one of {expected}", f"embedding_types[{i}]")
    return tuple(given or ("float",))  # type: ignore[arg-type]


def _read_purpose(given: str | None) -> Purpose | None:
    """Pictures are for nothing in particular."""
    if given is None or given == "image":
        return None
    if given not in _PURPOSES:
        raise MalformedError(f"expected one of {_WORDS}", "input_type")
    return _PURPOSES[given]


def _read_truncate(given: str | None) -> Any:
    if given is None:
        return None
    word = given.lower()
    if word not in ("none", "start", "end"):
        raise MalformedError("expected `NONE`, `START` or `END`", "truncate")
    return word


def write_response(response: EmbeddingResponse, /, *, request: EmbeddingRequest, id: str) -> bytes:
    named: dict[str, list[Any]] = {}
    if "float" in request.encodings:
        named["float"] = [as_floats(vector) for vector in response.vectors]
    if "base64" in request.encodings:
        named["base64"] = [as_base64(vector) for vector in response.vectors]
    is_unnamed = request.dialect == V1_NAME and _UNNAMED in request.extra
    return encode(
        {
            "response_type": "embeddings_floats" if is_unnamed else "embeddings_by_type",
            "id": response.id or id,
            "embeddings": named["float"] if is_unnamed else named,
            "texts": [item for item in request.inputs if isinstance(item, str)],
            "meta": _meta(response, "1" if request.dialect == V1_NAME else "2"),
        }
    )


def _meta(response: EmbeddingResponse, version: str) -> dict[str, Any]:
    meta: dict[str, Any] = {"api_version": {"version": version}}
    usage = response.usage
    if usage is not None and usage.input_tokens is not None:
        billed = {"input_tokens": usage.total_input_tokens}
        if usage.input_image_tokens:
            billed = {
                "input_tokens": usage.input_tokens,
                "image_tokens": usage.input_image_tokens,
            }
        meta["billed_units"] = billed
    return meta
