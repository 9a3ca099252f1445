"""Errors of Bedrock Runtime: in answers, and as exceptions inside a stream that began with 200.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors
and …/API_runtime_ConverseStreamOutput.html (2026-11-23). Bedrock gives no wait hint.
"""

from typing import Any, Final

from portico.errors import UpstreamError
from portico.types.http import Headers, HttpHead
from portico.wire.aws_events import AwsEvent
from portico.wire.json_io import MalformedError, compact, decode
from portico.wire.upstream_errors import unread_error, upstream_error

_STATUS_BY_TYPE: Final = {
    "validationexception": 400,
    "servicequotaexceededexception": 429,
    "accessdeniedexception": 403,
    "expiredtokenexception": 403,
    "unrecognizedclientexception": 403,
    "resourcenotfoundexception": 404,
    "modeltimeoutexception": 408,
    "modelerrorexception": 424,
    "modelstreamerrorexception": 424,
    "throttlingexception": 429,
    "modelnotreadyexception": 429,
    "internalserverexception": 500,
    "serviceunavailableexception": 503,
}


def read_error(head: HttpHead, body: bytes, /) -> UpstreamError:
    """The type is in `x-amzn-errortype`, `ValidationException:http://…`, or in the body."""
    kind = head.headers.get(b"x-amzn-errortype", b"").decode("latin-1").partition(":")[0]
    try:
        value = decode(body)
    except MalformedError:
        unread = unread_error(head, body)
        return _error(head.status, kind, unread.message, head.headers) if kind else unread
    if isinstance(value, dict):
        own = value.get("__type") or value.get("code")
        kind = kind or (own.rpartition("#")[2] if isinstance(own, str) else "")
    return _error(head.status, kind, _words(value), head.headers)


def read_exception(event: AwsEvent) -> UpstreamError:
    """An event of kind `exception` or `error`."""
    if event.kind == "error":
        message = str(event.headers.get(":error-message", ""))
        return _error(200, event.name, message, {})
    try:
        message = _words(decode(event.payload))
    except MalformedError:
        message = event.payload[:500].decode("utf-8", "replace")
    return _error(200, event.name, message, {})


def _words(value: Any) -> str:
    if isinstance(value, dict):
        for field in ("message", "Message", "originalMessage"):
            if isinstance(text := value.get(field), str):
                return text
    return value if isinstance(value, str) else compact(value)


def _error(status: int, kind: str, message: str, headers: Headers) -> UpstreamError:
    meant = status
    known = _STATUS_BY_TYPE.get(kind.lower())
    if status < 400 or known == 429:
        # A spent service quota is sent as 400, but is nothing the request could mend.
        meant = known or 502
    error = upstream_error(meant, message, kind=kind or None, headers=headers)
    if status >= 400:
        error.upstream_status = status
    return error
