"""What a rerank dialect is, and the answer that all of them give in nearly the same words."""

from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from portico.errors import UpstreamProtocol
from portico.types.http import Headers
from portico.types.rerank import RerankRequest, RerankResponse, RerankResult
from portico.wire.base import Unsupported


class RerankDialect(Protocol):
    """What we speak to providers. Documents are never asked back: the client's request has them."""

    @property
    def NAME(self) -> str: ...  # noqa: N802

    def write_request(self, request: RerankRequest, /, *, unsupported: Unsupported) -> bytes: ...

    def read_response(self, body: bytes, /, *, headers: Headers) -> RerankResponse: ...


class WriteResponse(Protocol):
    """`id` names the answer where the provider gave no id."""

    def __call__(
        self, response: RerankResponse, /, *, request: RerankRequest, id: str
    ) -> bytes: ...


class RerankShape(msgspec.Struct, frozen=True):
    """What clients speak to us."""

    read_request: Callable[[bytes], RerankRequest]
    write_response: WriteResponse


class Item(msgspec.Struct):
    """One result, as Cohere, Jina, Voyage and Bedrock all have it."""

    index: int
    relevance_score: float


def best_first(items: Iterable[Item]) -> tuple[RerankResult, ...]:
    """Most providers sort; two of equal score stay as they came."""
    results = [RerankResult(item.index, item.relevance_score) for item in items]
    return tuple(sorted(results, key=lambda result: -result.score))


def checked(response: RerankResponse, request: RerankRequest) -> RerankResponse:
    """The answer cut to what was asked; raises UpstreamProtocol for a document nobody sent."""
    limit = len(request.documents)
    for result in response.results:
        if not 0 <= result.index < limit:
            raise UpstreamProtocol(
                f"the provider ranked document {result.index}; there are {limit}"
            )
    if request.top_n is None or len(response.results) <= request.top_n:
        return response
    return msgspec.structs.replace(response, results=response.results[: request.top_n])
