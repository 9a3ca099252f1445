"""What is special about Ollama: one text a message, calls by order, streams of lines."""

import json
from typing import Any

import pytest

from portico.errors import InvalidRequest, UpstreamFailed, UpstreamProtocol, UpstreamUnavailable
from portico.types.chat import (
    CacheMarker,
    ChatRequest,
    ChatResponse,
    Choice,
    CustomTool,
    DataSource,
    Document,
    FunctionTool,
    Image,
    JsonObject,
    Message,
    ProviderState,
    RedactedThinking,
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
    ThinkingDelta,
    UsageUpdate,
)
from portico.types.usage import Usage
from portico.wire.base import Dropped, ReplyContext, refuse
from portico.wire.ollama_chat import dialect
from portico.wire.ollama_chat.lines import LineSplitter

PNG = Image(DataSource("image/png", "iVBO"))


def read(**fields: Any) -> ChatRequest:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return dialect.read_request(json.dumps(body).encode())


def write(request: ChatRequest) -> tuple[JsonObject, list[str]]:
    dropped = Dropped()
    return json.loads(dialect.write_request(request, unsupported=dropped)), dropped.names


def foreign(*messages: Message, **fields: Any) -> ChatRequest:
    messages = messages or (Message("user", (Text("Hi"),)),)
    return ChatRequest(dialect="openai_chat", model="m", messages=messages, **fields)


def context() -> ReplyContext:
    return ReplyContext(request=read(), id="call-1", now=1_795_420_000)


WRONG = {
    "model": {"model": 5},
    "messages": {"messages": "hello"},
    "messages[0].role": {"messages": [{"role": "robot", "content": "x"}]},
    "messages[1].content": {"messages": [{"role": "user"}, {"role": "user", "content": []}]},
    "messages[0].tool_calls[0]": {"messages": [{"role": "assistant", "tool_calls": [{}]}]},
    "tools[0]": {"tools": ["f"]},
    "tools[0].function": {"tools": [{"type": "function", "function": {}}]},
    "options.temperature": {"options": {"temperature": "warm"}},
    "format": {"format": "xml"},
    "think": {"think": "hard"},
}


@pytest.mark.parametrize(("param", "fields"), WRONG.items(), ids=WRONG)
def test_a_wrong_field_is_named_by_its_path(param: str, fields: JsonObject) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param == param


def test_answers_are_streamed_unless_that_is_switched_off() -> None:
    assert read().stream is True
    assert read(stream=False).stream is False
    assert write(foreign())[0]["stream"] is False


def test_results_are_matched_by_id_by_name_and_by_order() -> None:
    calls = [{"function": {"name": name, "arguments": {}}} for name in ("f", "g", "f")]
    request = read(
        messages=[
            {"role": "assistant", "content": "", "tool_calls": calls},
            {"role": "tool", "tool_name": "g", "content": "G"},
            {"role": "tool", "tool_call_id": "call_3", "content": "F2"},
            {"role": "tool", "content": "F1"},
        ]
    )
    results = [block for message in request.messages[1:] for block in message.content]
    assert results == [
        ToolResult("call_2", (Text("G"),), name="g"),
        ToolResult("call_3", (Text("F2"),)),
        ToolResult("call_1", (Text("F1"),)),
    ]


def test_blocks_are_one_message_as_long_as_their_order_allows() -> None:
    written, dropped = write(
        foreign(
            Message("user", (PNG, Text("What?"))),
            Message("assistant", (Thinking("Hm"), Text("A"), ToolCall("c", "f", '{"a": 1}'))),
            Message("assistant", (Text("B"), Text("C"))),
            Message("user", (Text("one"), PNG, Text("two"), PNG, PNG)),
        )
    )
    call = {"id": "c", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}}
    assert written["messages"] == [
        {"role": "user", "content": "What?", "images": ["iVBO"]},
        {"role": "assistant", "content": "A", "thinking": "Hm", "tool_calls": [call]},
        {"role": "assistant", "content": "B"},
        {"role": "assistant", "content": "C"},
        {"role": "user", "content": "one", "images": ["iVBO"]},
        {"role": "user", "content": "two", "images": ["iVBO", "iVBO"]},
    ]
    assert dropped == []


def test_what_messages_cannot_hold_is_named() -> None:
    state = ProviderState("anthropic_messages", "Em")
    written, dropped = write(
        foreign(
            Message("developer", (Text("Be brief.", cache=CacheMarker()),)),
            Message(
                "user",
                (
                    Image(UrlSource("https://e.com/a.png")),
                    Document(DataSource("application/pdf", "JVBE")),
                    Document(TextSource("words"), title="T"),
                ),
            ),
            Message("assistant", (Thinking("Hm", state), RedactedThinking(state))),
            Message("user", (ToolResult("c", (Text("No"), PNG), is_error=True),)),
        )
    )
    assert written["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "T\nwords"},
        {"role": "assistant", "content": "", "thinking": "Hm"},
        {"role": "tool", "content": "No", "images": ["iVBO"], "tool_call_id": "c"},
    ]
    assert dropped == [
        "cache_control",
        "image.url",
        "content.document",
        "thinking.signature",
        "thinking",
        "tool_result.is_error",
    ]


def test_tools_of_all_kinds() -> None:
    tools = (
        FunctionTool(name="f", schema={"type": "object", "properties": {}}, strict=True),
        FunctionTool(name="none"),
        CustomTool(name="p", format={"type": "grammar"}),
        ServerTool("openai_chat", "web_search", {}),
    )
    written, dropped = write(foreign(tools=tools))
    text = {
        "type": "object",
        "properties": {"input": {"type": "string"}},
        "required": ["input"],
    }
    empty = {"type": "object", "properties": {}}
    assert [tool["function"] for tool in written["tools"]] == [
        {"name": "f", "parameters": empty},
        {"name": "none", "parameters": empty},
        {"name": "p", "parameters": text},
    ]
    assert dropped == ["tools[0].strict", "tools[2].format", "tools.web_search"]


@pytest.mark.parametrize(
    ("choice", "names", "dropped"),
    [
        (ToolChoice("auto"), ["f", "g"], []),
        (ToolChoice("none"), [], []),
        (ToolChoice("required"), ["f", "g"], ["tool_choice"]),
        (ToolChoice("required", ("g",)), ["g"], ["tool_choice"]),
        (ToolChoice("auto", ("g",)), ["g"], []),
    ],
)
def test_a_choice_is_said_by_sending_no_others(
    choice: ToolChoice, names: list[str], dropped: list[str]
) -> None:
    tools = (FunctionTool(name="f"), FunctionTool(name="g"))
    written, named = write(foreign(tools=tools, tool_choice=choice))
    assert [tool["function"]["name"] for tool in written.get("tools", ())] == names
    assert named == dropped


@pytest.mark.parametrize(
    ("asked", "think"),
    [
        (ThinkingConfig(mode="disabled"), False),
        (ThinkingConfig(mode="adaptive"), True),
        (ThinkingConfig(effort="minimal"), "low"),
        (ThinkingConfig(effort="max"), "high"),
        (ThinkingConfig(mode="enabled", budget_tokens=9000), "medium"),
    ],
)
def test_thinking_is_a_switch_or_a_level(asked: ThinkingConfig, think: bool | str) -> None:
    assert write(foreign(thinking=asked))[0]["think"] == think


def test_foreign_parameters_are_written_or_named() -> None:
    written, dropped = write(
        foreign(
            max_tokens=9,
            stop=("END",),
            sampling=Sampling(temperature=0.5, seed=1, n=2, logit_bias={"5": 1}, logprobs=True),
            response_format=ResponseFormat("json_schema", {"type": "object"}, "n"),
            parallel_tool_calls=False,
            service_tier="flex",
            user="u",
            extra={"store": True},
        )
    )
    assert written["options"] == {"num_predict": 9, "temperature": 0.5, "seed": 1, "stop": ["END"]}
    assert (written["format"], written["logprobs"]) == ({"type": "object"}, True)
    assert dropped == ["logit_bias", "n", "service_tier", "user", "store"]
    assert write(foreign(response_format=ResponseFormat("json_object")))[0]["format"] == "json"


def test_calls_without_ids_get_ids_that_are_new_in_each_answer() -> None:
    call = {"function": {"name": "f", "arguments": {"a": 1}}}
    message = {"role": "assistant", "content": "", "tool_calls": [call, call]}
    body = {"message": message, "done": True, "created_at": "2025-10-17T23:14:07.414671Z"}
    response = dialect.read_response(json.dumps(body).encode())
    assert response.choices[0].content == (
        ToolCall("call_20251017T231407414671Z_1", "f", '{"a":1}'),
        ToolCall("call_20251017T231407414671Z_2", "f", '{"a":1}'),
    )
    assert (response.choices[0].stop, response.created) == ("tool_calls", 1_760_742_847)


def test_an_answer_is_one_message_whatever_its_order() -> None:
    content = (
        Text("A"),
        ToolCall("c", "f", ""),
        Thinking("Hm"),
        Text("B"),
        ToolCall("d", "g", "cut", "custom"),
    )
    choice = Choice(content=content, stop="content_filter")
    response = ChatResponse(
        dialect="test",
        id="x",
        model="gpt",
        choices=(choice,),
        usage=Usage(input_tokens=3, cache_read_tokens=4, output_tokens=5, reasoning_tokens=6),
    )
    written = dialect.write_response(response, context=context(), unsupported=refuse)
    assert json.loads(written) == {
        "model": "gpt",
        "created_at": "2026-11-23T07:46:40Z",
        "message": {
            "role": "assistant",
            "content": "AB",
            "thinking": "Hm",
            "tool_calls": [
                {"id": "c", "function": {"index": 0, "name": "f", "arguments": {}}},
                {
                    "id": "d",
                    "function": {"index": 1, "name": "g", "arguments": {"input": "cut"}},
                },
            ],
        },
        "done": True,
        "done_reason": "content_filter",
        "prompt_eval_count": 7,
        "eval_count": 11,
    }


def stream(*events: Event) -> list[JsonObject]:
    writer = dialect.stream_writer(context=context(), unsupported=refuse)
    written = b"".join(map(writer.write, events)) + writer.close()
    assert written.endswith(b"\n")
    return [json.loads(line) for line in written.splitlines()]


HEAD = {"model": "gpt", "created_at": "2026-11-23T07:46:40Z"}
BEGUN: tuple[Event, ...] = (
    StreamStart(dialect="openai_chat", id="x", model="gpt"),
    BlockStart(0, Thinking("")),
    ThinkingDelta(0, "Hm"),
    BlockStop(0),
    BlockStart(1, Text("")),
    TextDelta(1, "Hi"),
)


def test_lines_have_the_counts_at_the_end() -> None:
    told = stream(
        *BEGUN,
        BlockStart(2, ToolCall("a", "f", "")),
        BlockStart(3, ToolCall("b", "g", "")),
        ArgumentsDelta(2, '{"x"'),
        ArgumentsDelta(3, "{}"),
        BlockStop(3),
        ArgumentsDelta(2, ":1}"),
        BlockStop(2),
        BlockStop(1),
        Finish(stop="tool_calls"),
        UsageUpdate(Usage(input_tokens=3, output_tokens=4)),
        StreamEnd(),
    )
    empty = {"role": "assistant", "content": ""}
    second = {"id": "b", "function": {"index": 0, "name": "g", "arguments": {}}}
    first = {"id": "a", "function": {"index": 1, "name": "f", "arguments": {"x": 1}}}
    assert told == [
        {**HEAD, "message": {**empty, "thinking": "Hm"}, "done": False},
        {**HEAD, "message": {"role": "assistant", "content": "Hi"}, "done": False},
        {**HEAD, "message": {**empty, "tool_calls": [second]}, "done": False},
        {**HEAD, "message": {**empty, "tool_calls": [first]}, "done": False},
        {
            **HEAD,
            "message": empty,
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 3,
            "eval_count": 4,
        },
    ]


def test_a_broken_stream_ends_in_one_error_line() -> None:
    told = stream(*BEGUN, StreamError(UpstreamUnavailable("busy")))
    assert told[-1] == {"error": "busy"}
    assert "ended before" in stream(*BEGUN)[-1]["error"]
    assert not any(line.get("done") for line in told)


def test_an_error_line_is_the_providers_failure() -> None:
    reader = dialect.stream_reader()
    (event,) = reader.feed(b'{"error":"model runner has unexpectedly stopped"}\n')
    assert isinstance(event, StreamError)
    assert isinstance(event.error, UpstreamFailed)
    assert reader.feed(b'{"done":true}\n') == []
    with pytest.raises(UpstreamFailed):
        dialect.read_response(b'{"error":"out of memory"}')


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_do_not_depend_on_where_the_bytes_are_split(size: int) -> None:
    body = b'{"a":1}\r\n\n  \n{"b":"\xc3\xbc"}\n{"c":2}'
    splitter = LineSplitter(100)
    lines = [x for at in range(0, len(body), size) for x in splitter.feed(body[at : at + size])]
    lines += splitter.close()
    assert [json.loads(line) for line in lines] == [{"a": 1}, {"b": "ü"}, {"c": 2}]


def test_a_line_above_the_cap_is_an_error() -> None:
    for body in (b"x" * 11, b"y\n" + b"x" * 11 + b"\n"):
        with pytest.raises(UpstreamProtocol, match="over 10 bytes"):
            LineSplitter(10).feed(body)
