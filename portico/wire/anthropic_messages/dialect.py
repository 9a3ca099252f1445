"""Anthropic Messages, both sides: the module that satisfies `wire.base.ChatDialect`.

`count_tokens` is beside it: the same request without `max_tokens`, a number for an answer.
"""

from portico.wire.anthropic_messages.answer import read_response, write_response
from portico.wire.anthropic_messages.blocks import NAME
from portico.wire.anthropic_messages.errors import read_error, write_error
from portico.wire.anthropic_messages.request import (
    read_count_tokens,
    read_request,
    read_token_count,
    write_count_tokens,
    write_request,
    write_token_count,
)
from portico.wire.anthropic_messages.stream_reader import stream_reader
from portico.wire.anthropic_messages.stream_writer import MessageStreamWriter
from portico.wire.base import ReplyContext, Unsupported

__all__ = [
    "NAME",
    "read_count_tokens",
    "read_error",
    "read_request",
    "read_response",
    "read_token_count",
    "stream_reader",
    "stream_writer",
    "write_count_tokens",
    "write_error",
    "write_request",
    "write_response",
    "write_token_count",
]


def stream_writer(*, context: ReplyContext, unsupported: Unsupported) -> MessageStreamWriter:
    return MessageStreamWriter(context, unsupported)
