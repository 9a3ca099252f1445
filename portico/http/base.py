"""What the engine may ask of HTTP: the Protocols that `server` and `client` satisfy."""

from collections.abc import Coroutine
from typing import Any, Protocol

from portico.types.credential import Credential
from portico.types.http import HttpHead, HttpRequest, HttpResponse, StreamSink


class UpstreamStream(Protocol):
    """A provider's answer whose head and first body bytes are here, and the rest not yet read.

    Until `attach`, arriving bytes are held, bounded, and then the connection is paused. Whoever
    gets one of these attaches a sink or closes it.
    """

    @property
    def head(self) -> HttpHead: ...

    def attach(self, sink: StreamSink) -> None:
        """Hand over what is held, at once, and from now on every piece as it arrives."""

    def began(self) -> None:
        """Its first content is here: from now on `idle` bounds silence, and not `first_event`."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def close(self) -> None:
        """Drop the connection now; the sink hears nothing more. Harmless after the end."""


class Pool(Protocol):
    """Kept-alive connections to providers, by origin.

    Every failure is an `UpstreamError` (`UpstreamTimeout`, `UpstreamUnreachable`,
    `UpstreamProtocol`). Cancelling the awaiting task closes the connection.
    """

    def send(self, request: HttpRequest) -> Coroutine[Any, Any, HttpResponse]:
        """The whole answer, of any status."""
        ...

    def open(self, request: HttpRequest) -> Coroutine[Any, Any, HttpResponse | UpstreamStream]:
        """A stream if the answer is one (see `HttpRequest.stream_types`), else the whole answer."""
        ...


class HeldCredential(Protocol):
    """A credential that expires, held fresh for all requests to one provider."""

    def current(self) -> Credential | None:
        """The credential, if it can be used now; else `await fresh()`."""

    async def fresh(self) -> Credential:
        """Wait for a usable one; raises `GatewayError` that says what is missing."""
        ...

    def refused(self, credential: Credential) -> None:
        """The provider refused it: fetch another for the next request."""
