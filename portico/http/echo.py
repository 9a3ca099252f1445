"""The pool of the built-in provider `echo`: answers come from a function instead of a socket."""

import asyncio
from collections import deque

from portico.providers import echo
from portico.types.http import Headers, HttpHead, HttpRequest, HttpResponse, StreamSink


class EchoPool:
    """Satisfies `http.base.Pool`."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        head, pieces = _ask(request)
        return HttpResponse(head, b"".join(pieces))

    async def open(self, request: HttpRequest) -> "HttpResponse | EchoStream":
        head, pieces = _ask(request)
        kind = head.headers[b"content-type"]
        if head.status == 200 and kind.startswith(request.stream_types):
            return EchoStream(head, pieces)
        return HttpResponse(head, b"".join(pieces))


def _ask(request: HttpRequest) -> tuple[HttpHead, list[bytes]]:
    target = request.head.split(b" ", 2)[1].decode("latin-1")
    status, kind, pieces = echo.answer(target, request.body)
    headers: Headers = {b"content-type": kind}
    return HttpHead(status, headers), pieces


class EchoStream:
    """Satisfies `http.base.UpstreamStream`: one piece each turn of the loop, unless paused."""

    def __init__(self, head: HttpHead, pieces: list[bytes]) -> None:
        self.head = head
        self._pieces = deque(pieces)
        self._sink: StreamSink | None = None
        self._paused = False
        self._scheduled = False

    def attach(self, sink: StreamSink) -> None:
        self._sink = sink
        sink.feed(self._pieces.popleft())
        self._schedule()

    def began(self) -> None:
        """It is never silent."""

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._schedule()

    def close(self) -> None:
        self._sink = None
        self._pieces.clear()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._step)

    def _step(self) -> None:
        self._scheduled = False
        sink = self._sink
        if sink is None or self._paused:
            return
        if self._pieces:
            sink.feed(self._pieces.popleft())
            self._schedule()
        else:
            self._sink = None
            sink.finish(None)
