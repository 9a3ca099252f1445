"""Answers the gateway makes itself: JSON values, texts and errors, as one head and one body."""

from typing import Any

import msgspec

from portico.engine import fields
from portico.errors import GatewayError
from portico.types.http import Responder
from portico.wire.client_errors import error_writer

_ENCODER = msgspec.json.Encoder()


def send_json(responder: Responder, request_id: str, value: Any, status: int = 200) -> int:
    return send_body(responder, request_id, _ENCODER.encode(value), status)


def send_body(responder: Responder, request_id: str, body: bytes, status: int = 200) -> int:
    """JSON that is written already."""
    lines = b"content-type: application/json\r\nx-request-id: %b\r\n" % request_id.encode()
    responder.send(status, lines, body)
    return status


def send_text(responder: Responder, request_id: str, body: bytes, content_type: bytes) -> int:
    lines = b"content-type: %b\r\nx-request-id: %b\r\n" % (content_type, request_id.encode())
    responder.send(200, lines, body)
    return 200


def send_error(
    responder: Responder,
    request_id: str,
    error: GatewayError,
    extra: bytes = b"",
    *,
    dialect: str = "openai_chat",
) -> int:
    """The error in the dialect's envelope; `extra` is a block of further fields."""
    lines = b"content-type: application/json\r\nx-request-id: %b\r\n%b%b" % (
        request_id.encode(),
        fields.of_error(error),
        extra,
    )
    responder.send(error.status, lines, error_writer(dialect)(error))
    return error.status


def shown_path(path: str) -> str:
    """A client's path, fit for a message and a log line: bounded, without control characters."""
    shown = path if len(path) <= 120 else path[:117] + "…"
    return shown if shown.isprintable() else repr(shown)[1:-1]
