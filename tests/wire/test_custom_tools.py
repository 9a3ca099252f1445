"""Tools of free text for providers that only know JSON arguments: out, and back again."""

from portico.types.chat import (
    ChatRequest,
    ChatResponse,
    Choice,
    CustomTool,
    FunctionTool,
    Message,
    Text,
    ToolCall,
    ToolResult,
)
from portico.wire.base import Dropped
from portico.wire.custom_tools import custom_names, restore, wrap

FREE = ToolCall("1", "patch", '*** "Begin"\n', kind="custom")
JSON = ToolCall("2", "ls", "{}")
ASKED = ChatRequest(
    dialect="openai_responses",
    model="m",
    messages=(
        Message("assistant", (Text("so"), FREE, JSON)),
        Message("user", (ToolResult("1", (), kind="custom"), ToolResult("2", ()))),
    ),
    tools=(
        CustomTool(name="patch", description="d", format={"type": "grammar"}),
        CustomTool(name="say", format={"type": "text"}),
        FunctionTool(name="ls"),
    ),
)


def test_what_is_wrapped_is_plain_functions_and_is_restored() -> None:
    dropped = Dropped()
    wrapped = wrap(ASKED, "openai_chat", dropped)
    assert dropped.names == ["tools[0].format"]
    assert [(type(tool), tool.name) for tool in wrapped.tools] == [
        (FunctionTool, "patch"),
        (FunctionTool, "say"),
        (FunctionTool, "ls"),
    ]
    said, results = wrapped.messages
    assert said.content[1] == ToolCall("1", "patch", '{"input":"*** \\"Begin\\"\\n"}')
    assert {block.kind for block in results.content if isinstance(block, ToolResult)} == {
        "function"
    }
    answer = ChatResponse(
        dialect="openai_chat",
        id="a",
        model="m",
        choices=(Choice(content=said.content, stop="tool_calls"),),
    )
    restored = restore(answer, custom_names(ASKED))
    assert restored.choices[0].content == ASKED.messages[0].content
