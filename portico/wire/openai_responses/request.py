"""Requests of OpenAI Responses, read from clients and written to providers.

https://developers.openai.com/api/docs/api-reference/responses/create (2026-11-23). What belongs to
OpenAI's own state (`store`, `previous_response_id`, `conversation`, `include`, `truncation` …)
travels in `extra`; values that say what happens anyway do so silently. A request from elsewhere is
never stored at the provider, and asks for reasoning in the form that a client can give back.
"""

from typing import Any, Final, get_args

import msgspec

from portico.types.chat import (
    ChatRequest,
    Effort,
    Home,
    JsonObject,
    Message,
    ResponseFormat,
    Sampling,
    Text,
    ThinkingConfig,
)
from portico.wire.base import Unsupported, drop_extra
from portico.wire.effort import asked_effort
from portico.wire.json_io import (
    MalformedError,
    convert,
    decode_object,
    encode,
    fields_of,
    unknown,
)
from portico.wire.openai_responses.items import ItemWriter, read_input
from portico.wire.openai_responses.parts import NAME, OPENAI
from portico.wire.openai_responses.tools import (
    read_tool_choice,
    read_tools,
    write_tool_choice,
    write_tools,
)

ENCRYPTED: Final = "reasoning.encrypted_content"
LOGPROBS: Final = "message.output_text.logprobs"

MIN_OUTPUT_TOKENS: Final = 16

_EFFORTS: Final[frozenset[str]] = frozenset(get_args(Effort))
INSTRUCTIONS: Final = "~instructions"
"""Among a system message's extra: it came as `instructions`."""
CONTINUES: Final = "~continues"
"""Among a request's extra: the `previous_response_id` whose turns are in its messages already."""


class _Format(msgspec.Struct):
    type: str
    name: str | None = None
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class _TextConfig(msgspec.Struct):
    format: _Format | None = None
    verbosity: str | None = None


class _Reasoning(msgspec.Struct):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class _Request(msgspec.Struct):
    model: str
    input: str | list[Any] | None = None
    instructions: str | None = None
    include: list[str] | None = None
    max_output_tokens: int | None = None
    metadata: dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    prompt_cache_key: str | None = None
    reasoning: _Reasoning | None = None
    service_tier: str | None = None
    stream: bool | None = None
    temperature: float | None = None
    text: _TextConfig | None = None
    tool_choice: Any = None
    tools: list[Any] | None = None
    top_logprobs: int | None = None
    top_p: float | None = None
    user: str | None = None


_KNOWN: Final = fields_of(_Request)
_TEXT: Final = fields_of(_TextConfig)
_REASONING: Final = fields_of(_Reasoning)
_ELSEWHERE: Final = ("previous_response_id", "conversation", "prompt")
"""Where the input may be instead."""
_ANYWAY: Final = (
    ("store", False),
    ("background", False),
    ("truncation", "disabled"),
    ("stream_options", {"include_obfuscation": False}),
    ("conversation", None),
    ("previous_response_id", None),
)
"""Values that change nothing for a provider without such a field."""


def read_request(
    body: bytes, /, *, model: str | None = None, stream: bool | None = None
) -> ChatRequest:
    try:
        raw = decode_object(body)
        return _read(raw, convert(raw, _Request))
    except MalformedError as problem:
        raise problem.from_client() from None


def _read(raw: JsonObject, asked: _Request) -> ChatRequest:
    extra = _read_extra(raw, asked)
    if asked.input is None and not any(raw.get(field) for field in _ELSEWHERE):
        raise MalformedError("the field is required", "input")
    messages = read_input(asked.input) if asked.input is not None else ()
    if asked.instructions is not None:
        said = (Text(asked.instructions),) if asked.instructions else ()
        messages = (Message("system", said, None, {INSTRUCTIONS: True}), *messages)
    if asked.tools is not None and any(_is_namespace(tool) for tool in asked.tools):
        extra["~tools"] = asked.tools
    include = asked.include or ()
    return ChatRequest(
        dialect=NAME,
        model=asked.model,
        messages=messages,
        tools=read_tools(asked.tools or ()),
        tool_choice=read_tool_choice(asked.tool_choice, extra),
        parallel_tool_calls=asked.parallel_tool_calls,
        max_tokens=asked.max_output_tokens,
        sampling=Sampling(
            temperature=asked.temperature,
            top_p=asked.top_p,
            logprobs=True if LOGPROBS in include else None,
            top_logprobs=asked.top_logprobs,
        ),
        response_format=_read_format(raw, asked, extra),
        thinking=_read_thinking(asked.reasoning),
        verbosity=asked.text.verbosity if asked.text else None,
        stream=bool(asked.stream),
        include_usage=True,
        service_tier=asked.service_tier,
        user=asked.user,
        metadata=asked.metadata,
        prompt_cache_key=asked.prompt_cache_key,
        extra=extra,
    )


def _is_namespace(tool: Any) -> bool:
    return isinstance(tool, dict) and tool.get("type") == "namespace"


def _read_extra(raw: JsonObject, asked: _Request) -> JsonObject:
    extra = unknown(raw, _KNOWN)
    for field, value in _ANYWAY:
        if field in extra and extra[field] == value:
            extra[f"~{field}"] = extra.pop(field)
    if asked.include is not None:
        # Reasoning and logprobs come back in any case; the rest only OpenAI can include.
        only = [what for what in asked.include if what not in (ENCRYPTED, LOGPROBS)]
        extra["include" if only else "~include"] = asked.include
    for field, known in (("text", _TEXT), ("reasoning", _REASONING)):
        if raw.get(field):
            for key, value in unknown(raw[field], known).items():
                extra[f"{field}.{key}"] = value
    return extra


def _read_format(raw: JsonObject, asked: _Request, extra: JsonObject) -> ResponseFormat | None:
    format = asked.text.format if asked.text else None
    if format is None:
        return None
    match format.type:
        case "text" | "json_object" as type:
            return ResponseFormat(type)
        case "json_schema":
            return ResponseFormat(
                "json_schema", format.schema, format.name, format.description, format.strict
            )
        case _:
            extra["text.format"] = raw["text"]["format"]
            return None


def _read_thinking(reasoning: _Reasoning | None) -> ThinkingConfig | None:
    if reasoning is None:
        return None
    effort = reasoning.effort
    if effort is not None and effort not in _EFFORTS:
        expected = ", ".join(f"`{word}`" for word in get_args(Effort))
        raise MalformedError(f"expected one of {expected}", "reasoning.effort")
    known_effort: Effort | None = effort  # type: ignore[assignment]
    summary = reasoning.summary or reasoning.generate_summary
    config = ThinkingConfig(effort=known_effort, summary=summary)
    return None if config == ThinkingConfig() else config


def write_request(
    request: ChatRequest, /, *, unsupported: Unsupported, home: Home | None = None
) -> bytes:
    is_own = request.dialect == NAME
    written: JsonObject = {"model": request.model}
    messages = request.messages
    if is_own and messages and (messages[0].extra or {}).get(INSTRUCTIONS):
        said = (block.text for block in messages[0].content if isinstance(block, Text))
        written["instructions"] = "".join(said)
        messages = messages[1:]
    own_tools = request.extra.get("~tools") if is_own else None
    tools = own_tools or write_tools(request.tools, unsupported, is_own=is_own)
    if tools:
        written["tools"] = tools
    if tools or is_own:
        if request.tool_choice is not None:
            written["tool_choice"] = write_tool_choice(request.tool_choice, request.tools)
        if request.parallel_tool_calls is not None:
            written["parallel_tool_calls"] = request.parallel_tool_calls
    writer = ItemWriter(unsupported, is_own=is_own, has_files=request.dialect in OPENAI, home=home)
    if messages or not is_own:
        written["input"] = writer.write(messages)
    for field, value in (
        ("max_output_tokens", _limit(request.max_tokens, is_own, unsupported)),
        ("temperature", request.sampling.temperature),
        ("top_p", request.sampling.top_p),
        ("top_logprobs", request.sampling.top_logprobs),
        ("service_tier", request.service_tier),
        ("user", request.user),
        ("metadata", request.metadata),
        ("prompt_cache_key", request.prompt_cache_key),
    ):
        if value is not None:
            written[field] = value
    text = write_text(request)
    if text:
        written["text"] = text
    reasoning = write_reasoning(request, is_own)
    if reasoning:
        written["reasoning"] = reasoning
    if is_own:
        _write_extra(request.extra, written)
    else:
        _write_foreign(request, written, unsupported)
    if request.stream:
        written["stream"] = True
    return encode(written)


def _limit(max_tokens: int | None, is_own: bool, unsupported: Unsupported) -> int | None:
    """Clients of others ask for one token to see whether all is well; less than 16 is refused."""
    if is_own or max_tokens is None or max_tokens >= MIN_OUTPUT_TOKENS:
        return max_tokens
    unsupported("max_tokens", NAME)
    return MIN_OUTPUT_TOKENS


def write_text(request: ChatRequest) -> JsonObject:
    """The `text` object; empty if nothing is asked of it."""
    text: JsonObject = {}
    format = request.response_format
    if format is not None:
        inner: JsonObject = {"type": format.type}
        if format.type == "json_schema":
            inner["name"] = format.name or "response"
            for field in ("description", "schema", "strict"):
                if getattr(format, field) is not None:
                    inner[field] = getattr(format, field)
        text["format"] = inner
    if request.verbosity is not None:
        text["verbosity"] = request.verbosity
    return text


_SUMMARIES: Final = frozenset({"auto", "concise", "detailed"})


def write_reasoning(request: ChatRequest, is_own: bool) -> JsonObject:
    """The `reasoning` object; a client that wants to see thinking gets a summary."""
    config = request.thinking
    if config is None:
        return {}
    written: JsonObject = {}
    effort: str | None = config.effort if is_own else asked_effort(config)
    if effort is not None:
        written["effort"] = effort if is_own or effort != "max" else "xhigh"
    if config.summary in _SUMMARIES or (is_own and config.summary is not None):
        written["summary"] = config.summary
    elif not is_own and config.mode in ("enabled", "adaptive") and config.summary != "omitted":
        written["summary"] = "auto"
    return written


def _write_extra(extra: JsonObject, written: JsonObject) -> None:
    """Each field back to where its full name says it was."""
    for key, value in extra.items():
        if key in ("~tools", CONTINUES):
            continue
        place, _, field = key.removeprefix("~").partition(".")
        if field:
            written.setdefault(place, {})[field] = value
        else:
            written[place] = value


def _write_foreign(request: ChatRequest, written: JsonObject, unsupported: Unsupported) -> None:
    sampling = request.sampling
    for field, is_said in (
        ("stop", bool(request.stop)),
        ("top_k", sampling.top_k is not None),
        ("min_p", bool(sampling.min_p)),
        ("frequency_penalty", bool(sampling.frequency_penalty)),
        ("presence_penalty", bool(sampling.presence_penalty)),
        ("repetition_penalty", sampling.repetition_penalty not in (None, 1)),
        ("seed", sampling.seed is not None),
        ("logit_bias", bool(sampling.logit_bias)),
        ("n", sampling.n not in (None, 1)),
        ("modalities", request.modalities not in ((), ("text",))),
        ("cache_control", request.cache is not None),
    ):
        if is_said:
            unsupported(field, NAME)
    drop_extra(request.extra, NAME, unsupported)
    written["store"] = False
    include: list[str] = []
    if request.thinking is not None:
        include.append(ENCRYPTED)
    if sampling.logprobs:
        include.append(LOGPROBS)
    if include:
        written["include"] = include
