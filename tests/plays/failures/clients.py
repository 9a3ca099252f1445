"""How a client of each dialect asks, and what it takes an answer for.

Written apart from the gateway's own tables: the shapes of errors are those that each provider's
documentation gives, and the official SDKs look for.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.harness import KEY, Answer, http


@dataclass(frozen=True)
class Heard:
    """What a client makes of a stream: the text, how often it was told that the answer is complete,
    and each error that it was told."""

    text: str
    ends: int
    errors: list[dict[str, Any]]


@dataclass(frozen=True)
class Client:
    name: str
    dialect: str
    ask: Callable[[str, bool, str], bytes]
    """From the route, whether to stream, and a request id."""
    text: Callable[[Any], str]
    """Of a whole answer."""
    hear: Callable[[Answer], Heard]
    shape: Callable[[int, str], dict[str, Any]]
    """What an error of this status and code must look like, but for its message."""
    in_stream: Callable[[int, str], dict[str, Any]] | None = None
    """The same inside a stream, where that is another one."""
    streams_only: bool = False
    framing: str = "text/event-stream"


def unsaid(error: dict[str, Any]) -> dict[str, Any]:
    """An error without its words; some dialects say nothing else."""
    if isinstance(error["error"], str):
        return {**error, "error": bool(error["error"])}
    inner = {k: v for k, v in error["error"].items() if k not in ("message", "details", "param")}
    return {**error, "error": inner}


_PROMPT = [{"role": "user", "content": "hi"}]


# OpenAI


def _ask_openai(route: str, streamed: bool, id: str) -> bytes:
    body: dict[str, Any] = {"model": route, "messages": _PROMPT, "stream": streamed}
    return http(body, x_request_id=id)


def _hear_openai(answer: Answer) -> Heard:
    events = answer.events()
    values = [json.loads(one) for one in events if one != "[DONE]"]
    choices = [choice for value in values for choice in value.get("choices", [])]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    errors = [value for value in values if "error" in value]
    assert "usage" not in str(values)
    assert not errors or "error" in events[-1]
    return Heard(text, events.count("[DONE]"), errors)


_OPENAI_TYPES = {
    400: "invalid_request_error",
    403: "invalid_request_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    502: "server_error",
    503: "service_unavailable_error",
    504: "timeout_error",
}


def _openai_shape(status: int, code: str) -> dict[str, Any]:
    type = "insufficient_quota" if code == "insufficient_quota" else _OPENAI_TYPES[status]
    return {"error": {"type": type, "code": code}}


OPENAI = Client(
    "OpenAI Chat",
    "openai_chat",
    _ask_openai,
    lambda value: value["choices"][0]["message"]["content"],
    _hear_openai,
    _openai_shape,
)


# OpenAI's Responses


def _ask_responses(route: str, streamed: bool, id: str) -> bytes:
    body = {"model": route, "input": "hi", "store": False, "stream": streamed}
    return http(body, path="/v1/responses", x_request_id=id)


def _outputs(value: dict[str, Any]) -> str:
    return "".join(
        part.get("text", "") for item in value["output"] for part in item.get("content", [])
    )


def _hear_responses(answer: Answer) -> Heard:
    values = [json.loads(one) for one in answer.events()]
    pieces = [one["delta"] for one in values if one["type"] == "response.output_text.delta"]
    failed = [_failure(one) for one in values if one["type"] in _FAILURES]
    assert not failed or values[-1]["type"] in _FAILURES
    ends = sum(one["type"] == "response.completed" for one in values)
    return Heard("".join(pieces), ends, [{"error": error} for error in failed])


_FAILURES = ("error", "response.failed")


def _failure(event: dict[str, Any]) -> dict[str, Any]:
    """Its error, in the envelope that answers have; streams name no type."""
    error: dict[str, Any] = event["response"]["error"] if "response" in event else event
    return {"code": error["code"], "message": error["message"]}


RESPONSES = Client(
    "OpenAI Responses",
    "openai_responses",
    _ask_responses,
    _outputs,
    _hear_responses,
    _openai_shape,
    in_stream=lambda status, code: {"error": {"code": code}},
)


# Anthropic


def _ask_anthropic(route: str, streamed: bool, id: str) -> bytes:
    body: dict[str, Any] = {"model": route, "max_tokens": 50, "messages": _PROMPT}
    path = "/v1/messages"
    return http({**body, "stream": streamed}, path=path, key=None, x_api_key=KEY, x_request_id=id)


def _hear_anthropic(answer: Answer) -> Heard:
    values = [json.loads(one) for one in answer.events()]
    text = "".join(
        value["delta"].get("text", "") for value in values if value["type"] == "content_block_delta"
    )
    errors = [value for value in values if value["type"] == "error"]
    assert not errors or values[-1]["type"] == "error"
    return Heard(text, sum(value["type"] == "message_stop" for value in values), errors)


_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def _anthropic_shape(status: int, code: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": _ANTHROPIC_TYPES[status]}}


ANTHROPIC = Client(
    "Anthropic Messages",
    "anthropic_messages",
    _ask_anthropic,
    lambda value: "".join(block.get("text", "") for block in value["content"]),
    _hear_anthropic,
    _anthropic_shape,
)


# Gemini


def _ask_gemini(route: str, streamed: bool, id: str, query: str = "?alt=sse") -> bytes:
    task = f"streamGenerateContent{query}" if streamed else "generateContent"
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    path = f"/v1beta/models/{route}:{task}"
    return http(body, path=path, key=None, x_goog_api_key=KEY, x_request_id=id)


def _parts(value: dict[str, Any]) -> str:
    return "".join(
        part.get("text", "")
        for candidate in value.get("candidates", [])
        for part in candidate.get("content", {}).get("parts", [])
    )


def _heard(values: list[dict[str, Any]]) -> Heard:
    finished = [
        value
        for value in values
        if any(candidate.get("finishReason") for candidate in value.get("candidates", []))
    ]
    errors = [value for value in values if "error" in value]
    assert not errors or "error" in values[-1]
    return Heard("".join(map(_parts, values)), len(finished), errors)


def _hear_gemini(answer: Answer) -> Heard:
    return _heard([json.loads(one) for one in answer.events()])


_GEMINI_WORDS = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _gemini_shape(status: int, code: str) -> dict[str, Any]:
    return {"error": {"code": status, "status": _GEMINI_WORDS[status]}}


GEMINI = Client("Gemini", "gemini_generate", _ask_gemini, _parts, _hear_gemini, _gemini_shape)
GEMINI_ARRAY = Client(
    "Gemini, as an array",
    "gemini_generate",
    lambda route, streamed, id: _ask_gemini(route, streamed, id, ""),
    _parts,
    lambda answer: _heard(answer.json()),
    _gemini_shape,
    streams_only=True,
    framing="application/json",
)

# Ollama


def _ask_ollama(route: str, streamed: bool, id: str) -> bytes:
    body: dict[str, Any] = {"model": route, "messages": _PROMPT}
    return http(body if streamed else {**body, "stream": False}, path="/api/chat", x_request_id=id)


def _hear_ollama(answer: Answer) -> Heard:
    assert answer.body.endswith(b"\n") or not answer.body
    values = [json.loads(line) for line in answer.body.splitlines()]
    errors = [value for value in values if "error" in value]
    assert not errors or "error" in values[-1]
    text = "".join(value["message"]["content"] for value in values if "message" in value)
    return Heard(text, sum(value.get("done", False) for value in values), errors)


OLLAMA = Client(
    "Ollama",
    "ollama_chat",
    _ask_ollama,
    lambda value: value["message"]["content"],
    _hear_ollama,
    lambda status, code: {"error": True},
    framing="application/x-ndjson",
)

CLIENTS = (OPENAI, RESPONSES, ANTHROPIC, GEMINI, GEMINI_ARRAY, OLLAMA)
