"""Claude by Bedrock's InvokeModel: Anthropic Messages in other wrapping, the provider's side.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
and …/APIReference/API_runtime_InvokeModelWithResponseStream.html (2026-11-23). Model and streaming
are in the path, the version is in the body, and each event of a stream is base64 within a binary
frame. What is said is Anthropic's and so is its state; errors are Bedrock's. Media by URL are
answered with "URL sources are not supported" (https://github.com/braintrustdata/lingua/pull/160).
"""

import base64
import binascii
from typing import Final

import msgspec

from portico.errors import UpstreamProtocol
from portico.types.chat import ChatRequest, ChatResponse, Home
from portico.types.chat_stream import Event
from portico.types.media import MediaKind
from portico.wire.anthropic_messages import dialect as anthropic_messages
from portico.wire.anthropic_messages.stream_reader import MessageReader
from portico.wire.aws_events import AwsEvent, AwsEventSplitter
from portico.wire.base import Unsupported
from portico.wire.bedrock_converse.errors import read_error, read_exception
from portico.wire.json_io import encode
from portico.wire.media import without_urls
from portico.wire.stream_reading import PiecewiseReader

__all__ = ["NAME", "read_error", "read_response", "stream_reader", "write_request"]

NAME: Final = "bedrock_invoke"
VERSION: Final = "bedrock-2023-05-31"


class _Chunk(msgspec.Struct):
    bytes: str


_CHUNK: Final = msgspec.json.Decoder(_Chunk)
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_BY_DATA_ONLY: Final[frozenset[MediaKind]] = frozenset({"image", "document"})
_ELSEWHERE: Final = ("model", "stream")
_REFUSED: Final = ("metadata", "service_tier", "inference_geo", "container", "mcp_servers")
"""Fields of Anthropic's own platform that InvokeModel answers with a validation error."""


def write_request(
    request: ChatRequest, /, *, unsupported: Unsupported, home: Home | None = None
) -> bytes:
    request = without_urls(request, _BY_DATA_ONLY, unsupported, NAME)
    body = anthropic_messages.write_request(request, unsupported=unsupported, home=home)
    fields = _FIELDS.decode(body)
    for name in _ELSEWHERE:
        fields.pop(name, None)
    for name in _REFUSED:
        if fields.pop(name, None) is not None:
            unsupported("user" if name == "metadata" else name, NAME)
    return encode({"anthropic_version": VERSION, **fields})


def read_response(body: bytes, /, *, home: Home | None = None) -> ChatResponse:
    return anthropic_messages.read_response(body, home=home)


class ChunkReader:
    """Unwraps the events of a stream and leaves them to Anthropic's reader."""

    __slots__ = ("_inner",)

    def __init__(self, home: Home | None) -> None:
        self._inner = MessageReader(home)

    def read(self, event: AwsEvent, events: list[Event], /) -> bool:
        if event.kind != "event":
            raise read_exception(event)
        if event.name != "chunk":
            return False
        try:
            payload = base64.b64decode(_CHUNK.decode(event.payload).bytes, validate=True)
        except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, ValueError):
            raise UpstreamProtocol("the provider's stream holds a chunk without bytes") from None
        return self._inner.read((None, payload), events)

    def close(self, events: list[Event], /) -> bool:
        return self._inner.close(events)


def stream_reader(*, home: Home | None = None) -> PiecewiseReader[AwsEvent]:
    return PiecewiseReader(AwsEventSplitter(), ChunkReader(home))
