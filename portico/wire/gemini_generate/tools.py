"""Tools and tool choice of Gemini to canonical ones and back.

https://ai.google.dev/api/caching#Tool and https://ai.google.dev/gemini-api/docs/function-calling
(2026-11-23). A tool object lists functions, or names one tool that Google runs (`googleSearch`,
`codeExecution`, `urlContext`, …): each of those is opaque. Schemas are read in both forms and
written as `parametersJsonSchema`; a function of Gemini's own client keeps the form it came in.
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
from portico.wire.custom_tools import as_function
from portico.wire.gemini_generate.parts import NAME, camel
from portico.wire.gemini_generate.schema import to_json_schema
from portico.wire.json_io import MalformedError, convert, fields_of, unknown
from portico.wire.json_schema import Rules, narrow

_RULES: Final = Rules()
"""Any JSON Schema will do, but the top must be a plain object."""


_MODES: Final[dict[str, Literal["auto", "none", "required"]]] = {
    "AUTO": "auto",
    "ANY": "required",
    "NONE": "none",
    "VALIDATED": "auto",
}


class _Function(msgspec.Struct, rename="camel"):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    parameters_json_schema: dict[str, Any] | None = None


class _Calling(msgspec.Struct, rename="camel"):
    mode: str | None = None
    allowed_function_names: list[str] | None = None


_KNOWN: Final = fields_of(_Function)
_CALLING: Final = fields_of(_Calling)


def read_tools(tools: Iterable[Any]) -> tuple[Tool, ...]:
    read: list[Tool] = []
    for i, raw in enumerate(tools):
        path = f"tools[{i}]"
        if not isinstance(raw, dict):
            raise MalformedError('expected an object such as {"functionDeclarations": […]}', path)
        for key, value in camel(raw).items():
            if key == "functionDeclarations":
                where = f"{path}.functionDeclarations"
                functions = convert(value, list[dict[str, Any]], where)
                read += (_read_function(f, f"{where}[{j}]") for j, f in enumerate(functions))
            else:
                read.append(ServerTool(NAME, key, {key: value}))
    return tuple(read)


def _read_function(raw: JsonObject, path: str) -> FunctionTool:
    raw = camel(raw)
    function = convert(raw, _Function, path)
    extra = unknown(raw, _KNOWN)
    schema = function.parameters_json_schema
    if schema is None and function.parameters is not None:
        extra["~parameters"] = function.parameters
        schema = to_json_schema(function.parameters)
    return FunctionTool(
        name=function.name,
        description=function.description,
        schema=schema,
        extra=extra or None,
    )


def write_tools(
    tools: Iterable[Tool], unsupported: Unsupported, *, is_own: bool
) -> list[JsonObject]:
    functions: list[JsonObject] = []
    others: list[JsonObject] = []
    for i, tool in enumerate(tools):
        match tool:
            case FunctionTool() | CustomTool():
                path = f"tools[{i}]."
                function = as_function(tool, path, NAME, unsupported)
                functions.append(_write_function(function, path, unsupported, is_own))
            case ServerTool(dialect, name, data):
                if dialect == NAME:
                    others.append(data)
                else:
                    unsupported(f"tools.{name}", NAME)
            case _:
                assert_never(tool)
    return ([{"functionDeclarations": functions}] if functions else []) + others


def _write_function(
    tool: FunctionTool, path: str, unsupported: Unsupported, is_own: bool
) -> JsonObject:
    written: JsonObject = {"name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    extra = tool.extra or {}
    if is_own and "~parameters" in extra:
        written["parameters"] = extra["~parameters"]
    elif is_own and tool.schema is not None:
        written["parametersJsonSchema"] = tool.schema
    elif tool.schema is not None:
        narrowed = narrow(tool.schema, _RULES)
        written["parametersJsonSchema"] = narrowed.schema
        for keyword in narrowed.dropped:
            unsupported(f"{path}schema.{keyword}", NAME)
    if tool.strict:
        unsupported(f"{path}strict", NAME)
    if tool.cache is not None:
        unsupported("cache_control", NAME)
    if is_own:
        written.update({key: value for key, value in extra.items() if key[:1] != "~"})
    else:
        drop_extra(tool.extra, NAME, unsupported, path)
    return written


def read_tool_config(config: Any, extra: JsonObject) -> ToolChoice | None:
    """What is not about the choice of functions goes to `extra` under its full name."""
    if config is None:
        return None
    config = camel(convert(config, dict[str, Any], "toolConfig"))
    for key, value in config.items():
        if key != "functionCallingConfig":
            extra[f"toolConfig.{key}"] = value
    raw = config.get("functionCallingConfig")
    if raw is None:
        return None
    path = "toolConfig.functionCallingConfig"
    raw = camel(convert(raw, dict[str, Any], path))
    calling = convert(raw, _Calling, path)
    for key, value in unknown(raw, _CALLING).items():
        extra[f"{path}.{key}"] = value
    names = tuple(calling.allowed_function_names or ())
    word = (calling.mode or "MODE_UNSPECIFIED").upper()
    if word == "MODE_UNSPECIFIED":
        return ToolChoice("auto", names) if names else None
    mode = _MODES.get(word)
    if mode is None:
        raise MalformedError("expected `AUTO`, `ANY`, `NONE` or `VALIDATED`", f"{path}.mode")
    if word == "VALIDATED":
        extra["~mode"] = word
    return ToolChoice(mode, names)


def write_tool_choice(choice: ToolChoice, own_mode: str | None) -> JsonObject:
    """`VALIDATED` is the only mode beside `ANY` that takes names."""
    mode = {"auto": "AUTO", "none": "NONE", "required": "ANY"}[choice.mode]
    if choice.mode == "auto" and (choice.names or own_mode):
        mode = "VALIDATED"
    written: JsonObject = {"mode": mode}
    if choice.names and choice.mode != "none":
        written["allowedFunctionNames"] = list(choice.names)
    return written
