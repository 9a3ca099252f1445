"""The far end of InvokeEndpoint: a container that speaks OpenAI, and AWS's frames around it."""

import json

from portico.types.chat import ChatRequest
from portico.types.chat_stream import Event, StreamError
from portico.wire.aws_events import write_event
from portico.wire.base import ReplyContext, Unsupported
from portico.wire.openai_chat import dialect as openai_chat

NAME = "sagemaker_invoke"
write_response = openai_chat.write_response


def read_request(body: bytes) -> ChatRequest:
    assert json.loads(body)["model"] == ""
    return openai_chat.read_request(body)


class _Writer:
    def __init__(self, context: ReplyContext, unsupported: Unsupported) -> None:
        self._inner = openai_chat.stream_writer(context=context, unsupported=unsupported)

    def write(self, event: Event, /) -> bytes:
        if isinstance(event, StreamError):
            return exception("InternalStreamFailure", Message=event.error.message)
        return wrapped(self._inner.write(event))

    def close(self) -> bytes:
        return b""


def stream_writer(*, context: ReplyContext, unsupported: Unsupported) -> _Writer:
    return _Writer(context, unsupported)


def wrapped(stream: bytes, size: int = 50) -> bytes:
    """A container's stream as SageMaker hands it on: in pieces that know nothing of its lines."""
    return b"".join(part(stream[at : at + size]) for at in range(0, len(stream), size))


def part(payload: bytes) -> bytes:
    headers = {
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
        ":message-type": "event",
    }
    return write_event(headers, payload)


def exception(name: str, **fields: str) -> bytes:
    headers = {
        ":exception-type": name,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return write_event(headers, json.dumps(fields).encode())
