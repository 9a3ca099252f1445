"""Embeddings of Vertex AI by `embedContent`, one input a request: `gemini-embedding-2` and later.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/models/gemini/embedding-2 and
…/docs/reference/rest/v1/projects.locations.publishers.models/embedContent (2026-11-23). What the
vectors are for is said in the text itself, so it is not said here; pictures are embedded, too.
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
    written: dict[str, Any] = {"content": {"parts": gemini.parts(item)}}
    if request.dimensions is not None:
        written["outputDimensionality"] = request.dimensions
    if request.truncate == "start":
        unsupported("truncate", NAME)
    elif request.truncate is not None:
        written["autoTruncate"] = request.truncate == "end"
    for field, is_said in (
        ("input_type", request.purpose is not None),
        ("user", request.user is not None),
    ):
        if is_said:
            unsupported(field, NAME)
    only_floats(request, NAME, unsupported)
    drop_extra(request.extra, NAME, unsupported)
    return encode(written)


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    return msgspec.structs.replace(gemini.read_response(body, headers=headers), dialect=NAME)
