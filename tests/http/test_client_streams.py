"""Streams from the pool: when an answer is one, what a sink hears, pausing, closing, ends."""

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portico.errors import UpstreamProtocol
from portico.http.client import HttpPool, PoolStats
from portico.http.stream import Stream
from portico.http.upstream import UpstreamConnection
from portico.types.http import HttpResponse, Origin
from tests.http.conftest import Run
from tests.http.harness import Clock, Conversation, Script, Sink, ok, pooling, post, provider, until

SSE = (b"text/event-stream",)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST = b"0\r\n\r\n"


def saying(
    *pieces: bytes, then: Callable[[Conversation], None] | None = None, pause: float = 0.01
) -> Script:
    async def script(conversation: Conversation) -> None:
        while True:
            await conversation.request()
            for piece in pieces:
                await conversation.say(piece)
                await asyncio.sleep(pause)
            if then is not None:
                then(conversation)
                return

    return script


def test_a_stream_is_fed_as_it_arrives_and_its_connection_used_again(run: Run) -> None:
    async def test() -> None:
        script = saying(CHUNKED, chunk(b"one"), chunk(b"two") + chunk(b"three"), LAST)
        async with provider(script) as up, pooling(HttpPool()) as pool:
            for _ in range(2):
                stream = await pool.open(post(up.origin, stream_types=SSE))
                assert isinstance(stream, Stream)
                assert stream.head.status == 200
                sink = Sink()
                stream.attach(sink)
                await sink.end()
                assert sink.pieces == [b"one", b"twothree"]
                assert sink.finished == [None]
                assert pool.stats == PoolStats(open=1, idle=1)
                stream.close()
                assert pool.stats == PoolStats(open=1, idle=1)
            assert len(up.conversations) == 1

    run(test())


@pytest.mark.parametrize(
    ("wire", "stream_types", "streams"),
    [
        (CHUNKED + chunk(b"x") + LAST, SSE, True),
        (CHUNKED + LAST, SSE, True),
        (HEAD + b"Content-Length: 1\r\n\r\nx", SSE, True),
        (ok(b"x", b"Content-Type: application/json\r\n"), SSE, False),
        (ok(b"x"), SSE, False),
        (ok(b"x"), (b"",), True),
        (ok(b"x", b"Content-Type: audio/mpeg\r\n"), (b"text/event-stream", b"audio/"), True),
        (HEAD.replace(b"200", b"500") + b"Content-Length: 1\r\n\r\nx", SSE, False),
        (b"HTTP/1.1 500 No\r\nContent-Length: 1\r\n\r\nx", (b"",), False),
        (CHUNKED + chunk(b"x") + LAST, (), False),
    ],
)
def test_only_a_success_of_a_wanted_type_is_a_stream(
    run: Run, wire: bytes, stream_types: tuple[bytes, ...], streams: bool
) -> None:
    async def test() -> None:
        async with provider(saying(wire)) as up, pooling(HttpPool()) as pool:
            answer = await pool.open(post(up.origin, stream_types=stream_types))
            assert isinstance(answer, Stream) is streams
            if isinstance(answer, Stream):
                sink = Sink()
                answer.attach(sink)
                assert (sink.body, sink.finished) in ((b"x", [None]), (b"", [None]))
            assert pool.stats.idle == 1

    run(test())


def test_send_never_makes_a_stream(run: Run) -> None:
    async def test() -> None:
        script = saying(CHUNKED, chunk(b"one"), chunk(b"two"), LAST)
        async with provider(script) as up, pooling(HttpPool()) as pool:
            answer = await pool.send(post(up.origin, stream_types=SSE))
            assert isinstance(answer, HttpResponse)
            assert answer.body == b"onetwo"

    run(test())


def test_what_came_before_the_sink_is_handed_over_in_one_piece(run: Run) -> None:
    async def test() -> None:
        script = saying(CHUNKED + chunk(b"one"), chunk(b"two"), chunk(b"three") + LAST)
        async with provider(script) as up, pooling(HttpPool()) as pool:
            stream = await pool.open(post(up.origin, stream_types=SSE))
            await until(lambda: pool.stats.idle)
            sink = Sink()
            stream.attach(sink)
            assert (sink.pieces, sink.finished) == ([b"onetwothree"], [None])

    run(test())


def test_a_stream_without_a_sink_holds_little_and_loses_nothing(run: Run) -> None:
    async def test() -> None:
        block = b"x" * 50_000
        async with (
            provider(saying(CHUNKED, *[chunk(block)] * 200, LAST, pause=0)) as up,
            pooling(HttpPool()) as pool,
        ):
            stream = await pool.open(post(up.origin, stream_types=SSE))
            await asyncio.sleep(0.05)
            assert len(stream._held) < 800_000  # 256 KiB and what one read can bring
            assert pool.stats.idle == 0
            sink = Sink()
            stream.attach(sink)
            await sink.end()
            assert sink.body == block * 200

    run(test())


def test_pausing_stops_the_provider_and_resuming_goes_on(run: Run) -> None:
    async def test() -> None:
        block = b"x" * 50_000
        async with (
            provider(saying(CHUNKED, *[chunk(block)] * 400, LAST, pause=0)) as up,
            pooling(HttpPool()) as pool,
        ):
            stream = await pool.open(post(up.origin, stream_types=SSE))

            class Pausing(Sink):
                def feed(self, data: bytes) -> None:
                    super().feed(data)
                    if len(self.pieces) == 1:
                        stream.pause()

            sink = Pausing()
            stream.attach(sink)
            await asyncio.sleep(0.05)
            assert len(sink.pieces) <= 2
            stream.resume()
            await sink.end()
            assert sink.body == block * 400

    run(test())


def test_closing_drops_the_connection_at_once_and_silences_it(run: Run) -> None:
    closed: list[float] = []

    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.say(CHUNKED, chunk(b"one"))
        await conversation.is_closed()
        closed.append(time.perf_counter())

    async def test() -> None:
        async with provider(script) as up, pooling(HttpPool()) as pool:
            stream = await pool.open(post(up.origin, stream_types=SSE))
            sink = Sink()
            stream.attach(sink)
            at = time.perf_counter()
            stream.close()
            await until(lambda: closed)
            assert closed[0] - at < 0.1
            assert (sink.pieces, sink.finished) == ([b"one"], [])
            await until(lambda: pool.stats == PoolStats(open=0, idle=0))

    run(test())


def test_a_sink_may_close_the_stream_that_feeds_it(run: Run) -> None:
    async def test() -> None:
        script = saying(CHUNKED, chunk(b"one"), chunk(b"two"), LAST)
        async with provider(script) as up, pooling(HttpPool()) as pool:
            stream = await pool.open(post(up.origin, stream_types=SSE))

            class Closing(Sink):
                def feed(self, data: bytes) -> None:
                    super().feed(data)
                    stream.close()

            sink = Closing()
            stream.attach(sink)
            await until(lambda: pool.stats.open == 0)
            assert (sink.pieces, sink.finished) == ([b"one"], [])

    run(test())


@pytest.mark.parametrize(
    ("wire", "left_open"), [(CHUNKED + chunk(b"one"), 0), (CHUNKED + LAST, 1), (ok(), 1)]
)
def test_cancelling_in_the_moment_the_answer_arrives_leaks_nothing(
    run: Run, wire: bytes, left_open: int
) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.is_closed()

    async def test() -> None:
        async with provider(script) as up, pooling(HttpPool()) as pool:
            task = asyncio.ensure_future(pool.open(post(up.origin, stream_types=SSE)))
            await until(lambda: up.conversations)
            await asyncio.sleep(0.01)
            (connection,) = pool._connections
            connection.data_received(wire)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0.01)
            assert pool.stats == PoolStats(open=left_open, idle=left_open)

    run(test())


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_stream_that_is_cut_says_so_after_what_came(run: Run, how: str) -> None:
    async def test() -> None:
        script = saying(
            CHUNKED, chunk(b"one"), then=lambda conversation: getattr(conversation, how)()
        )
        async with provider(script) as up, pooling(HttpPool()) as pool:
            stream = await pool.open(post(up.origin, stream_types=SSE))
            sink = Sink()
            stream.attach(sink)
            await sink.end()
            (error,) = sink.finished
            assert sink.pieces == [b"one"]
            assert isinstance(error, UpstreamProtocol)
            assert "cut its answer short" in error.message
            assert error.upstream_status == 200

    run(test())


def test_a_stream_cut_before_anyone_listened_says_so_when_they_do(run: Run) -> None:
    async def test() -> None:
        script = saying(CHUNKED, chunk(b"one"), then=Conversation.close)
        async with provider(script) as up, pooling(HttpPool()) as pool:
            stream = await pool.open(post(up.origin, stream_types=SSE))
            await until(lambda: pool.stats.open == 0)
            sink = Sink()
            stream.attach(sink)
            assert sink.pieces == [b"one"]
            assert isinstance(sink.finished[0], UpstreamProtocol)

    run(test())


def test_broken_framing_in_mid_stream_ends_it_after_what_was_good(run: Run) -> None:
    async def test() -> None:
        script = saying(CHUNKED, chunk(b"one"), chunk(b"two") + b"zz\r\n")
        async with provider(script) as up, pooling(HttpPool()) as pool:
            stream = await pool.open(post(up.origin, stream_types=SSE))
            sink = Sink()
            stream.attach(sink)
            await sink.end()
            assert sink.body == b"onetwo"
            assert isinstance(sink.finished[0], UpstreamProtocol)

    run(test())


def test_a_stream_may_end_with_its_connection(run: Run) -> None:
    async def test() -> None:
        script = saying(HEAD + b"\r\n", b"one", b"two", then=Conversation.close)
        async with provider(script) as up, pooling(HttpPool()) as pool:
            stream = await pool.open(post(up.origin, stream_types=SSE))
            sink = Sink()
            stream.attach(sink)
            await sink.end()
            assert (sink.body, sink.finished) == (b"onetwo", [None])
            await until(lambda: pool.stats.open == 0)

    run(test())


# Split anywhere


class Loopless:
    """A pool and a loop, as far as one connection needs them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.loop = asyncio.new_event_loop()
        self.put = 0

    def put_back(self, connection: UpstreamConnection) -> None:
        self.put += 1

    def lose(self, connection: UpstreamConnection, was_idle: bool) -> None:
        pass


class Deaf(asyncio.Transport):
    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        pass


def receive(pieces: list[bytes], stream_types: tuple[bytes, ...]) -> tuple[object, ...]:
    """What one connection makes of `pieces` followed by the end."""
    pool = Loopless()
    try:
        connection = UpstreamConnection(pool, Origin("http", "x", 80))  # type: ignore[arg-type]
        connection.connection_made(Deaf())
        waiter = connection.begin(post(connection.origin, stream_types=stream_types), True)
        sink = Sink()
        attached = False
        for piece in pieces:
            if not connection.is_closed:
                connection.data_received(piece)
            if waiter.done() and not attached and waiter.exception() is None:
                answer = waiter.result()
                if isinstance(answer, Stream):
                    answer.attach(sink)
                    attached = True
        connection.eof_received()
        if waiter.exception() is not None:
            return (type(waiter.exception()),)
        answer = waiter.result()
        if isinstance(answer, Stream):
            answer.attach(sink) if not attached else None
            return (answer.head, sink.body, [type(error) for error in sink.finished], pool.put)
        return (answer.head, answer.body, pool.put)
    finally:
        pool.loop.close()


ANSWERS = [
    ok(b"hello"),
    CHUNKED + chunk(b"one") + chunk(b"\r\n\r\n") + b"0\r\nX: y\r\n\r\n",
    HEAD + b"\r\nuntil the end",
    b"HTTP/1.1 100 Continue\r\n\r\n" + ok(b"after", b"A: b \r\nA: c\r\n"),
    HEAD + b"Content-Length: 20\r\n\r\nshort",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
]


@settings(deadline=None)
@given(
    st.sampled_from(ANSWERS), st.lists(st.integers(0, 200), max_size=8), st.sampled_from([SSE, ()])
)
def test_an_answer_split_anywhere_is_the_same_answer(
    wire: bytes, places: list[int], stream_types: tuple[bytes, ...]
) -> None:
    edges = [0, *sorted({place % (len(wire) + 1) for place in places}), len(wire)]
    pieces = [wire[a:b] for a, b in pairwise(edges) if a < b]

    whole = receive([wire], stream_types)

    assert receive(pieces, stream_types) == whole
    assert receive([wire[i : i + 1] for i in range(len(wire))], stream_types) == whole


@settings(deadline=None)
@given(
    st.sampled_from(ANSWERS),
    st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=3)), min_size=1, max_size=4),
)
def test_a_damaged_answer_is_a_failure_or_an_answer_but_never_a_crash(
    wire: bytes, changes: list[tuple[int, bytes]]
) -> None:
    for place, data in changes:
        at = place % (len(wire) + 1)
        wire = wire[:at] + data + wire[at + len(data) :]

    assert receive([wire], SSE)
