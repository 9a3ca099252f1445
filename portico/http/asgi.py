"""ASGI 3 applications behind `Server`: for the control plane, where comfort counts more than speed.

The `http` and `lifespan` scopes of https://asgi.readthedocs.io/en/latest/specs/www.html, read
2026-11-23. Whole bodies in; answers whole or streamed, with back-pressure.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from portico.errors import ConfigError, GatewayError, InternalError
from portico.types.http import Request, Responder

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_VERSION = {"version": "3.0", "spec_version": "2.3"}
_OURS = frozenset((b"content-length", b"transfer-encoding", b"connection", b"date", b"keep-alive"))


class AsgiAdapter:
    """Call it as a dispatcher: `adapter(request, responder)`.

    `write_error` makes the JSON body of the 500 that answers an application's exception. Between
    `await startup()` and `await shutdown()` the application's lifespan runs, if it has one.
    """

    def __init__(
        self,
        app: AsgiApp,
        write_error: Callable[[GatewayError], bytes],
        log: logging.Logger | None = None,
        *,
        scheme: str = "http",
    ) -> None:
        self._app = app
        self._write_error = write_error
        self._log = log or logging.getLogger("portico.http")
        self._scheme = scheme
        self._tasks: set[asyncio.Task[None]] = set()
        self._state: dict[str, Any] = {}
        self._lifespan: _Lifespan | None = None

    def __call__(self, request: Request, responder: Responder) -> None:
        task = asyncio.get_running_loop().create_task(self._run(request, responder))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def startup(self) -> None:
        """Run the application's start-up. Raises ConfigError if it says that it failed."""
        self._lifespan = _Lifespan(self._app, self._state, self._log)
        await self._lifespan.startup()

    async def shutdown(self) -> None:
        """End what is still being answered, then the application's lifespan."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._lifespan is not None:
            await self._lifespan.shutdown()

    async def _run(self, request: Request, responder: Responder) -> None:
        exchange = _Exchange(request, responder)
        responder.watch(gone=exchange.leave, pause=exchange.pause, resume=exchange.resume)
        scope = self._scope(request)
        try:
            await self._app(scope, exchange.receive, exchange.send)
            if not exchange.is_complete and not responder.is_gone:
                raise RuntimeError("the application returned without a whole answer")
        except asyncio.CancelledError:
            if not exchange.is_complete:
                responder.abort()
            raise
        except Exception:  # noqa: BLE001 (the outermost handler: the client gets an answer)
            self._log.exception("%s %r failed", request.method, request.path)
            self._answer_failure(exchange, responder)

    def _answer_failure(self, exchange: "_Exchange", responder: Responder) -> None:
        if exchange.is_complete or responder.is_gone:
            return
        if exchange.is_started:
            responder.abort()
            return
        body = self._write_error(InternalError("the gateway failed on this request"))
        responder.send(500, b"content-type: application/json\r\n", body)

    def _scope(self, request: Request) -> dict[str, Any]:
        host, _, port = request.peer.rpartition(":")
        server, _, server_port = request.headers.get(b"host", b"").decode("latin-1").partition(":")
        return {
            "type": "http",
            "asgi": _VERSION,
            "http_version": "1.1",
            "method": request.method,
            "scheme": self._scheme,
            "path": request.path,
            "query_string": request.query,
            "root_path": "",
            "headers": list(request.headers.items()),
            "client": (host.strip("[]"), int(port)) if port.isdigit() else None,
            "server": (server, int(server_port) if server_port.isdigit() else None),
            "state": self._state.copy(),
        }


class _Exchange:
    """One request and its answer, between the application and the connection."""

    def __init__(self, request: Request, responder: Responder) -> None:
        self._request: Request | None = request
        self._responder = responder
        self._over = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._status: int | None = None
        self._fields = b""
        self.is_started = False
        self.is_complete = False

    def leave(self) -> None:
        self._over.set()
        self._writable.set()

    def pause(self) -> None:
        self._writable.clear()

    def resume(self) -> None:
        self._writable.set()

    async def receive(self) -> Message:
        request, self._request = self._request, None
        if request is not None:
            return {"type": "http.request", "body": request.body, "more_body": False}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start" and self._status is None:
            self._status = int(message["status"])
            self._fields = _fields(message.get("headers", ()))
        elif kind == "http.response.body" and self._status is not None and not self.is_complete:
            self._write(self._status, bytes(message.get("body", b"")), message.get("more_body"))
            await self._writable.wait()
        else:
            raise RuntimeError(f"unexpected ASGI message {kind!r}")

    def _write(self, status: int, body: bytes, more: bool | None) -> None:
        responder = self._responder
        if responder.is_gone:
            self.is_complete = not more
        elif not self.is_started and not more:
            self._complete()
            responder.send(status, self._fields, body)
        elif not self.is_started:
            self.is_started = True
            responder.start(status, self._fields, body)
        elif more:
            responder.write(body)
        else:
            self._complete()
            responder.finish(body)

    def _complete(self) -> None:
        self.is_complete = True
        self._over.set()


def _fields(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    lines: list[bytes] = []
    for name, value in headers:
        if b"\n" in name + value or b"\r" in name + value or b"\0" in name + value:
            raise ValueError(f"a control byte in response header {name!r}")
        if name.lower() not in _OURS:
            lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join(lines)


class _Lifespan:
    """The application's own start and end, in a task of its own as the specification wants."""

    def __init__(self, app: AsgiApp, state: dict[str, Any], log: logging.Logger) -> None:
        self._app = app
        self._state = state
        self._log = log
        self._messages: asyncio.Queue[Message] = asyncio.Queue(maxsize=2)
        self._started: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._stopped = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        self._messages.put_nowait({"type": "lifespan.startup"})
        self._task = asyncio.get_running_loop().create_task(self._run())
        failure = await self._started
        if failure is not None:
            await self._task
            raise ConfigError(f"the application did not start: {failure}")

    async def shutdown(self) -> None:
        if self._task is not None and not self._task.done():
            self._messages.put_nowait({"type": "lifespan.shutdown"})
            await self._stopped.wait()
            await self._task

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": _VERSION, "state": self._state}
        try:
            await self._app(scope, self._messages.get, self._send)
        except Exception as error:  # noqa: BLE001 (so does an application without a lifespan)
            if self._started.done():
                self._log.exception("the application's lifespan failed")
            else:
                self._log.debug("no lifespan: %s", error)
        finally:
            if not self._started.done():
                self._started.set_result(None)
            self._stopped.set()

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self._settle(None)
        elif kind == "lifespan.startup.failed":
            self._settle(message.get("message") or "it gave no reason")
        elif kind == "lifespan.shutdown.failed":
            self._log.error("the application did not stop cleanly: %s", message.get("message"))
            self._stopped.set()
        else:
            self._stopped.set()

    def _settle(self, failure: str | None) -> None:
        if not self._started.done():
            self._started.set_result(failure)
