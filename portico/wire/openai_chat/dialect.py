"""OpenAI Chat Completions, both sides: the module that satisfies `wire.base.ChatDialect`.

Also what most other providers speak, each with its own additions: see `reasoning` and `errors`.
"""

from portico.wire.base import ReplyContext, Unsupported
from portico.wire.openai_chat.answer import read_response, write_response
from portico.wire.openai_chat.errors import read_error
from portico.wire.openai_chat.parts import NAME
from portico.wire.openai_chat.request import read_request, write_request
from portico.wire.openai_chat.stream_reader import stream_reader
from portico.wire.openai_chat.stream_writer import ChatStreamWriter
from portico.wire.openai_error import write_error

__all__ = [
    "NAME",
    "read_error",
    "read_request",
    "read_response",
    "stream_reader",
    "stream_writer",
    "write_error",
    "write_request",
    "write_response",
]


def stream_writer(*, context: ReplyContext, unsupported: Unsupported) -> ChatStreamWriter:
    return ChatStreamWriter(context, unsupported)
