"""Requests that ask for no words: Ollama loads the model then, or lets it go.

https://docs.ollama.com/faq (keep_alive) and https://docs.ollama.com/api/generate (2026-11-23).
Its clients do so before the first prompt and after the last. A provider that loads nothing is not
asked.
"""

from portico.types.chat import ChatRequest
from portico.wire.json_io import encode
from portico.wire.ollama_chat.answer import write_time
from portico.wire.ollama_chat.shape import CHAT, GENERATE, GENERATE_NAME


def is_one(asked: ChatRequest) -> bool:
    return not asked.messages


def write_loaded(asked: ChatRequest, now: int) -> bytes:
    """One object, the same whole and as the only line of a stream."""
    shape = GENERATE if asked.dialect == GENERATE_NAME else CHAT
    return encode(
        {
            "model": asked.model,
            "created_at": write_time(now),
            **shape.of({"role": "assistant", "content": ""}, _nothing_lost),
            "done": True,
            "done_reason": "unload" if asked.extra.get("keep_alive") in (0, "0") else "load",
        }
    )


def _nothing_lost(field: str, dialect: str, /) -> None:
    raise AssertionError(f"{dialect} lost {field} of an empty answer")
