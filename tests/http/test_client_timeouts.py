"""Each timer of an exchange, by name, on a clock that only the test moves."""

import asyncio
import socket

import msgspec
import pytest

from portico.errors import UpstreamTimeout
from portico.http.client import HttpPool, PoolStats
from portico.types.http import Origin, Timeouts
from tests.http.conftest import Run
from tests.http.harness import (
    Clock,
    Conversation,
    Script,
    Sink,
    ok,
    pooling,
    post,
    provider,
    until,
)

TIMEOUTS = Timeouts(connect=5, first_byte=10, first_event=20, idle=30, total=100)
SSE = (b"text/event-stream",)
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


async def silent(conversation: Conversation) -> None:
    await conversation.request()
    await conversation.is_closed()


def saying(*pieces: bytes) -> Script:
    """A script that says `pieces`, and then nothing."""

    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.say(*pieces)
        await conversation.is_closed()

    return script


@pytest.mark.parametrize(
    ("said", "steps", "timer", "status"),
    [
        ((), [9, 2], "first_byte", None),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe",), [29, 2], "idle", 200),
        ((b"HTTP/1.1 200 OK\r\nConte",), [9, 2], "first_byte", None),
        ((STREAM_HEAD,), [19, 2], "first_event", 200),
        ((), [101], "total", None),
    ],
)
def test_a_silence_runs_out_under_its_own_name(
    run: Run, said: tuple[bytes, ...], steps: list[float], timer: str, status: int | None
) -> None:
    async def test() -> None:
        clock = Clock()
        async with provider(saying(*said)) as up, pooling(HttpPool(clock=clock)) as pool:
            request = post(up.origin, timeouts=TIMEOUTS, stream_types=SSE)
            task = asyncio.ensure_future(pool.open(request))
            await until(lambda: up.conversations)
            await asyncio.sleep(0.02)
            for step in steps:
                assert not task.done()
                clock.now += step
                pool.sweep()
                await asyncio.sleep(0)
            with pytest.raises(UpstreamTimeout) as failure:
                await task
            assert failure.value.timer == timer
            assert failure.value.upstream_status == status
            assert f"timeouts.{timer}" in failure.value.message
            await until(lambda: up.conversations[0].is_over)
            await until(lambda: pool.stats == PoolStats(open=0, idle=0))

    run(test())


@pytest.mark.parametrize(
    ("said", "whole_s", "timer"),
    [((), 40, "whole"), ((b"HTTP/1.1 200 OK\r\nConte",), 40, "whole"), ((), None, "first_byte")],
)
def test_an_answer_that_is_not_streamed_has_a_time_of_its_own(
    run: Run, said: tuple[bytes, ...], whole_s: float | None, timer: str
) -> None:
    async def test() -> None:
        clock = Clock()
        timeouts = msgspec.structs.replace(TIMEOUTS, whole=whole_s)
        async with provider(saying(*said)) as up, pooling(HttpPool(clock=clock)) as pool:
            task = asyncio.ensure_future(pool.send(post(up.origin, timeouts=timeouts)))
            await until(lambda: up.conversations)
            await asyncio.sleep(0.02)
            for step in ((whole_s or TIMEOUTS.first_byte) - 1, 2):
                assert not task.done()
                clock.now += step
                pool.sweep()
                await asyncio.sleep(0)
            with pytest.raises(UpstreamTimeout) as failure:
                await task
            assert failure.value.timer == timer

    run(test())


def test_a_head_that_drips_has_no_more_time_than_one_that_does_not_come(run: Run) -> None:
    async def test() -> None:
        clock = Clock()

        async def script(conversation: Conversation) -> None:
            await conversation.request()
            await conversation.say(b"HTTP/1.1 200 OK\r\n")
            while True:
                await conversation.say(b"x: y\r\n")
                clock.now += 1
                await asyncio.sleep(0.01)

        async with provider(script) as up, pooling(HttpPool(clock=clock)) as pool:
            with pytest.raises(UpstreamTimeout) as failure:
                await pool.send(post(up.origin, timeouts=TIMEOUTS))
            assert failure.value.timer == "first_byte"
            assert "did not finish the head" in failure.value.message

    run(test())


def test_total_counts_even_while_bytes_come(run: Run) -> None:
    async def test() -> None:
        clock = Clock()

        async def script(conversation: Conversation) -> None:
            await conversation.request()
            await conversation.say(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
            while True:
                await conversation.say(b"x")
                clock.now += 5
                await asyncio.sleep(0.01)

        async with provider(script) as up, pooling(HttpPool(clock=clock)) as pool:
            with pytest.raises(UpstreamTimeout) as failure:
                await pool.send(post(up.origin, timeouts=TIMEOUTS))
            assert failure.value.timer == "total"

    run(test())


def test_a_stream_that_falls_silent_ends_with_the_idle_timer(run: Run) -> None:
    async def test() -> None:
        clock = Clock()
        script = saying(STREAM_HEAD, b"3\r\nabc\r\n")
        async with provider(script) as up, pooling(HttpPool(clock=clock)) as pool:
            stream = await pool.open(post(up.origin, timeouts=TIMEOUTS, stream_types=SSE))
            sink = Sink()
            stream.attach(sink)
            stream.began()
            clock.now += 29
            pool.sweep()
            assert sink.finished == []
            clock.now += 2
            pool.sweep()
            (error,) = sink.finished
            assert isinstance(error, UpstreamTimeout)
            assert (error.timer, sink.body) == ("idle", b"abc")

    run(test())


def test_before_its_first_content_a_stream_may_be_silent_for_longer(run: Run) -> None:
    async def test() -> None:
        clock = Clock()
        timeouts = msgspec.structs.replace(TIMEOUTS, first_event=60)
        script = saying(STREAM_HEAD, b"3\r\n:hm\r\n")
        async with provider(script) as up, pooling(HttpPool(clock=clock)) as pool:
            stream = await pool.open(post(up.origin, timeouts=timeouts, stream_types=SSE))
            sink = Sink()
            stream.attach(sink)
            clock.now += 59
            pool.sweep()
            assert sink.finished == []
            clock.now += 2
            pool.sweep()
            (error,) = sink.finished
            assert isinstance(error, UpstreamTimeout)
            assert (error.timer, sink.body) == ("first_event", b":hm")

    run(test())


def test_a_consumer_that_pauses_is_not_the_providers_silence(run: Run) -> None:
    async def test() -> None:
        clock = Clock()
        script = saying(STREAM_HEAD, b"3\r\nabc\r\n")
        async with provider(script) as up, pooling(HttpPool(clock=clock)) as pool:
            stream = await pool.open(post(up.origin, timeouts=TIMEOUTS, stream_types=SSE))
            sink = Sink()
            stream.attach(sink)
            stream.began()
            stream.pause()
            clock.now += 60
            pool.sweep()
            assert sink.finished == []
            stream.resume()
            clock.now += 29
            pool.sweep()
            assert sink.finished == []
            clock.now += 2
            pool.sweep()
            assert isinstance(sink.finished[0], UpstreamTimeout)

    run(test())


def test_the_first_byte_is_awaited_from_the_end_of_the_request(run: Run) -> None:
    async def test() -> None:
        clock = Clock()
        may_read = asyncio.Event()

        async def script(conversation: Conversation) -> None:
            while True:
                await may_read.wait()
                may_read.clear()
                await conversation.reader.readexactly(2_000_000)

        async with provider(script) as up, pooling(HttpPool(clock=clock)) as pool:
            request = post(up.origin, b"x" * 30_000_000, timeouts=TIMEOUTS)
            task = asyncio.ensure_future(pool.send(request))
            for _ in range(8):
                await asyncio.sleep(0.02)
                clock.now += 9
                pool.sweep()
                assert not task.done()
                may_read.set()
            await asyncio.sleep(0.02)
            clock.now += 11
            pool.sweep()
            clock.now += 11
            pool.sweep()
            with pytest.raises(UpstreamTimeout) as failure:
                await task
            assert failure.value.timer == "first_byte"

    run(test())


def test_a_connection_that_does_not_open_runs_out_of_connect_time(run: Run) -> None:
    async def test() -> None:
        # A full backlog drops what comes: the handshake of the next connection is never answered.
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            port = listener.getsockname()[1]
            loop = asyncio.get_running_loop()
            fillers = [socket.socket() for _ in range(2)]
            for filler in fillers:
                filler.setblocking(False)
                filling = asyncio.ensure_future(loop.sock_connect(filler, ("127.0.0.1", port)))
                await asyncio.wait((filling,), timeout=0.05)
                filling.cancel()
            async with pooling(HttpPool()) as pool:
                timeouts = Timeouts(connect=0.05)
                with pytest.raises(UpstreamTimeout) as failure:
                    await pool.send(post(Origin("http", "127.0.0.1", port), timeouts=timeouts))
                assert failure.value.timer == "connect"
                assert pool.stats == PoolStats(open=0, idle=0)
            for filler in fillers:
                filler.close()

    run(test())


def test_waiting_for_a_place_counts_as_connecting(run: Run) -> None:
    async def test() -> None:
        pool = HttpPool(max_connections_per_origin=1)
        async with provider(silent) as up, pooling(pool):
            first = asyncio.ensure_future(pool.send(post(up.origin)))
            await asyncio.sleep(0.01)
            with pytest.raises(UpstreamTimeout) as failure:
                await pool.send(post(up.origin, timeouts=Timeouts(connect=0.02)))
            assert failure.value.timer == "connect"
            first.cancel()

    run(test())


def test_a_late_answer_is_not_anybody_elses(run: Run) -> None:
    async def test() -> None:
        clock = Clock()

        async def script(conversation: Conversation) -> None:
            await conversation.request()
            if conversation.number == 0:
                await late.wait()
                await conversation.say(ok(b"late"))
            else:
                await conversation.say(ok(b"right"))

        late = asyncio.Event()
        async with provider(script) as up, pooling(HttpPool(clock=clock)) as pool:
            task = asyncio.ensure_future(pool.send(post(up.origin, timeouts=TIMEOUTS)))
            await until(lambda: up.conversations)
            await asyncio.sleep(0.01)
            clock.now += 11
            pool.sweep()
            late.set()
            assert (await pool.send(post(up.origin))).body == b"right"
            with pytest.raises(UpstreamTimeout):
                await task

    run(test())
