"""IBM watsonx.ai: in IBM Cloud, or in a Cloud Pak for Data of one's own.

https://cloud.ibm.com/apidocs/watsonx-ai (2026-11-23). Every address says a version, a date; every
body, whose project or deployment space pays. A model `deployment/<id>` is one that was deployed in
a space, which then pays; it has chat alone.
"""

from typing import Final
from urllib.parse import quote

from portico.providers.auth import authorize
from portico.providers.base import Task
from portico.providers.bodies import edited
from portico.providers.heads import EVENT_STREAM, no_address, request, segment
from portico.types.credential import Credential
from portico.types.deployment import Deployment, Provider
from portico.types.http import Headers, HttpRequest, Timeouts

VERSION: Final = "2025-04-23"
_PATHS: Final = {
    ("watsonx_chat", "chat"): "text/chat",
    ("watsonx_embed", "embedding"): "text/embeddings",
    ("watsonx_rerank", "rerank"): "text/rerank",
}
_DEPLOYMENT: Final = "deployment/"


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
    path = _PATHS.get((task.dialect, task.operation))
    is_deployed = deployment.model.startswith(_DEPLOYMENT)
    if path is None or (is_deployed and task.operation != "chat"):
        raise no_address(task, provider)
    if task.stream:
        path += "_stream"
    if is_deployed:
        id = segment(deployment.model.removeprefix(_DEPLOYMENT))
        path = f"deployments/{id}/{path}"
        body = edited(body, without=("model_id",), first={})
    else:
        body = edited(body, without=(), first=_payer(provider))
    version = quote(provider.api_version or VERSION, safe="")
    return request(
        provider,
        f"{provider.base_path.removesuffix('/ml/v1')}/ml/v1/{path}?version={version}",
        authorize(credential, "authorization"),
        body,
        forwarded=forwarded,
        timeouts=timeouts,
        stream_types=EVENT_STREAM if task.stream else (),
    )


def _payer(provider: Provider) -> dict[str, object]:
    for name in ("project_id", "space_id"):
        value = provider.setting(name)
        if value is not None:
            return {name: value}
    return {}
