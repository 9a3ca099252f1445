"""Embeddings of Gemini: `batchEmbedContents`, one request in the batch for each input.

https://ai.google.dev/api/embeddings (2026-11-23). Token counts come from newer models only.
"""

from typing import Any, Final

import msgspec

from portico.types.chat import DataSource
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

NAME: Final = "gemini_embed"
MAX_INPUTS: Final = 100

TASKS: Final[dict[Purpose, str]] = {
    "query": "RETRIEVAL_QUERY",
    "document": "RETRIEVAL_DOCUMENT",
    "similarity": "SEMANTIC_SIMILARITY",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
    "code_query": "CODE_RETRIEVAL_QUERY",
    "verification": "FACT_VERIFICATION",
}


class _Embedding(msgspec.Struct):
    values: list[float]


class _Counts(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None


class _Used(msgspec.Struct, rename="camel"):
    usage_metadata: _Counts | None = None


class _Answer(msgspec.Struct, rename="camel"):
    embeddings: list[_Embedding] | None = None
    embedding: _Embedding | None = None
    usage_metadata: _Counts | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_USED: Final = msgspec.json.Decoder(_Used)


def write_request(request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes:
    model = resource(request.model)
    shared: dict[str, Any] = {}
    if request.purpose is not None:
        shared["taskType"] = TASKS[request.purpose]
    if request.dimensions is not None:
        shared["outputDimensionality"] = request.dimensions
    if request.truncate is not None:
        unsupported("truncate", NAME)
    if request.user is not None:
        unsupported("user", NAME)
    only_floats(request, NAME, unsupported)
    drop_extra(request.extra, NAME, unsupported)
    return encode(
        {
            "requests": [
                {"model": model, "content": {"parts": parts(item)}, **shared}
                for item in request.inputs
            ]
        }
    )


def resource(model: str) -> str:
    return model if "/" in model else f"models/{model}"


def parts(item: EmbeddingInput) -> list[dict[str, Any]]:
    """One input as the parts of a content; refuses token ids and addresses."""
    return [_part(part) for part in (item.parts if isinstance(item, Mixed) else (item,))]


def _part(item: EmbeddingInput) -> dict[str, Any]:
    match item:
        case str():
            return {"text": item}
        case DataSource(media_type, data):
            return {"inlineData": {"mimeType": media_type, "data": data}}
        case _:
            refuse_input(NAME)


def read_usage(body: bytes) -> Usage | None:
    """The usage of an answer that passes; one of the wrong shape counts as none."""
    used = decoded_or_none(_USED, body)
    return None if used is None else _usage(used.usage_metadata)


def _usage(used: _Counts | None) -> Usage | None:
    if used is None or used.prompt_token_count is None:
        return None
    return Usage(input_tokens=used.prompt_token_count, output_tokens=0)


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    answer = decoded(_ANSWER, body)
    found = answer.embeddings
    if found is None:
        if answer.embedding is None:
            raise MalformedError("there are no `embeddings`").from_provider()
        found = [answer.embedding]
    return EmbeddingResponse(
        dialect=NAME,
        vectors=tuple(embedding.values for embedding in found),
        usage=_usage(answer.usage_metadata),
    )
