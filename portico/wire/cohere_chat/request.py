"""Requests of Cohere's chat, version 2, read from clients and written to providers.

https://docs.cohere.com/reference/chat, …/docs/reasoning and …/docs/structured-outputs (2026-11-23).
"""

from typing import Any, Final, Literal

import msgspec

from portico.types.chat import (
    ChatRequest,
    Home,
    JsonObject,
    ResponseFormat,
    Sampling,
    ThinkingConfig,
)
from portico.wire.base import Unsupported, drop_extra
from portico.wire.cohere_chat.messages import MessageWriter, read_messages
from portico.wire.cohere_chat.tools import NAME, read_tool_choice, read_tools, write_tool_fields
from portico.wire.effort import asked_budget, name_summary
from portico.wire.json_io import (
    MalformedError,
    convert,
    decode_object,
    encode,
    fields_of,
    unknown,
)
from portico.wire.json_schema import Rules, described, narrow


class _Format(msgspec.Struct):
    type: str
    json_schema: dict[str, Any] | None = None
    schema: dict[str, Any] | None = None


class _Thinking(msgspec.Struct):
    type: Literal["enabled", "disabled"]
    token_budget: int | None = None


class _Request(msgspec.Struct):
    model: str
    messages: list[Any]
    stream: bool | None = None
    tools: list[Any] | None = None
    strict_tools: bool | None = None
    tool_choice: str | None = None
    response_format: _Format | None = None
    max_tokens: int | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    k: int | None = None
    p: float | None = None
    logprobs: bool | None = None
    thinking: _Thinking | None = None


_KNOWN: Final = fields_of(_Request)

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


def read_request(
    body: bytes, /, *, model: str | None = None, stream: bool | None = None
) -> ChatRequest:
    try:
        raw = decode_object(body)
        return _read(raw, convert(raw, _Request))
    except MalformedError as problem:
        raise problem.from_client() from None


def _read(raw: JsonObject, asked: _Request) -> ChatRequest:
    thinking = None
    if asked.thinking is not None:
        budget = asked.thinking.token_budget
        thinking = ThinkingConfig(mode=asked.thinking.type, budget_tokens=budget)
    tools = read_tools(asked.tools or (), strict=asked.strict_tools)
    return ChatRequest(
        dialect=NAME,
        model=asked.model,
        messages=read_messages(asked.messages),
        tools=tools,
        tool_choice=read_tool_choice(asked.tool_choice, tools),
        max_tokens=asked.max_tokens,
        stop=tuple(asked.stop_sequences or ()),
        sampling=Sampling(
            temperature=asked.temperature,
            top_p=asked.p,
            top_k=asked.k,
            frequency_penalty=asked.frequency_penalty,
            presence_penalty=asked.presence_penalty,
            seed=asked.seed,
            logprobs=asked.logprobs,
        ),
        response_format=_read_format(asked.response_format),
        thinking=thinking,
        stream=bool(asked.stream),
        include_usage=True,
        extra=unknown(raw, _KNOWN),
    )


def _read_format(format: _Format | None) -> ResponseFormat | None:
    """`json_object` with a schema is what others call `json_schema`."""
    if format is None:
        return None
    if format.type not in ("text", "json_object"):
        raise MalformedError("expected `text` or `json_object`", "response_format.type")
    schema = format.json_schema or format.schema
    if schema is not None:
        return ResponseFormat("json_schema", schema)
    return ResponseFormat("text" if format.type == "text" else "json_object")


def write_request(
    request: ChatRequest, /, *, unsupported: Unsupported, home: Home | None = None
) -> bytes:
    written: JsonObject = {"model": request.model}
    is_own = request.dialect == NAME
    written.update(
        write_tool_fields(request.tools, request.tool_choice, unsupported, is_own=is_own)
    )
    messages = MessageWriter(unsupported, home, is_own=is_own)
    written["messages"] = messages.write(request.messages)
    if request.max_tokens is not None:
        written["max_tokens"] = request.max_tokens
    if request.stop:
        stop = request.stop if is_own else request.stop[:_MAX_STOPS]
        if len(stop) < len(request.stop):
            unsupported("stop", NAME)
        written["stop_sequences"] = list(stop)
    _write_sampling(request, written, unsupported)
    _write_format(request, written, unsupported)
    _write_thinking(request, written, unsupported)
    if is_own:
        written.update(request.extra)
    else:
        _name_foreign(request, unsupported)
    if request.stream:
        written["stream"] = True
    return encode(written)


def _write_sampling(request: ChatRequest, written: JsonObject, unsupported: Unsupported) -> None:
    """Penalties are from 0 to 1 here, `p` stays below 1, `k` ends at 500."""
    sampling = request.sampling
    if request.dialect == NAME:
        for field, own in (
            ("p", sampling.top_p),
            ("k", sampling.top_k),
            ("frequency_penalty", sampling.frequency_penalty),
            ("presence_penalty", sampling.presence_penalty),
        ):
            if own is not None:
                written[field] = own
        sampling = msgspec.structs.replace(
            sampling, top_p=None, top_k=None, frequency_penalty=None, presence_penalty=None
        )
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
        if format is not None and request.dialect == NAME:
            written["response_format"] = {"type": "text"}
        return
    asked: JsonObject = {"type": "json_object"}
    if format.schema is not None and request.dialect == NAME:
        asked["json_schema"] = format.schema
    elif format.schema is not None:
        narrowed = narrow(described(format, format.schema), _FORMAT_RULES)
        for keyword in narrowed.dropped:
            unsupported(f"response_format.schema.{keyword}", NAME)
        asked["json_schema"] = narrowed.schema
    written["response_format"] = asked


def _write_thinking(request: ChatRequest, written: JsonObject, unsupported: Unsupported) -> None:
    config = request.thinking
    if config is None:
        return
    name_summary(config, NAME, unsupported)
    budget = asked_budget(config, request.max_tokens)
    if request.dialect == NAME:
        budget = config.budget_tokens
    if config.mode == "disabled" or (budget == 0 and request.dialect != NAME):
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
