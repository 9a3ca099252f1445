"""Events of a streamed Responses answer to canonical ones.

https://developers.openai.com/api/docs/api-reference/responses-streaming (2026-11-23). What is in an
item is the business of `item_reader`. Exactly one of `response.completed`, `.incomplete` and
`.failed` ends a stream. Survived: deltas left out (only `done` events, or only the last
`response`), items never announced, unknown events, `error` events of two shapes.
"""

from typing import Any, Final

import msgspec

from portico.errors import UpstreamError
from portico.types.chat import Home, JsonObject
from portico.types.chat_stream import (
    Event,
    Finish,
    LogprobsDelta,
    OpaqueEvent,
    Ping,
    StreamStart,
    UsageUpdate,
)
from portico.wire.json_io import MalformedError, convert, decode_object, decoded, unknown
from portico.wire.openai_responses.answer import ECHOED, Answer, native_stop, stop_reason
from portico.wire.openai_responses.errors import error_of
from portico.wire.openai_responses.item_reader import Blocks, Fields
from portico.wire.openai_responses.parts import NAME
from portico.wire.openai_usage import read_usage
from portico.wire.sse import SseEvent, SseSplitter
from portico.wire.stream_reading import PiecewiseReader

_FIELDS: Final = msgspec.json.Decoder(Fields)


class ResponseReader:
    """One streamed answer; satisfies `PieceReader`."""

    __slots__ = ("_blocks", "_is_started")

    def __init__(self, home: Home | None) -> None:
        self._blocks = Blocks(home)
        self._is_started = False

    def read(self, received: SseEvent, events: list[Event], /) -> bool:
        payload = received[1]
        if payload.startswith(b"[DONE]"):
            return False  # of some proxies
        fields = decoded(_FIELDS, payload)
        match fields.type:
            case "response.created" | "response.in_progress" | "response.queued":
                self._start(_response(payload), events)
            case "response.completed" | "response.incomplete":
                self._complete(payload, events)
                return True
            case "response.failed" | "error" | "response.error" | None:
                raise _failure(payload)
            case "keepalive" | "ping":
                events.append(Ping())
            case type:
                if not self._is_started:
                    self._start({}, events)
                if not self._blocks.read(fields, payload, events):
                    events.append(OpaqueEvent(NAME, type, decode_object(payload)))
        return False

    def close(self, _: list[Event], /) -> bool:
        return False  # its last event completes an answer, and nothing else does

    def _start(self, response: JsonObject, events: list[Event]) -> None:
        if self._is_started:
            return
        self._is_started = True
        id, model, created = response.get("id"), response.get("model"), response.get("created_at")
        events.append(
            StreamStart(
                dialect=NAME,
                id=id if isinstance(id, str) else "",
                model=model if isinstance(model, str) else "",
                created=int(created) if isinstance(created, int | float) else None,
                extra=unknown(response, ECHOED | {"created_at", "incomplete_details"}),
            )
        )

    def _complete(self, payload: bytes, events: list[Event]) -> None:
        response = _response(payload)
        self._start(response, events)
        if not isinstance(response.get("output"), list):
            response["output"] = []
        answer = convert(response, Answer, "response")
        content, logprobs = self._blocks.finish(answer.output, events)
        if logprobs is not None:
            events.append(LogprobsDelta(logprobs))
        events.append(Finish(stop=stop_reason(answer, content), native_stop=native_stop(answer)))
        usage = read_usage(payload, "response")
        if usage is not None:
            events.append(UsageUpdate(usage))


def _failure(payload: bytes) -> UpstreamError:
    """In `response.error`, in `error`, or at the top of the event itself."""
    event: Any = decode_object(payload)
    response = event.get("response")
    error = response.get("error") if isinstance(response, dict) else event.get("error")
    if error is None and "type" not in event:
        raise MalformedError("an event needs a `type`")
    if error is None and event["type"] == "error":
        error = {key: value for key, value in event.items() if key != "type"}
    return error_of(error or "the answer failed", 200, {})


def _response(payload: bytes) -> JsonObject:
    response = decode_object(payload).get("response")
    return response if isinstance(response, dict) else {}


def stream_reader(*, home: Home | None = None) -> PiecewiseReader[SseEvent]:
    return PiecewiseReader(SseSplitter(), ResponseReader(home))
