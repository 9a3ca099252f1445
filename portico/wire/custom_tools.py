"""Tools that take free text, for providers that know only JSON arguments.

On the way out a dialect without them declares such a tool as a function of one string, `input`, and
wraps past calls alike. On the way back its calls are plain function calls; what is here makes them
what the client asked for, by the tools of its request. The text is only known when the JSON is
complete, so a streamed call of this kind comes in one piece.
"""

from typing import Final, TypeGuard

import msgspec

from portico.types.chat import (
    Block,
    ChatRequest,
    ChatResponse,
    CustomTool,
    FunctionTool,
    JsonObject,
    ToolCall,
    ToolResult,
)
from portico.types.chat_stream import ArgumentsDelta, BlockStart, BlockStop, Event
from portico.wire.base import Unsupported
from portico.wire.json_io import MalformedError, compact, decode

_TEXT_INPUT: Final[JsonObject] = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
}
_NONE: Final[frozenset[str]] = frozenset()


def custom_names(request: ChatRequest) -> frozenset[str]:
    """The names of a request's custom tools; without any there is nothing to restore."""
    if not request.tools:
        return _NONE
    return frozenset([tool.name for tool in request.tools if isinstance(tool, CustomTool)])


def wrap(request: ChatRequest, dialect: str, unsupported: Unsupported) -> ChatRequest:
    """The request for a provider whose dialect has such tools, but who does not."""
    tools = []
    for i, tool in enumerate(request.tools):
        if isinstance(tool, CustomTool):
            tool = as_function(tool, f"tools[{i}].", dialect, unsupported)
        tools.append(tool)
    messages = tuple(
        msgspec.structs.replace(
            message, content=tuple([_wrapped(block) for block in message.content])
        )
        for message in request.messages
    )
    return msgspec.structs.replace(request, tools=tuple(tools), messages=messages)


def as_function(
    tool: FunctionTool | CustomTool, path: str, dialect: str, unsupported: Unsupported
) -> FunctionTool:
    """A function is one already; a tool of free text becomes a function of one string."""
    if isinstance(tool, FunctionTool):
        return tool
    if tool.format is not None and tool.format.get("type") != "text":
        unsupported(f"{path}format", dialect)
    return FunctionTool(name=tool.name, description=tool.description, schema=_TEXT_INPUT)


def _wrapped(block: Block) -> Block:
    match block:
        case ToolCall(kind="custom", arguments=text):
            return msgspec.structs.replace(
                block, kind="function", arguments=compact({"input": text})
            )
        case ToolResult(kind="custom"):
            return msgspec.structs.replace(block, kind="function")
        case _:
            return block


def restore(response: ChatResponse, names: frozenset[str]) -> ChatResponse:
    choices = tuple(
        msgspec.structs.replace(
            choice,
            content=tuple(
                _restored(block) if _is_wrapped(block, names) else block for block in choice.content
            ),
        )
        for choice in response.choices
    )
    return msgspec.structs.replace(response, choices=choices)


class Restorer:
    """The same for a stream: `see` gives the events to write in place of one."""

    __slots__ = ("_held", "_names")

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._held: dict[tuple[int, int], tuple[ToolCall, list[str]]] = {}

    def see(self, event: Event) -> tuple[Event, ...]:
        match event:
            case BlockStart(index, block, choice) if _is_wrapped(block, self._names):
                self._held[choice, index] = (block, [block.arguments])
                return ()
            case ArgumentsDelta(index, text, choice) if (choice, index) in self._held:
                self._held[choice, index][1].append(text)
                return ()
            case BlockStop(index, choice) if (choice, index) in self._held:
                call, pieces = self._held.pop((choice, index))
                restored = _restored(msgspec.structs.replace(call, arguments="".join(pieces)))
                begun = BlockStart(index, msgspec.structs.replace(restored, arguments=""), choice)
                return (begun, ArgumentsDelta(index, restored.arguments, choice), event)
            case _:
                return (event,)


def _is_wrapped(block: object, names: frozenset[str]) -> TypeGuard[ToolCall]:
    return isinstance(block, ToolCall) and block.kind == "function" and block.name in names


def _restored(call: ToolCall) -> ToolCall:
    return msgspec.structs.replace(call, kind="custom", arguments=_unwrapped(call.arguments))


def _unwrapped(arguments: str) -> str:
    """The one string inside, or the arguments as they are if the model did not keep to it."""
    try:
        value = decode(arguments or "{}")
    except MalformedError:
        return arguments
    if isinstance(value, dict) and isinstance(value.get("input"), str):
        text: str = value["input"]
        return text
    return arguments
