"""How long a provider asks to be left alone: every spelling that is in use, and nothing else.

Numbers are read by strict patterns, never by `float()` or `int()` of whatever came, which would
take `nan`, `1e999`, `+10`, `1_0` and Arabic digits. What does not match is no hint: the caller's
own back-off applies. Sources, read 2026-11-23: RFC 9110 sections 5.6.7 and 10.2.3 (dates,
`retry-after`); https://platform.openai.com/docs/guides/rate-limits (`x-ratelimit-*`, Go
durations); https://docs.anthropic.com/en/api/rate-limits (`anthropic-ratelimit-*`, RFC 3339);
https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto (`RetryInfo`);
https://github.com/nodetool-ai/nodetool/issues/5196 (`retry_after` of Replicate);
https://github.com/huggingface/transformers/issues/23793 (`estimated_time` of Hugging Face).
"""

import re
from calendar import timegm
from datetime import datetime

from portico.types.http import Headers

MAX_HINT_S = 3600.0
_MAX_BODY = 16 * 1024

_NUMBER = re.compile(rb"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_EPOCH = re.compile(rb"[0-9]{10}(?:\.[0-9]{1,9})?|[0-9]{13}")
_DURATION = re.compile(rb"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ms|us|ns|\xc2\xb5s|h|m|s))+")
_DURATION_PART = re.compile(rb"([0-9]+(?:\.[0-9]+)?)(ms|us|ns|\xc2\xb5s|h|m|s)")
_RFC3339 = re.compile(
    rb"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    rb"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_TIME = rb"(?P<H>[0-9]{2}):(?P<M>[0-9]{2}):(?P<S>[0-9]{2})"
_MONTH = rb"(?P<b>[A-Z][a-z]{2})"
_HTTP_DATES = (
    re.compile(
        rb"[A-Z][a-z]{2}, (?P<d>[0-9]{2}) " + _MONTH + rb" (?P<Y>[0-9]{4}) " + _TIME + b" GMT"
    ),
    re.compile(
        rb"[A-Z][a-z]{5,8}, (?P<d>[0-9]{2})-" + _MONTH + rb"-(?P<Y>[0-9]{2}) " + _TIME + b" GMT"
    ),
    re.compile(
        rb"[A-Z][a-z]{2} " + _MONTH + rb" (?P<d>[ 0-9][0-9]) " + _TIME + rb" (?P<Y>[0-9]{4})"
    ),
)
_MONTHS = {
    name: number
    for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)
}
_UNITS = {
    b"h": 3600.0,
    b"m": 60.0,
    b"s": 1.0,
    b"ms": 1e-3,
    b"us": 1e-6,
    b"\xc2\xb5s": 1e-6,
    b"ns": 1e-9,
}

_RETRY_INFO = re.compile(rb'"retry_?[dD]elay"\s*:\s*"([0-9]{1,9}(?:\.[0-9]{1,9})?)s"')
_IN_SECONDS = re.compile(
    rb'"(?:retry_after(?:_seconds)?|estimated_time)"\s*:\s*"?([0-9]{1,9}(?:\.[0-9]{1,15})?)"?\s*[,}]'
)
_SENTENCE = re.compile(
    rb"(?:try again|retry|retrying) (?:in|after):? "
    rb"(?:((?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ms|h|m|s)){1,4})(?![a-z0-9])"
    rb"|([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(milli|sec|min|hour|ms\b|s\b|m\b|h\b))",
    re.IGNORECASE,
)
_WORDS = {b"milli": 1e-3, b"sec": 1.0, b"min": 60.0, b"hour": 3600.0} | _UNITS

_MILLISECONDS = (b"retry-after-ms", b"x-ms-retry-after-ms")
_WINDOWS = (
    (b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests"),
    (b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens"),
    (b"anthropic-ratelimit-requests-remaining", b"anthropic-ratelimit-requests-reset"),
    (b"anthropic-ratelimit-tokens-remaining", b"anthropic-ratelimit-tokens-reset"),
    (b"anthropic-ratelimit-input-tokens-remaining", b"anthropic-ratelimit-input-tokens-reset"),
    (b"anthropic-ratelimit-output-tokens-remaining", b"anthropic-ratelimit-output-tokens-reset"),
    (b"x-ratelimit-remaining", b"x-ratelimit-reset"),
    (b"ratelimit-remaining", b"ratelimit-reset"),
)


def wait_hint_s(
    headers: Headers, body: bytes = b"", now_epoch: float | None = None
) -> float | None:
    """Seconds in [0, 3600], or `None` if no part of the answer says so in a form that makes sense.

    The plain word wins (`retry-after` and its millisecond forms), then the body (`RetryInfo`, then
    a sentence such as "try again in 5.289s"), then the latest reset among the windows that are
    used up. Dates are measured against the answer's own `date`, which runs with the same clock,
    else against `now_epoch` (UTC seconds); without either they say nothing.
    """
    sent = moment_of(headers.get(b"date", b"").strip())
    now = now_epoch if sent is None else sent
    for name in _MILLISECONDS:
        value = headers.get(name)
        if value is not None and _NUMBER.fullmatch(value.strip()):
            return _clamped(float(value) / 1000.0)
    value = headers.get(b"retry-after")
    if value is not None:
        seconds = wait_of(value, now)
        if seconds is not None:
            return seconds
    seconds = _from_body(body)
    if seconds is not None:
        return seconds
    waits = [
        wait
        for remaining, reset in _WINDOWS
        if headers.get(remaining, b"").strip() == b"0"
        and (wait := wait_of(headers.get(reset, b""), now)) is not None
    ]
    return max(waits, default=None)


def wait_of(value: bytes, now_epoch: float | None) -> float | None:
    """One field's value in any spelling: seconds, a duration, an HTTP-date, RFC 3339, epoch
    time.
    """
    value = value.strip()
    if _NUMBER.fullmatch(value):
        return _clamped(float(value))
    if _DURATION.fullmatch(value):
        return _clamped(_duration(value))
    moment = moment_of(value)
    return None if moment is None or now_epoch is None else _clamped(moment - now_epoch)


def moment_of(value: bytes) -> float | None:
    """Epoch seconds of an HTTP-date (all three forms), an RFC 3339 time, or epoch seconds or ms."""
    if _EPOCH.fullmatch(value):
        number = float(value)
        return number / 1000.0 if len(value) == 13 and b"." not in value else number
    if _RFC3339.fullmatch(value):
        try:
            return datetime.fromisoformat(value.decode().upper()).timestamp()
        except (ValueError, OverflowError):
            return None
    for pattern in _HTTP_DATES:
        found = pattern.fullmatch(value)
        if found is not None:
            return _http_date(found)
    return None


def _http_date(found: re.Match[bytes]) -> float | None:
    month = _MONTHS.get(found["b"])
    if month is None:
        return None
    year = int(found["Y"])
    if year < 100:
        year += 2000 if year < 70 else 1900
    day, hour, minute, second = (int(found[name]) for name in "dHMS")
    try:
        datetime(year, month, day, hour, minute, min(second, 59))
    except ValueError:
        return None
    return float(timegm((year, month, day, hour, minute, second)))


def _from_body(body: bytes) -> float | None:
    body = body[:_MAX_BODY]
    found = _RETRY_INFO.search(body) or _IN_SECONDS.search(body)
    if found is not None:
        return _clamped(float(found[1]))
    found = _SENTENCE.search(body)
    if found is None:
        return None
    if found[1] is not None:
        return _clamped(_duration(found[1].lower()))
    return _clamped(float(found[2]) * _WORDS[found[3].lower()])


def _duration(value: bytes) -> float:
    return sum(float(part[1]) * _UNITS[part[2]] for part in _DURATION_PART.finditer(value))


def _clamped(seconds: float) -> float:
    """What is already over is 0: try again now."""
    return min(MAX_HINT_S, max(0.0, seconds))
