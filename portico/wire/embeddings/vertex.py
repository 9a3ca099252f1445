"""Embeddings of Vertex AI by `predict`: `text-embedding-…` and `text-multilingual-embedding-…`.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api and
…/docs/embeddings/get-text-embeddings (2026-11-23): 250 texts a request, 20,000 tokens in all.
"""

from typing import Any, Final

import msgspec

from portico.types.embeddings import EmbeddingRequest, EmbeddingResponse
from portico.types.http import Headers
from portico.types.usage import Usage
from portico.wire.base import Unsupported
from portico.wire.embeddings.base import cuts_end, drop_rest, texts
from portico.wire.embeddings.gemini import TASKS
from portico.wire.json_io import decoded, encode

NAME: Final = "vertex_embed"
MAX_INPUTS: Final = 250


class _Statistics(msgspec.Struct):
    token_count: float | None = None


class _Embeddings(msgspec.Struct):
    values: list[float]
    statistics: _Statistics = msgspec.field(default_factory=_Statistics)


class _Prediction(msgspec.Struct):
    embeddings: _Embeddings


class _Answer(msgspec.Struct):
    predictions: list[_Prediction]


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def write_request(request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes:
    task = {} if request.purpose is None else {"task_type": TASKS[request.purpose]}
    instances = [{**task, "content": text} for text in texts(request, NAME)]
    parameters: dict[str, Any] = {}
    if request.dimensions is not None:
        parameters["outputDimensionality"] = request.dimensions
    if (cut := cuts_end(request, NAME, unsupported)) is not None:
        parameters["autoTruncate"] = cut
    drop_rest(request, NAME, unsupported, "user")
    written: dict[str, Any] = {"instances": instances}
    return encode({**written, "parameters": parameters} if parameters else written)


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    """Tokens are counted for each text; unknown of one is unknown of all."""
    found = [prediction.embeddings for prediction in decoded(_ANSWER, body).predictions]
    counts = [one.statistics.token_count for one in found]
    known = [int(tokens) for tokens in counts if tokens is not None]
    is_known = bool(known) and len(known) == len(counts)
    return EmbeddingResponse(
        dialect=NAME,
        vectors=tuple(one.values for one in found),
        usage=Usage(input_tokens=sum(known), output_tokens=0) if is_known else None,
    )
