"""What is special about OpenAI Responses: items, what is stored, reasoning, the order of events."""

import json
from typing import Any

import pytest

from portico.errors import InvalidRequest, UpstreamFailed, UpstreamRateLimited, UpstreamUnavailable
from portico.types.chat import (
    CacheMarker,
    ChatRequest,
    ChatResponse,
    Choice,
    Citation,
    CustomTool,
    DataSource,
    Document,
    FileSource,
    FunctionTool,
    Home,
    Image,
    JsonObject,
    Message,
    OpaqueBlock,
    ProviderState,
    RedactedThinking,
    Refusal,
    ResponseFormat,
    Sampling,
    ServerTool,
    Text,
    Thinking,
    ThinkingConfig,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from portico.types.chat_stream import (
    ArgumentsDelta,
    BlockStart,
    BlockStop,
    CitationDelta,
    Event,
    Finish,
    SignatureDelta,
    StreamEnd,
    StreamError,
    StreamStart,
    TextDelta,
    ThinkingDelta,
    UsageUpdate,
)
from portico.types.usage import Usage
from portico.wire.assemble import replay
from portico.wire.base import Dropped, ReplyContext, refuse
from portico.wire.openai_responses import dialect

HOME = Home("openai", "gpt-5.2")


def read(**fields: Any) -> ChatRequest:
    return dialect.read_request(json.dumps({"model": "m", "input": "Hi", **fields}).encode())


def write(request: ChatRequest, home: Home | None = HOME) -> tuple[JsonObject, list[str]]:
    dropped = Dropped()
    body = dialect.write_request(request, unsupported=dropped, home=home)
    return json.loads(body), dropped.names


def foreign(*messages: Message, **fields: Any) -> ChatRequest:
    messages = messages or (Message("user", (Text("Hi"),)),)
    return ChatRequest(dialect="anthropic_messages", model="m", messages=messages, **fields)


def context(request: ChatRequest | None = None) -> ReplyContext:
    return ReplyContext(request=request or read(), id="call-1", now=1_795_420_000)


def answered(*content: Any, request: ChatRequest | None = None, **fields: Any) -> JsonObject:
    choice = Choice(content=content, stop=fields.pop("stop", "end"))
    response = ChatResponse(dialect="test", id="a1", model="m", choices=(choice,), **fields)
    body = dialect.write_response(response, context=context(request), unsupported=refuse)
    written: JsonObject = json.loads(body)
    return written


WRONG = {
    "input[0]": {"input": ["hello"]},
    "input[0].role": {"input": [{"role": "robot", "content": "x"}]},
    "input[0].content": {"input": [{"role": "user", "content": 5}]},
    "input[0].content[1]": {
        "input": [{"role": "user", "content": [{"type": "text", "text": "a"}, 5]}]
    },
    "input[1].content[0].text": {
        "input": [
            {"role": "user", "content": "a"},
            {"role": "user", "content": [{"type": "input_text", "text": 1}]},
        ]
    },
    "input[0].content[0]": {"input": [{"role": "user", "content": [{"type": "input_file"}]}]},
    "input[0].call_id": {"input": [{"type": "function_call", "call_id": 5, "name": "f"}]},
    "tools[0]": {"tools": ["f"]},
    "tools[0].name": {"tools": [{"type": "function", "name": 1}]},
    "tool_choice": {"tool_choice": "sometimes"},
    "reasoning.effort": {"reasoning": {"effort": "enormous"}},
    "temperature": {"temperature": "warm"},
    "text.format": {"text": {"format": {}}},
}


@pytest.mark.parametrize(("param", "fields"), WRONG.items(), ids=WRONG)
def test_a_wrong_field_is_named_by_its_path(param: str, fields: JsonObject) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param == param


def test_input_is_needed_unless_it_is_elsewhere() -> None:
    with pytest.raises(InvalidRequest, match="`input`"):
        dialect.read_request(b'{"model":"m"}')
    request = dialect.read_request(b'{"model":"m","previous_response_id":"resp_1"}')
    assert request.messages == ()
    assert request.extra == {"previous_response_id": "resp_1"}


def test_items_of_one_turn_are_one_message() -> None:
    request = read(
        input=[
            {"role": "user", "content": "?"},
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": t} for t in ("One.", "Two.")],
                "encrypted_content": "gAAA",
            },
            {"role": "assistant", "content": "I look."},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'},
            {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "x"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "G"},
            {"type": "function_call_output", "call_id": "c1", "output": "F"},
        ]
    )
    assert [(message.role, message.content) for message in request.messages] == [
        ("user", (Text("?"),)),
        (
            "assistant",
            (
                Thinking("One.\n\nTwo.", ProviderState("openai_responses", "gAAA"), "rs_1"),
                Text("I look."),
                ToolCall("c1", "f", '{"a": 1}'),
                ToolCall("c2", "g", "x", kind="custom"),
            ),
        ),
        ("user", (ToolResult("c2", (Text("G"),), kind="custom"),)),
        ("user", (ToolResult("c1", (Text("F"),)),)),
    ]


def test_items_keep_their_fields_on_the_way_home() -> None:
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "?"}], "id": "msg_0"},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": t} for t in ("One.", "Two.")],
            "encrypted_content": "gAAA",
            "status": "completed",
        },
        {
            "type": "message",
            "id": "msg_1",
            "phase": "commentary",
            "role": "assistant",
            "content": [],
        },
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "c1",
            "name": "create",
            "namespace": "mcp__x__",
            "arguments": "{}",
        },
        {"type": "web_search_call", "id": "ws_1", "action": {}},
        {"type": "item_reference", "id": "msg_9"},
        {"type": "computer_call_output", "call_id": "c3", "output": {"type": "screenshot"}},
    ]
    written, dropped = write(read(input=items))
    assert written["input"] == items
    assert dropped == []


def test_reasoning_that_was_changed_does_not_go_home_as_it_was() -> None:
    item = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "My key is 123"}],
        "encrypted_content": "gAAA",
    }
    request = read(input=[item])
    (message,) = request.messages
    (thinking,) = message.content
    assert isinstance(thinking, Thinking)
    masked = Message(
        "assistant", (Thinking("My key is …", thinking.state, "rs_1"),), None, message.extra
    )
    changed = ChatRequest(dialect="openai_responses", model="m", messages=(masked,))
    assert "123" not in json.dumps(write(changed)[0])


def test_state_goes_home_only() -> None:
    own = Thinking("So", ProviderState("openai_responses", "gAAA", HOME), "rs_1")
    other = RedactedThinking(ProviderState("anthropic_messages", "Em"))
    written, dropped = write(foreign(Message("assistant", (own, other, Text("Yes")))))
    assert written["input"] == [
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "So"}],
            "id": "rs_1",
            "encrypted_content": "gAAA",
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Yes", "annotations": []}],
        },
    ]
    assert dropped == ["thinking"]
    _, dropped = write(foreign(Message("assistant", (own,))), Home("azure", "gpt-5.2"))
    assert dropped == ["thinking"]


FOREIGN_STATE = (
    Thinking("So,", ProviderState("anthropic_messages", "EqQB", Home("claude", "opus"))),
    RedactedThinking(ProviderState("anthropic_messages", "Em", Home("claude", "opus"))),
    Text("I look."),
    ToolCall("c1", "f", "{}", state=ProviderState("gemini_generate", "c2ln", Home("g", "m"))),
    ToolCall("c2", "f", "{}"),
)


def without_ids(content: tuple[Any, ...]) -> tuple[Any, ...]:
    import msgspec

    return tuple(
        msgspec.structs.replace(block, id=None)
        if isinstance(block, Thinking | RedactedThinking)
        else block
        for block in content
    )


def test_foreign_state_comes_back_from_a_client() -> None:
    output = answered(*FOREIGN_STATE, stop="tool_calls")["output"]
    assert without_ids(read(input=output).messages[0].content) == FOREIGN_STATE
    writer = dialect.stream_writer(context=context(), unsupported=refuse)
    choice = Choice(content=FOREIGN_STATE, stop="tool_calls")
    response = ChatResponse(dialect="test", id="a1", model="m", choices=(choice,))
    stream = b"".join(map(writer.write, replay(response)))
    last = json.loads(stream.decode().split("data: ")[-1])["response"]["output"]
    assert without_ids(read(input=last).messages[0].content) == FOREIGN_STATE


def test_a_foreign_request_is_not_stored() -> None:
    written, dropped = write(foreign())
    assert written == {
        "model": "m",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
        "store": False,
    }
    assert dropped == []


@pytest.mark.parametrize(
    ("config", "reasoning"),
    [
        (ThinkingConfig(effort="max"), {"effort": "xhigh"}),
        (ThinkingConfig(mode="disabled"), {"effort": "none"}),
        (ThinkingConfig(mode="adaptive"), {"summary": "auto"}),
        (
            ThinkingConfig(mode="enabled", budget_tokens=20_000),
            {"effort": "high", "summary": "auto"},
        ),
        (ThinkingConfig(mode="adaptive", effort="low", summary="omitted"), {"effort": "low"}),
    ],
)
def test_thinking_is_asked_for_in_words(config: ThinkingConfig, reasoning: JsonObject) -> None:
    written, _ = write(foreign(thinking=config))
    assert written["reasoning"] == reasoning
    assert written["include"] == ["reasoning.encrypted_content"]


def test_foreign_parameters_are_written_or_named() -> None:
    written, dropped = write(
        foreign(
            max_tokens=9,
            stop=("END",),
            sampling=Sampling(
                temperature=0.5, top_k=4, seed=1, n=2, frequency_penalty=0.5, logprobs=True
            ),
            response_format=ResponseFormat("json_schema", {"type": "object"}),
            verbosity="low",
            modalities=("text", "audio"),
            cache=CacheMarker(),
            user="u",
            extra={"container": "c", "~output_format": {}},
        )
    )
    assert written["text"] == {
        "format": {"type": "json_schema", "name": "response", "schema": {"type": "object"}},
        "verbosity": "low",
    }
    assert (written["max_output_tokens"], written["temperature"], written["user"]) == (16, 0.5, "u")
    assert written["include"] == ["message.output_text.logprobs"]
    assert dropped == [
        "max_tokens",
        "stop",
        "top_k",
        "frequency_penalty",
        "seed",
        "n",
        "modalities",
        "cache_control",
        "container",
    ]


def test_values_that_change_nothing_are_not_named_elsewhere() -> None:
    request = read(
        store=False,
        include=["reasoning.encrypted_content"],
        truncation="disabled",
        background=False,
        previous_response_id=None,
    )
    assert all(key.startswith("~") for key in request.extra)
    assert read(store=True, include=["file_search_call.results"]).extra == {
        "store": True,
        "include": ["file_search_call.results"],
    }


def test_media_and_results_of_foreign_requests() -> None:
    png = DataSource("image/png", "iVBO")
    request = ChatRequest(
        dialect="gemini_generate",
        model="m",
        messages=(
            Message("user", (Image(FileSource("files/1")), Document(png, "a.png"), Text("?"))),
            Message("assistant", (ToolCall("c1", "f", ""), ToolCall("c2", "p", "x", "custom"))),
            Message("user", (ToolResult("c1", (Text("No"),), is_error=True),)),
            Message("user", (ToolResult("c2", (Text("a"), Image(png))), Text("Well?"))),
        ),
    )
    written, dropped = write(request)
    assert written["input"][1:] == [
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "p", "input": "x"},
        {"type": "function_call_output", "call_id": "c1", "output": "No"},
        {
            "type": "custom_tool_call_output",
            "call_id": "c2",
            "output": [
                {"type": "input_text", "text": "a"},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBO"},
            ],
        },
        {"role": "user", "content": [{"type": "input_text", "text": "Well?"}]},
    ]
    assert dropped == ["image.file_id", "tool_result.is_error"]


def test_tools_of_all_kinds() -> None:
    tools = (
        FunctionTool(name="f", schema={"type": "object"}, cache=CacheMarker()),
        FunctionTool(name="none", strict=True),
        CustomTool(
            name="p",
            format={"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: x"}},
        ),
        ServerTool("anthropic_messages", "web_search", {}),
        ServerTool("openai_responses", "web_search", {"type": "web_search"}),
    )
    choice = ToolChoice("required", ("f", "p"))
    written, dropped = write(foreign(tools=tools, tool_choice=choice))
    empty = {"type": "object", "properties": {}}
    nothing = {**empty, "additionalProperties": False}
    assert written["tools"] == [
        {"type": "function", "name": "f", "parameters": empty, "strict": False},
        {"type": "function", "name": "none", "parameters": nothing, "strict": True},
        {
            "type": "custom",
            "name": "p",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"},
        },
        {"type": "web_search"},
    ]
    named = [{"type": "function", "name": "f"}, {"type": "custom", "name": "p"}]
    assert written["tool_choice"] == {"type": "allowed_tools", "mode": "required", "tools": named}
    assert dropped == ["cache_control", "tools.web_search"]


NAMESPACE = {
    "type": "namespace",
    "name": "mcp__tracker__",
    "description": "Issues",
    "tools": [{"type": "function", "name": "create", "parameters": {"type": "object"}}],
}


def test_tools_of_a_namespace_have_one_name_elsewhere_and_two_at_home() -> None:
    request = read(tools=[NAMESPACE])
    assert [tool.name for tool in request.tools] == ["mcp__tracker__create"]
    assert write(request)[0]["tools"] == [NAMESPACE]
    output = answered(ToolCall("c1", "mcp__tracker__create", ""), request=request)["output"]
    assert (output[0]["namespace"], output[0]["name"]) == ("mcp__tracker__", "create")
    assert read(input=output).messages[0].content == (ToolCall("c1", "mcp__tracker__create", "{}"),)


def test_the_answer_says_again_what_was_asked() -> None:
    request = read(
        instructions="Be brief.",
        tools=[{"type": "function", "name": "f", "parameters": {}, "strict": True}],
        reasoning={"effort": "low"},
        previous_response_id="resp_0",
        store=False,
    )
    written = answered(Text("Hi"), request=request, usage=Usage(input_tokens=3, output_tokens=1))
    said = {key: written[key] for key in ("id", "object", "status", "created_at", "model", "store")}
    assert said == {
        "id": "resp_a1",
        "object": "response",
        "status": "completed",
        "created_at": 1_795_420_000,
        "model": "m",
        "store": False,
    }
    assert written["instructions"] == "Be brief."
    assert written["previous_response_id"] == "resp_0"
    assert written["reasoning"] == {"effort": "low", "summary": None}
    assert written["tools"] == [{"type": "function", "name": "f", "parameters": {}, "strict": True}]
    assert written["output"] == [
        {
            "id": "msg_a1_1",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}],
        }
    ]
    assert written["usage"] == {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 1,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 4,
    }


@pytest.mark.parametrize(
    ("stop", "content", "status", "reason"),
    [
        ("end", Text("x"), "completed", None),
        ("stop_sequence", Text("x"), "completed", None),
        ("tool_calls", ToolCall("c", "f", ""), "completed", None),
        ("max_tokens", Text("x"), "incomplete", "max_output_tokens"),
        ("context_window", Text("x"), "incomplete", "max_output_tokens"),
        ("content_filter", Text("x"), "incomplete", "content_filter"),
        ("refusal", Text("x"), "incomplete", "content_filter"),
        ("refusal", Refusal("No"), "completed", None),
        ("pause", Text("x"), "completed", None),
    ],
)
def test_stops_are_statuses(stop: str, content: Any, status: str, reason: str | None) -> None:
    written = answered(content, stop=stop)
    assert written["status"] == status
    details = written["incomplete_details"]
    assert (None if details is None else details["reason"]) == reason
    assert written["output"][-1]["status"] == status


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_an_answer_that_failed_is_an_error(status: str) -> None:
    body = {"id": "r", "status": status, "output": [], "error": None}
    if status == "failed":
        body["error"] = {"code": "rate_limit_exceeded", "message": "slow down"}
    error = UpstreamRateLimited if status == "failed" else UpstreamFailed
    with pytest.raises(error):
        dialect.read_response(json.dumps(body).encode())


def stream(*events: Event, request: ChatRequest | None = None) -> list[JsonObject]:
    writer = dialect.stream_writer(context=context(request), unsupported=refuse)
    written = b"".join(map(writer.write, events)) + writer.close()
    told: list[JsonObject] = []
    for event in written.decode().split("\n\n")[:-1]:
        name, data = event.removeprefix("event: ").split("\ndata: ")
        told.append(json.loads(data))
        assert told[-1]["type"] == name
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    return told


START = StreamStart(dialect="anthropic_messages", id="msg_1", model="claude")


def test_the_whole_order_of_events() -> None:
    told = stream(
        START,
        BlockStart(0, Thinking("")),
        ThinkingDelta(0, "Hm"),
        SignatureDelta(0, ProviderState("anthropic_messages", "EqQB")),
        BlockStop(0),
        BlockStart(1, Text("")),
        TextDelta(1, "Let"),
        TextDelta(1, " me."),
        CitationDelta(1, Citation(url="https://e.com", title="E")),
        BlockStop(1),
        BlockStart(2, ToolCall("c1", "f", "")),
        ArgumentsDelta(2, '{"a"'),
        BlockStart(3, ToolCall("c2", "p", "", "custom")),
        ArgumentsDelta(3, "x"),
        ArgumentsDelta(2, ":1}"),
        BlockStop(3),
        BlockStop(2),
        UsageUpdate(Usage(input_tokens=3, output_tokens=4)),
        Finish(stop="tool_calls"),
        StreamEnd(),
    )
    assert [event["type"].removeprefix("response.") for event in told] == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "output_item.added",
        "custom_tool_call_input.delta",
        "function_call_arguments.delta",
        "custom_tool_call_input.done",
        "output_item.done",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    final = told[-1]["response"]
    assert (final["status"], final["id"], final["model"]) == ("completed", "resp_msg_1", "claude")
    done = {e["output_index"]: e["item"] for e in told if e["type"].endswith("output_item.done")}
    assert final["output"] == [done[index] for index in range(4)]
    ids = {e["output_index"]: e["item"]["id"] for e in told if e["type"].endswith("item.added")}
    assert all(ids[e["output_index"]] == e["item_id"] for e in told if "item_id" in e)
    assert final["output"][0]["encrypted_content"].startswith("portico:1:anthropic_messages:")
    assert final["output"][1]["content"][0]["annotations"][0]["end_index"] == 7
    assert final["output"][2]["arguments"] == '{"a":1}'
    assert final["output"][3]["input"] == "x"
    assert final["usage"]["total_tokens"] == 7


def test_neighbouring_texts_are_parts_of_one_message() -> None:
    told = stream(
        START,
        BlockStart(0, Text("")),
        TextDelta(0, "a"),
        BlockStop(0),
        BlockStart(1, Refusal("")),
        TextDelta(1, "b"),
        BlockStop(1),
        Finish(stop="refusal"),
        StreamEnd(),
    )
    assert [e["type"] for e in told].count("response.output_item.added") == 1
    (message,) = told[-1]["response"]["output"]
    assert [part["type"] for part in message["content"]] == ["output_text", "refusal"]
    assert [e["content_index"] for e in told if "delta" in e] == [0, 1]


def test_a_call_without_arguments_is_an_empty_object() -> None:
    told = stream(
        START, BlockStart(0, ToolCall("c", "f", "")), BlockStop(0), Finish(stop="tool_calls"),
        StreamEnd(),
    )  # fmt: skip
    assert [e["delta"] for e in told if "delta" in e] == ["{}"]
    assert told[-1]["response"]["output"][0]["arguments"] == "{}"


def test_a_broken_stream_ends_in_one_failure() -> None:
    begun = (START, BlockStart(0, Text("")), TextDelta(0, "Half"))
    for events, code in (
        ((*begun, StreamError(UpstreamUnavailable("busy"))), "upstream_unavailable"),
        (begun, "upstream_protocol_error"),
        ((StreamError(UpstreamUnavailable("busy")),), "upstream_unavailable"),
    ):
        told = stream(*events)
        assert told[-1]["type"] == "response.failed"
        assert told[-1]["response"]["status"] == "failed"
        assert told[-1]["response"]["error"]["code"] == code
        assert not any(e["type"] == "response.completed" for e in told)


def test_an_incomplete_stream_says_why() -> None:
    told = stream(
        START, BlockStart(0, Text("")), TextDelta(0, "Half"), BlockStop(0),
        Finish(stop="max_tokens"), StreamEnd(),
    )  # fmt: skip
    assert told[-1]["type"] == "response.incomplete"
    assert told[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert told[-1]["response"]["output"][0]["status"] == "incomplete"


def test_a_call_that_was_cut_is_incomplete_as_in_a_whole_answer() -> None:
    told = stream(
        START, BlockStart(0, ToolCall("c", "f", "")), ArgumentsDelta(0, '{"a'), BlockStop(0),
        Finish(stop="max_tokens"), StreamEnd(),
    )  # fmt: skip
    (call,) = told[-1]["response"]["output"]
    assert (call["arguments"], call["status"]) == ('{"a', "incomplete")


def test_items_of_built_in_tools_are_opaque() -> None:
    item = {"type": "code_interpreter_call", "id": "ci_1", "code": "1", "status": "completed"}
    body = {"id": "r", "status": "completed", "output": [item]}
    choice = dialect.read_response(json.dumps(body).encode()).choices[0]
    assert choice.content == (OpaqueBlock("openai_responses", item),)
