"""Rerank by InvokeModel on Bedrock: Amazon's model and Cohere's.

https://docs.aws.amazon.com/bedrock/latest/userguide/rerank-api.html and
…/model-parameters-cohere-rerank.html (2026-11-23). Billed by the query, up to a hundred documents
each; the answer does not say how many that were.
"""

from typing import Any, Final

import msgspec

from portico.types.http import Headers
from portico.types.rerank import RerankRequest, RerankResponse
from portico.wire.base import Unsupported, drop_extra
from portico.wire.json_io import decoded, encode
from portico.wire.rerank.base import Item, best_first

NAME: Final = "bedrock_rerank"


class _Answer(msgspec.Struct):
    results: list[Item]


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def write_request(request: RerankRequest, /, *, unsupported: Unsupported) -> bytes:
    written: dict[str, Any] = {"query": request.query, "documents": list(request.documents)}
    is_cohere = "cohere" in request.model
    if is_cohere:
        written["api_version"] = 2
    if request.top_n is not None:
        written["top_n"] = request.top_n
    if request.max_tokens_per_document is not None:
        if is_cohere:
            written["max_tokens_per_doc"] = request.max_tokens_per_document
        else:
            unsupported("max_tokens_per_doc", NAME)
    if request.truncate is False:
        unsupported("truncation", NAME)
    drop_extra(request.extra, NAME, unsupported)
    return encode(written)


def read_response(body: bytes, /, *, headers: Headers) -> RerankResponse:
    answer = decoded(_ANSWER, body)
    return RerankResponse(dialect=NAME, results=best_first(answer.results))
