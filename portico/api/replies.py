"""Answers the gateway makes itself: JSON values, texts and errors, as one head and one body."""

import math
from typing import Any

import msgspec

from portico.errors import GatewayError, MethodNotAllowed
from portico.types.http import Responder
from portico.wire.openai_error import write_error

_ENCODER = msgspec.json.Encoder()
_RETRIED_STATUSES = frozenset({408, 409, 429})
"""Clients' SDKs try these and every 5xx again unless `x-should-retry` says no."""


def send_json(responder: Responder, request_id: str, value: Any, status: int = 200) -> int:
    fields = b"content-type: application/json\r\nx-request-id: %b\r\n" % request_id.encode()
    responder.send(status, fields, _ENCODER.encode(value))
    return status


def send_text(responder: Responder, request_id: str, body: bytes, content_type: bytes) -> int:
    fields = b"content-type: %b\r\nx-request-id: %b\r\n" % (content_type, request_id.encode())
    responder.send(200, fields, body)
    return 200


def send_error(
    responder: Responder, request_id: str, error: GatewayError, extra: bytes = b""
) -> int:
    """The error in OpenAI's envelope; `extra` is a block of further fields."""
    fields = b"content-type: application/json\r\nx-request-id: %b\r\n%b%b" % (
        request_id.encode(),
        error_fields(error),
        extra,
    )
    responder.send(error.status, fields, write_error(error))
    return error.status


def error_fields(error: GatewayError) -> bytes:
    """`retry-after`, `x-should-retry` and `allow`, where they apply."""
    fields = b""
    if error.retry_after_s is not None:
        wait_ms = math.ceil(error.retry_after_s * 1000)
        fields += b"retry-after: %d\r\nretry-after-ms: %d\r\n" % (-(-wait_ms // 1000), wait_ms)
    if not error.retryable and (error.status in _RETRIED_STATUSES or error.status >= 500):
        fields += b"x-should-retry: false\r\n"
    if isinstance(error, MethodNotAllowed):
        fields += b"allow: %b\r\n" % error.allow.encode()
    if error.status == 401:
        fields += b"www-authenticate: Bearer\r\n"
    return fields
