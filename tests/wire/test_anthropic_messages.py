"""What is special about Anthropic Messages: turns, blocks in order, thinking, caches, usage."""

import json
from typing import Any

import msgspec
import pytest

from portico.errors import (
    ContentFiltered,
    GatewayError,
    InternalError,
    InvalidRequest,
    Overloaded,
    PayloadTooLarge,
    PermissionDenied,
    UpstreamProtocol,
    UpstreamTimeout,
)
from portico.types.chat import (
    Audio,
    ChatRequest,
    CustomTool,
    DataSource,
    Document,
    FunctionTool,
    Home,
    JsonObject,
    Message,
    ProviderState,
    RedactedThinking,
    ResponseFormat,
    Sampling,
    Text,
    TextSource,
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
    Event,
    Finish,
    Ping,
    SignatureDelta,
    StreamEnd,
    StreamError,
    StreamStart,
    TextDelta,
    ThinkingDelta,
    UsageUpdate,
)
from portico.types.usage import Usage
from portico.wire.anthropic_messages import dialect
from portico.wire.assemble import collect
from portico.wire.base import Dropped, ReplyContext, refuse

HOME = Home("claude", "claude-sonnet-4-6")
HELLO = Message("user", (Text("Hi"),))


def read(**fields: Any) -> ChatRequest:
    body = {
        "model": "claude-sonnet-4-6",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hi"}],
        **fields,
    }
    return dialect.read_request(json.dumps(body).encode())


def write(request: ChatRequest, home: Home | None = None) -> tuple[JsonObject, list[str]]:
    dropped = Dropped()
    body = dialect.write_request(request, unsupported=dropped, home=home)
    return json.loads(body), dropped.names


def foreign(*messages: Message, **fields: Any) -> ChatRequest:
    fields.setdefault("model", "claude-sonnet-4-6")
    return ChatRequest(dialect="openai_chat", messages=messages or (HELLO,), **fields)


def context() -> ReplyContext:
    return ReplyContext(request=read(), id="call-1", now=1_795_420_000)


WRONG = {
    "max_tokens": {"max_tokens": None},
    "messages[0].role": {"messages": [{"role": "robot", "content": "x"}]},
    "messages[0].content": {"messages": [{"role": "user", "content": 5}]},
    "messages[1].content[0]": {
        "messages": [{"role": "user", "content": "a"}, {"role": "user", "content": ["b"]}]
    },
    "messages[0].content[0].tool_use_id": {
        "messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": 5}]}]
    },
    "messages[0].content[0].content[0].source": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "a",
                        "content": [{"type": "image", "source": {"type": "ftp"}}],
                    }
                ],
            }
        ]
    },
    "system[0]": {"system": [{"text": "no type"}]},
    "thinking.type": {"thinking": {"type": "hard"}},
    "tool_choice": {"tool_choice": {"type": "tool"}},
    "tools[0].input_schema": {"tools": [{"name": "f", "input_schema": []}]},
    "cache_control.ttl": {"cache_control": {"type": "ephemeral", "ttl": "2h"}},
}


@pytest.mark.parametrize(("param", "fields"), WRONG.items(), ids=WRONG)
def test_a_wrong_field_is_named_by_its_path(param: str, fields: JsonObject) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param == param


def test_neighbours_of_one_role_are_one_turn_with_results_first() -> None:
    written, dropped = write(
        foreign(
            Message("system", (Text("Be brief."),)),
            Message("developer", (Text("Be kind."),)),
            HELLO,
            Message("assistant", (ToolCall("a", "f", ""), ToolCall("b", "g", '{"x": 1.50}'))),
            Message("user", (Text("meanwhile"),)),
            Message("user", (ToolResult("b", (Text("two"),)),)),
            Message("user", (ToolResult("a", ()),)),
            Message("system", (Text("Now in French."),)),
        )
    )
    assert written["system"] == [
        {"type": "text", "text": "Be brief."},
        {"type": "text", "text": "Be kind."},
    ]
    assert written["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "a", "name": "f", "input": {}},
                {"type": "tool_use", "id": "b", "name": "g", "input": {"x": 1.5}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "b", "content": "two"},
                {"type": "tool_result", "tool_use_id": "a"},
                {"type": "text", "text": "meanwhile"},
                {"type": "text", "text": "<system>\nNow in French.\n</system>"},
            ],
        },
    ]
    assert dropped == []


def test_arguments_keep_the_bytes_the_model_wrote() -> None:
    call = Message("assistant", (ToolCall("a", "f", '{"b": 1.50, "a":[ ]}'),))
    body = dialect.write_request(foreign(HELLO, call), unsupported=refuse)
    assert b'"input":{"b": 1.50, "a":[ ]}' in body


def test_ids_are_respelled_alike_in_calls_and_results() -> None:
    written, _ = write(
        foreign(
            HELLO,
            Message("assistant", (ToolCall("functions.f:0", "f", ""),)),
            Message("user", (ToolResult("functions.f:0", (Text("x"),)),)),
        )
    )
    assert written["messages"][1]["content"][0]["id"] == "functions_2e_f_3a_0"
    assert written["messages"][2]["content"][0]["tool_use_id"] == "functions_2e_f_3a_0"


def test_a_lone_system_message_is_what_the_user_says() -> None:
    written, _ = write(foreign(Message("system", (Text("Speak."),))))
    assert written["messages"] == [{"role": "user", "content": "<system>\nSpeak.\n</system>"}]
    assert "system" not in written


@pytest.mark.parametrize(
    ("model", "config", "max_tokens", "written"),
    [
        ("claude-sonnet-4-6", ThinkingConfig(effort="high"), 9000,
         {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        ("claude-opus-5", ThinkingConfig(effort="minimal"), 9000,
         {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        ("claude-opus-5", ThinkingConfig(mode="enabled", budget_tokens=9000), 20000,
         {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}),
        ("claude-sonnet-4-5-20250929", ThinkingConfig(effort="low"), 9000,
         {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        ("anthropic.claude-sonnet-4-20250514-v1:0", ThinkingConfig(effort="medium"), 4000,
         {"thinking": {"type": "enabled", "budget_tokens": 3200}}),
        ("claude-3-7-sonnet-latest", ThinkingConfig(budget_tokens=2000), None,
         {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 10192}),
        ("anthropic/claude-sonnet-4.5", ThinkingConfig(effort="low"), 9000,
         {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        ("claude-haiku-4-5", ThinkingConfig(effort="none"), 100,
         {"thinking": {"type": "disabled"}}),
        ("claude-sonnet-4-6", ThinkingConfig(mode="adaptive"), 100,
         {"thinking": {"type": "adaptive"}}),
    ],
)  # fmt: skip
def test_reasoning_takes_the_form_the_model_knows(
    model: str, config: ThinkingConfig, max_tokens: int | None, written: JsonObject
) -> None:
    body, dropped = write(foreign(model=model, thinking=config, max_tokens=max_tokens))
    found = {key: body[key] for key in ("thinking", "output_config") if key in body}
    if "max_tokens" in written:
        found["max_tokens"] = body["max_tokens"]
    assert found == written
    assert dropped == []


def test_thinking_without_room_or_with_a_forced_call_is_left_out_by_name() -> None:
    little = foreign(
        model="claude-3-7-sonnet", thinking=ThinkingConfig(effort="low"), max_tokens=500
    )
    body, dropped = write(little)
    assert ("thinking" in body, dropped) == (False, ["reasoning"])
    forced = foreign(
        thinking=ThinkingConfig(effort="low"),
        tools=(FunctionTool(name="f"),),
        tool_choice=ToolChoice("required"),
    )
    body, dropped = write(forced)
    assert ("thinking" in body, dropped) == (False, ["reasoning"])


@pytest.mark.parametrize(
    ("sampling", "thinking", "written", "names"),
    [
        (Sampling(temperature=0.3), None, {"temperature": 0.3}, []),
        (Sampling(temperature=1.7), None, {"temperature": 1.0}, ["temperature"]),
        (Sampling(temperature=0.3, top_p=1.0), None, {"temperature": 0.3}, []),
        (Sampling(temperature=0.3, top_p=0.5), None, {"temperature": 0.3}, ["top_p"]),
        (Sampling(top_p=0.5, top_k=4), None, {"top_p": 0.5, "top_k": 4}, []),
        (Sampling(temperature=0.3, top_k=4), "low", {}, ["temperature", "top_k"]),
        (Sampling(temperature=1.0), "low", {"temperature": 1.0}, []),
        (Sampling(seed=1, n=2, presence_penalty=0.0), None, {}, ["seed", "n"]),
        (Sampling(n=1, logprobs=False, frequency_penalty=0), None, {}, []),
    ],
)
def test_sampling_is_fitted_or_named(
    sampling: Sampling, thinking: Any, written: JsonObject, names: list[str]
) -> None:
    config = None if thinking is None else ThinkingConfig(effort=thinking)
    body, dropped = write(foreign(sampling=sampling, thinking=config))
    found = {key: body[key] for key in ("temperature", "top_p", "top_k") if key in body}
    assert (found, dropped) == (written, names)


def test_structured_output_is_narrowed() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 3}, "k": {"oneOf": [{"const": 1}]}},
    }
    body, dropped = write(
        foreign(response_format=ResponseFormat("json_schema", schema, "x", None, True))
    )
    assert body["output_config"] == {
        "format": {
            "type": "json_schema",
            "schema": {
                "type": "object",
                "properties": {"n": {"type": "integer"}, "k": {"anyOf": [{"const": 1}]}},
                "additionalProperties": False,
            },
        }
    }
    assert dropped == ["response_format.schema.minimum"]
    _, dropped = write(foreign(response_format=ResponseFormat("json_object")))
    assert dropped == ["response_format"]


def test_a_schema_gets_the_plain_object_on_top_that_tools_need() -> None:
    schema = {
        "anyOf": [
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"type": "object", "properties": {"b": {"type": "string"}}},
        ]
    }
    tools = (FunctionTool(name="f", schema=schema), FunctionTool(name="g"))
    body, dropped = write(foreign(tools=tools))
    assert body["tools"] == [
        {
            "name": "f",
            "input_schema": {
                "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                "type": "object",
            },
        },
        {"name": "g", "input_schema": {"type": "object", "properties": {}}},
    ]
    assert dropped == ["tools[0].schema.anyOf"]


def test_a_choice_among_some_tools_sends_only_those() -> None:
    tools = tuple(FunctionTool(name=name) for name in "fgh")
    body, _ = write(foreign(tools=tools, tool_choice=ToolChoice("required", ("f", "h"))))
    assert [tool["name"] for tool in body["tools"]] == ["f", "h"]
    assert body["tool_choice"] == {"type": "any"}


def test_a_tool_of_free_text_becomes_one_of_a_string() -> None:
    body, _ = write(
        foreign(
            HELLO,
            Message("assistant", (ToolCall("a", "patch", '{"not": "wrapped"}', kind="custom"),)),
            tools=(CustomTool(name="patch", description="Applies."),),
        )
    )
    assert body["tools"][0]["input_schema"]["required"] == ["input"]
    assert body["messages"][1]["content"][0]["input"] == {"input": '{"not": "wrapped"}'}


def test_documents_in_text_are_sent_as_text_and_sound_is_named() -> None:
    body, dropped = write(
        foreign(
            Message(
                "user",
                (
                    Document(DataSource("text/plain", "aGVsbG8="), "a.txt"),
                    Document(TextSource("plain")),
                    Audio(DataSource("audio/wav", "AAAA")),
                ),
            )
        )
    )
    assert [block["source"]["data"] for block in body["messages"][0]["content"]] == [
        "hello",
        "plain",
    ]
    assert dropped == ["content.audio"]


CALL = ToolCall("a", "f", "{}")
ANSWERED = Message("user", (ToolResult("a", (Text("ok"),)),))
OWN_THOUGHT = Thinking("t", ProviderState("anthropic_messages", "sig"))
FOREIGN_THOUGHT = Thinking("t", ProviderState("gemini_generate", "sig"))


def turn(*blocks: Any) -> Message:
    return Message("assistant", blocks)


@pytest.mark.parametrize(
    ("messages", "thinks"),
    [
        ((HELLO, turn(CALL), ANSWERED), False),
        ((HELLO, turn(FOREIGN_THOUGHT, CALL), ANSWERED), False),
        ((HELLO, turn(CALL), ANSWERED, HELLO), False),
        ((HELLO, turn(CALL), ANSWERED, turn(OWN_THOUGHT, CALL), ANSWERED), False),
        ((HELLO, turn(Text("begun"))), False),
        ((HELLO, turn(OWN_THOUGHT, CALL), ANSWERED), True),
        ((HELLO, turn(OWN_THOUGHT, CALL), ANSWERED, turn(CALL), ANSWERED), True),
        ((HELLO, turn(CALL), ANSWERED, turn(Text("done")), HELLO), True),
    ],
)
def test_a_budget_is_left_out_in_a_turn_that_began_without_its_thinking(
    messages: tuple[Message, ...], thinks: bool
) -> None:
    """Else Claude answers 400: "a final `assistant` message must start with a thinking block"."""
    config = ThinkingConfig(effort="low")
    body, dropped = write(
        foreign(*messages, model="claude-sonnet-4-5", thinking=config, max_tokens=9000)
    )
    assert ("thinking" in body, "reasoning" in dropped) == (thinks, not thinks)
    later, dropped = write(
        foreign(*messages, model="claude-sonnet-4-6", thinking=config, max_tokens=9000)
    )
    assert ("thinking" in later, "reasoning" in dropped) == (True, False)


def test_a_client_of_this_dialect_goes_on_after_another_provider_thought() -> None:
    def sent(*blocks: Any) -> tuple[bool, list[str]]:
        request = msgspec.structs.replace(
            foreign(HELLO, turn(*blocks, CALL), ANSWERED, model="claude-sonnet-4-5"),
            dialect="anthropic_messages",
            thinking=ThinkingConfig(mode="enabled", budget_tokens=2000),
        )
        body, dropped = write(request)
        return "thinking" in body, dropped

    assert sent(FOREIGN_THOUGHT) == (False, ["thinking"])
    assert sent(OWN_THOUGHT) == (True, [])
    assert sent() == (True, [])


def test_no_tokens_asked_for_are_none() -> None:
    assert write(foreign(max_tokens=0))[0]["max_tokens"] == 0


def test_signatures_go_back_only_where_they_came_from() -> None:
    def sent(state: ProviderState | None, home: Home) -> tuple[Any, list[str]]:
        blocks: list[Any] = [Thinking("t", state), Text("x")]
        if state is not None:
            blocks.insert(1, RedactedThinking(state))
        body, dropped = write(foreign(HELLO, Message("assistant", tuple(blocks))), home)
        return body["messages"][1]["content"], dropped

    own = ProviderState("anthropic_messages", "sig", HOME)
    content, dropped = sent(own, HOME)
    assert content[:2] == [
        {"type": "thinking", "thinking": "t", "signature": "sig"},
        {"type": "redacted_thinking", "data": "sig"},
    ]
    assert dropped == []
    elsewhere = Home("claude", "claude-opus-4-8")
    foreign_state = ProviderState("gemini_generate", "sig", HOME)
    for state, home in ((own, elsewhere), (foreign_state, HOME), (None, HOME)):
        assert sent(state, home) == ("x", ["thinking"])


def stream(events: list[Event]) -> list[JsonObject]:
    writer = dialect.stream_writer(context=context(), unsupported=Dropped())
    written = b"".join(map(writer.write, events)) + writer.close()
    told = []
    for event in written.split(b"\n\n"):
        if event:
            name, data = event.split(b"\n")
            told.append(json.loads(data.removeprefix(b"data: ")))
            assert name == b"event: " + told[-1]["type"].encode()
    return told


START = StreamStart(dialect="openai_chat", id="chatcmpl-1", model="m")


def assert_strict_order(events: list[JsonObject]) -> None:
    """The state machine that clients hold us to."""
    assert events[0]["type"] == "message_start"
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    open_index: int | None = None
    expected = 0
    for event in events[1:-2]:
        match event["type"]:
            case "content_block_start":
                assert open_index is None
                assert event["index"] == expected
                open_index = expected
                expected += 1
            case "content_block_delta":
                assert event["index"] == open_index
            case "content_block_stop":
                assert event["index"] == open_index
                open_index = None
            case type:
                assert type == "ping"
    assert open_index is None


def test_interleaved_calls_are_put_in_order() -> None:
    events: list[Event] = [
        START,
        BlockStart(0, Text("")),
        TextDelta(0, "Hm"),
        BlockStop(0),
        BlockStart(1, ToolCall("a", "f", "")),
        BlockStart(2, ToolCall("b", "g", "")),
        ArgumentsDelta(2, '{"y"'),
        ArgumentsDelta(1, '{"x"'),
        Ping(),
        BlockStart(3, ToolCall("c", "h", "{}")),
        BlockStop(3),
        ArgumentsDelta(2, ":2}"),
        BlockStop(2),
        ArgumentsDelta(1, ":1}"),
        BlockStop(1),
        Finish(stop="tool_calls"),
        UsageUpdate(Usage(input_tokens=3, output_tokens=4)),
        StreamEnd(),
    ]
    written = stream(events)
    assert_strict_order(written)
    inputs: dict[int, str] = {}
    for event in written:
        if event["type"] == "content_block_delta" and "partial_json" in event["delta"]:
            at = event["index"]
            inputs[at] = inputs.get(at, "") + event["delta"]["partial_json"]
    assert inputs == {1: '{"x":1}', 2: '{"y":2}', 3: "{}"}
    assert written[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert written[-2]["usage"]["output_tokens"] == 4


def test_the_call_being_written_is_not_held_back() -> None:
    writer = dialect.stream_writer(context=context(), unsupported=refuse)
    writer.write(START)
    writer.write(BlockStart(0, ToolCall("a", "f", "")))
    assert b"partial_json" in writer.write(ArgumentsDelta(0, '{"x'))
    assert writer.write(BlockStart(1, ToolCall("b", "g", ""))) == b""
    assert b"content_block_start" in writer.write(BlockStop(0))


def test_message_start_has_the_usage_if_the_provider_said_it_first() -> None:
    usage = Usage(input_tokens=3, cache_read_tokens=9, cache_write_1h_tokens=2)
    written = stream([START, UsageUpdate(usage), Finish(stop="end"), StreamEnd()])
    started = written[0]["message"]
    assert (started["id"], started["role"], started["content"]) == (
        "msg_chatcmpl-1",
        "assistant",
        [],
    )
    assert started["usage"] == {
        "input_tokens": 3,
        "cache_creation_input_tokens": 2,
        "cache_read_input_tokens": 9,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 2},
        "output_tokens": 0,
        "service_tier": "standard",
    }
    assert_strict_order(written)


def test_a_broken_stream_ends_in_an_error_event() -> None:
    begun: list[Event] = [START, BlockStart(0, Text("")), TextDelta(0, "Hi")]
    assert stream([*begun, StreamError(Overloaded("busy"))])[-1] == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "busy"},
    }
    cut = stream(begun)[-1]
    assert (cut["type"], cut["error"]["type"]) == ("error", "api_error")


def test_foreign_thought_signatures_ride_through_the_client() -> None:
    """A Gemini call's signature, given to an Anthropic client, comes back on the same call."""
    state = ProviderState("gemini_generate", "dGhvdWdodA==", Home("google", "gemini-3-pro"))
    signed = ToolCall("a", "f", '{"x":1}', state=state)
    thinking = Thinking("Hm.", ProviderState("gemini_generate", "c2ln", state.home))
    events: list[Event] = [
        START,
        BlockStart(0, Thinking("")),
        ThinkingDelta(0, "Hm."),
        SignatureDelta(0, thinking.state),
        BlockStop(0),
        BlockStart(1, ToolCall("a", "f", "", state=state)),
        ArgumentsDelta(1, '{"x":1}'),
        BlockStop(1),
        BlockStart(2, ToolCall("b", "g", "{}")),
        BlockStop(2),
        Finish(stop="tool_calls"),
        StreamEnd(),
    ]
    written = stream(events)
    assert_strict_order(written)
    content: list[JsonObject] = []
    for event in written:  # as SDKs gather them
        if event["type"] == "content_block_start":
            content.append(event["content_block"])
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            match delta["type"]:
                case "thinking_delta":
                    content[-1]["thinking"] += delta["thinking"]
                case "signature_delta":
                    content[-1]["signature"] = delta["signature"]
                case "input_json_delta":
                    content[-1]["input"] = json.loads(delta["partial_json"])
    assert [block["type"] for block in content] == [
        "thinking",
        "redacted_thinking",
        "tool_use",
        "tool_use",
    ]
    returned = read(messages=[{"role": "assistant", "content": content}]).messages[0].content
    assert returned == (thinking, signed, ToolCall("b", "g", ""))
    reader = dialect.stream_reader()
    writer = dialect.stream_writer(context=context(), unsupported=refuse)
    again = collect(reader.feed(b"".join(map(writer.write, events))))
    assert again.choices[0].content == (thinking, signed, ToolCall("b", "g", "{}"))


def test_usage_of_a_stream_is_what_both_events_said() -> None:
    first = {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 1}
    last = {"output_tokens": 40, "output_tokens_details": {"thinking_tokens": 30}}
    start = {"type": "message_start", "message": {"id": "m", "model": "c", "usage": first}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last}
    events = (start, end, {"type": "message_stop"})
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    assert collect(dialect.stream_reader().feed(body)).usage == Usage(
        input_tokens=10, cache_read_tokens=5, output_tokens=10, reasoning_tokens=30
    )


OUT_OF_ORDER = {
    "a delta before its block": [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}
    ],
    "a block before the start": [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    ],
    "a stop of nothing": [{"type": "content_block_stop", "index": 3}],
    "an end without a reason": [{"type": "message_stop"}],
}


@pytest.mark.parametrize("events", OUT_OF_ORDER.values(), ids=OUT_OF_ORDER)
def test_a_stream_out_of_order_is_an_error(events: list[JsonObject]) -> None:
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    told = dialect.stream_reader().feed(body)
    assert isinstance(told[-1], StreamError)
    assert isinstance(told[-1].error, UpstreamProtocol)


def test_count_tokens() -> None:
    body = {
        "model": "claude-sonnet-4-6",
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    }
    request = dialect.read_count_tokens(json.dumps(body).encode())
    assert json.loads(dialect.write_count_tokens(request, unsupported=refuse)) == body
    assert dialect.read_token_count(dialect.write_token_count(2095)) == 2095
    with pytest.raises(UpstreamProtocol):
        dialect.read_token_count(b'{"tokens": 1}')
    with pytest.raises(InvalidRequest):
        dialect.read_count_tokens(b"{}")


@pytest.mark.parametrize(
    ("error", "type"),
    [
        (InvalidRequest("x"), "invalid_request_error"),
        (ContentFiltered("x"), "invalid_request_error"),
        (PermissionDenied("x"), "permission_error"),
        (PayloadTooLarge("x"), "request_too_large"),
        (InternalError("x"), "api_error"),
        (Overloaded("x"), "overloaded_error"),
        (UpstreamTimeout("x", timer="total"), "timeout_error"),
        (UpstreamProtocol("x"), "api_error"),
    ],
)
def test_errors_have_the_type_of_their_status(error: GatewayError, type: str) -> None:
    assert json.loads(dialect.write_error(error)) == {
        "type": "error",
        "error": {"type": type, "message": "x"},
    }
