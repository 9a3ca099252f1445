"""The stated guess, block by block."""

import pytest

from portico.policy.prompt_tokens import prompt_tokens
from portico.types.chat import (
    Block,
    ChatRequest,
    DataSource,
    Document,
    FunctionTool,
    Image,
    Message,
    OpaqueBlock,
    ProviderState,
    RedactedThinking,
    Text,
    TextSource,
    Thinking,
    ToolCall,
    ToolResult,
    UrlSource,
)


def asked(*blocks: Block, tools: tuple[FunctionTool, ...] = ()) -> ChatRequest:
    return ChatRequest(dialect="d", model="m", messages=(Message("user", blocks),), tools=tools)


PICTURE = "x" * 4_000_000


@pytest.mark.parametrize(
    ("block", "tokens"),
    [
        (Text("four times four!"), 4),
        (Text("漢字漢字"), 3),
        (Thinking("hm, hm, "), 2),
        (Image(DataSource("image/png", PICTURE)), 1600),
        (Image(UrlSource("https://example.com/a.png")), 1600),
        (Document(TextSource("x" * 400)), 100),
        (Document(DataSource("application/pdf", "x" * 400_000)), 6 * 2250),
        (Document(DataSource("application/pdf", "x")), 2250),
        (ToolCall("1", "name", '{"a":1}'), 12 + 1 + 2),
        (ToolResult("1", (Text("x" * 40), Image(UrlSource("u")))), 12 + 10 + 1600),
        (RedactedThinking(ProviderState("d", "x" * 9000)), 0),
        (OpaqueBlock("d", {"a": "x" * 392}), 100),
    ],
)
def test_each_kind_of_block(block: Block, tokens: int) -> None:
    assert prompt_tokens(asked(block)) == 4 + tokens


def test_tools_count_with_their_schemas() -> None:
    small = asked(tools=(FunctionTool(name="f"),))
    large = asked(tools=(FunctionTool(name="f", schema={"description": "x" * 4000}),))
    assert prompt_tokens(large) - prompt_tokens(small) in range(1000, 1020)
