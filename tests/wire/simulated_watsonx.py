"""The far end of watsonx.ai's chat: OpenAI's words, its own names, named events without an end."""

import json

from portico.types.chat import ChatRequest
from portico.types.chat_stream import Event, StreamError
from portico.wire.base import ReplyContext, Unsupported
from portico.wire.openai_chat import dialect as openai_chat

NAME = "watsonx_chat"
write_response = openai_chat.write_response


def read_request(body: bytes) -> ChatRequest:
    asked = json.loads(body)
    assert not {"model", "stream", "stream_options", "max_tokens"} & asked.keys()
    asked["model"] = asked.pop("model_id")
    assert not isinstance(asked.get("tool_choice"), str)
    if "tool_choice_option" in asked:
        asked["tool_choice"] = asked.pop("tool_choice_option")
    return openai_chat.read_request(json.dumps(asked).encode())


class _Writer:
    def __init__(self, context: ReplyContext, unsupported: Unsupported) -> None:
        self._inner = openai_chat.stream_writer(context=context, unsupported=unsupported)
        self._sent = 0

    def write(self, event: Event, /) -> bytes:
        if isinstance(event, StreamError):
            errors = [{"code": "downstream_request_failed", "message": event.error.message}]
            return b"event: error\ndata: %b\n\n" % json.dumps({"errors": errors}).encode()
        return self._named(self._inner.write(event))

    def close(self) -> bytes:
        return b""

    def _named(self, stream: bytes) -> bytes:
        sent = b""
        for event in stream.split(b"\n\n")[:-1]:
            if event != b"data: [DONE]":
                self._sent += 1
                sent += b"id: %d\nevent: message\n%b\n\n" % (self._sent, event)
        return sent


def stream_writer(*, context: ReplyContext, unsupported: Unsupported) -> _Writer:
    return _Writer(context, unsupported)
