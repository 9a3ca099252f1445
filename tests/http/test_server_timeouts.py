"""Slow clients, with a clock that only the test moves."""

import asyncio

import pytest

from portico.http.server import ServerLimits
from tests.http.conftest import Run
from tests.http.harness import Client, Clock, Served, serving, until

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"


async def pass_time(served: Served, clock: Clock, seconds: float) -> None:
    await asyncio.sleep(0.01)  # what was sent arrives
    clock.now += seconds
    served.server.sweep()
    await asyncio.sleep(0.01)


async def status(client: Client) -> int | None:
    """The status of an answer that is there, or None if the server closed without one."""
    data = await client.rest()
    return int(data.split(b" ")[1]) if data else None


def test_a_head_that_trickles_is_refused_when_its_time_is_up(run: Run) -> None:
    async def test() -> None:
        clock = Clock()
        async with serving(clock=clock) as served:
            client = await served.client(b"GET / HTTP/1.1\r\n")
            await until(lambda: served.server.connections)
            for letter in b"HOST: xyz":
                await pass_time(served, clock, 1)
                client.send(bytes([letter]))
            assert await client.is_silent()
            await pass_time(served, clock, 1.1)
            assert await status(client) == 408

    run(test())


def test_a_connection_that_never_asks_is_closed_without_a_word(run: Run) -> None:
    async def test() -> None:
        clock = Clock()
        async with serving(clock=clock) as served:
            client = await served.client()
            await until(lambda: served.server.connections)
            await pass_time(served, clock, 9)
            assert served.server.connections == 1
            await pass_time(served, clock, 2)
            assert await status(client) is None

    run(test())


def test_an_idle_connection_is_kept_for_the_keep_alive_time(run: Run) -> None:
    async def test() -> None:
        clock = Clock()
        async with serving(clock=clock) as served:
            client = await served.client(GET)
            await client.answer()
            await pass_time(served, clock, 70)
            client.send(GET)
            await client.answer()
            await pass_time(served, clock, 74)
            assert served.server.connections == 1
            await pass_time(served, clock, 2)
            assert await status(client) is None

    run(test())


def test_a_body_that_stops_is_refused(run: Run) -> None:
    async def test() -> None:
        clock = Clock()
        limits = ServerLimits(body_timeout_s=60, body_grace_s=1000)
        async with serving(limits=limits, clock=clock) as served:
            client = await served.client(POST + b"x" * 1000)
            await until(lambda: served.server.connections)
            await pass_time(served, clock, 59)
            client.send(b"x")
            await pass_time(served, clock, 59)
            assert await client.is_silent()
            await pass_time(served, clock, 2)
            assert await status(client) == 408

    run(test())


@pytest.mark.parametrize(("rate", "survives"), [(2000, True), (500, False)])
def test_a_body_must_come_at_a_minimum_rate_after_a_grace(
    run: Run, rate: int, survives: bool
) -> None:
    async def test() -> None:
        clock = Clock()
        async with serving(clock=clock) as served:
            client = await served.client(POST)
            await until(lambda: served.server.connections)
            for step in range(8):
                if not await client.is_silent():
                    assert step >= 2
                    break
                client.send(b"x" * rate * 5)
                await pass_time(served, clock, 5)
            assert (served.server.connections == 1 and await client.is_silent()) is survives

    run(test())


def test_a_chunked_body_of_extensions_only_is_too_slow(run: Run) -> None:
    async def test() -> None:
        clock = Clock()
        async with serving(clock=clock) as served:
            client = await served.client(
                b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;"
            )
            await until(lambda: served.server.connections)
            for _ in range(11):
                client.send(b"x" * 2000)
                await pass_time(served, clock, 1)
            assert await status(client) == 408

    run(test())


def test_a_request_in_the_works_has_no_deadline_of_ours(run: Run) -> None:
    async def test() -> None:
        clock = Clock()
        async with serving(None, clock=clock) as served:
            client = await served.client(GET)
            responder = await served.dispatched()
            await pass_time(served, clock, 100_000)
            responder.start(200, b"", b"a")
            await pass_time(served, clock, 100_000)
            responder.finish(b"b")
            assert (await client.answer()).body == b"ab"

    run(test())


@pytest.mark.parametrize("how", ["streaming", "answered", "closing"])
def test_a_reader_that_stops_is_cut_off(run: Run, how: str) -> None:
    async def test() -> None:
        clock = Clock()
        async with serving(None, clock=clock) as served:
            line = b"GET /a HTTP/1.0\r\n\r\n" if how == "closing" else GET
            await served.client(line, receive_buffer=4096)
            responder = await served.dispatched()
            gone: list[int] = []
            responder.watch(gone=lambda: gone.append(1))
            if how == "streaming":
                responder.start(200, b"", b"x" * 10_000_000)
            else:
                responder.send(200, b"", b"x" * 10_000_000)
            await pass_time(served, clock, 29)
            assert served.server.connections == 1
            await pass_time(served, clock, 2)
            await until(lambda: served.server.connections == 0)
            assert gone == ([1] if how == "streaming" else [])

    run(test())


@pytest.mark.parametrize("line", [GET, b"GET /a HTTP/1.0\r\n\r\n"])
def test_a_slow_but_steady_reader_is_borne_with(run: Run, line: bytes) -> None:
    async def test() -> None:
        clock = Clock()
        async with serving(None, clock=clock) as served:
            client = await served.client(line, receive_buffer=4096)
            (await served.dispatched()).send(200, b"", b"x" * 20_000_000)
            for _ in range(20):
                await client.reader.readexactly(500_000)
                await pass_time(served, clock, 20)
            assert served.server.connections == 1

    run(test())


def test_a_refused_client_that_stays_is_closed_after_a_while(run: Run) -> None:
    async def test() -> None:
        clock = Clock()
        async with serving(clock=clock) as served:
            client = await served.client(b"GET / HTTP/1.1\r\n\r\n")
            assert (await client.answer()).status == 400
            client.send(b"and more")
            await pass_time(served, clock, 4)
            assert served.server.connections == 1
            await pass_time(served, clock, 2)
            await until(lambda: served.server.connections == 0)

    run(test())
