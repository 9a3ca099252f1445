"""Hugging Face: chat by the router, vectors by the task route of its own inference.

https://huggingface.co/docs/inference-providers/index and …/tasks/feature-extraction (2026-11-23). A
model may say who runs it (`org/model:provider`); vectors are asked of `hf-inference` alone, since
each of the others has a protocol of its own for them.
"""

from typing import Final

from portico.errors import ModelNotFound
from portico.providers.auth import authorize
from portico.providers.base import Task
from portico.providers.heads import no_address, request, segment
from portico.types.credential import Credential
from portico.types.deployment import Deployment
from portico.types.http import Headers, HttpRequest, Timeouts

_OWN: Final = "hf-inference"


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
    if task.dialect != "huggingface_features":
        raise no_address(task, provider)
    name, _, runner = deployment.model.partition(":")
    if runner not in ("", _OWN):
        raise ModelNotFound(
            f"vectors of {name} are made by {_OWN} alone, not by {runner}; leave `:{runner}` out",
            param="model",
        )
    model = "/".join([segment(part) for part in name.split("/")])
    root = provider.base_path.removesuffix("/v1")
    return request(
        provider,
        f"{root}/{_OWN}/models/{model}/pipeline/feature-extraction",
        authorize(credential, "authorization"),
        body,
        forwarded=forwarded,
        timeouts=timeouts,
    )
