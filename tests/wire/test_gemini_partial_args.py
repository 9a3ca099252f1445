"""Calls whose arguments Gemini streams value by value."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portico.types.chat import Home, ProviderState, ToolCall
from portico.types.chat_stream import (
    ArgumentsDelta,
    BlockStart,
    BlockStop,
    Event,
    Finish,
    StreamEnd,
    StreamError,
    StreamStart,
)
from portico.wire.assemble import collect
from portico.wire.gemini_generate import dialect
from portico.wire.gemini_generate.partial_args import PartialArg, PartialArguments
from portico.wire.json_io import MalformedError

HOME = Home("vertex", "gemini-3-pro")


def body(*parts: dict[str, Any]) -> bytes:
    """A chunk for each part, and one that ends the answer."""
    chunks: list[dict[str, Any]] = [
        {"content": {"parts": [part], "role": "model"}} for part in parts
    ]
    chunks.append({"content": {"parts": [{"text": ""}]}, "finishReason": "STOP"})
    return b"".join(
        b"data: %b\r\n\r\n"
        % json.dumps({"candidates": [{**one, "index": 0}], "responseId": "r"}).encode()
        for one in chunks
    )


def read(data: bytes, *cuts: int) -> list[Event]:
    reader = dialect.stream_reader(home=HOME)
    events: list[Event] = []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
        events += reader.feed(data[start:end])
    return [*events, *reader.close()]


def call(**fields: Any) -> dict[str, Any]:
    return {"functionCall": fields}


def piece(path: str, going: bool = False, **value: Any) -> dict[str, Any]:
    return {"jsonPath": path, **value, **({"willContinue": True} if going else {})}


LIGHTS = body(
    {**call(name="light", id="c1", willContinue=True), "thoughtSignature": "c2ln"},
    call(partialArgs=[piece("$.room.name", True, stringValue="liv")], willContinue=True),
    call(partialArgs=[piece("$.room.name", True, stringValue="ing")], willContinue=True),
    call(
        partialArgs=[
            piece("$.room.name", stringValue=" room"),
            piece("$.room.lamps[0].level", numberValue=50),
            piece("$.room.lamps[0].on", boolValue=True),
        ],
        willContinue=True,
    ),
    call(partialArgs=[piece("$['odd key']", nullValue="NULL_VALUE")], willContinue=True),
    call(),
    call(name="light", id="c2", args={"room": {}}),
)
ARGUMENTS = {
    "room": {"name": "living room", "lamps": [{"level": 50, "on": True}]},
    "odd key": None,
}


def test_values_become_the_arguments_of_one_call() -> None:
    events = read(LIGHTS)
    start, begun, arguments, stopped, *rest = events
    assert isinstance(start, StreamStart)
    assert begun == BlockStart(
        0, ToolCall("c1", "light", "", state=ProviderState(dialect.NAME, "c2ln", HOME))
    )
    assert isinstance(arguments, ArgumentsDelta)
    assert json.loads(arguments.text) == ARGUMENTS
    assert stopped == BlockStop(0)
    assert rest == [
        BlockStart(1, ToolCall("c2", "light", "")),
        ArgumentsDelta(1, '{"room":{}}'),
        BlockStop(1),
        Finish(stop="tool_calls", native_stop="STOP"),
        StreamEnd(),
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, len(LIGHTS)), max_size=12))
def test_where_the_bytes_are_split_changes_nothing(cuts: list[int]) -> None:
    assert read(LIGHTS, *cuts) == read(LIGHTS)


def test_a_call_that_is_begun_while_another_goes_on_ends_that() -> None:
    answer = collect(
        read(
            body(
                call(name="a", id="1", willContinue=True),
                call(partialArgs=[piece("$.x", True, stringValue="y")], willContinue=True),
                call(name="b", id="2", willContinue=True),
            )
        )
    )
    assert answer.choices[0].content == (ToolCall("1", "a", '{"x":"y"}'), ToolCall("2", "b", ""))


keys = st.text("abc_1é", min_size=1, max_size=4)
leaves = st.text(max_size=6) | st.integers(-9, 9) | st.booleans() | st.none()
trees = st.recursive(
    leaves, lambda inner: st.dictionaries(keys, inner, min_size=1) | st.lists(inner, min_size=1)
)


def pieces(value: Any, path: str) -> list[PartialArg]:
    match value:
        case dict():
            return [one for key, item in value.items() for one in pieces(item, f"{path}['{key}']")]
        case list():
            return [one for i, item in enumerate(value) for one in pieces(item, f"{path}[{i}]")]
        case str():
            parts = [value[:2], value[2:]]
            return [PartialArg(path, string_value=part, will_continue=True) for part in parts]
        case bool():
            return [PartialArg(path, bool_value=value)]
        case None:
            return [PartialArg(path, null_value="NULL_VALUE")]
        case _:
            return [PartialArg(path, number_value=value)]


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(keys, trees, min_size=1))
def test_any_arguments_come_back_as_they_were(arguments: dict[str, Any]) -> None:
    collected = PartialArguments(None)
    for one in pieces(arguments, "$"):
        collected.add(one)
    assert json.loads(collected.text()) == arguments


@pytest.mark.parametrize(
    "path", ["", "$", "a", "$[0]", "$.a[", "$.a[1]", "$.n.b", "$.a[99999999]", "$" + ".a" * 200]
)
def test_a_path_that_leads_nowhere_is_the_providers_mistake(path: str) -> None:
    collected = PartialArguments({"n": 1})
    with pytest.raises(MalformedError):
        collected.add(PartialArg(path, number_value=1))
    begun = call(name="a", willContinue=True)
    last = read(body(begun, call(args={"n": 1}, partialArgs=[piece(path, numberValue=1)])))[-1]
    assert isinstance(last, StreamError)


def test_a_call_without_a_name_that_continues_nothing_is_a_mistake_too() -> None:
    assert isinstance(read(body(call(args={})))[-1], StreamError)
