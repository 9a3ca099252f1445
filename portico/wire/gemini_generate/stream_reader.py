"""Streamed Gemini answers, as server-sent events or as one JSON array, to canonical events.

https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent (2026-11-23). Each
chunk is a whole `GenerateContentResponse` with the parts that are new. Nothing marks the end but
the end of the body, and some models give a finish reason in every chunk; so finish and end are
known when the body is closed. Survived: usage-only chunks, blocked prompts, errors at any point.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

import msgspec

from portico.types.chat import Home, JsonObject
from portico.types.chat_stream import (
    Event,
    Finish,
    StreamStart,
    UsageUpdate,
)
from portico.wire.call_ids import CallIds
from portico.wire.gemini_generate.answer import block_reason, call_ids
from portico.wire.gemini_generate.candidate_reader import CandidateReader
from portico.wire.gemini_generate.errors import error_of
from portico.wire.gemini_generate.json_array import ArraySplitter
from portico.wire.gemini_generate.parts import NAME, Part, camel, is_plain
from portico.wire.gemini_generate.usage import UsageFields, normal
from portico.wire.json_io import decode_object, decoded
from portico.wire.sse import MAX_EVENT_BYTES, SseEvent, SseSplitter
from portico.wire.stream_reading import PiecewiseReader


class _Content(msgspec.Struct):
    parts: list[Part] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None
    index: int = 0
    finish_message: Any = None
    safety_ratings: Any = None
    citation_metadata: Any = None
    grounding_metadata: Any = None
    url_context_metadata: Any = None
    avg_logprobs: Any = None
    token_count: Any = None
    logprobs_result: Any = None


class _Chunk(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    usage_metadata: UsageFields | None = None
    model_version: str | None = None
    response_id: str | None = None
    prompt_feedback: Any = None
    error: Any = None


_CHUNK: Final = msgspec.json.Decoder(_Chunk)
_MORE: Final = attrgetter(
    "finish_message",
    "safety_ratings",
    "citation_metadata",
    "grounding_metadata",
    "url_context_metadata",
    "avg_logprobs",
    "token_count",
)
_MORE_KEYS: Final = (
    "finishMessage",
    "safetyRatings",
    "citationMetadata",
    "groundingMetadata",
    "urlContextMetadata",
    "avgLogprobs",
    "tokenCount",
)


class GenerateReader:
    """One streamed answer; satisfies `PieceReader`."""

    __slots__ = (
        "_blocked",
        "_candidates",
        "_home",
        "_ids",
        "_is_started",
    )

    def __init__(self, home: Home | None) -> None:
        self._home = home
        self._candidates: dict[int, CandidateReader] = {}
        self._ids = CallIds()
        self._blocked: str | None = None
        self._is_started = False

    def read(self, received: SseEvent, events: list[Event], /) -> bool:
        payload = received[1]
        if payload == b"[DONE]":
            return False  # of some proxies
        chunk = decoded(_CHUNK, payload)
        if chunk.error:
            raise error_of(chunk.error, 200, {})
        if not self._is_started:
            self._start(chunk, events)
        whole = _decoded_once(payload)
        for i, candidate in enumerate(chunk.candidates or ()):
            self._read_candidate(candidate, i, whole, events)
        self._blocked = block_reason(chunk.prompt_feedback) or self._blocked
        if chunk.usage_metadata is not None and (usage := normal(chunk.usage_metadata)) is not None:
            events.append(UsageUpdate(usage))
        return False

    def close(self, events: list[Event], /) -> bool:
        candidates = self._candidates.values()
        if self._blocked is not None and not candidates:
            events.append(Finish(stop="content_filter", native_stop=self._blocked))
        elif not candidates or not all(c.finish_reason for c in candidates):
            return False
        for candidate in candidates:
            candidate.finish(events)
        return True

    def _start(self, chunk: _Chunk, events: list[Event]) -> None:
        self._is_started = True
        self._ids = call_ids(chunk.response_id)
        feedback = chunk.prompt_feedback
        events.append(
            StreamStart(
                dialect=NAME,
                id=chunk.response_id or "",
                model=chunk.model_version or "",
                extra={} if feedback is None else {"promptFeedback": feedback},
            )
        )

    def _read_candidate(
        self,
        candidate: _Candidate,
        place: int,
        whole: Callable[[], JsonObject],
        events: list[Event],
    ) -> None:
        reader = self._candidates.get(candidate.index)
        if reader is None:
            reader = CandidateReader(candidate.index, self._ids, self._home)
            self._candidates[candidate.index] = reader
        if candidate.content is not None:
            for i, part in enumerate(candidate.content.parts or ()):
                if reader.goes_on(part, events):
                    continue
                raw: JsonObject = {}
                if not is_plain(part):
                    raw = camel(whole()["candidates"][place]["content"]["parts"][i])
                reader.read(part, raw, f"candidates[{place}].content.parts[{i}]", events)
        if candidate.logprobs_result is not None:
            reader.read_logprobs(candidate.logprobs_result, events)
        if candidate.finish_reason:
            reader.finish_reason = candidate.finish_reason
        for value, key in zip(_MORE(candidate), _MORE_KEYS, strict=True):
            if value is not None:
                reader.extra[key] = value


class _Framing:
    """A `Splitter`: the first byte tells which of the two framings a body has."""

    __slots__ = ("_splitter",)

    def __init__(self) -> None:
        self._splitter: SseSplitter | ArraySplitter | None = None

    def feed(self, data: bytes, /) -> list[SseEvent]:
        splitter = self._splitter
        if splitter is None:
            data = data.lstrip(b" \t\r\n")
            if not data:
                return []
            is_array = data[:1] in (b"[", b"{")
            splitter = ArraySplitter(MAX_EVENT_BYTES) if is_array else SseSplitter()
            self._splitter = splitter
        if isinstance(splitter, SseSplitter):
            return splitter.feed(data)
        return [(None, payload) for payload in splitter.feed(data)]

    def close(self) -> list[SseEvent]:
        splitter = self._splitter
        if splitter is None:
            return []
        if isinstance(splitter, SseSplitter):
            return splitter.close()
        return [(None, payload) for payload in splitter.close()]


def _decoded_once(payload: bytes) -> Callable[[], JsonObject]:
    """Few chunks need it; those that do may need it for each of a thousand parts."""
    held: list[JsonObject] = []

    def whole() -> JsonObject:
        if not held:
            held.append(decode_object(payload))
        return held[0]

    return whole


def stream_reader(*, home: Home | None = None) -> PiecewiseReader[SseEvent]:
    return PiecewiseReader(_Framing(), GenerateReader(home))
