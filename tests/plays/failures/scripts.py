"""The ways in which a provider plays its part badly."""

import asyncio
import json
import re

from tests.harness import LAST_CHUNK, SSE_HEAD, Received, Script, Wire, chunk, whole
from tests.plays.failures.providers import Speaker


def then_reset(*pieces: bytes) -> Script:
    async def script(wire: Wire, _: Received) -> None:
        for piece in pieces:
            wire.send(piece)
            await wire.drain()
        # A reset overtakes what the gateway has not read: let it read first.
        await asyncio.sleep(0.01 if pieces else 0)
        wire.reset()

    return script


def then_close(*pieces: bytes) -> Script:
    async def script(wire: Wire, _: Received) -> None:
        for piece in pieces:
            wire.send(piece)
        await wire.drain()
        wire.close()

    return script


def then_stall(*pieces: bytes) -> Script:
    async def script(wire: Wire, _: Received) -> None:
        for piece in pieces:
            wire.send(piece)
        await wire.gone()

    return script


def dripping(piece: bytes, *first: bytes, every_s: float = 0.03) -> Script:
    """The same piece until the gateway has had enough."""

    async def script(wire: Wire, _: Received) -> None:
        wire.send(b"".join(first))
        gone = asyncio.ensure_future(wire.gone())
        while not gone.done():
            wire.send(piece)
            await asyncio.wait([gone], timeout=every_s)

    return script


def slow_to_begin(speaker: Speaker) -> Script:
    """Signs of life for longer than silence may last, then a good answer."""

    async def script(wire: Wire, _: Received) -> None:
        wire.send(SSE_HEAD + (chunk(speaker.opening) if speaker.opening else b""))
        for _ in range(16):
            await asyncio.sleep(0.05)
            wire.send(chunk(speaker.life))
        wire.send(chunk(speaker.first + speaker.more + speaker.end) + LAST_CHUNK)

    return script


def silent_for(seconds: float, speaker: Speaker) -> Script:
    """An opening, silence, then a good answer."""

    async def script(wire: Wire, _: Received) -> None:
        wire.send(SSE_HEAD + chunk(speaker.opening))
        await asyncio.sleep(seconds)
        wire.send(chunk(speaker.first + speaker.more + speaker.end) + LAST_CHUNK)

    return script


def streamed(speaker: Speaker, *events: bytes) -> bytes:
    """A stream that has begun, with these events after the first text; not ended."""
    return SSE_HEAD + chunk(speaker.opening + speaker.first) + b"".join(map(chunk, events))


def good(speaker: Speaker) -> Script:
    async def script(wire: Wire, request: Received) -> None:
        if is_streamed(request):
            wire.send(streamed(speaker, speaker.more + speaker.end) + LAST_CHUNK)
        else:
            wire.send(whole(speaker.whole))

    return script


def quoting(speaker: Speaker, kind: str) -> Script:
    """A refusal that quotes the credential it was asked with."""

    async def script(wire: Wire, request: Received) -> None:
        status, body = speaker.refusal(kind, f"no good: {_credential(request)}")
        wire.send(whole(body, status))

    return script


def quoting_later(speaker: Speaker) -> Script:
    """An error event that does, after the first text."""

    async def script(wire: Wire, request: Received) -> None:
        words = b'"message":"no good: %b"' % _credential(request).encode()
        wire.send(streamed(speaker, re.sub(rb'"message":"[^"]*"', words, speaker.error_event)))
        wire.send(LAST_CHUNK)

    return script


def _credential(request: Received) -> str:
    names = ("authorization", "x-api-key", "x-goog-api-key")
    (sent,) = [request.headers[name] for name in names if name in request.headers]
    return sent.removeprefix("Bearer ")


def is_streamed(request: Received) -> bool:
    return ":stream" in request.target or bool(json.loads(request.body).get("stream"))
