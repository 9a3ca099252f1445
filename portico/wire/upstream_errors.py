"""From a provider's status and words to one of our errors: whose fault, and may it be retried.

Dialects read the words out of their own envelopes; what they mean is the same for all. Codes and
types are trusted; sentences only where they say what cannot be the client's own text quoted back,
since routing avoids a deployment that has no credit or lacks the model. Sources, read 2026-11-23:
https://platform.openai.com/docs/guides/error-codes, https://docs.anthropic.com/en/api/errors,
https://ai.google.dev/gemini-api/docs/troubleshooting,
https://learn.microsoft.com/azure/ai-services/openai/concepts/content-filter,
https://openrouter.ai/docs/api-reference/errors; single providers' own sentences where
`tests/fixtures/README.md` says.
"""

import re
from collections.abc import Iterable
from typing import Final

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
from portico.types.http import Headers, HttpHead
from portico.wire.wait_hints import wait_hint_s

MAX_MESSAGE_CHARS: Final = 500
MAX_BODY: Final = 256 * 1024
"""An error body larger than this is not read at all."""
_MAX_WORD_CHARS: Final = 100

_QUOTA: Final = re.compile(
    r"insufficient_(?:quota|balance|credits?|funds)|spend(?:ing)?[_-]limit"
    r"|billing_(?:hard_limit|not_active)|billing_error|credits_exhausted|exceeded_current_quota"
    r"|usage_limit_reached|(?<!token_)(?<!request_)quota_exceeded",
    re.IGNORECASE,
)
"""Cerebras has a `token_quota_` and a `request_quota_`, which are rates."""
_MONEY: Final = re.compile(r"billing|credit", re.IGNORECASE)
_QUOTA_TEXT: Final = re.compile(
    r"credit balance is too low|insufficient (?:balance|credit|funds|quota)|out of credits?"
    r"|spend(?:ing)? limit|billing (?:hard )?limit|api usage limits",
    re.IGNORECASE,
)
_QUOTA_OPENING: Final = re.compile(
    r"(?:your )?credit balance is too low|insufficient (?:balance|credits?|funds)\b"
    r"|you have (?:reached|exceeded) your (?:specified )?(?:api )?(?:usage|spend)",
    re.IGNORECASE,
)
_NO_CREDIT_OPENING: Final = re.compile(
    r"you have run out of credits|your team [^ ]{1,80} has either used all available credits",
    re.IGNORECASE,
)
_KEY_OPENING: Final = re.compile(r"(?:incorrect|invalid) api[ _-]?key\b", re.IGNORECASE)
_PER_DAY: Final = re.compile(rb'"quota_?[iI]d"\s*:\s*"[^"]{0,200}PerDay')
_CONTEXT: Final = re.compile(
    r"context_(?:length|window)_exceeded|string_above_max_length", re.IGNORECASE
)
_CONTEXT_TEXT: Final = re.compile(
    r"context[ _-](?:length|window|size)|maximum context|(?:prompt|input) is too long"
    r"|too many (?:input )?tokens|input token count .{0,40}exceeds"
    r"|exceeds? the (?:model's )?(?:context|maximum number of tokens)"
    r"|request too large for model",
    re.IGNORECASE,
)
_FILTER: Final = re.compile(
    r"content_filter|content_policy|moderation_blocked|data_inspection_failed"
    r"|responsibleaipolicyviolation",
    re.IGNORECASE,
)
_FILTER_TEXT: Final = re.compile(
    r"requires moderation|your input was flagged|blocked by content filtering", re.IGNORECASE
)
_NO_MODEL: Final = re.compile(
    r"(?:model|deployment|endpoint)_?(?:not|does_?not)_?(?:found|exist|supported)|invalid_?model\b"
    r"|endpointormodel\.notfound",
    re.IGNORECASE,
)
_UNKNOWN_MODEL: Final = re.compile(r"unknown model \"[^\"]{1,200}\"\.?", re.IGNORECASE)
"""Snowflake's whole message for a model that the account's region has not; the status is 400."""
_SAYS_NOTHING: Final = re.compile(
    r"[0-9]*|(?:resource_?)?not_?found(?:_?error)?|invalid_request_error|error", re.IGNORECASE
)
"""Codes of a 404 that do not tell what it is that was not found."""
_MODEL_OPENING: Final = re.compile(r"[^'\"`/(]{0,60}\b(?:model|deployment)s?\b", re.IGNORECASE)
_MISSING_TEXT: Final = re.compile(
    r"^model:|not found|not exist|n't exist|no such|unknown|invalid|n[o']t (?:support|avail)"
    r"|could not|cannot|no longer",
    re.IGNORECASE,
)

_LONG_TOKEN: Final = re.compile(
    r"(?=[A-Za-z0-9_\-]*[0-9])(?=[A-Za-z0-9_\-]*[A-Za-z])[A-Za-z0-9_\-]{32,}"
)
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic) +[A-Za-z0-9._~+/=\-]{4,}")


class _Said(msgspec.Struct, frozen=True):
    """One refusal: what the provider told, cleaned for the client and as it came."""

    status: int
    message: str
    text: str
    """The provider's own words, empty if there are none."""
    words: str
    """Every code and type it names."""
    code: str | None
    param: str | None
    wait_s: float | None
    is_per_day: bool


def upstream_error(
    status: int,
    message: str,
    *,
    code: str | None = None,
    kind: str | None = None,
    also: Iterable[str] = (),
    param: str | None = None,
    headers: Headers | None = None,
    body: bytes = b"",
) -> UpstreamError:
    """The error that a refusal stands for; no secret and at most 500 characters in its message.

    `status` is the answer's, or what an error inside a stream would have had as an answer. `kind`
    and `code` are the provider's error type and code, if it has such; `also` is what else it names.
    `body` is all it sent, or the error alone: hints and quotas may hide anywhere in it.
    """
    if status < 400:
        where = "redirects are not followed" if status >= 300 else "no error status"
        return UpstreamProtocol(
            f"The provider answered {status} ({where}); check its base_url.", upstream_status=status
        )
    text = message[: 4 * MAX_MESSAGE_CHARS]
    said = _Said(
        status,
        cleaned(text) if text.strip() else f"The provider answered {status} without a message.",
        text,
        " ".join([word[:_MAX_WORD_CHARS] for word in (kind, code, *also) if word]),
        cleaned(code[:_MAX_WORD_CHARS]) if code else None,
        cleaned(param[:_MAX_WORD_CHARS]) if param else None,
        wait_hint_s(headers or {}, body or text.encode(errors="replace")),
        _PER_DAY.search(body[:MAX_BODY]) is not None,
    )
    if status >= 500:
        return _failed(said)
    match status:
        case 401 | 403:
            return _refused(said)
        case 408:
            return UpstreamTimeout(
                said.message, timer="upstream", retry_after_s=said.wait_s, upstream_status=status
            )
        case 409 | 424 | 425:
            return UpstreamFailed(said.message, retry_after_s=said.wait_s, upstream_status=status)
        case 429:
            return _limited(said)
        case _:
            return _rejected(said)


def unread_error(head: HttpHead, body: bytes) -> UpstreamError:
    """The error of an answer that is not in the dialect's shape: a proxy's page, plain text.

    What it says is not passed on, only what it is.
    """
    error = upstream_error(head.status, "", headers=head.headers, body=body[:MAX_BODY])
    kind = head.headers.get(b"content-type", b"no content type")[:80].decode("latin-1")
    if not isinstance(error, UpstreamAuthentication | UpstreamProtocol):
        error.message = (
            f"The provider answered {head.status} with {cleaned(kind)} instead of a JSON error"
            + ("; is its base_url right?" if head.status in (404, 405) else ".")
        )
    return error


def cleaned(text: str) -> str:
    """Bounded, and without anything that looks like a key."""
    text = scrub(_BEARER.sub(r"\1 …", text[: 4 * MAX_MESSAGE_CHARS]))
    text = _LONG_TOKEN.sub(lambda found: f"{found.group()[:4]}…", text)
    return text if len(text) <= MAX_MESSAGE_CHARS else text[: MAX_MESSAGE_CHARS - 1] + "…"


def _failed(said: _Said) -> UpstreamError:
    if said.status in (503, 529):
        return UpstreamUnavailable(
            said.message, retry_after_s=said.wait_s, upstream_status=said.status
        )
    as_sent = said.status if said.status < 600 else None
    return UpstreamFailed(
        said.message, status=as_sent, retry_after_s=said.wait_s, upstream_status=said.status
    )


def _refused(said: _Said) -> UpstreamError:
    """A 401 or 403. Its words are never told: they often quote the key."""
    if _QUOTA.search(said.words) or _NO_CREDIT_OPENING.match(said.text):
        return UpstreamQuotaExceeded(  # Jina, xAI
            "The provider's account has no credit left.", upstream_status=said.status
        )
    if _FILTER.search(said.words) or (said.status == 403 and _FILTER_TEXT.search(said.text)):
        return UpstreamContentFiltered(
            "The provider's content policy refused the request.",
            status=said.status,
            upstream_status=said.status,
        )
    return UpstreamAuthentication(
        "The provider refused the gateway's credential; check its api_key.",
        upstream_status=said.status,
    )


def _limited(said: _Said) -> UpstreamError:
    if (
        said.is_per_day
        or _QUOTA.search(said.words)
        or _MONEY.search(said.words)
        or _QUOTA_TEXT.search(said.text)
    ):
        return UpstreamQuotaExceeded(said.message, upstream_status=said.status)
    return UpstreamRateLimited(said.message, retry_after_s=said.wait_s, upstream_status=said.status)


def _rejected(said: _Said) -> UpstreamError:
    status, text, words = said.status, said.text, said.words
    if status == 400 and said.param is None and _KEY_OPENING.match(text):
        return _refused(said)  # xAI
    if (
        status == 402
        or _QUOTA.search(words)
        or (status == 412 and _QUOTA_TEXT.search(text))  # Fireworks
        or (status == 400 and said.param is None and _QUOTA_OPENING.match(text))
    ):
        return UpstreamQuotaExceeded(said.message, upstream_status=status)
    kind: type[UpstreamRejected] = UpstreamRejected
    code = "request_too_large" if status == 413 else said.code
    if _FILTER.search(words) or _FILTER_TEXT.search(text):
        kind, code = UpstreamContentFiltered, None
    elif _CONTEXT.search(words) or (status in (400, 413, 422) and _CONTEXT_TEXT.search(text)):
        kind, code = UpstreamContextExceeded, None
    elif _lacks_model(said):
        kind, code = UpstreamModelNotFound, None
    return kind(said.message, param=said.param, status=status, code=code, upstream_status=status)


def _lacks_model(said: _Said) -> bool:
    """Is it this deployment's model that is not there, rather than something the client named?"""
    if said.status not in (400, 404) or said.param not in (None, "model"):
        return False
    if _NO_MODEL.search(said.words) or _UNKNOWN_MODEL.fullmatch(said.text):
        return True
    if said.status != 404 or not _SAYS_NOTHING.fullmatch(said.code or ""):
        return False
    return bool(_MODEL_OPENING.match(said.text) and _MISSING_TEXT.search(said.text))
