"""Error bodies of Ollama: `{"error": "…"}`, in answers and as a line of a stream.

https://docs.ollama.com/api/errors (2026-11-23). A stream that breaks says no status.
"""

from typing import Any

from portico.errors import GatewayError, UpstreamError
from portico.types.http import Headers, HttpHead
from portico.wire.json_io import MalformedError, decode, encode
from portico.wire.upstream_errors import unread_error, upstream_error


def read_error(head: HttpHead, body: bytes, /) -> UpstreamError:
    try:
        value = decode(body)
    except MalformedError:
        return unread_error(head, body)
    error = value.get("error", value) if isinstance(value, dict) else value
    return error_of(error, head.status, head.headers)


def error_of(error: Any, status: int, headers: Headers) -> UpstreamError:
    """`error` is a sentence, or an object with a `message`."""
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        error = error["message"]
    words = error if isinstance(error, str) else ""
    return upstream_error(status if status >= 300 else 500, words, headers=headers)


def write_error(error: GatewayError, /) -> bytes:
    return encode({"error": error.message})
