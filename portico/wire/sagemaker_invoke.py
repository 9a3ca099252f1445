"""Chat Completions by SageMaker's InvokeEndpoint: OpenAI's words in AWS's wrapping.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html,
…/API_runtime_InvokeEndpointWithResponseStream.html and, for what containers stream,
https://docs.djl.ai/master/docs/serving/serving/docs/lmi/user_guides/chat_input_output_schema.html
(2026-11-23). The endpoint is in the path, so the body names no model. Each event of a stream is a
piece of what the container sends, cut anywhere: server-sent events, or a line of JSON a chunk.
"""

from typing import Any, Final

import msgspec

from portico.errors import UpstreamError, UpstreamProtocol
from portico.types.chat import ChatRequest, ChatResponse, Home
from portico.types.chat_stream import Event
from portico.types.http import Headers, HttpHead
from portico.wire.aws_events import AwsEvent, AwsEventSplitter
from portico.wire.base import Unsupported
from portico.wire.custom_tools import wrap
from portico.wire.json_io import MalformedError, decode, encode
from portico.wire.openai_chat import dialect as openai_chat
from portico.wire.openai_chat.stream_reader import ChatReader
from portico.wire.sse import SseEvent, SseSplitter
from portico.wire.stream_reading import PiecewiseReader
from portico.wire.upstream_errors import upstream_error

NAME: Final = "sagemaker_invoke"
_MAX_LINE: Final = 16 * 1024 * 1024
_STATUS_BY_TYPE: Final = {
    "validationerror": 400,
    "throttlingexception": 429,
    "modelnotreadyexception": 429,
    "modelstreamerror": 424,
    "internalstreamfailure": 500,
    "internalfailure": 500,
    "internaldependencyexception": 503,
    "serviceunavailable": 503,
}


def write_request(
    request: ChatRequest, /, *, unsupported: Unsupported, home: Home | None = None
) -> bytes:
    wanted = msgspec.structs.replace(wrap(request, NAME, unsupported), model="")
    return openai_chat.write_request(wanted, unsupported=unsupported, home=home)


def read_response(body: bytes, /, *, home: Home | None = None) -> ChatResponse:
    return openai_chat.read_response(body, home=home)


def read_error(head: HttpHead, body: bytes, /) -> UpstreamError:
    """The container's own words where SageMaker quotes them, else SageMaker's."""
    kind = head.headers.get(b"x-amzn-errortype", b"").decode("latin-1").partition(":")[0]
    try:
        said = decode(body)
    except MalformedError:
        said = None
    if not isinstance(said, dict):
        return openai_chat.read_error(head, body)
    return _error(head.status, kind, said, head.headers)


def _error(status: int, kind: str, said: dict[str, Any], headers: Headers) -> UpstreamError:
    inner = said.get("OriginalMessage")
    code = said.get("OriginalStatusCode")
    if isinstance(inner, str) and isinstance(code, int) and 400 <= code < 600:
        read = openai_chat.read_error(HttpHead(code, headers), inner.encode())
    else:
        message = next((said[name] for name in ("Message", "message") if name in said), "")
        meant = _STATUS_BY_TYPE.get(kind.lower(), status)
        error = {"message": message, "code": kind or said.get("Code")}
        head = HttpHead(meant if meant >= 400 else 502, headers)
        read = openai_chat.read_error(head, encode({"error": error}))
    if status >= 400:
        read.upstream_status = status
    return read


class _Lines:
    """Lines of JSON as server-sent events; what comes as those passes through."""

    __slots__ = ("_is_lines", "_tail")

    def __init__(self) -> None:
        self._is_lines: bool | None = None
        self._tail = b""

    def feed(self, data: bytes) -> bytes:
        if self._is_lines is None:
            data = (self._tail + data).lstrip()
            self._tail = b""
            if not data:
                return b""
            self._is_lines = data.startswith(b"{")
        if not self._is_lines:
            return data
        whole, _, self._tail = (self._tail + data).rpartition(b"\n")
        if len(self._tail) > _MAX_LINE:
            raise UpstreamProtocol("the provider's stream holds a line that is too long")
        return _as_events(whole)

    def close(self) -> bytes:
        return _as_events(self._tail) if self._is_lines else b""


def _as_events(lines: bytes) -> bytes:
    return b"".join(b"data: %b\n\n" % line for line in lines.splitlines() if line.strip())


class PartReader:
    """Joins what the events of a stream hold and leaves it to OpenAI's reader."""

    __slots__ = ("_inner", "_lines", "_splitter")

    def __init__(self, home: Home | None) -> None:
        self._lines = _Lines()
        self._splitter = SseSplitter()
        self._inner = ChatReader(home)

    def read(self, event: AwsEvent, events: list[Event], /) -> bool:
        if event.kind != "event":
            raise _exception(event)
        if event.name != "PayloadPart":
            return False
        return self._read(self._splitter.feed(self._lines.feed(event.payload)), events)

    def close(self, events: list[Event], /) -> bool:
        return (
            self._read(self._splitter.feed(self._lines.close()), events)
            or self._read(self._splitter.close(), events)
            or self._inner.close(events)
        )

    def _read(self, received: list[SseEvent], events: list[Event]) -> bool:
        return any(self._inner.read(event, events) for event in received)


def _exception(event: AwsEvent) -> UpstreamError:
    """An event of kind `exception` or `error`."""
    if event.kind == "error":
        message = str(event.headers.get(":error-message", ""))
        return upstream_error(_STATUS_BY_TYPE.get(event.name.lower(), 502), message)
    try:
        said = decode(event.payload)
    except MalformedError:
        said = None
    if isinstance(said, dict) and said.get("ErrorCode") == "ModelInvocationTimeExceeded":
        return upstream_error(408, str(said.get("Message", "")))
    return _error(200, event.name, said if isinstance(said, dict) else {}, {})


def stream_reader(*, home: Home | None = None) -> PiecewiseReader[AwsEvent]:
    return PiecewiseReader(AwsEventSplitter(), PartReader(home))
