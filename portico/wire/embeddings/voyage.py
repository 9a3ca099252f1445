"""Embeddings of Voyage AI: OpenAI's shape with names of its own.

https://docs.voyageai.com/reference/embeddings-api (2026-11-23).
"""

from typing import Any, Final

from portico.types.embeddings import EmbeddingRequest, EmbeddingResponse, Purpose
from portico.types.http import Headers
from portico.wire.base import Unsupported, drop_extra
from portico.wire.embeddings.base import cuts_end, only_floats, texts
from portico.wire.embeddings.openai import read_list
from portico.wire.json_io import encode

NAME: Final = "voyage_embed"
MAX_INPUTS: Final = 1000

_TYPES: Final[dict[Purpose, str]] = {"query": "query", "document": "document"}


def write_request(request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes:
    written: dict[str, Any] = {"model": request.model, "input": texts(request, NAME)}
    written.update(options(request, NAME, unsupported, encoding="encoding_format"))
    return encode(written)


def options(
    request: EmbeddingRequest, name: str, unsupported: Unsupported, *, encoding: str
) -> dict[str, Any]:
    """What Voyage's other models are told, too; the field of the encoding has two names."""
    written: dict[str, Any] = {}
    if request.purpose is not None:
        if request.purpose in _TYPES:
            written["input_type"] = _TYPES[request.purpose]
        else:
            unsupported("input_type", name)
    if request.dimensions is not None:
        written["output_dimension"] = request.dimensions
    only_floats(request, name, unsupported)
    if request.encodings == ("base64",):
        written[encoding] = "base64"
    if (cut := cuts_end(request, name, unsupported)) is not None:
        written["truncation"] = cut
    if request.user is not None:
        unsupported("user", name)
    drop_extra(request.extra, name, unsupported)
    return written


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    return read_list(body, NAME)
