"""Embeddings of Hugging Face's own inference: the task `feature-extraction`, lists of numbers out.

https://huggingface.co/docs/inference-providers/tasks/feature-extraction (2026-11-23). The router's
OpenAI-compatible address has chat only. Nobody counts the tokens.
"""

from typing import Any, Final

import msgspec

from portico.types.embeddings import EmbeddingRequest, EmbeddingResponse
from portico.types.http import Headers
from portico.wire.base import Unsupported
from portico.wire.embeddings.base import drop_rest, texts
from portico.wire.json_io import MalformedError, decoded, encode

NAME: Final = "huggingface_features"
MAX_INPUTS: Final = 32
"""The default of `--max-client-batch-size` of Text Embeddings Inference, the server behind it."""

_ANSWER: Final = msgspec.json.Decoder(list[list[float]])
_SIDES: Final = {"end": "Right", "start": "Left"}


def write_request(request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes:
    written: dict[str, Any] = {"inputs": texts(request, NAME)}
    if request.truncate is not None:
        written["truncate"] = request.truncate != "none"
        if request.truncate in _SIDES:
            written["truncation_direction"] = _SIDES[request.truncate]
    drop_rest(request, NAME, unsupported, "input_type", "dimensions", "user")
    return encode(written)


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    """A model that makes a vector for each token, and none for the text, is no embedding model."""
    vectors = decoded(_ANSWER, body)
    if not vectors:
        raise MalformedError("there are no vectors").from_provider()
    return EmbeddingResponse(dialect=NAME, vectors=tuple(vectors))
