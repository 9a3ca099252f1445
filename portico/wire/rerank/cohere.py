"""Rerank of Cohere, both sides: what clients of every provider speak here.

https://docs.cohere.com/reference/rerank (2026-11-23). Clients may say more than version 2 takes:
documents as objects with a `text`, and `return_documents`, as in version 1 and at Jina.
"""

from typing import Any, Final

import msgspec

from portico.types.http import Headers
from portico.types.rerank import RerankRequest, RerankResponse
from portico.types.usage import Usage
from portico.wire.base import Unsupported, drop_extra
from portico.wire.json_io import (
    MalformedError,
    compact,
    convert,
    decode_object,
    decoded,
    encode,
    fields_of,
    unknown,
)
from portico.wire.rerank.base import Item, best_first

NAME: Final = "cohere_rerank"


class _Request(msgspec.Struct):
    model: str
    query: str
    documents: list[str | dict[str, Any]]
    top_n: int | None = None
    return_documents: bool | None = None
    max_tokens_per_doc: int | None = None


class _Billed(msgspec.Struct):
    search_units: float | None = None
    input_tokens: float | None = None


class _Meta(msgspec.Struct):
    billed_units: _Billed | None = None


class _Answer(msgspec.Struct):
    results: list[Item]
    id: str | None = None
    meta: _Meta | None = None


_KNOWN: Final = fields_of(_Request)
_ANSWER: Final = msgspec.json.Decoder(_Answer)


def read_request(body: bytes, /) -> RerankRequest:
    try:
        raw = decode_object(body)
        asked = convert(raw, _Request)
        if asked.top_n is not None and asked.top_n < 1:
            raise MalformedError("expected at least 1", "top_n")
    except MalformedError as problem:
        raise problem.from_client() from None
    return RerankRequest(
        dialect=NAME,
        model=asked.model,
        query=asked.query,
        documents=tuple(map(_text, asked.documents)),
        top_n=asked.top_n,
        return_documents=bool(asked.return_documents),
        max_tokens_per_document=asked.max_tokens_per_doc,
        extra=unknown(raw, _KNOWN),
    )


def _text(document: str | dict[str, Any]) -> str:
    """An object's `text`; without one the object itself, as JSON."""
    if isinstance(document, str):
        return document
    text = document.get("text")
    return text if isinstance(text, str) else compact(document)


def write_request(request: RerankRequest, /, *, unsupported: Unsupported) -> bytes:
    written: dict[str, Any] = {
        "model": request.model,
        "query": request.query,
        "documents": list(request.documents),
    }
    if request.top_n is not None:
        written["top_n"] = request.top_n
    if request.max_tokens_per_document is not None:
        written["max_tokens_per_doc"] = request.max_tokens_per_document
    if request.truncate is False:
        unsupported("truncation", NAME)
    if request.dialect == NAME:
        written.update(request.extra)
    else:
        drop_extra(request.extra, NAME, unsupported)
    return encode(written)


def read_response(body: bytes, /, *, headers: Headers) -> RerankResponse:
    answer = decoded(_ANSWER, body)
    billed = answer.meta.billed_units if answer.meta is not None else None
    usage = None
    if billed is not None and (billed.search_units is not None or billed.input_tokens is not None):
        usage = Usage(
            input_tokens=int(billed.input_tokens or 0),
            output_tokens=0,
            searches=int(billed.search_units or 0),
        )
    return RerankResponse(
        dialect=NAME, results=best_first(answer.results), id=answer.id, usage=usage
    )


def write_response(response: RerankResponse, /, *, request: RerankRequest) -> bytes:
    """With each document as the client sent it, if it asked for them."""
    results: list[dict[str, Any]] = []
    for result in response.results:
        item: dict[str, Any] = {"index": result.index, "relevance_score": result.score}
        if request.return_documents:
            item["document"] = {"text": request.documents[result.index]}
        results.append(item)
    meta: dict[str, Any] = {"api_version": {"version": "2"}}
    usage = response.usage
    if usage is not None:
        billed = {}
        if usage.searches:
            billed["search_units"] = usage.searches
        if usage.input_tokens:
            billed["input_tokens"] = usage.input_tokens
            meta["tokens"] = {"input_tokens": usage.input_tokens}
        meta["billed_units"] = billed
    written: dict[str, Any] = {"results": results, "meta": meta}
    return encode({"id": response.id, **written} if response.id else written)
