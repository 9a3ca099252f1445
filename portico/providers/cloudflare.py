"""Cloudflare Workers AI: OpenAI's protocols below `/ai/v1`, everything else at `/ai/run/<model>`.

https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility/ and
…/get-started/rest-api/ (2026-11-23). The account is part of the address.
"""

from portico.providers.auth import authorize
from portico.providers.base import Task
from portico.providers.heads import no_address, request, segment
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
    if task.dialect != "cloudflare_rerank":
        raise no_address(task, provider)
    model = "/".join([segment(part, "@") for part in deployment.model.split("/")])
    return request(
        provider,
        f"{provider.base_path.removesuffix('/v1')}/run/{model}",
        authorize(credential, "authorization"),
        body,
        forwarded=forwarded,
        timeouts=timeouts,
    )
