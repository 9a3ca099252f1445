"""OpenAI's error envelope, for whole answers and inside streams.

Shape: `{"error": {"message", "type", "param", "code"}}`;
platform.openai.com/docs/guides/error-codes and /docs/api-reference/responses-streaming/error,
read 2026-11-23.
"""

import msgspec

from portico.errors import GatewayError

_ENCODER = msgspec.json.Encoder()


def write_error(error: GatewayError) -> bytes:
    return _ENCODER.encode({"error": _fields(error)})


def write_stream_error(error: GatewayError, operation: str) -> bytes:
    """The event that ends a broken stream; the Responses API has a type of its own for it."""
    if operation == "response":
        event = {
            "type": "error",
            "code": error.code,
            "message": error.message,
            "param": error.param,
            "sequence_number": 0,
        }
        return b"event: error\ndata: " + _ENCODER.encode(event) + b"\n\n"
    return b"data: " + write_error(error) + b"\n\n"


def _fields(error: GatewayError) -> dict[str, str | None]:
    return {
        "message": error.message,
        "type": error.type,
        "param": error.param,
        "code": error.code,
    }
