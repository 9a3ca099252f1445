"""Tools and tool choice of OpenAI Chat to canonical ones and back."""

from collections.abc import Iterable
from typing import Any, Final, Literal, assert_never

import msgspec

from portico.types.chat import (
    CacheMarker,
    CustomTool,
    FunctionTool,
    JsonObject,
    ServerTool,
    Tool,
    ToolChoice,
)
from portico.wire.base import Unsupported, drop_extra
from portico.wire.json_io import MalformedError, convert, fields_of, unknown
from portico.wire.openai_chat.parts import NAME, write_cache
from portico.wire.openai_functions import fitted

_MODES: Final[dict[str, Literal["auto", "none", "required"]]] = {
    "auto": "auto",
    "none": "none",
    "required": "required",
    "any": "required",
}
"""`any` is Mistral's word."""


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Custom(msgspec.Struct):
    name: str
    description: str | None = None
    format: dict[str, Any] | None = None


class _Cache(msgspec.Struct):
    ttl: Literal["5m", "1h"] | None = None


_FUNCTION_FIELDS: Final = fields_of(_Function)


def read_tools(tools: Iterable[Any]) -> tuple[Tool, ...]:
    return tuple(_read_tool(tool, f"tools[{i}]") for i, tool in enumerate(tools))


def read_functions(functions: Iterable[Any]) -> tuple[Tool, ...]:
    """The form before tools: only functions, and bare."""
    return tuple(
        _read_function(function, f"functions[{i}]") for i, function in enumerate(functions)
    )


def _read_tool(tool: Any, path: str) -> Tool:
    if not isinstance(tool, dict):
        raise MalformedError("expected a tool, an object with a `type`", path)
    type = tool.get("type")
    if type == "function" or (type is None and "function" in tool):
        inner = tool.get("function")
        if inner is None and "name" in tool:  # the flat form of the Responses API
            flat = {key: value for key, value in tool.items() if key != "type"}
            return _read_function(flat, path)
        marker = tool.get("cache_control")
        cache = None if marker is None else convert(marker, _Cache, f"{path}.cache_control")
        return _read_function(inner, f"{path}.function", cache)
    if type == "custom":
        custom = convert(tool.get("custom"), _Custom, f"{path}.custom")
        return CustomTool(name=custom.name, description=custom.description, format=custom.format)
    if not isinstance(type, str):
        raise MalformedError("a tool needs a `type`, such as `function`", path)
    return ServerTool(NAME, type, tool)


def _read_function(raw: Any, path: str, cache: _Cache | None = None) -> FunctionTool:
    function = convert(raw, _Function, path)
    return FunctionTool(
        name=function.name,
        description=function.description,
        schema=function.parameters,
        strict=function.strict,
        cache=None if cache is None else CacheMarker(cache.ttl),
        extra=unknown(raw, _FUNCTION_FIELDS) or None,
    )


def write_tools(
    tools: Iterable[Tool], unsupported: Unsupported, *, is_own: bool
) -> list[JsonObject]:
    written: list[JsonObject] = []
    for i, tool in enumerate(tools):
        match tool:
            case FunctionTool():
                written.append(_write_function(tool, f"tools[{i}].", unsupported, is_own))
            case CustomTool(name=name):
                custom: JsonObject = {"name": name}
                if tool.description is not None:
                    custom["description"] = tool.description
                if tool.format is not None:
                    custom["format"] = tool.format
                written.append({"type": "custom", "custom": custom})
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
    if not is_own:
        tool = fitted(tool, path, NAME, unsupported)
    function: JsonObject = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.schema is not None:
        function["parameters"] = tool.schema
    if tool.strict is not None:
        function["strict"] = tool.strict
    written: JsonObject = {"type": "function", "function": function}
    if is_own:
        function.update(tool.extra or {})
        if tool.cache is not None:
            written["cache_control"] = write_cache(tool.cache)
    else:
        drop_extra(tool.extra, NAME, unsupported, path)
        if tool.cache is not None:
            unsupported("cache_control", NAME)
    return written


def read_tool_choice(choice: Any) -> ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        mode = _MODES.get(choice)
        if mode is None:
            raise MalformedError(
                "expected `auto`, `none`, `required` or an object that names a tool", "tool_choice"
            )
        return ToolChoice(mode)
    if isinstance(choice, dict):
        allowed = choice.get("allowed_tools")
        if isinstance(allowed, dict):
            tools = allowed.get("tools")
            if not isinstance(tools, list):
                path = "tool_choice.allowed_tools.tools"
                raise MalformedError("expected an array of tools", path)
            names = tuple(filter(None, map(_name_of, tools)))
            mode = "required" if allowed.get("mode") == "required" else "auto"
            return ToolChoice(mode, names)
        name = _name_of(choice)
        if name is not None:
            return ToolChoice("required", (name,))
    raise MalformedError(
        'expected a word or an object such as {"type": "function", "function": {"name": …}}',
        "tool_choice",
    )


def _name_of(choice: Any) -> str | None:
    """The name in `{"function": {"name"}}`, `{"custom": {"name"}}`, or the bare legacy form."""
    if not isinstance(choice, dict):
        return None
    inner = choice.get("function") or choice.get("custom") or choice
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) else None


def write_tool_choice(choice: ToolChoice, tools: tuple[Tool, ...]) -> str | JsonObject:
    if not choice.names:
        return choice.mode
    custom = {tool.name for tool in tools if isinstance(tool, CustomTool)}
    named = [
        {"type": "custom", "custom": {"name": name}}
        if name in custom
        else {"type": "function", "function": {"name": name}}
        for name in choice.names
    ]
    if choice.mode == "required" and len(named) == 1:
        return named[0]
    mode = "required" if choice.mode == "required" else "auto"
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": named}}
