"""The header fields of an answer: who served it, how, at what price, and what may pass from
upstream.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

from portico.engine import explaining, settle
from portico.engine.attempts import Served
from portico.engine.coalescing import SharedAnswer
from portico.errors import GatewayError, MethodNotAllowed
from portico.types.call import Call
from portico.types.http import Headers

_MAX_LISTED = 64
_MAX_LIST_BYTES = 4096
_UPSTREAM_ID = b"x-upstream-request-id: "
_ANYWAY = {
    b"content-type": b"content-type: ",
    b"x-request-id": _UPSTREAM_ID,
    b"request-id": _UPSTREAM_ID,
    b"x-amzn-requestid": _UPSTREAM_ID,
}
_OPENAI_LIMITS = [
    b"%b-%b" % (what, of)
    for what in (b"limit", b"remaining", b"reset")
    for of in (b"requests", b"tokens")
]
_ANTHROPIC_LIMITS = [
    b"anthropic-ratelimit-%b-%b" % (of, what)
    for of in (
        b"requests",
        b"tokens",
        b"input-tokens",
        b"output-tokens",
        b"priority-input-tokens",
        b"priority-output-tokens",
    )
    for what in (b"limit", b"remaining", b"reset")
]
_PASSED_AS_IT_IS = {
    **_ANYWAY,
    **{b"x-ratelimit-%b" % name: b"x-ratelimit-%b: " % name for name in _OPENAI_LIMITS},
    **{name: b"%b: " % name for name in _ANTHROPIC_LIMITS},
    b"openai-processing-ms": b"openai-processing-ms: ",
    b"openai-version": b"openai-version: ",
}
"""Fields of a provider's answer that clients of its own dialect see, and how their lines begin; all
others are dropped. Not here: whose account it is (`openai-organization`, `openai-project`,
`anthropic-organization-id`) and how much of a subscription is left
(`anthropic-ratelimit-unified-*`).
"""
_PASSED_TRANSLATED = {
    **_ANYWAY,
    **{b"x-ratelimit-%b" % name: b"x-upstream-ratelimit-%b: " % name for name in _OPENAI_LIMITS},
    **{
        b"anthropic-ratelimit-%b-%b" % (of, what): b"x-upstream-ratelimit-%b-%b: " % (what, of)
        for of in (b"requests", b"tokens")
        for what in (b"limit", b"remaining")
    },
}
"""What clients of another dialect see: under names that none of theirs has."""

_RETRIED_STATUSES = frozenset({408, 409, 429})
"""Clients' SDKs try these and every 5xx again unless `x-should-retry` says no."""

NANO = 1_000_000_000


def usd(nanousd: int) -> bytes:
    """Nano-USD as exact decimal dollars."""
    return b"%d.%09d" % divmod(nanousd, NANO)


def passed(headers: Headers, content_type: bytes | None) -> bytes:
    """The allowed fields of a provider's answer as header lines; a translated answer has a content
    type of its own.
    """
    table = _PASSED_AS_IT_IS
    if content_type is not None:
        table = _PASSED_TRANSLATED
        headers = {**headers, b"content-type": content_type}
    lines = b""
    for name in headers:
        if name in table:
            lines += b"%b%b\r\n" % (table[name], headers[name])
    return lines


def id_lines(call: Call) -> bytes:
    """The gateway's id of the call, where clients of the dialect look for one."""
    id = call.request_id.encode()
    if call.endpoint.dialect == "anthropic_messages":
        return b"x-request-id: %b\r\nrequest-id: %b\r\n" % (id, id)
    return b"x-request-id: %b\r\n" % id


def served(call: Call, by: Served, headers: Headers) -> bytes:
    """The fields of a successful answer. `x-portico-cost-usd` is there once the price is known,
    so not on streams, whose head goes out before their usage is."""
    attempt = by.attempt
    lines = b"%b%b%bx-portico-attempts: %d\r\nx-portico-overhead-ms: %.3f\r\n" % (
        passed(headers, by.passage.content_type),
        id_lines(call),
        _deployment_line(attempt.deployment.id),
        attempt.number,
        (call.overhead_s or 0.0) * 1000,
    )
    if attempt.spend is not None:
        cost = settle.cost_of(call)
        if cost is not None:
            lines += b"x-portico-cost-usd: %b\r\n" % usd(cost)
    if call.dropped_params:
        lines += b"x-portico-dropped-params: %b\r\n" % _listed(call.dropped_params)
    if call.explained:
        lines += explaining.field_line(call.explained)
    return lines


def shared(call: Call, answer: SharedAnswer) -> bytes:
    """The fields of an answer that another call got."""
    return (
        b"%b%bx-portico-deployment: %b\r\nx-portico-attempts: 0\r\n"
        b"x-portico-overhead-ms: %.3f\r\nx-portico-coalesced: true\r\n"
        % (
            passed(answer.headers, answer.content_type),
            id_lines(call),
            header_text(answer.deployment),
            (call.overhead_s or 0.0) * 1000,
        )
    )


def refused(call: Call) -> bytes:
    """The fields that an error answer has beside those of the error."""
    lines = b"x-portico-attempts: %d\r\n" % len(call.attempts)
    if call.attempts:
        lines = _deployment_line(call.attempts[-1].deployment.id) + lines
    if call.explained:
        lines += explaining.field_line(call.explained)
    return lines


def of_error(error: GatewayError) -> bytes:
    """`retry-after`, `x-should-retry` and `allow`, where they apply."""
    lines = b""
    if error.retry_after_s is not None:
        wait_ms = math.ceil(error.retry_after_s * 1000)
        lines += b"retry-after: %d\r\nretry-after-ms: %d\r\n" % (-(-wait_ms // 1000), wait_ms)
    if not error.retryable and (error.status in _RETRIED_STATUSES or error.status >= 500):
        lines += b"x-should-retry: false\r\n"
    if isinstance(error, MethodNotAllowed):
        lines += b"allow: %b\r\n" % error.allow.encode()
    if error.status == 401:
        lines += b"www-authenticate: Bearer\r\n"
    return lines


@lru_cache(maxsize=1024)
def _deployment_line(id: str) -> bytes:
    return b"x-portico-deployment: %b\r\n" % header_text(id)


def _listed(names: Sequence[str]) -> bytes:
    """Names that a client may have chosen, and any number of them, within what a head may hold."""
    shown = b", ".join(map(header_text, names[:_MAX_LISTED]))[:_MAX_LIST_BYTES]
    left = len(names) - _MAX_LISTED
    return shown if left <= 0 else b"%b, and %d more" % (shown, left)


def header_text(text: str) -> bytes:
    """Text that a client may have chosen, fit for a field value: visible ASCII only."""
    if text.isascii() and text.isprintable():
        return text.encode()
    return text.encode("unicode_escape")
