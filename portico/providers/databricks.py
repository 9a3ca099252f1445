"""Databricks Model Serving: OpenAI's protocols, with a token of a service principal.

https://docs.databricks.com/aws/en/machine-learning/model-serving/score-foundation-models and
…/dev-tools/auth/oauth-m2m (2026-11-23). Nothing but the credential differs from any other that
speaks like OpenAI; with a personal access token it is a row of the catalog alone.
"""

from portico.providers.auth import authorize
from portico.providers.base import Task
from portico.providers.heads import EVENT_STREAM, no_address, request
from portico.providers.openai_compatible import FORWARDED
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
    path = task.path
    if path is None and task.dialect == "openai_chat" and task.operation == "chat":
        path = "/chat/completions"
    if path is None or not task.dialect.startswith("openai_"):
        raise no_address(task, provider)
    return request(
        provider,
        provider.base_path + path,
        authorize(credential, "authorization"),
        body,
        forwarded=forwarded,
        timeouts=timeouts,
        passed=FORWARDED,
        stream_types=EVENT_STREAM if task.stream else (),
    )
