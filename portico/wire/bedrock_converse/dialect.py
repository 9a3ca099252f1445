"""Bedrock Converse and ConverseStream, the provider's side: see `wire.base.ProviderDialect`."""

from portico.wire.bedrock_converse.answer import read_response
from portico.wire.bedrock_converse.errors import read_error
from portico.wire.bedrock_converse.request import write_request
from portico.wire.bedrock_converse.stream_reader import stream_reader
from portico.wire.bedrock_converse.tools import NAME

__all__ = ["NAME", "read_error", "read_response", "stream_reader", "write_request"]
