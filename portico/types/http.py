"""What the two HTTP floors exchange with the engine: requests in, requests out, answers, timers."""

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from portico.errors import UpstreamError

Headers = dict[bytes, bytes]
"""Field names in lower case; repeated fields joined by `, ` (RFC 9110 section 5.3)."""


class Request(msgspec.Struct):
    """One request from a client, with its whole body.

    `path` is percent-decoded once and has no query; `query` is the raw text after `?`.
    """

    method: str
    path: str
    query: bytes
    headers: Headers
    body: bytes
    peer: str


class Origin(msgspec.Struct, frozen=True):
    """Where a connection goes; a credential is bound to one of these."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """`host[:port]` as a `host` header wants it: the default port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds; each timer has one defined outcome, `UpstreamTimeout(timer=<its name>)`.

    `connect` covers DNS, TCP and TLS; `first_byte` runs from the request's last byte to the head of
    a stream, `whole` to the head of an answer that is none, which comes when all of it is ready;
    `first_event` is the longest silence from there to the first content, and `first_content` bounds
    that however often the provider shows that it is at work; `idle` runs between two pieces of a
    body, and bounds how long a stream may send comments only; `total` from the start of a call's
    first try to the end. A stream that sends less than `min_rate` bytes a second over
    `rate_window` seconds has timed out too; 0 asks for none.
    """

    connect: float = 5.0
    first_byte: float = 120.0
    first_event: float = 300.0
    idle: float = 90.0
    total: float = 3600.0
    min_rate: float = 0.0
    rate_window: float = 10.0
    first_content: float = 600.0
    whole: float | None = None
    """`None` is `first_byte`."""


BUILT_IN_TIMEOUTS: Final = Timeouts(whole=600.0)
"""For calls to models: a long answer that is not streamed takes minutes before its head comes."""


class HttpRequest(msgspec.Struct):
    """One request to a provider: `head` is complete (request line, fields, blank line).

    `steps` knows what comes after it, where a provider takes several requests to answer one.
    """

    origin: Origin
    head: bytes
    body: bytes
    timeouts: Timeouts
    stream_types: tuple[bytes, ...] = ()
    """Prefixes of the content types that `Pool.open` hands over as a stream when the status is 2xx;
    `b""` takes any, the empty tuple takes none."""
    max_response_bytes: int = 64 * 1024 * 1024
    is_sent: bool = False
    """Has a connection begun to write it? What providers bill for may have begun then."""
    steps: "Steps | None" = None


class HttpHead(msgspec.Struct):
    """Status and fields of a provider's answer."""

    status: int
    headers: Headers


class HttpResponse(msgspec.Struct):
    """A provider's whole answer."""

    head: HttpHead
    body: bytes


class Step(msgspec.Struct, frozen=True):
    """The next request on the way to an answer, `after_s` seconds from now."""

    request: HttpRequest
    after_s: float = 0.0


class Steps(Protocol):
    """How a provider is led to its answer, where the first request only sets it to work.

    Pure: a module of `providers` says what is asked, `http.steps` asks it. `work` is the answer to
    the first request, the latest known of it elsewhere.
    """

    @property
    def end_mark(self) -> bytes:
        """The line that the last event of a stream begins with, its line end before it."""
        ...

    def after(self, work: HttpResponse, asked: int, *, streamed: bool) -> Step | None:
        """`None`: the work is over, and this is its answer. `asked` requests came after the first.

        A step whose request has `stream_types` leads to the stream itself. Raises `UpstreamError`
        for an answer that leads nowhere.
        """

    def undo(self, work: HttpResponse) -> HttpRequest | None:
        """What stops the work when nobody waits for its answer any more."""

    def report(self, work: HttpResponse) -> HttpRequest:
        """What is asked when a stream is over: how the work ended, and what it used."""
        ...

    def event(self, work: HttpResponse) -> bytes:
        """The work as an event of a stream, for the dialect's reader."""
        ...


class StreamSink(Protocol):
    """Receives a streamed body as it arrives, on the event loop, without a task per piece."""

    def feed(self, data: bytes) -> None: ...

    def finish(self, error: UpstreamError | None) -> None:
        """Called exactly once: `None` for a complete message, else what cut it."""


class Responder(Protocol):
    """Where the answer to one client request goes.

    Either one `send`, or `start`, any number of `write`, one `finish`. `fields` is a ready block of
    header lines, each ending in CRLF, without framing fields: those are the connection's own. Bytes
    given to `start` and `finish` travel in the same write as the head and as the end.
    """

    @property
    def is_gone(self) -> bool:
        """Has the client left? Writing is then harmless and does nothing."""
        ...

    def send(self, status: int, fields: bytes, body: bytes) -> None: ...

    def start(self, status: int, fields: bytes, data: bytes = b"") -> None: ...

    def write(self, data: bytes, /) -> None: ...

    def finish(self, data: bytes = b"") -> None: ...

    def abort(self) -> None:
        """Cut the connection without a proper end, so that the client sees the answer is broken."""

    def watch(
        self,
        *,
        gone: Callable[[], object],
        pause: Callable[[], None] | None = None,
        resume: Callable[[], None] | None = None,
    ) -> None:
        """Be told when the client leaves, and when it reads slower than we write."""
