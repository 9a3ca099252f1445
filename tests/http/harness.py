"""What the HTTP tests share: a raw client, a server, scripted providers, a clock."""

import asyncio
import contextlib
import json
import logging
import socket
import ssl as tls
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from portico.errors import GatewayError
from portico.http.client import HttpPool
from portico.http.server import Server, ServerLimits
from portico.types.http import HttpRequest, Origin, Request, Responder, Timeouts

CERTIFICATES = Path(__file__).parent / "certificates"
PATIENCE_S = 5.0


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["code"])


class Client:
    """A client that sends exactly the bytes it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, to: str = "GET") -> Answer:
        async with asyncio.timeout(PATIENCE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *fields = head.rstrip().split("\r\n")
            headers = {k.lower(): v for k, v in (field.split(": ", 1) for field in fields)}
            status = int(line.split(" ")[1])
            body = b""
            if to == "HEAD" or status in (100, 204, 304):
                pass
            elif "content-length" in headers:
                body = await self.reader.readexactly(int(headers["content-length"]))
            elif headers.get("transfer-encoding") == "chunked":
                while size := int(await self.reader.readuntil(b"\r\n"), 16):
                    body += (await self.reader.readexactly(size + 2))[:-2]
                await self.reader.readexactly(2)
            else:
                body = await self.reader.read()
            return Answer(status, headers, body)

    async def rest(self) -> bytes:
        """Everything until the server closes; a reset counts as the end."""
        data = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_S):
                while piece := await self.reader.read(65536):
                    data += piece
        return data

    async def is_silent(self) -> bool:
        """Has the server said nothing after several turns of the loop?"""
        try:
            async with asyncio.timeout(0.02):
                return not await self.reader.read(1)
        except TimeoutError:
            return True

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Served:
    """A running server, what it dispatched, and the clients of one test."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.requests: list[Request] = []
        self.responders: list[Responder] = []
        self.clients: list[Client] = []

    async def client(self, data: bytes = b"", *, receive_buffer: int | None = None) -> Client:
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.server.port))
        except OSError:
            sock.close()
            raise
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader, writer = await asyncio.open_connection(sock=sock, limit=1 << 16)
        client = Client(reader, writer)
        self.clients.append(client)
        client.send(data)
        return client

    async def ask(self, data: bytes, to: str = "GET") -> Answer:
        return await (await self.client(data)).answer(to)

    async def dispatched(self, count: int = 1) -> Responder:
        """Wait until `count` requests were dispatched, and return the last one's responder."""
        await until(lambda: len(self.requests) >= count)
        return self.responders[-1]


def echo(request: Request, responder: Responder) -> None:
    responder.send(200, b"content-type: text/plain\r\n", request.body or request.path.encode())


def write_error(error: GatewayError) -> bytes:
    return json.dumps({"code": error.code, "message": error.message}).encode()


@contextlib.asynccontextmanager
async def serving(
    dispatch: Callable[[Request, Responder], None] | None = echo,
    limits: ServerLimits | None = None,
    *,
    clock: Callable[[], float] | None = None,
    body_limit: Callable[[str], int] | None = None,
    ssl: tls.SSLContext | None = None,
    encoded_slash_under: tuple[str, ...] = (),
) -> AsyncIterator[Served]:
    """A server on a free port; `dispatch=None` leaves requests unanswered."""

    def note(request: Request, responder: Responder) -> None:
        served.requests.append(request)
        served.responders.append(responder)
        if dispatch is not None:
            dispatch(request, responder)

    server = Server(
        note,
        limits or ServerLimits(),
        write_error,
        body_limit,
        logging.getLogger("portico.http"),
        encoded_slash_under=encoded_slash_under,
        clock=clock,
    )
    served = Served(server)
    await server.start("127.0.0.1", 0, ssl=ssl)
    try:
        yield served
    finally:
        for client in served.clients:
            client.writer.transport.abort()
        server.close()
        await until(lambda: server.connections == 0)
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 (conditions of many kinds, and only in tests)
            await asyncio.sleep(0.001)


# Providers

Script = Callable[["Conversation"], Awaitable[None]]


class Conversation:
    """One connection that a scripted provider took."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.number = number
        self.is_over = False

    async def request(self) -> tuple[bytes, bytes]:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return head, await self.reader.readexactly(length)

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def is_closed(self) -> None:
        """Wait until the other side has gone."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_S):
                while await self.reader.read(65536):
                    pass


class Provider:
    def __init__(self, port: int, scheme: str) -> None:
        self.origin = Origin(scheme, "127.0.0.1", port)
        self.conversations: list[Conversation] = []
        self.failures: list[BaseException] = []


@contextlib.asynccontextmanager
async def provider(script: Script, *, ssl: tls.SSLContext | None = None) -> AsyncIterator[Provider]:
    """A provider that follows `script` on each connection it takes."""
    running: set[asyncio.Task[None]] = set()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = Conversation(reader, writer, len(made.conversations))
        made.conversations.append(conversation)
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await script(conversation)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except Exception as error:
            made.failures.append(error)
        finally:
            running.discard(task)
            conversation.is_over = True
            writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=ssl)
    made = Provider(server.sockets[0].getsockname()[1], "https" if ssl else "http")
    try:
        yield made
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for conversation in made.conversations:
            conversation.writer.transport.abort()
        await asyncio.sleep(0.01)
    assert not made.failures, made.failures


@contextlib.asynccontextmanager
async def pooling(pool: HttpPool) -> AsyncIterator[HttpPool]:
    try:
        yield pool
    finally:
        await pool.close()
        await asyncio.sleep(0)


def post(
    origin: Origin,
    body: bytes = b"{}",
    *,
    timeouts: Timeouts | None = None,
    stream_types: tuple[bytes, ...] = (),
    max_response_bytes: int = 1 << 20,
) -> HttpRequest:
    head = b"POST /v1/chat HTTP/1.1\r\nhost: %b\r\ncontent-length: %d\r\n\r\n" % (
        origin.authority.encode(),
        len(body),
    )
    return HttpRequest(origin, head, body, timeouts or Timeouts(), stream_types, max_response_bytes)


def ok(body: bytes = b"hello", fields: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b" % (fields, len(body), body)


class Sink:
    """Keeps what a stream feeds."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.finished: list[BaseException | None] = []

    def feed(self, data: bytes) -> None:
        self.pieces.append(data)

    def finish(self, error: BaseException | None) -> None:
        self.finished.append(error)

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    async def end(self) -> None:
        await until(lambda: self.finished)
