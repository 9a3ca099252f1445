"""Embeddings of Voyage AI: OpenAI's shape with names of its own.

https://docs.voyageai.com/reference/embeddings-api (2026-11-23).
"""

from typing import Any, Final

from portico.types.embeddings import EmbeddingRequest, EmbeddingResponse, Purpose
from portico.types.http import Headers
from portico.wire.base import Unsupported, drop_extra
from portico.wire.embeddings.base import only_floats, refuse_input
from portico.wire.embeddings.openai import read_list
from portico.wire.json_io import encode

NAME: Final = "voyage_embed"
MAX_INPUTS: Final = 1000

_TYPES: Final[dict[Purpose, str]] = {"query": "query", "document": "document"}


def write_request(request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes:
    if not all(isinstance(item, str) for item in request.inputs):
        refuse_input(NAME)
    written: dict[str, Any] = {"model": request.model, "input": list(request.inputs)}
    if request.purpose is not None:
        if request.purpose in _TYPES:
            written["input_type"] = _TYPES[request.purpose]
        else:
            unsupported("input_type", NAME)
    if request.dimensions is not None:
        written["output_dimension"] = request.dimensions
    only_floats(request, NAME, unsupported)
    if request.encodings == ("base64",):
        written["encoding_format"] = "base64"
    if request.truncate == "start":
        unsupported("truncate", NAME)
    elif request.truncate is not None:
        written["truncation"] = request.truncate == "end"
    if request.user is not None:
        unsupported("user", NAME)
    drop_extra(request.extra, NAME, unsupported)
    return encode(written)


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    return read_list(body, NAME)
