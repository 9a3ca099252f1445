"""What the end-to-end tests share: a scripted provider, a whole gateway in this process, a client.

All three talk over real sockets on loopback and send exactly the bytes a test says.
"""

import asyncio
import contextlib
import io
import json
import logging
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from portico import logs
from portico.app import App
from portico.catalog.providers import provider_rows
from portico.config.load import load
from portico.config.schema.root import Config
from portico.stores.journal_reader import read_records
from portico.types.call import CallRecord
from portico.types.secret import Secret

PATIENCE_S = 10.0
ADMIN_KEY = "gw-adminkey0123456789abcdefghijklm"
KEY = "sk-team-a-0123456789"
CANARY = "canary-upstream-credential-7f3a9c"


class Received:
    """A request as the scripted provider got it."""

    def __init__(self, head: bytes, body: bytes) -> None:
        line, *fields = head.decode("latin-1").rstrip().split("\r\n")
        self.method, self.target, _ = line.split(" ")
        pairs = (field.split(": ", 1) for field in fields)
        self.headers = {name.lower(): value for name, value in pairs}
        self.body = body

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """The provider's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def receive(self) -> Received | None:
        """The next request, or `None` when the gateway has closed."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        found = re.search(rb"(?i)content-length: (\d+)", head)
        return Received(head, await self._reader.readexactly(int(found[1]) if found else 0))

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def drain(self) -> None:
        await self._writer.drain()

    async def gone(self) -> bool:
        """Wait until the gateway closes this connection."""
        with contextlib.suppress(ConnectionError):
            return not await self._reader.read(1)
        return True

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Script = Callable[[Wire, Received], Awaitable[None]]
"""Plays one answer; the connection lives on unless the script ends it."""


class Upstream:
    """A provider that follows `script`; `requests` is what reached it."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[Received] = []
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        wire = Wire(reader, writer)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while (request := await wire.receive()) is not None:
                self.requests.append(request)
                await self.script(wire, request)
        writer.close()


@contextlib.asynccontextmanager
async def upstream(script: Script) -> AsyncIterator[Upstream]:
    provider = Upstream(script)
    server = await asyncio.start_server(provider._serve, "127.0.0.1", 0, limit=1 << 24)
    provider.port = server.sockets[0].getsockname()[1]
    try:
        yield provider
    finally:
        server.close()


def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


# What providers say


def whole(body: bytes, status: int = 200, kind: str = "application/json", **fields: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{lines}"
    return head.encode() + b"\r\n" + body


SSE_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def delta(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return event({"id": "c1", "object": "chat.completion.chunk", "choices": [choice]})


USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
USAGE_EVENT = event({"id": "c1", "choices": [], "usage": USAGE})
DONE = b"data: [DONE]\n\n"
CHAT = json.dumps(
    {
        "id": "c1",
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "hi"},
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
    }
).encode()


def replying(*pieces: bytes) -> Script:
    """Send these and wait for the next request."""

    async def script(wire: Wire, _: Received) -> None:
        for piece in pieces:
            wire.send(piece)
            await wire.drain()

    return script


async def good(wire: Wire, request: Received) -> None:
    """A provider in good health: whole or streamed as asked."""
    asked = request.json()
    if not asked.get("stream"):
        wire.send(whole(CHAT))
        return
    events = [delta("he"), delta("llo"), delta("", "stop")]
    if (asked.get("stream_options") or {}).get("include_usage"):
        events.append(USAGE_EVENT)
    wire.send(SSE_HEAD + b"".join(map(chunk, [*events, DONE])) + LAST_CHUNK)


# The client


class Answer:
    """What a client got; `is_complete` says that the message had its proper end."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes, complete: bool) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.is_complete = complete

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The envelope's inside; fails unless the body is exactly that."""
        value = self.json()
        assert list(value) == ["error"]
        assert isinstance(value["error"]["message"], str)
        return dict(value["error"])

    def events(self) -> list[str]:
        """The data of each event of a stream; fails unless the body is whole events."""
        text = self.body.decode()
        assert text == "" or text.endswith("\n\n"), text[-80:]
        return [
            "\n".join(line[6:] for line in block.split("\n") if line.startswith("data: "))
            for block in text.split("\n\n")[:-1]
            if not block.startswith(":")
        ]


class Client:
    """A client that sends exactly the bytes it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def until(self, mark: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readuntil(mark)

    async def answer(self, to: str = "POST") -> Answer:
        async with asyncio.timeout(PATIENCE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *fields = head.rstrip().split("\r\n")
            headers = {k.lower(): v for k, v in (field.split(": ", 1) for field in fields)}
            status = int(line.split(" ")[1])
            body, complete = b"", True
            try:
                if to == "HEAD" or status in (100, 204, 304):
                    pass
                elif "content-length" in headers:
                    body = await self.reader.readexactly(int(headers["content-length"]))
                else:
                    while size := int(await self.reader.readuntil(b"\r\n"), 16):
                        body += (await self.reader.readexactly(size + 2))[:-2]
                    await self.reader.readexactly(2)
            except (asyncio.IncompleteReadError, ConnectionError):
                complete = False
            return Answer(status, headers, body, complete)

    def leave(self) -> None:
        self.writer.transport.abort()


def http(
    body: bytes | str | Mapping[str, Any] = b"",
    *,
    path: str = "/v1/chat/completions",
    method: str = "POST",
    key: str | None = KEY,
    **fields: str,
) -> bytes:
    """A request; fields are given with `_` for `-`."""
    if isinstance(body, Mapping):
        body = json.dumps(body)
    data = body.encode() if isinstance(body, str) else body
    headers = {"host": "gw", "content-type": "application/json"}
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    if data or method == "POST":
        headers["content-length"] = str(len(data))
    headers |= {name.replace("_", "-"): value for name, value in fields.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + data


def chat(model: str = "m", *, stream: bool = False, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    return {**body, **({"stream": True} if stream else {}), **more}


# The gateway


class Running:
    """A gateway in this process, and everything it lets an observer see."""

    def __init__(self, app: App, folder: Path, lines: io.StringIO) -> None:
        self.app = app
        self.folder = folder
        self._lines = lines
        self._clients: list[Client] = []

    @property
    def log(self) -> str:
        return self._lines.getvalue()

    async def client(self, data: bytes = b"", *, receive_buffer: int | None = None) -> Client:
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        address = ("127.0.0.1", self.app.server.port)
        await asyncio.get_running_loop().sock_connect(sock, address)
        client = Client(*await asyncio.open_connection(sock=sock, limit=1 << 16))
        self._clients.append(client)
        client.send(data)
        return client

    async def ask(self, request: bytes, to: str = "POST") -> Answer:
        """One request on a connection of its own."""
        client = await self.client(request)
        answer = await client.answer(to)
        client.leave()
        return answer

    async def settled(self) -> None:
        """Wait until no call is under way."""
        async with asyncio.timeout(PATIENCE_S):
            while tasks := list(self.app.gateway.calls.values()):
                await asyncio.wait(tasks)

    def journal(self) -> list[CallRecord]:
        return [record for _, record in read_records(self.folder / "journal")]

    def metrics(self) -> str:
        return self.app.metrics.render().decode()

    def count(self, name: str) -> float:
        """The sum of a metric over all its labels."""
        return total(self.metrics(), name)

    def check_balance(self) -> None:
        """`requests_total = success + error + active`, with nothing active."""
        started = self.count("litellm_requests_total")
        success = self.count("litellm_requests_success_total")
        error = self.count("litellm_requests_error_total")
        active = self.count("litellm_active_requests")
        assert (started, active) == (success + error, 0)

    def leave_all(self) -> None:
        for client in self._clients:
            client.leave()


def total(metrics: str, name: str) -> float:
    """The sum of a metric over all its labels, in what was scraped."""
    return sum(map(float, re.findall(rf"(?m)^{name}(?:\{{.*\}})? (\S+)$", metrics)))


def read_config(text: str, environ: Mapping[str, str] | None = None) -> Config:
    return load(
        text.encode(),
        name="test.yaml",
        environ=environ or {},
        provider_types=tuple(provider_rows()),
    ).config


@contextlib.asynccontextmanager
async def gateway(
    folder: Path, text: str, *, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Running]:
    """A gateway that listens on a free port, with its log captured."""
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(logs.TextLines())
    logger = logging.getLogger("portico")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    app = App(
        read_config(text, environ),
        environ=environ or {},
        data_dir=folder,
        admin_key=Secret(ADMIN_KEY),
    )
    running = Running(app, folder, lines)
    try:
        await app.start("127.0.0.1", 0)
        yield running
    finally:
        running.leave_all()
        await app.stop()
        logger.removeHandler(handler)
        logger.setLevel(level)


def config(*urls: str, attempts: int = 1, more: str = "", route: str = "") -> str:
    """One route `m` over a provider for each address; no delays between tries."""
    providers = "".join(
        f"  - {{name: up{number}, provider_type: openai_compatible, base_url: '{url}/v1', "
        f"api_key: {CANARY}-{number}, models: [real-{number}]}}\n"
        for number, url in enumerate(urls)
    )
    targets = ", ".join(f"up{number}/real-{number}" for number in range(len(urls)))
    return (
        f"providers:\n{providers}"
        f"models:\n  - {{name: m, targets: [{targets}], strategy: priority_based, "
        f"retries: {{max_attempts: {attempts}, base_delay: 0, max_delay: 0.05}}{route}}}\n"
        f"keys:\n  - {{name: team-a, key: {KEY}}}\n{more}"
    )
