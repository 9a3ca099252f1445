"""Embeddings of IBM watsonx.ai: texts only, a thousand a request.

https://cloud.ibm.com/apidocs/watsonx-ai#text-embeddings (2026-11-23).
"""

from typing import Any, Final

import msgspec

from portico.types.embeddings import EmbeddingRequest, EmbeddingResponse
from portico.types.http import Headers
from portico.types.usage import Usage
from portico.wire.base import Unsupported
from portico.wire.embeddings.base import drop_rest, texts
from portico.wire.json_io import decoded, encode

NAME: Final = "watsonx_embed"
MAX_INPUTS: Final = 1000


class _Result(msgspec.Struct):
    embedding: list[float]


class _Answer(msgspec.Struct):
    results: list[_Result]
    model_id: str | None = None
    input_token_count: int | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def write_request(request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes:
    written: dict[str, Any] = {"model_id": request.model, "inputs": texts(request, NAME)}
    drop_rest(request, NAME, unsupported, "input_type", "dimensions", "truncate", "user")
    return encode(written)


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    answer = decoded(_ANSWER, body)
    tokens = answer.input_token_count
    return EmbeddingResponse(
        dialect=NAME,
        vectors=tuple(result.embedding for result in answer.results),
        model=answer.model_id or "",
        usage=None if tokens is None else Usage(input_tokens=tokens, output_tokens=0),
    )
