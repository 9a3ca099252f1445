"""Whole answers of Bedrock Converse to `ChatResponse`."""

from typing import Any, Final

import msgspec

from portico.types.chat import ChatResponse, Choice, Home, StopReason
from portico.wire.bedrock_converse.blocks import read_content
from portico.wire.bedrock_converse.tools import NAME
from portico.wire.bedrock_converse.usage import ServiceTier, UsageFields, normal
from portico.wire.json_io import MalformedError, convert, decode_object, fields_of, unknown

STOPS: Final[dict[str, StopReason]] = {
    "end_turn": "end",
    "tool_use": "tool_calls",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "malformed_call",
    "model_context_window_exceeded": "context_window",
    "refusal": "refusal",
}


class _Message(msgspec.Struct):
    content: list[Any]


class _Output(msgspec.Struct):
    message: _Message


class _Answer(msgspec.Struct, rename="camel"):
    output: _Output
    stop_reason: str | None = None
    usage: UsageFields | None = None
    service_tier: ServiceTier | None = None
    additional_model_response_fields: Any = None


_KNOWN: Final = fields_of(_Answer)


def read_response(body: bytes, /, *, home: Home | None = None) -> ChatResponse:
    """Converse names neither the answer nor the model: both are for whoever asked to know."""
    try:
        raw = decode_object(body)
        answer = convert(raw, _Answer)
        content = read_content(answer.output.message.content, "output.message.content", home)
    except MalformedError as problem:
        raise problem.from_provider() from None
    choice = Choice(
        content=content,
        stop=STOPS.get(answer.stop_reason or "", "other"),
        native_stop=answer.stop_reason,
        stop_sequence=stop_sequence(answer.additional_model_response_fields),
    )
    usage = answer.usage
    return ChatResponse(
        dialect=NAME,
        id="",
        model="",
        choices=(choice,),
        usage=None if usage is None else normal(usage, answer.service_tier),
        extra=unknown(raw, _KNOWN),
    )


def stop_sequence(fields: Any) -> str | None:
    """Claude says which one it was, if `additionalModelResponseFieldPaths` asks."""
    found = fields.get("stop_sequence") if isinstance(fields, dict) else None
    return found if isinstance(found, str) else None
