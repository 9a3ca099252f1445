"""Requests of Ollama's chat, read from clients and written to providers.

https://docs.ollama.com/api/chat, https://docs.ollama.com/capabilities/thinking,
https://docs.ollama.com/capabilities/structured-outputs and https://docs.ollama.com/modelfile (the
options) (2026-11-23). Answers are streamed unless that is switched off. There is no tool choice but
to send fewer tools.
"""

from collections.abc import Iterable
from typing import Any, Final, Literal, assert_never, get_args

import msgspec

from portico.types.chat import (
    ChatRequest,
    CustomTool,
    Effort,
    FunctionTool,
    Home,
    JsonObject,
    Message,
    ResponseFormat,
    Sampling,
    ServerTool,
    ThinkingConfig,
    Tool,
    ToolChoice,
)
from portico.wire.base import Unsupported, drop_extra
from portico.wire.custom_tools import as_function
from portico.wire.effort import asked_effort, name_summary
from portico.wire.json_io import (
    MalformedError,
    convert,
    decode_object,
    encode,
    fields_of,
    unknown,
)
from portico.wire.json_schema import Rules, described, narrow
from portico.wire.ollama_chat.messages import NAME, MessageWriter, read_messages

_RULES: Final = Rules()
_EFFORTS: Final[frozenset[str]] = frozenset(get_args(Effort))


class _Options(msgspec.Struct):
    num_predict: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repeat_penalty: float | None = None


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Asked(msgspec.Struct):
    """What requests for a chat and for a completion have in common."""

    model: str
    stream: bool | None = None
    think: bool | str | None = None
    format: str | dict[str, Any] | None = None
    options: dict[str, Any] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None


class _Request(Asked):
    messages: list[Any] | None = None
    tools: list[Any] | None = None


_KNOWN: Final = fields_of(_Request)
_OPTIONS: Final = fields_of(_Options)
_FUNCTION: Final = fields_of(_Function)


def read_request(
    body: bytes, /, *, model: str | None = None, stream: bool | None = None
) -> ChatRequest:
    try:
        raw = decode_object(body)
        asked = convert(raw, _Request)
        return canonical(
            asked,
            NAME,
            read_messages(asked.messages or []),
            tools=tuple(_read_tool(one, f"tools[{i}]") for i, one in enumerate(asked.tools or ())),
            extra=unknown(raw, _KNOWN),
        )
    except MalformedError as problem:
        raise problem.from_client() from None


def canonical(
    asked: Asked,
    dialect: str,
    messages: tuple[Message, ...],
    *,
    tools: tuple[Tool, ...] = (),
    extra: JsonObject,
) -> ChatRequest:
    """Raises MalformedError for what is wrong in the options."""
    options = convert(asked.options or {}, _Options, "options")
    for key, value in unknown(asked.options or {}, _OPTIONS).items():
        extra[f"options.{key}"] = value
    limit = options.num_predict
    if limit is not None and limit < 0:  # without end
        extra["~options.num_predict"] = limit
        limit = None
    stop = options.stop
    return ChatRequest(
        dialect=dialect,
        model=asked.model,
        messages=messages,
        tools=tools,
        max_tokens=limit,
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        sampling=Sampling(
            temperature=options.temperature,
            top_p=options.top_p,
            top_k=options.top_k,
            min_p=options.min_p,
            seed=options.seed,
            frequency_penalty=options.frequency_penalty,
            presence_penalty=options.presence_penalty,
            repetition_penalty=options.repeat_penalty,
            logprobs=asked.logprobs,
            top_logprobs=asked.top_logprobs,
        ),
        response_format=_read_format(asked.format),
        thinking=_read_thinking(asked.think),
        stream=asked.stream is not False,
        include_usage=True,
        extra=extra,
    )


def _read_tool(raw: Any, path: str) -> Tool:
    inner = raw.get("function") if isinstance(raw, dict) else None
    if not isinstance(inner, dict):
        raise MalformedError("expected a tool, an object with `type` and `function`", path)
    function = convert(inner, _Function, f"{path}.function")
    return FunctionTool(
        name=function.name,
        description=function.description,
        schema=function.parameters,
        extra=unknown(inner, _FUNCTION) or None,
    )


def _read_format(format: str | JsonObject | None) -> ResponseFormat | None:
    match format:
        case None | "":
            return None
        case "json":
            return ResponseFormat("json_object")
        case str():
            raise MalformedError("expected `json` or a JSON Schema", "format")
        case schema:
            return ResponseFormat("json_schema", schema)


def _read_thinking(think: bool | str | None) -> ThinkingConfig | None:
    if think is None:
        return None
    mode: Literal["enabled", "disabled"] = "enabled" if think else "disabled"
    if isinstance(think, bool):
        return ThinkingConfig(mode=mode)
    if think not in _EFFORTS:
        raise MalformedError("expected true, false, `low`, `medium` or `high`", "think")
    effort: Effort = think  # type: ignore[assignment]
    return ThinkingConfig(effort=effort)


def write_request(
    request: ChatRequest, /, *, unsupported: Unsupported, home: Home | None = None
) -> bytes:
    is_own = request.dialect == NAME
    written: JsonObject = {"model": request.model}
    tools = _chosen(request.tools, request.tool_choice, unsupported)
    functions = list(_write_tools(tools, unsupported, is_own))
    if functions:
        written["tools"] = functions
    written["messages"] = MessageWriter(unsupported, is_own=is_own).write(request.messages)
    sampling = request.sampling
    options: JsonObject = {}
    for field, value in (
        ("num_predict", request.max_tokens),
        ("temperature", sampling.temperature),
        ("top_p", sampling.top_p),
        ("top_k", sampling.top_k),
        ("min_p", sampling.min_p),
        ("seed", sampling.seed),
        ("stop", list(request.stop) or None),
        ("frequency_penalty", sampling.frequency_penalty),
        ("presence_penalty", sampling.presence_penalty),
        ("repeat_penalty", sampling.repetition_penalty),
    ):
        if value is not None:
            options[field] = value
    if options:
        written["options"] = options
    said: dict[str, Any] = {
        "format": _write_format(request.response_format),
        "think": _write_thinking(request.thinking, unsupported, is_own),
        "logprobs": sampling.logprobs,
        "top_logprobs": sampling.top_logprobs,
    }
    written.update({field: value for field, value in said.items() if value is not None})
    if is_own:
        _write_extra(request.extra, written)
    else:
        _name_foreign(request, unsupported)
    written["stream"] = request.stream
    return encode(written)


def _chosen(
    tools: tuple[Tool, ...], choice: ToolChoice | None, unsupported: Unsupported
) -> tuple[Tool, ...]:
    if choice is None:
        return tools
    if choice.mode == "none":
        return ()
    if choice.mode == "required" and tools:
        unsupported("tool_choice", NAME)
    return tuple(tool for tool in tools if not choice.names or tool.name in choice.names)


def _write_tools(
    tools: Iterable[Tool], unsupported: Unsupported, is_own: bool
) -> Iterable[JsonObject]:
    for i, tool in enumerate(tools):
        match tool:
            case FunctionTool() | CustomTool():
                path = f"tools[{i}]."
                function = as_function(tool, path, NAME, unsupported)
                yield _write_function(function, path, unsupported, is_own)
            case ServerTool(_, name):
                unsupported(f"tools.{name}", NAME)
            case _:
                assert_never(tool)


def _write_function(
    tool: FunctionTool, path: str, unsupported: Unsupported, is_own: bool
) -> JsonObject:
    function: JsonObject = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if is_own and tool.schema is not None:
        function["parameters"] = tool.schema
    else:
        narrowed = narrow(tool.schema, _RULES)
        function["parameters"] = narrowed.schema
        for keyword in narrowed.dropped:
            unsupported(f"{path}schema.{keyword}", NAME)
    if tool.strict:
        unsupported(f"{path}strict", NAME)
    if tool.cache is not None:
        unsupported("cache_control", NAME)
    if is_own:
        function.update(tool.extra or {})
    else:
        drop_extra(tool.extra, NAME, unsupported, path)
    return {"type": "function", "function": function}


def _write_format(format: ResponseFormat | None) -> str | JsonObject | None:
    if format is None or format.type == "text":
        return None
    return "json" if format.schema is None else described(format, format.schema)


def _write_thinking(
    config: ThinkingConfig | None, unsupported: Unsupported, is_own: bool
) -> bool | str | None:
    """Levels are known to few models, but no model refuses them."""
    if config is None:
        return None
    name_summary(config, NAME, unsupported)
    effort = asked_effort(config)
    if effort is None:
        return True
    if effort == "none":
        return False
    if is_own:
        return effort
    return {"minimal": "low", "xhigh": "high", "max": "high"}.get(effort, effort)


def _write_extra(extra: JsonObject, written: JsonObject) -> None:
    for key, value in extra.items():
        place, _, field = key.removeprefix("~").partition("options.")
        if field and not place:
            written.setdefault("options", {})[field] = value
        elif not key.startswith("~"):
            written[key] = value


def _name_foreign(request: ChatRequest, unsupported: Unsupported) -> None:
    """Everything this dialect has no word for, unless it is what happens anyway."""
    for field, is_said in (
        ("logit_bias", bool(request.sampling.logit_bias)),
        ("n", request.sampling.n not in (None, 1)),
        ("parallel_tool_calls", request.parallel_tool_calls is False and bool(request.tools)),
        ("modalities", request.modalities not in ((), ("text",))),
        ("verbosity", request.verbosity is not None),
        ("service_tier", request.service_tier not in (None, "auto", "default")),
        ("user", request.user is not None),
        ("metadata", bool(request.metadata)),
        ("prompt_cache_key", request.prompt_cache_key is not None),
        ("cache_control", request.cache is not None),
    ):
        if is_said:
            unsupported(field, NAME)
    drop_extra(request.extra, NAME, unsupported)
