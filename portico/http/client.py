"""The pool of kept-alive connections to providers: last in, first out, by origin.

One sweeper times everything in flight and everything idle; no request has a timer or a task of its
own.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Literal, overload

import msgspec

from portico.errors import UpstreamTimeout, UpstreamUnreachable
from portico.http.dial import dial, explain
from portico.http.proxies import ProxySettings
from portico.http.stream import Stream
from portico.http.tls import ClientContext, client_context
from portico.http.upstream import IdleRaceLost, UpstreamConnection
from portico.types.http import HttpRequest, HttpResponse, Origin

_SWEEP_EVERY_S = 0.1


class _Lane:
    """The connections of one origin; `open` counts those being made, too."""

    __slots__ = ("idle", "open", "waiters")

    def __init__(self) -> None:
        self.idle: list[UpstreamConnection] = []
        self.open = 0
        self.waiters: deque[asyncio.Future[UpstreamConnection | None]] = deque()


class PoolStats(msgspec.Struct, frozen=True):
    open: int
    idle: int


class HttpPool:
    """Satisfies `http.base.Pool`. Made and used inside one running event loop.

    `ssl_context` makes the one context for all https origins, on first need. `resolve`, where it is
    given, says which addresses an origin is reached at, or raises. A request that finds
    `max_connections_per_origin` open waits for one of them, within its `connect` time.
    """

    def __init__(
        self,
        *,
        max_idle_per_origin: int = 256,
        idle_s: float = 60.0,
        max_connections_per_origin: int = 4096,
        proxies: ProxySettings | None = None,
        ssl_context: Callable[[], ssl.SSLContext] = client_context,
        resolve: Callable[[Origin], Awaitable[Sequence[str]]] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.clock = clock or self.loop.time
        self._max_idle = max_idle_per_origin
        self._idle_s = idle_s
        self._max_open = max_connections_per_origin
        self._proxies = proxies
        self._make_context = ssl_context
        self._resolve = resolve
        self._context: ssl.SSLContext | None = None
        self._lanes: dict[Origin, _Lane] = {}
        self._connections: set[UpstreamConnection] = set()
        self._sweep_handle: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._all_lost: asyncio.Future[None] | None = None

    def send(self, request: HttpRequest) -> Coroutine[Any, Any, HttpResponse]:
        return self._exchange(request, False)

    def open(self, request: HttpRequest) -> Coroutine[Any, Any, HttpResponse | Stream]:
        return self._exchange(request, bool(request.stream_types))

    @property
    def stats(self) -> PoolStats:
        idle = sum(len(lane.idle) for lane in self._lanes.values())
        return PoolStats(len(self._connections), idle)

    async def close(self, timeout_s: float = 1.0) -> None:
        """Cut everything and wait until the event loop has let go of it."""
        self.abort()
        if self._connections:
            self._all_lost = self.loop.create_future()
            await asyncio.wait((self._all_lost,), timeout=timeout_s)

    def abort(self) -> None:
        """Cut everything now; what is in flight fails with UpstreamUnreachable."""
        self._is_closed = True
        if self._sweep_handle is not None:
            self._sweep_handle.cancel()
            self._sweep_handle = None
        for lane in self._lanes.values():
            for waiter in lane.waiters:
                if not waiter.done():
                    waiter.set_exception(_closed())
        for connection in tuple(self._connections):
            connection.cut(_closed())

    # One exchange

    @overload
    async def _exchange(
        self, request: HttpRequest, wants_stream: Literal[False]
    ) -> HttpResponse: ...

    @overload
    async def _exchange(
        self, request: HttpRequest, wants_stream: bool
    ) -> HttpResponse | Stream: ...

    async def _exchange(self, request: HttpRequest, wants_stream: bool) -> HttpResponse | Stream:
        lane = self._lanes.get(request.origin)
        if lane is None:
            lane = self._lanes[request.origin] = _Lane()
        if lane.idle:
            connection = lane.idle.pop()
        else:
            connection = await self._obtain(lane, request)
        waiter = connection.begin(request, wants_stream)
        try:
            return await waiter
        except asyncio.CancelledError:
            connection.give_up(waiter)
            raise
        except IdleRaceLost:
            connection = await self._obtain(lane, request, fresh=True)
        waiter = connection.begin(request, wants_stream)
        try:
            return await waiter
        except asyncio.CancelledError:
            connection.give_up(waiter)
            raise

    async def _obtain(
        self, lane: _Lane, request: HttpRequest, fresh: bool = False
    ) -> UpstreamConnection:
        """A new connection, or one that another request gives back while all of them are in use."""
        if self._is_closed:
            raise _closed()
        origin = request.origin
        proxy = self._proxies.proxy_for(origin) if self._proxies else None
        try:
            async with asyncio.timeout(request.timeouts.connect):
                while lane.open >= self._max_open:
                    given = await self._wait_for_one(lane)
                    if given is None or given.is_closed:
                        continue
                    if not fresh:
                        return given
                    given.drop()
                return await self._connect(lane, origin)
        except TimeoutError as error:
            where = f"{origin} through proxy {proxy}" if proxy else f"{origin}"
            raise UpstreamTimeout(
                f"no connection to {where} within {request.timeouts.connect:g} s "
                "(timeouts.connect)",
                timer="connect",
            ) from error
        except OSError as error:
            raise explain(error, origin, proxy) from error

    async def _wait_for_one(self, lane: _Lane) -> UpstreamConnection | None:
        waiter: asyncio.Future[UpstreamConnection | None] = self.loop.create_future()
        lane.waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                given = waiter.result()
                if given is not None:
                    self.put_back(given)
                else:
                    _wake_one(lane)
            raise

    async def _connect(self, lane: _Lane, origin: Origin) -> UpstreamConnection:
        proxy = self._proxies.proxy_for(origin) if self._proxies else None
        context = self._tls() if origin.scheme == "https" else None
        prefix = fields = b""
        if proxy is not None and context is None:
            prefix = str(origin).encode()
            if proxy.authorization:
                fields = b"proxy-authorization: %b\r\n" % proxy.authorization
        connection = UpstreamConnection(self, origin, prefix, fields)
        lane.open += 1
        self._connections.add(connection)
        if self._sweep_handle is None and not self._is_closed:
            self._sweep_handle = self.loop.call_later(_SWEEP_EVERY_S, self._swept)
        try:
            addresses = () if self._resolve is None else await self._resolve(origin)
            await dial(connection, origin, proxy, context, addresses)
        except BaseException:
            connection.drop()
            self.forget(connection)
            raise
        if self._is_closed:
            connection.drop()
            raise _closed()
        if connection.is_closed:
            message = f"{origin} closed the connection as soon as it was open"
            raise UpstreamUnreachable(message, sent=False)
        return connection

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = self._make_context()
        return self._context

    # What connections ask

    def put_back(self, connection: UpstreamConnection) -> None:
        """The connection can carry another request: to whoever waits for one, else to the stack."""
        lane = self._lanes[connection.origin]
        while lane.waiters:
            waiter = lane.waiters.popleft()
            if not waiter.done():
                connection.deadline = self.clock() + self._idle_s
                waiter.set_result(connection)
                return
        if self._is_closed or len(lane.idle) >= self._max_idle:
            connection.drop()
            return
        connection.deadline = self.clock() + self._idle_s
        lane.idle.append(connection)
        if isinstance(self._context, ClientContext):
            self._remember_session(connection, self._context)

    def lose(self, connection: UpstreamConnection, was_idle: bool) -> None:
        """The connection has ended: its place is free."""
        lane = self._lanes[connection.origin]
        if was_idle and connection in lane.idle:
            lane.idle.remove(connection)
        lane.open -= 1
        _wake_one(lane)

    def forget(self, connection: UpstreamConnection) -> None:
        self._connections.discard(connection)
        if not self._connections and self._all_lost is not None and not self._all_lost.done():
            self._all_lost.set_result(None)

    def _remember_session(self, connection: UpstreamConnection, context: ClientContext) -> None:
        if not connection.is_session_known:
            connection.is_session_known = True
            tls = connection.transport.get_extra_info("ssl_object")
            if tls is not None:
                context.remember(connection.origin.host, tls.session)

    # Time

    def sweep(self) -> None:
        """Act on every deadline that has passed; called ten times a second while anything is
        open."""
        now = self.clock()
        late = [connection for connection in self._connections if connection.deadline <= now]
        for connection in late:
            connection.expire(now)

    def _swept(self) -> None:
        self._sweep_handle = None
        try:
            self.sweep()
        finally:
            if self._connections and not self._is_closed:
                self._sweep_handle = self.loop.call_later(_SWEEP_EVERY_S, self._swept)


def _wake_one(lane: _Lane) -> None:
    """A place is free: let the first who waits make a connection."""
    while lane.waiters:
        waiter = lane.waiters.popleft()
        if not waiter.done():
            waiter.set_result(None)
            return


def _closed() -> UpstreamUnreachable:
    return UpstreamUnreachable("the connection pool is closed: the gateway is stopping", sent=False)
