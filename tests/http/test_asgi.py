"""ASGI applications behind the server: a Starlette one, and bare ones that misbehave."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from portico.errors import ConfigError
from portico.http.asgi import AsgiAdapter, Receive, Send
from tests.http.conftest import Run
from tests.http.harness import serving, until, write_error

LOG = logging.getLogger("portico.http")


def get(path: bytes, fields: bytes = b"") -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: gate:8000\r\n%b\r\n" % (path, fields)


async def describe(request: Request) -> Response:
    return JSONResponse(
        {
            "method": request.method,
            "url": str(request.url),
            "header": request.headers.get("x-a"),
            "client": request.client.host if request.client else None,
            "body": (await request.body()).decode(),
            "state": request.state.name,
        },
        headers={"x-b": "c"},
    )


async def count(request: Request) -> Response:
    async def numbers() -> AsyncIterator[bytes]:
        for number in range(5):
            yield b"%d" % number

    return StreamingResponse(numbers(), media_type="text/plain")


async def fail(request: Request) -> Response:
    raise RuntimeError("secret")


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
    app.state.is_up = True
    yield {"name": "portico"}
    app.state.is_up = False


def starlette() -> Starlette:
    routes = [
        Route("/describe", describe, methods=["GET", "POST"]),
        Route("/count", count),
        Route("/fail", fail),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def test_a_starlette_application_is_served(run: Run) -> None:
    async def test() -> None:
        app = starlette()
        adapter = AsgiAdapter(app, write_error)
        await adapter.startup()
        assert app.state.is_up
        async with serving(adapter) as served:
            client = await served.client(
                b"POST /describe?q=1 HTTP/1.1\r\nHost: gate:8000\r\nX-A: b\r\n"
                b"Content-Length: 5\r\n\r\nhello"
            )
            answer = await client.answer()
            assert answer.headers["x-b"] == "c"
            assert answer.headers["content-type"] == "application/json"
            assert answer.body == (
                b'{"method":"POST","url":"http://gate:8000/describe?q=1","header":"b",'
                b'"client":"127.0.0.1","body":"hello","state":"portico"}'
            )
            client.send(get(b"/count"))
            answer = await client.answer()
            assert (answer.body, answer.headers["transfer-encoding"]) == (b"01234", "chunked")
            client.send(b"HEAD /describe HTTP/1.1\r\nHost: x\r\n\r\n" + get(b"/none"))
            assert (await client.answer("HEAD")).status == 200
            assert (await client.answer()).status == 404
        await adapter.shutdown()
        assert not app.state.is_up

    run(test())


def test_an_exception_is_a_500_that_tells_nothing(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        adapter = AsgiAdapter(starlette(), write_error)
        async with serving(adapter) as served:
            answer = await served.ask(get(b"/fail"))
            assert answer.status == 500
            assert b"secret" not in answer.body

    run(test())
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    "kind", ["raises", "raises late", "says nothing", "bad header", "nonsense"]
)
def test_an_application_that_breaks_off_is_visibly_broken(
    run: Run, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if kind == "raises late":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            raise RuntimeError
        if kind == "raises":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise RuntimeError
        if kind == "bad header":
            fields = [(b"a", b"b\r\nc: d")]
            await send({"type": "http.response.start", "status": 200, "headers": fields})
        if kind == "nonsense":
            await send({"type": "http.response.body", "body": b"x"})

    async def test() -> None:
        async with serving(AsgiAdapter(app, write_error)) as served:
            client = await served.client(get(b"/"))
            if kind == "raises late":
                assert not (await client.rest()).endswith(b"0\r\n\r\n")
            else:
                answer = await client.answer()
                assert (answer.status, answer.code) == (500, "internal_error")

    run(test())
    assert "failed" in caplog.text


def test_framing_fields_are_the_connections_own(run: Run) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        fields = [
            (b"Content-Length", b"99"),
            (b"transfer-encoding", b"chunked"),
            (b"connection", b"close"),
            (b"x-a", b"b"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b"hi"})

    async def test() -> None:
        async with serving(AsgiAdapter(app, write_error)) as served:
            answer = await served.ask(get(b"/"))
            assert (answer.body, list(answer.headers)) == (b"hi", ["date", "x-a", "content-length"])

    run(test())


def test_the_application_hears_that_the_client_left(run: Run) -> None:
    heard: list[str] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        heard.append((await receive())["type"])
        heard.append((await receive())["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"late"})

    async def test() -> None:
        async with serving(AsgiAdapter(app, write_error)) as served:
            client = await served.client(get(b"/"))
            await until(lambda: heard)
            client.writer.close()
            await until(lambda: len(heard) == 2)
            assert heard == ["http.request", "http.disconnect"]

    run(test())


def test_a_slow_client_slows_the_application(run: Run) -> None:
    sent: list[int] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(200):
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
            sent.append(number)
        await send({"type": "http.response.body"})

    async def test() -> None:
        async with serving(AsgiAdapter(app, write_error)) as served:
            client = await served.client(get(b"/"), receive_buffer=4096)
            await until(lambda: sent)
            await asyncio.sleep(0.05)
            assert len(sent) < 100
            assert len((await client.answer()).body) == 20_000_000

    run(test())


def test_shutdown_ends_what_is_still_being_answered(run: Run) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await asyncio.Event().wait()

    async def test() -> None:
        adapter = AsgiAdapter(app, write_error)
        await adapter.startup()
        async with serving(adapter) as served:
            client = await served.client(get(b"/"))
            await served.dispatched()
            await asyncio.sleep(0.01)
            await adapter.shutdown()
            assert await client.rest() == b""

    run(test())


def test_an_application_that_cannot_start_says_why(run: Run) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    async def test() -> None:
        with pytest.raises(ConfigError, match="no database"):
            await AsgiAdapter(app, write_error).startup()

    run(test())
