"""Ollama's `/api/generate`, for clients: one prompt, and an answer beside no message.

https://docs.ollama.com/api/generate (2026-11-23). A chat of one turn says the same. What only a
model without a chat template can do (`raw`, `template`, `suffix`, `context`) is named as dropped;
where the provider is Ollama, the bytes pass and all of it works.
"""

from typing import Final

from portico.types.chat import Block, ChatRequest, ChatResponse, Message, Text
from portico.wire.base import ReplyContext, Unsupported
from portico.wire.json_io import MalformedError, convert, decode_object, fields_of, unknown
from portico.wire.ollama_chat.answer import write_response as write_answer
from portico.wire.ollama_chat.errors import write_error
from portico.wire.ollama_chat.messages import read_images
from portico.wire.ollama_chat.request import Asked, canonical
from portico.wire.ollama_chat.shape import GENERATE, GENERATE_NAME
from portico.wire.ollama_chat.stream_writer import ChatStreamWriter

__all__ = ["NAME", "read_request", "stream_writer", "write_error", "write_response"]

NAME: Final = GENERATE_NAME


class _Request(Asked):
    prompt: str | None = None
    system: str | None = None
    images: list[str] | None = None


_KNOWN: Final = fields_of(_Request)
_SAID_BY_DEFAULT: Final = frozenset({"context", "raw", "suffix", "template"})
"""What clients send empty when they mean nothing by it."""


def read_request(
    body: bytes, /, *, model: str | None = None, stream: bool | None = None
) -> ChatRequest:
    """Without messages if there is no prompt: Ollama is only to load the model then."""
    try:
        raw = decode_object(body)
        asked = convert(raw, _Request)
        extra = {key: value for key, value in unknown(raw, _KNOWN).items() if _is_meant(key, value)}
        return canonical(asked, NAME, _messages(asked), extra=extra)
    except MalformedError as problem:
        raise problem.from_client() from None


def _is_meant(key: str, value: object) -> bool:
    return bool(value) or key not in _SAID_BY_DEFAULT


def _messages(asked: _Request) -> tuple[Message, ...]:
    said: list[Block] = [*read_images(asked.images)]
    if asked.prompt:
        said.append(Text(asked.prompt))
    if not said:
        return ()
    turn = Message("user", tuple(said))
    return (Message("system", (Text(asked.system),)), turn) if asked.system else (turn,)


def write_response(
    response: ChatResponse, /, *, context: ReplyContext, unsupported: Unsupported
) -> bytes:
    return write_answer(response, context=context, unsupported=unsupported, shape=GENERATE)


def stream_writer(*, context: ReplyContext, unsupported: Unsupported) -> ChatStreamWriter:
    return ChatStreamWriter(context, unsupported, GENERATE)
