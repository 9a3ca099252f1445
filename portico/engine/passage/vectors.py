"""Embeddings and rerank, between clients and providers that say it in their own ways.

The same idea as a translated chat: the request is read once, written for this provider, and the
answer is read and written back. Where a provider takes few inputs at once, one call becomes several
requests, sent one after the other, and one answer. Where both sides say it alike, bytes pass.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from portico.engine.addressing import address
from portico.engine.passage.straight import Straight, adapted, straight
from portico.engine.snapshot import Target
from portico.errors import NotSupported, UpstreamError
from portico.providers.base import Task
from portico.types.call import Call
from portico.types.deployment import Deployment, Operation
from portico.types.embeddings import EmbeddingRequest
from portico.types.http import HttpHead, HttpRequest, HttpResponse
from portico.types.rerank import RerankRequest
from portico.types.usage import Usage
from portico.wire import envelope
from portico.wire.base import Dropped, Unsupported, refuse
from portico.wire.embeddings import table as embeddings
from portico.wire.embeddings.base import EmbeddingDialect, NativeVectors, batches, count, join
from portico.wire.mistral_clients import is_mistrals
from portico.wire.ollama_chat import dialect as ollama_chat
from portico.wire.rerank import table as rerank
from portico.wire.rerank.base import RerankDialect, checked
from portico.wire.table import PROVIDER_DIALECTS

_OPENAI_SHAPED: Final = frozenset({"openai_chat", "openai_responses"})
_OPENAI: Final = "openai_embeddings"
_RERANK_V1: Final = "rerank_v1"
_OWN_WORDS: Final = {
    "jina_embed": (
        b'"task"',
        b'"embedding_type"',
        b'"late_chunking"',
        b'"normalized"',
        b'"return_multivector"',
    ),
    "voyage_embed": (b'"output_dimension"', b'"output_dtype"', b'"truncation"'),
}
"""What only a client of Jina's or Voyage's says at the place that both share with OpenAI's."""
_COHERES: Final = (b'"max_tokens_per_doc"', b'"max_chunks_per_doc"', b'"rank_fields"')
"""What a client of Cohere's says to rank, and Jina does not know."""

_PATHS: Final[dict[Operation, str]] = {"embedding": "/embeddings", "rerank": "/rerank"}
"""Where OpenAI, and whoever speaks alike, is asked."""

Address = Callable[[str, bytes], HttpRequest]
"""Makes the request to the provider out of the dialect's name and a body."""


class Embedded(msgspec.Struct):
    """The vectors of one call; `more` are the requests after the first, `answers` what came."""

    upstream: HttpRequest
    more: tuple[HttpRequest, ...]
    dialect: EmbeddingDialect
    errors: str
    shape: str
    id: str
    asked: EmbeddingRequest
    parts: tuple[EmbeddingRequest, ...]
    answers: list[HttpResponse] = []
    tap: None = None
    content_type: bytes | None = b"application/json"
    passes_errors: bool = False

    def read_error(self, head: HttpHead, body: bytes) -> UpstreamError:
        return PROVIDER_DIALECTS[self.errors].read_error(head, body)

    def whole(self, body: bytes) -> tuple[bytes, Usage | None]:
        read = [
            count(self.dialect.read_response(answer.body, headers=answer.head.headers), part)
            for answer, part in zip(self.answers, self.parts, strict=True)
        ]
        joined = join(read)
        client = embeddings.EMBEDDING_SHAPES[self.shape]
        return client.write_response(joined, request=self.asked, id=self.id), joined.usage


class Ranked(msgspec.Struct):
    """Documents in the order that the provider gave them."""

    upstream: HttpRequest
    dialect: RerankDialect
    errors: str
    shape: str
    id: str
    asked: RerankRequest
    more: tuple[HttpRequest, ...] = ()
    answers: list[HttpResponse] = []
    tap: None = None
    content_type: bytes | None = b"application/json"
    passes_errors: bool = False

    def read_error(self, head: HttpHead, body: bytes) -> UpstreamError:
        return PROVIDER_DIALECTS[self.errors].read_error(head, body)

    def whole(self, body: bytes) -> tuple[bytes, Usage | None]:
        (answer,) = self.answers
        read = self.dialect.read_response(answer.body, headers=answer.head.headers)
        ranked = checked(read, self.asked)
        client = rerank.RERANK_SHAPES[self.shape]
        return client.write_response(ranked, request=self.asked, id=self.id), ranked.usage


def plan(call: Call, target: Target) -> Straight | Embedded | Ranked:
    deployment = target.deployment
    name = _spoken(call, deployment)
    if _passes(call, deployment, name):
        own = _native(call)
        return straight(call, target) if own is None else _same(call, target, own)
    operation = call.endpoint.operation

    def to(dialect: str, body: bytes) -> HttpRequest:
        task = Task(operation, dialect, path=_PATHS[operation])
        return address(call, target, task, body, ())

    make = _embedded if operation == "embedding" else _ranked
    return make(call, deployment, name, to, refuse if call.refuses_unsupported else None)


def _same(call: Call, target: Target, own: NativeVectors) -> Straight:
    """Vectors and ranks whose bytes pass, in other words than OpenAI's."""
    endpoint = call.endpoint
    body = call.request.body
    if own.rename is not None:
        body = own.rename(body, target.deployment.model)
    else:
        body = envelope.splice(body, call.envelope, target.model_json, add_usage=False)
    is_ollamas = endpoint.dialect == ollama_chat.NAME
    path = endpoint.path if is_ollamas else _PATHS[endpoint.operation]
    task = Task(endpoint.operation, own.dialect, path=path, method=own.method)
    errors = _error_dialect(call, target.deployment, own.dialect)
    return Straight(
        address(call, target, task, adapted(call, target.deployment.provider, body), ()),
        None,
        endpoint.operation,
        PROVIDER_DIALECTS[errors].read_error,
        passes_errors=errors == endpoint.dialect,
        read_usage=own.read_usage,
    )


def _spoken(call: Call, deployment: Deployment) -> str:
    """What the deployment speaks when it is asked for vectors, or to rank.

    Raises `NotSupported` for one that makes no vectors.
    """
    family, type = _family(call, deployment), deployment.provider.type
    if call.endpoint.operation == "rerank":
        return rerank.rerank_dialect(type, family)
    name = embeddings.embedding_dialect(type, family, deployment.model)
    if name is None:
        raise NotSupported(f"{deployment.id} makes no embeddings; ask for an embedding model.")
    return name


def _family(call: Call, deployment: Deployment) -> str:
    """The dialect of chat whose relatives are spoken: the client's own where it is offered, else
    OpenAI's.
    """
    speaks = deployment.speaks
    if call.endpoint.dialect in speaks:
        return call.endpoint.dialect
    return next((dialect for dialect in speaks if dialect in _OPENAI_SHAPED), speaks[0])


def _passes(call: Call, deployment: Deployment, name: str) -> bool:
    """Does the client say it as the deployment does, which speaks `name`?"""
    shape = call.endpoint.shape
    if shape == _RERANK_V1:
        if name == "jina_rerank":
            return not any(mark in call.request.body for mark in _COHERES)
        return name == "cohere_rerank" and _family(call, deployment) in _OPENAI_SHAPED
    if shape == _OPENAI:
        if is_mistrals(call.request.headers) and not deployment.provider.for_mistrals_sdk:
            return False
        words = _OWN_WORDS.get(name, ())
        return name == _OPENAI or any(word in call.request.body for word in words)
    found = _native(call)
    return found is not None and found.dialect == name


def _native(call: Call) -> NativeVectors | None:
    """How bytes of this shape pass, where they do not as OpenAI's do."""
    shape = call.endpoint.shape or ""
    return embeddings.NATIVE_VECTORS.get(shape) or rerank.NATIVE_RANKS.get(shape)


def _error_dialect(call: Call, deployment: Deployment, name: str) -> str:
    """The chat dialect that reads this deployment's errors when it speaks `name`: who ranks as
    Cohere does and is otherwise like OpenAI fails like OpenAI.
    """
    family = _family(call, deployment)
    if name == "cohere_rerank" and family in _OPENAI_SHAPED:
        return family
    return embeddings.ERRORS_OF.get(name) or rerank.ERRORS_OF[name]


def _embedded(
    call: Call,
    deployment: Deployment,
    name: str,
    address: Address,
    unsupported: Unsupported | None,
) -> Embedded:
    """What cannot be said goes to `unsupported`; without one it is dropped and named."""
    dialect = embeddings.EMBEDDING_DIALECTS[name]
    shape = call.endpoint.shape or _OPENAI
    asked = embeddings.EMBEDDING_SHAPES[shape].read_request(call.request.body)
    wanted = msgspec.structs.replace(asked, model=deployment.model)
    parts = batches(wanted, dialect.MAX_INPUTS)
    write = unsupported or _dropping(call)
    first, *more = [address(name, dialect.write_request(part, unsupported=write)) for part in parts]
    errors = _error_dialect(call, deployment, name)
    return Embedded(first, tuple(more), dialect, errors, shape, call.request_id, asked, parts)


def _ranked(
    call: Call,
    deployment: Deployment,
    name: str,
    address: Address,
    unsupported: Unsupported | None,
) -> Ranked:
    dialect = rerank.RERANK_DIALECTS[name]
    shape = call.endpoint.shape or _RERANK_V1
    asked = rerank.RERANK_SHAPES[shape].read_request(call.request.body)
    wanted = msgspec.structs.replace(asked, model=deployment.model)
    body = dialect.write_request(wanted, unsupported=unsupported or _dropping(call))
    errors = _error_dialect(call, deployment, name)
    return Ranked(address(name, body), dialect, errors, shape, call.request_id, asked)


def _dropping(call: Call) -> Unsupported:
    dropped = Dropped()
    call.dropped_params = dropped.names
    return dropped
