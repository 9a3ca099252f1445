"""Whole answers of OpenAI Chat: `chat.completion` to `ChatResponse` and back."""

from typing import Any, Final

import msgspec

from portico.types.chat import (
    Audio,
    Block,
    ChatRequest,
    ChatResponse,
    Choice,
    Citation,
    Home,
    Image,
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
from portico.wire.json_io import (
    MalformedError,
    convert,
    decode_object,
    encode,
    fields_of,
    strictly,
    unknown,
)
from portico.wire.openai_chat.errors import error_of
from portico.wire.openai_chat.messages import MessageFields, read_assistant, write_call
from portico.wire.openai_chat.parts import NAME, write_url
from portico.wire.openai_chat.reasoning import write_own, write_thinking_block
from portico.wire.openai_usage import UsageFields, normal, read_usage

STOPS: Final[dict[str, StopReason]] = {
    "stop": "end",
    "length": "max_tokens",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "model_length": "context_window",
    "error": "error",
    "insufficient_system_resource": "error",
    "eos": "end",
    "eos_token": "end",
    "end_turn": "end",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "time_limit": "max_tokens",
}
"""OpenAI's five, Mistral's `model_length` and `error`, DeepSeek's `insufficient_system_resource`,
watsonx's `time_limit`, and what servers pass on from elsewhere."""

FINISH_REASONS: Final[dict[StopReason, str]] = {
    "end": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "stop",
    "pause": "stop",
    "context_window": "length",
    "malformed_call": "stop",
    "error": "stop",
    "other": "stop",
}


class _Choice(msgspec.Struct):
    message: MessageFields
    index: int = 0
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    id: str | None = None
    object: str | None = None
    created: float | None = None
    model: str | None = None
    usage: Any = None


class _PlainChoice(_Choice, forbid_unknown_fields=True):
    """A choice that holds nothing but what is known here."""


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    """An answer such as OpenAI's own."""

    choices: list[_PlainChoice]
    id: str | None = None
    object: str | None = None
    created: float | None = None
    model: str | None = None
    usage: UsageFields | None = None
    service_tier: str | msgspec.UnsetType | None = msgspec.UNSET
    system_fingerprint: str | msgspec.UnsetType | None = msgspec.UNSET


_CHOICE_FIELDS: Final = fields_of(_Choice)
_ANSWER_FIELDS: Final = fields_of(_Answer)
_PLAIN: Final = msgspec.json.Decoder(_Plain)


def read_response(body: bytes, /, *, home: Home | None = None) -> ChatResponse:
    plain = strictly(_PLAIN, body)
    try:
        if plain is not None:
            return _read_plain(plain, home)
        raw = decode_object(body)
        if raw.get("error") and not raw.get("choices"):
            raise error_of(raw["error"], 200, {})
        answer = convert(raw, _Answer)
        choices = tuple(
            _read_choice(
                choice, i, answer.id, home, unknown(raw["choices"][i], _CHOICE_FIELDS) or None
            )
            for i, choice in enumerate(answer.choices)
        )
    except MalformedError as problem:
        raise problem.from_provider() from None
    return ChatResponse(
        dialect=NAME,
        id=answer.id or "",
        model=answer.model or "",
        choices=choices,
        usage=read_usage(body),
        created=None if answer.created is None else int(answer.created),
        extra=unknown(raw, _ANSWER_FIELDS),
    )


def _read_plain(answer: _Plain, home: Home | None) -> ChatResponse:
    extra: JsonObject = {}
    tier = None
    if answer.service_tier is not msgspec.UNSET:
        extra["service_tier"] = tier = answer.service_tier
    if answer.system_fingerprint is not msgspec.UNSET:
        extra["system_fingerprint"] = answer.system_fingerprint
    return ChatResponse(
        dialect=NAME,
        id=answer.id or "",
        model=answer.model or "",
        choices=tuple(
            [_read_choice(one, i, answer.id, home, None) for i, one in enumerate(answer.choices)]
        ),
        usage=None if answer.usage is None else normal(answer.usage, tier),
        created=None if answer.created is None else int(answer.created),
        extra=extra,
    )


def _read_choice(
    choice: _Choice, at: int, answer_id: str | None, home: Home | None, extra: JsonObject | None
) -> Choice:
    path = f"choices[{at}].message"
    content = read_assistant(choice.message, path, home=home, answer_id=answer_id or "")
    kinds = _kinds(content)
    return Choice(
        content=content,
        stop=stop_reason(
            choice.finish_reason, has_calls="tool_call" in kinds, has_refusal="refusal" in kinds
        ),
        index=choice.index,
        native_stop=choice.finish_reason,
        logprobs=choice.logprobs,
        extra=extra,
    )


def stop_reason(finish_reason: str | None, *, has_calls: bool, has_refusal: bool) -> StopReason:
    """`stop` is also said after calls (a forced tool, sloppy servers) and after refusals."""
    stop = STOPS.get(finish_reason or "", "other")
    if stop in ("end", "other") and has_calls:
        return "tool_calls"
    if stop == "end" and has_refusal:
        return "refusal"
    return stop


def finish_reason(
    stop: StopReason, native: str | None, *, is_own: bool, has: frozenset[str], is_legacy: bool
) -> str:
    """`has` names the kinds of blocks in the choice: a refusal in words is an ordinary stop."""
    if is_own and native:
        return native
    if stop == "refusal" and "refusal" not in has:
        return "content_filter"
    if is_legacy and stop == "tool_calls":
        return "function_call"
    if stop == "pause" and "tool_call" in has:
        return "tool_calls"
    return FINISH_REASONS[stop]


def is_legacy(request: ChatRequest) -> bool:
    """Did the client ask with `functions`, and so must be answered with `function_call`?"""
    return "~functions" in request.extra and request.dialect == NAME


def answer_id(id: str, context: ReplyContext) -> str:
    id = id or context.id
    return id if id.startswith(("chatcmpl", "gen-")) else f"chatcmpl-{id}"


def write_response(
    response: ChatResponse, /, *, context: ReplyContext, unsupported: Unsupported
) -> bytes:
    legacy = is_legacy(context.request)
    is_own = response.dialect == NAME
    written: JsonObject = {
        "id": response.id if is_own and response.id else answer_id(response.id, context),
        "object": "chat.completion",
        "created": response.created or context.now,
        "model": response.model or context.request.model,
        "choices": [_write_choice(c, unsupported, is_own, legacy) for c in response.choices],
    }
    if response.usage is not None:
        usage = write_usage(response.usage)
        if usage is not None:
            written["usage"] = usage
        if response.usage.service_tier is not None:
            written["service_tier"] = response.usage.service_tier
    if is_own:
        written.update(response.extra)
    return encode(written)


def _write_choice(
    choice: Choice, unsupported: Unsupported, is_own: bool, legacy: bool
) -> JsonObject:
    written: JsonObject = {
        "index": choice.index,
        "message": write_answer(choice.content, unsupported, is_legacy=legacy),
        "logprobs": choice.logprobs,
        "finish_reason": finish_reason(
            choice.stop,
            choice.native_stop,
            is_own=is_own,
            has=_kinds(choice.content),
            is_legacy=legacy,
        ),
    }
    if is_own and choice.extra:
        written.update(choice.extra)
    return written


_TEXT_ALONE: Final = frozenset({"text"})


def _kinds(content: tuple[Block, ...]) -> frozenset[str]:
    if len(content) == 1 and type(content[0]) is Text:
        return _TEXT_ALONE
    return frozenset([str(block.__struct_config__.tag) for block in content])


def write_usage(usage: Usage) -> JsonObject | None:
    """`None` if nobody said what was used."""
    prompt, completion = usage.total_input_tokens, usage.total_output_tokens
    if prompt is None or completion is None:
        return None
    prompt_details: JsonObject = {
        "cached_tokens": usage.cache_read_tokens + usage.cache_read_audio_tokens,
        "audio_tokens": usage.input_audio_tokens + usage.cache_read_audio_tokens,
    }
    written = usage.cache_write_tokens + usage.cache_write_1h_tokens
    if written:
        prompt_details["cache_write_tokens"] = written
    if usage.input_image_tokens:
        prompt_details["image_tokens"] = usage.input_image_tokens
    completion_details: JsonObject = {
        "reasoning_tokens": usage.reasoning_tokens,
        "audio_tokens": usage.output_audio_tokens,
    }
    if usage.output_image_tokens:
        completion_details["image_tokens"] = usage.output_image_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": completion_details,
    }


def write_answer(
    content: tuple[Block, ...], unsupported: Unsupported, *, is_legacy: bool
) -> JsonObject:
    """The message of an answer to a client."""
    if len(content) == 1 and isinstance(only := content[0], Text) and not only.citations:
        return {"role": "assistant", "content": only.text, "refusal": None}
    texts: list[str] = []
    length = 0
    calls: list[JsonObject] = []
    annotations: list[JsonObject] = []
    message: JsonObject = {"role": "assistant", "content": None, "refusal": None}
    for block in content:
        match block:
            case Text(text, citations):
                if block.state is not None:
                    unsupported("thought_signature", NAME)
                for citation in citations:
                    annotation = write_annotation(citation, length, len(text))
                    if annotation is None:
                        unsupported("citations", NAME)
                    else:
                        annotations.append(annotation)
                texts.append(text)
                length += len(text)
            case Thinking(text, state) if state is not None and state.dialect == NAME:
                message.update(write_own(state, text))
            case Thinking(text):
                held = message.get("reasoning_content")
                message["reasoning_content"] = held + text if held else text
                if block.state is not None:
                    message.setdefault("thinking_blocks", []).append(write_thinking_block(block))
            case RedactedThinking():
                message.setdefault("thinking_blocks", []).append(write_thinking_block(block))
            case Refusal(text):
                message["refusal"] = (message["refusal"] or "") + text
            case ToolCall():
                calls.append(write_call(block))
            case Audio():
                message["audio"] = write_audio(block)
            case Image(source):
                if block.state is not None:
                    unsupported("thought_signature", NAME)
                image = {"type": "image_url", "image_url": {"url": write_url(source)}}
                message.setdefault("images", []).append(image)
            case OpaqueBlock(_, data):
                unsupported(f"content.{data.get('type')}", NAME)
            case _:
                unsupported(f"content.{block.__struct_config__.tag}", NAME)
    if texts:
        message["content"] = "".join(texts)
    if annotations:
        message["annotations"] = annotations
    if is_legacy and len(calls) == 1:
        message["function_call"] = calls[0]["function"]
    elif calls:
        message["tool_calls"] = calls
    return message


def write_audio(audio: Audio) -> JsonObject:
    data = getattr(audio.source, "data", None)
    return {
        "id": audio.id or "",
        "data": data or "",
        "expires_at": audio.expires_at or 0,
        "transcript": audio.transcript or "",
    }


def write_annotation(citation: Citation, offset: int, length: int) -> JsonObject | None:
    """`offset` and `length` place the cited text in the message; `None` without an address."""
    if citation.dialect == NAME and citation.native is not None:
        return citation.native
    if citation.url is None:
        return None
    start, end = citation.start_index, citation.end_index
    return {
        "type": "url_citation",
        "url_citation": {
            "start_index": offset + (start or 0),
            "end_index": offset + (length if end is None else end),
            "title": citation.title or "",
            "url": citation.url,
        },
    }
