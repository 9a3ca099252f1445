"""Requests of Anthropic Messages, read from clients and written to providers.

https://platform.claude.com/docs/en/api/messages/create, …/api/messages-count-tokens and
…/build-with-claude/mid-conversation-system-messages (2026-11-23).
"""

from typing import Any, Final, Literal

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
    ToolResult,
)
from portico.wire.anthropic_messages.blocks import (
    NAME,
    BlockWriter,
    Cache,
    read_cache,
    read_content,
    write_cache,
)
from portico.wire.anthropic_messages.limit import DEFAULT_MAX_TOKENS
from portico.wire.anthropic_messages.parameters import (
    name_foreign,
    write_format,
    write_sampling,
    write_thinking,
    write_tier,
)
from portico.wire.anthropic_messages.tools import (
    allowed,
    read_tool_choice,
    read_tools,
    write_tool_choice,
    write_tools,
)
from portico.wire.base import Unsupported, drop_extra, drop_message_fields
from portico.wire.effort import has_lost_thinking
from portico.wire.json_io import (
    MalformedError,
    convert,
    decode_object,
    encode,
    fields_of,
    unknown,
)


class _Message(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[Any]


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _Thinking(msgspec.Struct):
    type: Literal["enabled", "adaptive", "disabled"]
    budget_tokens: int | None = None
    display: str | None = None


class _Format(msgspec.Struct):
    type: str
    schema: dict[str, Any] | None = None


class _OutputConfig(msgspec.Struct):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: _Format | None = None


class _Request(msgspec.Struct):
    model: str
    messages: list[_Message]
    max_tokens: int | None = None
    cache_control: Cache | None = None
    metadata: _Metadata | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None
    service_tier: str | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    system: str | list[Any] | None = None
    temperature: float | None = None
    thinking: _Thinking | None = None
    tool_choice: Any = None
    tools: list[Any] | None = None
    top_k: int | None = None
    top_p: float | None = None


_KNOWN: Final = fields_of(_Request)
_MESSAGE_FIELDS: Final = fields_of(_Message)
_OUTPUT_FIELDS: Final = fields_of(_OutputConfig)


def read_request(
    body: bytes, /, *, model: str | None = None, stream: bool | None = None
) -> ChatRequest:
    try:
        request = _read(decode_object(body))
        if request.max_tokens is None:
            raise MalformedError("the field is required", "max_tokens")
    except MalformedError as problem:
        raise problem.from_client() from None
    return request


def read_count_tokens(body: bytes, /, *, model: str | None = None) -> ChatRequest:
    """A `count_tokens` request: the same without `max_tokens`."""
    try:
        return _read(decode_object(body))
    except MalformedError as problem:
        raise problem.from_client() from None


def _read(raw: JsonObject) -> ChatRequest:
    asked = convert(raw, _Request)
    extra = unknown(raw, _KNOWN)
    for field in ("metadata", "output_config"):
        known = _OUTPUT_FIELDS if field == "output_config" else frozenset({"user_id"})
        if raw.get(field) and (rest := unknown(raw[field], known)):
            extra[field] = rest
    format = asked.output_config.format if asked.output_config else None
    if asked.output_format is not None:
        extra["~output_format"] = raw["output_format"]
        format = format or asked.output_format
    choice, parallel = read_tool_choice(asked.tool_choice)
    return ChatRequest(
        dialect=NAME,
        model=asked.model,
        messages=_read_messages(raw, asked),
        tools=read_tools(asked.tools or ()),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        max_tokens=asked.max_tokens,
        stop=tuple(asked.stop_sequences or ()),
        sampling=Sampling(temperature=asked.temperature, top_p=asked.top_p, top_k=asked.top_k),
        response_format=None if format is None else ResponseFormat("json_schema", format.schema),
        thinking=_read_thinking(asked),
        stream=bool(asked.stream),
        include_usage=True,
        service_tier="default" if asked.service_tier == "standard_only" else asked.service_tier,
        user=asked.metadata.user_id if asked.metadata else None,
        cache=read_cache(asked.cache_control),
        extra=extra,
    )


def _read_messages(raw: JsonObject, asked: _Request) -> tuple[Message, ...]:
    messages: list[Message] = []
    if asked.system is not None:
        messages.append(Message("system", read_content(asked.system, "system")))
    for i, message in enumerate(asked.messages):
        content = read_content(message.content, f"messages[{i}].content")
        extra = unknown(raw["messages"][i], _MESSAGE_FIELDS) or None
        messages.append(Message(message.role, content, None, extra))
    return tuple(messages)


def _read_thinking(asked: _Request) -> ThinkingConfig | None:
    effort: Effort | None = asked.output_config.effort if asked.output_config else None
    thinking = asked.thinking
    if thinking is None:
        return None if effort is None else ThinkingConfig(effort=effort)
    return ThinkingConfig(
        mode=thinking.type,
        budget_tokens=thinking.budget_tokens,
        effort=effort,
        summary=thinking.display,
    )


def write_request(
    request: ChatRequest, /, *, unsupported: Unsupported, home: Home | None = None
) -> bytes:
    written = _write_prompt(request, unsupported, home)
    max_tokens = request.max_tokens
    written["max_tokens"] = DEFAULT_MAX_TOKENS if max_tokens is None else max_tokens
    output_config: JsonObject = {}
    if request.dialect == NAME:
        _write_own(request, written, output_config, unsupported, home)
    else:
        write_thinking(request, written, output_config, unsupported, home)
        write_sampling(request, written, unsupported)
        name_foreign(request, unsupported)
    write_format(request, written, output_config, unsupported)
    if output_config:
        written["output_config"] = output_config
    if request.stop:
        stop = [text for text in request.stop if text.strip()]
        if len(stop) < len(request.stop):
            unsupported("stop", NAME)  # white space alone is refused
        if stop:
            written["stop_sequences"] = stop
    if request.service_tier is not None:
        tier = write_tier(request.service_tier, unsupported)
        if tier is not None:
            written["service_tier"] = tier
    if request.user is not None:
        written.setdefault("metadata", {})["user_id"] = request.user
    if request.cache is not None:
        written["cache_control"] = write_cache(request.cache)
    if request.stream:
        written["stream"] = True
    return encode(written)


def write_count_tokens(
    request: ChatRequest, /, *, unsupported: Unsupported, home: Home | None = None
) -> bytes:
    written = _write_prompt(request, unsupported, home)
    if request.dialect == NAME and request.thinking is not None and request.thinking.mode:
        written["thinking"] = _own_thinking(request.thinking)
    return encode(written)


def read_token_count(body: bytes, /) -> int:
    """The answer to `count_tokens`."""
    try:
        return convert(decode_object(body).get("input_tokens"), int, "input_tokens")
    except MalformedError as problem:
        raise problem.from_provider() from None


def write_token_count(input_tokens: int, /) -> bytes:
    return b'{"input_tokens":%d}' % input_tokens


def _write_prompt(request: ChatRequest, unsupported: Unsupported, home: Home | None) -> JsonObject:
    """Model, tools, system and messages, in the order in which the cache sees them."""
    is_own = request.dialect == NAME
    written: JsonObject = {"model": request.model}
    tools = request.tools and allowed(request.tools, request.tool_choice)
    if tools:
        written["tools"] = write_tools(tools, unsupported, is_own=is_own)
        choice = write_tool_choice(request.tool_choice, request.parallel_tool_calls)
        if choice is not None:
            written["tool_choice"] = choice
    blocks = BlockWriter(unsupported, to_client=False, is_own=is_own, home=home)
    leading = 0
    while leading < len(request.messages) - 1 and request.messages[leading].role in _SYSTEM:
        leading += 1
    system = [
        item for message in request.messages[:leading] for item in blocks.write(message.content)
    ]
    for message in request.messages[:leading]:
        drop_message_fields(message, NAME, unsupported)
    if system:
        written["system"] = _shorthand(system)
    rest = request.messages[leading:]
    written["messages"] = (
        [_write_own_message(message, blocks) for message in rest]
        if is_own
        else _write_turns(rest, blocks, unsupported)
    )
    return written


_SYSTEM: Final = ("system", "developer")


def _shorthand(content: list[JsonObject]) -> str | list[JsonObject]:
    if len(content) == 1 and len(content[0]) == 2 and content[0]["type"] == "text":
        text: str = content[0]["text"]
        return text
    return content


def _write_own_message(message: Message, blocks: BlockWriter) -> JsonObject:
    content = _shorthand(blocks.write(message.content))
    return {"role": message.role, "content": content, **(message.extra or {})}


def _write_turns(
    messages: tuple[Message, ...], blocks: BlockWriter, unsupported: Unsupported
) -> list[JsonObject]:
    """Turns by turns: neighbours of one role are one message, and tool results come first in it.

    System text in mid-conversation is a user's word here: the `system` role inside `messages` is
    known to few models and no other platform, and moving it to the top would break prompt caches.
    """
    turns: list[tuple[str, list[JsonObject], list[JsonObject]]] = []
    for message in messages:
        role = "assistant" if message.role == "assistant" else "user"
        if message.name is not None:
            unsupported("messages.name", NAME)
        if message.extra:
            drop_extra(message.extra, NAME, unsupported, "messages.")
        if not turns or turns[-1][0] != role:
            turns.append((role, [], []))
        _, results, others = turns[-1]
        content = message.content
        given = [block for block in content if isinstance(block, ToolResult)]
        if given:
            results += blocks.write(given)
            content = tuple([block for block in content if not isinstance(block, ToolResult)])
        others += blocks.write(_as_user(content) if message.role in _SYSTEM else content)
    return [
        {"role": role, "content": _shorthand(results + others)}
        for role, results, others in turns
        if results or others
    ]


def _as_user(content: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        msgspec.structs.replace(block, text=f"<system>\n{block.text}\n</system>")
        if isinstance(block, Text)
        else block
        for block in content
    )


def _write_own(
    request: ChatRequest,
    written: JsonObject,
    output_config: JsonObject,
    unsupported: Unsupported,
    home: Home | None,
) -> None:
    config = request.thinking
    if config is not None:
        if config.mode == "enabled" and has_lost_thinking(
            request.messages, NAME, home, is_own=True
        ):
            unsupported("thinking", NAME)
        elif config.mode is not None:
            written["thinking"] = _own_thinking(config)
        if config.effort is not None:
            output_config["effort"] = config.effort
    sampling = request.sampling
    for field, value in (
        ("temperature", sampling.temperature),
        ("top_p", sampling.top_p),
        ("top_k", sampling.top_k),
    ):
        if value is not None:
            written[field] = value
    for key, value in request.extra.items():
        if key == "output_config":
            output_config.update(value)
        elif not key.startswith("~"):
            written[key] = value


def _own_thinking(config: ThinkingConfig) -> JsonObject:
    thinking: JsonObject = {"type": config.mode}
    if config.budget_tokens is not None:
        thinking["budget_tokens"] = config.budget_tokens
    if config.summary is not None:
        thinking["display"] = config.summary
    return thinking
