"""Cohere's own API, version 2: chat, embed, rerank.

https://docs.cohere.com/reference/chat, …/reference/embed and …/reference/rerank (2026-11-23).
"""

from typing import Final

from portico.providers.auth import authorize
from portico.providers.base import Task
from portico.providers.heads import EVENT_STREAM, no_address, request
from portico.types.credential import Credential
from portico.types.deployment import Deployment
from portico.types.http import Headers, HttpRequest, Timeouts

_PATHS: Final = {"chat": "/v2/chat", "embedding": "/v2/embed", "rerank": "/v2/rerank"}


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
    """People give the address with `/v1`, `/v2` or the compatibility API's end, or with none."""
    provider = deployment.provider
    base = provider.base_path
    for known in ("/compatibility/v1", "/v1", "/v2"):
        base = base.removesuffix(known)
    if task.dialect in ("cohere_chat", "cohere_embed", "cohere_rerank"):
        path = _PATHS.get(task.operation)
    else:
        path = f"/compatibility/v1{task.path}" if task.path is not None else None
    if path is None:
        raise no_address(task, provider)
    return request(
        provider,
        base + path,
        authorize(credential, "authorization"),
        body,
        forwarded=forwarded,
        timeouts=timeouts,
        stream_types=EVENT_STREAM if task.stream else (),
    )
