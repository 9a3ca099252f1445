"""Opening a connection to an origin: directly, or through a proxy (absolute form, or CONNECT)."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from portico.errors import UpstreamError, UpstreamUnreachable
from portico.http.proxies import Proxy
from portico.types.http import Origin

_MAX_CONNECT_ANSWER = 64 * 1024


async def dial(
    protocol: asyncio.Protocol,
    origin: Origin,
    proxy: Proxy | None,
    context: ssl.SSLContext | None,
    addresses: Sequence[str] = (),
) -> None:
    """Connect `protocol` to `origin`; `context` is given exactly for https.

    Where `addresses` are given, to one of them and to nothing that the name may resolve to. The
    caller sets the time limit. Raises OSError, or UpstreamUnreachable if the proxy declines.
    """
    loop = asyncio.get_running_loop()
    if proxy is None:
        *others, last = addresses or (origin.host,)
        for host in others:
            try:
                await _connect(protocol, host, origin, context)
            except ssl.SSLError:
                raise  # it would be no better elsewhere
            except OSError:
                continue
            return
        await _connect(protocol, last, origin, context)
    elif context is None:
        await loop.create_connection(lambda: protocol, proxy.host, proxy.port)
    else:
        transport, tunnel = await loop.create_connection(_Tunnel, proxy.host, proxy.port)
        try:
            await tunnel.open(origin, proxy)
            secured = await loop.start_tls(
                transport, protocol, context, server_hostname=origin.host
            )
        except BaseException:
            transport.abort()
            raise
        assert secured is not None
        protocol.connection_made(secured)


async def _connect(
    protocol: asyncio.Protocol, host: str, origin: Origin, context: ssl.SSLContext | None
) -> None:
    await asyncio.get_running_loop().create_connection(
        lambda: protocol,
        host,
        origin.port,
        ssl=context,
        server_hostname=origin.host if context else None,
    )


class _Tunnel(asyncio.Protocol):
    """Asks a proxy for a tunnel (RFC 9110 section 9.3.6) and waits for its 2xx."""

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._received = 0
        self._status = 0
        self._opened: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def open(self, origin: Origin, proxy: Proxy) -> None:
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        name = host.encode("ascii" if host.isascii() else "idna")
        target = b"%b:%d" % (name, origin.port)
        credential = b""
        if proxy.authorization:
            credential = b"proxy-authorization: %b\r\n" % proxy.authorization
        self._transport.write(
            b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (target, target, credential)
        )
        status = await self._opened
        if not 200 <= status < 300:
            message = f"proxy {proxy} answered {status or 'nothing'} to CONNECT for {origin}"
            raise UpstreamUnreachable(message, sent=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._settle(self._status)
        if self._received > _MAX_CONNECT_ANSWER:
            self._settle(0)

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        if self._status >= 200:
            self._settle(self._status)

    def connection_lost(self, exc: Exception | None) -> None:
        self._settle(0)

    def _settle(self, status: int) -> None:
        if not self._opened.done():
            self._opened.set_result(status)


def explain(error: OSError, origin: Origin, proxy: Proxy | None) -> UpstreamError:
    """What failed while connecting, in plain words."""
    where = f"{origin} through proxy {proxy}" if proxy else f"{origin}"
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = f"its TLS certificate is not trusted: {error.verify_message}"
    elif isinstance(error, ssl.SSLError):
        reason = f"TLS failed: {error.reason or error}"
    elif isinstance(error, socket.gaierror):
        reason = "its name cannot be resolved (DNS)"
    elif isinstance(error, ConnectionRefusedError):
        reason = "connection refused"
    elif isinstance(error, ConnectionResetError):
        reason = "the connection was reset while opening"
    else:
        reason = error.strerror or str(error) or type(error).__name__
    return UpstreamUnreachable(f"cannot reach {where}: {reason}", sent=False)
