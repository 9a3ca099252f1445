"""Embeddings of Gemini: `batchEmbedContents`, one request in the batch for each input.

https://ai.google.dev/api/embeddings (2026-11-23). Token counts come from newer models only.
"""

from typing import Any, Final

import msgspec

from portico.types.chat import DataSource
from portico.types.embeddings import EmbeddingInput, EmbeddingRequest, EmbeddingResponse, Purpose
from portico.types.http import Headers
from portico.types.usage import Usage
from portico.wire.base import Unsupported, drop_extra, refuse
from portico.wire.json_io import MalformedError, decoded, encode

NAME: Final = "gemini_embed"
MAX_INPUTS: Final = 100

_TASKS: Final[dict[Purpose, str]] = {
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


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None


class _Answer(msgspec.Struct, rename="camel"):
    embeddings: list[_Embedding] | None = None
    embedding: _Embedding | None = None
    usage_metadata: _Usage | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def write_request(request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes:
    model = request.model if "/" in request.model else f"models/{request.model}"
    shared: dict[str, Any] = {}
    if request.purpose is not None:
        shared["taskType"] = _TASKS[request.purpose]
    if request.dimensions is not None:
        shared["outputDimensionality"] = request.dimensions
    if request.truncate is not None:
        unsupported("truncate", NAME)
    if request.user is not None:
        unsupported("user", NAME)
    drop_extra(request.extra, NAME, unsupported)
    return encode(
        {
            "requests": [
                {"model": model, "content": {"parts": [_part(item)]}, **shared}
                for item in request.inputs
            ]
        }
    )


def _part(item: EmbeddingInput) -> dict[str, Any]:
    match item:
        case str():
            return {"text": item}
        case DataSource(media_type, data):
            return {"inlineData": {"mimeType": media_type, "data": data}}
        case _:
            refuse("input", NAME)
            raise AssertionError("refused")


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    answer = decoded(_ANSWER, body)
    found = answer.embeddings
    if found is None:
        if answer.embedding is None:
            raise MalformedError("there are no `embeddings`").from_provider()
        found = [answer.embedding]
    used = answer.usage_metadata
    tokens = used.prompt_token_count if used is not None else None
    return EmbeddingResponse(
        dialect=NAME,
        vectors=tuple(embedding.values for embedding in found),
        usage=None if tokens is None else Usage(input_tokens=tokens, output_tokens=0),
    )
