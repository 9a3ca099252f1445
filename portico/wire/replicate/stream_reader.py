"""The event stream of a prediction to canonical events.

https://replicate.com/docs/topics/predictions/streaming (2026-11-23). `output` is a piece of text,
`error` and `done` are JSON. None of them counts tokens: the prediction itself does, and
`http.steps` hands it on as one more event, `prediction`, when the stream is over. A model that
does not stream is this event alone.
"""

from portico.errors import UpstreamError, UpstreamProtocol
from portico.types.chat import Text
from portico.types.chat_stream import (
    BlockStart,
    BlockStop,
    Event,
    Finish,
    StreamEnd,
    StreamError,
    StreamStart,
    TextDelta,
    UsageUpdate,
)
from portico.wire.json_io import MalformedError, decode, decoded
from portico.wire.replicate.answer import (
    PREDICTION,
    Prediction,
    failed,
    failure,
    output_text,
    usage_of,
)
from portico.wire.replicate.request import NAME
from portico.wire.sse import SseEvent, SseSplitter


class PredictionStreamReader:
    """One streamed prediction."""

    __slots__ = ("_is_begun", "_is_done", "_is_ended", "_is_started", "_splitter")

    def __init__(self) -> None:
        self._splitter = SseSplitter()
        self._is_started = False
        self._is_begun = False
        self._is_done = False
        self._is_ended = False

    def feed(self, data: bytes, /) -> list[Event]:
        events: list[Event] = []
        if not self._is_ended:
            try:
                self._read_all(self._splitter.feed(data), events)
            except UpstreamError as problem:
                self._fail(problem, events)
        return events

    def close(self) -> list[Event]:
        events: list[Event] = []
        if not self._is_ended:
            try:
                self._read_all(self._splitter.close(), events)
            except UpstreamError as problem:
                self._fail(problem, events)
        if not self._is_ended and self._is_done:
            self._end(None, events)
        if not self._is_ended:
            cut = UpstreamProtocol("the provider's stream ended before the answer was complete")
            self._fail(cut, events)
        return events

    def _read_all(self, received: list[SseEvent], events: list[Event]) -> None:
        for name, payload in received:
            if not self._is_ended:
                self._read(name, payload, events)

    def _read(self, name: bytes | None, payload: bytes, events: list[Event]) -> None:
        match name:
            case b"output":
                self._say(payload.decode("utf-8", "replace"), events)
            case b"error":
                raise failed(_reason(payload))
            case b"done":
                reason = _reason(payload)
                if isinstance(reason, dict) and reason.get("reason") == "canceled":
                    raise failure(Prediction(status="canceled"))
                self._is_done = not (isinstance(reason, dict) and reason.get("reason"))
            case b"prediction":
                self._finish(decoded(PREDICTION, payload), events)
            case _:
                pass

    def _finish(self, prediction: Prediction, events: list[Event]) -> None:
        if prediction.status != "succeeded":
            raise failure(prediction)
        if not self._is_begun:
            self._say(output_text(prediction.output), events, prediction)
        self._end(prediction, events)

    def _say(self, text: str, events: list[Event], prediction: Prediction | None = None) -> None:
        if not self._is_started:
            self._is_started = True
            known = prediction or Prediction(status="")
            events.append(StreamStart(dialect=NAME, id=known.id, model=known.model or ""))
        if text and not self._is_begun:
            self._is_begun = True
            events.append(BlockStart(0, Text("")))
        if text:
            events.append(TextDelta(0, text))

    def _end(self, prediction: Prediction | None, events: list[Event]) -> None:
        self._say("", events, prediction)
        if self._is_begun:
            events.append(BlockStop(0))
        usage = None if prediction is None else usage_of(prediction)
        if usage is not None:
            events.append(UsageUpdate(usage))
        events.append(Finish(stop="end"))
        self._is_ended = True
        events.append(StreamEnd())

    def _fail(self, error: UpstreamError, events: list[Event]) -> None:
        self._is_ended = True
        events.append(StreamError(error))


def _reason(payload: bytes) -> object:
    """JSON by the documentation, a bare sentence by some models."""
    try:
        return decode(payload)
    except MalformedError:
        return payload.decode("utf-8", "replace")
