"""The HTTP/1.1 server: listens, counts its connections, times all of them with one sweeper.

It knows nothing of what is asked: each whole request goes to `dispatch`, with its `Responder`.
"""

import asyncio
import logging
import socket
import ssl as tls
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus

import msgspec

from portico.errors import GatewayError
from portico.http.connection import Connection
from portico.types.http import Request, Responder

_SWEEP_EVERY_S = 0.2
_REFUSED_AT_ONCE = 64
_PHRASES = {int(status): status.phrase.encode() for status in HTTPStatus}


class ServerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one client may cost; times in seconds.

    `header_timeout_s` is for a whole head. A body may pause for `body_timeout_s`, and once
    `body_grace_s` are over it must have come at `min_body_rate` bytes per second on average.
    `write_stall_s` is how long a client may leave a full write buffer (`max_write_buffer`)
    untouched.
    """

    header_timeout_s: float = 10.0
    body_timeout_s: float = 60.0
    body_grace_s: float = 10.0
    min_body_rate: int = 1024
    max_body_bytes: int = 20 * 1024 * 1024
    max_header_bytes: int = 64 * 1024
    max_headers: int = 200
    keep_alive_s: float = 75.0
    max_connections: int = 10_000
    write_stall_s: float = 30.0
    max_write_buffer: int = 256 * 1024
    linger_s: float = 5.0


class Server:
    """Use: `start`, then at the end `begin_drain`, `stop_accepting`, `await wait_idle(...)`,
    `close`.

    `dispatch` is called on the event loop and returns at once; it, or what it started, answers
    through the responder. `write_error` makes the JSON body of refusals that happen below
    `dispatch`. `body_limit` gives the largest body in bytes for a path; without it
    `limits.max_body_bytes` holds. `encoded_slash_under`: see `request_head.read_head`. `clock` is
    the loop's unless a test gives one.
    """

    def __init__(
        self,
        dispatch: Callable[[Request, Responder], None],
        limits: ServerLimits,
        write_error: Callable[[GatewayError], bytes],
        body_limit: Callable[[str], int] | None = None,
        log: logging.Logger | None = None,
        *,
        encoded_slash_under: tuple[str, ...] = (),
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.dispatch = dispatch
        self.limits = limits
        self.write_error = write_error
        self.body_limit = body_limit
        self.log = log or logging.getLogger("portico.http")
        self.encoded_slash_under = encoded_slash_under
        self.is_draining = False
        self.port = 0
        """What is listened on, once started: the one found free if 0 was asked for."""
        self.prefixes: dict[int, bytes] = {}
        self._given_clock = clock
        self._connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self._sweep_handle: asyncio.TimerHandle | None = None
        self._idle_waiter: asyncio.Future[None] | None = None
        self._date_at = 0

    async def start(
        self,
        host: str | None = None,
        port: int = 0,
        *,
        sock: socket.socket | None = None,
        ssl: tls.SSLContext | None = None,
        reuse_port: bool = False,
    ) -> None:
        """Listen on `host:port`, or on the bound socket `sock`. Raises OSError, with its errno."""
        self._loop = loop = asyncio.get_running_loop()
        self.clock = self._given_clock or loop.time
        handshake_s = self.limits.header_timeout_s if ssl else None
        if sock is not None:
            self._listener = await loop.create_server(
                lambda: Connection(self),
                sock=sock,
                ssl=ssl,
                ssl_handshake_timeout=handshake_s,
                backlog=2048,
            )
        else:
            self._listener = await loop.create_server(
                lambda: Connection(self),
                host,
                port,
                ssl=ssl,
                ssl_handshake_timeout=handshake_s,
                backlog=2048,
                reuse_port=reuse_port or None,
            )
        bound = self._listener.sockets[0].getsockname()
        self.port = bound[1] if isinstance(bound, tuple) else 0

    @property
    def connections(self) -> int:
        return len(self._connections)

    def begin_drain(self) -> None:
        """From now on each answer closes its connection; new connections are still taken."""
        self.is_draining = True

    def stop_accepting(self) -> None:
        self.is_draining = True
        if self._listener is not None:
            self._listener.close()
        for connection in tuple(self._connections):
            connection.close_if_idle()

    async def wait_idle(self, timeout_s: float) -> bool:
        """Wait until no request is being read or answered; False if `timeout_s` passed first."""
        if not self._is_busy():
            return True
        self._idle_waiter = waiter = self._loop.create_future()
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except TimeoutError:
            return False
        finally:
            self._idle_waiter = None
        return True

    def close(self) -> None:
        """Stop listening and cut what is left."""
        if self._listener is not None:
            self._listener.close()
        for connection in tuple(self._connections):
            connection.cut()
        if self._sweep_handle is not None:
            self._sweep_handle.cancel()
            self._sweep_handle = None

    # What connections ask

    def admit(self, connection: Connection) -> bool:
        """Count a new connection; False if there are too many and it is to be refused."""
        self._connections.add(connection)
        if self._sweep_handle is None:
            self._refresh_date()
            self._sweep_handle = self._loop.call_later(_SWEEP_EVERY_S, self._swept)
        return len(self._connections) <= self.limits.max_connections

    @property
    def is_overrun(self) -> bool:
        """Are there so many connections that even saying so to one more is too much?"""
        return len(self._connections) > self.limits.max_connections + _REFUSED_AT_ONCE

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if self._idle_waiter is not None:
            self._wake_waiter()

    def prefix(self, status: int) -> bytes:
        """The status line and the date, made once per status and second."""
        phrase = _PHRASES.get(status, b"Unknown")
        made = b"HTTP/1.1 %d %b\r\ndate: %b\r\n" % (status, phrase, self._date)
        self.prefixes[status] = made
        return made

    # Time

    def sweep(self) -> None:
        """Act on every deadline that has passed; called five times a second while anyone is
        here."""
        self._refresh_date()
        now = self.clock()
        late = [connection for connection in self._connections if connection.deadline <= now]
        for connection in late:
            connection.expire(now)
        if self._idle_waiter is not None:
            self._wake_waiter()

    def _swept(self) -> None:
        self._sweep_handle = None
        try:
            self.sweep()
        finally:
            if self._connections:
                self._sweep_handle = self._loop.call_later(_SWEEP_EVERY_S, self._swept)

    def _refresh_date(self) -> None:
        second = int(time.time())
        if second != self._date_at:
            self._date_at = second
            self._date = formatdate(second, usegmt=True).encode()
            self.prefixes.clear()

    def _is_busy(self) -> bool:
        return any(connection.is_busy for connection in self._connections)

    def _wake_waiter(self) -> None:
        waiter = self._idle_waiter
        if waiter is not None and not waiter.done() and not self._is_busy():
            waiter.set_result(None)
