"""What every stream reader does the same: the end, said once and last, and never an exception."""

from typing import Any

import pytest

from portico.errors import GatewayError, UpstreamFailed, UpstreamProtocol
from portico.types.chat_stream import Event, Ping, StreamEnd, StreamError
from portico.wire.json_io import MAX_DEPTH, MalformedError
from portico.wire.sse import SseEvent, SseSplitter
from portico.wire.stream_reading import CUT, PiecewiseReader
from portico.wire.table import PROVIDER_DIALECTS


class Letters:
    """Each byte is a piece; `!` at the end counts as whole only when the body ends."""

    def __init__(self) -> None:
        self.tail = b""

    def feed(self, data: bytes, /) -> list[bytes]:
        if data == b"?":
            raise UpstreamProtocol("no letter")
        self.tail = data[-1:] if data.endswith(b"!") else b""
        return [bytes([letter]) for letter in data.removesuffix(b"!")]

    def close(self) -> list[bytes]:
        return [self.tail] if self.tail else []


class Said:
    """A dot or an exclamation mark completes it, and so does the body where `may_end` says so."""

    def __init__(self, *, may_end: bool) -> None:
        self.may_end = may_end

    def read(self, piece: bytes, events: list[Event], /) -> bool:
        if piece == b"x":
            raise MalformedError("an x", "letters")
        if piece == b"f":
            raise UpstreamFailed("it failed")
        events.append(Ping())
        return piece in b".!"

    def close(self, events: list[Event], /) -> bool:
        events.append(Ping())
        return self.may_end


BAD = "the provider's answer is not what its dialect promises at `letters`: an x"
P, END = "ping", "end"
STORIES: list[tuple[list[bytes], bool, list[list[Any]]]] = [
    ([b"a", b"b."], False, [[P], [P, P, END], []]),
    ([b"a.b", b"c"], False, [[P, P, END], [], []]),
    ([b"a!"], False, [[P], [P, END]]),
    ([b"a"], True, [[P], [P, END]]),
    ([b"a"], False, [[P], [P, (UpstreamProtocol, CUT)]]),
    ([], False, [[P, (UpstreamProtocol, CUT)]]),
    ([b"axb", b"c"], True, [[P, (UpstreamProtocol, BAD)], [], []]),
    ([b"af", b"."], True, [[P, (UpstreamFailed, "it failed")], [], []]),
    ([b"a", b"?", b"."], True, [[P], [(UpstreamProtocol, "no letter")], [], []]),
]


@pytest.mark.parametrize(("fed", "may_end", "told"), STORIES)
def test_a_stream_ends_once_and_nothing_follows(
    fed: list[bytes], may_end: bool, told: list[list[Any]]
) -> None:
    reader = PiecewiseReader(Letters(), Said(may_end=may_end))
    assert [plain(reader.feed(data)) for data in fed] + [plain(reader.close())] == told
    assert (reader.feed(b"a."), reader.close()) == ([], [])


def plain(events: list[Event]) -> list[Any]:
    return [shown(event) for event in events]


def shown(event: Event) -> Any:
    match event:
        case StreamError(error):
            assert isinstance(error, GatewayError)
            return (type(error), error.message)
        case StreamEnd():
            return END
        case _:
            return P


def test_an_error_of_a_reader_that_closes_is_the_end() -> None:
    class Fails:
        def read(self, piece: SseEvent, events: list[Event], /) -> bool:
            return False

        def close(self, events: list[Event], /) -> bool:
            raise UpstreamFailed("too late")

    reader = PiecewiseReader(SseSplitter(), Fails())
    assert plain([*reader.feed(b"data: {}\n\n"), *reader.close(), *reader.close()]) == [
        (UpstreamFailed, "too late")
    ]


@pytest.mark.parametrize("name", PROVIDER_DIALECTS)
@pytest.mark.parametrize("event", [b"", b"event: error\n"])
def test_an_event_that_is_too_deep_raises_in_no_dialect(name: str, event: bytes) -> None:
    deep = b'{"x":' + b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1) + b"}"
    reader = PROVIDER_DIALECTS[name].stream_reader()
    told = [*reader.feed(b"%bdata: %b\n\n" % (event, deep)), *reader.close()]
    ends = [one for one in told if isinstance(one, StreamEnd | StreamError)]
    assert len(ends) == 1
    assert isinstance(told[-1], StreamError)
