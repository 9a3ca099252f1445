"""One client connection: requests in, one at a time and in order, answers out.

`RequestReader` cuts the bytes into requests. While one of them is being answered nothing further is
parsed: bytes of pipelined requests wait, bounded, and then reading stops. So there is one active
request, and the connection itself is its `Responder`.

A client that half-closes while we work has left: nginx (`proxy_ignore_client_abort off`) and hyper
(`half_close(false)`) read it the same way, and it is the only sign of a closed client that TCP
gives.
"""

import asyncio
import re
import secrets
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Final, cast

from portico.errors import (
    GatewayError,
    InternalError,
    Overloaded,
    RequestTimeout,
)
from portico.http.request_head import RequestHead
from portico.http.request_reader import RequestReader
from portico.types.http import Headers, Request

if TYPE_CHECKING:
    from portico.http.server import Server

IDLE: Final = 0  # between requests
HEAD: Final = 1  # part of a head is here
BODY: Final = 2
ANSWERING: Final = 3  # dispatched, nothing written
STREAMING: Final = 4  # `start` was called
LINGERING: Final = (
    5  # answered; reading on so that closing does not reset what the client has yet to read
)
CLOSING: Final = 6
CLOSED: Final = 7

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_JOINED_WRITE = 64 * 1024
_MAX_HELD = 64 * 1024
_DRAINED_ENOUGH = 4096
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}\Z")


class Connection(asyncio.Protocol):
    __slots__ = (
        "_drained_from",
        "_gone",
        "_held",
        "_is_head_method",
        "_is_http_11",
        "_is_paused",
        "_is_reading_paused",
        "_keep_alive",
        "_pause",
        "_reader",
        "_resume",
        "_server",
        "_started_at",
        "_state",
        "_transport",
        "_writes_body",
        "deadline",
        "peer",
    )

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._state = IDLE
        self._reader = _reader_for(server)
        self._held = b""
        self._is_paused = False
        self._is_reading_paused = False
        self._keep_alive = True
        self._is_http_11 = True
        self._is_head_method = False
        self._gone: Callable[[], object] | None = None
        self._pause: Callable[[], None] | None = None
        self._resume: Callable[[], None] | None = None
        self.deadline = inf
        self.peer = ""

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)
        self.peer = _peer(transport.get_extra_info("peername"))
        server = self._server
        transport.set_write_buffer_limits(high=server.limits.max_write_buffer)
        self.deadline = server.clock() + server.limits.header_timeout_s
        if server.admit(self):
            return
        if server.is_overrun:
            self.cut()
        else:
            self._refuse(Overloaded("too many connections are open; try again shortly"))

    def data_received(self, data: bytes) -> None:
        if self._state < ANSWERING and not self._is_paused:
            self._consume(data)
        elif self._state < LINGERING:
            self._hold(data)

    def eof_received(self) -> None:
        if ANSWERING <= self._state <= STREAMING:
            self.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        try:
            self._leave()
        finally:
            self._server.forget(self)

    def pause_writing(self) -> None:
        self._is_paused = True
        self._drained_from = self._transport.get_write_buffer_size()
        self.deadline = self._server.clock() + self._server.limits.write_stall_s
        if self._pause is not None:
            self._pause()

    def resume_writing(self) -> None:
        self._is_paused = False
        if self._state < ANSWERING:
            limits = self._server.limits
            wait_s = limits.keep_alive_s if self._state == IDLE else limits.header_timeout_s
            self.deadline = self._server.clock() + wait_s
            self._continue()
        elif self._state <= STREAMING:
            self.deadline = inf
            if self._resume is not None:
                self._resume()

    # Requests in

    def _consume(self, data: bytes) -> None:
        """Take requests off `data` until it is used up or one of them is being answered."""
        reader = self._reader
        while data:
            try:
                body = reader.feed(data)
            except GatewayError as error:
                self._refuse(error, reader.head)
                return
            head = reader.head
            if body is None or head is None:
                self._await_more(reader)
                return
            data = reader.rest
            self._dispatch(head, body)
            if self._state >= ANSWERING or self._is_paused:
                if data and self._state < LINGERING:
                    self._hold(data)
                return

    def _await_more(self, reader: RequestReader) -> None:
        if reader.is_in_body:
            if self._state != BODY:
                self._state = BODY
                self._started_at = self._server.clock()
                if reader.wants_continue:
                    self._transport.write(_CONTINUE)
            self._renew_body_deadline(reader.received)
        elif self._state == IDLE and reader.has_begun:
            self._state = HEAD
            self.deadline = self._server.clock() + self._server.limits.header_timeout_s

    def _renew_body_deadline(self, received: int) -> None:
        limits = self._server.limits
        self.deadline = min(
            self._server.clock() + limits.body_timeout_s,
            self._started_at + limits.body_grace_s + received / limits.min_body_rate,
        )

    def _dispatch(self, head: RequestHead, body: bytes) -> None:
        self._state = ANSWERING
        self._keep_alive = head.keep_alive
        self._is_http_11 = head.is_http_11
        self._is_head_method = head.method == "HEAD"
        if not self._is_paused:
            self.deadline = inf
        request = Request(head.method, head.path, head.query, head.headers, body, self.peer)
        try:
            self._server.dispatch(request, self)
        except Exception:  # the outermost handler: whatever failed, the client gets an answer
            self._server.log.exception("dispatch failed for %s %r", head.method, head.path)
            if self._state == ANSWERING:
                self._refuse(InternalError("the gateway failed on this request"), head)
            else:
                self.abort()

    def _hold(self, data: bytes) -> None:
        self._held += data
        if len(self._held) > _MAX_HELD and not self._is_reading_paused:
            self._is_reading_paused = True
            self._transport.pause_reading()

    def _continue(self) -> None:
        """Go on with the requests that came while the last one was being answered."""
        if self._held:
            data, self._held = self._held, b""
            if self._is_reading_paused:
                self._is_reading_paused = False
                self._transport.resume_reading()
            self._consume(data)

    # Answers out: the Responder of the request being answered

    @property
    def is_gone(self) -> bool:
        return self._state >= CLOSING

    def send(self, status: int, fields: bytes, body: bytes) -> None:
        if self._state != ANSWERING:
            return self._not_answering()
        server = self._server
        if self._keep_alive and self._is_http_11 and not server.is_draining:
            connection = b""
        else:
            connection = self._connection_field()
        prefix = server.prefixes.get(status) or server.prefix(status)
        if status == 204 or status == 304:
            self._transport.write(b"%b%b%b\r\n" % (prefix, fields, connection))
        elif self._is_head_method:
            self._transport.write(
                b"%b%b%bcontent-length: %d\r\n\r\n" % (prefix, fields, connection, len(body))
            )
        elif len(body) <= _JOINED_WRITE:
            self._transport.write(
                b"%b%b%bcontent-length: %d\r\n\r\n%b"
                % (prefix, fields, connection, len(body), body)
            )
        else:
            head = b"%b%b%bcontent-length: %d\r\n\r\n" % (prefix, fields, connection, len(body))
            self._transport.writelines((head, body))
        self._answered()

    def start(self, status: int, fields: bytes, data: bytes = b"") -> None:
        if self._state != ANSWERING:
            return self._not_answering()
        self._state = STREAMING
        bodiless = status == 204 or status == 304
        self._writes_body = not bodiless and not self._is_head_method
        if not self._is_http_11:
            self._keep_alive = False
        chunked = self._is_http_11 and not bodiless
        framing = b"transfer-encoding: chunked\r\n" if chunked else b""
        connection = self._connection_field()
        prefix = self._server.prefixes.get(status) or self._server.prefix(status)
        head = b"%b%b%b%b\r\n" % (prefix, fields, connection, framing)
        self._transport.write(head + self._framed(data) if data else head)
        return None

    def write(self, data: bytes) -> None:
        if self._state != STREAMING:
            return self._not_answering()
        if self._is_paused:
            self._drained_from += len(data)
        if not data or not self._writes_body:
            return None
        if not self._is_http_11:
            self._transport.write(data)
        elif len(data) <= _JOINED_WRITE:
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self._transport.writelines((b"%x\r\n" % len(data), data, b"\r\n"))
        return None

    def finish(self, data: bytes = b"") -> None:
        if self._state != STREAMING:
            return self._not_answering()
        if self._is_http_11 and self._writes_body:
            self._transport.write(self._framed(data) + _LAST_CHUNK)
        elif data:
            self.write(data)
        self._answered()
        return None

    def _framed(self, data: bytes) -> bytes:
        if not self._writes_body or not data:
            return b""
        return b"%x\r\n%b\r\n" % (len(data), data) if self._is_http_11 else data

    def abort(self) -> None:
        if self._state < CLOSED:
            self._gone = self._pause = self._resume = None
            self._state = CLOSING
            self._transport.abort()

    def watch(
        self,
        *,
        gone: Callable[[], object],
        pause: Callable[[], None] | None = None,
        resume: Callable[[], None] | None = None,
    ) -> None:
        if self._state >= CLOSING:
            gone()
            return
        self._gone, self._pause, self._resume = gone, pause, resume
        if self._is_paused and pause is not None:
            pause()

    def _connection_field(self) -> bytes:
        if self._server.is_draining:
            self._keep_alive = False
        if not self._keep_alive:
            return b"connection: close\r\n"
        return b"" if self._is_http_11 else b"connection: keep-alive\r\n"

    def _not_answering(self) -> None:
        if self._state < CLOSING:
            raise RuntimeError("no request is waiting for this part of an answer")

    def _answered(self) -> None:
        self._gone = self._pause = self._resume = None
        if not self._keep_alive:
            if self._held:
                self._linger()
            else:
                self._close()
            return
        self._state = IDLE
        if not self._is_paused:
            self.deadline = self._server.clock() + self._server.limits.keep_alive_s
            if self._held:
                self._continue()

    # Refusals and ends

    def _refuse(self, error: GatewayError, head: RequestHead | None = None) -> None:
        """Answer `error` and close; nothing that follows is read."""
        server = self._server
        request_id = _request_id(head.headers if head else {})
        server.log.info(
            "request %s from %s refused: %d %s: %s",
            request_id.decode(),
            self.peer,
            error.status,
            error.code,
            error.message,
        )
        body = server.write_error(error)
        shown = b"" if head and head.method == "HEAD" else body
        retry = b"retry-after: 1\r\n" if error.status == 503 else b""
        prefix = server.prefixes.get(error.status) or server.prefix(error.status)
        self._transport.write(
            b"%bcontent-type: application/json\r\nx-request-id: %b\r\n%bconnection: close\r\n"
            b"content-length: %d\r\n\r\n%b" % (prefix, request_id, retry, len(body), shown)
        )
        self._linger()

    def _linger(self) -> None:
        """Say that we are done, and read on for a while.

        Closing with bytes unread would send a reset, and the client might never see the answer
        (RFC 9112 section 9.6).
        """
        self._state = LINGERING
        self._gone = self._pause = self._resume = None
        self._held = b""
        self._drained_from = self._transport.get_write_buffer_size()
        self._reader = _reader_for(self._server)
        self.deadline = self._server.clock() + self._server.limits.linger_s
        if self._is_reading_paused:
            self._is_reading_paused = False
            self._transport.resume_reading()
        if not self._transport.is_closing() and self._transport.can_write_eof():
            self._transport.write_eof()

    def _close(self) -> None:
        self._state = CLOSING
        self._drained_from = self._transport.get_write_buffer_size()
        self.deadline = self._server.clock() + self._server.limits.write_stall_s
        self._transport.close()

    def _leave(self) -> None:
        """The client is gone: tell whoever is answering, once."""
        self._state = CLOSED
        self.deadline = inf
        gone = self._gone
        self._gone = self._pause = self._resume = None
        self._held = b""
        if gone is not None:
            gone()

    # What the server asks

    @property
    def is_busy(self) -> bool:
        """Is a request being read or answered, or an answer still on its way out?"""
        if self._state == LINGERING or self._state == IDLE:
            return self._transport.get_write_buffer_size() > 0
        return self._state < CLOSED

    def close_if_idle(self) -> None:
        if self._state == IDLE:
            self._close()

    def expire(self, now: float) -> None:
        """The deadline has passed: what that means depends on what we were waiting for."""
        limits = self._server.limits
        unsent = self._transport.get_write_buffer_size()
        if self._is_paused or (unsent and self._state >= LINGERING):
            if self._drained_from - unsent >= _DRAINED_ENOUGH:
                self._drained_from = unsent
                self.deadline = now + limits.write_stall_s
                return
            self._server.log.info("%s does not read its answer: connection cut", self.peer)
            self.cut()
        elif self._state == HEAD:
            self._refuse(
                RequestTimeout(f"the request head took longer than {limits.header_timeout_s:g} s")
            )
        elif self._state == BODY:
            self._refuse(
                RequestTimeout(
                    f"the request body came slower than {limits.min_body_rate} bytes/s, "
                    f"or not at all for {limits.body_timeout_s:g} s"
                ),
                self._reader.head,
            )
        elif self._state == IDLE:
            self._close()
        else:
            self.cut()

    def cut(self) -> None:
        """Close without another word, and tell whoever is answering."""
        self._transport.abort()
        self._leave()


def _reader_for(server: "Server") -> RequestReader:
    return RequestReader(server.limits, server.body_limit, server.encoded_slash_under)


def _request_id(headers: Headers) -> bytes:
    """The client's own id if it is sane, else a new one."""
    given = headers.get(b"x-request-id")
    if given is not None and _REQUEST_ID.match(given):
        return given
    return b"req_" + secrets.token_hex(12).encode()


def _peer(name: object) -> str:
    match name:
        case (str(host), int(port), *_):
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        case _:
            return "local socket"
