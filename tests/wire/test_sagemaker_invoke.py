"""InvokeEndpoint's stream: pieces cut anywhere, events or lines inside, and exceptions between."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portico.errors import UpstreamFailed, UpstreamProtocol, UpstreamTimeout
from portico.types.chat import ChatRequest, CustomTool, Home, Message, Text
from portico.types.chat_stream import Event, StreamEnd, StreamError
from portico.types.http import HttpHead
from portico.wire import sagemaker_invoke
from portico.wire.aws_events import write_event
from portico.wire.base import refuse
from portico.wire.front_doors import Heard, heard
from portico.wire.openai_chat import dialect as openai_chat
from tests.wire.simulated_sagemaker import exception, part, wrapped

ROOT = Path(__file__).parent.parent / "fixtures" / "openai_chat"
STREAMS = sorted(path.parent.name for path in ROOT.glob("*/stream.txt"))
HOME = Home("sage", "chat")
CHUNK = {
    "id": "c",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "delta": {"role": "assistant", "content": "hi"}}],
}
LAST = {**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
LINES = b"".join(json.dumps(one).encode() + b"\n" for one in (CHUNK, LAST))


def read(pieces: list[bytes]) -> list[Event]:
    reader = sagemaker_invoke.stream_reader(home=HOME)
    told = [event for piece in pieces for event in reader.feed(piece)]
    told += reader.close()
    assert reader.feed(b"more") == []
    return told


def plain(stream: bytes) -> list[Event]:
    reader = openai_chat.stream_reader(home=HOME)
    return [*reader.feed(stream), *reader.close()]


def shown(events: list[Event]) -> list[object]:
    return [
        (type(event.error), event.error.message) if isinstance(event, StreamError) else event
        for event in events
    ]


@pytest.mark.parametrize("case", STREAMS)
def test_a_wrapped_stream_says_what_the_container_says(case: str) -> None:
    stream = (ROOT / case / "stream.txt").read_bytes()
    expected = shown(plain(stream))
    frames = wrapped(stream)
    assert shown(read([frames])) == expected
    assert shown(read([frames[i : i + 1] for i in range(len(frames))])) == expected


@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, 400), ends=st.sampled_from([b"", b"\n", b"\r\n"]))
def test_lines_of_json_are_chunks_too(size: int, ends: bytes) -> None:
    expected = plain(b"".join(b"data: %b\n\n" % line for line in LINES.splitlines()))
    assert isinstance(expected[-1], StreamEnd)
    stream = LINES.rstrip() + ends
    assert shown(read([wrapped(stream, size)])) == shown(expected)


def test_an_exception_ends_the_stream() -> None:
    start = wrapped(b"data: " + json.dumps(CHUNK).encode() + b"\n\n")
    broken = exception("ModelStreamError", Message="Broken.", ErrorCode="StreamBroken")
    late = exception("ModelStreamError", Message="Late.", ErrorCode="ModelInvocationTimeExceeded")
    for sent, kind in ((broken, UpstreamFailed), (late, UpstreamTimeout)):
        told = read([start + sent + start])
        assert isinstance(told[-1], StreamError)
        assert type(told[-1].error) is kind
        assert sum(isinstance(event, StreamEnd | StreamError) for event in told) == 1
    fault = write_event(
        {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "Oh."}, b""
    )
    assert shown(read([fault]))[-1] == (UpstreamFailed, "Oh.")


def test_a_stream_that_breaks_off_is_broken() -> None:
    cut = wrapped(LINES)[:-3]
    assert shown(read([cut]))[-1] == (
        UpstreamProtocol,
        "the provider's event stream is damaged: it ended within a frame",
    )
    assert isinstance(read([part(json.dumps(CHUNK).encode())])[-1], StreamError)
    endless = read([part(b"{" + b" " * 15_000_000), part(b" " * 2_000_000)])
    assert shown(endless) == [
        (UpstreamProtocol, "the provider's stream holds a line that is too long")
    ]


def test_tools_of_free_text_are_wrapped() -> None:
    request = ChatRequest(
        dialect="openai_chat",
        model="endpoint/component",
        messages=(Message("user", (Text("hi"),)),),
        tools=(CustomTool(name="patch"),),
    )
    body = json.loads(sagemaker_invoke.write_request(request, unsupported=refuse))
    assert body["model"] == ""
    assert body["tools"][0]["type"] == "function"


@pytest.mark.parametrize(
    ("message", "meant"),
    [
        ("", None),
        ("Bad `n`", None),
        ('"Endpoint has no capacity" is not a tool', None),
        ("A sentence. Endpoint x of account 123456789012 not found.", None),
        (
            "Endpoint has no capacity to process this request.",
            Heard(503, "The endpoint has no capacity now; it may be scaling."),
        ),
        (
            "Inference Component arn:aws:x of account 123456789012 not found.",
            Heard(404, "The endpoint is not there.", "model_not_found"),
        ),
        (
            'Received client error (400) from Kl6N with message "Endpoint has no capacity". See '
            "https://us-west-2.console.aws.amazon.com/x in account 123456789012 for more "
            "information.",
            Heard(400, quoted="Endpoint has no capacity"),
        ),
        (
            "Received server error (500) from primary and could not load the entire response "
            "body. See https://x in account 123456789012 for more information.",
            Heard(500, "The model's container refused the request; its log says why."),
        ),
    ],
)
def test_only_how_a_message_begins_says_whose_it_is(message: str, meant: Heard | None) -> None:
    assert heard(message) == meant
    if meant is not None:
        body = json.dumps({"error": {"message": message}}).encode()
        error = openai_chat.read_error(HttpHead(400, {}), body)
        assert error.upstream_status == 400
        assert "123456789012" not in error.message
        assert "amazon.com" not in error.message
        assert b"123456789012" not in (error.body or b"")
