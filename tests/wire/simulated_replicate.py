"""The far end of a prediction: a model that takes a prompt, and what Replicate tells of it."""

import json
import re
from typing import Any

from portico.types.chat import ChatRequest, ChatResponse, Message, Refusal, Role, Text
from portico.types.chat_stream import (
    Event,
    StreamEnd,
    StreamError,
    TextDelta,
    UsageUpdate,
)
from portico.types.usage import Usage
from portico.wire.base import ReplyContext, Unsupported

NAME = "replicate"

_TURN = re.compile(r"(?:^|\n\n)(User|Assistant): ")
_ROLES: dict[str, Role] = {"User": "user", "Assistant": "assistant"}


def read_request(body: bytes) -> ChatRequest:
    said = json.loads(body)["input"]
    messages = (
        [Message("system", (Text(said["system_prompt"]),))] if "system_prompt" in said else []
    )
    prompt = said["prompt"].removesuffix("\n\nAssistant:")
    _, *parts = _TURN.split(prompt)
    if parts:
        turns = zip(parts[::2], parts[1::2], strict=True)
        messages += [Message(_ROLES[who], (Text(text),)) for who, text in turns]
    else:
        messages.append(Message("user", (Text(prompt),)))
    return ChatRequest(
        dialect=NAME,
        model="in-the-path",
        messages=tuple(messages),
        max_tokens=said.get("max_tokens"),
        stop=tuple(said["stop_sequences"].split(",")) if "stop_sequences" in said else (),
    )


def prediction(text: str, usage: Usage | None, **fields: Any) -> dict[str, Any]:
    counted = {} if usage is None else metrics(usage)
    return {
        "id": "rrr",
        "model": "meta/meta-llama-3-70b-instruct",
        "status": "succeeded",
        "output": re.findall(r"(?s).{1,3}", text),
        "error": None,
        "metrics": {"predict_time": 0.5, **counted},
        "created_at": "2026-11-23T10:00:00.000Z",
        **fields,
    }


def metrics(usage: Usage) -> dict[str, Any]:
    return {
        "input_token_count": usage.total_input_tokens,
        "output_token_count": usage.total_output_tokens,
    }


def write_response(
    response: ChatResponse, *, context: ReplyContext, unsupported: Unsupported
) -> bytes:
    content = response.choices[0].content
    text = "".join(block.text for block in content if isinstance(block, Text | Refusal))
    return json.dumps(prediction(text, response.usage)).encode()


def event(name: str, data: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"event: {name}\nid: 1700000000:0\n{lines}\n".encode()


class _Writer:
    def __init__(self) -> None:
        self._texts: list[str] = []
        self._usage: Usage | None = None

    def write(self, told: Event, /) -> bytes:
        match told:
            case TextDelta(_, text):
                self._texts.append(text)
                return event("output", text)
            case UsageUpdate(usage):
                self._usage = usage
            case StreamEnd():
                said = prediction("".join(self._texts), self._usage)
                return event("done", "{}") + event("prediction", json.dumps(said))
            case StreamError(error):
                return event("error", json.dumps({"detail": error.message}))
        return b""

    def close(self) -> bytes:
        return b""


def stream_writer(*, context: ReplyContext, unsupported: Unsupported) -> _Writer:
    return _Writer()
