import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.errors import UpstreamProtocol
from portico.wire.sse import SseEvent, SseSplitter, write_event

STREAMS = {
    "data only": (b"data: a\n\ndata: b\n\n", [(None, b"a"), (None, b"b")]),
    "named": (b"event: ping\ndata: {}\n\n", [(b"ping", b"{}")]),
    "no space after the colon": (b"event:x\ndata:y\n\n", [(b"x", b"y")]),
    "only one space is taken": (b"data:  y\n\n", [(None, b" y")]),
    "several data lines": (b"data: a\ndata: b\ndata\n\n", [(None, b"a\nb\n")]),
    "comments, id and retry": (b": hi\n\nid: 1\nretry: 5\ndata: a\n: x\n\n", [(None, b"a")]),
    "event without data": (b"event: x\n\ndata: a\n\n", [(None, b"a")]),
    "empty data is data": (b"data:\n\n", [(None, b"")]),
    "crlf": (b"event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", [(b"x", b"a"), (None, b"b")]),
    "cr": (b"event: x\rdata: a\r\rdata: b\r\r", [(b"x", b"a"), (None, b"b")]),
    "mixed line ends": (
        b"data: a\r\n\ndata: b\n\r\ndata: c\r\n\r",
        [(None, x) for x in (b"a", b"b", b"c")],
    ),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [(None, b"a")]),
    "byte order mark only once": (
        b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n",
        [(None, b"a")],
    ),
    "extra blank lines": (b"\n\n\ndata: a\n\n\n\n\ndata: b\n\n\n", [(None, b"a"), (None, b"b")]),
    "end without blank line": (b"data: a\n\ndata: b", [(None, b"a"), (None, b"b")]),
    "end within a mark": (b"\xef\xbb", []),
    "nothing": (b"", []),
    "unicode": ("data: ü☃\n\n".encode(), [(None, "ü☃".encode())]),
}


def split(pieces: list[bytes], **options: int) -> list[SseEvent]:
    splitter = SseSplitter(**options)
    events = [event for piece in pieces for event in splitter.feed(piece)]
    return events + splitter.close()


@pytest.mark.parametrize(("stream", "events"), STREAMS.values(), ids=STREAMS)
def test_events_do_not_depend_on_where_the_bytes_are_split(
    stream: bytes, events: list[SseEvent]
) -> None:
    assert split([stream]) == events
    assert split([bytes([byte]) for byte in stream]) == events
    for cut in range(len(stream)):
        assert split([stream[:cut], stream[cut:]]) == events


@given(st.data())
def test_any_bytes_split_anywhere_give_the_same_events(data: st.DataObject) -> None:
    alphabet = st.sampled_from([b"data", b":", b" ", b"\r", b"\n", b"event", b"x", b"\xef\xbb\xbf"])
    pieces = data.draw(st.lists(alphabet, max_size=40))
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    edges = [0, *cuts, len(stream)]
    parts = [stream[a:b] for a, b in itertools.pairwise(edges)]
    assert split(parts) == split([stream])


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_event_above_the_cap_is_an_error_after_the_events_before_it(size: int) -> None:
    stream = b"data: a\n\ndata: " + b"x" * 95 + b"\n\n"
    splitter = SseSplitter(max_event_bytes=100)
    events: list[SseEvent] = []
    with pytest.raises(UpstreamProtocol, match="over 100 bytes"):  # noqa: PT012
        for at in range(0, len(stream), size):
            events += splitter.feed(stream[at : at + size])
        splitter.close()
    assert events == [(None, b"a")]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_event_of_exactly_the_cap_passes(size: int) -> None:
    stream = b"data: " + b"x" * 94 + b"\n\n"
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert split(pieces, max_event_bytes=100) == [(None, b"x" * 94)]


def test_what_is_written_is_read() -> None:
    assert split([write_event(b"{}"), write_event(b"[1]", b"x")]) == [(None, b"{}"), (b"x", b"[1]")]


LONE_CHUNKS = [
    b"data: x\n\n",
    b"data: \n\n",
    b"data: x\r\n\r\n",
    b"event: a\ndata: x\n\n",
    b"event: a\r\ndata: x\r\n\r\n",
    b"event: \ndata: x\n\n",
    b"event: a\ndata: x\ndata: y\n\n",
    b"event: a\n\n",
    b"data: x\n\ndata: y\n\n",
    b"data: x\r\n\r\ndata: y\r\n\r\n",
    b"data: x\r\n\n",
    b"data: x\r\r",
    b"data: x\n\r\n",
    b"event: a\ndata:x\n\n",
    b"event: a\nid: 1\ndata: x\n\n",
    b": comment\n\n",
    b"data: x\ny\n\n",
    b"event: a\ndata: x\r\n\r\n",
]


@pytest.mark.parametrize("chunk", LONE_CHUNKS, ids=repr)
def test_a_chunk_that_is_one_event_is_read_as_if_it_came_in_pieces(chunk: bytes) -> None:
    first = b"data: first\n\n"
    at_once, in_pieces = SseSplitter(), SseSplitter()
    at_once.feed(first)
    read = at_once.feed(chunk) + at_once.close()
    pieces = [in_pieces.feed(bytes([byte])) for byte in first + chunk]
    assert read == [event for piece in pieces for event in piece][1:] + in_pieces.close()
