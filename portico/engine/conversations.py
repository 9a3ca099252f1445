"""Answers that clients of Responses may continue by `previous_response_id`, for providers that
keep none themselves.

In memory and bounded: an hour of life, so many bytes for each key and for all. A key finds only
what it was answered itself. Conversations are held as bytes, so that their size is what it says
and a store can take them as they are.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from portico.errors import InvalidRequest
from portico.types.chat import ChatRequest, ChatResponse, Message
from portico.types.chat_stream import Event, StreamEnd, StreamStart
from portico.wire.assemble import Collector
from portico.wire.openai_responses import continuation

LIFE_S: Final = 3600.0
KEY_BYTES: Final = 16 * 1024 * 1024
ALL_BYTES: Final = 64 * 1024 * 1024

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(tuple[Message, ...])


class Kept(msgspec.Struct):
    """An answer, what it was asked with, and all that it may be continued from, each as JSON."""

    turns: bytes
    until: float
    response: bytes = b"null"
    input: bytes = b"null"

    @property
    def size(self) -> int:
        return len(self.turns) + len(self.response) + len(self.input)


class _Shelf:
    """What one key has, the oldest first."""

    __slots__ = ("kept", "size")

    def __init__(self) -> None:
        self.kept: OrderedDict[str, Kept] = OrderedDict()
        self.size = 0

    def drop(self, id: str) -> int:
        """Returns how much that was."""
        dropped = self.kept.pop(id).size
        self.size -= dropped
        return dropped

    def drop_oldest(self) -> int:
        return self.drop(next(iter(self.kept)))


class Conversations:
    """`now` is UTC epoch seconds. What does not fit any more is forgotten, the oldest of the same
    key first, then of the key that holds the most.
    """

    def __init__(self, *, key_bytes: int = KEY_BYTES, all_bytes: int = ALL_BYTES) -> None:
        self._key_bytes = key_bytes
        self._all_bytes = all_bytes
        self._shelves: dict[str, _Shelf] = {}
        self.size = 0

    def keep(
        self,
        key_id: str,
        id: str,
        turns: tuple[Message, ...],
        now: float,
        *,
        response: bytes = b"null",
        input: bytes = b"null",
    ) -> None:
        kept = Kept(_ENCODER.encode(turns), now + LIFE_S, response, input)
        if kept.size > self._key_bytes:
            return
        shelf = self._shelves.setdefault(key_id, _Shelf())
        if id in shelf.kept:
            self.size -= shelf.drop(id)
        shelf.kept[id] = kept
        shelf.size += kept.size
        self.size += kept.size
        while shelf.size > self._key_bytes or next(iter(shelf.kept.values())).until <= now:
            self.size -= shelf.drop_oldest()
        while self.size > self._all_bytes:
            fullest = max(self._shelves, key=lambda key: self._shelves[key].size)
            self.size -= self._shelves[fullest].drop_oldest()
            if not self._shelves[fullest].kept:
                del self._shelves[fullest]

    def find(self, key_id: str, id: str, now: float) -> Kept | None:
        shelf = self._shelves.get(key_id)
        kept = shelf.kept.get(id) if shelf is not None else None
        return kept if kept is not None and kept.until > now else None

    def has(self, key_id: str, id: str, now: float) -> bool:
        return self.find(key_id, id, now) is not None

    def forget(self, key_id: str, id: str) -> None:
        """What `find` has found."""
        self.size -= self._shelves[key_id].drop(id)

    def recall(self, key_id: str, id: str, now: float) -> tuple[Message, ...]:
        """Raises `InvalidRequest` as OpenAI does for what it does not have."""
        kept = self.find(key_id, id, now)
        if kept is None:
            raise InvalidRequest(
                f"Previous response with id {id[:80]!r} not found. This gateway keeps answers for "
                "an hour, for the key that asked, unless `store` was false; send the whole "
                "conversation as `input` instead.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        return _DECODER.decode(kept.turns)

    def continued(self, key_id: str, asked: ChatRequest, now: float) -> ChatRequest:
        """The request with what came before it."""
        previous = continuation.previous_id(asked)
        before = () if previous is None else self.recall(key_id, previous, now)
        return continuation.continued(asked, before)

    def keeper(
        self,
        key_id: str,
        id: str,
        asked: ChatRequest,
        now: float,
        *,
        body: bytes,
        write: Callable[[ChatResponse], bytes],
    ) -> "Keeper | None":
        """Who keeps the answer to `asked`, the request `body`, under `id`; `None` if the client
        wants none kept. `write` makes of an answer what the client gets.
        """
        if not continuation.is_kept(asked):
            return None

        def keep(answer: ChatResponse, written: bytes | None) -> None:
            self.keep(
                key_id,
                id,
                continuation.turns(asked, answer),
                now,
                response=write(answer) if written is None else written,
                input=continuation.input_of(body),
            )

        return Keeper(keep)


class Keeper:
    """Keeps one answer when it is complete; satisfies `translating_tap.Stage`."""

    __slots__ = ("_collector", "keep")

    def __init__(self, keep: Callable[[ChatResponse, bytes | None], None]) -> None:
        self.keep = keep
        self._collector = Collector()

    def see(self, event: Event, /) -> tuple[Event, ...]:
        self._collector.add(event)
        if isinstance(event, StreamEnd):
            self.keep(self._collector.response(), None)
        return (event,)


class Unnamed:
    """Takes the provider's id off a stream, so that the client gets the gateway's own: only that is
    sure to be unique. Satisfies `translating_tap.Stage`.
    """

    __slots__ = ()

    def see(self, event: Event, /) -> tuple[Event, ...]:
        if isinstance(event, StreamStart):
            event = msgspec.structs.replace(event, id="")
        return (event,)
