"""Whole answers of Anthropic Messages: `message` to `ChatResponse` and back."""

from typing import Any, Final

import msgspec

from portico.types.chat import (
    Block,
    ChatResponse,
    Choice,
    Home,
    JsonObject,
    StopReason,
)
from portico.types.usage import Usage
from portico.wire.anthropic_messages.blocks import (
    NAME,
    BlockWriter,
    KnownBlock,
    blocks_of,
    read_content,
)
from portico.wire.anthropic_messages.errors import error_of
from portico.wire.anthropic_messages.usage import UsageFields, normal, read_usage, write_usage
from portico.wire.base import ReplyContext, Unsupported
from portico.wire.json_io import (
    MalformedError,
    convert,
    decode_object,
    encode,
    fields_of,
    strictly,
    unknown,
)

STOPS: Final[dict[str, StopReason]] = {
    "end_turn": "end",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "refusal",
    "model_context_window_exceeded": "context_window",
}

STOP_REASONS: Final[dict[StopReason, str]] = {
    **{stop: reason for reason, stop in STOPS.items()},
    "content_filter": "refusal",
    "malformed_call": "end_turn",
    "error": "end_turn",
    "other": "end_turn",
}


STOP_FIELDS: Final = ("stop_details", "container", "context_management")
"""What a stream says only in its `message_delta`: they belong to the end."""


class _Answer(msgspec.Struct):
    content: list[Any]
    id: str | None = None
    type: str | None = None
    role: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: Any = None


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    """An answer that holds nothing but what is known here."""

    content: list[KnownBlock]
    id: str | None = None
    type: str | None = None
    role: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: UsageFields | None = None
    stop_details: Any = msgspec.UNSET
    container: Any = msgspec.UNSET
    context_management: Any = msgspec.UNSET


_KNOWN: Final = fields_of(_Answer)
_PLAIN: Final = msgspec.json.Decoder(_Plain)


def read_response(body: bytes, /, *, home: Home | None = None) -> ChatResponse:
    plain = strictly(_PLAIN, body)
    try:
        if plain is not None and plain.type != "error":
            content = blocks_of(plain.content, "content", home)
            usage = None if plain.usage is None else normal(plain.usage)
            return _answer(plain, content, usage, _stop_fields(plain))
        raw = decode_object(body)
        if raw.get("type") == "error":
            raise error_of(raw.get("error"), 200, {})
        answer = convert(raw, _Answer)
        content = read_content(answer.content, "content", home)
    except MalformedError as problem:
        raise problem.from_provider() from None
    usage = None if answer.usage is None else read_usage(answer.usage)
    return _answer(answer, content, usage, unknown(raw, _KNOWN))


def _stop_fields(plain: _Plain) -> JsonObject:
    unset = msgspec.UNSET
    if plain.stop_details is plain.container is plain.context_management is unset:
        return {}
    held = {field: getattr(plain, field) for field in STOP_FIELDS}
    return {field: value for field, value in held.items() if value is not unset}


def _answer(
    answer: _Plain | _Answer, content: tuple[Block, ...], usage: Usage | None, rest: JsonObject
) -> ChatResponse:
    extra: JsonObject | None = None
    if rest:
        extra = {key: rest.pop(key) for key in STOP_FIELDS if rest.get(key) is not None}
    choice = Choice(
        content=content,
        extra=extra or None,
        stop=STOPS.get(answer.stop_reason or "", "other"),
        native_stop=answer.stop_reason,
        stop_sequence=answer.stop_sequence,
    )
    return ChatResponse(
        dialect=NAME,
        id=answer.id or "",
        model=answer.model or "",
        choices=(choice,),
        usage=usage,
        extra=rest,
    )


def stop_reason(stop: StopReason, native: str | None, *, is_own: bool) -> str:
    return native if is_own and native else STOP_REASONS[stop]


def answer_id(id: str, context: ReplyContext) -> str:
    id = id or context.id
    return id if id.startswith("msg_") else f"msg_{id}"


def write_response(
    response: ChatResponse, /, *, context: ReplyContext, unsupported: Unsupported
) -> bytes:
    is_own = response.dialect == NAME
    if len(response.choices) > 1:
        unsupported("n", NAME)
    choice = response.choices[0] if response.choices else Choice(content=(), stop="other")
    if choice.logprobs:
        unsupported("logprobs", NAME)
    writer = BlockWriter(unsupported, to_client=True, is_own=is_own)
    written: JsonObject = {
        "id": response.id if is_own and response.id else answer_id(response.id, context),
        "type": "message",
        "role": "assistant",
        "model": response.model or context.request.model,
        "content": writer.write(choice.content),
        "stop_reason": stop_reason(choice.stop, choice.native_stop, is_own=is_own),
        "stop_sequence": choice.stop_sequence,
        "usage": write_usage(response.usage),
    }
    if is_own:
        written.update(response.extra)
        written.update(choice.extra or {})
    return encode(written)
