"""Error bodies of OpenAI and of those who copied the shape, more or less.

https://developers.openai.com/api/docs/guides/error-codes and
https://openrouter.ai/docs/api-reference/errors (2026-11-23). Seen in the wild: `error` as a string,
`detail` (FastAPI), `message` at the top, numeric codes, an array around it all.
"""

from typing import Any, Final

from portico.errors import UpstreamError
from portico.types.http import Headers, HttpHead
from portico.wire.json_io import MalformedError, compact, decode
from portico.wire.upstream_errors import upstream_error

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


def read_error(head: HttpHead, body: bytes, /) -> UpstreamError:
    try:
        value = decode(body)
    except MalformedError:
        text = body[:500].decode("utf-8", "replace").strip()
        is_page = text.startswith("<")
        return upstream_error(head.status, "" if is_page else text, headers=head.headers)
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("error") or value
    return error_of(value, head.status, head.headers)


def error_of(error: Any, status: int, headers: Headers) -> UpstreamError:
    """`error` is the envelope's inside; `status` below 400 asks the error itself for one."""
    if not isinstance(error, dict):
        return upstream_error(_own_status(status, ()), _words(error), headers=headers)
    kind, code, param = error.get("type"), error.get("code"), error.get("param")
    message = error.get("message") or error.get("detail") or error.get("error") or error
    return upstream_error(
        _own_status(status, (code, kind, error.get("status"))),
        _words(message),
        code=code if isinstance(code, str) else None,
        kind=kind if isinstance(kind, str) else None,
        param=param if isinstance(param, str) else None,
        headers=headers,
    )


def _words(message: Any) -> str:
    return message if isinstance(message, str) else compact(message)


def _own_status(status: int, words: tuple[Any, ...]) -> int:
    if status >= 400:
        return status
    for word in words:
        if isinstance(word, str) and word.isascii() and word.isdigit() and len(word) == 3:
            word = int(word)
        if isinstance(word, int) and 400 <= word < 600:
            return word
        if isinstance(word, str) and word in _STATUS_BY_WORD:
            return _STATUS_BY_WORD[word]
    return 502
