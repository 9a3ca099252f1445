"""The pool against scripted providers: whole answers, reuse, races, framing, failures."""

import asyncio
import time

import pytest

from portico.errors import UpstreamProtocol, UpstreamUnreachable
from portico.http.client import HttpPool, PoolStats
from portico.types.http import HttpHead, HttpResponse, Origin
from tests.http.conftest import Run
from tests.http.harness import Clock, Conversation, ok, pooling, post, provider, until


async def serve_forever(conversation: Conversation) -> None:
    while True:
        _, body = await conversation.request()
        await conversation.say(ok(body))


# Whole answers


def test_a_request_is_written_as_it_is_and_the_answer_read_whole(run: Run) -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def script(conversation: Conversation) -> None:
        seen.append(await conversation.request())
        await conversation.say(
            b"HTTP/1.1 404 Nope\r\nContent-Type: a/b\r\nX-A: 1\r\nX-A:  2 \r\n"
            b"Content-Length: 5\r\n\r\nhello"
        )

    async def test() -> None:
        async with provider(script) as up, pooling(HttpPool()) as pool:
            request = post(up.origin, b'{"a":1}')
            answer = await pool.send(request)

            assert seen == [(request.head, b'{"a":1}')]
            assert answer == HttpResponse(
                HttpHead(404, {b"content-type": b"a/b", b"x-a": b"1, 2", b"content-length": b"5"}),
                b"hello",
            )

    run(test())


BIG = b"0123456789abcdef" * 60_000

ANSWERS = {
    "with a length": (ok(b"hello"), b"hello", True),
    "empty": (ok(b""), b"", True),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX-Trailer: t\r\n\r\n",
        b"hello",
        True,
    ),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "304 with a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b"", True),
    "after 1xx": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok(),
        b"hello",
        True,
    ),
    "until the end": (b"HTTP/1.1 200 OK\r\n\r\nhello", b"hello", False),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
    "HTTP/1.0 kept alive": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
        b"hello",
        True,
    ),
    "connection: close": (ok(fields=b"Connection: close\r\n"), b"hello", False),
    "no reason phrase": (b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    "an offer to upgrade": (
        ok(fields=b"Connection: Upgrade\r\nUpgrade: h2\r\n"),
        b"hello",
        True,
    ),
}


@pytest.mark.parametrize("pace", ["at once", "byte by byte"])
@pytest.mark.parametrize(("wire", "body", "kept"), ANSWERS.values(), ids=ANSWERS.keys())
def test_answers_are_framed_in_every_way_http_knows(
    run: Run, pace: str, wire: bytes, body: bytes, kept: bool
) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        if pace == "at once":
            await conversation.say(wire)
        else:
            for i in range(len(wire)):
                await conversation.say(wire[i : i + 1])
                await asyncio.sleep(0)
        if not kept:
            return
        await conversation.request()
        await conversation.say(ok(b"again"))

    async def test() -> None:
        async with provider(script) as up, pooling(HttpPool()) as pool:
            answer = await pool.send(post(up.origin))
            assert answer.body == body
            assert b"link" not in answer.head.headers
            assert b"x-trailer" not in answer.head.headers
            assert pool.stats.idle == (1 if kept else 0)
            if kept:
                assert (await pool.send(post(up.origin))).body == b"again"
                assert len(up.conversations) == 1

    run(test())


@pytest.mark.parametrize("size", [100, 70_000, 5_000_000])
def test_bodies_of_any_size_go_both_ways(run: Run, size: int) -> None:
    async def test() -> None:
        async with provider(serve_forever) as up, pooling(HttpPool()) as pool:
            body = BIG[:17] * (size // 17)
            request = post(up.origin, body, max_response_bytes=size)
            assert (await pool.send(request)).body == body
            assert (await pool.send(request)).body == body
            assert len(up.conversations) == 1

    run(test())


# The pool


def test_the_last_connection_used_is_the_first_used_again(run: Run) -> None:
    async def script(conversation: Conversation) -> None:
        while True:
            await conversation.request()
            await conversation.say(ok(b"%d" % conversation.number))

    async def test() -> None:
        async with provider(script) as up, pooling(HttpPool(max_idle_per_origin=2)) as pool:
            answers = await asyncio.gather(*(pool.send(post(up.origin)) for _ in range(3)))
            assert sorted(answer.body for answer in answers) == [b"0", b"1", b"2"]
            await until(lambda: pool.stats == PoolStats(open=2, idle=2))
            first = await pool.send(post(up.origin))
            assert (await pool.send(post(up.origin))).body == first.body

    run(test())


def test_idle_connections_expire(run: Run) -> None:
    async def test() -> None:
        clock = Clock()
        async with provider(serve_forever) as up, pooling(HttpPool(idle_s=30, clock=clock)) as pool:
            await pool.send(post(up.origin))
            clock.now += 29
            pool.sweep()
            assert pool.stats.idle == 1
            clock.now += 2
            pool.sweep()
            assert pool.stats.idle == 0
            await until(lambda: up.conversations[0].is_over)
            await pool.send(post(up.origin))
            assert len(up.conversations) == 2

    run(test())


def test_at_the_cap_requests_wait_for_a_connection_and_share_it(run: Run) -> None:
    async def test() -> None:
        pool = HttpPool(max_connections_per_origin=2)
        async with provider(serve_forever) as up, pooling(pool):
            requests = [post(up.origin, b"%d" % i) for i in range(20)]
            answers = await asyncio.gather(*(pool.send(request) for request in requests))
            assert [answer.body for answer in answers] == [request.body for request in requests]
            assert len(up.conversations) == 2

    run(test())


def test_at_the_cap_a_closed_connection_makes_room(run: Run) -> None:
    async def script(conversation: Conversation) -> None:
        _, body = await conversation.request()
        await conversation.say(ok(body, b"Connection: close\r\n"))

    async def test() -> None:
        pool = HttpPool(max_connections_per_origin=1)
        async with provider(script) as up, pooling(pool):
            answers = await asyncio.gather(*(pool.send(post(up.origin)) for _ in range(5)))
            assert len(answers) == len(up.conversations) == 5

    run(test())


def test_a_waiter_that_is_cancelled_loses_no_connection(run: Run) -> None:
    async def test() -> None:
        pool = HttpPool(max_connections_per_origin=1)
        release = asyncio.Event()

        async def script(conversation: Conversation) -> None:
            while True:
                await conversation.request()
                await release.wait()
                await conversation.say(ok())

        async with provider(script) as up, pooling(pool):
            first = asyncio.ensure_future(pool.send(post(up.origin)))
            await asyncio.sleep(0.01)
            second = asyncio.ensure_future(pool.send(post(up.origin)))
            await asyncio.sleep(0.01)
            second.cancel()
            release.set()
            await first
            assert (await pool.send(post(up.origin))).body == b"hello"
            assert len(up.conversations) == 1

    run(test())


def test_a_cancelled_request_closes_its_connection(run: Run) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.is_closed()
        closed.append(time.perf_counter())

    closed: list[float] = []

    async def test() -> None:
        async with provider(script) as up, pooling(HttpPool()) as pool:
            task = asyncio.ensure_future(pool.send(post(up.origin)))
            await until(lambda: up.conversations)
            await asyncio.sleep(0.01)
            task.cancel()
            cancelled = time.perf_counter()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: closed)
            assert closed[0] - cancelled < 0.1
            await until(lambda: pool.stats == PoolStats(open=0, idle=0))

    run(test())


def test_closing_the_pool_fails_what_is_in_flight(run: Run) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.is_closed()

    async def test() -> None:
        async with provider(script) as up:
            pool = HttpPool()
            task = asyncio.ensure_future(pool.send(post(up.origin)))
            await until(lambda: up.conversations)
            await asyncio.sleep(0.01)
            await pool.close()
            with pytest.raises(UpstreamUnreachable, match="stopping"):
                await task
            with pytest.raises(UpstreamUnreachable, match="stopping"):
                await pool.send(post(up.origin))
            assert pool.stats == PoolStats(open=0, idle=0)

    run(test())


# Keep-alive races


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_connection_closed_while_idle_is_not_used(run: Run, how: str) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.say(ok())
        if conversation.number == 0:
            getattr(conversation, how)()
        else:
            await conversation.request()

    async def test() -> None:
        async with provider(script) as up, pooling(HttpPool()) as pool:
            await pool.send(post(up.origin))
            await until(lambda: pool.stats.idle == 0)
            assert (await pool.send(post(up.origin))).body == b"hello"

    run(test())


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_connection_closed_as_it_is_used_again_is_replaced_once(run: Run, how: str) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.say(ok(b"first"))
        await conversation.request()
        if conversation.number < fatal:
            getattr(conversation, how)()
        else:
            await conversation.say(ok(b"second"))

    fatal = 1

    async def test() -> None:
        async with provider(script) as up, pooling(HttpPool()) as pool:
            await pool.send(post(up.origin))
            # The script of a fresh connection answers its first request with "first".
            assert (await pool.send(post(up.origin))).body == b"first"
            assert len(up.conversations) == 2

    run(test())


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_fresh_connection_that_closes_is_a_failure(run: Run, how: str) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        getattr(conversation, how)()

    async def test() -> None:
        async with provider(script) as up, pooling(HttpPool()) as pool:
            with pytest.raises(UpstreamUnreachable, match="before it answered") as failure:
                await pool.send(post(up.origin))
            assert failure.value.sent is True
            assert len(up.conversations) == 1

    run(test())


def test_a_request_that_someone_may_have_worked_on_is_not_sent_again(run: Run) -> None:
    async def test() -> None:
        clock = Clock()

        async def script(conversation: Conversation) -> None:
            await conversation.request()
            await conversation.say(ok())
            await conversation.request()
            clock.now += 5

        async with provider(script) as up, pooling(HttpPool(clock=clock)) as pool:
            await pool.send(post(up.origin))
            with pytest.raises(UpstreamUnreachable) as failure:
                await pool.send(post(up.origin))
            assert failure.value.sent is True
            assert len(up.conversations) == 1

    run(test())


def test_bytes_on_an_idle_connection_close_it(run: Run) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.say(ok())
        if conversation.number == 0:
            await asyncio.sleep(0.01)
            await conversation.say(ok(b"poison"))
            await conversation.is_closed()
        else:
            await conversation.request()

    async def test() -> None:
        async with provider(script) as up, pooling(HttpPool()) as pool:
            await pool.send(post(up.origin))
            await until(lambda: pool.stats.idle == 0)
            assert (await pool.send(post(up.origin))).body == b"hello"

    run(test())


@pytest.mark.parametrize("extra", [ok(b"poison"), b"x", b"HTTP/1.1 200"])
@pytest.mark.parametrize("fields", [b"", b"Connection: close\r\n"])
def test_bytes_after_an_answer_are_not_the_next_answer(
    run: Run, extra: bytes, fields: bytes
) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        if conversation.number == 0:
            await conversation.say(ok(b"first", fields) + extra)
            await conversation.is_closed()
        else:
            await conversation.say(ok(b"second"))

    async def test() -> None:
        async with provider(script) as up, pooling(HttpPool()) as pool:
            assert (await pool.send(post(up.origin))).body == b"first"
            assert (await pool.send(post(up.origin))).body == b"second"

    run(test())


def test_an_answer_before_the_request_was_taken_ends_the_connection(run: Run) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.reader.readuntil(b"\r\n\r\n")
        await conversation.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        await asyncio.sleep(0.05)

    async def test() -> None:
        async with provider(script) as up, pooling(HttpPool()) as pool:
            answer = await pool.send(post(up.origin, b"x" * 20_000_000))
            assert (answer.head.status, answer.body) == (413, b"big")
            assert pool.stats.idle == 0

    run(test())


# Wrong answers

WRONG = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coded": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coded until the end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "folded": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "upgrade": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "101 alone": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "cut in the head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "cut in the body": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
    "cut in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    "cut before the last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n",
    "1xx only": b"HTTP/1.1 100 Continue\r\n\r\n",
    "head too large": b"HTTP/1.1 200 OK\r\n" + b"A: " + b"x" * 200_000,
    "a field repeated without end": b"HTTP/1.1 200 OK\r\n" + b"A: bcdefgh\r\n" * 6000 + b"\r\n",
    "too large by length": b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\nx",
    "too large in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n"
    + b"x" * 2_000_000,
    "too large until the end": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2_000_000,
}


@pytest.mark.parametrize("wire", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("stream_types", [(), (b"text/event-stream",)])
def test_an_answer_that_is_not_http_or_not_whole_is_a_protocol_error(
    run: Run, wire: bytes, stream_types: tuple[bytes, ...]
) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.say(wire)

    async def test() -> None:
        async with provider(script) as up, pooling(HttpPool()) as pool:
            with pytest.raises(UpstreamProtocol) as failure:
                await pool.open(post(up.origin, stream_types=stream_types))
            assert str(up.origin) in failure.value.message
            await until(lambda: pool.stats == PoolStats(open=0, idle=0))

    run(test())


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_provider_that_leaves_in_mid_answer_cut_it_short(run: Run, how: str) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.say(ok(b"hello")[:-1])
        await asyncio.sleep(0.01)
        getattr(conversation, how)()

    async def test() -> None:
        async with provider(script) as up, pooling(HttpPool()) as pool:
            with pytest.raises(UpstreamProtocol, match="cut its answer short") as failure:
                await pool.send(post(up.origin))
            assert failure.value.upstream_status == 200

    run(test())


# Unreachable


def test_a_refused_connection_says_so(run: Run) -> None:
    async def test() -> None:
        async with provider(serve_forever) as up:
            origin = up.origin
        async with pooling(HttpPool()) as pool:
            with pytest.raises(UpstreamUnreachable, match="connection refused") as failure:
                await pool.send(post(origin))
            assert str(origin) in failure.value.message
            assert failure.value.sent is False
            assert isinstance(failure.value.__cause__, OSError)
            assert pool.stats == PoolStats(open=0, idle=0)

    run(test())


def test_a_name_that_does_not_exist_says_so(run: Run) -> None:
    async def test() -> None:
        async with pooling(HttpPool()) as pool:
            with pytest.raises(UpstreamUnreachable, match="DNS") as failure:
                await pool.send(post(Origin("http", "no-such-host.invalid", 80)))
            assert failure.value.sent is False

    run(test())
