"""IBM watsonx.ai's chat: OpenAI's words, with names of its own, the provider's side.

https://cloud.ibm.com/apidocs/watsonx-ai#text-chat and, for its fields, streams and errors,
https://github.com/IBM/watsonx-ai-java-sdk (2026-11-23). Streaming is in the path; a stream reports
usage unasked and ends without `[DONE]`. What belongs to whom (`project_id`) is the provider's.
"""

import re
from typing import Any, Final

import msgspec

from portico.errors import UpstreamError
from portico.types.chat import ChatRequest, ChatResponse, Home
from portico.types.http import HttpHead
from portico.wire.base import StreamReader, Unsupported
from portico.wire.custom_tools import wrap
from portico.wire.json_io import MalformedError, decode, encode
from portico.wire.openai_chat import dialect as openai_chat
from portico.wire.upstream_errors import MAX_BODY, unread_error, upstream_error

NAME: Final = "watsonx_chat"
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KNOWN: Final = frozenset(
    {
        "chat_template_kwargs",
        "context",
        "frequency_penalty",
        "guided_choice",
        "guided_grammar",
        "guided_json",
        "guided_regex",
        "include_reasoning",
        "length_penalty",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "messages",
        "moderations",
        "n",
        "presence_penalty",
        "reasoning_effort",
        "repetition_penalty",
        "response_format",
        "seed",
        "stop",
        "temperature",
        "time_limit",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
    }
)
_ELSEWHERE: Final = frozenset({"model", "stream", "stream_options"})
_MEANT: Final[dict[str, tuple[int, str]]] = {
    "token_quota_reached": (429, "quota_exceeded"),
    "model_not_supported": (404, "model_not_found"),
    "deployment_not_found": (404, "model_not_found"),
    "consumption_limit_reached": (429, "rate_limit_exceeded"),
    "rate_limit_reached_requests": (429, "rate_limit_exceeded"),
    "request_timeout": (504, "timeout"),
}
"""What its codes mean where its statuses do not say it: a spent quota is a 403."""
_TOO_LONG: Final = re.compile(
    r"(?:number of )?input tokens? \d+ cannot exceed|exceeds? the (?:total tokens|model)",
    re.IGNORECASE,
)


def write_request(
    request: ChatRequest, /, *, unsupported: Unsupported, home: Home | None = None
) -> bytes:
    wrapped = wrap(request, NAME, unsupported)
    held = _FIELDS.decode(openai_chat.write_request(wrapped, unsupported=unsupported, home=home))
    written: dict[str, object] = {"model_id": held["model"]}
    for name, value in held.items():
        if name in _KNOWN:
            written[name] = value
        elif name not in _ELSEWHERE:
            unsupported(name, NAME)
    choice = held.get("tool_choice")
    if choice is not None and bytes(choice)[:1] == b'"':
        del written["tool_choice"]
        written["tool_choice_option"] = choice
    return encode(written)


def read_response(body: bytes, /, *, home: Home | None = None) -> ChatResponse:
    return openai_chat.read_response(body, home=home)


def stream_reader(*, home: Home | None = None) -> StreamReader:
    return openai_chat.stream_reader(home=home)


def read_error(head: HttpHead, body: bytes, /) -> UpstreamError:
    """`{"errors": [{"code", "message", "more_info"}], "trace", "status_code"}`."""
    if len(body) > MAX_BODY:
        return unread_error(head, body)
    try:
        said: Any = decode(body)
    except MalformedError:
        return unread_error(head, body)
    errors = said.get("errors") if isinstance(said, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, dict):
        return openai_chat.read_error(head, body)
    code, message = first.get("code"), first.get("message")
    code = code if isinstance(code, str) else None
    message = message if isinstance(message, str) else ""
    status, meant = _MEANT.get(code or "", (head.status, code))
    if status in (400, 413) and _TOO_LONG.search(message):
        meant = "context_length_exceeded"
    error = upstream_error(status, message, code=meant, headers=head.headers, body=body)
    error.upstream_status = head.status
    return error
