"""Error bodies of Anthropic Messages, in answers and inside streams.

https://platform.claude.com/docs/en/api/errors (2026-11-23). A 429 whose details say
`enforced_spend_limit_reached` is a spent budget: waiting does not help.
"""

from typing import Any, Final

from portico.errors import GatewayError, UpstreamError
from portico.types.http import Headers, HttpHead
from portico.wire.json_io import MalformedError, decode, encode
from portico.wire.upstream_errors import unread_error, upstream_error

_STATUS_BY_TYPE: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}

_TYPE_BY_STATUS: Final = {status: type for type, status in _STATUS_BY_TYPE.items()} | {
    408: "timeout_error",
    503: "overloaded_error",
}


def read_error(head: HttpHead, body: bytes, /) -> UpstreamError:
    try:
        value = decode(body)
    except MalformedError:
        return unread_error(head, body)
    error = value.get("error", value) if isinstance(value, dict) else value
    return error_of(error, head.status, head.headers)


def error_of(error: Any, status: int, headers: Headers) -> UpstreamError:
    """`error` is the envelope's inside; `status` below 300 is that of an error inside a stream."""
    if not isinstance(error, dict):
        words = error if isinstance(error, str) else ""
        return upstream_error(status if status >= 300 else 502, words, headers=headers)
    type, message, details = error.get("type"), error.get("message"), error.get("details")
    if status < 300:
        status = _STATUS_BY_TYPE.get(type, 502) if isinstance(type, str) else 502
    code = details.get("error_code") if isinstance(details, dict) else None
    return upstream_error(
        status,
        message if isinstance(message, str) else "",
        code=code if isinstance(code, str) else None,
        kind=type if isinstance(type, str) else None,
        headers=headers,
        body=encode(error),
    )


def error_fields(error: GatewayError) -> dict[str, str]:
    type = _TYPE_BY_STATUS.get(error.status)
    if type is None:
        type = "invalid_request_error" if error.status < 500 else "api_error"
    return {"type": type, "message": error.message}


def write_error(error: GatewayError, /) -> bytes:
    return encode({"type": "error", "error": error_fields(error)})
