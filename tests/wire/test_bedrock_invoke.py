import base64
import json
from pathlib import Path

import pytest

from portico.errors import UpstreamProtocol, UpstreamRateLimited
from portico.types.chat import ChatRequest, Home
from portico.types.chat_stream import Event, Ping, StreamEnd, StreamError
from portico.wire import bedrock_invoke
from portico.wire.anthropic_messages import dialect as anthropic_messages
from portico.wire.assemble import collect
from portico.wire.aws_events import write_event
from portico.wire.base import Dropped, refuse
from tests.wire.conversations import ask
from tests.wire.simulated_bedrock import exception
from tests.wire.simulated_invoke import wrapped

ROOT = Path(__file__).parent.parent / "fixtures" / "anthropic_messages"
STREAMS = sorted(path.parent.name for path in ROOT.glob("*/stream.txt"))
HOME = Home("bedrock", "claude")


def read(pieces: list[bytes]) -> list[Event]:
    reader = bedrock_invoke.stream_reader(home=HOME)
    told = [event for piece in pieces for event in reader.feed(piece)]
    told += reader.close()
    assert reader.feed(b"more") == []
    return told


def shown(events: list[Event]) -> list[object]:
    return [
        (type(event.error), event.error.message) if isinstance(event, StreamError) else event
        for event in events
    ]


@pytest.mark.parametrize("case", STREAMS)
def test_a_wrapped_stream_says_what_anthropics_own_says(case: str) -> None:
    stream = (ROOT / case / "stream.txt").read_bytes().replace(b"\r\n", b"\n")
    plain = anthropic_messages.stream_reader(home=HOME)
    expected = [*plain.feed(stream), *plain.close()]
    frames = wrapped(stream)
    assert shown(read([frames])) == shown(expected)
    assert shown(read([frames[i : i + 1] for i in range(len(frames))])) == shown(expected)


def test_an_exception_of_bedrock_ends_the_stream() -> None:
    stream = (ROOT / "text" / "stream.txt").read_bytes()
    frames = wrapped(stream.partition(b"event: message_delta")[0])
    told = read([frames + exception("throttlingException", "Too many tokens.") + frames])
    assert shown(told)[-1] == (UpstreamRateLimited, "Too many tokens.")
    assert sum(isinstance(event, StreamEnd | StreamError) for event in told) == 1


@pytest.mark.parametrize("payload", [b"{}", b"[", b'{"bytes":"?"}', b'{"bytes":1}', b"\xff"])
def test_a_chunk_without_bytes_breaks_the_stream(payload: bytes) -> None:
    headers = {":event-type": "chunk", ":message-type": "event"}
    told = read([write_event(headers, payload)])
    assert isinstance(told[-1], StreamError)
    assert isinstance(told[-1].error, UpstreamProtocol)


@pytest.mark.parametrize("space", [b"\n", b"\r", b"\r\n", b" "])
def test_the_json_of_a_chunk_may_have_line_ends(space: bytes) -> None:
    payload = json.dumps({"bytes": base64.b64encode(b'{"type":%b"ping"}' % space).decode()})
    reader = bedrock_invoke.stream_reader(home=HOME)
    headers = {":event-type": "chunk", ":message-type": "event"}
    assert list(reader.feed(write_event(headers, payload.encode()))) == [Ping()]


def test_events_not_known_yet_are_passed_over() -> None:
    headers = {":event-type": "initial-response", ":message-type": "event"}
    stream = wrapped((ROOT / "text" / "stream.txt").read_bytes())
    assert collect(read([write_event(headers, b"{}") + stream])) == collect(read([stream]))


def test_what_only_anthropics_own_platform_takes_is_named() -> None:
    request = ask("Hi", user="u-1", service_tier="auto", stream=True)
    dropped = Dropped()
    body = json.loads(bedrock_invoke.write_request(request, unsupported=dropped))
    assert dropped.names == ["user", "service_tier"]
    assert body == {
        "anthropic_version": "bedrock-2023-05-31",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 512,
    }


def test_a_request_of_the_same_words_keeps_fields_nobody_knows() -> None:
    body = b'{"model":"m","max_tokens":5,"messages":[],"context_management":{"edits":[1.50]}}'
    request: ChatRequest = anthropic_messages.read_request(body)
    written = json.loads(bedrock_invoke.write_request(request, unsupported=refuse))
    assert written["context_management"] == {"edits": [1.5]}
