"""What Mistral's SDKs need that OpenAI's do not, at the paths that they share.

Mistral's API streams every tool call whole, and its SDKs refuse a piece without the function's
name; OpenAI's API sends the arguments bit by bit. Answers with vectors must have an `id`.
https://docs.mistral.ai/capabilities/function_calling and mistralai 3.7.0 (2026-11-23).
"""

from typing import Final

import msgspec

from portico.types.chat import ToolCall
from portico.types.chat_stream import (
    ArgumentsDelta,
    BlockStart,
    BlockStop,
    Event,
    SignatureDelta,
)
from portico.types.http import Headers

_AGENT: Final = b"mistral-client"


def is_mistrals(headers: Headers) -> bool:
    """They name themselves."""
    return headers.get(b"user-agent", b"").startswith(_AGENT)


class _Held:
    __slots__ = ("call", "pieces", "stop")

    def __init__(self, call: ToolCall) -> None:
        self.call = call
        self.pieces = [call.arguments]
        self.stop: BlockStop | None = None


class WholeCalls:
    """A stage of a translated stream. Calls that are open side by side come in order of start."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[tuple[int, int], _Held] = {}

    def see(self, event: Event, /) -> tuple[Event, ...]:
        match event:
            case BlockStart(index, ToolCall() as call, choice):
                self._held[choice, index] = _Held(call)
                return ()
            case ArgumentsDelta(index, text, choice):
                self._held[choice, index].pieces.append(text)
                return ()
            case SignatureDelta(index, state, choice) if (choice, index) in self._held:
                held = self._held[choice, index]
                held.call = msgspec.structs.replace(held.call, state=state)
                return ()
            case BlockStop(index, choice) if (choice, index) in self._held:
                self._held[choice, index].stop = event
                return self._complete()
            case _:
                return (event,)

    def _complete(self) -> tuple[Event, ...]:
        events: list[Event] = []
        for key, held in list(self._held.items()):
            if held.stop is None:
                break
            del self._held[key]
            call = msgspec.structs.replace(held.call, arguments="".join(held.pieces) or "{}")
            events += (BlockStart(held.stop.index, call, held.stop.choice), held.stop)
        return tuple(events)
