"""Error bodies of OpenAI and of those who copied the shape, more or less.

https://developers.openai.com/api/docs/guides/error-codes and
https://openrouter.ai/docs/api-reference/errors (2026-11-23). Seen in the wild: `error` as a string,
`detail` (FastAPI: words, or a list of what is wrong where), either of them under `message`
(Mistral), `errors` with numbers for codes (Cloudflare,
https://developers.cloudflare.com/workers-ai/platform/errors/), `message` at the top, numeric codes,
`innererror` (Azure), an array around it all.
"""

from typing import Any, Final

from portico.errors import UpstreamError
from portico.types.chat import JsonObject
from portico.types.http import Headers, HttpHead
from portico.wire.front_doors import Heard, heard
from portico.wire.json_io import MalformedError, decode, encode
from portico.wire.upstream_errors import MAX_BODY, unread_error, upstream_error

_STATUS_BY_WORD: Final = {
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "insufficient_quota": 429,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "tokens": 429,
    "requests": 429,
    "server_error": 500,
    "internal_server_error": 500,
    "timeout": 504,
    "service_unavailable": 503,
    "service_unavailable_error": 503,
    "server_is_overloaded": 503,
    "overloaded_error": 529,
}


_CLOUDFLARE: Final = {3036: "quota_exceeded", 3042: "model_not_found", 5007: "model_not_found"}
"""Numbers of Workers AI that say more than their status."""
_MAX_FAULTS: Final = 3

_WORD_FIELDS: Final = ("code", "type", "status", "error_code")


def read_error(head: HttpHead, body: bytes, /) -> UpstreamError:
    if len(body) > MAX_BODY:
        return unread_error(head, body)
    try:
        value = decode(body)
    except MalformedError:
        return unread_error(head, body)
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return error_of(value, head.status, head.headers)
    error = value.get("error") or value.get("detail") or value.get("errors") or value
    if isinstance(error, list) and "errors" in value:
        error = error[0]
    return error_of(error, head.status, head.headers, around=value)


def error_of(
    error: Any, status: int, headers: Headers, *, around: JsonObject | None = None
) -> UpstreamError:
    """`error` is the inside of the envelope `around`; `status` below 300 asks the error itself for
    one.
    """
    outer = around or {}
    inner = error if isinstance(error, dict) else {}
    message, where = _words(error)
    if not message:
        message, where = _words(outer.get("message"))
    platform = heard(message) if isinstance(message, str) else None
    if platform is not None:
        return _of_platform(platform, status, headers)
    code, kind, param = inner.get("code"), inner.get("type"), inner.get("param")
    if outer.get("success") is False and isinstance(code, int):
        code = _CLOUDFLARE.get(code)
    return upstream_error(
        _own_status(status, (code, kind, inner.get("status"))),
        message,
        code=code if isinstance(code, str) else None,
        kind=kind if isinstance(kind, str) else None,
        also=_named(outer) + _named(inner),
        param=param if isinstance(param, str) else where,
        headers=headers,
        body=encode(outer or error),
    )


def _words(error: Any, depth: int = 3) -> tuple[str, str | None]:
    """What an error says, however deep it says it, and where in the request it sees the fault."""
    if isinstance(error, str) or not depth:
        return (error, None) if isinstance(error, str) else ("", None)
    if isinstance(error, list):
        said = [words for one in error[:_MAX_FAULTS] if (words := _words(one, depth - 1))[0]]
        return "; ".join([text for text, _ in said]), said[0][1] if said else None
    if not isinstance(error, dict):
        return "", None
    text, where = "", None
    for field in ("message", "msg", "detail", "error"):
        text, where = _words(error.get(field), depth - 1)
        if text:
            break
    place = _place(error.get("loc"))
    return (f"`{place}`: {text}", place) if text and place else (text, where)


def _place(loc: Any) -> str | None:
    """Pydantic's way to a value, `["body", "messages", 0, "name"]`, as `messages[0].name`."""
    if not isinstance(loc, list):
        return None
    steps = loc[1:] if loc[:1] == ["body"] else loc
    place = "".join([f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps])
    return place.lstrip(".")[:200] or None


def _of_platform(platform: Heard, status: int, headers: Headers) -> UpstreamError:
    """The error of the container that a platform answers for; only its own words may be passed."""
    if platform.quoted is not None:
        quoted = platform.quoted.encode()
        read = read_error(HttpHead(platform.status, headers), quoted)
        read.body = quoted
    else:
        read = upstream_error(
            platform.status, platform.message, code=platform.code, headers=headers
        )
        read.body = b""
    read.upstream_status = status
    return read


def _named(error: JsonObject) -> list[str]:
    """Every code and type in it, down to Azure's `innererror` and Anthropic's `details`."""
    found = [error.get(field) for field in _WORD_FIELDS]
    for nested in ("innererror", "details"):
        inside = error.get(nested)
        if isinstance(inside, dict):
            found += [inside.get("code"), inside.get("error_code")]
    return [word for word in found if isinstance(word, str)]


def _own_status(status: int, words: tuple[Any, ...]) -> int:
    if status >= 300:
        return status
    for word in words:
        if isinstance(word, str) and word.isascii() and word.isdigit() and len(word) == 3:
            word = int(word)
        if isinstance(word, int) and 400 <= word < 600:
            return word
        if isinstance(word, str) and word in _STATUS_BY_WORD:
            return _STATUS_BY_WORD[word]
    return 502
