import json
from typing import Any

import pytest

from portico.errors import InvalidRequest, UnsupportedParameter
from portico.types.chat import (
    CacheMarker,
    ChatRequest,
    Citation,
    CustomTool,
    DataSource,
    Document,
    FileSource,
    FunctionTool,
    Home,
    Image,
    Message,
    OpaqueBlock,
    ProviderState,
    ResponseFormat,
    Sampling,
    ServerTool,
    Text,
    TextSource,
    Thinking,
    ThinkingConfig,
    ToolCall,
    ToolChoice,
    ToolResult,
    UrlSource,
)
from portico.types.chat_stream import (
    ArgumentsDelta,
    BlockStart,
    BlockStop,
    Event,
    Finish,
    StreamEnd,
    StreamError,
    StreamStart,
    TextDelta,
    UsageUpdate,
)
from portico.types.usage import Usage
from portico.wire.base import Dropped, ReplyContext, refuse
from portico.wire.cohere_chat import dialect
from tests.wire.conversations import PDF, PIXEL, ask, assistant, result, user

HOME = Home("cohere", "command-a")
THOUGHT = ProviderState("cohere_chat", "thinking", HOME)
TOOL = FunctionTool(name="f", schema={"type": "object", "properties": {"a": {"type": "string"}}})


def written(request: ChatRequest) -> Any:
    return json.loads(dialect.write_request(request, unsupported=refuse, home=HOME))


def test_a_request_has_everything_in_its_place() -> None:
    request = ask(
        Message("developer", (Text("Be brief."),)),
        user("Look.", Image(UrlSource("https://example.com/a.png"), "low")),
        assistant(Thinking("Hm.", THOUGHT), "I look.", ToolCall("c1", "f", '{"a":1.50}')),
        Message("user", (Text("Go on"), ToolResult("c1", (Text("A cat"), Text("and a dog"))))),
        tools=(TOOL, CustomTool(name="write", description="Writes.")),
        tool_choice=ToolChoice("none"),
        stop=("END",),
        sampling=Sampling(temperature=0.5, top_p=1.0, top_k=4, seed=7, presence_penalty=0.5),
        thinking=ThinkingConfig(mode="enabled", budget_tokens=2000),
        response_format=ResponseFormat("json_object"),
        stream=True,
    )
    assert written(request) == {
        "model": "some-model",
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "f",
                    "parameters": {"type": "object", "properties": {"a": {"type": "string"}}},
                },
            },
            {
                "type": "function",
                "function": {
                    "name": "write",
                    "description": "Writes.",
                    "parameters": {
                        "type": "object",
                        "properties": {"input": {"type": "string"}},
                        "required": ["input"],
                    },
                },
            },
        ],
        "tool_choice": "NONE",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look."},
                    {
                        "type": "image_url",
                        "image_url": {"url": "https://example.com/a.png", "detail": "low"},
                    },
                ],
            },
            {
                "role": "assistant",
                "tool_plan": "I look.",
                "content": [{"type": "thinking", "thinking": "Hm."}],
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"a":1.50}'},
                    }
                ],
            },
            {
                "role": "tool",
                "tool_call_id": "c1",
                "content": [
                    {"type": "text", "text": "A cat"},
                    {"type": "text", "text": "and a dog"},
                ],
            },
            {"role": "user", "content": "Go on"},
        ],
        "max_tokens": 512,
        "stop_sequences": ["END"],
        "temperature": 0.5,
        "seed": 7,
        "p": 0.99,
        "k": 4,
        "presence_penalty": 0.5,
        "response_format": {"type": "json_object"},
        "thinking": {"type": "enabled", "token_budget": 2000},
        "stream": True,
    }


def test_naming_a_tool_is_sending_no_other() -> None:
    tools = (TOOL, FunctionTool(name="g", strict=True))
    body = written(ask("?", tools=tools, tool_choice=ToolChoice("required", ("g",))))
    assert [tool["function"]["name"] for tool in body["tools"]] == ["g"]
    assert (body["tool_choice"], body["strict_tools"]) == ("REQUIRED", True)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (ThinkingConfig(effort="none"), {"type": "disabled"}),
        (ThinkingConfig(mode="disabled"), {"type": "disabled"}),
        (ThinkingConfig(mode="adaptive"), {"type": "enabled"}),
        (ThinkingConfig(effort="low"), {"type": "enabled", "token_budget": 2048}),
    ],
)
def test_thinking_is_a_budget(config: ThinkingConfig, expected: Any) -> None:
    assert written(ask("?", thinking=config, max_tokens=None))["thinking"] == expected


def test_documents_of_text_stay_in_the_conversation() -> None:
    body = written(ask(user(Document(TextSource("Water boils."), "physics"), "Sum up.")))
    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "physics\nWater boils."},
        {"type": "text", "text": "Sum up."},
    ]


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}
NAMED: dict[str, tuple[ChatRequest, list[str]]] = {
    "a document in bytes": (
        ask(user(Document(DataSource("application/pdf", PDF)), "x")),
        ["document.data"],
    ),
    "an uploaded picture": (ask(user(Image(FileSource("f")), "x")), ["image.file_id"]),
    "a picture in a result": (
        ask(
            "?",
            assistant(ToolCall("c", "f", "")),
            result("c", "x", Image(DataSource("image/png", PIXEL)), is_error=True),
        ),
        ["tool_result.is_error", "tool_result.image"],
    ),
    "another's thinking": (
        ask("?", assistant(Thinking("Hm", ProviderState("openai_chat", "x")), "a"), "b"),
        ["thinking"],
    ),
    "a cited text": (
        ask("?", assistant(Text("a", (Citation(url="https://example.com"),))), "b"),
        ["citations"],
    ),
    "a marker": (ask(user(Text("a", cache=CacheMarker()))), ["cache_control"]),
    "another's block": (
        ask(user("a", OpaqueBlock("anthropic_messages", {"type": "search_result"}))),
        ["content.search_result"],
    ),
    "another's tool": (
        ask("?", tools=(ServerTool("openai_chat", "web_search", {}),)),
        ["tools.web_search"],
    ),
    "a range in a schema": (
        ask("?", response_format=ResponseFormat("json_schema", SCHEMA)),
        ["response_format.schema.minimum"],
    ),
    "a penalty out of range": (
        ask("?", sampling=Sampling(frequency_penalty=-1.5, presence_penalty=2)),
        ["frequency_penalty", "presence_penalty"],
    ),
    "too many stops": (ask("?", stop=tuple("abcdef")), ["stop"]),
    "what has no word here": (
        ask(
            "?",
            sampling=Sampling(min_p=0.1, logit_bias={"1": 1}, top_logprobs=3, n=2),
            user="u",
            verbosity="low",
            prompt_cache_key="k",
            metadata={"a": 1},
            service_tier="flex",
            extra={"store": True, "~reasoning": {}},
        ),
        [
            "min_p",
            "logit_bias",
            "top_logprobs",
            "n",
            "verbosity",
            "user",
            "metadata",
            "service_tier",
            "prompt_cache_key",
            "store",
        ],
    ),
}


@pytest.mark.parametrize(("request_", "names"), NAMED.values(), ids=list(NAMED))
def test_what_cannot_be_said_is_named_or_refused(request_: ChatRequest, names: list[str]) -> None:
    dropped = Dropped()
    dialect.write_request(request_, unsupported=dropped, home=HOME)
    assert dropped.names == names
    with pytest.raises(UnsupportedParameter, match=f"`{names[0]}`"):
        dialect.write_request(request_, unsupported=refuse, home=HOME)


USAGES: list[tuple[Any, Usage]] = [
    (
        {
            "billed_units": {"input_tokens": 10.0, "output_tokens": 4},
            "tokens": {"input_tokens": 70},
        },
        Usage(input_tokens=10, output_tokens=4),
    ),
    (
        {"tokens": {"input_tokens": 70, "output_tokens": 5}, "cached_tokens": 64},
        Usage(input_tokens=6, cache_read_tokens=64, output_tokens=5),
    ),
    (
        {"billed_units": {"input_tokens": 10, "output_tokens": 1}, "cached_tokens": 64},
        Usage(input_tokens=0, cache_read_tokens=10, output_tokens=1),
    ),
    ({}, Usage()),
]


@pytest.mark.parametrize(("fields", "usage"), USAGES)
def test_usage_is_what_is_billed(fields: Any, usage: Usage) -> None:
    body = {"message": {"content": "Hi"}, "finish_reason": "COMPLETE", "usage": fields}
    assert dialect.read_response(json.dumps(body).encode()).usage == usage


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b'{"message":"internal server error"}', "internal server error"),
        (b"[DONE]", "without a finish reason"),
        (b'{"type":"tool-call-delta","index":3}', "tool call 3 was not started"),
        (b'{"type":"tool-call-start","index":0}', "needs `function`"),
        (b"{", "not valid JSON"),
        (b'{"type":1}', "expected `str | null`, got `int`"),
    ],
)
def test_a_broken_stream_says_why(payload: bytes, words: str) -> None:
    reader = dialect.stream_reader(home=HOME)
    read = [*reader.feed(b"data: " + payload + b"\n\n"), *reader.close()]
    assert isinstance(read[-1], StreamError)
    assert words in read[-1].error.message


# Clients.


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0]"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "x"}]}]},
            "messages[0].tool_calls[0]",
        ),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"thinking": {"type": "adaptive"}}, "thinking.type"),
        ({"k": "many"}, "k"),
    ],
)
def test_a_bad_request_says_where(fields: Any, param: str) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    with pytest.raises(InvalidRequest) as raised:
        dialect.read_request(json.dumps(body).encode())
    assert raised.value.param == param


def test_to_require_one_tool_is_to_name_it() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    body = {"model": "m", "messages": [], "tools": [tool], "tool_choice": "REQUIRED"}
    request = dialect.read_request(json.dumps(body).encode())
    assert request.tool_choice == ToolChoice("required", ("f",))
    assert json.loads(dialect.write_request(request, unsupported=refuse)) == body


def told(*events: Event, id: str = "call-1") -> list[Any]:
    """What a client is sent for these events, as objects."""
    context = ReplyContext(request=ask("?"), id=id, now=1)
    writer = dialect.stream_writer(context=context, unsupported=Dropped())
    stream = b"".join(map(writer.write, events)) + writer.close()
    return [json.loads(event.partition(b"data: ")[2]) for event in stream.split(b"\n\n") if event]


def test_a_stream_is_told_in_order_with_the_usage_at_its_end() -> None:
    sent = told(
        StreamStart(dialect="x", id="a", model="m"),
        BlockStart(0, Text("")),
        TextDelta(0, "Hi"),
        BlockStop(0),
        BlockStart(1, ToolCall("c", "f", "")),
        ArgumentsDelta(1, '{"a":1}'),
        BlockStop(1),
        Finish(stop="tool_calls"),
        UsageUpdate(Usage(input_tokens=3, cache_read_tokens=2, output_tokens=1)),
        StreamEnd(),
    )
    assert [event["type"] for event in sent] == [
        "message-start",
        "content-start",
        "content-delta",
        "content-end",
        "tool-call-start",
        "tool-call-delta",
        "tool-call-end",
        "message-end",
    ]
    assert [event.get("index") for event in sent] == [None, 0, 0, 0, 0, 0, 0, None]
    tokens = {"input_tokens": 5, "output_tokens": 1}
    assert sent[-1]["delta"] == {
        "finish_reason": "TOOL_CALL",
        "usage": {"billed_units": tokens, "tokens": tokens, "cached_tokens": 2},
    }


def test_a_stream_that_stops_short_ends_in_an_error() -> None:
    sent = told(StreamStart(dialect="x", id="", model="m"), BlockStart(0, Text("")))
    assert sent[0]["id"] == "call-1"
    assert sent[-1]["delta"]["finish_reason"] == "ERROR"
    assert "before the answer was complete" in sent[-1]["delta"]["error"]
