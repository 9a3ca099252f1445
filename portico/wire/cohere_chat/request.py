"""Requests of Cohere's chat, version 2.

https://docs.cohere.com/reference/chat, …/docs/reasoning and …/docs/structured-outputs (2026-11-23).
"""

from typing import Final

from portico.types.chat import ChatRequest, Home, JsonObject
from portico.wire.base import Unsupported, drop_extra
from portico.wire.cohere_chat.messages import MessageWriter
from portico.wire.cohere_chat.tools import NAME, write_tool_fields
from portico.wire.effort import asked_budget
from portico.wire.json_io import encode
from portico.wire.json_schema import Rules, narrow

_MAX_STOPS: Final = 5
_MAX_K: Final = 500

_FORMAT_RULES: Final = Rules(
    keywords=frozenset(
        {
            "$defs",
            "$ref",
            "additionalProperties",
            "anyOf",
            "const",
            "definitions",
            "description",
            "enum",
            "format",
            "items",
            "pattern",
            "properties",
            "required",
            "title",
            "type",
        }
    ),
    formats=frozenset({"date", "date-time", "time", "uuid"}),
    one_of_to_any_of=True,
)
"""https://docs.cohere.com/docs/parameter-types-in-json; no ranges of numbers, lengths or counts."""


def write_request(
    request: ChatRequest, /, *, unsupported: Unsupported, home: Home | None = None
) -> bytes:
    written: JsonObject = {"model": request.model}
    written.update(write_tool_fields(request.tools, request.tool_choice, unsupported))
    written["messages"] = MessageWriter(unsupported, home).write(request.messages)
    if request.max_tokens is not None:
        written["max_tokens"] = request.max_tokens
    if request.stop:
        if len(request.stop) > _MAX_STOPS:
            unsupported("stop", NAME)
        written["stop_sequences"] = list(request.stop[:_MAX_STOPS])
    _write_sampling(request, written, unsupported)
    _write_format(request, written, unsupported)
    _write_thinking(request, written)
    _name_foreign(request, unsupported)
    if request.stream:
        written["stream"] = True
    return encode(written)


def _write_sampling(request: ChatRequest, written: JsonObject, unsupported: Unsupported) -> None:
    """Penalties are from 0 to 1 here, `p` stays below 1, `k` ends at 500."""
    sampling = request.sampling
    for field, value in (
        ("temperature", sampling.temperature),
        ("seed", sampling.seed),
        ("logprobs", sampling.logprobs),
    ):
        if value is not None:
            written[field] = value
    if sampling.top_p is not None:
        written["p"] = min(max(sampling.top_p, 0.01), 0.99)
    if sampling.top_k is not None:
        if sampling.top_k > _MAX_K:
            unsupported("top_k", NAME)
        written["k"] = min(sampling.top_k, _MAX_K)
    for field, penalty in (
        ("frequency_penalty", sampling.frequency_penalty),
        ("presence_penalty", sampling.presence_penalty),
    ):
        if penalty is not None:
            if not 0 <= penalty <= 1:
                unsupported(field, NAME)
            written[field] = min(max(penalty, 0.0), 1.0)


def _write_format(request: ChatRequest, written: JsonObject, unsupported: Unsupported) -> None:
    format = request.response_format
    if format is None or format.type == "text":
        return
    asked: JsonObject = {"type": "json_object"}
    if format.schema is not None:
        narrowed = narrow(format.schema, _FORMAT_RULES)
        for keyword in narrowed.dropped:
            unsupported(f"response_format.schema.{keyword}", NAME)
        asked["json_schema"] = narrowed.schema
    written["response_format"] = asked


def _write_thinking(request: ChatRequest, written: JsonObject) -> None:
    config = request.thinking
    if config is None:
        return
    budget = asked_budget(config, request.max_tokens)
    if budget == 0:
        written["thinking"] = {"type": "disabled"}
        return
    thinking: JsonObject = {"type": "enabled"}
    if budget is not None:
        thinking["token_budget"] = budget
    written["thinking"] = thinking


def _name_foreign(request: ChatRequest, unsupported: Unsupported) -> None:
    sampling = request.sampling
    for field, is_said in (
        ("repetition_penalty", sampling.repetition_penalty not in (None, 1)),
        ("min_p", bool(sampling.min_p)),
        ("logit_bias", bool(sampling.logit_bias)),
        ("top_logprobs", bool(sampling.top_logprobs)),
        ("n", sampling.n not in (None, 1)),
        ("modalities", request.modalities not in ((), ("text",))),
        ("verbosity", request.verbosity is not None),
        ("user", request.user is not None),
        ("metadata", bool(request.metadata)),
        ("service_tier", request.service_tier not in (None, "auto", "default")),
        ("prompt_cache_key", request.prompt_cache_key is not None),
        ("cache_control", request.cache is not None),
        ("parallel_tool_calls", request.parallel_tool_calls is False and bool(request.tools)),
    ):
        if is_said:
            unsupported(field, NAME)
    drop_extra(request.extra, NAME, unsupported)
