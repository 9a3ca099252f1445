"""A chunked request body (RFC 9112 section 7.1), decoded by llhttp, with its exact end found."""

from httptools import HttpParserError, HttpRequestParser

from portico.errors import MalformedHttp, PayloadTooLarge

_HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
_TERMINATOR = b"\r\n\r\n"
_MAX_OVERHEAD = 64 * 1024
_MAX_OVERHEAD_RATIO = 8


class ChunkedBody:
    """Feed it what follows the head until `is_complete`.

    llhttp does not say where in its input a message ended, and what follows is the next request.
    But a chunked body can only end at CRLF CRLF, and never at one that overlaps an earlier one (the
    byte before it belongs to the last chunk's line or to a trailer). So llhttp is fed up to each
    CRLF CRLF.
    """

    __slots__ = ("_limit", "_parser", "_raw_bytes", "_tail", "body", "is_complete")

    def __init__(self, limit: int) -> None:
        self.body = bytearray()
        self.is_complete = False
        self._limit = limit
        self._raw_bytes = 0
        self._tail = b""
        self._parser = HttpRequestParser(self)
        self._parser.feed_data(_HEAD)

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.is_complete = True

    def feed(self, data: bytes) -> bytes:
        """Take `data` and return what comes after the body: empty until it is complete.

        Raises MalformedHttp, or PayloadTooLarge past the limit given at the start.
        """
        start = 0
        seam = (self._tail + data[:3]).find(_TERMINATOR) if self._tail else -1
        if seam >= 0:
            start = seam + len(_TERMINATOR) - len(self._tail)
            self._feed(data[:start])
        while start < len(data) and not self.is_complete:
            found = data.find(_TERMINATOR, start)
            end = len(data) if found < 0 else found + len(_TERMINATOR)
            self._feed(data[start:end])
            start = end
        self._tail = (self._tail + data[-3:])[-3:]
        return data[start:]

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            raise MalformedHttp(f"the chunked body is malformed: {error}") from error
        self._raw_bytes += len(data)
        decoded = len(self.body)
        if decoded > self._limit:
            raise PayloadTooLarge(f"the request body is larger than {self._limit} bytes")
        if self._raw_bytes - decoded > _MAX_OVERHEAD + _MAX_OVERHEAD_RATIO * decoded:
            raise MalformedHttp("the chunked body has more framing than content")
