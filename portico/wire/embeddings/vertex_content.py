"""Embeddings of Vertex AI by `embedContent`, one input a request: `gemini-embedding-2` and later.

https://docs.cloud.google.com/python/docs/reference/aiplatform/latest/google.cloud.aiplatform_v1beta1.types.EmbedContentRequest
(2026-11-23), whose fields outside `embedContentConfig` are deprecated. What the vectors are for is
said to these models in the text itself, so it is not said here; pictures are embedded, too.
"""

from typing import Any, Final

import msgspec

from portico.types.embeddings import EmbeddingRequest, EmbeddingResponse
from portico.types.http import Headers
from portico.wire.base import Unsupported
from portico.wire.embeddings import gemini
from portico.wire.embeddings.base import cuts_end, drop_rest
from portico.wire.json_io import encode

NAME: Final = "vertex_embed_content"
MAX_INPUTS: Final = 1


def write_request(request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes:
    """A request of exactly one input: see `base.batches`."""
    (item,) = request.inputs
    config: dict[str, Any] = {}
    if request.dimensions is not None:
        config["outputDimensionality"] = request.dimensions
    if (cut := cuts_end(request, NAME, unsupported)) is not None:
        config["autoTruncate"] = cut
    drop_rest(request, NAME, unsupported, "input_type", "user")
    written: dict[str, Any] = {"content": {"parts": gemini.parts(item)}}
    return encode({**written, "embedContentConfig": config} if config else written)


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    return msgspec.structs.replace(gemini.read_response(body, headers=headers), dialect=NAME)
