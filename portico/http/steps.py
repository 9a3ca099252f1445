"""Answers that take several requests: set to work, ask until it is done or listen to its stream.

What is asked is the provider's business (`types.http.Steps`, pure); here it is asked, in time.
After the first request `timeouts.first_byte` bounds all others together until the answer is here.
Work that nobody waits for any more is stopped, by a request that goes out when the call has gone.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import msgspec

from portico.errors import GatewayError, UpstreamError, UpstreamTimeout
from portico.http.base import Pool, UpstreamStream
from portico.types.http import (
    HttpHead,
    HttpRequest,
    HttpResponse,
    Steps,
    StreamSink,
)

REPORT_S: Final = 5.0
"""For the report on a stream that is over; without it the usage is an estimate."""
UNDO_S: Final = 15.0
MAX_UNDOING: Final = 1024
_REPORT_POLL_S: Final = 0.2

_log = logging.getLogger("portico.http")


class SteppedPool:
    """Satisfies `http.base.Pool` for requests that have `steps`; `pool` carries each of them."""

    def __init__(
        self, pool: Pool, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._pool = pool
        self._sleep = sleep
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self, request: HttpRequest) -> HttpResponse:
        steps = _steps_of(request)
        work = await self._begun(request, steps)
        return await self._followed(request, steps, work)

    async def open(self, request: HttpRequest) -> HttpResponse | UpstreamStream:
        """A provider that does not stream is waited for, and its answer is the stream's one
        event.
        """
        steps = _steps_of(request)
        work = await self._begun(request, steps)
        try:
            step = steps.after(work, 0, streamed=True)
            if step is not None and step.request.stream_types:
                answer = await self._pool.open(step.request)
                if isinstance(answer, HttpResponse):
                    self.undo(steps, work)
                    return answer
                return SteppedStream(self, steps, work, answer)
        except (GatewayError, asyncio.CancelledError):
            self.undo(steps, work)
            raise
        work = await self._followed(request, steps, work)
        if not 200 <= work.head.status < 300:
            return work
        return WholeStream(work.head, steps.event(work))

    async def report(self, steps: Steps, work: HttpResponse) -> HttpResponse | None:
        """How work ended whose stream is over; `None` if that cannot be known in time."""
        try:
            async with asyncio.timeout(REPORT_S):
                while True:
                    found = await self._pool.send(steps.report(work))
                    step = steps.after(found, 0, streamed=False)
                    if step is None:
                        return found if 200 <= found.head.status < 300 else None
                    await self._sleep(_REPORT_POLL_S)
        except (GatewayError, TimeoutError):
            return None

    def undo(self, steps: Steps, work: HttpResponse) -> None:
        """Stop the work, without keeping anybody waiting."""
        try:
            request = steps.undo(work)
        except UpstreamError:
            return  # what it said of itself was no description of work
        if request is not None:
            self.later(self._undone(request))

    def later(self, what: Coroutine[Any, Any, None]) -> None:
        if len(self._tasks) >= MAX_UNDOING:
            _log.warning("too much work to stop at once; left some to end by itself")
            what.close()
            return
        task = asyncio.get_running_loop().create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, timeout_s: float = 1.0) -> None:
        """What is being stopped gets a moment; `Cancel-After` and its like do the rest."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
            for task in late:
                task.cancel()

    async def _begun(self, request: HttpRequest, steps: Steps) -> HttpResponse:
        """The first answer. Who leaves before it leaves work behind of which nothing is known yet:
        its answer is awaited all the same, and then it is stopped.
        """
        begun = asyncio.ensure_future(self._pool.send(request))
        try:
            return await asyncio.shield(begun)
        except asyncio.CancelledError:
            if not begun.cancelled():
                self.later(self._undone_when_known(begun, steps))
            raise

    async def _followed(
        self, request: HttpRequest, steps: Steps, work: HttpResponse
    ) -> HttpResponse:
        limit_s = request.timeouts.first_byte
        asked = 0
        try:
            async with asyncio.timeout(limit_s):
                while (step := steps.after(work, asked, streamed=False)) is not None:
                    await self._sleep(step.after_s)
                    found = await self._pool.send(step.request)
                    if not 200 <= found.head.status < 300:
                        self.undo(steps, work)
                        return found
                    work = found
                    asked += 1
        except TimeoutError as late:
            self.undo(steps, work)
            raise UpstreamTimeout(
                f"The provider did not finish its answer within {limit_s:g} s "
                "(timeouts.first_byte).",
                timer="first_byte",
            ) from late
        except (GatewayError, asyncio.CancelledError):
            self.undo(steps, work)
            raise
        if 200 <= work.head.status < 300:
            return HttpResponse(HttpHead(200, work.head.headers), work.body)
        return work

    async def _undone(self, request: HttpRequest) -> None:
        try:
            async with asyncio.timeout(UNDO_S):
                answer = await self._pool.send(request)
        except (GatewayError, TimeoutError) as problem:
            _log.warning("could not stop work at %s: %s", request.origin, problem)
            return
        if answer.head.status >= 400:
            _log.warning("could not stop work at %s: %d", request.origin, answer.head.status)

    async def _undone_when_known(self, begun: "asyncio.Future[HttpResponse]", steps: Steps) -> None:
        try:
            async with asyncio.timeout(UNDO_S):
                work = await begun
            request = steps.undo(work)
        except (GatewayError, TimeoutError):
            return
        if request is not None:
            await self._undone(request)


class SteppedStream:
    """Satisfies `UpstreamStream`: a stream, and after it the report on the work as one more event.

    The end is known by its mark: a provider need not close the connection then.
    """

    __slots__ = ("_inner", "_is_over", "_pool", "_seen", "_sink", "_steps", "_work", "head")

    def __init__(
        self, pool: SteppedPool, steps: Steps, work: HttpResponse, inner: UpstreamStream
    ) -> None:
        self.head = inner.head
        self._pool = pool
        self._steps = steps
        self._work = work
        self._inner = inner
        self._sink: StreamSink | None = None
        self._seen = b"\n"
        self._is_over = False

    def attach(self, sink: StreamSink) -> None:
        self._sink = sink
        self._inner.attach(self)

    def began(self) -> None:
        self._inner.began()

    def pause(self) -> None:
        self._inner.pause()

    def resume(self) -> None:
        self._inner.resume()

    def close(self) -> None:
        self._sink = None
        if not self._is_over:
            self._is_over = True
            self._inner.close()
            self._pool.undo(self._steps, self._work)

    # What the stream itself calls

    def feed(self, data: bytes) -> None:
        sink = self._sink
        if sink is None or self._is_over:
            return
        mark = self._steps.end_mark
        seen = (self._seen + data).replace(b"\r\n", b"\n")
        at = seen.find(mark)
        ended = at >= 0 and seen.find(b"\n\n", at + len(mark)) >= 0
        self._seen = seen[at:] if at >= 0 else seen[-len(mark) :]
        sink.feed(data)
        if ended:
            self._inner.close()
            self._report()

    def finish(self, error: UpstreamError | None) -> None:
        if self._is_over:
            return
        if error is None:
            self._report()
            return
        self._is_over = True
        self._pool.undo(self._steps, self._work)
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.finish(error)

    def _report(self) -> None:
        self._is_over = True
        self._pool.later(self._reported())

    async def _reported(self) -> None:
        try:
            work = await self._pool.report(self._steps, self._work)
            if work is not None and self._sink is not None:
                self._sink.feed(self._steps.event(work))
        finally:
            sink, self._sink = self._sink, None
            if sink is not None:
                sink.finish(None)


class WholeStream(msgspec.Struct):
    """Satisfies `UpstreamStream`: what came whole, as the one piece of a stream."""

    head: HttpHead
    body: bytes

    def attach(self, sink: StreamSink) -> None:
        sink.feed(self.body)
        sink.finish(None)

    def began(self) -> None:
        """There is no silence to bound."""

    def pause(self) -> None:
        """There is nothing to hold up."""

    def resume(self) -> None:
        """There is nothing to go on with."""

    def close(self) -> None:
        """There is nothing to close."""


def _steps_of(request: HttpRequest) -> Steps:
    assert request.steps is not None, "only requests with steps come here"
    return request.steps
