"""Rerank of Jina AI.

https://github.com/jina-ai/meta-prompt/blob/main/v4.txt (2026-11-23), Jina's own account of its API.
Whether that takes a limit for documents or a switch for truncation was not to be read anywhere, so
neither is said. Billed by tokens.
"""

from typing import Any, Final

import msgspec

from portico.types.http import Headers
from portico.types.rerank import RerankRequest, RerankResponse
from portico.types.usage import Usage
from portico.wire.base import Unsupported, drop_extra
from portico.wire.json_io import decoded, encode
from portico.wire.rerank.base import Item, best_first

NAME: Final = "jina_rerank"


class _Used(msgspec.Struct):
    total_tokens: int | None = None


class _Answer(msgspec.Struct):
    results: list[Item]
    model: str | None = None
    usage: _Used | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def write_request(request: RerankRequest, /, *, unsupported: Unsupported) -> bytes:
    written: dict[str, Any] = {
        "model": request.model,
        "query": request.query,
        "documents": list(request.documents),
    }
    if request.top_n is not None:
        written["top_n"] = request.top_n
    written["return_documents"] = False
    if request.max_tokens_per_document is not None:
        unsupported("max_tokens_per_doc", NAME)
    if request.truncate is not None:
        unsupported("truncation", NAME)
    drop_extra(request.extra, NAME, unsupported)
    return encode(written)


def read_response(body: bytes, /, *, headers: Headers) -> RerankResponse:
    answer = decoded(_ANSWER, body)
    tokens = answer.usage.total_tokens if answer.usage is not None else None
    return RerankResponse(
        dialect=NAME,
        results=best_first(answer.results),
        model=answer.model or "",
        usage=None
        if tokens is None
        else Usage(input_tokens=tokens, output_tokens=0, reported_total=tokens),
    )
