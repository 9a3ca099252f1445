"""What is special about OpenAI Chat: order, roles, tools, reasoning, and what goes home to whom."""

import json
from typing import Any

import pytest

from portico.errors import InvalidRequest, UnsupportedParameter
from portico.types.chat import (
    CacheMarker,
    ChatRequest,
    CustomTool,
    DataSource,
    Document,
    FunctionTool,
    Home,
    Image,
    JsonObject,
    Message,
    ProviderState,
    RedactedThinking,
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
    Event,
    Finish,
    SignatureDelta,
    StreamEnd,
    StreamStart,
    TextDelta,
    ThinkingDelta,
    UsageUpdate,
)
from portico.types.usage import Usage
from portico.wire.base import Dropped, ReplyContext, refuse
from portico.wire.openai_chat import dialect

HOME = Home("up", "some-model")


def read(**fields: Any) -> ChatRequest:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return dialect.read_request(json.dumps(body).encode())


def write(request: ChatRequest, home: Home | None = None) -> tuple[JsonObject, list[str]]:
    dropped = Dropped()
    body = dialect.write_request(request, unsupported=dropped, home=home)
    return json.loads(body), dropped.names


def foreign(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(dialect="anthropic_messages", model="m", messages=messages, **fields)


def context(**fields: Any) -> ReplyContext:
    return ReplyContext(request=read(**fields), id="call-1", now=1_795_420_000)


WRONG = {
    "messages[0].role": {"messages": [{"role": "robot", "content": "x"}]},
    "messages[1].content[0]": {
        "messages": [{"role": "user", "content": "a"}, {"role": "user", "content": [5]}]
    },
    "messages[0].content[1].text": {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "text", "text": 1}],
            }
        ]
    },
    "messages[0].content[0].image_url": {
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": 1}]}]
    },
    "messages[0].tool_call_id": {"messages": [{"role": "tool", "content": "x"}]},
    "messages[0].tool_calls[0]": {
        "messages": [{"role": "assistant", "tool_calls": [{"id": "a", "type": "function"}]}]
    },
    "messages": {"messages": "hello"},
    "tools[0].function.name": {"tools": [{"type": "function", "function": {"name": 1}}]},
    "tools[1]": {"tools": [{"type": "function", "function": {"name": "f"}}, "g"]},
    "tool_choice": {"tool_choice": "sometimes"},
    "temperature": {"temperature": "warm"},
    "stop": {"stop": 5},
    "response_format.json_schema": {"response_format": {"type": "json_schema"}},
    "reasoning_effort": {"reasoning_effort": "enormous"},
    "stream": {"stream": "yes"},
}


@pytest.mark.parametrize(("param", "fields"), WRONG.items(), ids=WRONG)
def test_a_wrong_field_is_named_by_its_path(param: str, fields: JsonObject) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param == param
    assert f"`{param}`" in caught.value.message


def test_a_pdf_sent_as_a_picture_is_a_document() -> None:
    url = "data:application/pdf;base64,JVBERi0xLjQ="
    part = {"type": "image_url", "image_url": {"url": url}}
    content = read(messages=[{"role": "user", "content": [part]}]).messages[0].content
    assert content == (Document(DataSource("application/pdf", "JVBERi0xLjQ=")),)


def test_nulls_are_absent() -> None:
    nulls = dict.fromkeys(
        ("stop", "tools", "tool_choice", "temperature", "stream", "user", "functions", "n"), None
    )
    assert read(**nulls) == read()


def test_stop_is_a_word_or_a_list() -> None:
    assert read(stop="END").stop == ("END",)
    assert read(stop=["a", "b"]).stop == ("a", "b")


def test_the_newer_limit_wins() -> None:
    assert read(max_tokens=5).max_tokens == 5
    assert read(max_tokens=5, max_completion_tokens=7).max_tokens == 7


@pytest.mark.parametrize(
    ("fields", "config"),
    [
        ({"reasoning_effort": "high"}, ThinkingConfig(effort="high")),
        ({"reasoning": {"effort": "low"}}, ThinkingConfig(effort="low")),
        ({"reasoning": {"max_tokens": 2000}}, ThinkingConfig(budget_tokens=2000)),
        (
            {"reasoning": {"enabled": True, "exclude": True}},
            ThinkingConfig(mode="enabled", summary="omitted"),
        ),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 9000}},
            ThinkingConfig(mode="enabled", budget_tokens=9000),
        ),
        ({"thinking": {"type": "disabled"}}, ThinkingConfig(mode="disabled")),
        ({"reasoning": {}}, None),
    ],
)
def test_reasoning_is_asked_for_in_three_ways(
    fields: JsonObject, config: ThinkingConfig | None
) -> None:
    request = read(**fields)
    assert request.thinking == config
    written, dropped = write(request)
    assert {key: written[key] for key in fields} == fields
    assert dropped == []


def test_unknown_fields_go_home_and_are_named_elsewhere() -> None:
    request = read(
        mystery={"a": 1}, tools=[{"type": "function", "function": {"name": "f", "x": 1}}]
    )
    written, dropped = write(request)
    assert written["mystery"] == {"a": 1}
    assert written["tools"][0]["function"] == {"name": "f", "x": 1}
    assert dropped == []
    _, dropped = write(foreign(extra={"mystery": 1, "~known": 2}))
    assert dropped == ["mystery"]
    with pytest.raises(UnsupportedParameter) as caught:
        dialect.write_request(foreign(extra={"mystery": 1}), unsupported=refuse)
    assert caught.value.param == "mystery"


def test_tool_results_become_tool_messages_with_media_after_them() -> None:
    pixel = Image(DataSource("image/png", "AAAA"))
    written, _ = write(
        foreign(
            Message("assistant", (ToolCall("a", "f", "{}"), ToolCall("b", "g", ""))),
            Message(
                "user",
                (
                    ToolResult("a", (Text("see"), pixel)),
                    ToolResult("b", (Text("ok"),)),
                    Text("go on"),
                ),
            ),
        )
    )
    assert [message["role"] for message in written["messages"]] == [
        "assistant",
        "tool",
        "tool",
        "user",
        "user",
    ]
    assert written["messages"][1] == {"role": "tool", "tool_call_id": "a", "content": "see"}
    assert written["messages"][3]["content"][1]["type"] == "image_url"
    assert written["messages"][4] == {"role": "user", "content": "go on"}
    assert written["messages"][0]["tool_calls"][1]["function"]["arguments"] == "{}"


def test_what_chat_cannot_say_is_named() -> None:
    state = ProviderState("anthropic_messages", "sig")
    _, dropped = write(
        foreign(
            Message("user", (Text("x", cache=CacheMarker("1h")),)),
            Message("assistant", (Thinking("t", state), ToolCall("a", "f", "{}"))),
            Message("user", (ToolResult("a", (Text("no"),), is_error=True),)),
            tools=(ServerTool("anthropic_messages", "web_search", {}), FunctionTool(name="f")),
            cache=CacheMarker(),
        )
    )
    assert dropped == ["cache_control", "thinking", "tool_result.is_error", "tools.web_search"]


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("required"), "required"),
        (ToolChoice("required", ("f",)), {"type": "function", "function": {"name": "f"}}),
        (ToolChoice("required", ("c",)), {"type": "custom", "custom": {"name": "c"}}),
        (
            ToolChoice("auto", ("f",)),
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "auto",
                    "tools": [{"type": "function", "function": {"name": "f"}}],
                },
            },
        ),
    ],
)
def test_tool_choice(choice: ToolChoice, written: Any) -> None:
    tools = (FunctionTool(name="f"), CustomTool(name="c"))
    body, _ = write(foreign(tools=tools, tool_choice=choice))
    assert body["tool_choice"] == written
    assert read(tools=body["tools"], tool_choice=written).tool_choice == choice


def test_a_streaming_request_asks_the_provider_for_usage() -> None:
    written, _ = write(read(stream=True))
    assert (written["stream"], written["stream_options"]) == (True, {"include_usage": True})
    assert not read(stream=True).include_usage


def test_reasoning_goes_back_only_to_the_provider_it_came_from() -> None:
    def sent(state: ProviderState | None, home: Home) -> tuple[JsonObject, list[str]]:
        turn = Message("assistant", (Thinking("t", state), Text("x")))
        written, dropped = write(foreign(turn), home)
        return written["messages"][0], dropped

    own = ProviderState("openai_chat", "reasoning_content", HOME)
    assert sent(own, HOME) == (
        {"role": "assistant", "content": "x", "reasoning_content": "t"},
        [],
    )
    for state in (own, ProviderState("openai_chat", "[1]", HOME), None):
        message, dropped = sent(state, Home("other", "some-model"))
        assert message == {"role": "assistant", "content": "x"}
        assert dropped == ["thinking"]


def test_a_chat_client_carries_foreign_signatures_there_and_back() -> None:
    """Multi-turn thinking over Chat: what the client gives back is what the provider gave."""
    blocks = (
        Thinking("Let me see.", ProviderState("anthropic_messages", "c2ln:natu/re+=", HOME)),
        RedactedThinking(ProviderState("anthropic_messages", "cmVk", HOME)),
        Text("Done."),
        ToolCall("a", "f", "{}", state=ProviderState("gemini_generate", "dGhvdWdodA==", HOME)),
    )
    events: list[Event] = [
        StreamStart(dialect="anthropic_messages", id="msg_1", model="m"),
        BlockStart(0, Thinking("")),
        ThinkingDelta(0, "Let me "),
        ThinkingDelta(0, "see."),
        SignatureDelta(0, blocks[0].state),
        BlockStop(0),
        BlockStart(1, blocks[1]),
        BlockStop(1),
        BlockStart(2, Text("")),
        TextDelta(2, "Done."),
        BlockStop(2),
        BlockStart(3, blocks[3]),
        BlockStop(3),
        Finish(stop="tool_calls"),
        StreamEnd(),
    ]
    writer = dialect.stream_writer(context=context(), unsupported=refuse)
    message: JsonObject = {"role": "assistant"}
    for line in b"".join(map(writer.write, events)).split(b"\n\n"):
        if line.startswith(b"data: {"):
            for key, value in json.loads(line[6:])["choices"][0]["delta"].items():
                held = message.get(key)
                message[key] = held + value if held and key != "role" else value
    assert message["reasoning_content"] == "Let me see."
    for call in message["tool_calls"][1:]:  # as SDKs gather them
        message["tool_calls"][0]["function"]["arguments"] += call["function"]["arguments"]
    del message["tool_calls"][1:]
    returned = read(messages=[message]).messages[0].content
    assert returned == (*blocks[:3], ToolCall("a", "f", "{}", state=blocks[3].state))


def chunks(events: list[Event], **fields: Any) -> list[Any]:
    writer = dialect.stream_writer(context=context(**fields), unsupported=Dropped())
    written = b"".join(map(writer.write, events))
    return [
        line[6:].decode() if line == b"data: [DONE]" else json.loads(line[6:])
        for line in written.split(b"\n\n")
        if line
    ]


STREAM: list[Event] = [
    StreamStart(dialect="anthropic_messages", id="msg_1", model="m"),
    BlockStart(0, Text("")),
    TextDelta(0, "Hi"),
    BlockStop(0),
    Finish(stop="end"),
    UsageUpdate(Usage(input_tokens=3, cache_read_tokens=4, output_tokens=5)),
    StreamEnd(),
]


def test_a_stream_is_role_deltas_finish_reason_done() -> None:
    written = chunks(STREAM)
    assert written[-1] == "[DONE]"
    deltas = [(c["choices"][0]["delta"], c["choices"][0]["finish_reason"]) for c in written[:-1]]
    assert deltas == [
        ({"role": "assistant", "content": "", "refusal": None}, None),
        ({"content": "Hi"}, None),
        ({}, "stop"),
    ]
    assert {(c["id"], c["object"], c["created"], c["model"]) for c in written[:-1]} == {
        ("chatcmpl-msg_1", "chat.completion.chunk", 1_795_420_000, "m")
    }


def test_usage_is_a_chunk_only_if_asked() -> None:
    asked = chunks(STREAM, stream=True, stream_options={"include_usage": True})
    assert asked[-2]["choices"] == []
    assert asked[-2]["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
    assert not any("usage" in chunk for chunk in chunks(STREAM)[:-1])


def test_calls_have_dense_indexes_whatever_stands_between() -> None:
    written = chunks(
        [
            STREAM[0],
            BlockStart(0, Thinking("")),
            BlockStop(0),
            BlockStart(1, ToolCall("a", "f", "")),
            BlockStart(2, ToolCall("b", "g", "")),
            ArgumentsDelta(2, "{}"),
            ArgumentsDelta(1, '{"x"'),
            BlockStop(2),
            ArgumentsDelta(1, ":1}"),
            BlockStop(1),
            BlockStart(3, Text("")),
            BlockStop(3),
            BlockStart(4, ToolCall("c", "h", "")),
            BlockStop(4),
            Finish(stop="tool_calls"),
            StreamEnd(),
        ]
    )
    calls: dict[int, str] = {}
    for chunk in written[:-1]:
        for call in chunk["choices"][0]["delta"].get("tool_calls", ()):
            arguments = call["function"].get("arguments", "")
            calls[call["index"]] = calls.get(call["index"], "") + arguments
    assert calls == {0: '{"x":1}', 1: "{}", 2: "{}"}


def delta(**fields: Any) -> bytes:
    choice = {"index": 0, "delta": fields}
    return b"data: " + json.dumps({"id": "x", "choices": [choice]}).encode() + b"\n\n"


def test_calls_without_ids_get_ids_that_are_new_in_each_answer() -> None:
    calls = [
        {"index": 0, "id": "", "function": {"name": "f", "arguments": "{}"}},
        {"index": 1, "function": {"name": "g", "arguments": "{}"}},
    ]

    def whole(id: str) -> list[str]:
        message = {"role": "assistant", "content": None, "tool_calls": calls}
        body = {"id": id, "choices": [{"message": message, "finish_reason": "tool_calls"}]}
        (choice,) = dialect.read_response(json.dumps(body).encode()).choices
        return [block.id for block in choice.content if isinstance(block, ToolCall)]

    streamed = dialect.stream_reader().feed(delta(tool_calls=calls))
    started = [event.block for event in streamed if isinstance(event, BlockStart)]
    assert [block.id for block in started if isinstance(block, ToolCall)] == whole("x")
    assert whole("x") == ["call_x_0", "call_x_1"]
    assert not set(whole("y")) & set(whole("x"))
    assert whole("chatcmpl-" + "7" * 40) == [f"call_{'7' * 24}_{i}" for i in range(2)]


def test_a_call_is_closed_when_the_next_begins_and_its_arguments_are_complete() -> None:
    """So that clients that show one block at a time need not wait for the end."""
    reader = dialect.stream_reader()
    first = {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x":{}}'}}
    second = {"index": 1, "id": "b", "function": {"name": "g", "arguments": ""}}
    assert list(reader.feed(delta(tool_calls=[first])))[-1] == ArgumentsDelta(0, '{"x":{}}')
    assert list(reader.feed(delta(tool_calls=[second]))) == [
        BlockStop(0),
        BlockStart(1, ToolCall("b", "g", "")),
    ]


def test_the_older_functions_are_answered_in_kind() -> None:
    legacy = {"functions": [{"name": "f", "parameters": {}}], "function_call": "auto"}
    events: list[Event] = [
        STREAM[0],
        BlockStart(0, ToolCall("a", "f", "")),
        ArgumentsDelta(0, "{}"),
        BlockStop(0),
        Finish(stop="tool_calls"),
        StreamEnd(),
    ]
    written = chunks(events, **legacy)
    assert written[1]["choices"][0]["delta"] == {"function_call": {"name": "f", "arguments": ""}}
    assert written[-2]["choices"][0]["finish_reason"] == "function_call"


def test_sampling_survives() -> None:
    fields: JsonObject = {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.05,
        "frequency_penalty": 0.1,
        "presence_penalty": -0.1,
        "repetition_penalty": 1.1,
        "seed": 7,
        "logit_bias": {"50256": -100.0},
        "logprobs": True,
        "top_logprobs": 3,
        "n": 2,
    }
    request = read(**fields)
    assert request.sampling == Sampling(**fields)
    written, dropped = write(request)
    assert {key: written[key] for key in fields} == fields
    assert dropped == []
