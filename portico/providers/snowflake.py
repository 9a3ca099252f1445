"""Snowflake Cortex: OpenAI's and Anthropic's protocols below one address, vectors beside them.

https://docs.snowflake.com/en/user-guide/snowflake-cortex/cortex-rest-api and
…/developer-guide/snowflake-rest-api/authentication (2026-11-23). Whatever the credential is, it is
a bearer token; what kind it is may be said, and is where it was made or asked for here.
"""

from typing import Final

from portico.providers.addresses import ANTHROPIC_FORWARDED, add_anthropic_version
from portico.providers.auth import authorize
from portico.providers.base import Task
from portico.providers.heads import EVENT_STREAM, no_address, request
from portico.providers.openai_compatible import FORWARDED
from portico.types.credential import AccessToken, Credential
from portico.types.deployment import Deployment, Provider
from portico.types.http import Headers, HttpRequest, Timeouts

_KIND: Final = "x-snowflake-authorization-token-type"


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
    fields = authorize(credential, "authorization")
    passed = FORWARDED
    match task.dialect, task.operation:
        case "snowflake_embed", "embedding":
            target = f"{provider.base_path.removesuffix('/v1')}/inference:embed"
        case "anthropic_messages", "chat":
            target = f"{provider.base_path}/messages"
            add_anthropic_version(fields, forwarded, provider.headers)
            passed = ANTHROPIC_FORWARDED
        case "openai_chat", "chat":
            target = f"{provider.base_path}/chat/completions"
        case _:
            raise no_address(task, provider)
    if isinstance(credential, AccessToken):
        fields.append((_KIND, _kind(provider)))
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


def _kind(provider: Provider) -> str:
    return "KEYPAIR_JWT" if provider.setting("private_key") else "OAUTH"
