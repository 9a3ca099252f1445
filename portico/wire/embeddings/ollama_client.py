"""Ollama's embeddings as its clients ask for them: `/api/embed`, and `/api/embeddings` of old.

https://docs.ollama.com/api/embed (2026-11-23). The old one takes one `prompt` and gives one vector.
"""

from typing import Any, Final

import msgspec

from portico.types.embeddings import EmbeddingRequest, EmbeddingResponse
from portico.wire.embeddings.base import as_floats
from portico.wire.embeddings.ollama import NAME
from portico.wire.json_io import (
    MalformedError,
    convert,
    decode_object,
    encode,
    fields_of,
    unknown,
)

LEGACY_NAME: Final = "ollama_embeddings"


class _Request(msgspec.Struct):
    model: str
    input: str | list[str] = []
    truncate: bool | None = None
    dimensions: int | None = None


class _LegacyRequest(msgspec.Struct):
    model: str
    prompt: str = ""


_KNOWN: Final = fields_of(_Request)
_LEGACY_KNOWN: Final = fields_of(_LegacyRequest)


def read_request(body: bytes, /) -> EmbeddingRequest:
    try:
        raw = decode_object(body)
        asked = convert(raw, _Request)
        inputs = (asked.input,) if isinstance(asked.input, str) else tuple(asked.input)
        if not inputs:
            raise MalformedError("expected a text, or an array of at least one", "input")
        return EmbeddingRequest(
            dialect=NAME,
            model=asked.model,
            inputs=inputs,
            dimensions=asked.dimensions,
            truncate=None if asked.truncate is None else "end" if asked.truncate else "none",
            extra=unknown(raw, _KNOWN),
        )
    except MalformedError as problem:
        raise problem.from_client() from None


def read_legacy_request(body: bytes, /) -> EmbeddingRequest:
    try:
        raw = decode_object(body)
        asked = convert(raw, _LegacyRequest)
        if not asked.prompt:
            raise MalformedError("expected a text", "prompt")
        return EmbeddingRequest(
            dialect=LEGACY_NAME,
            model=asked.model,
            inputs=(asked.prompt,),
            extra=unknown(raw, _LEGACY_KNOWN),
        )
    except MalformedError as problem:
        raise problem.from_client() from None


def write_response(response: EmbeddingResponse, /, *, request: EmbeddingRequest, id: str) -> bytes:
    written: dict[str, Any] = {
        "model": response.model or request.model,
        "embeddings": [as_floats(vector) for vector in response.vectors],
    }
    usage = response.usage
    if usage is not None and usage.input_tokens is not None:
        written["prompt_eval_count"] = usage.total_input_tokens
    return encode(written)


def write_legacy_response(
    response: EmbeddingResponse, /, *, request: EmbeddingRequest, id: str
) -> bytes:
    return encode({"embedding": as_floats(response.vectors[0])})
