"""Whole answers of Cohere's chat to `ChatResponse` and back; what both forms of answers share.

https://docs.cohere.com/reference/chat and …/docs/rate-limits (2026-11-23). What is billed
(`billed_units`) leaves out Cohere's own preamble, which `tokens` counts; the bill is what counts.
"""

from typing import Any, Final

import msgspec

from portico.types.chat import (
    Block,
    ChatResponse,
    Choice,
    Citation,
    Home,
    JsonObject,
    OpaqueBlock,
    RedactedThinking,
    Refusal,
    StopReason,
    Text,
    Thinking,
    ToolCall,
)
from portico.types.usage import Usage
from portico.wire.base import ReplyContext, Unsupported
from portico.wire.cohere_chat.errors import failure
from portico.wire.cohere_chat.messages import MessageFields, read_message, write_thought
from portico.wire.cohere_chat.tools import NAME
from portico.wire.json_io import (
    MalformedError,
    compact,
    convert,
    decode_object,
    encode,
    fields_of,
    unknown,
)
from portico.wire.state import seal

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


FINISH_REASONS: Final[dict[StopReason, str]] = {
    "end": "COMPLETE",
    "stop_sequence": "STOP_SEQUENCE",
    "max_tokens": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "content_filter": "ERROR_TOXIC",
    "refusal": "ERROR_TOXIC",
    "pause": "COMPLETE",
    "context_window": "MAX_TOKENS",
    "malformed_call": "COMPLETE",
    "error": "ERROR",
    "other": "COMPLETE",
}


def finish_reason(stop: StopReason, native: str | None, *, is_own: bool) -> str:
    return native if is_own and native else FINISH_REASONS[stop]


def write_response(
    response: ChatResponse, /, *, context: ReplyContext, unsupported: Unsupported
) -> bytes:
    is_own = response.dialect == NAME
    if len(response.choices) > 1:
        unsupported("n", NAME)
    choice = response.choices[0] if response.choices else Choice(content=(), stop="other")
    written: JsonObject = {
        "id": response.id or context.id,
        "finish_reason": finish_reason(choice.stop, choice.native_stop, is_own=is_own),
        "message": _write_message(choice.content, unsupported),
    }
    if response.usage is not None:
        written["usage"] = write_usage(response.usage)
    if choice.logprobs:
        written["logprobs"] = write_logprobs(choice.logprobs)
    if is_own:
        written.update(response.extra)
    return encode(written)


def _write_message(blocks: tuple[Block, ...], unsupported: Unsupported) -> JsonObject:
    """Words before calls are the plan; contents and citations are the rest."""
    has_calls = any(isinstance(block, ToolCall) for block in blocks)
    plan: list[str] = []
    content: list[JsonObject] = []
    calls: list[JsonObject] = []
    citations: list[JsonObject] = []
    for block in blocks:
        if isinstance(block, Text) and block.state is not None:
            unsupported("thought_signature", NAME)
        match block:
            case Text(text) | Refusal(text) if has_calls:
                plan.append(text)
            case Text(text, cited):
                citations += (write_citation(c, len(content), len(text)) for c in cited)
                content.append({"type": "text", "text": text})
            case Refusal(text):
                content.append({"type": "text", "text": text})
            case Thinking() | RedactedThinking():
                content.append(write_thought(block))
            case ToolCall():
                calls.append(write_call(block))
            case OpaqueBlock(_, data):
                unsupported(f"content.{data.get('type')}", NAME)
            case _:
                unsupported(f"content.{block.__struct_config__.tag}", NAME)
    message: JsonObject = {"role": "assistant"}
    if content:
        message["content"] = content
    if calls:
        message["tool_plan"] = "".join(plan)
        message["tool_calls"] = calls
    if citations:
        message["citations"] = citations
    return message


def write_call(call: ToolCall) -> JsonObject:
    arguments = compact({"input": call.arguments}) if call.kind == "custom" else call.arguments
    function = {"name": call.name, "arguments": arguments or "{}"}
    written: JsonObject = {"id": call.id, "type": "function", "function": function}
    if call.state is not None:
        written["signature"] = seal(call.state, NAME)
    return written


def write_citation(citation: Citation, content_index: int, length: int) -> JsonObject:
    """`length` is that of the text, all of which is cited unless the citation says what."""
    if citation.dialect == NAME and citation.native is not None:
        return citation.native
    document: JsonObject = {}
    for field, value in (
        ("title", citation.title),
        ("url", citation.url),
        ("snippet", citation.cited_text),
    ):
        if value is not None:
            document[field] = value
    source = citation.url or citation.title or f"doc:{content_index}"
    return {
        "start": citation.start_index or 0,
        "end": length if citation.end_index is None else citation.end_index,
        "text": "",
        "sources": [{"type": "document", "id": source, "document": document}],
        "content_index": content_index,
        "type": "TEXT_CONTENT",
    }


def write_usage(usage: Usage) -> JsonObject:
    tokens = {
        "input_tokens": usage.total_input_tokens or 0,
        "output_tokens": usage.total_output_tokens or 0,
    }
    written: JsonObject = {"billed_units": tokens, "tokens": tokens}
    cached = usage.cache_read_tokens + usage.cache_read_audio_tokens
    if cached:
        written["cached_tokens"] = cached
    return written


def write_logprobs(logprobs: JsonObject) -> list[JsonObject]:
    return [
        {"text": item.get("token", ""), "token_ids": [], "logprobs": [item.get("logprob", 0.0)]}
        for item in logprobs.get("content") or ()
        if isinstance(item, dict)
    ]
