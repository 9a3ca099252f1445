"""Looks at a stream that passes through unchanged: usage, errors and the proper end.

Same dialect on both sides: bytes go on as they came, event by event. The tap never decodes an
ordinary event. It looks for three byte strings that JSON text cannot contain inside a string
value (their quotes would be escaped), and decodes only the events that have one.

What it does change, and why: events are passed on whole, so that an error event can follow
cleanly when the provider breaks off in the middle of one; the usage chunk is taken out if the
client did not ask for it (the gateway did). Framing: WHATWG HTML, "Server-sent events", section
9.2.6, read 2026-11-23.
"""

import re
from typing import Any, Protocol

import msgspec

from portico.errors import GatewayError, UpstreamProtocol
from portico.logs import scrub
from portico.types.http import HttpHead
from portico.types.usage import Usage
from portico.wire.openai_chat.errors import read_error
from portico.wire.openai_error import write_stream_error
from portico.wire.openai_usage import read_usage
from portico.wire.sse import MAX_EVENT_BYTES

_LONG = 64 * 1024
"""From here on what is held of an event grows in place: joining it anew each time would take a time
that goes by the square of its length."""
DONE = b"data: [DONE]\n\n"

_EVENT_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")
_EVENT_END = re.compile(rb"\n\n|\r\n\r\n|\r\r")
_NO_USAGE_YET = b'"usage":null'
_MARKS = (b'"usage"', b'"error"', b"[DONE]")
_RESPONSE_MARKS = (b'"response.completed"', b'"response.incomplete"', b'"response.failed"')
_FINISHED = re.compile(rb'"finish_reason"\s*:\s*"')
_RESPONSE_END = re.compile(rb'"type"\s*:\s*"response\.(?:completed|incomplete)"')


class _Choices(msgspec.Struct):
    choices: list[msgspec.Raw] | None = None
    error: Any = None
    type: str | None = None


class _Failed(msgspec.Struct, frozen=True):
    error: Any = None


class _FailedEvent(msgspec.Struct):
    response: _Failed = _Failed()


class _OpeningChoice(msgspec.Struct):
    delta: dict[str, Any] = {}
    text: Any = None
    finish_reason: Any = None


class _Opening(msgspec.Struct):
    choices: list[_OpeningChoice] | None = None
    type: str = ""


_OPENINGS = frozenset(
    "response." + name
    for name in (
        "created",
        "queued",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "reasoning_summary_part.added",
    )
)
_OPENING = msgspec.json.Decoder(_Opening)
_FAILED = msgspec.json.Decoder(_FailedEvent)
_LOOK = msgspec.json.Decoder(_Choices)


class Tap(Protocol):
    """What a relay asks of whoever looks at the bytes that pass."""

    @property
    def usage(self) -> Usage | None: ...

    @property
    def error(self) -> GatewayError | None: ...

    @property
    def events(self) -> int: ...

    @property
    def is_done(self) -> bool: ...

    def feed(self, data: bytes) -> bytes: ...

    def close(self) -> bytes: ...

    def fail(self, error: GatewayError) -> bytes:
        """How the client is told that the stream is broken; nothing follows."""
        ...


class StreamTap:
    """Feed it what arrives; what `feed` returns goes to the client.

    `usage` is the last one reported. `error` is what an error event said, which is not passed on:
    the gateway ends the stream in its own words. `is_done` says that the stream has had its
    proper end. `events` counts the data events that were passed on, from the first with content:
    the estimate of last resort for output tokens, as providers send about one token in each.
    """

    __slots__ = (
        "_before_last",
        "_is_response",
        "_last",
        "_long",
        "_operation",
        "_pending",
        "_strip_usage",
        "_told",
        "error",
        "events",
        "is_done",
        "usage",
    )

    def __init__(self, operation: str, *, strip_usage: bool) -> None:
        self._operation = operation
        self._is_response = operation == "response"
        self._strip_usage = strip_usage
        self._told = b""
        self._pending = b""
        self._long = bytearray()
        self._last = b""
        self._before_last = b""
        self.usage: Usage | None = None
        self.error: GatewayError | None = None
        self.events = 0
        self.is_done = False

    def feed(self, data: bytes) -> bytes:
        """Raises `UpstreamProtocol` for an event that is too large."""
        if self._pending:
            if len(self._pending) > _LONG:
                return self._feed_long(data)
            data = self._pending + data
            self._pending = b""
        if not data.endswith(b"\n\n"):
            data = self._whole_events(data)
            if not data:
                return b""
        if self._is_marked(data):
            data = self._look(data)
        if data:
            self.events += data.count(b"data:") if self.events else self._contents(data)
            self._before_last, self._last = self._last, data
        return data

    def _contents(self, data: bytes) -> int:
        """How many events there are from the first with any content."""
        events = [event for event in _EVENT_END.split(data) if event.find(b"data:") >= 0]
        for number, event in enumerate(events):
            if not _is_opening(_payload(event)):
                return len(events) - number
        return 0

    def _whole_events(self, data: bytes) -> bytes:
        end = _last_end(data, 0)
        if len(data) - end > MAX_EVENT_BYTES:
            raise too_large()
        self._pending = data[end:]
        return data[:end]

    def _feed_long(self, data: bytes) -> bytes:
        """The same after a long beginning, of which only the end is searched again."""
        if not self._long:
            self._long = bytearray(self._pending)
        held = self._long
        searched = len(held) - 3
        held += data
        end = _last_end(held, searched)
        if len(held) - end > MAX_EVENT_BYTES:
            raise too_large()
        if not end:
            return b""
        whole, rest = bytes(held[:end]), bytes(held[end:])
        self._long, self._pending = bytearray(), b""
        passed = self.feed(whole)
        self._pending = rest
        return passed

    def _is_marked(self, data: bytes) -> bool:
        """May there be something in it to look at? OpenAI says `"usage":null` in every event but
        the last."""
        # `find`: `in` takes what it looks for as a number first, and clears the error it gets.
        return (
            data.find(b"[DONE]") >= 0
            or data.find(b'"error"') >= 0
            or (data.find(b'"usage"') >= 0 and data.count(b'"usage"') != data.count(_NO_USAGE_YET))
            or (self._is_response and any(mark in data for mark in _RESPONSE_MARKS))
        )

    def _look(self, data: bytes) -> bytes:
        """Nothing that follows the end, or an error, belongs to the stream."""
        start = self._first_marked(data)
        kept = [data[:start]]
        for mark in _EVENT_END.finditer(data, start):
            event = data[start : mark.end()]
            start = mark.end()
            if not self._is_marked(event) or self._keep(event):
                kept.append(event)
            if self.is_done or self.error is not None:
                break
        return b"".join(kept)

    def _first_marked(self, data: bytes) -> int:
        """Where the first event with a mark begins: what comes before it is ordinary."""
        first = len(data)
        for mark in _MARKS + _RESPONSE_MARKS if self._is_response else _MARKS:
            found = data.find(mark, 0, first)
            if found >= 0:
                first = found
        start = 0
        for end in _EVENT_ENDS if b"\r" in data else _EVENT_ENDS[:1]:
            found = data.rfind(end, 0, first)
            if found >= 0:
                start = max(start, found + len(end))
        return start

    def _keep(self, event: bytes) -> bool:
        payload = _payload(event)
        if payload == b"[DONE]":
            self.is_done = True
            return True
        if self._is_response and _RESPONSE_END.search(payload):
            self.is_done = True
        try:
            seen = _LOOK.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return True
        if seen.type == "response.failed":
            self.error = read_error(HttpHead(200, {}), _failure_in(payload))
            self._told = event if scrub(event.decode()) == event.decode() else b""
            self.usage = read_usage(payload, self._operation) or self.usage
            return False
        if seen.error or seen.type == "error":
            self.error = read_error(HttpHead(200, {}), payload)
            return False
        if b'"usage"' in payload:
            usage = read_usage(payload, self._operation)
            if usage is not None:
                self.usage = usage
                return not (self._strip_usage and seen.choices == [])
        return True

    def close(self) -> bytes:
        """The provider has ended cleanly; returns what is still owed to the client.

        A last event without its blank line is completed if nothing else is missing, and dropped if
        it breaks off. A chat stream that said why it finished but left out `[DONE]` (some
        compatible servers do) gets one; without either it stays not done.
        """
        rest = b""
        last = bytes(self._long) or self._pending
        self._long, self._pending = bytearray(), b""
        if _is_whole(last):
            rest = self.feed(last.rstrip(b"\r\n") + b"\n\n")
        if not self.is_done and not self._is_response and self._has_finished():
            self.is_done = True
            rest += DONE
        return rest

    def fail(self, error: GatewayError) -> bytes:
        """A provider that sent `response.failed` is quoted: that is how the dialect fails."""
        if self._told and error is self.error:
            return self._told
        return write_stream_error(error, self._operation)

    def _has_finished(self) -> bool:
        return any(_FINISHED.search(seen) for seen in (self._last, self._before_last))


def _last_end(data: bytes | bytearray, searched: int) -> int:
    """Where the last whole event ends, or 0; what lies before `searched` has none."""
    found = data.rfind(b"\n\n", searched)
    end = found + 2 if found >= 0 else 0
    if data.find(b"\r", searched) >= 0:
        for mark in _EVENT_ENDS[1:]:
            found = data.rfind(mark, searched)
            if found >= 0:
                end = max(end, found + len(mark))
    return end


def too_large() -> UpstreamProtocol:
    return UpstreamProtocol(
        f"The provider sent a stream event of more than {MAX_EVENT_BYTES >> 20} MiB."
    )


def _is_opening(payload: bytes) -> bool:
    """Does it only say that an answer begins? A role with an empty text, what Azure's filter found
    in the prompt, the first events of Responses.
    """
    try:
        seen = _OPENING.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    if seen.choices is None:
        return seen.type in _OPENINGS
    return not any(
        choice.text
        or choice.finish_reason
        or any(value for name, value in choice.delta.items() if name != "role")
        for choice in seen.choices
    )


def _failure_in(payload: bytes) -> bytes:
    """The error envelope inside a `response.failed` event."""
    try:
        found = _FAILED.decode(payload).response.error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return payload
    return payload if found is None else msgspec.json.encode({"error": found})


def _payload(event: bytes) -> bytes:
    lines = [line[5:] for line in event.splitlines() if line.startswith(b"data:")]
    return b"\n".join([line.removeprefix(b" ") for line in lines])


def _is_whole(event: bytes) -> bool:
    payload = _payload(event)
    if payload == b"[DONE]":
        return True
    try:
        _LOOK.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


class MediaTap:
    """For answers that are not events (speech): nothing to find; they end when the message ends."""

    __slots__ = ("error", "events", "is_done", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.error: GatewayError | None = None
        self.events = 0
        self.is_done = False

    def feed(self, data: bytes) -> bytes:
        self.events += 1
        return data

    def close(self) -> bytes:
        self.is_done = True
        return b""

    def fail(self, error: GatewayError) -> bytes:
        """Media has no words for it: the connection is cut instead."""
        return b""
