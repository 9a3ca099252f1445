"""Canonical tools and tool choice to Converse's `toolConfig`.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html
(2026-11-23). There is no choice `none`, and a conversation with calls in it must declare tools.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Final, assert_never

from portico.types.chat import (
    CacheMarker,
    CustomTool,
    FunctionTool,
    JsonObject,
    Message,
    ServerTool,
    Tool,
    ToolCall,
    ToolChoice,
)
from portico.wire.base import Unsupported, drop_extra
from portico.wire.custom_tools import as_function
from portico.wire.json_schema import Rules, narrow

NAME: Final = "bedrock_converse"

_RULES: Final = Rules()
"""Any JSON Schema will do, but the top must be a plain object."""

_ID: Final = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")


def write_tool_config(
    tools: tuple[Tool, ...],
    choice: ToolChoice | None,
    messages: tuple[Message, ...],
    unsupported: Unsupported,
) -> JsonObject | None:
    """`None` if the conversation has nothing to do with tools."""
    written = _write_tools(_allowed(tools, choice), unsupported)
    if not written:
        written = _remembered(messages)
        return {"tools": written} if written else None
    config: JsonObject = {"tools": written}
    match choice:
        case None:
            pass
        case ToolChoice("none"):
            unsupported("tool_choice", NAME)
        case ToolChoice("required", (name,)):
            config["toolChoice"] = {"tool": {"name": name}}
        case ToolChoice("required"):
            config["toolChoice"] = {"any": {}}
        case ToolChoice("auto"):
            config["toolChoice"] = {"auto": {}}
        case _:
            pass
    return config


def _allowed(tools: tuple[Tool, ...], choice: ToolChoice | None) -> tuple[Tool, ...]:
    """A choice among some tools can only be said by sending no others."""
    if choice is None or not choice.names or (choice.mode, len(choice.names)) == ("required", 1):
        return tools
    return tuple(tool for tool in tools if tool.name in choice.names)


def _write_tools(tools: Iterable[Tool], unsupported: Unsupported) -> list[JsonObject]:
    written: list[JsonObject] = []
    for i, tool in enumerate(tools):
        match tool:
            case FunctionTool() | CustomTool():
                path = f"tools[{i}]."
                function = as_function(tool, path, NAME, unsupported)
                written.append(_write_function(function, path, unsupported))
                if function.cache is not None:
                    written.append(write_cache(function.cache))
            case ServerTool(dialect, name, data):
                if dialect == NAME:
                    written.append(data)
                else:
                    unsupported(f"tools.{name}", NAME)
            case _:
                assert_never(tool)
    return written


def _write_function(tool: FunctionTool, path: str, unsupported: Unsupported) -> JsonObject:
    spec: JsonObject = {"name": tool.name}
    if tool.description:
        spec["description"] = tool.description
    narrowed = narrow(tool.schema, _RULES)
    for keyword in narrowed.dropped:
        unsupported(f"{path}schema.{keyword}", NAME)
    spec["inputSchema"] = {"json": narrowed.schema}
    if tool.strict:
        spec["strict"] = True
    drop_extra(tool.extra, NAME, unsupported, path)
    return {"toolSpec": spec}


def _remembered(messages: tuple[Message, ...]) -> list[JsonObject]:
    """Tools that were called before and are declared no more, by name alone."""
    names = {
        block.name: None
        for message in messages
        for block in message.content
        if isinstance(block, ToolCall)
    }
    schema = {"json": {"type": "object", "properties": {}}}
    return [{"toolSpec": {"name": name, "inputSchema": schema}} for name in names]


def write_cache(cache: CacheMarker) -> JsonObject:
    point: JsonObject = {"type": "default"}
    if cache.ttl is not None:
        point["ttl"] = cache.ttl
    return {"cachePoint": point}


def tool_id(id: str) -> str:
    """Ids here match `[a-zA-Z0-9_.:-]{1,64}`; others are respelled, a call and its result alike."""
    if _ID.fullmatch(id):
        return id
    return "call_" + hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()[:40]
