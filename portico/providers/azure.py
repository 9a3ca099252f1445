"""Azure OpenAI and Microsoft Foundry: two generations of addresses, keys or Entra ID.

https://learn.microsoft.com/en-us/azure/ai-foundry/openai/api-version-lifecycle, …/openai/reference,
…/foundry-models/concepts/endpoints and
https://platform.claude.com/docs/en/build-with-claude/claude-in-microsoft-foundry (2026-11-23).
The v1 API has OpenAI's paths below `/openai/v1`, and the model of the body is the deployment.
Before it the deployment was in the path and an `api-version` in the query; with `api_version` set
and no `/v1` in the address, that is what is sent. Claude is below `/anthropic`, rerankers of Cohere
below `/providers/cohere`.
"""

from typing import Final
from urllib.parse import quote

from portico.providers.addresses import (
    ANTHROPIC_FORWARDED,
    ANTHROPIC_PATHS,
    add_anthropic_version,
)
from portico.providers.auth import authorize
from portico.providers.base import Task
from portico.providers.heads import EVENT_STREAM, TRACE, no_address, request, segment
from portico.types.credential import Credential
from portico.types.deployment import Deployment, Provider
from portico.types.http import Headers, HttpRequest, Timeouts

_OPENAI: Final = frozenset({"openai_chat", "openai_embeddings", "openai_responses"})
_WITHOUT_DEPLOYMENT: Final = frozenset({"response"})
"""Operations whose deployment is named in the body, in either generation."""
_FORWARDED: Final = (b"openai-beta", b"x-ms-client-request-id", *TRACE)


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
    fields = authorize(credential, "api-key")
    passed = _FORWARDED
    if task.dialect == "anthropic_messages" and task.operation in ANTHROPIC_PATHS:
        target = f"{_root(provider)}/anthropic/v1{ANTHROPIC_PATHS[task.operation]}"
        add_anthropic_version(fields, forwarded, provider.headers)
        passed = ANTHROPIC_FORWARDED
    elif task.operation == "rerank" and task.dialect == "cohere_rerank":
        target = f"{_root(provider)}/providers/cohere/v2/rerank"
    elif task.dialect in _OPENAI and task.path is not None:
        target = _openai_target(deployment, task, task.path)
    else:
        raise no_address(task, provider)
    return request(
        provider,
        target,
        fields,
        body,
        forwarded=forwarded,
        timeouts=timeouts,
        passed=passed,
        stream_types=EVENT_STREAM if task.stream else (),
    )


def _openai_target(deployment: Deployment, task: Task, path: str) -> str:
    provider = deployment.provider
    base = provider.base_path
    version = provider.api_version
    query = f"?api-version={quote(version, safe='')}" if version else ""
    if base.endswith("/v1"):
        return f"{base}{path}{query}"
    if not version:
        return f"{_root(provider)}/openai/v1{path}"
    if base.endswith("/models"):  # Foundry's model inference API, before v1
        return f"{base}{path}{query}"
    root = f"{_root(provider)}/openai"
    if task.operation in _WITHOUT_DEPLOYMENT:
        return f"{root}{path}{query}"
    return f"{root}/deployments/{segment(deployment.model)}{path}{query}"


def _root(provider: Provider) -> str:
    """The address up to where the APIs part: people give it with any of these ends, or none."""
    path = provider.base_path
    for known in ("/openai", "/anthropic", "/models"):
        at = path.find(known)
        if at >= 0 and path[at + len(known) : at + len(known) + 1] in ("", "/"):
            return path[:at]
    return path
