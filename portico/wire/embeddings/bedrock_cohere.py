"""Embeddings of Cohere's models on Bedrock: the model is in the path, the count in a header.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html (2026-11-23).
"""

from typing import Final

from portico.types.embeddings import EmbeddingRequest, EmbeddingResponse
from portico.types.http import Headers
from portico.wire.base import Unsupported
from portico.wire.embeddings.cohere import MAX_INPUTS, read_answer, write_fields
from portico.wire.json_io import encode

__all__ = ["MAX_INPUTS", "NAME", "read_response", "write_request"]

NAME: Final = "bedrock_cohere_embed"


def write_request(request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes:
    return encode(write_fields(request, unsupported, NAME))


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    counted = headers.get(b"x-amzn-bedrock-input-token-count", b"")
    tokens = int(counted) if counted.isdigit() and len(counted) < 12 else None
    return read_answer(body, NAME, tokens)
