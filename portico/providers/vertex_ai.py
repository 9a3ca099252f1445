"""Google Vertex AI: Gemini, Claude, vectors, and OpenAI's protocol for everything else.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/projects.locations.publishers.models,
…/docs/partner-models/claude/use-claude and https://platform.claude.com/docs/en/api/claude-on-vertex-ai
(2026-11-23). An address ends in `/v1/projects/<project>/locations/<location>`; with an API key
instead of a token (express mode) it is `https://aiplatform.googleapis.com/v1`.
"""

from typing import Final

from portico.providers.addresses import ANTHROPIC_FORWARDED, GEMINI_METHODS, GEMINI_STREAM
from portico.providers.auth import authorize
from portico.providers.base import Task
from portico.providers.bodies import edited
from portico.providers.heads import EVENT_STREAM, TRACE, no_address, request, segment
from portico.types.credential import Credential
from portico.types.deployment import Deployment
from portico.types.http import Headers, HttpRequest, Timeouts
from portico.wire.gemini_generate.vertex import for_vertex

ANTHROPIC_VERSION: Final = "vertex-2023-10-16"
_WIDE: Final = frozenset({"us", "eu"})
"""Places that are several regions."""


def base_url(project: str, location: str) -> str:
    """The address of a project's models in a region, in a continent, or wherever there is room."""
    if location == "global":
        host = "aiplatform.googleapis.com"
    elif location in _WIDE:
        host = f"aiplatform.{location}.rep.googleapis.com"
    else:
        host = f"{location}-aiplatform.googleapis.com"
    return f"https://{host}/v1/projects/{segment(project)}/locations/{segment(location)}"


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
    passed: tuple[bytes, ...] = TRACE
    match task.dialect, task.operation:
        case "gemini_generate", "chat" | "count_tokens":
            method = GEMINI_STREAM if task.stream else GEMINI_METHODS[task.operation]
            path = f"{_model(deployment.model, 'google')}:{method}"
            body = for_vertex(body)
        case "anthropic_messages", "chat":
            method = "streamRawPredict" if task.stream else "rawPredict"
            path = f"{_model(deployment.model, 'anthropic')}:{method}"
            body = edited(body, without=("model",), first={"anthropic_version": ANTHROPIC_VERSION})
            passed = _WITHOUT_VERSION
        case "anthropic_messages", "count_tokens":
            path = "/publishers/anthropic/models/count-tokens:rawPredict"
            body = edited(body, without=(), first={"anthropic_version": ANTHROPIC_VERSION})
            passed = _WITHOUT_VERSION
        case "vertex_embed" | "vertex_embed_single", "embedding":
            path = f"{_model(deployment.model, 'google')}:predict"
        case "vertex_embed_content", "embedding":
            path = f"{_model(deployment.model, 'google')}:embedContent"
        case "openai_chat", "chat":
            path = "/endpoints/openapi/chat/completions"
        case _:
            raise no_address(task, provider)
    base = provider.base_path.removesuffix("/endpoints/openapi")
    return request(
        provider,
        base + path,
        authorize(credential, "x-goog-api-key"),
        body,
        forwarded=forwarded,
        timeouts=timeouts,
        passed=passed,
        stream_types=EVENT_STREAM if task.stream else (),
    )


_WITHOUT_VERSION: Final = tuple(
    name for name in ANTHROPIC_FORWARDED if name != b"anthropic-version"
)


def _model(model: str, publisher: str) -> str:
    """`publishers/<publisher>/models/<name>`, `endpoints/<id>`, or a bare name of `publisher`."""
    parts = model.split("/")
    match parts:
        case ["publishers", owner, "models", name]:
            return f"/publishers/{segment(owner)}/models/{segment(name, '@')}"
        case ["endpoints", id]:
            return f"/endpoints/{segment(id)}"
        case [owner, name] if owner == publisher:
            return f"/publishers/{publisher}/models/{segment(name, '@')}"
        case _:
            return f"/publishers/{publisher}/models/{segment(model, '@')}"
