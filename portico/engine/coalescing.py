"""Identical deterministic requests of one key, in flight at the same time, share one answer.

Off unless a route says `coalesce`. The first asks, the others wait for what it gets, good or bad.
If the first leaves without either, the next of them asks. What is shared is billed once, to the
first.
"""

import asyncio
from hashlib import blake2b
from typing import Any, Final

import msgspec

from portico.errors import GatewayError
from portico.types.call import Call
from portico.types.http import Headers

_ALWAYS: Final = frozenset({"embedding", "moderation", "rerank"})
"""Operations whose answers do not depend on chance."""
_SOMETIMES: Final = frozenset({"chat", "completion"})
_OWN_FIELDS: Final = frozenset(
    {
        b"api-key",
        b"authorization",
        b"content-length",
        b"host",
        b"traceparent",
        b"tracestate",
        b"x-api-key",
        b"x-goog-api-key",
        b"x-request-id",
    }
)
"""Fields that differ between requests that ask for the same."""


class SharedAnswer(msgspec.Struct, frozen=True):
    """A whole answer as the first of the calls got it."""

    body: bytes
    headers: Headers
    content_type: bytes | None
    deployment: str


Outcome = SharedAnswer | GatewayError


class _Chance(msgspec.Struct):
    temperature: Any = None
    seed: Any = None


class _Sampling(msgspec.Struct):
    temperature: Any = None
    seed: Any = None
    generationConfig: _Chance | None = None  # noqa: N815
    options: _Chance | None = None


_SAMPLING: Final = msgspec.json.Decoder(_Sampling)


class Coalescer:
    """`join` before asking; whoever gets nothing from it asks, and must `settle` or `abandon`."""

    __slots__ = ("_asking",)

    def __init__(self) -> None:
        self._asking: dict[bytes, asyncio.Future[Outcome | None]] = {}

    def __len__(self) -> int:
        return len(self._asking)

    async def join(self, key: bytes) -> SharedAnswer | None:
        """The answer that another call gets, or nothing: then it is this one's turn to ask.

        Raises the error that the other call got.
        """
        while (asking := self._asking.get(key)) is not None:
            # Unlike awaiting it, this does not cancel it for all when one of them leaves.
            await asyncio.wait((asking,))
            outcome = asking.result()
            if isinstance(outcome, GatewayError):
                raise outcome
            if outcome is not None:
                return outcome
        self._asking[key] = asyncio.get_running_loop().create_future()
        return None

    def settle(self, key: bytes, outcome: Outcome) -> None:
        """Tell the others what came of it."""
        asking = self._asking.pop(key, None)
        if asking is not None:
            asking.set_result(outcome)

    def abandon(self, key: bytes) -> None:
        """Leave without an outcome; harmless after `settle`."""
        asking = self._asking.pop(key, None)
        if asking is not None:
            asking.set_result(None)


def key_of(call: Call) -> bytes | None:
    """What calls must have in common to share an answer; nothing for those that may not."""
    operation = call.endpoint.operation
    request = call.request
    if call.envelope.stream or call.endpoint.binary or b"x-portico-explain" in request.headers:
        return None
    if operation not in _ALWAYS and not (
        operation in _SOMETIMES and _is_deterministic(request.body)
    ):
        return None
    digest = blake2b(digest_size=16)
    parts = [call.principal.key_id.encode(), call.route.name.encode(), request.path.encode()]
    parts += [request.query, request.body]
    for name, value in sorted(request.headers.items()):
        if name not in _OWN_FIELDS:
            parts += [name, value]
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.digest()


def _is_deterministic(body: bytes) -> bool:
    """Does it ask for the likeliest answer, or for a chance that can be repeated?"""
    try:
        asked = _SAMPLING.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return any(
        one is not None and (_is_zero(one.temperature) or one.seed is not None)
        for one in (asked, asked.generationConfig, asked.options)
    )


def _is_zero(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == 0
