"""Gemini `generateContent`, both sides: the module that satisfies `wire.base.ChatDialect`.

Streams are the same answer in pieces, as server-sent events or (a client without `alt=sse`) as one
JSON array. `countTokens` is beside it: the same request, a number for an answer.
"""

from portico.wire.base import ReplyContext, Unsupported
from portico.wire.gemini_generate.answer import read_response, write_response
from portico.wire.gemini_generate.errors import read_error, write_error
from portico.wire.gemini_generate.parts import NAME
from portico.wire.gemini_generate.request import (
    read_count_tokens,
    read_request,
    read_token_count,
    write_count_tokens,
    write_request,
    write_token_count,
)
from portico.wire.gemini_generate.stream_reader import stream_reader
from portico.wire.gemini_generate.stream_writer import GenerateStreamWriter

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


def stream_writer(*, context: ReplyContext, unsupported: Unsupported) -> GenerateStreamWriter:
    return GenerateStreamWriter(context, unsupported)
