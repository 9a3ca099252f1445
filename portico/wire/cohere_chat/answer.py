"""Whole answers of Cohere's chat to `ChatResponse`, and what both forms of answers share.

https://docs.cohere.com/reference/chat and …/docs/rate-limits (2026-11-23). What is billed
(`billed_units`) leaves out Cohere's own preamble, which `tokens` counts; the bill is what counts.
"""

from typing import Any, Final

import msgspec

from portico.types.chat import ChatResponse, Choice, Home, JsonObject, StopReason
from portico.types.usage import Usage
from portico.wire.cohere_chat.errors import failure
from portico.wire.cohere_chat.messages import MessageFields, read_message
from portico.wire.cohere_chat.tools import NAME
from portico.wire.json_io import MalformedError, convert, decode_object, fields_of, unknown

STOPS: Final[dict[str, StopReason]] = {
    "COMPLETE": "end",
    "STOP_SEQUENCE": "stop_sequence",
    "MAX_TOKENS": "max_tokens",
    "TOOL_CALL": "tool_calls",
    "ERROR": "error",
    "TIMEOUT": "error",
    "ERROR_LIMIT": "context_window",
    "ERROR_TOXIC": "content_filter",
}
"""The last two are of version 1, and still said by other hosts of Cohere's models."""


class _Tokens(msgspec.Struct):
    input_tokens: float | None = None
    output_tokens: float | None = None


class UsageFields(msgspec.Struct):
    billed_units: _Tokens | None = None
    tokens: _Tokens | None = None
    cached_tokens: float | None = None


class Logprobs(msgspec.Struct):
    """Of a piece of text, which may be several tokens."""

    text: str | None = None
    logprobs: list[float] | None = None


class _Answer(msgspec.Struct):
    message: MessageFields
    id: str | None = None
    finish_reason: str | None = None
    usage: UsageFields | None = None
    logprobs: list[Logprobs] | None = None


_KNOWN: Final = fields_of(_Answer)


def read_response(body: bytes, /, *, home: Home | None = None) -> ChatResponse:
    try:
        raw = decode_object(body)
        if isinstance(raw.get("message"), str):
            raise failure(raw["message"])
        answer = convert(raw, _Answer)
        content = read_message(answer.message, "message", home)
    except MalformedError as problem:
        raise problem.from_provider() from None
    choice = Choice(
        content=content,
        stop=STOPS.get(answer.finish_reason or "", "other"),
        native_stop=answer.finish_reason,
        logprobs=read_logprobs(answer.logprobs) if answer.logprobs else None,
    )
    return ChatResponse(
        dialect=NAME,
        id=answer.id or "",
        model="",
        choices=(choice,),
        usage=None if answer.usage is None else normal(answer.usage),
        extra=unknown(raw, _KNOWN),
    )


def normal(fields: UsageFields) -> Usage:
    billed = fields.billed_units or fields.tokens or _Tokens()
    if billed.input_tokens is None and fields.tokens is not None:
        billed = fields.tokens
    cached = int(fields.cached_tokens or 0)
    prompt = _whole(billed.input_tokens)
    if prompt is not None:
        cached = min(cached, prompt)
        prompt -= cached
    return Usage(
        input_tokens=prompt, cache_read_tokens=cached, output_tokens=_whole(billed.output_tokens)
    )


def _whole(count: float | None) -> int | None:
    return None if count is None else int(count)


def read_logprobs(items: list[Logprobs]) -> JsonObject:
    """A piece of several tokens has the probability of all of them."""
    content: list[Any] = [
        {
            "token": item.text or "",
            "logprob": sum(item.logprobs or ()),
            "bytes": list((item.text or "").encode()),
            "top_logprobs": [],
        }
        for item in items
    ]
    return {"content": content}
