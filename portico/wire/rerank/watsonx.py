"""Rerank of IBM watsonx.ai.

https://cloud.ibm.com/apidocs/watsonx-ai#text-rerank and
https://ibm.github.io/watsonx-ai-java-sdk/services/rerank-service (2026-11-23). Billed by tokens.
"""

from typing import Any, Final

import msgspec

from portico.types.http import Headers
from portico.types.rerank import RerankRequest, RerankResponse
from portico.types.usage import Usage
from portico.wire.base import Unsupported, drop_extra
from portico.wire.json_io import decoded, encode
from portico.wire.rerank.base import Item, best_first

NAME: Final = "watsonx_rerank"


class _Result(msgspec.Struct):
    index: int
    score: float


class _Answer(msgspec.Struct):
    results: list[_Result]
    model_id: str | None = None
    input_token_count: int | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def write_request(request: RerankRequest, /, *, unsupported: Unsupported) -> bytes:
    parameters: dict[str, Any] = {}
    if request.max_tokens_per_document is not None:
        parameters["truncate_input_tokens"] = request.max_tokens_per_document
    if request.top_n is not None:
        parameters["return_options"] = {"top_n": request.top_n}
    if request.truncate is not None:
        unsupported("truncation", NAME)
    drop_extra(request.extra, NAME, unsupported)
    written: dict[str, Any] = {
        "model_id": request.model,
        "query": request.query,
        "inputs": [{"text": document} for document in request.documents],
    }
    if parameters:
        written["parameters"] = parameters
    return encode(written)


def read_response(body: bytes, /, *, headers: Headers) -> RerankResponse:
    answer = decoded(_ANSWER, body)
    tokens = answer.input_token_count
    return RerankResponse(
        dialect=NAME,
        results=best_first([Item(result.index, result.score) for result in answer.results]),
        model=answer.model_id or "",
        usage=None if tokens is None else Usage(input_tokens=tokens, output_tokens=0),
    )
