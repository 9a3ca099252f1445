"""The failure matrix: what a provider does, and what then happens, for whole answers and streams.

`tests/plays/test_failures.py` plays every row for each dialect of a client and of a provider, and
`scripts/generate_docs` prints it as `docs/failures.md`: what an operator reads there is what the
tests hold.
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from tests.harness import LAST_CHUNK, SSE_HEAD, Script, chunk, replying, whole
from tests.plays.failures.providers import (
    ANTHROPIC,
    OPENAI,
    RESPONSES,
    SPEAKERS,
    Speaker,
)
from tests.plays.failures.scripts import (
    dripping,
    quoting,
    quoting_later,
    silent_for,
    slow_to_begin,
    streamed,
    then_close,
    then_reset,
    then_stall,
)

Health = Literal["counts", "cools", "quota", "credential", "missing", "nothing"]
Billed = Literal["nothing", "opening", "input", "begun", "estimate", "all"]
Play = Callable[[Speaker], Script | None]
"""What a provider of this dialect does; `None` if nobody listens at its address."""


@dataclass(frozen=True)
class Ending:
    """One failure in one mode.

    `status` and `code` are what the client is told when there is no other deployment; a stream that
    breaks off has status 200, the text it had carried in `heard`, and `code` in its last event. A
    `code` of `None` is a complete answer. `elsewhere`: does another deployment take over, unseen by
    the client? `is_told`: does a client of the provider's dialect get the refusal as it was said,
    if the status can stay? `wait_s` is the `retry-after`; what `cools` is left alone for as
    long, or for 0.5 to 1 s if that is 0 or not known.
    """

    play: Play
    status: int
    code: str | None
    heard: str = ""
    elsewhere: bool = True
    health: Health = "counts"
    billed: Billed = "nothing"
    is_told: bool = False
    wait_s: float | None = None
    timers: str = ""


@dataclass(frozen=True)
class Row:
    failure: str
    whole: Ending | None = None
    streamed: Ending | None = None
    speakers: tuple[Speaker, ...] = SPEAKERS
    is_translated: bool = False
    """Only where client and provider speak different dialects."""


def early(
    play: Play, code: str, status: int = 502, *, billed: Billed = "nothing", timers: str = ""
) -> Ending:
    """It fails before the client has seen anything."""
    return Ending(play, status, code, billed=billed, timers=timers)


def late(play: Play, code: str, timers: str = "") -> Ending:
    """The client has seen the first text."""
    return Ending(play, 200, code, "he", elsewhere=False, billed="begun", timers=timers)


def well(play: Play, billed: Billed = "all", timers: str = "") -> Ending:
    """It is no failure."""
    return Ending(
        play, 200, None, "hello", elsewhere=False, health="nothing", billed=billed, timers=timers
    )


def both(failure: str, ending: Ending) -> Row:
    return Row(failure, ending, ending)


def always(*pieces: bytes) -> Play:
    return lambda _: replying(*pieces)


def begun(*events: bytes) -> Play:
    """A stream that has carried the first text goes on like this, and ends well for HTTP."""
    return lambda speaker: replying(streamed(speaker, *events), LAST_CHUNK)


def _begun(speaker: Speaker) -> bytes:
    return streamed(speaker)


def _head(speaker: Speaker) -> bytes:
    return whole(speaker.whole)[: -len(speaker.whole)]


# The connection

PROTOCOL: Final = "upstream_protocol_error"
CONNECTION = [
    both(
        "nobody listens",
        early(lambda _: None, "upstream_unreachable"),
    ),
    both("reset before the head", early(lambda _: then_reset(), "upstream_unreachable")),
    both("closed before the head", early(lambda _: then_close(), "upstream_unreachable")),
    Row(
        "reset after the head",
        early(lambda s: then_reset(_head(s)), PROTOCOL, billed="input"),
        early(lambda _: then_reset(SSE_HEAD), PROTOCOL, billed="input"),
    ),
    Row(
        "reset after the opening",
        streamed=early(
            lambda s: then_reset(SSE_HEAD + chunk(s.opening)), PROTOCOL, billed="opening"
        ),
        speakers=(OPENAI, RESPONSES, ANTHROPIC),
    ),
    Row(
        "reset in the middle",
        early(lambda s: then_reset(whole(s.whole)[:-5]), PROTOCOL, billed="input"),
        late(lambda s: then_reset(_begun(s)), PROTOCOL),
    ),
    Row(
        "closed in the middle",
        early(lambda s: then_close(whole(s.whole)[:-5]), PROTOCOL, billed="input"),
        late(lambda s: then_close(_begun(s)), PROTOCOL),
    ),
    Row(
        "reset in the middle of a line",
        streamed=late(lambda s: then_reset(_begun(s), chunk(s.more[:20])), PROTOCOL),
    ),
    Row(
        "reset after the end",
        streamed=well(lambda s: then_reset(streamed(s, s.more + s.end))),
        speakers=(OPENAI, RESPONSES, ANTHROPIC),
    ),
    Row(
        "open after the end",
        streamed=well(lambda s: then_stall(streamed(s, s.more + s.end))),
        speakers=(OPENAI, RESPONSES, ANTHROPIC),
    ),
]

# HTTP

_LENGTHY: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n"
)
_CHUNKED: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
)
_FIELD: Final = b"x-filler: " + b"x" * 4000 + b"\r\n"


def _short_length(speaker: Speaker) -> Script:
    return then_close(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n"
        + speaker.whole
    )


def _zipped(speaker: Speaker) -> Script:
    return replying(whole(gzip.compress(speaker.whole), content_encoding="gzip"))


def _zipped_stream(speaker: Speaker) -> Script:
    head = SSE_HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n")
    events = gzip.compress(speaker.opening + speaker.first + speaker.more + speaker.end)
    return replying(head + chunk(events) + LAST_CHUNK)


HTTP = [
    both("not HTTP", early(lambda _: then_close(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), PROTOCOL)),
    both("a redirect", early(always(whole(b"", 302, location="/x")), PROTOCOL)),
    both("an upgrade", early(always(b"HTTP/1.1 101 X\r\n\r\n"), PROTOCOL)),
    both(
        "an endless head",
        early(
            lambda _: dripping(_FIELD, b"HTTP/1.1 200 OK\r\n", every_s=0.001),
            PROTOCOL,
        ),
    ),
    Row(
        "content-length too long",
        early(lambda s: then_close(_LENGTHY + s.whole), PROTOCOL, billed="input"),
    ),
    Row("content-length too short", early(_short_length, PROTOCOL, billed="estimate")),
    Row(
        "a chunk is missing",
        early(lambda s: then_close(_CHUNKED + chunk(s.whole)), PROTOCOL, billed="input"),
    ),
    Row(
        "compressed, though unasked",
        early(_zipped, PROTOCOL),
        early(_zipped_stream, "stream_truncated"),
    ),
]

# What is in it

_HTML: Final = b"<html>Sign in</html>"
_CUT: Final = b"data: \xe2\x82"


def _half_a_character(speaker: Speaker) -> Script:
    event = speaker.first[: speaker.first.rindex(b'he"')] + b"\xe2\x82"
    return replying(streamed(speaker, event), LAST_CHUNK)


def _disguised(speaker: Speaker) -> Script:
    return replying(whole(speaker.refusal("rate limit")[1]))


def _called_a_stream(speaker: Speaker) -> Script:
    return replying(SSE_HEAD + chunk(speaker.refusal("rate limit")[1]) + LAST_CHUNK)


def _called_json(speaker: Speaker) -> Script:
    return replying(whole(speaker.opening + speaker.first + speaker.more + speaker.end))


def _nameless(speaker: Speaker) -> Script:
    return replying(whole(speaker.refusal("failed")[1], kind="text/event-stream"))


def _without_usage(speaker: Speaker) -> Script:
    value = json.loads(speaker.whole)
    value.pop("usage", None)
    value.pop("usageMetadata", None)
    return replying(whole(json.dumps(value).encode()))


def _oversized(speaker: Speaker) -> Script:
    return replying(streamed(speaker, b"data: " + b"x" * (33 << 20)))


CONTENT = [
    both("an HTML page with 200", early(always(whole(_HTML, kind="text/html")), PROTOCOL)),
    both("an empty 200", early(always(whole(b"")), PROTOCOL)),
    Row(
        "JSON that breaks off",
        early(lambda s: replying(whole(s.whole[:-9])), PROTOCOL, billed="estimate"),
    ),
    Row(
        "JSON that breaks off, where it has to be translated",
        streamed=late(begun(b'data: {"oops\n\n'), PROTOCOL),
        is_translated=True,
    ),
    Row("an empty object", early(always(whole(b"{}")), PROTOCOL)),
    Row("an answer without an answer", early(lambda s: replying(whole(s.hollow)), PROTOCOL)),
    Row("an array", early(always(whole(b"[1]")), PROTOCOL)),
    Row("no usage", well(_without_usage, billed="estimate")),
    both(
        "an error called 200",
        replace(
            early(_disguised, "rate_limit_exceeded", 429),
            health="cools",
        ),
    ),
    Row("a stream called JSON", streamed=early(_called_json, PROTOCOL)),
    Row(
        "a whole answer for a stream",
        streamed=early(lambda s: replying(whole(s.whole)), PROTOCOL, billed="estimate"),
    ),
    Row(
        "an error called a stream",
        streamed=replace(early(_called_a_stream, "rate_limit_exceeded", 429), health="cools"),
    ),
]

# The stream

STREAM = [
    Row("an empty stream", streamed=early(always(SSE_HEAD, LAST_CHUNK), "stream_truncated")),
    Row(
        "ends after its opening",
        streamed=early(
            lambda s: replying(SSE_HEAD + chunk(s.opening), LAST_CHUNK),
            "stream_truncated",
            billed="opening",
        ),
        speakers=(OPENAI, RESPONSES, ANTHROPIC),
    ),
    Row(
        "only signs of life, then ends",
        streamed=early(
            lambda s: replying(SSE_HEAD + chunk(s.life), LAST_CHUNK), "stream_truncated"
        ),
    ),
    Row("ends unfinished", streamed=late(begun(), "stream_truncated")),
    Row("ends in the middle of a line", streamed=late(begun(_CUT[:5]), "stream_truncated")),
    Row(
        "ends in the middle of an event",
        streamed=late(lambda s: replying(streamed(s, s.more[:30]), LAST_CHUNK), "stream_truncated"),
    ),
    Row("ends in the middle of a character", streamed=late(_half_a_character, "stream_truncated")),
    Row(
        "an error event first",
        streamed=early(
            lambda s: replying(SSE_HEAD + chunk(s.error_event) + LAST_CHUNK),
            "upstream_unavailable",
            503,
        ),
    ),
    Row(
        "an error event after the opening",
        streamed=early(
            lambda s: replying(SSE_HEAD + chunk(s.opening), chunk(s.error_event) + LAST_CHUNK),
            "upstream_unavailable",
            503,
            billed="opening",
        ),
        speakers=(OPENAI, RESPONSES, ANTHROPIC),
    ),
    Row(
        "an error event after a sign of life",
        streamed=early(
            lambda s: replying(SSE_HEAD + chunk(s.life), chunk(s.error_event) + LAST_CHUNK),
            "upstream_unavailable",
            503,
        ),
    ),
    Row(
        "an error event later",
        streamed=late(
            lambda s: replying(streamed(s, s.error_event), LAST_CHUNK), "upstream_unavailable"
        ),
    ),
    Row(
        "an error event, and then it goes on",
        streamed=late(
            lambda s: replying(streamed(s, s.error_event + s.more + s.end), LAST_CHUNK),
            "upstream_unavailable",
        ),
    ),
    Row("an error event that quotes our key", streamed=late(quoting_later, "upstream_unavailable")),
    Row("an endless event", streamed=late(_oversized, PROTOCOL)),
    Row(
        "no blank line at the end",
        streamed=well(
            lambda s: replying(
                SSE_HEAD
                + chunk(s.opening + s.first)
                + chunk((s.more + s.end).rstrip(b"\n"))
                + LAST_CHUNK
            )
        ),
    ),
    Row(
        "the end is told twice",
        streamed=well(lambda s: replying(streamed(s, s.more + s.end + s.end), LAST_CHUNK)),
        speakers=(OPENAI, RESPONSES, ANTHROPIC),
    ),
    Row(
        "finished, but the last word is missing",
        streamed=well(
            lambda s: replying(streamed(s, s.more + s.end[: -len(b"data: [DONE]\n\n")]), LAST_CHUNK)
        ),
        speakers=(OPENAI,),
    ),
]

# Time

TIME = [
    both(
        "no head",
        early(lambda _: then_stall(), "timeout", 504, billed="input", timers="first_byte: 0.15"),
    ),
    both(
        "a head that drips",
        early(
            lambda _: dripping(b"x-a: b\r\n", b"HTTP/1.1 200 OK\r\n"),
            "timeout",
            504,
            billed="input",
            timers="first_byte: 0.15",
        ),
    ),
    Row(
        "silence after the head",
        early(lambda s: then_stall(_head(s)), "timeout", 504, billed="input", timers="idle: 0.15"),
        early(
            lambda _: then_stall(SSE_HEAD),
            "timeout",
            504,
            billed="input",
            timers="first_event: 0.15",
        ),
    ),
    Row(
        "silence after the opening",
        streamed=early(
            lambda s: then_stall(SSE_HEAD + chunk(s.opening)),
            "timeout",
            504,
            billed="opening",
            timers="first_event: 0.15",
        ),
        speakers=(OPENAI, RESPONSES, ANTHROPIC),
    ),
    Row(
        "silence after the opening for longer than `idle`, then content",
        streamed=well(lambda s: silent_for(0.3, s), timers="first_event: 5, idle: 0.1"),
        speakers=(OPENAI, RESPONSES, ANTHROPIC),
    ),
    Row(
        "signs of life, but no content",
        streamed=early(
            lambda s: dripping(chunk(s.life), SSE_HEAD),
            "timeout",
            504,
            billed="input",
            timers="first_content: 0.3",
        ),
    ),
    Row(
        "signs of life for long, then content",
        streamed=well(slow_to_begin, timers="first_event: 0.4, idle: 0.4"),
    ),
    Row(
        "silence in the middle",
        early(
            lambda s: then_stall(whole(s.whole)[:-5]),
            "timeout",
            504,
            billed="input",
            timers="idle: 0.15",
        ),
        late(lambda s: then_stall(_begun(s)), "timeout", timers="idle: 0.15"),
    ),
    Row(
        "only signs of life in the middle",
        streamed=late(
            lambda s: dripping(chunk(b": hm\n\n"), _begun(s)), "timeout", timers="idle: 0.15"
        ),
    ),
    Row(
        "a drip below `min_rate`",
        streamed=late(
            lambda s: dripping(chunk(b": " + b"x" + b"\n\n"), _begun(s)),
            "timeout",
            timers="idle: 5, min_rate: 100000, rate_window: 0.15",
        ),
    ),
    Row(
        "longer than `total`",
        replace(
            early(
                lambda s: dripping(b" ", _LENGTHY),
                "timeout",
                504,
                billed="input",
                timers="total: 0.6",
            ),
            elsewhere=False,
        ),
        late(lambda s: dripping(chunk(s.life), _begun(s)), "timeout", timers="total: 0.6"),
    ),
]

# What it refuses


def _told(kind: str, **fields: str) -> Play:
    def play(speaker: Speaker) -> Script:
        status, body = speaker.refusal(kind)
        return replying(whole(body, status, **fields))

    return play


def refused(
    kind: str, status: int, code: str, *, health: Health = "counts", elsewhere: bool = True
) -> Row:
    ending = Ending(
        _told(kind), status, code, elsewhere=elsewhere, health=health, is_told=kind not in _RETOLD
    )
    return both(_REFUSALS[kind], ending)


_RETOLD: Final = ("key", "permission", "timeout", "overloaded")
"""Kinds whose status or words are not for the client."""
_REFUSALS: Final = {
    "key": "401: it does not know our key",
    "permission": "403: not for this key",
    "model": "404 for the model",
    "context": "400: the prompt is too long",
    "policy": "400: its policy refused the content",
    "mistake": "400: a mistake in the request",
    "too large": "413",
    "timeout": "408",
    "quota": "429 or 400: no credit left",
    "failed": "500",
    "unavailable": "503",
    "overloaded": "529",
}
REFUSALS = [
    refused("key", 502, "upstream_authentication", health="credential"),
    refused("permission", 502, "upstream_authentication", health="missing"),
    refused("model", 404, "model_not_found", health="missing"),
    refused("context", 400, "context_length_exceeded", health="nothing", elsewhere=False),
    refused("policy", 400, "content_filter", health="nothing", elsewhere=False),
    refused("mistake", 400, "invalid_request", health="nothing", elsewhere=False),
    refused("too large", 413, "request_too_large", health="nothing", elsewhere=False),
    refused("timeout", 504, "timeout"),
    refused("quota", 429, "insufficient_quota", health="quota"),
    refused("failed", 500, "upstream_error"),
    refused("unavailable", 503, "upstream_unavailable"),
    refused("overloaded", 503, "upstream_unavailable"),
    both(
        "400 that quotes our key",
        replace(
            early(lambda s: quoting(s, "mistake"), "invalid_request", 400),
            elsewhere=False,
            health="nothing",
        ),
    ),
    both("500 that quotes our key", early(lambda s: quoting(s, "failed"), "upstream_error", 500)),
    both("an HTML page with 502", early(always(whole(_HTML, 502, "text/html")), "upstream_error")),
    both(
        "an HTML page with 503, and `retry-after: 7`",
        replace(
            early(
                always(whole(_HTML, 503, "text/html", retry_after="7")), "upstream_unavailable", 503
            ),
            health="cools",
            wait_s=7.0,
        ),
    ),
]

# How long it asks to wait

_DATE: Final = "Mon, 23 Nov 2026 14:00:00 GMT"
_HINTS: Final[list[tuple[str, dict[str, str], float | None]]] = [
    ("no hint", {}, None),
    ("`retry-after: 2`", {"retry_after": "2"}, 2.0),
    ("`retry-after-ms: 1500`", {"retry_after_ms": "1500"}, 1.5),
    ("`x-ms-retry-after-ms: 250`", {"x_ms_retry_after_ms": "250"}, 0.25),
    (
        "an HTTP date 10 s ahead",
        {"date": _DATE, "retry_after": "Mon, 23 Nov 2026 14:00:10 GMT"},
        10.0,
    ),
    (
        "an HTTP date that is over",
        {"date": _DATE, "retry_after": "Mon, 23 Nov 2026 13:00:00 GMT"},
        0.0,
    ),
    (
        "`x-ratelimit-reset-requests: 6m0s`, none remaining",
        {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "6m0s"},
        360.0,
    ),
    (
        "`x-ratelimit-reset-tokens: 1s`, some remaining",
        {"x_ratelimit_remaining_tokens": "5", "x_ratelimit_reset_tokens": "1s"},
        None,
    ),
    (
        "`anthropic-ratelimit-requests-reset` 30 s ahead",
        {
            "date": _DATE,
            "anthropic_ratelimit_requests_remaining": "0",
            "anthropic_ratelimit_requests_reset": "2026-11-23T14:00:30Z",
        },
        30.0,
    ),
    ("`retry-after: NaN`", {"retry_after": "NaN"}, None),
    ("`retry-after: -3`", {"retry_after": "-3"}, None),
    ("`retry-after: 1e999`", {"retry_after": "1e999"}, None),
    ("`retry-after: 999999999`", {"retry_after": "999999999"}, 3600.0),
]


def _hinted(fields: dict[str, str], wait_s: float | None) -> Ending:
    return Ending(
        _told("rate limit", **fields),
        429,
        "rate_limit_exceeded",
        health="cools",
        is_told=True,
        wait_s=wait_s,
    )


def _retry_info(speaker: Speaker) -> Script:
    status, body = speaker.refusal("rate limit")
    value: dict[str, Any] = json.loads(body)
    kind = "type.googleapis.com/google.rpc.RetryInfo"
    value["error"]["details"] = [{"@type": kind, "retryDelay": "22s"}]
    return replying(whole(json.dumps(value).encode(), status))


def _in_words(speaker: Speaker) -> Script:
    status, body = speaker.refusal("rate limit", "Slow down. Please try again in 5.289s.")
    return replying(whole(body, status))


WAITS = [both(f"429, {hint}", _hinted(fields, wait_s)) for hint, fields, wait_s in _HINTS]
WAITS += [
    both(
        "429, `RetryInfo` of 22 s in the body",
        replace(_hinted({}, 22.0), play=_retry_info),
    ),
    both(
        "429, “try again in 5.289s” in the body",
        replace(_hinted({}, 5.289), play=_in_words),
    ),
]

GROUPS: Final = {
    "The connection": CONNECTION,
    "HTTP": HTTP,
    "What the answer is": CONTENT,
    "The stream": STREAM,
    "Time": TIME,
    "Refusals": REFUSALS,
    "Too many requests": WAITS,
}
ROWS: Final = [row for group in GROUPS.values() for row in group]
