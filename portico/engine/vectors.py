"""Embeddings and rerank between OpenAI-shaped clients and providers that say it differently.

The same idea as a translated chat: the request is read once, written for this provider, and the
answer is read and written back. Where a provider takes few inputs at once, one call becomes several
requests, sent one after the other, and one answer.
"""

from collections.abc import Callable

import msgspec

from portico.errors import NotSupported, UpstreamError
from portico.types.call import Call
from portico.types.deployment import Deployment
from portico.types.embeddings import EmbeddingRequest
from portico.types.http import HttpHead, HttpRequest, HttpResponse
from portico.types.rerank import RerankRequest
from portico.types.usage import Usage
from portico.wire.base import Dropped, Unsupported
from portico.wire.embeddings import table as embeddings
from portico.wire.embeddings.base import EmbeddingDialect, batches, count, join
from portico.wire.rerank import table as rerank
from portico.wire.rerank.base import RerankDialect, checked
from portico.wire.table import PROVIDER_DIALECTS

_CLIENT = "openai_embeddings"
_RERANK_CLIENT = "cohere_rerank"

_OPENAI_SHAPED = frozenset({"openai_chat", "openai_responses"})

Address = Callable[[str, bytes], HttpRequest]
"""Makes the request to the provider out of the dialect's name and a body."""


class Embedded(msgspec.Struct):
    """The vectors of one call; `more` are the requests after the first, `answers` what came."""

    upstream: HttpRequest
    more: tuple[HttpRequest, ...]
    dialect: EmbeddingDialect
    asked: EmbeddingRequest
    parts: tuple[EmbeddingRequest, ...]
    answers: list[HttpResponse] = []
    tap: None = None
    content_type: bytes | None = b"application/json"
    passes_errors: bool = False

    def read_error(self, head: HttpHead, body: bytes) -> UpstreamError:
        return PROVIDER_DIALECTS[embeddings.ERRORS_OF[self.dialect.NAME]].read_error(head, body)

    def whole(self, body: bytes) -> tuple[bytes, Usage | None]:
        read = [
            count(self.dialect.read_response(answer.body, headers=answer.head.headers), part)
            for answer, part in zip(self.answers, self.parts, strict=True)
        ]
        joined = join(read)
        client = embeddings.EMBEDDING_CLIENTS[_CLIENT]
        return client.write_response(joined, request=self.asked), joined.usage


class Ranked(msgspec.Struct):
    """Documents in the order that the provider gave them."""

    upstream: HttpRequest
    dialect: RerankDialect
    asked: RerankRequest
    more: tuple[HttpRequest, ...] = ()
    answers: list[HttpResponse] = []
    tap: None = None
    content_type: bytes | None = b"application/json"
    passes_errors: bool = False

    def read_error(self, head: HttpHead, body: bytes) -> UpstreamError:
        return PROVIDER_DIALECTS[rerank.ERRORS_OF[self.dialect.NAME]].read_error(head, body)

    def whole(self, body: bytes) -> tuple[bytes, Usage | None]:
        (answer,) = self.answers
        read = self.dialect.read_response(answer.body, headers=answer.head.headers)
        ranked = checked(read, self.asked)
        client = rerank.RERANK_CLIENTS[_RERANK_CLIENT]
        return client.write_response(ranked, request=self.asked), ranked.usage


def is_foreign(call: Call, deployment: Deployment) -> bool:
    """Are these vectors asked of a provider that does not say it as clients do?"""
    dialect, type = _family(deployment), deployment.provider.type
    if dialect not in _OPENAI_SHAPED:
        return True
    if call.endpoint.operation == "embedding":
        return embeddings.embedding_dialect(type, dialect, "") != _CLIENT
    return rerank.rerank_dialect(type, dialect) != _RERANK_CLIENT


def _family(deployment: Deployment) -> str:
    """The dialect of chat whose relatives are spoken: OpenAI's, where that is offered."""
    speaks = deployment.speaks
    return next((dialect for dialect in speaks if dialect in _OPENAI_SHAPED), speaks[0])


def embedded(
    call: Call, deployment: Deployment, address: Address, unsupported: Unsupported | None
) -> Embedded:
    """Raises `NotSupported` for a deployment that makes no vectors. What cannot be said goes to
    `unsupported`; without one it is dropped and named.
    """
    family = _family(deployment)
    name = embeddings.embedding_dialect(deployment.provider.type, family, deployment.model)
    if name is None:
        raise NotSupported(f"{deployment.id} makes no embeddings; ask for an embedding model.")
    dialect = embeddings.EMBEDDING_DIALECTS[name]
    asked = embeddings.EMBEDDING_CLIENTS[_CLIENT].read_request(call.request.body)
    wanted = msgspec.structs.replace(asked, model=deployment.model)
    parts = batches(wanted, dialect.MAX_INPUTS)
    write = unsupported or _dropping(call)
    first, *more = [address(name, dialect.write_request(part, unsupported=write)) for part in parts]
    return Embedded(first, tuple(more), dialect, asked, parts)


def ranked(
    call: Call, deployment: Deployment, address: Address, unsupported: Unsupported | None
) -> Ranked:
    name = rerank.rerank_dialect(deployment.provider.type, _family(deployment))
    dialect = rerank.RERANK_DIALECTS[name]
    asked = rerank.RERANK_CLIENTS[_RERANK_CLIENT].read_request(call.request.body)
    wanted = msgspec.structs.replace(asked, model=deployment.model)
    body = dialect.write_request(wanted, unsupported=unsupported or _dropping(call))
    return Ranked(address(name, body), dialect, asked)


def _dropping(call: Call) -> Unsupported:
    dropped = Dropped()
    call.dropped_params = dropped.names
    return dropped
