"""Cohere's chat, version 2, both sides: the module that satisfies `wire.base.ChatDialect`."""

from portico.wire.base import ReplyContext, Unsupported
from portico.wire.cohere_chat.answer import read_response, write_response
from portico.wire.cohere_chat.errors import read_error, write_error
from portico.wire.cohere_chat.request import read_request, write_request
from portico.wire.cohere_chat.stream_reader import stream_reader
from portico.wire.cohere_chat.stream_writer import ChatStreamWriter
from portico.wire.cohere_chat.tools import NAME

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
