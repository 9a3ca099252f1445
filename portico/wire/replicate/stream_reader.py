"""The event stream of a prediction to canonical events.

https://replicate.com/docs/topics/predictions/streaming (2026-11-23). `output` is a piece of text,
`error` and `done` are JSON. None of them counts tokens: the prediction itself does, and
`http.steps` hands it on as one more event, `prediction`, when the stream is over. A model that
does not stream is this event alone.
"""

from portico.types.chat import Home, Text
from portico.types.chat_stream import (
    BlockStart,
    BlockStop,
    Event,
    Finish,
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
from portico.wire.stream_reading import PiecewiseReader


class PredictionReader:
    """One streamed prediction; satisfies `PieceReader`."""

    __slots__ = ("_is_begun", "_is_done", "_is_started")

    def __init__(self) -> None:
        self._is_started = False
        self._is_begun = False
        self._is_done = False

    def read(self, received: SseEvent, events: list[Event], /) -> bool:
        name, payload = received
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
                return True
            case _:
                pass
        return False

    def close(self, events: list[Event], /) -> bool:
        if self._is_done:
            self._end(None, events)
        return self._is_done

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


def _reason(payload: bytes) -> object:
    """JSON by the documentation, a bare sentence by some models."""
    try:
        return decode(payload)
    except MalformedError:
        return payload.decode("utf-8", "replace")


def stream_reader(*, home: Home | None = None) -> PiecewiseReader[SseEvent]:
    return PiecewiseReader(SseSplitter(), PredictionReader())
