"""Error bodies of Google APIs: `google.rpc.Status` in JSON.

https://ai.google.dev/gemini-api/docs/troubleshooting and https://google.aip.dev/193 (2026-11-23).
`RetryInfo` says how long to wait; a refused key comes as 400 with the reason `API_KEY_INVALID`;
streams and some proxies put an array around the object.
"""

from typing import Any, Final

from portico.errors import GatewayError, UpstreamError
from portico.types.chat import JsonObject
from portico.types.http import Headers, HttpHead
from portico.wire.json_io import MalformedError, decode, encode
from portico.wire.upstream_errors import unread_error, upstream_error

_STATUS_BY_WORD: Final = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INTERNAL": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}

_WORD_BY_STATUS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

_KEY_REASONS: Final = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "ACCESS_TOKEN_EXPIRED"})


def read_error(head: HttpHead, body: bytes, /) -> UpstreamError:
    try:
        value = decode(body)
    except MalformedError:
        return unread_error(head, body)
    if isinstance(value, list) and value:
        value = value[0]
    error = value.get("error", value) if isinstance(value, dict) else value
    return error_of(error, head.status, head.headers)


def error_of(error: Any, status: int, headers: Headers) -> UpstreamError:
    """`error` is the envelope's inside; `status` below 300 is that of an error inside a stream."""
    if not isinstance(error, dict):
        words = error if isinstance(error, str) else ""
        return upstream_error(status if status >= 300 else 502, words, headers=headers)
    word, message = error.get("status"), error.get("message")
    if status < 300:
        code = error.get("code")
        known = _STATUS_BY_WORD.get(word) if isinstance(word, str) else None
        is_status = isinstance(code, int) and 400 <= code < 600
        status = code if is_status else known or 502  # type: ignore[assignment]
    details = _details(error)
    reason = _text(details.get("ErrorInfo"), "reason")
    means = 401 if status == 400 and reason in _KEY_REASONS else status
    read = upstream_error(
        means,
        message if isinstance(message, str) else "",
        code=None if reason is None else reason.lower(),
        kind=word if isinstance(word, str) else None,
        param=_field(details.get("BadRequest")),
        headers=headers,
        body=encode(error),
    )
    read.upstream_status = status
    return read


def _details(error: JsonObject) -> dict[str, JsonObject]:
    """Details by the last word of their type, such as `RetryInfo`."""
    listed = error.get("details")
    if not isinstance(listed, list):
        return {}
    return {
        str(detail.get("@type")).rpartition(".")[2]: detail
        for detail in listed
        if isinstance(detail, dict)
    }


def _text(detail: JsonObject | None, key: str) -> str | None:
    value = None if detail is None else detail.get(key)
    return value if isinstance(value, str) else None


def _field(detail: JsonObject | None) -> str | None:
    violations = None if detail is None else detail.get("fieldViolations")
    if isinstance(violations, list) and violations and isinstance(violations[0], dict):
        return _text(violations[0], "field")
    return None


def error_fields(error: GatewayError) -> JsonObject:
    word = _WORD_BY_STATUS.get(error.status)
    if word is None:
        word = "INVALID_ARGUMENT" if error.status < 500 else "INTERNAL"
    fields: JsonObject = {"code": error.status, "message": error.message, "status": word}
    details: list[JsonObject] = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": error.code.upper(),
            "domain": "portico",
        }
    ]
    if error.retry_after_s is not None:
        details.append(
            {
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": f"{error.retry_after_s:g}s",
            }
        )
    fields["details"] = details
    return fields


def write_error(error: GatewayError, /) -> bytes:
    return encode({"error": error_fields(error)})
