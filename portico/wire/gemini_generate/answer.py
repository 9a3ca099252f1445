"""Whole answers of Gemini: `GenerateContentResponse` to `ChatResponse` and back.

https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse (2026-11-23). A prompt
that is blocked has no candidate but `promptFeedback`: here an answer without content, ended by a
filter.
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
    StopReason,
    Text,
    ToolCall,
)
from portico.wire.base import ReplyContext, Unsupported
from portico.wire.call_ids import CallIds
from portico.wire.gemini_generate.contents import read_parts
from portico.wire.gemini_generate.errors import error_of
from portico.wire.gemini_generate.grounding import (
    read_citations,
    read_logprobs,
    write_grounding,
    write_logprobs,
)
from portico.wire.gemini_generate.parts import NAME, PartWriter
from portico.wire.gemini_generate.usage import read_usage, write_usage
from portico.wire.json_io import (
    MalformedError,
    convert,
    decode_object,
    encode,
    fields_of,
    unknown,
)

STOPS: Final[dict[str, StopReason]] = {
    "STOP": "end",
    "MAX_TOKENS": "max_tokens",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "MALFORMED_FUNCTION_CALL": "malformed_call",
    "UNEXPECTED_TOOL_CALL": "malformed_call",
    "TOO_MANY_TOOL_CALLS": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
    "MALFORMED_RESPONSE": "error",
}

FINISH_REASONS: Final[dict[StopReason, str]] = {
    "end": "STOP",
    "stop_sequence": "STOP",
    "max_tokens": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "pause": "STOP",
    "context_window": "MAX_TOKENS",
    "malformed_call": "MALFORMED_FUNCTION_CALL",
    "error": "OTHER",
    "other": "OTHER",
}


class _Candidate(msgspec.Struct, rename="camel"):
    content: dict[str, Any] | None = None
    finish_reason: str | None = None
    index: int = 0
    logprobs_result: Any = None
    grounding_metadata: Any = None
    citation_metadata: Any = None


class _Answer(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    usage_metadata: Any = None
    model_version: str | None = None
    response_id: str | None = None


_CANDIDATE_FIELDS: Final = frozenset({"content", "finishReason", "index", "logprobsResult"})
_ANSWER_FIELDS: Final = fields_of(_Answer)


def read_response(body: bytes, /, *, home: Home | None = None) -> ChatResponse:
    try:
        raw = decode_object(body)
        if raw.get("error") and not raw.get("candidates"):
            raise error_of(raw["error"], 200, {})
        answer = convert(raw, _Answer)
        ids = call_ids(answer.response_id)
        choices = tuple(
            _read_choice(candidate, raw["candidates"][i], f"candidates[{i}].content", ids, home)
            for i, candidate in enumerate(answer.candidates or ())
        )
        if not choices and "candidates" not in raw and "promptFeedback" not in raw:
            raise MalformedError("it has neither `candidates` nor `promptFeedback`")
    except MalformedError as problem:
        raise problem.from_provider() from None
    reason = block_reason(raw.get("promptFeedback"))
    if not choices:
        stop: StopReason = "other" if reason is None else "content_filter"
        choices = (Choice(content=(), stop=stop, native_stop=reason),)
    return ChatResponse(
        dialect=NAME,
        id=answer.response_id or "",
        model=answer.model_version or "",
        choices=choices,
        usage=None if answer.usage_metadata is None else read_usage(answer.usage_metadata),
        extra=unknown(raw, _ANSWER_FIELDS),
    )


def call_ids(response_id: str | None) -> CallIds:
    """Ids that are new in each answer, short enough for every dialect."""
    tail = (response_id or "")[-24:]
    return CallIds(f"call_{tail}_" if tail else "call_")


def block_reason(feedback: Any) -> str | None:
    reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    return reason if isinstance(reason, str) else None


def _read_choice(
    candidate: _Candidate, raw: JsonObject, path: str, ids: CallIds, home: Home | None
) -> Choice:
    content = read_parts(candidate.content, path, ids, home)
    text = "".join(block.text for block in content if isinstance(block, Text))
    cited = read_citations(candidate.grounding_metadata, candidate.citation_metadata, text)
    return Choice(
        content=_cite(content, cited) if cited else content,
        stop=stop_reason(
            candidate.finish_reason, has_calls=any(isinstance(b, ToolCall) for b in content)
        ),
        index=candidate.index,
        native_stop=candidate.finish_reason,
        logprobs=read_logprobs(candidate.logprobs_result),
        extra=unknown(raw, _CANDIDATE_FIELDS) or None,
    )


def _cite(content: tuple[Block, ...], citations: tuple[Citation, ...]) -> tuple[Block, ...]:
    """Grounding is of the whole answer; it goes to the last text, where a stream learns of it."""
    for i in range(len(content) - 1, -1, -1):
        block = content[i]
        if isinstance(block, Text):
            cited = msgspec.structs.replace(block, citations=citations)
            return (*content[:i], cited, *content[i + 1 :])
    return (*content, Text("", citations))


def stop_reason(finish_reason: str | None, *, has_calls: bool) -> StopReason:
    stop = STOPS.get(finish_reason or "", "other")
    return "tool_calls" if has_calls and stop in ("end", "other") else stop


def finish_reason(stop: StopReason, native: str | None, *, is_own: bool) -> str:
    return native if is_own and native else FINISH_REASONS[stop]


def answer_id(id: str, context: ReplyContext) -> str:
    return id or context.id


def write_response(
    response: ChatResponse, /, *, context: ReplyContext, unsupported: Unsupported
) -> bytes:
    is_own = response.dialect == NAME
    written: JsonObject = {}
    if not (is_own and block_reason(response.extra.get("promptFeedback"))):
        parts = PartWriter(unsupported, to_client=True, is_own=is_own)
        written["candidates"] = [
            _write_choice(choice, parts, unsupported, is_own) for choice in response.choices
        ]
    usage = None if response.usage is None else write_usage(response.usage)
    if usage is not None:
        written["usageMetadata"] = usage
    written["modelVersion"] = response.model or context.request.model
    written["responseId"] = answer_id(response.id, context)
    if is_own:
        written.update(response.extra)
    return encode(written)


def _write_choice(
    choice: Choice, parts: PartWriter, unsupported: Unsupported, is_own: bool
) -> JsonObject:
    written: JsonObject = {
        "content": {"parts": parts.write(choice.content), "role": "model"},
        "finishReason": finish_reason(choice.stop, choice.native_stop, is_own=is_own),
        "index": choice.index,
    }
    if choice.logprobs:
        written["logprobsResult"] = write_logprobs(choice.logprobs)
    if is_own:
        written.update(choice.extra or {})
    else:
        texts = (block for block in choice.content if isinstance(block, Text))
        grounding = write_grounding(texts, unsupported)
        if grounding is not None:
            written["groundingMetadata"] = grounding
    return written
