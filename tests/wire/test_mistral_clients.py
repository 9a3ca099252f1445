"""Tool calls in one piece, however they came."""

import json

from portico.types.chat import ChatRequest, ProviderState, Text, ToolCall
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
)
from portico.wire.base import Dropped, ReplyContext
from portico.wire.mistral_clients import WholeCalls, is_mistrals
from portico.wire.openai_chat import dialect

A, B = ToolCall("1", "f", ""), ToolCall("2", "g", '{"x"')
STATE = ProviderState("gemini_generate", "sig")
GIVEN: list[Event] = [
    BlockStart(0, Text("")),
    TextDelta(0, "Hm."),
    BlockStop(0),
    BlockStart(1, A),
    BlockStart(2, B),
    ArgumentsDelta(2, ":1}"),
    ArgumentsDelta(1, "{"),
    BlockStop(2),
    ArgumentsDelta(1, "}"),
    SignatureDelta(1, STATE),
    BlockStop(1),
    BlockStart(3, ToolCall("3", "h", "")),
    BlockStop(3),
]


def staged(events: list[Event]) -> list[Event]:
    stage = WholeCalls()
    return [after for event in events for after in stage.see(event)]


def test_calls_come_whole_and_in_order_of_start() -> None:
    assert staged(GIVEN) == [
        *GIVEN[:3],
        BlockStart(1, ToolCall("1", "f", "{}", state=STATE)),
        BlockStop(1),
        BlockStart(2, ToolCall("2", "g", '{"x":1}')),
        BlockStop(2),
        BlockStart(3, ToolCall("3", "h", "{}")),
        BlockStop(3),
    ]


def test_every_piece_has_a_name_and_arguments() -> None:
    request = ChatRequest(dialect="openai_chat", model="m", messages=())
    context = ReplyContext(request=request, id="1", now=0)
    writer = dialect.stream_writer(context=context, unsupported=Dropped())
    start = StreamStart(dialect="x", id="1", model="m")
    events = [start, *staged(GIVEN), Finish(stop="tool_calls"), StreamEnd()]
    out = b"".join([writer.write(event) for event in events]).decode()
    chunks = [json.loads(one[6:]) for one in out.split("\n\n") if one.startswith("data: {")]
    calls = [
        call
        for chunk in chunks
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls", [])
    ]
    assert [(one["index"], one["id"], one["function"]["name"]) for one in calls] == [
        (0, "1", "f"),
        (1, "2", "g"),
        (2, "3", "h"),
    ]
    assert [one["function"]["arguments"] for one in calls] == ["{}", '{"x":1}', "{}"]


def test_mistrals_sdks_are_known_by_name() -> None:
    assert is_mistrals({b"user-agent": b"mistral-client-python/3.7.0"})
    assert not is_mistrals({b"user-agent": b"OpenAI/Python 3.54.0"})
    assert not is_mistrals({})
