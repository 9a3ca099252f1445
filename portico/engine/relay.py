"""From a provider's answer to the client's: whole, or piece by piece.

A stream runs without a task: the upstream connection calls `feed`, which looks at the bytes and
writes them to the client in the same turn of the event loop. The call's coroutine sleeps until
the end. Three things are held back: what comes before the first event (so that a failed start can
still go elsewhere), the proper end (so that the journal has the call before the client sees it
finished), and the part of an event that has not arrived whole.

The connection times bytes; here it is events that are timed, because comments that only keep a
connection open are bytes too. Before the first content they count for longer than after it: models
that think where nobody sees it are silent for minutes, and their providers send pings meanwhile.
A `buffered` answer is held back whole, so that it may start again.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from portico.errors import GatewayError, UpstreamError, UpstreamProtocol, UpstreamTimeout
from portico.http.base import UpstreamStream
from portico.types.http import HttpHead, Responder, Timeouts
from portico.wire.tap import Tap

MAX_BUFFERED_BYTES: Final = 16 * 1024 * 1024

_MAX_DOCUMENT_BYTES: Final = 64 * 1024
_DOCUMENT_STARTS: Final = frozenset((b"{", b"["))

_Check = Callable[[int, int], None]


class StreamRelay:
    """A `StreamSink` that passes events to a responder; one per streamed answer."""

    __slots__ = (
        "_ended",
        "_held",
        "_held_bytes",
        "_is_buffering",
        "_is_paused",
        "_pauses",
        "_responder",
        "_seen_bytes",
        "_timeouts",
        "_timers",
        "_waiter",
        "document",
        "error",
        "stream",
        "tap",
    )

    def __init__(self, stream: UpstreamStream, tap: Tap, timeouts: Timeouts) -> None:
        self.stream = stream
        self.tap = tap
        self._timeouts = timeouts
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._is_paused = False
        self._pauses = 0
        self._seen_bytes = 0
        self._held_bytes = 0
        self._is_buffering = False
        self.error: UpstreamError | None = None
        self.document = b""
        """How it begins if that is no stream, whatever the head says, but looks like JSON."""
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
        self._seen_bytes += len(data)
        try:
            out = self.tap.feed(data)
        except UpstreamProtocol as error:
            self.stream.close()
            self._end(error)
            return
        if self.tap.is_done or self.tap.error is not None:
            self._held.append(out)
            self._end(None)
        elif out:
            if self._responder is not None:
                self._responder.write(out)
            else:
                self._hold(out)
        elif self._responder is None and (self.document or data[:1] in _DOCUMENT_STARTS):
            self.document = (self.document + data)[:_MAX_DOCUMENT_BYTES]

    def _hold(self, out: bytes) -> None:
        self._held.append(out)
        self._held_bytes += len(out)
        if self._held_bytes > MAX_BUFFERED_BYTES:
            self.stream.close()
            self._end(
                UpstreamProtocol(
                    f"The answer is larger than {MAX_BUFFERED_BYTES >> 20} MiB, the most that is "
                    "held back."
                )
            )
        elif self.tap.events and not self._is_buffering:
            self._wake()

    def finish(self, error: UpstreamError | None) -> None:
        if self._ended:
            return
        if error is None:
            tap = self.tap
            self._held.append(tap.close())
            if not tap.is_done and (tap.error is None or isinstance(tap.error, UpstreamProtocol)):
                error = UpstreamProtocol(
                    "The provider ended the stream before it was complete.",
                    code="stream_truncated",
                )
        self._end(error)

    def _end(self, error: UpstreamError | None) -> None:
        self._ended = True
        self.error = error
        self.unwatch()
        self._wake()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # What the call's coroutine calls

    async def begun(self) -> None:
        """Wait for the first event, or for an end without one."""
        if not self.tap.events and not self._ended:
            limit_s = self._timeouts.first_content
            what = "sent signs of life, but no content of its stream,"
            self._timers["first_content"] = asyncio.get_running_loop().call_later(
                limit_s, self._time_out, "first_content", what, limit_s
            )
            try:
                await self._wait()
            finally:
                self.unwatch()
        self.stream.began()

    async def whole(self) -> None:
        """Wait for the end, with everything held back."""
        if not self._ended:
            self._is_buffering = True
            self._watch()
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
            self._watch()

    def pause(self) -> None:
        """The client reads slowly: silence is not the provider's then."""
        self._is_paused = True
        self._pauses += 1
        self.stream.pause()

    def resume(self) -> None:
        self._is_paused = False
        self.stream.resume()

    def take(self) -> bytes:
        """What is held back: the last events of a stream that has ended."""
        held = b"".join(self._held)
        self._held.clear()
        return held

    async def ended(self) -> None:
        if not self._ended:
            await self._wait()

    # Progress

    def _watch(self) -> None:
        timeouts = self._timeouts
        self._later("idle", timeouts.idle, self._check_idle, self.tap.events)
        if timeouts.min_rate:
            self._later("rate", timeouts.rate_window, self._check_rate, self._seen_bytes)

    def unwatch(self) -> None:
        """No more timers; harmless after the end."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _later(self, name: str, after_s: float, check: _Check, seen: int) -> None:
        loop = asyncio.get_running_loop()
        self._timers[name] = loop.call_later(after_s, check, seen, self._pauses)

    def _check_idle(self, events: int, pauses: int) -> None:
        """Comments keep a stream alive once, not for ever."""
        if events == self.tap.events and not self._has_paused(pauses):
            self._time_out("idle", "sent no event, only comments,", self._timeouts.idle)
        else:
            self._later("idle", self._timeouts.idle, self._check_idle, self.tap.events)

    def _check_rate(self, seen: int, pauses: int) -> None:
        timeouts = self._timeouts
        least = timeouts.min_rate * timeouts.rate_window
        if self._seen_bytes - seen < least and not self._has_paused(pauses):
            what = f"sent less than {least:g} bytes of its stream"
            self._time_out("min_rate", what, timeouts.rate_window)
        else:
            self._later("rate", timeouts.rate_window, self._check_rate, self._seen_bytes)

    def _has_paused(self, pauses: int) -> bool:
        """Has the client held the stream up, now or since there were so many pauses?"""
        return self._is_paused or pauses != self._pauses

    def _time_out(self, timer: str, what: str, limit_s: float) -> None:
        self.stream.close()
        message = f"The provider {what} within {limit_s:g} s (timeouts.{timer})."
        self._end(UpstreamTimeout(message, timer=timer, upstream_status=self.head.status))

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter
        self._waiter = None
