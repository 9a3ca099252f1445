"""Anthropic's own API: Messages and token counting.

https://platform.claude.com/docs/en/api/overview, …/api/versioning and …/api/beta-headers
(2026-11-23). A key travels as `x-api-key`, an OAuth token as bearer; the client's
`anthropic-version` and `anthropic-beta` go on.
"""

from portico.providers.addresses import (
    ANTHROPIC_FORWARDED,
    ANTHROPIC_PATHS,
    add_anthropic_version,
)
from portico.providers.auth import authorize
from portico.providers.base import Task
from portico.providers.heads import EVENT_STREAM, no_address, request
from portico.types.credential import Credential
from portico.types.deployment import Deployment
from portico.types.http import Headers, HttpRequest, Timeouts


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
    if task.dialect == "openai_chat" and task.operation == "chat":
        # The compatibility endpoint knows keys as OpenAI's clients send them.
        path, key_field = "/chat/completions", "authorization"
    elif task.dialect == "anthropic_messages" and task.operation in ANTHROPIC_PATHS:
        path = ANTHROPIC_PATHS[task.operation]
        key_field = "authorization" if provider.auth == "bearer" else "x-api-key"
    else:
        raise no_address(task, provider)
    base = provider.base_path if provider.base_path.endswith("/v1") else f"{provider.base_path}/v1"
    fields = authorize(credential, key_field)
    add_anthropic_version(fields, forwarded, provider.headers)
    return request(
        provider,
        base + path,
        fields,
        body,
        forwarded=forwarded,
        timeouts=timeouts,
        passed=ANTHROPIC_FORWARDED,
        stream_types=EVENT_STREAM if task.stream else (),
    )
