"""Canonical tools and tool choice to Cohere's.

https://docs.cohere.com/reference/chat and …/docs/tool-use-parameter-types (2026-11-23). A choice is
`REQUIRED`, `NONE` or left out; naming a tool is sending no other. Strictness is one switch for all.
"""

from collections.abc import Iterable
from typing import Final, assert_never

from portico.types.chat import CustomTool, FunctionTool, JsonObject, ServerTool, Tool, ToolChoice
from portico.wire.base import Unsupported, drop_extra
from portico.wire.json_schema import Rules, narrow

NAME: Final = "cohere_chat"

_RULES: Final = Rules()

_TEXT_INPUT: Final[JsonObject] = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
}


def write_tool_fields(
    tools: tuple[Tool, ...], choice: ToolChoice | None, unsupported: Unsupported
) -> JsonObject:
    """`tools`, `tool_choice` and `strict_tools`, as far as they are needed."""
    sent = tools if choice is None or not choice.names else _named(tools, choice.names)
    written = _write_tools(sent, unsupported)
    if not written:
        return {}
    fields: JsonObject = {"tools": written}
    if any(isinstance(tool, FunctionTool) and tool.strict for tool in sent):
        fields["strict_tools"] = True
    if choice is not None and choice.mode != "auto":
        fields["tool_choice"] = choice.mode.upper()
    return fields


def _named(tools: tuple[Tool, ...], names: tuple[str, ...]) -> tuple[Tool, ...]:
    return tuple(tool for tool in tools if tool.name in names)


def _write_tools(tools: Iterable[Tool], unsupported: Unsupported) -> list[JsonObject]:
    written: list[JsonObject] = []
    for i, tool in enumerate(tools):
        match tool:
            case FunctionTool():
                written.append(_write_function(tool, f"tools[{i}].", unsupported))
            case CustomTool(name=name, description=description, format=format):
                if format is not None and format.get("type") != "text":
                    unsupported(f"tools[{i}].format", NAME)
                function: JsonObject = {"name": name}
                if description is not None:
                    function["description"] = description
                function["parameters"] = _TEXT_INPUT
                written.append({"type": "function", "function": function})
            case ServerTool(_, name):
                unsupported(f"tools.{name}", NAME)
            case _:
                assert_never(tool)
    return written


def _write_function(tool: FunctionTool, path: str, unsupported: Unsupported) -> JsonObject:
    function: JsonObject = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    narrowed = narrow(tool.schema, _RULES)
    for keyword in narrowed.dropped:
        unsupported(f"{path}schema.{keyword}", NAME)
    function["parameters"] = narrowed.schema
    if tool.cache is not None:
        unsupported("cache_control", NAME)
    drop_extra(tool.extra, NAME, unsupported, path)
    return {"type": "function", "function": function}
