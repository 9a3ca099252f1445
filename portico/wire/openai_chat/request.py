"""Requests of OpenAI Chat Completions, read from clients and written to providers.

https://developers.openai.com/api/docs/api-reference/chat/create (2026-11-23), with the parameters
other servers of this dialect share: `top_k`, `min_p`, `repetition_penalty`, `thinking` (DeepSeek,
GLM, LiteLLM), `reasoning` (OpenRouter). `max_completion_tokens` is the name written; providers that
know only `max_tokens` say so in the catalog.
"""

from typing import Any, Final, Literal, get_args

import msgspec

from portico.types.chat import (
    ChatRequest,
    Effort,
    Home,
    JsonObject,
    Message,
    ResponseFormat,
    Sampling,
    ThinkingConfig,
    Tool,
)
from portico.wire.base import Unsupported, drop_extra
from portico.wire.effort import asked_effort, name_summary
from portico.wire.json_io import (
    MalformedError,
    convert,
    decode_object,
    encode,
    fields_of,
    strictly,
    unknown,
)
from portico.wire.openai_chat.messages import (
    MessageWriter,
    PlainMessage,
    messages_of,
    read_messages,
)
from portico.wire.openai_chat.parts import NAME
from portico.wire.openai_chat.tools import (
    read_functions,
    read_tool_choice,
    read_tools,
    write_tool_choice,
    write_tools,
)

_EFFORTS: Final[frozenset[str]] = frozenset(get_args(Effort))


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _JsonSchema(msgspec.Struct):
    name: str | None = None
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class _Format(msgspec.Struct):
    type: str
    json_schema: _JsonSchema | None = None


class _Thinking(msgspec.Struct):
    type: str | None = None
    budget_tokens: int | None = None


class _Reasoning(msgspec.Struct):
    effort: str | None = None
    max_tokens: int | None = None
    enabled: bool | None = None
    exclude: bool | None = None
    summary: str | None = None


class _Request(msgspec.Struct):
    model: str
    messages: list[Any]
    frequency_penalty: float | None = None
    function_call: Any = None
    functions: list[Any] | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    metadata: dict[str, Any] | None = None
    min_p: float | None = None
    modalities: list[str] | None = None
    n: int | None = None
    parallel_tool_calls: bool | None = None
    presence_penalty: float | None = None
    prompt_cache_key: str | None = None
    reasoning: _Reasoning | None = None
    reasoning_effort: str | None = None
    repetition_penalty: float | None = None
    response_format: _Format | None = None
    seed: int | None = None
    service_tier: str | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    temperature: float | None = None
    thinking: _Thinking | None = None
    tool_choice: Any = None
    tools: list[Any] | None = None
    top_k: int | None = None
    top_logprobs: int | None = None
    top_p: float | None = None
    user: str | None = None
    verbosity: str | None = None


class _Plain(_Request, forbid_unknown_fields=True, kw_only=True):
    """A request that holds nothing but what is known here."""

    messages: list[PlainMessage]


_KNOWN: Final = fields_of(_Request)
_PLAIN: Final = msgspec.json.Decoder(_Plain)
_FORMATS: Final = frozenset({"text", "json_object", "json_schema"})
_OWN_FORMS: Final = ("functions", "function_call", "reasoning", "thinking")
"""Fields that say something canonical in words of their own, kept beside it for the way home."""


def read_request(
    body: bytes, /, *, model: str | None = None, stream: bool | None = None
) -> ChatRequest:
    plain = strictly(_PLAIN, body)
    try:
        if plain is not None and not _has_own_forms(plain):
            return _read(plain, messages_of(plain.messages), {})
        raw = decode_object(body)
        asked = convert(raw, _Request)
        return _read(asked, read_messages(asked.messages), _extra(raw, asked))
    except MalformedError as problem:
        raise problem.from_client() from None


def _has_own_forms(asked: _Request) -> bool:
    format = asked.response_format
    return (
        asked.functions is not None
        or asked.function_call is not None
        or asked.reasoning is not None
        or asked.thinking is not None
        or (format is not None and format.type not in _FORMATS)
    )


def _extra(raw: JsonObject, asked: _Request) -> JsonObject:
    extra = unknown(raw, _KNOWN)
    for field in _OWN_FORMS:
        if raw.get(field) is not None:
            extra[f"~{field}"] = raw[field]
    if asked.response_format is not None and asked.response_format.type not in _FORMATS:
        extra["response_format"] = raw["response_format"]
    return extra


def _read(asked: _Request, messages: tuple[Message, ...], extra: JsonObject) -> ChatRequest:
    format = asked.response_format
    tools: tuple[Tool, ...] = ()
    if asked.tools or asked.functions:
        tools = read_tools(asked.tools or ()) + read_functions(asked.functions or ())
    choice = asked.tool_choice if asked.tool_choice is not None else asked.function_call
    return ChatRequest(
        dialect=NAME,
        model=asked.model,
        messages=messages,
        tools=tools,
        tool_choice=None if choice is None else read_tool_choice(choice),
        parallel_tool_calls=asked.parallel_tool_calls,
        max_tokens=asked.max_tokens
        if asked.max_completion_tokens is None
        else asked.max_completion_tokens,
        stop=(asked.stop,) if isinstance(asked.stop, str) else tuple(asked.stop or ()),
        sampling=Sampling(
            temperature=asked.temperature,
            top_p=asked.top_p,
            top_k=asked.top_k,
            min_p=asked.min_p,
            frequency_penalty=asked.frequency_penalty,
            presence_penalty=asked.presence_penalty,
            repetition_penalty=asked.repetition_penalty,
            seed=asked.seed,
            logit_bias=asked.logit_bias,
            logprobs=asked.logprobs,
            top_logprobs=asked.top_logprobs,
            n=asked.n,
        ),
        response_format=None
        if format is None or format.type not in _FORMATS
        else _read_format(format),
        thinking=_read_thinking(asked),
        modalities=tuple(asked.modalities or ()),
        verbosity=asked.verbosity,
        stream=bool(asked.stream),
        include_usage=bool(asked.stream_options and asked.stream_options.include_usage),
        service_tier=asked.service_tier,
        user=asked.user,
        metadata=asked.metadata,
        prompt_cache_key=asked.prompt_cache_key,
        extra=extra,
    )


def _read_format(format: _Format) -> ResponseFormat:
    type: Literal["text", "json_object", "json_schema"] = format.type  # type: ignore[assignment]
    inner = format.json_schema
    if type != "json_schema":
        return ResponseFormat(type)
    if inner is None:
        raise MalformedError(
            "type `json_schema` needs the object `json_schema`", "response_format.json_schema"
        )
    return ResponseFormat(type, inner.schema, inner.name, inner.description, inner.strict)


def _read_thinking(asked: _Request) -> ThinkingConfig | None:
    effort = asked.reasoning_effort
    if effort is None and asked.reasoning is None and asked.thinking is None:
        return None
    budget: int | None = None
    mode: Literal["enabled", "adaptive", "disabled"] | None = None
    summary: str | None = None
    where = "reasoning_effort"
    if asked.reasoning is not None:
        if effort is None:
            effort, where = asked.reasoning.effort, "reasoning.effort"
        budget = asked.reasoning.max_tokens
        if asked.reasoning.enabled is not None:
            mode = "enabled" if asked.reasoning.enabled else "disabled"
        summary = "omitted" if asked.reasoning.exclude else asked.reasoning.summary
    if asked.thinking is not None:
        match asked.thinking.type:
            case "enabled" | "adaptive" | "disabled" as known:
                mode = known
            case _:
                pass
        budget = asked.thinking.budget_tokens
    if effort is not None and effort not in _EFFORTS:
        expected = ", ".join(f"`{word}`" for word in get_args(Effort))
        raise MalformedError(f"expected one of {expected}", where)
    known_effort: Effort | None = effort  # type: ignore[assignment]
    config = ThinkingConfig(mode=mode, budget_tokens=budget, effort=known_effort, summary=summary)
    return None if config == ThinkingConfig() else config


def write_request(
    request: ChatRequest, /, *, unsupported: Unsupported, home: Home | None = None
) -> bytes:
    is_own = request.dialect == NAME
    extra = request.extra
    is_legacy = is_own and "~functions" in extra
    messages = MessageWriter(unsupported, home=home, is_own=is_own, is_legacy=is_legacy)
    written: JsonObject = {
        "model": request.model,
        "messages": messages.write(request.messages),
    }
    if is_legacy:
        written["functions"] = extra["~functions"]
        if "~function_call" in extra:
            written["function_call"] = extra["~function_call"]
    elif request.tools:
        written["tools"] = write_tools(request.tools, unsupported, is_own=is_own)
        if request.tool_choice is not None:
            written["tool_choice"] = write_tool_choice(request.tool_choice, request.tools)
    for field, value in (
        ("parallel_tool_calls", request.parallel_tool_calls if request.tools else None),
        ("max_completion_tokens", request.max_tokens),
        ("stop", list(request.stop) or None),
        ("temperature", request.sampling.temperature),
        ("top_p", request.sampling.top_p),
        ("top_k", request.sampling.top_k),
        ("min_p", request.sampling.min_p),
        ("frequency_penalty", request.sampling.frequency_penalty),
        ("presence_penalty", request.sampling.presence_penalty),
        ("repetition_penalty", request.sampling.repetition_penalty),
        ("seed", request.sampling.seed),
        ("logit_bias", request.sampling.logit_bias),
        ("logprobs", request.sampling.logprobs),
        ("top_logprobs", request.sampling.top_logprobs),
        ("n", request.sampling.n),
        ("modalities", list(request.modalities) or None),
        ("verbosity", request.verbosity),
        ("service_tier", request.service_tier),
        ("user", request.user),
        ("metadata", request.metadata),
        ("prompt_cache_key", request.prompt_cache_key),
    ):
        if value is not None:
            written[field] = value
    if request.response_format is not None:
        written["response_format"] = _write_format(request.response_format)
    _write_thinking(request, written, unsupported, is_own)
    if request.cache is not None:
        unsupported("cache_control", NAME)
    if is_own:
        written.update({key: value for key, value in extra.items() if key[:1] != "~"})
    else:
        drop_extra(extra, NAME, unsupported)
    if request.stream:
        written["stream"] = True
        written["stream_options"] = {"include_usage": True}
    return encode(written)


def _write_format(format: ResponseFormat) -> JsonObject:
    if format.type != "json_schema":
        return {"type": format.type}
    inner: JsonObject = {"name": format.name or "response"}
    if format.description is not None:
        inner["description"] = format.description
    if format.schema is not None:
        inner["schema"] = format.schema
    if format.strict is not None:
        inner["strict"] = format.strict
    return {"type": "json_schema", "json_schema": inner}


def _write_thinking(
    request: ChatRequest, written: JsonObject, unsupported: Unsupported, is_own: bool
) -> None:
    """Home in the words the client used; else as `reasoning_effort`, which most servers know."""
    config = request.thinking
    if is_own:
        if config is not None and config.effort is not None and "~reasoning" not in request.extra:
            written["reasoning_effort"] = config.effort
        for field in ("reasoning", "thinking"):
            if f"~{field}" in request.extra:
                written[field] = request.extra[f"~{field}"]
        return
    if config is None:
        return
    name_summary(config, NAME, unsupported)
    effort = asked_effort(config)
    if effort is not None:
        written["reasoning_effort"] = "xhigh" if effort == "max" else effort
