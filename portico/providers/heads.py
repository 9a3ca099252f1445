"""Heads of requests to providers, and the path segments that models are in."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from portico.errors import ModelNotFound, NotSupported
from portico.providers.auth import Fields
from portico.providers.base import Task
from portico.types.credential import Credential
from portico.types.deployment import Provider
from portico.types.http import Headers, HttpRequest, Origin, Timeouts

TRACE: Final = (b"traceparent", b"tracestate")
EVENT_STREAM: Final = (b"text/event-stream",)
_FIXED: Final = frozenset(
    {"host", "user-agent", "content-type", "accept-encoding", "content-length"}
)
"""Fields that are the gateway's own in every request."""


def request(
    provider: Provider,
    target: str,
    fields: Fields,
    body: bytes,
    *,
    forwarded: Headers,
    timeouts: Timeouts,
    passed: Iterable[bytes] = TRACE,
    origin: Origin | None = None,
    stream_types: tuple[bytes, ...] = (),
    method: str = "POST",
) -> HttpRequest:
    """`target` is path and query as they go on the wire; `fields` come before the provider's own.

    `passed` names the client's fields that go on; `origin` overrides the provider's.
    """
    origin = origin or provider.origin
    taken = [name for name, _ in fields]
    lines = [f"{name}: {value}\r\n" for name, value in fields]
    for name in passed:
        value = forwarded.get(name)
        if value is not None and (key := name.decode()) not in taken and key not in _FIXED:
            taken.append(key)
            lines.append(f"{key}: {value.decode('latin-1')}\r\n")
    for key, text in provider.headers:
        if (lowered := key.lower()) not in taken and lowered not in _FIXED:
            lines.append(f"{key}: {text}\r\n")
    head = (
        f"{method} {target} HTTP/1.1\r\nhost: {origin.authority}\r\nuser-agent: portico\r\n"
        f"content-type: application/json\r\naccept-encoding: identity\r\n{''.join(lines)}"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return HttpRequest(origin, head.encode("latin-1"), body, timeouts, stream_types)


class SteadyHead:
    """The head of one request, for others that differ in nothing but their bodies."""

    __slots__ = ("_credential", "_origin", "_prefix", "_stream_types", "_varies_by")

    def __init__(
        self, made: HttpRequest, credential: Credential | None, varies_by: tuple[bytes, ...]
    ) -> None:
        self._prefix = made.head.removesuffix(b"%d\r\n\r\n" % len(made.body))
        self._origin = made.origin
        self._stream_types = made.stream_types
        self._credential = credential
        self._varies_by = frozenset(varies_by)

    def fits(self, credential: Credential | None, forwarded: Headers) -> bool:
        """Would a request with this credential, for a client that sent these fields, have it?"""
        return credential is self._credential and self._varies_by.isdisjoint(forwarded)

    def request(self, body: bytes, timeouts: Timeouts) -> HttpRequest:
        head = b"%b%d\r\n\r\n" % (self._prefix, len(body))
        return HttpRequest(self._origin, head, body, timeouts, self._stream_types)


@lru_cache(maxsize=1024)
def segment(model: str, safe: str = "") -> str:
    """The model as one segment of a path; a name that would change the path is no model."""
    if not model or model in (".", ".."):
        raise ModelNotFound(f"{model!r} cannot be the name of a model", param="model")
    return quote(model, safe=safe)


def no_address(task: Task, provider: Provider) -> NotSupported:
    return NotSupported(
        f"the provider {provider.name} ({provider.type}) has no address for {task.operation} in "
        f"the dialect {task.dialect}; set another `dialect` for it, or ask another provider"
    )
