"""One connection to a provider: a request out, its answer in, one at a time.

llhttp checks the answer's framing; bodies are handed on in one piece for each socket read. The pool
(`client.py`) owns connections and their timers; this file says what each byte and each silence
means.
"""

import asyncio
from math import inf
from typing import TYPE_CHECKING, Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from portico.errors import UpstreamError, UpstreamProtocol, UpstreamTimeout, UpstreamUnreachable
from portico.http.stream import Stream
from portico.types.http import (
    Headers,
    HttpHead,
    HttpRequest,
    HttpResponse,
    Origin,
    Timeouts,
)

if TYPE_CHECKING:
    from portico.http.client import HttpPool

IDLE: Final = 0
AWAITING: Final = 1  # the request is on its way, no byte of an answer is here
RECEIVING: Final = 2
CLOSED: Final = 3

_JOINED_WRITE = 64 * 1024
_MAX_HEAD_BYTES = 128 * 1024
_MAX_JOINED_FIELD = 16 * 1024
_FEW_DIGITS = 6  # lengths below a megabyte are not worth refusing ahead of the body

# A pooled connection that the provider closed while our request was on its way tells us so within a
# round trip. One that dies later may have carried the request to somebody who worked, and bills.
_IDLE_RACE_S = 1.0


class IdleRaceLost(Exception):
    """The provider closed a kept-alive connection as we were about to use it."""


class UpstreamConnection(asyncio.Protocol):
    __slots__ = (
        "_body",
        "_has_begun",
        "_has_extra",
        "_head_bytes",
        "_head_seen",
        "_headers",
        "_is_complete",
        "_is_reused",
        "_is_until_eof",
        "_keep_alive",
        "_parser",
        "_pieces",
        "_pool",
        "_refusal",
        "_request",
        "_sent_at",
        "_silence_s",
        "_status",
        "_stream",
        "_timeouts",
        "_total_at",
        "_transport",
        "_unsent",
        "_waiter",
        "_wants_stream",
        "deadline",
        "is_session_known",
        "on_body",
        "origin",
        "proxy_fields",
        "proxy_prefix",
        "state",
    )

    def __init__(
        self, pool: "HttpPool", origin: Origin, proxy_prefix: bytes = b"", proxy_fields: bytes = b""
    ) -> None:
        self._pool = pool
        self.origin = origin
        self.proxy_prefix = proxy_prefix
        self.proxy_fields = proxy_fields
        self.state: int = IDLE
        self.deadline = inf
        self._pieces: list[bytes] = []
        self.on_body = self._pieces.append  # called for every chunk of a stream: no frame for it
        self._parser = HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._request: HttpRequest | None = None
        self._waiter: asyncio.Future[HttpResponse | Stream] | None = None
        self._stream: Stream | None = None
        self._is_reused = False
        self.is_session_known = False

    @property
    def transport(self) -> asyncio.Transport:
        assert self._transport is not None, "the connection is made before it is used"
        return self._transport

    # A request out

    def begin(
        self, request: HttpRequest, wants_stream: bool
    ) -> asyncio.Future[HttpResponse | Stream]:
        """Write `request`; the future holds the whole answer, or a Stream if it is one and
        wanted."""
        pool = self._pool
        self._request = request
        self._wants_stream = wants_stream
        self._waiter = waiter = pool.loop.create_future()
        self._headers: Headers = {}
        self._body: bytes | bytearray = b""
        self._pieces.clear()
        self._status = 0
        self._head_bytes = 0
        self._head_seen = False
        self._is_complete = False
        self._has_extra = False
        self._is_until_eof = False
        self._keep_alive = False
        self._refusal = ""
        self.state = AWAITING
        self._sent_at = now = pool.clock()
        self._timeouts = timeouts = request.timeouts
        self._silence_s = timeouts.idle
        self._has_begun = True
        self._total_at = now + timeouts.total
        self._arm(now + self._time_to_begin())
        request.is_sent = True
        head, body = request.head, request.body
        if self.proxy_prefix:
            head = self._to_proxy(head)
        transport = self._transport
        assert transport is not None, "the connection is made before it is used"
        if len(body) <= _JOINED_WRITE:
            transport.write(head + body)
            self._unsent = 0
        else:
            transport.writelines((head, body))
            self._unsent = transport.get_write_buffer_size()
        return waiter

    def _to_proxy(self, head: bytes) -> bytes:
        """The absolute form that a plain-HTTP proxy needs (RFC 9112 section 3.2.2)."""
        line, _, rest = head.partition(b"\r\n")
        method, _, target = line.partition(b" ")
        return b"%b %b%b\r\n%b%b" % (method, self.proxy_prefix, target, self.proxy_fields, rest)

    def give_up(self, waiter: asyncio.Future[HttpResponse | Stream]) -> None:
        """Whoever awaited `waiter` was cancelled: the connection cannot be used again."""
        if self._waiter is waiter:
            self.drop()
        elif waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            answer = waiter.result()
            if isinstance(answer, Stream):
                answer.close()

    def drop(self) -> None:
        """Close now and tell nobody."""
        self._waiter = self._stream = None
        self._leave()

    def cut(self, error: UpstreamError) -> None:
        """Close now and tell whoever waits for the answer."""
        self._fail(error)

    # The answer in

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self.state == CLOSED:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.state == AWAITING:
            self.state = RECEIVING
        elif self.state != RECEIVING:
            self._leave()  # bytes that nobody asked for: the next answer could not be trusted
            return
        had_head = self._head_seen
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self._is_complete:
                self._gather()
                self._fail_framing(error)
                return
            self._has_extra = True
        if not self._is_complete:
            self._gather()
        if self._refusal:
            self._fail(self._protocol_error(self._refusal))
            return
        if not had_head:
            self._head_bytes += len(data)
            if not self._head_seen:
                if self._head_bytes > _MAX_HEAD_BYTES:
                    message = f"the head of its answer is larger than {_MAX_HEAD_BYTES} bytes"
                    self._fail(self._protocol_error(message))
                    return
            elif self._wants_stream:
                self._choose_stream()
        if self._stream is not None:
            self._deliver(self._stream)
        elif self._is_complete:
            self._finish_whole()
        elif len(self._body) > self._timed_request.max_response_bytes:
            self._fail_too_large()
        elif self._head_seen:  # a head that drips has no more time than one that does not come
            self._arm(self._pool.clock() + self._silence_s)

    def on_message_begin(self) -> None:
        if self._is_complete:
            self._has_extra = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_seen:
            return  # a trailer, or bytes after the end
        name = name.lower()
        value = value.rstrip()  # llhttp leaves blanks at the end; it refused all other white space
        headers = self._headers
        if name not in headers:
            headers[name] = value
        elif len(headers[name]) < _MAX_JOINED_FIELD:
            headers[name] += b", " + value
        else:
            self._refusal = f"its answer repeats a header past {_MAX_JOINED_FIELD} bytes"

    def on_headers_complete(self) -> None:
        if self._head_seen:
            return
        status = self._parser.get_status_code()
        if status < 200:
            if status == 101:
                self._refusal = "it answered 101 to a request that asked for no upgrade"
            return
        self._status = status
        self._head_seen = True
        self._keep_alive = self._parser.should_keep_alive()
        headers = self._headers
        coding = headers.get(b"transfer-encoding")
        length = headers.get(b"content-length")
        if coding is not None:
            if coding.lower() != b"chunked":
                self._refusal = "its answer has a `transfer-encoding` other than `chunked`"
        elif length is None:
            self._is_until_eof = status != 204 and status != 304
        elif len(length) > _FEW_DIGITS and not self._wants_stream:
            limit = self._timed_request.max_response_bytes
            if int(length[:18]) > limit:
                self._refusal = f"its answer is larger than {limit} bytes"

    def on_message_complete(self) -> None:
        if not self._head_seen:
            self._headers = {}  # that was a 1xx
        elif not self._is_complete:
            self._is_complete = True
            self._gather()

    def _gather(self) -> None:
        """Add to the body what the parser found of it; a piece after its end is not taken."""
        piece = b"".join(self._pieces)
        self._pieces.clear()
        body = self._body
        if not body:
            self._body = piece
        elif type(body) is bytearray:
            body += piece
        else:
            self._body = bytearray(body)
            self._body += piece

    def _choose_stream(self) -> None:
        request = self._timed_request
        if 200 <= self._status < 300:
            kind = self._headers.get(b"content-type", b"").lower()
            if kind.startswith(request.stream_types):
                self._stream = Stream(self, HttpHead(self._status, self._headers))
                self._silence_s = self._timeouts.first_event
                self._has_begun = False

    def _finish_whole(self) -> None:
        waiter, request, body = self._waiter, self._request, self._body
        assert request is not None, "an answer is read only while a request is out"
        if len(body) > request.max_response_bytes:
            self._fail_too_large()
            return
        answer = HttpResponse(HttpHead(self._status, self._headers), bytes(body))
        self._release()
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)

    def _deliver(self, stream: Stream) -> None:
        """Hand on what this read brought; the first time, the stream itself."""
        piece = bytes(self._body)
        self._body = b""
        waiter = self._waiter
        is_complete = self._is_complete
        if is_complete:
            self._release()
            stream.detach()
        elif piece or waiter is None:
            self._arm(self._pool.clock() + self._silence_s)
        else:
            self._arm(self._pool.clock() + self._silence_s)
            return
        if waiter is not None:
            self._waiter = None
            if waiter.done():
                stream.close()
                return
            waiter.set_result(stream)
        if piece:
            stream.feed(piece)
        if is_complete:
            stream.end(None)

    def _release(self) -> None:
        """The answer is here: back to the pool, if the connection can carry another one."""
        self._waiter = self._stream = self._request = None
        transport = self._transport
        if (
            self._keep_alive
            and transport is not None
            and not self._has_extra
            and not transport.is_closing()
            and not transport.get_write_buffer_size()
        ):
            self.state = IDLE
            self._is_reused = True
            self._pool.put_back(self)
        else:
            self._leave()

    # Ends and failures

    def eof_received(self) -> None:
        self._ended(None)

    def connection_lost(self, exc: Exception | None) -> None:
        try:
            self._ended(exc)
        finally:
            self._pool.forget(self)

    def _ended(self, exc: Exception | None) -> None:
        state = self.state
        if state == AWAITING:
            waiter = self._waiter
            if self._is_reused and self._pool.clock() - self._sent_at <= _IDLE_RACE_S:
                self._waiter = None
                self._leave()
                if waiter is not None and not waiter.done():
                    waiter.set_exception(IdleRaceLost())
                return
            how = "reset" if isinstance(exc, ConnectionResetError) else "closed"
            message = f"{self.origin} {how} the connection before it answered"
            self._fail(UpstreamUnreachable(message, sent=True))
        elif state == RECEIVING:
            if self._is_until_eof and exc is None:
                self._is_complete = True
                if self._stream is not None:
                    self._deliver(self._stream)
                else:
                    self._finish_whole()
            else:
                cut = self._protocol_error("it cut its answer short")
                cut.is_cut = True
                self._fail(cut)
        else:
            self._leave()

    def expire(self, now: float) -> None:
        """The deadline has passed: which timer it was follows from what is missing."""
        if self.state == IDLE:
            self._leave()
            return
        request = self._timed_request
        timeouts = request.timeouts
        if now >= self._total_at:
            self._time_out("total", "did not finish its answer", timeouts)
        elif not self._head_seen:
            timer = "first_byte" if self._wants_stream or timeouts.whole is None else "whole"
            unsent = self.transport.get_write_buffer_size()
            if unsent and unsent < self._unsent:
                self._unsent = unsent
                self._arm(now + self._time_to_begin())
            elif self.state == AWAITING:
                self._time_out(timer, "sent no byte of an answer", timeouts)
            else:
                self._time_out(timer, "did not finish the head of its answer", timeouts)
        elif not self._has_begun:
            self._time_out("first_event", "was silent before any content of its stream", timeouts)
        else:
            self._time_out("idle", "fell silent in its answer", timeouts)

    def _time_out(self, timer: str, what: str, timeouts: Timeouts) -> None:
        limit_s: float = getattr(timeouts, timer)
        message = f"{self.origin} {what} within {limit_s:g} s (timeouts.{timer})"
        self._fail(UpstreamTimeout(message, timer=timer, upstream_status=self._status or None))

    def _fail_framing(self, error: Exception) -> None:
        reason = "an upgrade" if isinstance(error, HttpParserUpgrade) else str(error)
        failure = self._protocol_error(f"its answer is not HTTP/1.1: {reason}")
        failure.__cause__ = error
        if self._stream is not None and self._body and self._waiter is None:
            piece, self._body = bytes(self._body), b""
            self._stream.feed(piece)
        self._fail(failure)

    def _fail_too_large(self) -> None:
        limit = self._timed_request.max_response_bytes
        self._fail(self._protocol_error(f"its answer is larger than {limit} bytes"))

    def _protocol_error(self, what: str) -> UpstreamProtocol:
        return UpstreamProtocol(f"{self.origin}: {what}", upstream_status=self._status or None)

    def _fail(self, error: UpstreamError) -> None:
        waiter, stream = self._waiter, self._stream
        self._waiter = self._stream = None
        self._leave()
        if waiter is not None:
            if not waiter.done():
                waiter.set_exception(error)
        elif stream is not None:
            stream.detach()
            stream.end(error)

    def _leave(self) -> None:
        if self.state != CLOSED:
            was_idle = self.state == IDLE
            self.state = CLOSED
            self.deadline = inf
            self._pool.lose(self, was_idle)
            if self._transport is not None:
                self._transport.abort()

    @property
    def is_closed(self) -> bool:
        return self.state == CLOSED

    # Timers and back-pressure

    def stream_began(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._silence_s = self._timeouts.idle
            if self.transport.is_reading():
                self._arm(self._pool.clock() + self._silence_s)

    @property
    def _timed_request(self) -> HttpRequest:
        assert self._request is not None, "an answer is read only while a request is out"
        return self._request

    def _time_to_begin(self) -> float:
        timeouts = self._timeouts
        whole = timeouts.whole
        return timeouts.first_byte if self._wants_stream or whole is None else whole

    def _arm(self, at: float) -> None:
        self.deadline = at if at < self._total_at else self._total_at

    def pause_reading(self) -> None:
        # A consumer's pause is not the provider's silence: only `total` runs on.
        self.deadline = self._total_at
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        self._arm(self._pool.clock() + self._silence_s)
        if not self.transport.is_closing():
            self.transport.resume_reading()
