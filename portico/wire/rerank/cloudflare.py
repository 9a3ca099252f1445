"""Rerank of Cloudflare Workers AI: contexts with a text each, ids that are their places.

`src/content/workers-ai-models/bge-reranker-base.json` of https://github.com/cloudflare/cloudflare-docs
(2026-11-23). The model is in the path; nobody counts the tokens.
"""

from typing import Any, Final

import msgspec

from portico.types.http import Headers
from portico.types.rerank import RerankRequest, RerankResponse
from portico.wire.base import Unsupported, drop_extra
from portico.wire.json_io import decoded, encode
from portico.wire.rerank.base import Item, best_first

NAME: Final = "cloudflare_rerank"


class _Scored(msgspec.Struct):
    id: int
    score: float


class _Result(msgspec.Struct):
    response: list[_Scored]


class _Answer(msgspec.Struct):
    result: _Result


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def write_request(request: RerankRequest, /, *, unsupported: Unsupported) -> bytes:
    written: dict[str, Any] = {
        "query": request.query,
        "contexts": [{"text": document} for document in request.documents],
    }
    if request.top_n is not None:
        written["top_k"] = request.top_n
    if request.max_tokens_per_document is not None:
        unsupported("max_tokens_per_doc", NAME)
    if request.truncate is False:
        unsupported("truncation", NAME)
    drop_extra(request.extra, NAME, unsupported)
    return encode(written)


def read_response(body: bytes, /, *, headers: Headers) -> RerankResponse:
    scored = decoded(_ANSWER, body).result.response
    items = [Item(one.id, one.score) for one in scored]
    return RerankResponse(dialect=NAME, results=best_first(items))
