"""Google AI Studio: the model is in the path, and so is what it shall do.

https://ai.google.dev/api/generate-content, …/api/tokens and …/api/embeddings (2026-11-23). The key
travels in a header, never in the query, where logs would keep it.
"""

from portico.providers.addresses import GEMINI_METHODS, GEMINI_STREAM
from portico.providers.auth import authorize
from portico.providers.base import Task
from portico.providers.heads import EVENT_STREAM, no_address, request, segment
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
    method = task.method or GEMINI_METHODS.get(task.operation)
    if task.dialect not in ("gemini_generate", "gemini_embed") or method is None:
        raise no_address(task, provider)
    if task.stream and task.operation == "chat":
        method = GEMINI_STREAM
    return request(
        provider,
        f"{provider.base_path}/{resource(deployment.model)}:{method}",
        authorize(credential, "x-goog-api-key"),
        body,
        forwarded=forwarded,
        timeouts=timeouts,
        stream_types=EVENT_STREAM if task.stream else (),
    )


def resource(model: str) -> str:
    """`models/…` and `tunedModels/…` as they are; a bare name is a model."""
    kind, slash, name = model.partition("/")
    if slash and kind in ("models", "tunedModels"):
        return f"{kind}/{segment(name)}"
    return f"models/{segment(model)}"
