"""Ollama's own API, on a machine of the operator or at ollama.com.

https://docs.ollama.com/api (2026-11-23). Streams are JSON, a line each.
"""

from typing import Final

from portico.providers.addresses import ANTHROPIC_FORWARDED, add_anthropic_version
from portico.providers.auth import authorize
from portico.providers.base import Task
from portico.providers.heads import EVENT_STREAM, TRACE, no_address, request
from portico.types.credential import Credential
from portico.types.deployment import Deployment
from portico.types.http import Headers, HttpRequest, Timeouts

_PATHS: Final = {"chat": "/api/chat", "embedding": "/api/embed"}
_LINES: Final = (b"application/x-ndjson", b"application/json")


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
    """People give the address with `/v1` (as for OpenAI's protocols), with `/api`, or bare."""
    provider = deployment.provider
    base = provider.base_path.removesuffix("/v1").removesuffix("/api")
    fields = authorize(credential, "authorization")
    passed: tuple[bytes, ...] = TRACE
    is_own = task.dialect in ("ollama_chat", "ollama_embed")
    if is_own:
        has_own = task.path is not None and task.path.startswith("/api/")
        path = task.path if has_own else _PATHS.get(task.operation)
    elif task.dialect == "anthropic_messages" and task.operation == "chat":
        path, passed = "/v1/messages", ANTHROPIC_FORWARDED
        add_anthropic_version(fields, forwarded, provider.headers)
    else:
        path = f"/v1{task.path}" if task.path is not None else None
    if path is None:
        raise no_address(task, provider)
    return request(
        provider,
        base + path,
        fields,
        body,
        forwarded=forwarded,
        timeouts=timeouts,
        passed=passed,
        stream_types=(_LINES if is_own else EVENT_STREAM) if task.stream else (),
    )
