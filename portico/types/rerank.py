"""The canonical rerank: documents in the order of what they say about a query."""

import msgspec

from portico.types.chat import JsonObject
from portico.types.usage import Usage


class RerankRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`dialect` is the one it was read from, the only one that `extra` goes to."""

    dialect: str
    model: str
    query: str
    documents: tuple[str, ...]
    top_n: int | None = None
    """`None` asks for all."""
    return_documents: bool = False
    max_tokens_per_document: int | None = None
    truncate: bool | None = None
    """Whether documents that are too long are cut, or refused; `None` leaves it to the provider."""
    extra: JsonObject = {}


class RerankResult(msgspec.Struct, frozen=True):
    """`index` is the document's place in the request; scores compare within one answer only."""

    index: int
    score: float


class RerankResponse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The best first."""

    dialect: str
    results: tuple[RerankResult, ...]
    model: str = ""
    id: str | None = None
    usage: Usage | None = None
