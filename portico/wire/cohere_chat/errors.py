"""Error bodies of Cohere: `{"id", "message"}`, and the status says the rest.

https://docs.cohere.com/reference/errors (2026-11-23). 498 is a blocked or invalid token, 499 a
request that was given up.
"""

from typing import Final

from portico.errors import GatewayError, UpstreamError
from portico.types.http import HttpHead
from portico.wire.json_io import MalformedError, compact, decode, encode
from portico.wire.upstream_errors import upstream_error

_MEANT: Final = {498: 403, 499: 504}


def read_error(head: HttpHead, body: bytes, /) -> UpstreamError:
    try:
        value = decode(body)
    except MalformedError:
        text = body[:500].decode("utf-8", "replace").strip()
        message = "" if text.startswith("<") else text
    else:
        own = value.get("message") if isinstance(value, dict) else value
        message = own if isinstance(own, str) else compact(value)
    status = _MEANT.get(head.status, head.status)
    error = upstream_error(status, message, headers=head.headers)
    error.upstream_status = head.status
    return error


def failure(message: str) -> UpstreamError:
    """An error in place of an answer that had begun with 200."""
    return upstream_error(502, message)


def write_error(error: GatewayError, /) -> bytes:
    return encode({"message": error.message})
