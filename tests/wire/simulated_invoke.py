"""The far end of InvokeModel: Anthropic's own, unwrapped and wrapped."""

import base64
import json

from portico.types.chat import ChatRequest
from portico.types.chat_stream import Event, StreamError
from portico.wire.anthropic_messages import dialect as anthropic_messages
from portico.wire.aws_events import write_event
from portico.wire.base import ReplyContext, Unsupported
from tests.wire import simulated_bedrock

NAME = "bedrock_invoke"
write_response = anthropic_messages.write_response


def read_request(body: bytes) -> ChatRequest:
    asked = json.loads(body)
    assert asked.pop("anthropic_version") == "bedrock-2023-05-31"
    assert "model" not in asked
    assert "stream" not in asked
    return anthropic_messages.read_request(json.dumps({**asked, "model": "in-the-path"}).encode())


class _Writer:
    def __init__(self, context: ReplyContext, unsupported: Unsupported) -> None:
        self._inner = anthropic_messages.stream_writer(context=context, unsupported=unsupported)

    def write(self, event: Event, /) -> bytes:
        if isinstance(event, StreamError):
            return simulated_bedrock.exception("serviceUnavailableException", event.error.message)
        return wrapped(self._inner.write(event))

    def close(self) -> bytes:
        return b""


def stream_writer(*, context: ReplyContext, unsupported: Unsupported) -> _Writer:
    return _Writer(context, unsupported)


def wrapped(stream: bytes) -> bytes:
    """Server-sent events as frames."""
    payloads = [event.partition(b"data: ")[2] for event in stream.split(b"\n\n") if event]
    return b"".join(map(_frame, payloads))


def _frame(payload: bytes) -> bytes:
    headers = {
        ":event-type": "chunk",
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return write_event(
        headers, json.dumps({"bytes": base64.b64encode(payload).decode(), "p": "ab"}).encode()
    )
