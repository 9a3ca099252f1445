"""The server as a client sees it on the wire: answers, order, refusals, leaving, slow reading."""

import asyncio
import errno
import logging
import time

import pytest

from portico.http.server import ServerLimits
from portico.types.http import Request, Responder
from tests.http.conftest import Run
from tests.http.harness import Client, Clock, echo, serving, until

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
TEXT = b"content-type: text/plain\r\n"


def post(body: bytes, fields: bytes = b"", path: bytes = b"/p") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n%b" % (
        path,
        fields,
        len(body),
        body,
    )


# Answers


def test_a_request_is_dispatched_whole_and_answered(run: Run) -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.client(post(b"hello", b"X-A: b\r\n", b"/p?q=1"))
            answer = await client.answer()

            assert (answer.status, answer.body) == (200, b"hello")
            assert list(answer.headers) == ["date", "content-type", "content-length"]
            host, port = client.writer.get_extra_info("sockname")
            assert served.requests == [
                Request(
                    method="POST",
                    path="/p",
                    query=b"q=1",
                    headers={b"host": b"x", b"x-a": b"b", b"content-length": b"5"},
                    body=b"hello",
                    peer=f"{host}:{port}",
                )
            ]

    run(test())


def test_a_connection_is_kept_for_the_next_request(run: Run) -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.client(GET)
            assert (await client.answer()).body == b"/a"
            client.send(b"\r\n" + post(b"again"))
            assert (await client.answer()).body == b"again"
            assert served.server.connections == 1

    run(test())


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /a HTTP/1.0\r\n\r\n",
    ],
)
def test_a_client_that_wants_no_more_is_closed(run: Run, request_bytes: bytes) -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.client(request_bytes)
            answer = await client.answer()

            assert (answer.body, answer.headers["connection"]) == (b"/a", "close")
            assert await client.rest() == b""

    run(test())


def test_http_10_is_kept_alive_on_request_and_told_so(run: Run) -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.client(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2)

            for _ in range(2):
                assert (await client.answer()).headers["connection"] == "keep-alive"

    run(test())


def test_head_is_answered_without_a_body(run: Run) -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.client(b"HEAD /abc HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
            answer = await client.answer("HEAD")
            assert answer.headers["content-length"] == "4"
            assert (await client.answer()).body == b"/a"

    run(test())


def stream(request: Request, responder: Responder) -> None:
    responder.start(200, TEXT, b"one")
    responder.write(b"")
    responder.write(b"two")
    responder.write(b"x" * 100_000)
    responder.finish(b"end")


def test_a_streamed_answer_is_chunked(run: Run) -> None:
    async def test() -> None:
        async with serving(stream) as served:
            client = await served.client(GET * 2)
            for _ in range(2):
                answer = await client.answer()
                assert answer.headers["transfer-encoding"] == "chunked"
                assert answer.body == b"onetwo" + b"x" * 100_000 + b"end"

    run(test())


def test_a_stream_to_http_10_ends_with_the_connection(run: Run) -> None:
    async def test() -> None:
        async with serving(stream) as served:
            client = await served.client(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            answer = await client.answer()

            assert "transfer-encoding" not in answer.headers
            assert answer.headers["connection"] == "close"
            assert answer.body == b"onetwo" + b"x" * 100_000 + b"end"

    run(test())


def test_a_stream_for_head_has_no_body(run: Run) -> None:
    async def test() -> None:
        async with serving(stream) as served:
            client = await served.client(b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
            assert (await client.answer("HEAD")).headers["transfer-encoding"] == "chunked"
            assert (await client.answer()).status == 200

    run(test())


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("streamed", [True, False])
def test_statuses_without_a_body_have_no_framing(run: Run, status: int, streamed: bool) -> None:
    def answer_nothing(request: Request, responder: Responder) -> None:
        if streamed:
            responder.start(status, b"", b"x")
            responder.finish(b"y")
        else:
            responder.send(status, b"", b"")

    async def test() -> None:
        async with serving(answer_nothing) as served:
            client = await served.client(GET * 2)
            for _ in range(2):
                answer = await client.answer()
                assert (answer.status, list(answer.headers)) == (status, ["date"])

    run(test())


def test_the_date_is_now(run: Run) -> None:
    async def test() -> None:
        async with serving() as served:
            date = (await served.ask(GET)).headers["date"]
            moments = [time.gmtime(time.time() - ago) for ago in (0, 1, 2)]
            assert date in [time.strftime("%a, %d %b %Y %H:%M:%S GMT", at) for at in moments]

    run(test())


# Bodies and pipelines


def test_chunked_bodies_are_joined(run: Run) -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.client(
                b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n"
                b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer: x\r\nHost: evil\r\n\r\n" + GET
            )
            assert (await client.answer()).body == b"abcdefg"
            assert (await client.answer()).body == b"/a"
            assert served.requests[0].headers[b"host"] == b"x"
            assert b"trailer" not in served.requests[0].headers

    run(test())


@pytest.mark.parametrize(
    ("fields", "body"),
    [(b"Content-Length: 5\r\n", b"hello"), (b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n")],
)
def test_a_client_that_expects_to_be_asked_for_the_body_is_asked(
    run: Run, fields: bytes, body: bytes
) -> None:
    async def test() -> None:
        async with serving() as served:
            head = b"POST /e HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\n" + fields + b"\r\n"
            client = await served.client(head)
            assert (await client.answer()).status == 100
            client.send(body)
            assert (await client.answer()).status == 200

    run(test())


def test_a_client_whose_body_is_too_large_is_not_asked_for_it(run: Run) -> None:
    async def test() -> None:
        async with serving(limits=ServerLimits(max_body_bytes=4)) as served:
            client = await served.client(
                b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
            )
            assert (await client.answer()).status == 413

    run(test())


def test_pipelined_requests_are_answered_in_order(run: Run) -> None:
    async def later(request: Request, responder: Responder) -> None:
        await asyncio.sleep(0.02 if request.body == b"0" else 0)
        echo(request, responder)

    tasks = []

    def dispatch(request: Request, responder: Responder) -> None:
        tasks.append(asyncio.ensure_future(later(request, responder)))

    async def test() -> None:
        async with serving(dispatch) as served:
            client = await served.client(b"".join(post(b"%d" % i) for i in range(50)))
            assert [(await client.answer()).body for _ in range(50)] == [
                b"%d" % i for i in range(50)
            ]
            assert len(served.requests) == 50

    run(test())


def test_ten_thousand_pipelined_requests_neither_recurse_nor_pile_up(run: Run) -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.client(GET * 10_000 + b"GET /end HTTP/1.0\r\n\r\n")
            everything = await client.rest()
            assert everything.count(b"HTTP/1.1 200 OK\r\n") == 10_001
            assert everything.endswith(b"/end")

    run(test())


def test_only_one_request_of_a_connection_is_in_the_works_and_little_is_held(run: Run) -> None:
    async def test() -> None:
        async with serving(None) as served:
            client = await served.client(GET)
            first = await served.dispatched()
            flood = asyncio.ensure_future(_flood(client, post(b"x" * 1000) * 20_000))
            await asyncio.sleep(0.05)
            assert not flood.done()  # 20 MB are not taken in
            assert len(served.requests) == 1
            first.send(200, b"", b"")
            assert (await client.answer()).status == 200
            second = await served.dispatched(2)
            assert second is served.responders[1]
            flood.cancel()

    run(test())


async def _flood(client: Client, data: bytes) -> None:
    client.send(data)
    await client.writer.drain()


def test_a_request_with_connection_close_ends_the_pipeline(run: Run) -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.client(b"GET /a HTTP/1.0\r\n\r\n" + GET)
            assert (await client.rest()).count(b"HTTP/1.1") == 1
            assert len(served.requests) == 1

    run(test())


# Refusals


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"GET /../ HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed_http"),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, "http_version_not_supported"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400, "malformed_http"),
        (b"hello?\r\n", 400, "malformed_http"),
        (b"\n", 400, "malformed_http"),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 70_000, 431, "request_headers_too_large"),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 70_000 + b"\r\n\r\n",
            431,
            "request_headers_too_large",
        ),
        (b"GET /" + b"x" * 70_000, 431, "request_headers_too_large"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 300, 408, "request_timeout"),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
            413,
            "request_too_large",
        ),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
            400,
            "malformed_http",
        ),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n"
            + b"x" * 30_000_000,
            413,
            "request_too_large",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_and_the_connection_closed(
    run: Run, caplog: pytest.LogCaptureFixture, data: bytes, status: int, code: str
) -> None:
    async def test() -> None:
        clock = Clock()
        async with serving(clock=clock) as served:
            client = await served.client(data)
            if status == 408:
                await until(lambda: served.server.connections)
                await asyncio.sleep(0.02)
                clock.now += 11
                served.server.sweep()
            answer = await client.answer()
            assert (answer.status, answer.code) == (status, code)
            assert answer.headers["connection"] == "close"
            assert answer.headers["content-type"] == "application/json"
            assert await client.rest() == b""
            assert served.requests == []
            peer = ":".join(str(part) for part in client.writer.get_extra_info("sockname"))
            line = caplog.messages[-1]
            assert peer in line
            assert answer.headers["x-request-id"] in line
            assert code in line

    with caplog.at_level(logging.INFO, "portico.http"):
        run(test())


def test_a_refusal_after_an_answer_leaves_the_answer_alone(run: Run) -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.client(GET + b"GET / HTTP/1.1\r\n\r\n" + GET)
            assert (await client.answer()).status == 200
            assert (await client.answer()).status == 400
            assert await client.rest() == b""
            assert len(served.requests) == 1

    run(test())


def test_a_client_still_sending_sees_why_it_was_refused(run: Run) -> None:
    async def test() -> None:
        async with serving(limits=ServerLimits(max_body_bytes=1000)) as served:
            client = await served.client(
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n" + b"x" * 8_000_000
            )
            assert (await client.answer()).status == 413

    run(test())


def test_the_body_limit_depends_on_the_path(run: Run) -> None:
    def limit(path: str) -> int:
        return 10 if path == "/small" else 100

    async def test() -> None:
        async with serving(body_limit=limit) as served:
            assert (await served.ask(post(b"x" * 50))).status == 200
            refused = await served.ask(post(b"x" * 50, path=b"/small"))
            assert refused.status == 413
            assert "10 bytes" in refused.body.decode()

    run(test())


@pytest.mark.parametrize(
    ("given", "kept"), [(b"abc-1", True), (b"a b", False), (b"x" * 200, False)]
)
def test_a_refusal_repeats_a_sane_request_id(run: Run, given: bytes, kept: bool) -> None:
    async def test() -> None:
        async with serving(limits=ServerLimits(max_body_bytes=1)) as served:
            answer = await served.ask(post(b"xx", b"X-Request-Id: " + given + b"\r\n"))
            assert (answer.headers["x-request-id"] == given.decode()) is kept

    run(test())


def test_a_dispatcher_that_fails_is_answered_with_500(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(request: Request, responder: Responder) -> None:
        raise RuntimeError("secret")

    async def test() -> None:
        async with serving(fail) as served:
            answer = await served.ask(GET)
            assert (answer.status, answer.code) == (500, "internal_error")
            assert b"secret" not in answer.body

    run(test())
    assert "dispatch failed" in caplog.text


def test_connections_past_the_cap_are_told_to_come_back(run: Run) -> None:
    async def test() -> None:
        async with serving(limits=ServerLimits(max_connections=2)) as served:
            first = await served.client(GET)
            await first.answer()
            await (await served.client(GET)).answer()
            third = await served.client(GET)
            answer = await third.answer()
            assert (answer.status, answer.code) == (503, "server_is_overloaded")
            assert answer.headers["retry-after"] == "1"
            assert await third.rest() == b""
            third.writer.close()
            first.writer.close()
            await until(lambda: served.server.connections == 1)
            assert (await served.ask(GET)).status == 200

    run(test())


def test_a_port_that_is_taken_is_reported_as_such(run: Run) -> None:
    async def test() -> None:
        async with serving() as served, serving() as other:
            with pytest.raises(OSError, match="in use") as failure:
                await other.server.start("127.0.0.1", served.server.port)
            assert failure.value.errno == errno.EADDRINUSE

    run(test())


# Clients that leave


@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
@pytest.mark.parametrize("when", ["before", "streaming"])
def test_a_client_that_leaves_is_noticed_at_once(run: Run, how: str, when: str) -> None:
    async def test() -> None:
        async with serving(None) as served:
            client = await served.client(GET)
            responder = await served.dispatched()
            gone: list[float] = []
            responder.watch(gone=lambda: gone.append(time.perf_counter()))
            if when == "streaming":
                responder.start(200, TEXT, b"x")
                await client.reader.readuntil(b"x\r\n")
            left = time.perf_counter()
            if how == "close":
                client.writer.close()
            elif how == "reset":
                client.reset()
            else:
                client.writer.write_eof()
            await until(lambda: gone)
            assert gone[0] - left < 0.1
            assert responder.is_gone
            if when == "before":
                responder.send(200, TEXT, b"x")
            else:
                responder.write(b"x")
                responder.finish(b"x")
            await until(lambda: served.server.connections == 0)
            assert len(gone) == 1

    run(test())


def test_whoever_watches_too_late_is_told_at_once(run: Run) -> None:
    async def test() -> None:
        async with serving(None) as served:
            client = await served.client(GET)
            responder = await served.dispatched()
            client.reset()
            await until(lambda: responder.is_gone)
            gone: list[int] = []
            responder.watch(gone=lambda: gone.append(1))
            assert gone == [1]

    run(test())


def test_nobody_is_told_of_a_client_that_leaves_after_its_answer(run: Run) -> None:
    async def test() -> None:
        async with serving(None) as served:
            client = await served.client(GET)
            responder = await served.dispatched()
            gone: list[int] = []
            responder.watch(gone=lambda: gone.append(1))
            responder.send(200, b"", b"")
            await client.answer()
            client.writer.close()
            await until(lambda: served.server.connections == 0)
            assert gone == []

    run(test())


@pytest.mark.parametrize("data", [b"", b"GET / HT", post(b"x" * 100)[:-50]])
def test_a_client_that_leaves_in_mid_request_is_forgotten(run: Run, data: bytes) -> None:
    async def test() -> None:
        async with serving() as served:
            client = await served.client(data)
            await until(lambda: served.server.connections == 1)
            client.writer.close()
            await until(lambda: served.server.connections == 0)
            assert served.requests == []

    run(test())


def test_an_aborted_answer_is_visibly_broken(run: Run) -> None:
    async def test() -> None:
        async with serving(None) as served:
            client = await served.client(GET)
            responder = await served.dispatched()
            gone: list[int] = []
            responder.watch(gone=lambda: gone.append(1))
            responder.start(200, TEXT, b"part")
            await client.reader.readuntil(b"part\r\n")
            responder.abort()
            assert b"0\r\n\r\n" not in await client.rest()
            assert gone == []

    run(test())


def test_a_second_answer_to_one_request_is_a_mistake_that_shows(run: Run) -> None:
    async def test() -> None:
        async with serving(None) as served:
            await served.client(GET)
            responder = await served.dispatched()
            responder.send(200, b"", b"")
            with pytest.raises(RuntimeError, match="no request"):
                responder.send(200, b"", b"")
            with pytest.raises(RuntimeError, match="no request"):
                responder.write(b"x")

    run(test())


# Slow readers


def test_a_slow_reader_pauses_the_writer_and_memory_stays_bounded(run: Run) -> None:
    async def test() -> None:
        async with serving(None, ServerLimits(max_write_buffer=64 * 1024)) as served:
            client = await served.client(GET, receive_buffer=4096)
            responder = await served.dispatched()
            signals: list[str] = []
            responder.watch(
                gone=lambda: signals.append("gone"),
                pause=lambda: signals.append("pause"),
                resume=lambda: signals.append("resume"),
            )
            responder.start(200, TEXT)
            written = 0
            while signals[-1:] != ["pause"] and written < 1 << 26:
                responder.write(b"x" * 16384)
                written += 16384
                await asyncio.sleep(0)
            assert signals == ["pause"]
            held = served.responders[0]._transport.get_write_buffer_size()  # type: ignore[attr-defined]
            assert held < 64 * 1024 + 2 * 16400
            reading = asyncio.ensure_future(client.answer())
            await until(lambda: signals[-1] == "resume")
            responder.finish()
            assert len((await reading).body) == written

    run(test())


def test_a_watcher_that_comes_while_the_client_is_slow_is_paused_at_once(run: Run) -> None:
    async def test() -> None:
        async with serving(None, ServerLimits(max_write_buffer=1024)) as served:
            await served.client(GET, receive_buffer=4096)
            responder = await served.dispatched()
            responder.start(200, TEXT, b"x" * 10_000_000)
            await asyncio.sleep(0.01)
            signals: list[str] = []
            responder.watch(gone=lambda: None, pause=lambda: signals.append("pause"))
            assert signals == ["pause"]

    run(test())


def test_a_pipeline_waits_for_a_client_that_does_not_read(run: Run) -> None:
    def big(request: Request, responder: Responder) -> None:
        responder.send(200, TEXT, b"x" * 1_500_000)

    async def test() -> None:
        async with serving(big) as served:
            client = await served.client(GET * 10, receive_buffer=4096)
            await served.dispatched()
            await asyncio.sleep(0.05)
            assert len(served.requests) < 5
            for _ in range(10):
                assert len((await client.answer()).body) == 1_500_000

    run(test())


# The end


def test_draining_answers_everybody_and_ends_connections(run: Run) -> None:
    async def test() -> None:
        async with serving(None) as served:
            server = served.server
            idle = await served.client(GET)
            (await served.dispatched()).send(200, b"", b"")
            await idle.answer()
            busy = await served.client(GET)
            responder = await served.dispatched(2)
            server.begin_drain()
            late = await served.client(GET)
            (await served.dispatched(3)).send(200, b"", b"late")
            answer = await late.answer()
            assert (answer.body, answer.headers["connection"]) == (b"late", "close")
            assert not await server.wait_idle(0.01)

            server.stop_accepting()
            assert await idle.rest() == b""
            with pytest.raises(ConnectionRefusedError):
                await served.client()
            responder.start(200, TEXT, b"a")
            asyncio.get_running_loop().call_later(0.03, responder.finish, b"b")
            assert await server.wait_idle(5)
            assert (await busy.answer()).body == b"ab"
            assert await busy.rest() == b""

    run(test())


def test_draining_waits_until_the_last_byte_is_out(run: Run) -> None:
    async def test() -> None:
        async with serving(None) as served:
            client = await served.client(GET, receive_buffer=4096)
            responder = await served.dispatched()
            served.server.stop_accepting()
            responder.send(200, TEXT, b"x" * 5_000_000)
            assert not await served.server.wait_idle(0.01)
            waiting = asyncio.ensure_future(served.server.wait_idle(5))
            assert len((await client.answer()).body) == 5_000_000
            assert await waiting

    run(test())


def test_closing_cuts_what_is_left_and_tells_the_watchers(run: Run) -> None:
    async def test() -> None:
        async with serving(None) as served:
            client = await served.client(GET)
            responder = await served.dispatched()
            gone: list[int] = []
            responder.watch(gone=lambda: gone.append(1))
            served.server.close()
            assert gone == [1]
            assert await client.rest() == b""

    run(test())
