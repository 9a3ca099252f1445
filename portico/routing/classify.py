"""A provider's refusal in OpenAI's shape, or none, as one of our errors.

The status says which family; the code and the type in the body, and where providers have none the
wording, say whether waiting, another deployment or only another request can help. Sources, read
2026-11-23: https://platform.openai.com/docs/guides/error-codes,
https://docs.anthropic.com/en/api/errors, https://ai.google.dev/gemini-api/docs/troubleshooting,
https://learn.microsoft.com/azure/ai-services/openai/concepts/content-filter,
https://openrouter.ai/docs/api-reference/errors.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from portico.errors import (
    UpstreamAuthentication,
    UpstreamContentFiltered,
    UpstreamContextExceeded,
    UpstreamError,
    UpstreamFailed,
    UpstreamModelNotFound,
    UpstreamProtocol,
    UpstreamQuotaExceeded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from portico.logs import scrub
from portico.routing.hints import wait_hint_s

MAX_MESSAGE_CHARS = 500
_MAX_BODY = 256 * 1024
_MAX_WORD_CHARS = 100

_QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "insufficient_balance",
        "insufficient_credits",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "enforced_spend_limit_reached",
        "billing_hard_limit_reached",
        "billing_not_active",
        "billing_error",
        "credits_exhausted",
        "exceeded_current_quota_error",
        "usage_limit_reached",
        "quota_exceeded",
    }
)
_QUOTA_TEXT = re.compile(
    r"credit balance is too low|insufficient (?:balance|credit|funds|quota)|out of credits?"
    r"|spend(?:ing)? limit|billing (?:hard )?limit|api usage limits",
    re.IGNORECASE,
)
_PER_DAY = re.compile(rb'"quota_?[iI]d"\s*:\s*"[^"]{0,200}PerDay')
_CONTEXT_CODES = frozenset(
    {"context_length_exceeded", "context_window_exceeded", "string_above_max_length"}
)
_CONTEXT_TEXT = re.compile(
    r"context[ _-](?:length|window|size)|maximum context|prompt is too long|input is too long"
    r"|too many (?:input )?tokens|input token count .{0,40}exceeds"
    r"|exceeds? the maximum number of tokens",
    re.IGNORECASE,
)
_FILTER_CODES = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "moderation_blocked",
        "data_inspection_failed",
        "ResponsibleAIPolicyViolation",
    }
)
_MODEL_TEXT = re.compile(r"model|deployment", re.IGNORECASE)
_LONG_TOKEN = re.compile(r"(?=[A-Za-z0-9_\-]*[0-9])(?=[A-Za-z0-9_\-]*[A-Za-z])[A-Za-z0-9_\-]{32,}")
_BEARER = re.compile(r"(?i)\b(bearer|basic) +[A-Za-z0-9._~+/=\-]{4,}")


class Words(msgspec.Struct, frozen=True):
    """What an error body says, as far as it says it."""

    message: str | None = None
    codes: frozenset[str] = frozenset()
    """Every code, type and status it names."""
    param: str | None = None
    is_json: bool = False


def classify(
    status: int, headers: Mapping[bytes, bytes], body: bytes, now_epoch: float
) -> UpstreamError:
    """The error that an answer of this status stands for; `now_epoch` is UTC seconds.

    The message is the provider's own if it sent JSON, at most 500 characters, with whatever looks
    like a key masked; `retry_after_s` is its wait hint.
    """
    words = read_words(body)
    message = words.message or _own_words(status, headers, words)
    if status < 400:
        where = "redirects are not followed" if 300 <= status < 400 else "no error status"
        return UpstreamProtocol(
            f"The provider answered {status} ({where}); check its base_url.", upstream_status=status
        )
    if status >= 500:
        hint = wait_hint_s(headers, body, now_epoch)
        if status in (503, 529):
            return UpstreamUnavailable(message, retry_after_s=hint, upstream_status=status)
        as_sent = status if status < 600 else None
        return UpstreamFailed(message, status=as_sent, retry_after_s=hint, upstream_status=status)
    if status == 429:
        if _is_quota(words, body):
            return UpstreamQuotaExceeded(message, upstream_status=status)
        hint = wait_hint_s(headers, body, now_epoch)
        return UpstreamRateLimited(message, retry_after_s=hint, upstream_status=status)
    if status in (401, 403):
        if words.codes & _FILTER_CODES:
            return UpstreamContentFiltered(message, status=status, upstream_status=status)
        return UpstreamAuthentication(
            "The provider refused the gateway's credential; check its api_key.",
            upstream_status=status,
        )
    if status == 408:
        return UpstreamTimeout(message, timer="upstream", upstream_status=status)
    if status in (409, 424, 425):
        hint = wait_hint_s(headers, body, now_epoch)
        return UpstreamFailed(message, retry_after_s=hint, upstream_status=status)
    return _rejected(status, words, message)


def read_words(body: bytes) -> Words:
    """Read `{"error": {...}}`, `{"error": "…"}`, `{"message": …}`, `{"detail": …}`, or a list of
    such.

    Anything else, and anything too large, says nothing.
    """
    if not body or len(body) > _MAX_BODY:
        return Words()
    try:
        data: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Words()
    if isinstance(data, list):
        data = data[0] if data else None
    if not isinstance(data, dict):
        return Words(is_json=True)
    inner = data.get("error") or data.get("detail") or data
    if isinstance(inner, list):
        inner = inner[0] if inner else data
    if isinstance(inner, str):
        return Words(_cleaned(inner), _codes(data), None, True)
    if not isinstance(inner, dict):
        return Words(is_json=True)
    text = inner.get("message") or inner.get("msg") or data.get("message")
    param = inner.get("param")
    return Words(
        _cleaned(text) if isinstance(text, str) else None,
        _codes(data) | _codes(inner),
        _cleaned(param)[:_MAX_WORD_CHARS] if isinstance(param, str) and param else None,
        True,
    )


def _codes(data: dict[str, Any]) -> frozenset[str]:
    found = [data.get(name) for name in ("code", "type", "status", "error_code")]
    for nested in ("innererror", "details"):
        inner = data.get(nested)
        if isinstance(inner, dict):
            found += [inner.get("code"), inner.get("error_code")]
    return frozenset(c for c in found if isinstance(c, str) and len(c) <= _MAX_WORD_CHARS)


def _is_quota(words: Words, body: bytes) -> bool:
    if words.codes & _QUOTA_CODES or _PER_DAY.search(body[:_MAX_BODY]):
        return True
    return words.message is not None and _QUOTA_TEXT.search(words.message) is not None


def _rejected(status: int, words: Words, message: str) -> UpstreamError:
    text = words.message or ""
    if status == 402 or words.codes & _QUOTA_CODES or (status == 400 and _QUOTA_TEXT.search(text)):
        return UpstreamQuotaExceeded(message, upstream_status=status)
    if words.codes & _FILTER_CODES:
        return UpstreamContentFiltered(
            message, param=words.param, status=status, upstream_status=status
        )
    if words.codes & _CONTEXT_CODES or (status in (400, 413, 422) and _CONTEXT_TEXT.search(text)):
        return UpstreamContextExceeded(
            message, param=words.param, status=status, upstream_status=status
        )
    if status == 404 and ("model_not_found" in words.codes or _MODEL_TEXT.search(text)):
        return UpstreamModelNotFound(message, param=words.param, upstream_status=status)
    code = "request_too_large" if status == 413 else None
    return UpstreamRejected(
        message, param=words.param, status=status, code=code, upstream_status=status
    )


def _own_words(status: int, headers: Mapping[bytes, bytes], words: Words) -> str:
    if words.is_json:
        return f"The provider answered {status} without a message."
    kind = headers.get(b"content-type", b"no content type")[:80].decode("latin-1")
    return f"The provider answered {status} with {_cleaned(kind)} instead of a JSON error."


def _cleaned(text: str) -> str:
    """Bounded, and without anything that looks like a key."""
    text = scrub(_BEARER.sub(r"\1 …", text[: 4 * MAX_MESSAGE_CHARS]))
    text = _LONG_TOKEN.sub(lambda found: f"{found.group()[:4]}…", text)
    return text if len(text) <= MAX_MESSAGE_CHARS else text[: MAX_MESSAGE_CHARS - 1] + "…"
