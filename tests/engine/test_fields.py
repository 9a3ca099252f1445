"""Header fields of answers."""

import pytest

from portico.engine.fields import header_text, of_error, passed, usd
from portico.errors import (
    AuthenticationFailed,
    GatewayError,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    QuotaExceeded,
    RateLimited,
    UpstreamUnavailable,
)


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "0.000000000"),
        (1, "0.000000001"),
        (1_500_000_000, "1.500000000"),
        (10**19 + 7, "10000000000.000000007"),
    ],
)
def test_usd_is_exact(nano: int, text: str) -> None:
    assert usd(nano) == text.encode()


LIMITS = {
    b"x-ratelimit-limit-tokens": b"90",
    b"x-ratelimit-reset-requests": b"6ms",
    b"anthropic-ratelimit-requests-remaining": b"4",
    b"anthropic-ratelimit-input-tokens-reset": b"2026-11-23T00:00:00Z",
    b"anthropic-ratelimit-unified-status": b"allowed",
    b"request-id": b"req_theirs",
    b"anthropic-organization-id": b"org-1",
    b"openai-organization": b"org-2",
    b"openai-project": b"proj_3",
    b"openai-processing-ms": b"12",
    b"retry-after": b"1",
}


def test_clients_of_the_same_dialect_see_the_providers_limits_as_it_says_them() -> None:
    assert passed(LIMITS, None).split(b"\r\n") == [
        b"x-ratelimit-limit-tokens: 90",
        b"x-ratelimit-reset-requests: 6ms",
        b"anthropic-ratelimit-requests-remaining: 4",
        b"anthropic-ratelimit-input-tokens-reset: 2026-11-23T00:00:00Z",
        b"x-upstream-request-id: req_theirs",
        b"openai-processing-ms: 12",
        b"",
    ]


def test_clients_of_another_see_them_under_names_that_mean_nothing_to_them() -> None:
    assert passed(LIMITS, b"application/json").split(b"\r\n") == [
        b"x-upstream-ratelimit-limit-tokens: 90",
        b"x-upstream-ratelimit-reset-requests: 6ms",
        b"x-upstream-ratelimit-remaining-requests: 4",
        b"x-upstream-request-id: req_theirs",
        b"content-type: application/json",
        b"",
    ]


def test_only_listed_fields_pass() -> None:
    lines = passed(
        {
            b"content-type": b"application/json",
            b"x-request-id": b"up-1",
            b"x-ratelimit-remaining-requests": b"9",
            b"set-cookie": b"a=b",
            b"authorization": b"x",
            b"content-length": b"5",
            b"transfer-encoding": b"chunked",
            b"x-portico-cost-usd": b"0",
        },
        None,
    )
    assert lines.split(b"\r\n") == [
        b"content-type: application/json",
        b"x-upstream-request-id: up-1",
        b"x-ratelimit-remaining-requests: 9",
        b"",
    ]


def test_a_translated_answer_has_a_type_of_its_own() -> None:
    assert passed({b"content-type": b"text/event-stream"}, b"application/json") == (
        b"content-type: application/json\r\n"
    )


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (InvalidRequest("m"), b""),
        (RateLimited("m", retry_after_s=1.2), b"retry-after: 2\r\nretry-after-ms: 1200\r\n"),
        (RateLimited("m", retry_after_s=0.0001), b"retry-after: 1\r\nretry-after-ms: 1\r\n"),
        (QuotaExceeded("m"), b"x-should-retry: false\r\n"),
        (InternalError("m"), b"x-should-retry: false\r\n"),
        (UpstreamUnavailable("m"), b""),
        (MethodNotAllowed("m", allow="POST"), b"allow: POST\r\n"),
        (AuthenticationFailed("m"), b"www-authenticate: Bearer\r\n"),
    ],
)
def test_fields_of_an_error(error: GatewayError, lines: bytes) -> None:
    assert of_error(error) == lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("up/gpt-4o", b"up/gpt-4o"),
        ("a\r\nx: y", b"a\\r\\nx: y"),
        ("a\x1b[2J\x7f", b"a\\x1b[2J\\x7f"),
        ("caf\xe9", b"caf\\xe9"),
        ("\x00\U0001f600", b"\\x00\\U0001f600"),
    ],
)
def test_text_of_a_client_cannot_break_a_field(text: str, shown: bytes) -> None:
    assert header_text(text) == shown
