"""Claude by Bedrock's InvokeModel: Anthropic Messages in other wrapping, the provider's side.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
and …/APIReference/API_runtime_InvokeModelWithResponseStream.html (2026-11-23). Model and streaming
are in the path, the version is in the body, and each event of a stream is base64 within a binary
frame. What is said is Anthropic's and so is its state; errors are Bedrock's. Media by URL are
answered with "URL sources are not supported" (https://github.com/braintrustdata/lingua/pull/160).
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Final

import msgspec

from portico.errors import UpstreamError, UpstreamProtocol
from portico.types.chat import ChatRequest, ChatResponse, Home
from portico.types.chat_stream import Event, StreamEnd, StreamError
from portico.types.media import MediaKind
from portico.wire.anthropic_messages import dialect as anthropic_messages
from portico.wire.aws_events import AwsEvent, AwsEventSplitter
from portico.wire.base import Unsupported
from portico.wire.bedrock_converse.errors import read_error, read_exception
from portico.wire.json_io import encode
from portico.wire.media import without_urls

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


class InvokeStreamReader:
    """Unwraps the events of a stream and leaves them to Anthropic's reader."""

    __slots__ = ("_inner", "_is_ended", "_splitter")

    def __init__(self, home: Home | None) -> None:
        self._splitter = AwsEventSplitter()
        self._inner = anthropic_messages.stream_reader(home=home)
        self._is_ended = False

    def feed(self, data: bytes, /) -> list[Event]:
        events: list[Event] = []
        if not self._is_ended:
            try:
                for event in self._splitter.feed(data):
                    if not self._is_ended:
                        self._take(self._read(event), events)
            except UpstreamError as problem:
                self._take([StreamError(problem)], events)
        return events

    def close(self) -> list[Event]:
        events: list[Event] = []
        if not self._is_ended:
            try:
                self._splitter.close()
                self._take(self._inner.close(), events)
            except UpstreamError as problem:
                self._take([StreamError(problem)], events)
        return events

    def _read(self, event: AwsEvent) -> Sequence[Event]:
        if event.kind != "event":
            return [StreamError(read_exception(event))]
        if event.name != "chunk":
            return ()
        try:
            payload = base64.b64decode(_CHUNK.decode(event.payload).bytes, validate=True)
        except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, ValueError):
            raise UpstreamProtocol("the provider's stream holds a chunk without bytes") from None
        # Its JSON is on one line: a line end inside would not be one for Anthropic's reader.
        return self._inner.feed(b"data: %b\n\n" % payload.replace(b"\n", b" "))

    def _take(self, read: Sequence[Event], events: list[Event]) -> None:
        events += read
        if read and isinstance(read[-1], StreamEnd | StreamError):
            self._is_ended = True


def stream_reader(*, home: Home | None = None) -> InvokeStreamReader:
    return InvokeStreamReader(home)
