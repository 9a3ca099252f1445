"""What a dialect is: the Protocols its module satisfies, and what its functions are told.

A dialect is a module, not a class. Readers raise `InvalidRequest` for what a client sent and
`UpstreamProtocol` for what a provider sent, with `param` such as `messages[3].content[0]`, and
nothing else, whatever the bytes. Writers are total: what they cannot say goes to `unsupported`,
which refuses the request or remembers the name; nothing is left out in silence.
"""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import msgspec

from portico.errors import GatewayError, UnsupportedParameter, UpstreamError
from portico.types.chat import ChatRequest, ChatResponse, Home, JsonObject, Message
from portico.types.chat_stream import Event
from portico.types.http import HttpHead


class Unsupported(Protocol):
    """Told of each field a writer cannot express; returns if the writer may go on without it.

    For requests it may raise. For answers, which somebody has paid for, it must return: pass a
    `Dropped` there whatever the policy.
    """

    def __call__(self, field: str, dialect: str, /) -> None: ...


class Dropped:
    """Goes on without, and remembers: `names` is what `x-portico-dropped-params` shows."""

    __slots__ = ("_known", "names")

    def __init__(self) -> None:
        self.names: list[str] = []
        self._known: set[str] = set()  # a client may send a hundred thousand fields

    def __call__(self, field: str, dialect: str, /) -> None:
        if field not in self._known:
            self._known.add(field)
            self.names.append(field)

    def forget(self) -> None:
        self.names.clear()
        self._known.clear()


def refuse(field: str, dialect: str, /) -> None:
    """The `unsupported_params: error` policy."""
    raise UnsupportedParameter(
        f"`{field}` cannot be expressed in the dialect {dialect} of the provider that serves this "
        "request; leave it out, or send `x-portico-unsupported-params: drop`",
        param=field,
    )


def drop_extra(
    extra: JsonObject | None, dialect: str, unsupported: Unsupported, where: str = ""
) -> None:
    """Name what only the request's own dialect knows; `where` is a prefix such as `tools[0].`."""
    if extra:
        for key in extra:
            if not key.startswith("~"):
                unsupported(f"{where}{key}", dialect)


def drop_message_fields(message: Message, dialect: str, unsupported: Unsupported) -> None:
    """Name what a message has beside role and content, where a dialect has no place for it."""
    if message.name is not None:
        unsupported("messages.name", dialect)
    if message.extra:
        drop_extra(message.extra, dialect, unsupported, "messages.")


class ReplyContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a client-side writer needs beside the answer.

    `request` is what the client asked; `id` names the answer where the provider gave no id; `now`
    is UTC epoch seconds. `framing` is `json` for a Gemini client that streams without `alt=sse`.
    `elapsed_ns` is the time since the client asked, in nanoseconds, where somebody has a clock.
    """

    request: ChatRequest
    id: str
    now: int
    framing: Literal["sse", "json", "lines"] = "sse"
    elapsed_ns: Callable[[], int] | None = None


class StreamReader(Protocol):
    """A provider's streamed body as events, by the grammar in `types.chat_stream`.

    Neither method raises: what is wrong with the stream is its last event, a `StreamError`. After
    `StreamEnd` or `StreamError` both return nothing. Where the bytes are split changes no event.
    """

    def feed(self, data: bytes, /) -> Sequence[Event]: ...

    def close(self) -> Sequence[Event]:
        """The body has ended; a stream that is not complete ends in `StreamError` here."""
        ...


class StreamWriter(Protocol):
    """Events as a client's streamed body.

    The terminal bytes come with `StreamEnd` or `StreamError`; later events write nothing.
    """

    def write(self, event: Event, /) -> bytes: ...

    def close(self) -> bytes:
        """No event will follow. Without an end before, writes an error: never a forged success."""
        ...


class ClientDialect(Protocol):
    """What clients speak to us."""

    @property
    def NAME(self) -> str: ...  # noqa: N802

    def read_request(
        self, body: bytes, /, *, model: str | None = None, stream: bool | None = None
    ) -> ChatRequest:
        """`model` and `stream` are given where the dialect keeps them in the path."""
        ...

    def write_response(
        self, response: ChatResponse, /, *, context: ReplyContext, unsupported: Unsupported
    ) -> bytes: ...

    def write_error(self, error: GatewayError, /) -> bytes: ...

    def stream_writer(self, *, context: ReplyContext, unsupported: Unsupported) -> StreamWriter: ...


class ProviderDialect(Protocol):
    """What we speak to providers. `home` is whom: opaque state goes back only there."""

    @property
    def NAME(self) -> str: ...  # noqa: N802

    def write_request(
        self, request: ChatRequest, /, *, unsupported: Unsupported, home: Home | None = None
    ) -> bytes: ...

    def read_response(self, body: bytes, /, *, home: Home | None = None) -> ChatResponse: ...

    def read_error(self, head: HttpHead, body: bytes, /) -> UpstreamError: ...

    def stream_reader(self, *, home: Home | None = None) -> StreamReader: ...


class ChatDialect(ClientDialect, ProviderDialect, Protocol):
    """Both sides."""
