"""Tools and tool choice of OpenAI Responses to canonical ones and back.

https://developers.openai.com/api/docs/guides/tools and …/guides/function-calling (2026-11-23). One
list holds functions (flat here), custom tools, namespaces of functions, and tools OpenAI runs
itself, which are opaque. Functions of a namespace go elsewhere under one name; `Namespaces` finds
the two again.
"""

from collections.abc import Iterable
from typing import Any, Final, Literal, assert_never

import msgspec

from portico.types.chat import (
    CustomTool,
    FunctionTool,
    JsonObject,
    ServerTool,
    Tool,
    ToolChoice,
)
from portico.wire.base import Unsupported, drop_extra
from portico.wire.json_io import MalformedError, convert, fields_of, unknown
from portico.wire.openai_functions import fitted
from portico.wire.openai_responses.items import flat_name
from portico.wire.openai_responses.parts import NAME

_NOTHING: Final = {"type": "object", "properties": {}, "additionalProperties": False}
_MODES: Final[dict[str, Literal["auto", "none", "required"]]] = {
    "auto": "auto",
    "none": "none",
    "required": "required",
}


class _Function(msgspec.Struct):
    name: str
    type: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Custom(msgspec.Struct):
    name: str
    description: str | None = None
    format: dict[str, Any] | None = None


class _Namespace(msgspec.Struct):
    name: str
    tools: list[dict[str, Any]]


_KNOWN: Final = fields_of(_Function)


def read_tools(tools: Iterable[Any]) -> tuple[Tool, ...]:
    return tuple(tool for i, raw in enumerate(tools) for tool in _read_tool(raw, f"tools[{i}]"))


def _read_tool(raw: Any, path: str) -> tuple[Tool, ...]:
    type = raw.get("type") if isinstance(raw, dict) else None
    if not isinstance(type, str):
        raise MalformedError("expected a tool, an object with a `type`", path)
    if type == "function":
        inner = raw.get("function")
        if "name" not in raw and isinstance(inner, dict):  # the nested form of Chat Completions
            return (_read_function({"type": type, **inner}, f"{path}.function"),)
        return (_read_function(raw, path),)
    if type == "custom":
        custom = convert(raw, _Custom, path)
        return (CustomTool(name=custom.name, description=custom.description, format=custom.format),)
    if type == "namespace":
        space = convert(raw, _Namespace, path)
        return tuple(
            _read_function(tool, f"{path}.tools[{i}]", space.name)
            if tool.get("type", "function") == "function"
            else ServerTool(NAME, str(tool["type"]), tool)
            for i, tool in enumerate(space.tools)
        )
    return (ServerTool(NAME, type, raw),)


def _read_function(raw: JsonObject, path: str, namespace: str | None = None) -> FunctionTool:
    function = convert(raw, _Function, path)
    extra = unknown(raw, _KNOWN)
    if namespace is not None:
        extra["~namespace"] = [namespace, function.name]
    return FunctionTool(
        name=flat_name(namespace, function.name),
        description=function.description,
        schema=function.parameters,
        strict=function.strict,
        extra=extra or None,
    )


def namespaces(tools: Iterable[Tool]) -> dict[str, JsonObject]:
    """Fields of a `function_call` item, by the one name its tool has elsewhere."""
    found: dict[str, JsonObject] = {}
    for tool in tools:
        if isinstance(tool, FunctionTool) and tool.extra and "~namespace" in tool.extra:
            namespace, name = tool.extra["~namespace"]
            found[tool.name] = {"name": name, "namespace": namespace}
    return found


def write_tools(
    tools: Iterable[Tool], unsupported: Unsupported, *, is_own: bool
) -> list[JsonObject]:
    written: list[JsonObject] = []
    for i, tool in enumerate(tools):
        match tool:
            case FunctionTool():
                written.append(_write_function(tool, f"tools[{i}].", unsupported, is_own))
            case CustomTool(name=name):
                custom: JsonObject = {"type": "custom", "name": name}
                if tool.description is not None:
                    custom["description"] = tool.description
                if tool.format is not None:
                    custom["format"] = _flat_format(tool.format)
                written.append(custom)
            case ServerTool(dialect, name, data):
                if dialect == NAME:
                    written.append(data)
                else:
                    unsupported(f"tools.{name}", NAME)
            case _:
                assert_never(tool)
    return written


def _flat_format(format: JsonObject) -> JsonObject:
    """Chat Completions keeps the grammar in an object of its own."""
    grammar = format.get("grammar")
    return {"type": "grammar", **grammar} if isinstance(grammar, dict) else format


def _write_function(
    tool: FunctionTool, path: str, unsupported: Unsupported, is_own: bool
) -> JsonObject:
    """`strict` is on here unless it is said to be off, so it is always said."""
    if not is_own:
        tool = fitted(tool, path, NAME, unsupported)
    written: JsonObject = {"type": "function", "name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    if tool.schema is not None:
        written["parameters"] = tool.schema
    elif not is_own:
        written["parameters"] = _NOTHING
    if tool.strict is not None or not is_own:
        written["strict"] = bool(tool.strict)
    if tool.cache is not None:
        unsupported("cache_control", NAME)
    if is_own:
        written.update({k: v for k, v in (tool.extra or {}).items() if k[:1] != "~"})
    else:
        drop_extra(tool.extra, NAME, unsupported, path)
    return written


def read_tool_choice(choice: Any, extra: JsonObject) -> ToolChoice | None:
    """A choice of one of OpenAI's own tools goes to `extra`."""
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
        match choice.get("type"):
            case "allowed_tools":
                listed = choice.get("tools")
                tools = listed if isinstance(listed, list) else []
                names = tuple(name for tool in tools if (name := _name_of(tool)) is not None)
                mode = "required" if choice.get("mode") == "required" else "auto"
                if len(names) == len(tools):
                    return ToolChoice(mode, names)
                extra["tool_choice"] = choice
                return None
            case "function" | "custom" if (name := _name_of(choice)) is not None:
                return ToolChoice("required", (name,))
            case str() as type if type not in ("function", "custom"):
                extra["tool_choice"] = choice
                return None
            case _:
                pass
    raise MalformedError(
        'expected a word or an object such as {"type": "function", "name": …}', "tool_choice"
    )


def _name_of(choice: Any) -> str | None:
    name = choice.get("name") if isinstance(choice, dict) else None
    if name is None and isinstance(choice, dict) and isinstance(choice.get("function"), dict):
        name = choice["function"].get("name")
    return name if isinstance(name, str) else None


def write_tool_choice(choice: ToolChoice, tools: tuple[Tool, ...]) -> str | JsonObject:
    if not choice.names:
        return choice.mode
    custom = {tool.name for tool in tools if isinstance(tool, CustomTool)}
    named: list[JsonObject] = [
        {"type": "custom" if name in custom else "function", "name": name} for name in choice.names
    ]
    if choice.mode == "required" and len(named) == 1:
        return named[0]
    mode = "required" if choice.mode == "required" else "auto"
    return {"type": "allowed_tools", "mode": mode, "tools": named}
