"""Voyage AI: one address for texts, another for models that take pictures.

https://docs.voyageai.com/reference/embeddings-api, …/multimodal-embeddings-api-1 and
…/reranker-api (2026-11-23).
"""

from typing import Final

from portico.providers.auth import authorize
from portico.providers.base import Task
from portico.providers.heads import no_address, request
from portico.types.credential import Credential
from portico.types.deployment import Deployment
from portico.types.http import Headers, HttpRequest, Timeouts

_PATHS: Final = {
    "voyage_embed": "/embeddings",
    "voyage_multimodal": "/multimodalembeddings",
    "voyage_rerank": "/rerank",
}


def prepare(
    deployment: Deployment,
    task: Task,
    body: bytes,
    credential: Credential | None,
    *,
    now: float,
    forwarded: Headers,
    timeouts: Timeouts,
) -> HttpRequest:
    provider = deployment.provider
    path = _PATHS.get(task.dialect)
    if path is None:
        raise no_address(task, provider)
    return request(
        provider,
        provider.base_path + path,
        authorize(credential, "authorization"),
        body,
        forwarded=forwarded,
        timeouts=timeouts,
    )
