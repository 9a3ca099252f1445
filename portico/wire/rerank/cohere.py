"""Rerank of Cohere, both sides: what clients of every provider speak here.

https://docs.cohere.com/reference/rerank, https://docs.cohere.com/v1/reference/rerank and
https://github.com/jina-ai/meta-prompt/blob/main/v4.txt (2026-11-23). Version 1 and Jina's ask alike
at the same place, for documents as objects with a `text`, and to have them back; the answer there
is good for both. `max_doc_length` is a word of Jina's models
(https://huggingface.co/jinaai/jina-reranker-v3), `truncation` one of Voyage's.
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
    decoded_or_none,
    encode,
    fields_of,
    unknown,
)
from portico.wire.rerank.base import Item, best_first

NAME: Final = "cohere_rerank"
V1_NAME: Final = "rerank_v1"


class _Request(msgspec.Struct):
    model: str
    query: str
    documents: list[str | dict[str, Any]]
    top_n: int | None = None
    return_documents: bool | None = None
    max_tokens_per_doc: int | None = None
    max_doc_length: int | None = None
    truncation: bool | None = None


class _Billed(msgspec.Struct):
    search_units: float | None = None
    input_tokens: float | None = None


class _Meta(msgspec.Struct):
    billed_units: _Billed | None = None


class _Answer(msgspec.Struct):
    results: list[Item]
    id: str | None = None
    meta: _Meta | None = None


class _Used(msgspec.Struct):
    meta: _Meta | None = None


_KNOWN: Final = fields_of(_Request)
_ANSWER: Final = msgspec.json.Decoder(_Answer)
_USED: Final = msgspec.json.Decoder(_Used)


def read_request(body: bytes, /) -> RerankRequest:
    return _read_request(body, NAME)


def read_v1_request(body: bytes, /) -> RerankRequest:
    return _read_request(body, V1_NAME)


def _read_request(body: bytes, dialect: str) -> RerankRequest:
    try:
        raw = decode_object(body)
        asked = convert(raw, _Request)
        if asked.top_n is not None and asked.top_n < 1:
            raise MalformedError("expected at least 1", "top_n")
    except MalformedError as problem:
        raise problem.from_client() from None
    return RerankRequest(
        dialect=dialect,
        model=asked.model,
        query=asked.query,
        documents=tuple(map(_text, asked.documents)),
        top_n=asked.top_n,
        return_documents=bool(asked.return_documents),
        max_tokens_per_document=asked.max_tokens_per_doc or asked.max_doc_length,
        truncate=asked.truncation,
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
    return RerankResponse(
        dialect=NAME, results=best_first(answer.results), id=answer.id, usage=_usage(answer.meta)
    )


def read_usage(body: bytes) -> Usage | None:
    """The usage of an answer that passes; one of the wrong shape counts as none."""
    used = decoded_or_none(_USED, body)
    return None if used is None else _usage(used.meta)


def _usage(meta: _Meta | None) -> Usage | None:
    billed = meta.billed_units if meta is not None else None
    if billed is None or (billed.search_units is None and billed.input_tokens is None):
        return None
    return Usage(
        input_tokens=int(billed.input_tokens or 0),
        output_tokens=0,
        searches=int(billed.search_units or 0),
    )


def write_response(response: RerankResponse, /, *, request: RerankRequest, id: str) -> bytes:
    return encode(_written(response, request, id, "2"))


def write_v1_response(response: RerankResponse, /, *, request: RerankRequest, id: str) -> bytes:
    """With Jina's fields beside Cohere's."""
    written = _written(response, request, id, "1")
    written["model"] = response.model or request.model
    usage = response.usage
    if usage is not None and usage.input_tokens:
        written["usage"] = {"total_tokens": usage.input_tokens}
    return encode(written)


def _written(
    response: RerankResponse, request: RerankRequest, id: str, version: str
) -> dict[str, Any]:
    """With each document as the client sent it, if it asked for them."""
    results: list[dict[str, Any]] = []
    for result in response.results:
        item: dict[str, Any] = {"index": result.index, "relevance_score": result.score}
        if request.return_documents:
            item["document"] = {"text": request.documents[result.index]}
        results.append(item)
    meta: dict[str, Any] = {"api_version": {"version": version}}
    usage = response.usage
    if usage is not None:
        billed = {}
        if usage.searches:
            billed["search_units"] = usage.searches
        if usage.input_tokens:
            billed["input_tokens"] = usage.input_tokens
            meta["tokens"] = {"input_tokens": usage.input_tokens}
        meta["billed_units"] = billed
    return {"id": response.id or id, "results": results, "meta": meta}
