"""Embeddings of Cohere, version 2, and of its models on Bedrock.

https://docs.cohere.com/reference/embed and
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v4.html (2026-11-23).
The purpose is required by all models in use; a client that says none has documents.
"""

from typing import Any, Final

import msgspec

from portico.types.chat import DataSource, UrlSource
from portico.types.embeddings import EmbeddingRequest, EmbeddingResponse, Purpose
from portico.types.http import Headers
from portico.types.usage import Usage
from portico.wire.base import Unsupported, drop_extra, refuse
from portico.wire.json_io import MalformedError, decoded, encode

NAME: Final = "cohere_embed"
MAX_INPUTS: Final = 96

_TYPES: Final[dict[Purpose, str]] = {
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


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def write_request(request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes:
    return encode({"model": request.model, **write_fields(request, unsupported, NAME)})


def write_fields(request: EmbeddingRequest, unsupported: Unsupported, name: str) -> dict[str, Any]:
    """All but the model, which is in the path on Bedrock."""
    written: dict[str, Any] = {}
    if all(isinstance(item, str) for item in request.inputs):
        written["texts"] = list(request.inputs)
    else:
        written["inputs"] = [{"content": [_part(item, name)]} for item in request.inputs]
    purpose = request.purpose
    if purpose is not None and purpose not in _TYPES:
        unsupported("input_type", name)
    written["input_type"] = _TYPES.get(purpose or "document", "search_document")
    written["embedding_types"] = ["float"]
    if request.dimensions is not None:
        written["output_dimension"] = request.dimensions
    if request.truncate is not None:
        written["truncate"] = request.truncate.upper()
    if request.user is not None:
        unsupported("user", name)
    drop_extra(request.extra, name, unsupported)
    return written


def _part(item: object, name: str) -> dict[str, Any]:
    match item:
        case str():
            return {"type": "text", "text": item}
        case DataSource(media_type, data):
            url = f"data:{media_type};base64,{data}"
        case UrlSource(url):
            pass
        case _:
            refuse("input", name)
            raise AssertionError("refused")
    return {"type": "image_url", "image_url": {"url": url}}


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    return read_answer(body, NAME)


def read_answer(body: bytes, name: str, tokens: int | None = None) -> EmbeddingResponse:
    """`tokens` is what the platform counted, where the body does not say."""
    answer = decoded(_ANSWER, body)
    found = answer.embeddings
    vectors = found if isinstance(found, list) else found.floats
    if vectors is None:
        raise MalformedError("there are no vectors of floats", "embeddings.float").from_provider()
    billed = (answer.meta.billed_units if answer.meta is not None else None) or _Billed()
    usage = None if tokens is None else Usage(input_tokens=tokens, output_tokens=0)
    if billed.input_tokens is not None or billed.image_tokens is not None:
        usage = Usage(
            input_tokens=int(billed.input_tokens or 0),
            input_image_tokens=int(billed.image_tokens or 0),
            output_tokens=0,
        )
    return EmbeddingResponse(dialect=name, vectors=tuple(vectors), id=answer.id, usage=usage)
