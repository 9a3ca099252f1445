"""Usage of Anthropic Messages: in parts that are disjoint already, in a stream by two events.

https://platform.claude.com/docs/en/build-with-claude/prompt-caching and `Usage` of the Messages
reference (2026-11-23): `input_tokens` leaves out cached ones; `output_tokens` includes thinking.
"""

from typing import Any

import msgspec

from portico.types.chat import JsonObject
from portico.types.usage import Usage


class CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class ServerToolUse(msgspec.Struct):
    web_search_requests: int | None = None


class UsageFields(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None
    server_tool_use: ServerToolUse | None = None
    service_tier: str | None = None


def merge(held: UsageFields | None, more: UsageFields) -> UsageFields:
    """`message_delta` repeats what grew, cumulatively; what it leaves out `message_start` said."""
    if held is None:
        return more
    for field in more.__struct_fields__:
        value = getattr(more, field)
        if value is not None:
            setattr(held, field, value)
    return held


def normal(fields: UsageFields) -> Usage:
    written = fields.cache_creation_input_tokens or 0
    written_1h = 0
    if fields.cache_creation is not None:
        written_1h = fields.cache_creation.ephemeral_1h_input_tokens or 0
        written_5m = fields.cache_creation.ephemeral_5m_input_tokens
        written = max(written - written_1h, 0) if written_5m is None else written_5m
    output = fields.output_tokens
    details = fields.output_tokens_details
    thinking = (details.thinking_tokens or 0) if details is not None else 0
    if output is not None:
        thinking = min(thinking, output)
        output -= thinking
    tools = fields.server_tool_use
    return Usage(
        input_tokens=fields.input_tokens,
        cache_read_tokens=fields.cache_read_input_tokens or 0,
        cache_write_tokens=written,
        cache_write_1h_tokens=written_1h,
        output_tokens=output,
        reasoning_tokens=thinking,
        searches=(tools.web_search_requests or 0) if tools is not None else 0,
        service_tier=None if fields.service_tier == "standard" else fields.service_tier,
    )


def read_usage(value: Any) -> Usage | None:
    """The usage object of an answer; one of the wrong shape counts as none."""
    try:
        return normal(msgspec.convert(value, UsageFields))
    except msgspec.ValidationError:
        return None


def write_usage(usage: Usage | None) -> JsonObject:
    """This dialect demands numbers: where nobody said any, they are 0."""
    usage = usage or Usage()
    written_5m, written_1h = usage.cache_write_tokens, usage.cache_write_1h_tokens
    fresh = (usage.input_tokens or 0) + usage.input_audio_tokens + usage.input_image_tokens
    written: JsonObject = {
        "input_tokens": fresh,
        "cache_creation_input_tokens": written_5m + written_1h,
        "cache_read_input_tokens": usage.cache_read_tokens + usage.cache_read_audio_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": written_5m,
            "ephemeral_1h_input_tokens": written_1h,
        },
        "output_tokens": usage.total_output_tokens or 0,
    }
    if usage.reasoning_tokens:
        written["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if usage.searches:
        written["server_tool_use"] = {"web_search_requests": usage.searches}
    written["service_tier"] = usage.service_tier or "standard"
    return written
