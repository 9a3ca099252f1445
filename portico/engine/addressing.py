"""Where a request goes, and what proves who sends it: by the provider's own module, or as usual."""

from portico.engine.snapshot import Target
from portico.errors import NotSupported
from portico.providers import anthropic, cohere, gemini, ollama, openai_compatible
from portico.providers.addresses import ANTHROPIC_FORWARDED
from portico.providers.base import Preparer, Task
from portico.providers.heads import TRACE, SteadyHead
from portico.types.call import Call
from portico.types.http import HttpRequest


def address(
    call: Call, target: Target, task: Task, body: bytes, stream_types: tuple[bytes, ...]
) -> HttpRequest:
    """Address and credential: the provider's own module where it has one, else the usual way."""
    timeouts = call.timeouts or call.route.timeouts
    steady = target.steady_heads.get(task) if target.steady_heads else None
    if steady is not None and steady.fits(target.credential, call.request.headers):
        return steady.request(body, timeouts)
    preparer = target.preparer(task.dialect) or _USUAL.get(task.dialect)
    if preparer is not None:
        made = preparer.prepare(
            target.addressed(task.dialect),
            task,
            body,
            target.credential,
            now=call.at,
            forwarded=call.request.headers,
            timeouts=timeouts,
        )
        varies_by = _STEADY.get(preparer)
        if varies_by is not None:
            _keep_head(call, target, task, made, varies_by)
        return made
    path = task.path or PATHS.get(task.dialect)
    if path is None:
        raise NotSupported(
            f"{target.deployment.id} speaks {task.dialect}, and its provider type says no address "
            "for that; set `dialect` to what it speaks."
        )
    head = openai_compatible.head(target.head_prefix(path), body, _forwarded(call))
    made = HttpRequest(target.deployment.provider.origin, head, body, timeouts, stream_types)
    _keep_head(call, target, task, made, openai_compatible.FORWARDED)
    return made


def _keep_head(
    call: Call, target: Target, task: Task, made: HttpRequest, varies_by: tuple[bytes, ...]
) -> None:
    """Make the next request for this task with the same head, unless this one was special."""
    steady = SteadyHead(made, target.credential, varies_by)
    if steady.fits(target.credential, call.request.headers):
        target.steady_heads[task] = steady


_STEADY: dict[Preparer, tuple[bytes, ...]] = {
    anthropic: ANTHROPIC_FORWARDED,
    cohere: TRACE,
    gemini: TRACE,
    ollama: ANTHROPIC_FORWARDED,
}
"""Whose heads follow from deployment, task and credential alone, unless the client sends one of
these fields; and whose bodies go as they are."""

_USUAL: dict[str, Preparer] = {
    "anthropic_messages": anthropic,
    "cohere_chat": cohere,
    "cohere_embed": cohere,
    "gemini_generate": gemini,
    "gemini_embed": gemini,
    "ollama_chat": ollama,
    "ollama_embed": ollama,
}
"""Who makes requests in a dialect to a provider that has no module of its own: it speaks that
dialect at the usual places.
"""

PATHS = {"openai_chat": "/chat/completions", "openai_responses": "/responses"}
"""What is asked under a provider's address where no module says otherwise."""


def _forwarded(call: Call) -> bytes:
    headers = call.request.headers
    lines = b""
    for name in openai_compatible.FORWARDED:
        value = headers.get(name)
        if value is not None:
            lines += b"%b: %b\r\n" % (name, value)
    return lines
