"""Embeddings of Snowflake Cortex: `inference:embed`, texts in, a list like OpenAI's out.

https://docs.snowflake.com/en/developer-guide/snowflake-rest-api/cortex-embed/cortex-embed-introduction
and its reference (2026-11-23). Each vector comes in a list of its own.
"""

from typing import Any, Final

import msgspec

from portico.types.embeddings import EmbeddingRequest, EmbeddingResponse
from portico.types.http import Headers
from portico.types.usage import Usage
from portico.wire.base import Unsupported
from portico.wire.embeddings.base import drop_rest, texts
from portico.wire.json_io import MalformedError, decoded, encode

NAME: Final = "snowflake_embed"
MAX_INPUTS: Final = None


class _Embedding(msgspec.Struct):
    embedding: list[float | list[float]]
    index: int = 0


class _Used(msgspec.Struct):
    total_tokens: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Embedding]
    model: str | None = None
    usage: _Used | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def write_request(request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes:
    written: dict[str, Any] = {"text": texts(request, NAME), "model": request.model}
    drop_rest(request, NAME, unsupported, "input_type", "dimensions", "truncate", "user")
    return encode(written)


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    answer = decoded(_ANSWER, body)
    found = sorted(answer.data, key=lambda one: one.index)
    if [one.index for one in found] != list(range(len(found))):
        raise MalformedError("the vectors' indexes leave gaps", "data").from_provider()
    tokens = answer.usage.total_tokens if answer.usage is not None else None
    return EmbeddingResponse(
        dialect=NAME,
        vectors=tuple(_vector(one.embedding) for one in found),
        model=answer.model or "",
        usage=None
        if tokens is None
        else Usage(input_tokens=tokens, output_tokens=0, reported_total=tokens),
    )


def _vector(given: list[float | list[float]]) -> list[float]:
    """The vector of one text, in its list or bare."""
    if len(given) == 1 and isinstance(first := given[0], list):
        return first
    vector = [number for number in given if isinstance(number, float)]
    if len(vector) < len(given):
        raise MalformedError("a text has more than one vector").from_provider()
    return vector
