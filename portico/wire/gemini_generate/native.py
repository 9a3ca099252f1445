"""Gemini answers that pass as they are: what of them is read, in answers and in streams.

https://ai.google.dev/api/generate-content (2026-11-23). Every chunk of a stream reports the usage
so far, so it is remembered and the last one read when somebody asks. Nothing marks the end but
that of the body, which is a proper one if a candidate said why it finished or the prompt was
refused.
"""

from typing import Any, Final

import msgspec

from portico.errors import GatewayError
from portico.types.usage import Usage
from portico.wire.gemini_generate.errors import error_of, write_error
from portico.wire.gemini_generate.usage import UsageFields, normal
from portico.wire.json_io import decoded_or_none
from portico.wire.native_tap import NativeTap, payloads_of
from portico.wire.sse import write_event


class _Candidate(msgspec.Struct, rename="camel"):
    finish_reason: str | None = None


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class _Usage(msgspec.Struct, rename="camel"):
    usage_metadata: UsageFields | None = None


class _Finished(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None


class _Failed(msgspec.Struct):
    error: Any = None


_USAGE: Final = msgspec.json.Decoder(_Usage)
_FINISHED: Final = msgspec.json.Decoder(_Finished)
_FAILED: Final = msgspec.json.Decoder(_Failed)


def read_answer_usage(body: bytes) -> Usage | None:
    """The usage of a whole answer or of one chunk; one of the wrong shape counts as none."""
    answer = decoded_or_none(_USAGE, body)
    if answer is None or answer.usage_metadata is None:
        return None
    return normal(answer.usage_metadata)


def tap() -> NativeTap:
    return NativeTap(GenerateWatcher())


class GenerateWatcher:
    """One streamed answer; satisfies `native_tap.Watcher`."""

    __slots__ = ("_finish_in", "_usage", "_usage_in", "error", "events", "is_done")

    def __init__(self) -> None:
        self._usage_in = b""
        self._finish_in = b""
        self._usage: Usage | None = None
        self.error: GatewayError | None = None
        self.events = 0
        self.is_done = False

    @property
    def usage(self) -> Usage | None:
        if self._usage_in:
            for payload in payloads_of(self._usage_in):
                self._usage = read_answer_usage(payload) or self._usage
            self._usage_in = b""
        return self._usage

    def is_marked(self, data: bytes) -> bool:
        return b'"error"' in data

    def see(self, payload: bytes) -> None:
        found = decoded_or_none(_FAILED, payload)
        if found is not None and found.error:
            self.error = error_of(found.error, 200, {})

    def passed(self, data: bytes) -> None:
        self.events += data.count(b"data:")
        if b'"usageMetadata"' in data:
            self._usage_in = data
        if b'"finishReason"' in data or b'"blockReason"' in data:
            self._finish_in = data

    def end(self) -> None:
        self.is_done = any(_has_finished(payload) for payload in payloads_of(self._finish_in))

    def write_error(self, error: GatewayError) -> bytes:
        return write_event(write_error(error))


def _has_finished(payload: bytes) -> bool:
    chunk = decoded_or_none(_FINISHED, payload)
    if chunk is None:
        return False
    if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
        return True
    return any(candidate.finish_reason for candidate in chunk.candidates or ())


class ArrayTap:
    """The same stream for a client that did not say `alt=sse`: one JSON array that grows.

    Providers are always asked for events; their data passes untouched, only what is around it
    changes.
    """

    __slots__ = ("_has_written", "_tap")

    def __init__(self) -> None:
        self._tap = tap()
        self._has_written = False

    @property
    def usage(self) -> Usage | None:
        return self._tap.usage

    @property
    def error(self) -> GatewayError | None:
        return self._tap.error

    @property
    def events(self) -> int:
        return self._tap.events

    @property
    def is_done(self) -> bool:
        return self._tap.is_done

    def feed(self, data: bytes) -> bytes:
        return self._reframed(self._tap.feed(data))

    def close(self) -> bytes:
        rest = self._reframed(self._tap.close())
        return rest + b"]" if self.is_done else rest

    def fail(self, error: GatewayError) -> bytes:
        return self._reframed(self._tap.fail(error)) + b"]"

    def _reframed(self, events: bytes) -> bytes:
        if not events:
            return b""
        objects = b",\r\n".join(payloads_of(events))
        if not objects:
            return b""
        before = b",\r\n" if self._has_written else b"["
        self._has_written = True
        return before + objects
