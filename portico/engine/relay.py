"""From a provider's answer to the client's: whole, or piece by piece.

A stream runs without a task: the upstream connection calls `feed`, which looks at the bytes and
writes them to the client in the same turn of the event loop. The call's coroutine sleeps until
the end. Three things are held back: what comes before the first event (so that a failed start can
still go elsewhere), the proper end (so that the journal has the call before the client sees it
finished), and the part of an event that has not arrived whole.
"""

import asyncio

from portico.errors import GatewayError, UpstreamError, UpstreamProtocol
from portico.http.base import UpstreamStream
from portico.types.http import HttpHead, Responder
from portico.wire.tap import Tap


class StreamRelay:
    """A `StreamSink` that passes events to a responder; one per streamed answer."""

    __slots__ = ("_ended", "_held", "_responder", "_waiter", "error", "stream", "tap")

    def __init__(self, stream: UpstreamStream, tap: Tap) -> None:
        self.stream = stream
        self.tap = tap
        self.error: UpstreamError | None = None
        self._held: list[bytes] = []
        self._responder: Responder | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        stream.attach(self)

    @property
    def head(self) -> HttpHead:
        return self.stream.head

    # What the upstream connection calls

    def feed(self, data: bytes) -> None:
        if self._ended:
            return
        try:
            out = self.tap.feed(data)
        except UpstreamProtocol as error:
            self.stream.close()
            self._end(error)
            return
        if self.tap.is_done or self.tap.error is not None:
            self._held.append(out)
            self._end(None)
        elif self._responder is not None:
            if out:
                self._responder.write(out)
        elif out:
            self._held.append(out)
            if self.tap.events:
                self._wake()

    def finish(self, error: UpstreamError | None) -> None:
        if self._ended:
            return
        if error is None:
            self._held.append(self.tap.close())
            if not self.tap.is_done and self.tap.error is None:
                error = UpstreamProtocol(
                    "The provider ended the stream before it was complete.",
                    code="stream_truncated",
                )
        self._end(error)

    def _end(self, error: UpstreamError | None) -> None:
        self._ended = True
        self.error = error
        self._wake()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # What the call's coroutine calls

    async def begun(self) -> None:
        """Wait for the first event, or for an end without one."""
        if not self.tap.events and not self._ended:
            await self._wait()

    def failure(self) -> GatewayError | None:
        """What broke the stream: the connection, its bytes, or an error event of the provider."""
        if self.error is not None:
            return self.error
        return self.tap.error

    def early_error(self) -> GatewayError | None:
        """A failure that is here before any content is; comments and openings are none."""
        return self.failure() if self._ended and not self.tap.events else None

    def start(self, responder: Responder, fields: bytes) -> None:
        """Send the head with what has been held; from here on events go straight through.

        If the end is here already, it stays held for `take`.
        """
        if self._ended:
            responder.start(200, fields)
        else:
            responder.start(200, fields, self.take())
            self._responder = responder

    def take(self) -> bytes:
        """What is held back: the last events of a stream that has ended."""
        held = b"".join(self._held)
        self._held.clear()
        return held

    async def ended(self) -> None:
        if not self._ended:
            await self._wait()

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter
        self._waiter = None
