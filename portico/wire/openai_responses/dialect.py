"""OpenAI Responses, both sides: the module that satisfies `wire.base.ChatDialect`."""

from portico.wire.base import ReplyContext, Unsupported
from portico.wire.openai_error import write_error
from portico.wire.openai_responses.answer import read_response, write_response
from portico.wire.openai_responses.errors import read_error
from portico.wire.openai_responses.parts import NAME
from portico.wire.openai_responses.request import read_request, write_request
from portico.wire.openai_responses.stream_reader import stream_reader
from portico.wire.openai_responses.stream_writer import ResponseStreamWriter

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


def stream_writer(*, context: ReplyContext, unsupported: Unsupported) -> ResponseStreamWriter:
    return ResponseStreamWriter(context, unsupported)
