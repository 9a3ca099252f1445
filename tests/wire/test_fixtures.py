"""Every sample under `tests/fixtures`, read, written, and read again; streams cut anywhere."""

import itertools
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portico import errors
from portico.errors import UpstreamError
from portico.types.chat import ChatRequest, ChatResponse, Choice, Message, Text, Thinking, ToolCall
from portico.types.chat_stream import (
    BlockStart,
    BlockStop,
    Event,
    Finish,
    StreamEnd,
    StreamError,
    StreamStart,
)
from portico.types.http import HttpHead
from portico.wire.assemble import collect, replay
from portico.wire.base import ReplyContext, refuse
from portico.wire.table import CLIENT_DIALECTS, PROVIDER_DIALECTS

ROOT = Path(__file__).parent.parent / "fixtures"


def cases(file: str, *, both: bool = True, beside: str | None = None) -> list[Any]:
    """(dialect, path) of the samples of a kind, for dialects of the table.

    `both` asks for dialects with a client side too, `beside` for cases that have that file as well.
    """
    known = CLIENT_DIALECTS.keys() & PROVIDER_DIALECTS.keys() if both else PROVIDER_DIALECTS.keys()
    return [
        pytest.param(path.parts[-3], path, id=f"{path.parts[-3]}-{path.parts[-2]}")
        for path in sorted(ROOT.glob(f"*/*/{file}"))
        if path.parts[-3] in known and (beside is None or path.with_name(beside).exists())
    ]


def dialect(name: str) -> Any:
    return PROVIDER_DIALECTS[name]


def read_request(name: str, body: bytes) -> ChatRequest:
    extra = {"model": "some-model", "stream": False} if name == "gemini_generate" else {}
    request: ChatRequest = dialect(name).read_request(body, **extra)
    return request


def context(request: ChatRequest | None = None) -> ReplyContext:
    if request is None:
        request = ChatRequest(dialect="test", model="m", messages=(), include_usage=True)
    return ReplyContext(request=request, id="call-1", now=1_795_420_000)


def test_each_dialect_of_the_table_has_samples() -> None:
    for name in PROVIDER_DIALECTS:
        kinds = {path.name for path in ROOT.glob(f"{name}/*/*")}
        assert kinds >= {"error.json", "response.json"}, name


@pytest.mark.parametrize(("name", "path"), cases("request.json"))
def test_a_request_survives_reading_and_writing(name: str, path: Path) -> None:
    request = read_request(name, path.read_bytes())
    written = dialect(name).write_request(request, unsupported=refuse)
    assert read_request(name, written) == request
    assert dialect(name).write_request(read_request(name, written), unsupported=refuse) == written


@pytest.mark.parametrize(("name", "path"), cases("request.json"))
def test_a_request_loses_no_field_on_the_way_home(name: str, path: Path) -> None:
    before = json.loads(path.read_bytes())
    request = read_request(name, path.read_bytes())
    after = json.loads(dialect(name).write_request(request, unsupported=refuse))
    missing = [key for key in before if key not in after and key not in RENAMED.get(name, {})]
    assert [key for key in missing if before[key] is not None] == []


RENAMED = {"openai_chat": {"max_tokens": "max_completion_tokens"}}


@pytest.mark.parametrize(("name", "path"), cases("response.json"))
def test_an_answer_survives_reading_and_writing(name: str, path: Path) -> None:
    response = dialect(name).read_response(path.read_bytes())
    written = dialect(name).write_response(response, context=context(), unsupported=refuse)
    again = dialect(name).read_response(written)
    assert told(again) == told(response)
    assert (again.id, again.model) == (response.id, response.model)


@pytest.mark.parametrize(("name", "path"), cases("response.json"))
def test_an_answer_replayed_as_a_stream_is_the_same_answer(name: str, path: Path) -> None:
    response = dialect(name).read_response(path.read_bytes())
    writer = dialect(name).stream_writer(context=context(), unsupported=refuse)
    stream = b"".join(map(writer.write, replay(response)))
    again = collect(read_stream(name, [stream]))
    assert told(again) == told(response)


def plain_usage(response: ChatResponse) -> Any:
    if response.usage is None:
        return None
    return msgspec.structs.replace(response.usage, reported_total=None, service_tier=None)


def told(response: ChatResponse) -> Any:
    """An answer as a client can compare it: arguments by value, neighbours of text joined."""
    return [told_choice(choice) for choice in response.choices], plain_usage(response)


def told_choice(choice: Choice) -> Any:
    content: list[Any] = []
    for block in choice.content:
        if isinstance(block, ToolCall) and block.kind == "function":
            arguments = json.loads(block.arguments or "{}")
            block = msgspec.structs.replace(block, arguments=json.dumps(arguments))
        if isinstance(block, Thinking) and block.state is not None:
            block = (block.text, block.state.dialect, told_state(block.state.data))
        content.append(block)
    return content, choice.stop, choice.stop_sequence, choice.logprobs


def told_state(data: str) -> Any:
    """Of reasoning in plain text only the field's name differs; details are JSON."""
    if data in ("reasoning_content", "reasoning", "thinking"):
        return "text"
    return json.loads(data) if data.startswith("[") else data


def read_stream(name: str, pieces: list[bytes]) -> list[Event]:
    reader = dialect(name).stream_reader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return [*events, *reader.close()]


@pytest.mark.parametrize(("name", "path"), cases("stream.txt", both=False))
def test_a_stream_fed_byte_by_byte_gives_the_same_events(name: str, path: Path) -> None:
    stream = path.read_bytes()
    whole = read_stream(name, [stream])
    bytewise = read_stream(name, [stream[i : i + 1] for i in range(len(stream))])
    assert comparable(bytewise) == comparable(whole)


@pytest.mark.parametrize(("name", "path"), cases("stream.txt", both=False))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_stream_split_at_random_gives_the_same_events(
    name: str, path: Path, data: st.DataObject
) -> None:
    stream = path.read_bytes()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    edges = [0, *cuts, len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(edges)]
    assert comparable(read_stream(name, pieces)) == comparable(read_stream(name, [stream]))


def comparable(events: list[Event]) -> list[Any]:
    """Errors compare by identity; their class and words are what counts."""
    return [
        (type(event.error), event.error.message) if isinstance(event, StreamError) else event
        for event in events
    ]


@pytest.mark.parametrize(("name", "path"), cases("stream.txt", both=False))
def test_a_stream_keeps_the_grammar(name: str, path: Path) -> None:
    assert_grammar(read_stream(name, [path.read_bytes()]))


def assert_grammar(events: list[Event]) -> None:
    """`types.chat_stream`: one start, dense blocks opened and closed, finishes, exactly one end."""
    assert isinstance(events[-1], StreamEnd | StreamError)
    assert not any(isinstance(event, StreamEnd | StreamError) for event in events[:-1])
    if isinstance(events[-1], StreamEnd):
        assert isinstance(events[0], StreamStart)
    opened: dict[int, list[int]] = {}
    open_now: set[tuple[int, int]] = set()
    finished: set[int] = set()
    for event in events:
        if isinstance(event, BlockStart):
            indexes = opened.setdefault(event.choice, [])
            assert event.index not in indexes
            indexes.append(event.index)
            open_now.add((event.choice, event.index))
        elif isinstance(event, BlockStop):
            open_now.remove((event.choice, event.index))
        elif isinstance(event, Finish):
            assert not any(choice == event.choice for choice, _ in open_now)
            assert event.choice not in finished
            finished.add(event.choice)
        elif hasattr(event, "index"):
            assert (event.choice, event.index) in open_now
    for indexes in opened.values():
        assert sorted(indexes) == list(range(len(indexes)))
    if isinstance(events[-1], StreamEnd):
        assert finished >= opened.keys()
        assert finished


@pytest.mark.parametrize(("name", "path"), cases("stream.txt", both=False, beside="response.json"))
def test_the_whole_answer_and_the_streamed_one_are_the_same(name: str, path: Path) -> None:
    streamed = collect(read_stream(name, [path.read_bytes()]))
    response = dialect(name).read_response(path.with_name("response.json").read_bytes())
    assert told(streamed) == told(response)
    assert (streamed.id, streamed.model) == (response.id, response.model)


@pytest.mark.parametrize(("name", "path"), cases("stream.txt"))
def test_a_stream_survives_reading_and_writing(name: str, path: Path) -> None:
    events = read_stream(name, [path.read_bytes()])
    writer = dialect(name).stream_writer(context=context(), unsupported=refuse)
    written = b"".join(map(writer.write, events))
    assert writer.close() == b""
    again = read_stream(name, [written])
    if isinstance(events[-1], StreamError):
        assert isinstance(again[-1], StreamError)
        assert again[-1].error.message == events[-1].error.message
    else:
        assert told(collect(again)) == told(collect(events))


@pytest.mark.parametrize(("name", "path"), cases("error.json", both=False))
def test_an_error_is_read_for_what_it_is(name: str, path: Path) -> None:
    sample = json.loads(path.read_bytes())
    body = sample["body"]
    sent = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    headers = {key.encode(): value.encode() for key, value in sample["headers"].items()}
    error: UpstreamError = dialect(name).read_error(HttpHead(sample["status"], headers), sent)
    expected = sample["expect"]
    assert type(error) is getattr(errors, expected["class"])
    assert (error.status, error.code) == (expected["status"], expected["code"])
    assert error.retry_after_s == expected.get("retry_after_s")
    assert error.upstream_status == sample["status"]
    assert error.message == expected.get("words", error.message) != ""
    assert error.param == expected.get("param", error.param)
    assert "sk-" not in error.message


def test_messages_of_a_request_can_be_built_by_hand() -> None:
    """The smallest request of each dialect, so that no field is needed by accident."""
    request = ChatRequest(dialect="test", model="m", messages=(Message("user", (Text("Hi"),)),))
    for name in CLIENT_DIALECTS.keys() & PROVIDER_DIALECTS.keys():
        body = dialect(name).write_request(request, unsupported=refuse)
        assert read_request(name, body).messages == request.messages
