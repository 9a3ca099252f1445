"""Embeddings of Cohere, version 2, and of its models on Bedrock.

https://docs.cohere.com/reference/embed and
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v4.html (2026-11-23).
The purpose is required by all models in use; a client that says none has documents.
"""

from typing import Any, Final

import msgspec

from portico.types.chat import DataSource, UrlSource
from portico.types.embeddings import (
    EmbeddingInput,
    EmbeddingRequest,
    EmbeddingResponse,
    Mixed,
    Purpose,
)
from portico.types.http import Headers
from portico.types.usage import Usage
from portico.wire.base import Unsupported, drop_extra
from portico.wire.embeddings.base import only_floats, refuse_input
from portico.wire.json_io import MalformedError, decoded, decoded_or_none, encode

NAME: Final = "cohere_embed"
MAX_INPUTS: Final = 96

INPUT_TYPES: Final[dict[Purpose, str]] = {
    "query": "search_query",
    "document": "search_document",
    "classification": "classification",
    "clustering": "clustering",
}


class _ByType(msgspec.Struct):
    floats: list[list[float]] | None = msgspec.field(default=None, name="float")


class _Billed(msgspec.Struct):
    input_tokens: float | None = None
    image_tokens: float | None = None


class _Meta(msgspec.Struct):
    billed_units: _Billed | None = None


class _Answer(msgspec.Struct):
    embeddings: _ByType | list[list[float]]
    id: str | None = None
    meta: _Meta | None = None


class _Used(msgspec.Struct):
    meta: _Meta | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_USED: Final = msgspec.json.Decoder(_Used)


def write_request(request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes:
    return encode({"model": request.model, **write_fields(request, unsupported, NAME)})


def write_fields(request: EmbeddingRequest, unsupported: Unsupported, name: str) -> dict[str, Any]:
    """All but the model, which is in the path on Bedrock."""
    written: dict[str, Any] = {}
    if all(isinstance(item, str) for item in request.inputs):
        written["texts"] = list(request.inputs)
    else:
        written["inputs"] = [{"content": _parts(item, name)} for item in request.inputs]
    purpose = request.purpose
    if purpose is not None and purpose not in INPUT_TYPES:
        unsupported("input_type", name)
    written["input_type"] = INPUT_TYPES.get(purpose or "document", "search_document")
    only_floats(request, name, unsupported)
    written["embedding_types"] = ["float"]
    if request.dimensions is not None:
        written["output_dimension"] = request.dimensions
    if request.truncate is not None:
        written["truncate"] = request.truncate.upper()
    if request.user is not None:
        unsupported("user", name)
    drop_extra(request.extra, name, unsupported)
    return written


def _parts(item: EmbeddingInput, name: str) -> list[dict[str, Any]]:
    parts = item.parts if isinstance(item, Mixed) else (item,)
    return [_part(part, name) for part in parts]


def _part(item: object, name: str) -> dict[str, Any]:
    match item:
        case str():
            return {"type": "text", "text": item}
        case DataSource(media_type, data) if media_type.startswith("image/"):
            url = f"data:{media_type};base64,{data}"
        case UrlSource(url):
            pass
        case _:
            refuse_input(name)
    return {"type": "image_url", "image_url": {"url": url}}


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    return read_answer(body, NAME)


def read_usage(body: bytes) -> Usage | None:
    """The usage of an answer that passes; one of the wrong shape counts as none."""
    used = decoded_or_none(_USED, body)
    return None if used is None or used.meta is None else _usage(used.meta.billed_units)


def _usage(billed: _Billed | None) -> Usage | None:
    if billed is None or (billed.input_tokens is None and billed.image_tokens is None):
        return None
    return Usage(
        input_tokens=int(billed.input_tokens or 0),
        input_image_tokens=int(billed.image_tokens or 0),
        output_tokens=0,
    )


def read_answer(body: bytes, name: str, tokens: int | None = None) -> EmbeddingResponse:
    """`tokens` is what the platform counted, where the body does not say."""
    answer = decoded(_ANSWER, body)
    found = answer.embeddings
    vectors = found if isinstance(found, list) else found.floats
    if vectors is None:
        raise MalformedError("there are no vectors of floats", "embeddings.float").from_provider()
    usage = None if tokens is None else Usage(input_tokens=tokens, output_tokens=0)
    if answer.meta is not None:
        usage = _usage(answer.meta.billed_units) or usage
    return EmbeddingResponse(dialect=name, vectors=tuple(vectors), id=answer.id, usage=usage)
