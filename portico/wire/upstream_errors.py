"""From a provider's status and words to one of our errors: whose fault, and may it be retried.

Dialects read the words out of their own envelopes; what they mean is the same for all. A refused
credential is told to the client without the provider's words, which often quote the key.
"""

import re
from datetime import UTC, datetime
from typing import Final

from portico.errors import (
    UpstreamAuthentication,
    UpstreamError,
    UpstreamFailed,
    UpstreamQuotaExceeded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from portico.types.http import Headers

MAX_WAIT_S: Final = 3600.0
MAX_MESSAGE_CHARS: Final = 2000

_QUOTA: Final = re.compile(
    r"insufficient_quota|billing|spend_limit|credit|exceeded_current_quota|usage_limit_reached"
)
_CONTEXT: Final = re.compile(
    r"context_length_exceeded|context[ _-](?:length|window|size)|prompt is too long|"
    r"input is too long|maximum (?:context|number of tokens)|too many (?:input )?tokens|"
    r"exceeds the (?:model's )?(?:maximum|context)",
    re.IGNORECASE,
)
_FILTER: Final = re.compile(
    r"content_filter|content_policy|ResponsibleAIPolicyViolation|data_inspection_failed",
    re.IGNORECASE,
)
_SECONDS: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", re.ASCII)
_DATE: Final = re.compile(
    r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII
)
_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)
_TRY_AGAIN: Final = re.compile(
    r"(?:try again|retry) (?:in|after) ([0-9]{1,6}(?:\.[0-9]{1,9})?) ?(ms|s\b|sec|seconds?)",
    re.IGNORECASE | re.ASCII,
)


def upstream_error(
    status: int,
    message: str,
    *,
    code: str | None = None,
    kind: str | None = None,
    param: str | None = None,
    headers: Headers | None = None,
) -> UpstreamError:
    """`kind` and `code` are the provider's error type and code, if it has such.

    `status` is the answer's, or what an error inside a stream would have had as an answer.
    """
    message = message[:MAX_MESSAGE_CHARS] or f"the provider answered with status {status}"
    words = f"{kind or ''} {code or ''}"
    wait = wait_hint(headers or {}, message)
    match status:
        case 401 | 403:
            return UpstreamAuthentication(
                "the provider refused the gateway's credential; the operator must mend it",
                upstream_status=status,
            )
        case 402:
            return UpstreamQuotaExceeded(message, upstream_status=status)
        case 429 if _QUOTA.search(words):
            return UpstreamQuotaExceeded(message, upstream_status=status)
        case 429:
            return UpstreamRateLimited(message, retry_after_s=wait, upstream_status=status)
        case 503 | 529:
            return UpstreamUnavailable(message, retry_after_s=wait, upstream_status=status)
        case 408 | 424:
            return UpstreamFailed(message, retry_after_s=wait, upstream_status=status)
        case _ if 400 <= status < 500:
            return _rejected(status, message, code, words, param)
        case _:
            sent = status if 500 <= status < 600 else None
            return UpstreamFailed(message, status=sent, retry_after_s=wait, upstream_status=status)


def _rejected(
    status: int, message: str, code: str | None, words: str, param: str | None
) -> UpstreamRejected:
    if _CONTEXT.search(words) or _CONTEXT.search(message):
        code = "context_length_exceeded"
    elif _FILTER.search(words):
        code = "content_filter"
    elif status == 413:
        code = "request_too_large"
    elif status == 404 and not code:
        code = "model_not_found"
    return UpstreamRejected(
        message, status=status, code=code or None, param=param, upstream_status=status
    )


def wait_hint(headers: Headers, message: str = "") -> float | None:
    """Seconds the provider asks to wait, at most MAX_WAIT_S; `None` if it does not say, or babbles.

    Read are `retry-after-ms`, `x-ms-retry-after-ms`, `retry-after` (seconds, or a date measured
    against the answer's own `date`), and "try again in 5.2s" in the message.
    """
    for name in (b"retry-after-ms", b"x-ms-retry-after-ms"):
        if (ms := _number(headers.get(name))) is not None:
            return min(ms / 1000, MAX_WAIT_S)
    if (value := headers.get(b"retry-after")) is not None:
        seconds = _number(value)
        if seconds is None:
            seconds = _seconds_until(value, headers.get(b"date"))
        if seconds is not None:
            return min(seconds, MAX_WAIT_S)
    if found := _TRY_AGAIN.search(message):
        amount = float(found.group(1))
        return min(amount / 1000 if found.group(2).lower() == "ms" else amount, MAX_WAIT_S)
    return None


def _number(value: bytes | None) -> float | None:
    text = value.decode("latin-1").strip() if value else ""
    return float(text) if _SECONDS.fullmatch(text) else None


def _seconds_until(date: bytes, now: bytes | None) -> float | None:
    then, since = _read_date(date), _read_date(now or b"")
    if then is None or since is None or then < since:
        return None
    return (then - since).total_seconds()


def _read_date(date: bytes) -> datetime | None:
    """`Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7); the obsolete forms are not read."""
    found = _DATE.fullmatch(date.decode("latin-1").strip())
    if found is None or found.group(2) not in _MONTHS:
        return None
    day, month, year, hour, minute, second = found.groups()
    try:
        return datetime(
            int(year),
            _MONTHS.index(month) + 1,
            int(day),
            int(hour),
            int(minute),
            min(int(second), 59),
            tzinfo=UTC,
        )
    except ValueError:
        return None
