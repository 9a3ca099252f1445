"""Server and pool joined by the smallest possible relay: who leaves, who waits, what is held."""

import asyncio
import resource
import time

import pytest

from portico.errors import UpstreamError
from portico.http.client import HttpPool
from portico.http.server import ServerLimits
from portico.http.stream import Stream
from portico.types.http import HttpRequest, Request, Responder
from tests.http.conftest import Run
from tests.http.harness import (
    Client,
    Clock,
    Conversation,
    ok,
    pooling,
    post,
    provider,
    serving,
    until,
)

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Relay:
    """Sends each request to the pool and hands the answer on, as the engine does."""

    def __init__(self, pool: HttpPool, request: HttpRequest) -> None:
        self.pool = pool
        self.request = request
        self.tasks: set[asyncio.Task[None]] = set()

    def __call__(self, request: Request, responder: Responder) -> None:
        task = asyncio.get_running_loop().create_task(self.run(responder))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        responder.watch(gone=task.cancel)

    async def run(self, responder: Responder) -> None:
        answer = await self.pool.open(self.request)
        if not isinstance(answer, Stream):
            responder.send(answer.head.status, b"", answer.body)
            return
        responder.start(answer.head.status, b"")
        responder.watch(gone=answer.close, pause=answer.pause, resume=answer.resume)
        answer.attach(Wire(responder))


class Wire:
    def __init__(self, responder: Responder) -> None:
        self.responder = responder

    def feed(self, data: bytes) -> None:
        self.responder.write(data)

    def finish(self, error: UpstreamError | None) -> None:
        if error is None:
            self.responder.finish()
        else:
            self.responder.abort()


@pytest.mark.parametrize("stage", ["connecting", "waiting", "head", "streaming"])
def test_a_client_that_leaves_closes_the_provider_within_100_ms(run: Run, stage: str) -> None:
    closed: list[float] = []

    async def script(conversation: Conversation) -> None:
        await conversation.request()
        if stage == "head":
            await conversation.say(HEAD)
        if stage == "streaming":
            await conversation.say(HEAD, b"3\r\none\r\n")
        await conversation.is_closed()
        closed.append(time.perf_counter())

    async def test() -> None:
        pool = HttpPool(max_connections_per_origin=1)
        async with provider(script) as up, pooling(pool):
            request = post(up.origin, stream_types=(b"text/",))
            async with serving(Relay(pool, request)) as served:
                client = await served.client(GET)
                await until(lambda: up.conversations)
                if stage == "streaming":
                    await client.reader.readuntil(b"one\r\n")
                else:
                    await asyncio.sleep(0.02)
                if stage == "connecting":
                    first, client = client, await served.client(GET)
                    await served.dispatched(2)
                    client.writer.close()
                    await until(lambda: served.server.connections == 1)
                    client = first
                left = time.perf_counter()
                client.writer.close()
                await until(lambda: closed)
                assert closed[0] - left < 0.1
                await until(lambda: pool.stats.open == 0)

    run(test())


def test_a_slow_reader_pauses_the_provider_and_little_is_held(run: Run) -> None:
    block = b"x" * 65_000
    sent: list[int] = []

    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.say(HEAD)
        for number in range(1500):
            await conversation.say(b"%x\r\n%b\r\n" % (len(block), block))
            sent.append(number)
        await conversation.say(b"0\r\n\r\n")
        await conversation.is_closed()

    async def count(client: Client) -> int:
        total = 0
        while size := int(await client.reader.readuntil(b"\r\n"), 16):
            await client.reader.readexactly(size + 2)
            total += size
        return total

    async def test() -> None:
        async with provider(script) as up, pooling(HttpPool()) as pool:
            request = post(up.origin, stream_types=(b"text/",))
            async with serving(Relay(pool, request)) as served:
                client = await served.client(GET, receive_buffer=4096)
                await until(lambda: sent)
                await asyncio.sleep(0.3)
                stalled = len(sent)
                await asyncio.sleep(0.05)
                assert len(sent) == stalled < 400  # kernel buffers; the rest of 97 MB waits
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                await client.reader.readuntil(b"\r\n\r\n")
                assert await count(client) == 1500 * len(block)
                grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
                assert grown_kib < 16 * 1024

    run(test())


def test_the_servers_sweeper_runs_by_itself(run: Run) -> None:
    async def test() -> None:
        async with serving(limits=ServerLimits(keep_alive_s=0.01)) as served:
            client = await served.client(GET)
            await client.answer()
            assert await client.rest() == b""
            client = await served.client(GET)
            await client.answer()
            assert await client.rest() == b""

    run(test())


def test_the_pools_sweeper_runs_by_itself(run: Run) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.say(ok())
        await conversation.request()

    async def test() -> None:
        async with provider(script) as up, pooling(HttpPool(idle_s=0.01)) as pool:
            for _ in range(2):
                await pool.send(post(up.origin))
                await until(lambda: pool.stats.open == 0)

    run(test())


def test_a_watcher_that_fails_stops_no_sweeper(run: Run) -> None:
    async def test() -> None:
        clock = Clock()
        errors: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, seen: errors.append(seen))
        async with serving(None, ServerLimits(max_write_buffer=1024), clock=clock) as served:
            for _ in range(2):
                await served.client(GET, receive_buffer=4096)
            await served.dispatched(2)
            served.responders[0].watch(gone=lambda: 1 // 0)
            for responder in served.responders:
                responder.start(200, b"", b"x" * 10_000_000)
            await asyncio.sleep(0.02)
            clock.now += 1000
            await until(lambda: served.server.connections == 0)
            assert errors

    run(test())
