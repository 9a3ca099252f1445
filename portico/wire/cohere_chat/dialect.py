"""Cohere's chat, version 2, the provider's side: see `wire.base.ProviderDialect`."""

from portico.types.chat import Home
from portico.wire.cohere_chat.answer import read_response
from portico.wire.cohere_chat.errors import read_error
from portico.wire.cohere_chat.request import write_request
from portico.wire.cohere_chat.stream_reader import ChatStreamReader
from portico.wire.cohere_chat.tools import NAME

__all__ = ["NAME", "read_error", "read_response", "stream_reader", "write_request"]


def stream_reader(*, home: Home | None = None) -> ChatStreamReader:
    return ChatStreamReader(home)
