"""What a provider says, in each dialect: the scripts of the failure matrix are made of these."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from portico.types.usage import Usage
from tests.harness import CHAT, DONE, USAGE_EVENT, delta, event


@dataclass(frozen=True)
class Speaker:
    """`opening` says that an answer begins and has nothing of it; `first` is the text `he`, `more`
    the text `llo` and why it ended, `end` all that follows. `life` says that somebody is there.
    """

    dialect: str
    provider_type: str
    whole: bytes
    opening: bytes
    first: bytes
    more: bytes
    end: bytes
    life: bytes
    reported_early: Usage | None
    """The usage that is known of a stream that has only begun."""
    says: Callable[[str], tuple[int, dict[str, Any]]]
    """Status and body of a refusal of this kind."""
    error_event: bytes
    """`overloaded`, inside a stream."""
    hollow: bytes
    """A whole answer with nothing in it, not even an empty text."""

    def refusal(self, kind: str, told: str = "") -> tuple[int, bytes]:
        """With `told` in the place of the message."""
        status, body = self.says(kind)
        if told:
            body["error"]["message"] = told
        return status, json.dumps(body).encode()


# OpenAI Chat Completions

_OPENAI: dict[str, tuple[int, str, str | None, str]] = {
    "rate limit": (429, "requests", "rate_limit_exceeded", "Rate limit reached for real."),
    "quota": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    "key": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    "permission": (403, "invalid_request_error", "unsupported_country", "Country not supported."),
    "model": (404, "invalid_request_error", "model_not_found", "The model `real` does not exist."),
    "context": (
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "This model's maximum context length is 8192 tokens.",
    ),
    "policy": (400, "invalid_request_error", "content_filter", "The prompt was flagged."),
    "mistake": (400, "invalid_request_error", None, "Unknown parameter: `x`."),
    "too large": (413, "invalid_request_error", "request_too_large", "Request too large."),
    "timeout": (408, "timeout", "timeout", "The request took too long."),
    "failed": (500, "server_error", "server_error", "The server had an error."),
    "unavailable": (503, "service_unavailable_error", "busy", "The engine is overloaded."),
    "overloaded": (529, "server_error", "overloaded", "Overloaded."),
}


def _openai(kind: str) -> tuple[int, dict[str, Any]]:
    status, type, code, message = _OPENAI[kind]
    return status, {"error": {"message": message, "type": type, "param": None, "code": code}}


OPENAI = Speaker(
    dialect="openai_chat",
    provider_type="openai_compatible",
    whole=CHAT.replace(b'"hi"', b'"hello"'),
    opening=event(
        {
            "id": "c1",
            "object": "chat.completion.chunk",
            "choices": [
                {
                    "index": 0,
                    "delta": {"role": "assistant", "content": ""},
                    "finish_reason": None,
                }
            ],
        }
    ),
    first=delta("he"),
    more=delta("llo", "stop"),
    end=USAGE_EVENT + DONE,
    life=b": PROCESSING\n\n",
    reported_early=None,
    says=_openai,
    error_event=event({"error": {"message": "busy", "type": "server_error", "code": 503}}),
    hollow=b'{"id":"c1","object":"chat.completion","choices":[]}',
)

# OpenAI Responses


def _output(text: str, status: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant"}
    return {**item, "status": status, "content": [part] if text else []}


def _response(status: str, text: str = "", **more: Any) -> dict[str, Any]:
    output = [_output(text, status)] if text else []
    head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "real"}
    return {**head, "status": status, "error": None, "output": output, **more}


_RESPONSE_USAGE = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
_ITEM = {"item_id": "msg_1", "output_index": 0}
_PART = {**_ITEM, "content_index": 0}


def _responses(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\n".encode() + event({"type": kind, **fields, "sequence_number": 0})


def _empty_part() -> dict[str, Any]:
    return {"type": "output_text", "text": "", "annotations": []}


RESPONSES = Speaker(
    dialect="openai_responses",
    provider_type="openai_compatible",
    whole=json.dumps(_response("completed", "hello", usage=_RESPONSE_USAGE)).encode(),
    opening=_responses("response.created", response=_response("in_progress"))
    + _responses("response.output_item.added", output_index=0, item=_output("", "in_progress"))
    + _responses("response.content_part.added", **_PART, part=_empty_part()),
    first=_responses("response.output_text.delta", **_PART, delta="he", logprobs=[]),
    more=_responses("response.output_text.delta", **_PART, delta="llo", logprobs=[])
    + _responses("response.output_text.done", **_PART, text="hello", logprobs=[])
    + _responses(
        "response.content_part.done", **_PART, part=_output("hello", "completed")["content"][0]
    )
    + _responses("response.output_item.done", output_index=0, item=_output("hello", "completed")),
    end=_responses(
        "response.completed", response=_response("completed", "hello", usage=_RESPONSE_USAGE)
    ),
    life=_responses("response.in_progress", response=_response("in_progress")),
    reported_early=None,
    says=_openai,
    error_event=_responses("error", code="server_is_overloaded", message="busy", param=None),
    hollow=b'{"id":"resp_1","object":"response","status":"completed","output":[]}',
)

# Anthropic Messages

_ANTHROPIC: dict[str, tuple[int, str, str]] = {
    "rate limit": (429, "rate_limit_error", "This request would exceed your rate limit."),
    "quota": (400, "invalid_request_error", "Your credit balance is too low to access the API."),
    "key": (401, "authentication_error", "invalid x-api-key"),
    "permission": (403, "permission_error", "Your key may not use this resource."),
    "model": (404, "not_found_error", "model: real"),
    "context": (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000"),
    "policy": (400, "invalid_request_error", "Output blocked by content filtering policy"),
    "mistake": (400, "invalid_request_error", "x: Extra inputs are not permitted"),
    "too large": (413, "request_too_large", "Request exceeds the maximum size"),
    "timeout": (408, "timeout_error", "Request timed out"),
    "failed": (500, "api_error", "Internal server error"),
    "unavailable": (503, "api_error", "Service unavailable"),
    "overloaded": (529, "overloaded_error", "Overloaded"),
}


def _anthropic(kind: str) -> tuple[int, dict[str, Any]]:
    status, type, message = _ANTHROPIC[kind]
    return status, {"type": "error", "error": {"type": type, "message": message}}


def _said(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\n".encode() + event({"type": kind, **fields})


_MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "real",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 7, "output_tokens": 3},
}
_START = {
    **_MESSAGE,
    "content": [],
    "stop_reason": None,
    "usage": {"input_tokens": 7, "output_tokens": 1},
}


def _text(piece: str) -> bytes:
    return _said("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})


ANTHROPIC = Speaker(
    dialect="anthropic_messages",
    provider_type="anthropic",
    whole=json.dumps(_MESSAGE).encode(),
    opening=_said("message_start", message=_START)
    + _said("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    first=_text("he"),
    more=_text("llo")
    + _said("content_block_stop", index=0)
    + _said("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3}),
    end=_said("message_stop"),
    life=_said("ping"),
    reported_early=Usage(input_tokens=7, output_tokens=1),
    says=_anthropic,
    error_event=_said("error", error={"type": "overloaded_error", "message": "Overloaded"}),
    hollow=b'{"id":"msg_1","type":"message","role":"assistant","model":"real"}',
)

# Gemini generateContent

_GEMINI: dict[str, tuple[int, str, str, dict[str, Any] | None]] = {
    "rate limit": (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted.", None),
    "quota": (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota.",
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}],
        },
    ),
    "key": (
        400,
        "INVALID_ARGUMENT",
        "API key not valid.",
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"},
    ),
    "permission": (403, "PERMISSION_DENIED", "The caller does not have permission.", None),
    "model": (404, "NOT_FOUND", "models/real is not found for API version v1beta.", None),
    "context": (
        400,
        "INVALID_ARGUMENT",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        None,
    ),
    "policy": (400, "INVALID_ARGUMENT", "The prompt was blocked by content filtering.", None),
    "mistake": (400, "INVALID_ARGUMENT", 'Invalid JSON payload received. Unknown name "x"', None),
    "too large": (413, "INVALID_ARGUMENT", "Request payload size exceeds the limit.", None),
    "timeout": (408, "DEADLINE_EXCEEDED", "The request took too long.", None),
    "failed": (500, "INTERNAL", "An internal error has occurred.", None),
    "unavailable": (503, "UNAVAILABLE", "The model is overloaded.", None),
    "overloaded": (529, "UNAVAILABLE", "The model is overloaded.", None),
}


def _gemini(kind: str) -> tuple[int, dict[str, Any]]:
    status, word, message, detail = _GEMINI[kind]
    error: dict[str, Any] = {"code": status, "message": message, "status": word}
    if detail is not None:
        error["details"] = [detail]
    return status, {"error": error}


def _candidate(text: str, finish: str | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate | {"index": 0}], "modelVersion": "real"}


_GEMINI_USAGE = {"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10}

GEMINI = Speaker(
    dialect="gemini_generate",
    provider_type="gemini",
    whole=json.dumps({**_candidate("hello", "STOP"), "usageMetadata": _GEMINI_USAGE}).encode(),
    opening=b"",
    first=event(_candidate("he")),
    more=event({**_candidate("llo", "STOP"), "usageMetadata": _GEMINI_USAGE}),
    end=b"",
    life=b": alive\n\n",
    reported_early=None,
    says=_gemini,
    error_event=event(
        {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
    ),
    hollow=b'{"modelVersion":"real"}',
)

SPEAKERS = (OPENAI, RESPONSES, ANTHROPIC, GEMINI)
FULL_USAGE = (7, 3)
"""Input and output tokens of every complete answer here."""
