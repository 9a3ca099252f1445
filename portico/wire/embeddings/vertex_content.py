"""Embeddings of Vertex AI by `embedContent`, one input a request: `gemini-embedding-2` and later.

https://docs.cloud.google.com/python/docs/reference/aiplatform/latest/google.cloud.aiplatform_v1beta1.types.EmbedContentRequest
(2026-11-23), whose fields outside `embedContentConfig` are deprecated. What the vectors are for is
said to these models in the text itself, so it is not said here; pictures are embedded, too.
"""

from typing import Any, Final

import msgspec

from portico.types.embeddings import EmbeddingRequest, EmbeddingResponse
from portico.types.http import Headers
from portico.wire.base import Unsupported, drop_extra
from portico.wire.embeddings import gemini
from portico.wire.embeddings.base import only_floats
from portico.wire.json_io import encode

NAME: Final = "vertex_embed_content"
MAX_INPUTS: Final = 1


def write_request(request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes:
    """A request of exactly one input: see `base.batches`."""
    (item,) = request.inputs
    config: dict[str, Any] = {}
    if request.dimensions is not None:
        config["outputDimensionality"] = request.dimensions
    if request.truncate == "start":
        unsupported("truncate", NAME)
    elif request.truncate is not None:
        config["autoTruncate"] = request.truncate == "end"
    for field, is_said in (
        ("input_type", request.purpose is not None),
        ("user", request.user is not None),
    ):
        if is_said:
            unsupported(field, NAME)
    only_floats(request, NAME, unsupported)
    drop_extra(request.extra, NAME, unsupported)
    written: dict[str, Any] = {"content": {"parts": gemini.parts(item)}}
    return encode({**written, "embedContentConfig": config} if config else written)


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    return msgspec.structs.replace(gemini.read_response(body, headers=headers), dialect=NAME)
