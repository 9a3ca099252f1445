"""The bytes of one connection, cut into whole requests. Pure: no clock, no transport.

It finds where a message ends; llhttp checks its grammar (`request_head.py`, `chunked.py`).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from portico.errors import HeadersTooLarge, MalformedHttp, PayloadTooLarge
from portico.http.chunked import ChunkedBody
from portico.http.request_head import RequestHead, read_head

if TYPE_CHECKING:
    from portico.http.server import ServerLimits

_HEAD_END = b"\r\n\r\n"
_TLS_HANDSHAKE = 22


class RequestReader:
    """Feed it what arrives; it gives back one body at a time, with `head` and `rest`.

    After an exception it is of no further use, but `head` says which request was refused, if its
    head was understood.
    """

    __slots__ = (
        "_body_limit",
        "_buffer",
        "_chunked",
        "_encoded_slash_under",
        "_limits",
        "head",
        "is_in_body",
        "rest",
        "wants_continue",
    )

    def __init__(
        self,
        limits: "ServerLimits",
        body_limit: Callable[[str], int] | None,
        encoded_slash_under: tuple[str, ...],
    ) -> None:
        self._limits = limits
        self._body_limit = body_limit
        self._encoded_slash_under = encoded_slash_under
        self._buffer = bytearray()
        self._chunked: ChunkedBody | None = None
        self.head: RequestHead | None = None
        self.rest = b""
        self.is_in_body = False
        self.wants_continue = False

    @property
    def has_begun(self) -> bool:
        """Is a part of a request here?"""
        return self.is_in_body or bool(self._buffer)

    @property
    def received(self) -> int:
        """How many bytes of the body are here."""
        return len(self._chunked.body if self._chunked is not None else self._buffer)

    def feed(self, data: bytes) -> bytes | None:
        """Take `data`; the body of a request that is whole now, else None.

        Raises MalformedHttp, HeadersTooLarge or PayloadTooLarge as soon as that is certain.
        """
        if self.is_in_body:
            return self._feed_body(data)
        self.head = None
        buffer = self._buffer
        if buffer == b"\r":
            data = b"\r" + data
            buffer.clear()
        if buffer:
            start = max(0, len(buffer) - 3)
            buffer += data
            end = buffer.find(_HEAD_END, start)
            if end < 0:
                self._check_head_so_far()
                return None
            data = bytes(buffer)
            buffer.clear()
        else:
            # RFC 9112 section 2.2 asks to bear an empty line before a request.
            if data.startswith(b"\r\n"):
                data = data[2:]
            end = data.find(_HEAD_END)
            if end < 0:
                buffer += data
                self._check_head_so_far()
                return None
        end += len(_HEAD_END)
        limits = self._limits
        if end > limits.max_header_bytes:
            raise _headers_too_large(limits.max_header_bytes)
        head = self.head = read_head(data[:end], limits.max_headers, self._encoded_slash_under)
        if not head.content_length and not head.is_chunked:
            self.rest = data[end:]
            return b""
        return self._begin_body(head, data, end)

    def _check_head_so_far(self) -> None:
        buffer = self._buffer
        limit = self._limits.max_header_bytes
        if len(buffer) > limit:
            raise _headers_too_large(limit)
        if buffer and not 65 <= buffer[0] <= 90 and buffer != b"\r":
            is_tls = buffer[0] == _TLS_HANDSHAKE
            hint = "; it looks like TLS, and this port speaks plain HTTP" if is_tls else ""
            raise MalformedHttp(f"not HTTP/1.1: no method at the start{hint}")

    def _begin_body(self, head: RequestHead, data: bytes, start: int) -> bytes | None:
        body_limit = self._body_limit
        limit = body_limit(head.path) if body_limit else self._limits.max_body_bytes
        length = head.content_length
        if length > limit:
            raise PayloadTooLarge(f"the request body is larger than {limit} bytes")
        end = start + length
        if length and len(data) >= end:
            self.rest = data[end:]
            return data[start:end]
        self.is_in_body = True
        self._chunked = ChunkedBody(limit) if head.is_chunked else None
        self.wants_continue = head.expects_continue and len(data) == start
        return self._feed_body(data[start:])

    def _feed_body(self, data: bytes) -> bytes | None:
        chunked = self._chunked
        if chunked is not None:
            self.rest = chunked.feed(data)
            if not chunked.is_complete:
                return None
            self._chunked = None
            self.is_in_body = False
            return bytes(chunked.body)
        assert self.head is not None, "a body follows a head"
        buffer = self._buffer
        missing = self.head.content_length - len(buffer)
        buffer += data[:missing]
        if len(data) < missing:
            return None
        self.rest = data[missing:]
        self._buffer = bytearray()
        self.is_in_body = False
        return bytes(buffer)


def _headers_too_large(limit: int) -> HeadersTooLarge:
    return HeadersTooLarge(f"the request line and headers are larger than {limit} bytes")
