"""Stream readers of two parts: what splits a body into pieces, and what a dialect makes of each.

The end is the same for all and is here: what is wrong with a stream is one `StreamError`, a body
that ends too early is wrong, and nothing follows the end. A dialect holds only its `PieceReader`.
"""

from collections.abc import Sequence
from typing import Final, Generic, Protocol, TypeVar

from portico.errors import UpstreamError, UpstreamProtocol
from portico.types.chat_stream import Event, StreamEnd, StreamError
from portico.wire.json_io import MalformedError

CUT: Final = "the provider's stream ended before the answer was complete"

Piece = TypeVar("Piece")
PieceOut = TypeVar("PieceOut", covariant=True)
PieceIn = TypeVar("PieceIn", contravariant=True)


class Splitter(Protocol[PieceOut]):
    """Finds what is whole in bytes that are cut anywhere; raises UpstreamProtocol if it cannot."""

    def feed(self, data: bytes, /) -> Sequence[PieceOut]: ...

    def close(self) -> Sequence[PieceOut]:
        """The body has ended: what is left, as far as it may count as whole."""
        ...


class PieceReader(Protocol[PieceIn]):
    """What a dialect makes of one streamed answer: each piece adds to `events`.

    Both methods tell whether the answer is complete with that; then nothing is read any more, and
    `StreamEnd` follows. An UpstreamError or a MalformedError ends the stream after what was added.
    """

    def read(self, piece: PieceIn, events: list[Event], /) -> bool: ...

    def close(self, events: list[Event], /) -> bool:
        """The body has ended, and no piece was the last."""
        ...


class PiecewiseReader(Generic[Piece]):
    """Satisfies `base.StreamReader`."""

    __slots__ = ("_close", "_is_ended", "_read", "_splitter")

    def __init__(self, splitter: Splitter[Piece], reader: PieceReader[Piece]) -> None:
        self._splitter = splitter
        self._read = reader.read
        self._close = reader.close
        self._is_ended = False

    def feed(self, data: bytes, /) -> list[Event]:
        events: list[Event] = []
        if not self._is_ended:
            try:
                for piece in self._splitter.feed(data):
                    if self._read(piece, events):
                        self._end(StreamEnd(), events)
                        break
            except (UpstreamError, MalformedError) as problem:
                self._fail(problem, events)
        return events

    def close(self) -> list[Event]:
        events: list[Event] = []
        if not self._is_ended:
            try:
                left = self._splitter.close()
                if not any(self._read(piece, events) for piece in left) and not self._close(events):
                    raise UpstreamProtocol(CUT)
                self._end(StreamEnd(), events)
            except (UpstreamError, MalformedError) as problem:
                self._fail(problem, events)
        return events

    def _fail(self, problem: UpstreamError | MalformedError, events: list[Event]) -> None:
        error = problem.from_provider() if isinstance(problem, MalformedError) else problem
        self._end(StreamError(error), events)

    def _end(self, end: StreamEnd | StreamError, events: list[Event]) -> None:
        self._is_ended = True
        events.append(end)
