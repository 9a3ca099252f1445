"""Embeddings of Amazon Titan on Bedrock: one input a request.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html and
…/model-parameters-titan-embed-mm.html (2026-11-23).
"""

from typing import Any, Final

import msgspec

from portico.types.chat import DataSource
from portico.types.embeddings import EmbeddingRequest, EmbeddingResponse
from portico.types.http import Headers
from portico.types.usage import Usage
from portico.wire.base import Unsupported
from portico.wire.embeddings.base import drop_rest, refuse_input
from portico.wire.json_io import decoded, encode

NAME: Final = "titan_embed"
MAX_INPUTS: Final = 1


class _Answer(msgspec.Struct, rename="camel"):
    embedding: list[float]
    input_text_token_count: int | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def write_request(request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes:
    """A request of exactly one input: see `base.batches`."""
    (item,) = request.inputs
    is_multimodal = "embed-image" in request.model
    written: dict[str, Any] = {}
    match item:
        case str():
            written["inputText"] = item
        case DataSource(media_type, data) if is_multimodal and media_type.startswith("image/"):
            written["inputImage"] = data
        case _:
            refuse_input(NAME)
    if request.dimensions is not None:
        if is_multimodal:
            written["embeddingConfig"] = {"outputEmbeddingLength": request.dimensions}
        else:
            written["dimensions"] = request.dimensions
    drop_rest(request, NAME, unsupported, "input_type", "truncate", "user")
    return encode(written)


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    answer = decoded(_ANSWER, body)
    tokens = answer.input_text_token_count
    return EmbeddingResponse(
        dialect=NAME,
        vectors=(answer.embedding,),
        usage=None if tokens is None else Usage(input_tokens=tokens, output_tokens=0),
    )
