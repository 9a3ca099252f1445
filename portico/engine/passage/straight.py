"""Same dialect on both sides: the body goes as it is but for the model's name, and the answer comes
back as it is.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from portico.engine.addressing import address
from portico.engine.snapshot import Target
from portico.errors import UpstreamError
from portico.providers.base import Task
from portico.types.call import Call
from portico.types.deployment import Provider
from portico.types.http import HttpHead, HttpRequest
from portico.types.usage import Usage
from portico.wire import envelope
from portico.wire.natives import NATIVES
from portico.wire.openai_chat.errors import read_error as read_openai_error
from portico.wire.openai_chat.fitting import fit
from portico.wire.openai_usage import read_usage
from portico.wire.tap import MediaTap, StreamTap, Tap

ReadError = Callable[[HttpHead, bytes], UpstreamError]
ReadUsage = Callable[[bytes], Usage | None]

EVENT_STREAM: Final = (b"text/event-stream",)
_ANY_TYPE: Final = (b"",)
_STREAM_USAGE: Final = frozenset({"chat", "completion"})
"""Operations whose streams report usage only if `stream_options.include_usage` asks for it."""
NOTHING_USED: Final = Usage(input_tokens=0, output_tokens=0, requests=0)
"""What it takes to count tokens: no provider bills for it."""


class Straight(msgspec.Struct):
    """Bytes pass."""

    upstream: HttpRequest
    tap: Tap | None
    operation: str
    read_error: ReadError = read_openai_error
    content_type: bytes | None = None
    passes_errors: bool = True
    read_usage: ReadUsage | None = None
    """For dialects that are not OpenAI's."""

    def whole(self, body: bytes) -> tuple[bytes, Usage | None]:
        if self.read_usage is not None:
            return body, self.read_usage(body)
        return body, read_usage(body, self.operation)


def straight(call: Call, target: Target) -> Straight:
    endpoint = call.endpoint
    seen = call.envelope
    provider = target.deployment.provider
    streamed = endpoint.binary or (endpoint.streams and bool(seen.stream))
    add_usage = (
        streamed
        and endpoint.operation in _STREAM_USAGE
        and "stream_options" not in provider.refused_params
        and not envelope.wants_usage(seen)
    )
    body = envelope.splice(call.request.body, seen, target.model_json, add_usage=add_usage)
    body = adapted(call, provider, body)
    tap: Tap | None = None
    stream_types: tuple[bytes, ...] = ()
    if endpoint.binary:
        tap, stream_types = MediaTap(), _ANY_TYPE
    elif streamed:
        tap, stream_types = StreamTap(endpoint.operation, strip_usage=add_usage), EVENT_STREAM
    task = Task(endpoint.operation, endpoint.dialect, streamed, endpoint.path)
    upstream = address(call, target, task, body, stream_types)
    return Straight(upstream, tap, endpoint.operation)


def native(call: Call, target: Target) -> Straight:
    """The same in a dialect that is not OpenAI's."""
    endpoint = call.endpoint
    provider = target.deployment.provider
    native = NATIVES[endpoint.dialect]
    streamed = endpoint.streams and bool(call.envelope.stream)
    body = call.request.body
    if call.addressed is None:
        body = envelope.splice(body, call.envelope, target.model_json, add_usage=False)
    else:
        body = envelope.without_model(body)
    body = adapted(call, provider, body)
    tap: Tap | None = None
    is_array = call.addressed is not None and call.addressed.framing == "json"
    if streamed:
        tap = native.array_tap() if is_array else native.tap()
    path = endpoint.path if call.addressed is None else None
    task = Task(endpoint.operation, endpoint.dialect, streamed, path)
    counts = endpoint.operation == "count_tokens"
    return Straight(
        address(call, target, task, body, EVENT_STREAM if streamed else ()),
        tap,
        endpoint.operation,
        native.read_error,
        b"application/json" if is_array else None,
        read_usage=_nothing_used if counts else native.read_usage,
    )


def _nothing_used(body: bytes) -> Usage | None:
    return NOTHING_USED


def adapted(call: Call, provider: Provider, body: bytes) -> bytes:
    """The body with the names that this provider knows, and without what it refuses."""
    if provider.renamed_params:
        body = envelope.rename(body, provider.renamed_params)
    call.dropped_params = ()
    if provider.refused_params:
        body, call.dropped_params = envelope.drop(body, provider.refused_params)
    if provider.message_rules is not None and call.endpoint.dialect == "openai_chat":
        body, left_out = fit(body, provider.message_rules)
        call.dropped_params = (*call.dropped_params, *left_out)
    return body
