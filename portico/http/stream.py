"""A provider's streamed answer, between the connection that reads it and the sink that takes it."""

from typing import TYPE_CHECKING

from portico.errors import UpstreamError
from portico.types.http import HttpHead, StreamSink

if TYPE_CHECKING:
    from portico.http.upstream import UpstreamConnection

_MAX_HELD = 256 * 1024


class Stream:
    """Satisfies `http.base.UpstreamStream`."""

    __slots__ = ("_connection", "_error", "_held", "_is_ended", "_is_paused", "_sink", "head")

    def __init__(self, connection: "UpstreamConnection", head: HttpHead) -> None:
        self.head = head
        self._connection: UpstreamConnection | None = connection
        self._sink: StreamSink | None = None
        self._held: bytes | bytearray = b""
        self._is_paused = False
        self._is_ended = False
        self._error: UpstreamError | None = None

    def attach(self, sink: StreamSink) -> None:
        self._sink = sink
        held, self._held = bytes(self._held), b""
        self.resume()
        if held:
            sink.feed(held)
        if self._is_ended and self._sink is not None:
            self._sink = None
            sink.finish(self._error)

    def began(self) -> None:
        if self._connection is not None:
            self._connection.stream_began()

    def pause(self) -> None:
        if not self._is_paused and self._connection is not None:
            self._is_paused = True
            self._connection.pause_reading()

    def resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            if self._connection is not None:
                self._connection.resume_reading()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        self._sink = None
        self._held = b""
        if connection is not None:
            connection.drop()

    # What the connection calls

    def feed(self, data: bytes) -> None:
        if self._sink is not None:
            self._sink.feed(data)
        else:
            self._held = data if not self._held else bytearray(self._held) + data
            if len(self._held) >= _MAX_HELD:
                self.pause()

    def detach(self) -> None:
        """The connection is done with this stream, and may soon carry another answer."""
        self._connection = None

    def end(self, error: UpstreamError | None) -> None:
        self._is_ended = True
        self._error = error
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.finish(error)
