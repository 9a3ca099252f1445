"""Tools and tool choice of Cohere's chat to canonical ones and back.

https://docs.cohere.com/reference/chat and …/docs/tool-use-parameter-types (2026-11-23). A choice is
`REQUIRED`, `NONE` or left out; naming a tool is sending no other. Strictness is one switch for all.
"""

from collections.abc import Iterable
from typing import Any, Final, assert_never

import msgspec

from portico.types.chat import CustomTool, FunctionTool, JsonObject, ServerTool, Tool, ToolChoice
from portico.wire.base import Unsupported, drop_extra
from portico.wire.custom_tools import as_function
from portico.wire.json_io import MalformedError, convert, fields_of, unknown
from portico.wire.json_schema import Rules, narrow

NAME: Final = "cohere_chat"

_RULES: Final = Rules()


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Tool(msgspec.Struct):
    function: _Function


_KNOWN: Final = fields_of(_Function)


def read_tools(tools: Iterable[Any], *, strict: bool | None) -> tuple[Tool, ...]:
    """`strict` is that of the whole request."""
    return tuple(_read_tool(tool, f"tools[{i}]", strict) for i, tool in enumerate(tools))


def _read_tool(raw: Any, path: str, strict: bool | None) -> Tool:
    function = convert(raw, _Tool, path).function
    return FunctionTool(
        name=function.name,
        description=function.description,
        schema=function.parameters,
        strict=strict,
        extra=unknown(raw["function"], _KNOWN) or None,
    )


def read_tool_choice(choice: str | None, tools: tuple[Tool, ...]) -> ToolChoice | None:
    """To require a tool of one is to name it."""
    match choice:
        case None:
            return None
        case "REQUIRED":
            return ToolChoice("required", (tools[0].name,) if len(tools) == 1 else ())
        case "NONE":
            return ToolChoice("none")
        case _:
            raise MalformedError("expected `REQUIRED` or `NONE`", "tool_choice")


def write_tool_fields(
    tools: tuple[Tool, ...],
    choice: ToolChoice | None,
    unsupported: Unsupported,
    *,
    is_own: bool,
) -> JsonObject:
    """`tools`, `tool_choice` and `strict_tools`, as far as they are needed."""
    sent = tools if choice is None or not choice.names else _named(tools, choice.names)
    written = _write_tools(sent, unsupported, is_own)
    if not written:
        return {}
    fields: JsonObject = {"tools": written}
    strict = {tool.strict for tool in sent if isinstance(tool, FunctionTool)}
    if True in strict or (is_own and False in strict):
        fields["strict_tools"] = True in strict
    if choice is not None and choice.mode != "auto":
        fields["tool_choice"] = choice.mode.upper()
    return fields


def _named(tools: tuple[Tool, ...], names: tuple[str, ...]) -> tuple[Tool, ...]:
    return tuple(tool for tool in tools if tool.name in names)


def _write_tools(tools: Iterable[Tool], unsupported: Unsupported, is_own: bool) -> list[JsonObject]:
    written: list[JsonObject] = []
    for i, tool in enumerate(tools):
        match tool:
            case FunctionTool() | CustomTool():
                path = f"tools[{i}]."
                function = as_function(tool, path, NAME, unsupported)
                written.append(_write_function(function, path, unsupported, is_own))
            case ServerTool(_, name):
                unsupported(f"tools.{name}", NAME)
            case _:
                assert_never(tool)
    return written


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
        for keyword in narrowed.dropped:
            unsupported(f"{path}schema.{keyword}", NAME)
        function["parameters"] = narrowed.schema
    if tool.cache is not None:
        unsupported("cache_control", NAME)
    if is_own:
        function.update(tool.extra or {})
    else:
        drop_extra(tool.extra, NAME, unsupported, path)
    return {"type": "function", "function": function}
