"""What dialects share: sealed state, effort, JSON with paths, replay, custom tools."""

import msgspec
import pytest

from portico.errors import UpstreamProtocol, UpstreamUnavailable
from portico.types.chat import (
    Audio,
    ChatRequest,
    ChatResponse,
    Choice,
    Citation,
    CustomTool,
    DataSource,
    FunctionTool,
    Home,
    Image,
    OpaqueBlock,
    ProviderState,
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ThinkingConfig,
    ToolCall,
)
from portico.types.chat_stream import (
    ArgumentsDelta,
    AudioDelta,
    BlockStart,
    BlockStop,
    Event,
    Finish,
    StreamEnd,
    StreamError,
    StreamStart,
    TextDelta,
)
from portico.types.usage import Usage
from portico.wire.assemble import Collector, collect, replay
from portico.wire.custom_tools import Restorer, custom_names, restore
from portico.wire.effort import asked_budget, asked_effort, budget_of, effort_of
from portico.wire.json_io import (
    MalformedError,
    arguments_object,
    convert,
    decode,
    decode_object,
    encode,
)
from portico.wire.state import seal, unseal

STATES = [
    ProviderState("gemini_generate", "a+/=:b", Home("google ai/x", "models:gemini-3")),
    ProviderState("anthropic_messages", "sig", Home("claude", "claude-x")),
    ProviderState("openai_responses", "", Home("", "m")),
    ProviderState("gemini_generate", "bare"),
    ProviderState("openai_chat", "portico:1:looks:like:one:x"),
]


@pytest.mark.parametrize("state", STATES, ids=repr)
def test_what_is_sealed_is_unsealed(state: ProviderState) -> None:
    assert unseal(seal(state, "openai_chat"), "openai_chat") == state


def test_a_dialects_own_state_travels_bare() -> None:
    own = ProviderState("anthropic_messages", "EqQB", Home("claude", "m"))
    assert seal(own, "anthropic_messages") == "EqQB"
    assert unseal("EqQB", "anthropic_messages") == ProviderState("anthropic_messages", "EqQB")
    for text in ("portico:1:", "portico:1:x", "portico:1::a:b:c", "portico:2:a:b:c:d", ""):
        assert unseal(text, "x") == ProviderState("x", text)


def test_state_is_at_home_only_where_it_came_from() -> None:
    here, there = Home("a", "m"), Home("b", "m")
    state = ProviderState("d", "x", here)
    assert state.is_at_home("d", here)
    assert not state.is_at_home("d", there)
    assert not state.is_at_home("e", here)
    assert ProviderState("d", "x").is_at_home("d", there)


@pytest.mark.parametrize("effort", ["none", "low", "medium", "high", "max"])
def test_each_effort_maps_to_a_budget_and_back(effort: str) -> None:
    assert effort_of(budget_of(effort)) == effort  # type: ignore[arg-type]


def test_a_budget_leaves_room_for_the_answer() -> None:
    assert budget_of("high", 4000) == 3200
    assert budget_of("high", 100) == 1024
    assert budget_of("none", 100) == 0


@pytest.mark.parametrize(
    ("config", "effort", "budget"),
    [
        (ThinkingConfig(mode="disabled", effort="high"), "none", 0),
        (ThinkingConfig(mode="adaptive"), None, None),
        (ThinkingConfig(mode="enabled", budget_tokens=31999), "high", 31999),
        (ThinkingConfig(effort="low"), "low", 2048),
    ],
)
def test_what_was_asked(config: ThinkingConfig, effort: str | None, budget: int | None) -> None:
    assert (asked_effort(config), asked_budget(config)) == (effort, budget)


def test_json_errors_have_paths() -> None:
    class Inner(msgspec.Struct):
        n: int

    with pytest.raises(MalformedError) as caught:
        convert([{"n": 1}, {"n": "x"}], list[Inner], "messages[3].content")
    assert caught.value.path == "messages[3].content[1].n"
    assert caught.value.from_client().param == "messages[3].content[1].n"
    assert isinstance(caught.value.from_provider(), UpstreamProtocol)
    with pytest.raises(MalformedError, match="no body"):
        decode_object(b" ")
    assert encode(decode('{"b":1,"a":[]}')) == b'{"b":1,"a":[]}'


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        ("", b"{}"),
        (" \n", b"{}"),
        ('{"b": 1.50 }', b'{"b": 1.50 }'),
        ('{"b":', b'{"input":"{\\"b\\":"}'),
        ("[1]", b'{"input":"[1]"}'),
        ("free text", b'{"input":"free text"}'),
    ],
)
def test_arguments_as_an_object(arguments: str, written: bytes) -> None:
    assert encode(arguments_object(arguments)) == written


EVERYTHING = ChatResponse(
    dialect="x",
    id="i",
    model="m",
    created=5,
    usage=Usage(input_tokens=1, output_tokens=2),
    extra={"e": 1},
    choices=(
        Choice(
            content=(
                Thinking("t", ProviderState("d", "s")),
                RedactedThinking(ProviderState("d", "r")),
                Text("hi", (Citation(url="u"),), state=ProviderState("d", "z")),
                Refusal("no"),
                ToolCall("a", "f", '{"x":1}', state=ProviderState("d", "q")),
                ToolCall("b", "g", "text", kind="custom"),
                Image(DataSource("image/png", "AA")),
                Audio(DataSource("audio/pcm16", "AAAA"), "au", "words", 9),
                OpaqueBlock("d", {"type": "x"}),
            ),
            stop="tool_calls",
            native_stop="n",
            stop_sequence="s",
            logprobs={"content": [1], "refusal": None},
            extra={"c": 1},
        ),
        Choice(content=(Text("two"),), stop="end", index=1),
    ),
)


def test_an_answer_is_what_its_replay_collects_to() -> None:
    assert collect(replay(EVERYTHING)) == EVERYTHING


def test_pieces_make_the_same_whole() -> None:
    events: list[Event] = [
        StreamStart(dialect="x", id="i", model="m"),
        BlockStart(0, Audio(DataSource("audio/pcm16", ""), "au")),
        AudioDelta(0, "AA", "wo"),
        BlockStart(1, ToolCall("a", "f", "")),
        ArgumentsDelta(1, '{"x'),
        AudioDelta(0, "AA", "rds", 9),
        ArgumentsDelta(1, '":1}'),
        BlockStop(0),
        BlockStop(1),
        Finish(stop="tool_calls"),
        StreamEnd(),
    ]
    assert collect(events).choices[0].content == (
        Audio(DataSource("audio/pcm16", "AAAA"), "au", "words", 9),
        ToolCall("a", "f", '{"x":1}'),
    )


def test_a_broken_stream_collects_to_its_error_and_in_part_if_asked() -> None:
    start = StreamStart(dialect="x", id="i", model="m")
    begun: list[Event] = [start, BlockStart(0, Text("")), TextDelta(0, "half")]
    with pytest.raises(UpstreamProtocol):
        collect(begun)
    with pytest.raises(UpstreamUnavailable):
        collect([*begun, StreamError(UpstreamUnavailable("x"))])
    collector = Collector()
    for event in begun:
        collector.add(event)
    partial = collector.response(partial=True)
    assert partial.choices == (Choice(content=(Text("half"),), stop="error"),)
    with pytest.raises(UpstreamProtocol, match="before its start"):
        collect([start, TextDelta(3, "x")])


def test_custom_tools_are_restored_whole_and_streamed() -> None:
    request = ChatRequest(
        dialect="x",
        model="m",
        messages=(),
        tools=(CustomTool(name="patch"), FunctionTool(name="f")),
    )
    names = custom_names(request)
    assert names == {"patch"}
    sent = ChatResponse(
        dialect="x",
        id="i",
        model="m",
        choices=(
            Choice(
                content=(
                    Text("ok"),
                    ToolCall("a", "patch", '{"input":"*** Begin \\"x\\""}'),
                    ToolCall("b", "f", '{"input":"stays"}'),
                    ToolCall("c", "patch", '{"other": 1}'),
                ),
                stop="tool_calls",
            ),
        ),
    )
    restored = restore(sent, names)
    assert restored.choices[0].content == (
        Text("ok"),
        ToolCall("a", "patch", '*** Begin "x"', kind="custom"),
        ToolCall("b", "f", '{"input":"stays"}'),
        ToolCall("c", "patch", '{"other": 1}', kind="custom"),
    )
    restorer = Restorer(names)
    assert collect(out for event in replay(sent) for out in restorer.see(event)) == restored
