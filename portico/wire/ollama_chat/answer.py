"""Whole answers of Ollama's chat to `ChatResponse` and back.

https://docs.ollama.com/api/chat#response and https://docs.ollama.com/api/usage (2026-11-23). There
is one choice, no id, and no count of cached tokens. `done_reason` knows `stop`, `length` and two
for loading; a filter's doing is said as `content_filter`, rather than as an ordinary end.
"""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from portico.types.chat import (
    ChatResponse,
    Choice,
    Home,
    JsonObject,
    StopReason,
    ToolCall,
)
from portico.types.usage import Usage
from portico.wire.base import ReplyContext, Unsupported
from portico.wire.call_ids import CallIds
from portico.wire.json_io import (
    MalformedError,
    convert,
    decode_object,
    encode,
    fields_of,
    unknown,
)
from portico.wire.ollama_chat.errors import error_of
from portico.wire.ollama_chat.messages import NAME, MessageFields, MessageWriter, read_blocks
from portico.wire.ollama_chat.shape import CHAT, Shape

STOPS: Final[dict[str, StopReason]] = {
    "stop": "end",
    "length": "max_tokens",
    "content_filter": "content_filter",
}

DONE_REASONS: Final[dict[StopReason, str]] = {
    "max_tokens": "length",
    "context_window": "length",
    "content_filter": "content_filter",
    "refusal": "content_filter",
}
"""All others are `stop`."""


class Answer(msgspec.Struct):
    """A whole answer, or a line of a stream."""

    message: MessageFields | None = None
    model: str | None = None
    created_at: str | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    logprobs: list[Any] | None = None
    error: Any = None


_KNOWN: Final = fields_of(Answer)


def read_response(body: bytes, /, *, home: Home | None = None) -> ChatResponse:
    try:
        raw = decode_object(body)
        answer = convert(raw, Answer)
        if answer.error:
            raise error_of(answer.error, 200, {})
        if answer.message is None:
            raise MalformedError("it has no `message`")
    except MalformedError as problem:
        raise problem.from_provider() from None
    content = read_blocks(answer.message, call_ids(answer))
    has_calls = any(isinstance(block, ToolCall) for block in content)
    choice = Choice(
        content=content,
        stop=stop_reason(answer.done_reason, has_calls=has_calls),
        native_stop=answer.done_reason,
        logprobs={"content": answer.logprobs} if answer.logprobs else None,
        extra=unknown(raw, _KNOWN) or None,
    )
    return ChatResponse(
        dialect=NAME,
        id="",
        model=answer.model or "",
        choices=(choice,),
        usage=read_usage(answer),
        created=read_time(answer.created_at),
    )


def call_ids(answer: Answer) -> CallIds:
    """Ids that are new in each answer, by its time."""
    moment = "".join(filter(str.isalnum, answer.created_at or ""))[:24]
    return CallIds(f"call_{moment}_" if moment.isascii() and moment else "call_")


def stop_reason(done_reason: str | None, *, has_calls: bool) -> StopReason:
    """Before there was a reason, an answer just ended."""
    stop = STOPS.get(done_reason or "stop", "other")
    return "tool_calls" if stop == "end" and has_calls else stop


def read_usage(answer: Answer) -> Usage | None:
    """What counts nothing is left out: a prompt that was cached whole has no count."""
    if answer.prompt_eval_count is None and answer.eval_count is None:
        return None
    return Usage(
        input_tokens=max(answer.prompt_eval_count or 0, 0),
        output_tokens=max(answer.eval_count or 0, 0),
    )


def read_time(moment: str | None) -> int | None:
    try:
        return int(datetime.fromisoformat(moment or "").timestamp())
    except (ValueError, OverflowError):
        return None


def write_time(moment: int) -> str:
    """A provider may have said any number: what is no date of ours is the first of 1970."""
    try:
        when = datetime.fromtimestamp(moment, UTC)
    except (ValueError, OverflowError, OSError):
        when = datetime.fromtimestamp(0, UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def done_reason(stop: StopReason, native: str | None, *, is_own: bool) -> str:
    return native if is_own and native else DONE_REASONS.get(stop, "stop")


def write_response(
    response: ChatResponse,
    /,
    *,
    context: ReplyContext,
    unsupported: Unsupported,
    shape: Shape = CHAT,
) -> bytes:
    is_own = response.dialect == NAME
    if len(response.choices) > 1:
        unsupported("n", NAME)
    choice = response.choices[0] if response.choices else Choice(content=(), stop="other")
    written: JsonObject = {
        **head(context, response.model, response.created),
        **shape.of(_write_message(choice, unsupported, is_own), unsupported),
        "done": True,
        "done_reason": done_reason(choice.stop, choice.native_stop, is_own=is_own),
    }
    if choice.logprobs:
        written["logprobs"] = choice.logprobs.get("content") or []
    written |= write_durations(context, None)
    if response.usage is not None:
        written |= write_usage(response.usage)
    if is_own:
        written.update(choice.extra or {})
    return encode(written)


def head(context: ReplyContext, model: str, created: int | None) -> JsonObject:
    return {
        "model": model or context.request.model,
        "created_at": write_time(created or context.now),
    }


def _write_message(choice: Choice, unsupported: Unsupported, is_own: bool) -> JsonObject:
    """One message, whatever the order: an answer cannot have more."""
    turn = MessageWriter(unsupported, is_own=is_own).turn("assistant", choice.content)
    whole: JsonObject = {"role": "assistant", "content": ""}
    for message in turn:
        for field in ("thinking", "content"):
            if message.get(field):
                whole[field] = whole.get(field, "") + message[field]
        for field in ("images", "tool_calls"):
            if field in message:
                whole.setdefault(field, []).extend(message[field])
    for index, call in enumerate(whole.get("tool_calls", ())):
        call["function"]["index"] = index
    return whole


def write_durations(context: ReplyContext, first_ns: int | None) -> JsonObject:
    """As the gateway sees them: until the first word for the prompt, from there for the answer. It
    loads no model.
    """
    if context.elapsed_ns is None:
        return {}
    total = context.elapsed_ns()
    written = {"total_duration": total, "load_duration": 0}
    if first_ns is not None:
        written["prompt_eval_duration"] = first_ns
    written["eval_duration"] = total - (first_ns or 0)
    return written


def write_usage(usage: Usage) -> JsonObject:
    asked, said = usage.total_input_tokens, usage.total_output_tokens
    if asked is None or said is None:
        return {}
    return {"prompt_eval_count": asked, "eval_count": said}
