"""Requests to the servers that hand out credentials: short time-outs, small answers, no secrets
in errors.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from portico.errors import ConfigError, UpstreamAuthentication, UpstreamUnavailable
from portico.http.base import Pool
from portico.types.http import HttpRequest, Origin, Timeouts

LOCAL: Final = Timeouts(connect=1.0, first_byte=3.0, first_event=3.0, idle=3.0, total=5.0)
"""For metadata servers, which are on this very machine, or not there at all."""
REMOTE: Final = Timeouts(connect=5.0, first_byte=10.0, first_event=10.0, idle=10.0, total=20.0)

Read = Callable[[str], str]
"""The text of a file; raises OSError."""

_MAX_ANSWER: Final = 256 * 1024
_DECODER: Final = msgspec.json.Decoder(dict[str, Any])
_ENCODER: Final = msgspec.json.Encoder()


async def ask(
    pool: Pool,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    timeouts: Timeouts = REMOTE,
    who: str,
) -> bytes:
    """The body of a 2xx answer; `who` names the server in errors.

    Raises UpstreamAuthentication where it refuses, UpstreamUnavailable where it fails, and what the
    pool raises where it cannot be reached.
    """
    origin, target = split(url, who)
    fields = {
        "host": origin.authority,
        "user-agent": "portico",
        "accept": "application/json",
        **(headers or {}),
        "content-length": str(len(body)),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    head = f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
    request = HttpRequest(origin, head, body, timeouts, (), _MAX_ANSWER)
    response = await pool.send(request)
    status = response.head.status
    if 200 <= status < 300:
        return response.body
    reason = f"{who} answered {status}{_reason(response.body)}"
    if status >= 500 or status in (408, 429):
        raise UpstreamUnavailable(
            f"no credential for the provider now: {reason}", upstream_status=status
        )
    raise UpstreamAuthentication(
        f"no credential for the provider: {reason}; the operator must mend it",
        upstream_status=status,
    )


async def ask_json(
    pool: Pool,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    json: object = None,
    timeouts: Timeouts = REMOTE,
    who: str,
) -> dict[str, Any]:
    """The same with an object for an answer, and a form or JSON for a body."""
    body = b""
    fields = dict(headers or {})
    if form is not None:
        body = urlencode(form).encode()
        fields["content-type"] = "application/x-www-form-urlencoded"
    elif json is not None:
        body = _ENCODER.encode(json)
        fields["content-type"] = "application/json"
    answer = await ask(pool, method, url, headers=fields, body=body, timeouts=timeouts, who=who)
    return decoded(answer, who)


def decoded(body: bytes, who: str) -> dict[str, Any]:
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamAuthentication(
            f"no credential for the provider: the answer of {who} is not a JSON object"
        ) from None


def text(answer: Mapping[str, Any], field: str, who: str) -> str:
    """A field that must be there; its value is never shown."""
    value = answer.get(field)
    if not isinstance(value, str) or not value:
        raise UpstreamAuthentication(
            f"no credential for the provider: the answer of {who} has no `{field}`"
        )
    return value


def seconds(value: Any) -> float | None:
    """A number of seconds, also as digits in a string (Azure)."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 13:
        return float(value)
    return float(value) if isinstance(value, int | float) and value >= 0 else None


def moment(written: str) -> float | None:
    """An ISO 8601 time as epoch seconds; without an offset it is UTC."""
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        return None
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()


def split(url: str, who: str) -> tuple[Origin, str]:
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        port = 0
    if parts.scheme not in ("http", "https") or not parts.hostname or not port:
        raise ConfigError(f"the address of {who} is not an http:// or https:// address")
    query = f"?{parts.query}" if parts.query else ""
    return Origin(parts.scheme, parts.hostname, port), (parts.path or "/") + query


def read_file(read: Read, path: str, setting: str) -> str:
    try:
        return read(path)
    except OSError as problem:
        raise ConfigError(f"{setting}: {path} cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{setting}: {path} cannot be read: it is not text") from None


def _reason(body: bytes) -> str:
    """The server's error code, which holds no secret; its prose might quote the request."""
    try:
        answer = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    names = ("error", "code", "Code", "errorCode")
    error = next((answer[name] for name in names if answer.get(name)), None)
    if isinstance(error, dict):
        error = error.get("status") or error.get("code")
    return f" ({error})" if isinstance(error, str) and len(error) <= 80 else ""
