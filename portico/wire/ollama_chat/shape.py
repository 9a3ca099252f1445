"""The two shapes of Ollama's answers: words in a message (`/api/chat`), or beside one
(`/api/generate`). Everything around them is the same.

https://docs.ollama.com/api/chat and https://docs.ollama.com/api/generate (2026-11-23).
"""

from collections.abc import Callable
from typing import Final

import msgspec

from portico.types.chat import JsonObject
from portico.wire.base import Unsupported

GENERATE_NAME: Final = "ollama_generate"


class Shape(msgspec.Struct, frozen=True):
    """`text` and `thought` are fields of a streamed line, around JSON text; `of` makes the fields
    of a whole message.
    """

    text: bytes
    thought: bytes
    of: Callable[[JsonObject, Unsupported], JsonObject]


def _in_message(message: JsonObject, unsupported: Unsupported) -> JsonObject:
    return {"message": message}


def _beside(message: JsonObject, unsupported: Unsupported) -> JsonObject:
    """Nobody can offer tools there, so calls and pictures are what a model made up."""
    for field in ("tool_calls", "images"):
        if field in message:
            unsupported(f"message.{field}", GENERATE_NAME)
    fields: JsonObject = {"response": message["content"]}
    if "thinking" in message:
        fields["thinking"] = message["thinking"]
    return fields


CHAT: Final = Shape(
    b'"message":{"role":"assistant","content":%b}',
    b'"message":{"role":"assistant","content":"","thinking":%b}',
    _in_message,
)
GENERATE: Final = Shape(b'"response":%b', b'"response":"","thinking":%b', _beside)
