"""Tools and tool choice of Anthropic Messages to canonical ones and back.

https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview (2026-11-23). A tool with a
`type` other than `custom` is one of Anthropic's own, opaque here. A tool that takes free text
becomes one with a single string, `input`.
"""

from collections.abc import Iterable
from typing import Any, Final, assert_never

import msgspec

from portico.types.chat import (
    CustomTool,
    FunctionTool,
    JsonObject,
    ServerTool,
    Tool,
    ToolChoice,
)
from portico.wire.anthropic_messages.blocks import NAME, Cache, read_cache, write_cache
from portico.wire.base import Unsupported, drop_extra
from portico.wire.custom_tools import as_function
from portico.wire.json_io import MalformedError, convert, fields_of, unknown
from portico.wire.json_schema import Rules, narrow

_TOOL_RULES: Final = Rules()
"""Any JSON Schema 2020-12 will do, but the top must be a plain object."""


class _Tool(msgspec.Struct):
    name: str
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None
    cache_control: Cache | None = None


class _Choice(msgspec.Struct):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


_KNOWN: Final = fields_of(_Tool)


def read_tools(tools: Iterable[Any]) -> tuple[Tool, ...]:
    return tuple(_read_tool(tool, f"tools[{i}]") for i, tool in enumerate(tools))


def _read_tool(raw: Any, path: str) -> Tool:
    if not isinstance(raw, dict):
        raise MalformedError("expected a tool, an object with a `name`", path)
    type = raw.get("type")
    if isinstance(type, str) and type != "custom":
        name = raw.get("name") or raw.get("mcp_server_name")
        return ServerTool(NAME, name if isinstance(name, str) else type, raw)
    tool = convert(raw, _Tool, path)
    return FunctionTool(
        name=tool.name,
        description=tool.description,
        schema=tool.input_schema,
        strict=tool.strict,
        cache=read_cache(tool.cache_control),
        extra=unknown(raw, _KNOWN) or None,
    )


def write_tools(
    tools: Iterable[Tool], unsupported: Unsupported, *, is_own: bool
) -> list[JsonObject]:
    written: list[JsonObject] = []
    for i, tool in enumerate(tools):
        match tool:
            case FunctionTool() | CustomTool():
                path = f"tools[{i}]."
                function = as_function(tool, path, NAME, unsupported)
                written.append(_write_function(function, path, unsupported, is_own))
            case ServerTool(dialect, name, data):
                if dialect == NAME:
                    written.append(data)
                else:
                    unsupported(f"tools.{name}", NAME)
            case _:
                assert_never(tool)
    return written


def _write_function(
    tool: FunctionTool, path: str, unsupported: Unsupported, is_own: bool
) -> JsonObject:
    written: JsonObject = {"name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    if is_own and tool.schema is not None:
        written["input_schema"] = tool.schema
    else:
        narrowed = narrow(tool.schema, _TOOL_RULES)
        written["input_schema"] = narrowed.schema
        for keyword in narrowed.dropped:
            unsupported(f"{path}schema.{keyword}", NAME)
    if tool.strict is True or (tool.strict is False and is_own):
        written["strict"] = tool.strict
    if tool.cache is not None:
        written["cache_control"] = write_cache(tool.cache)
    if is_own:
        written.update(tool.extra or {})
    else:
        drop_extra(tool.extra, NAME, unsupported, path)
    return written


def read_tool_choice(value: Any) -> tuple[ToolChoice | None, bool | None]:
    """The choice, and whether calls may run in parallel where the client says so."""
    if value is None:
        return None, None
    choice = convert(value, _Choice, "tool_choice")
    parallel = None
    if choice.disable_parallel_tool_use is not None:
        parallel = not choice.disable_parallel_tool_use
    match choice:
        case _Choice("auto"):
            return ToolChoice("auto"), parallel
        case _Choice("any"):
            return ToolChoice("required"), parallel
        case _Choice("none"):
            return ToolChoice("none"), parallel
        case _Choice("tool", str() as name):
            return ToolChoice("required", (name,)), parallel
        case _:
            raise MalformedError(
                "expected type `auto`, `any`, `none`, or `tool` with a `name`", "tool_choice"
            )


def write_tool_choice(choice: ToolChoice | None, parallel: bool | None) -> JsonObject | None:
    written: JsonObject
    match choice:
        case None:
            if parallel is None:
                return None
            written = {"type": "auto"}
        case ToolChoice("required", (name,)):
            written = {"type": "tool", "name": name}
        case ToolChoice("required"):
            written = {"type": "any"}
        case ToolChoice(mode):
            written = {"type": mode}
    if parallel is not None and written["type"] != "none":
        written["disable_parallel_tool_use"] = not parallel
    return written


def allowed(tools: tuple[Tool, ...], choice: ToolChoice | None) -> tuple[Tool, ...]:
    """A choice among some tools can only be said by sending no others."""
    if choice is None or not choice.names or (choice.mode, len(choice.names)) == ("required", 1):
        return tools
    return tuple(tool for tool in tools if tool.name in choice.names)
