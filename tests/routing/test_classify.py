import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from portico.routing.classify import classify

NOW = 1_763_899_200.0


def body_of(**error: object) -> bytes:
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "answered", "code"),
    [
        (
            400,
            body_of(message="Bad `n`", type="invalid_request_error"),
            UpstreamRejected,
            400,
            "invalid_request",
        ),
        (
            400,
            body_of(message="Too long", code="context_length_exceeded"),
            UpstreamContextExceeded,
            400,
            "context_length_exceeded",
        ),
        (
            400,
            body_of(message="prompt is too long: 250000 tokens > 200000 maximum"),
            UpstreamContextExceeded,
            400,
            "context_length_exceeded",
        ),
        (
            400,
            body_of(
                message="The input token count (9) exceeds the maximum number of tokens allowed"
            ),
            UpstreamContextExceeded,
            400,
            "context_length_exceeded",
        ),
        (
            400,
            body_of(
                message="Filtered", code=None, innererror={"code": "ResponsibleAIPolicyViolation"}
            ),
            UpstreamContentFiltered,
            400,
            "content_filter",
        ),
        (
            400,
            body_of(message="Your credit balance is too low to access the API."),
            UpstreamQuotaExceeded,
            429,
            "insufficient_quota",
        ),
        (
            401,
            body_of(message="bad key sk-1"),
            UpstreamAuthentication,
            502,
            "upstream_authentication",
        ),
        (403, b"", UpstreamAuthentication, 502, "upstream_authentication"),
        (
            403,
            body_of(message="flagged", code="content_filter"),
            UpstreamContentFiltered,
            403,
            "content_filter",
        ),
        (402, b'{"detail": "no"}', UpstreamQuotaExceeded, 429, "insufficient_quota"),
        (
            404,
            body_of(message="The model `x` does not exist", code="model_not_found"),
            UpstreamModelNotFound,
            404,
            "model_not_found",
        ),
        (404, b'{"detail":"Not Found"}', UpstreamRejected, 404, "invalid_request"),
        (408, b"", UpstreamTimeout, 504, "timeout"),
        (409, b"", UpstreamFailed, 502, "upstream_error"),
        (424, b"", UpstreamFailed, 502, "upstream_error"),
        (425, b"", UpstreamFailed, 502, "upstream_error"),
        (413, body_of(message="Request too large"), UpstreamRejected, 413, "request_too_large"),
        (422, b'{"detail":[{"msg":"wrong"}]}', UpstreamRejected, 422, "invalid_request"),
        (429, body_of(message="slow down"), UpstreamRateLimited, 429, "rate_limit_exceeded"),
        (
            429,
            body_of(message="m", code="insufficient_quota"),
            UpstreamQuotaExceeded,
            429,
            "insufficient_quota",
        ),
        (
            429,
            body_of(message="m", type="organization_spend_limit_exceeded"),
            UpstreamQuotaExceeded,
            429,
            "insufficient_quota",
        ),
        (
            429,
            body_of(message="m", details={"error_code": "enforced_spend_limit_reached"}),
            UpstreamQuotaExceeded,
            429,
            "insufficient_quota",
        ),
        (
            429,
            b'[{"error":{"status":"RESOURCE_EXHAUSTED","message":"m","details":'
            b'[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]}]}}]',
            UpstreamQuotaExceeded,
            429,
            "insufficient_quota",
        ),
        (500, b"", UpstreamFailed, 500, "upstream_error"),
        (502, b"<html>Bad Gateway</html>", UpstreamFailed, 502, "upstream_error"),
        (503, b"", UpstreamUnavailable, 503, "upstream_unavailable"),
        (529, b'{"type":"error"}', UpstreamUnavailable, 503, "upstream_unavailable"),
        (799, b"", UpstreamFailed, 502, "upstream_error"),
        (302, b"", UpstreamProtocol, 502, "upstream_protocol_error"),
    ],
)
def test_what_each_answer_stands_for(
    status: int, body: bytes, kind: type[UpstreamError], answered: int, code: str
) -> None:
    error = classify(status, {}, body, NOW)
    assert (type(error), error.status, error.code, error.upstream_status) == (
        kind,
        answered,
        code,
        status,
    )


def test_the_message_and_the_parameter_are_the_providers_own() -> None:
    error = classify(400, {}, body_of(message="`n` must be 1", param="n"), NOW)
    assert (error.message, error.param) == ("`n` must be 1", "n")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":"plain"}', "plain"),
        (b'{"message":"top"}', "top"),
        (b'{"detail":"fast"}', "fast"),
        (b'{"detail":[{"msg":"field required"}]}', "field required"),
        (b'[{"error":{"message":"listed"}}]', "listed"),
        (b'{"error":{}}', "The provider answered 400 without a message."),
        (b"[]", "The provider answered 400 without a message."),
        (b"<html>", "The provider answered 400 with text/html instead of a JSON error."),
        (b"[" * 5000, "The provider answered 400 with text/html instead of a JSON error."),
    ],
)
def test_messages_are_found_in_every_shape(body: bytes, message: str) -> None:
    assert classify(400, {b"content-type": b"text/html"}, body, NOW).message == message


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghijklmnop",
        "Bearer abc.def-ghi",
        "AIzaSyA1234567890abcdefghijklmnopqrstu",
        "0123456789abcdef0123456789abcdef01",
    ],
)
def test_nothing_that_looks_like_a_key_is_passed_on(secret: str) -> None:
    message = classify(400, {}, body_of(message=f"Incorrect key: {secret}, see docs"), NOW).message
    assert secret.removeprefix("Bearer ") not in message
    assert message.startswith("Incorrect key: ")
    assert message.endswith(", see docs")


def test_a_refused_credential_is_told_without_the_providers_words() -> None:
    error = classify(401, {}, body_of(message="Incorrect API key: sk-…1234"), NOW)
    assert error.message == "The provider refused the gateway's credential; check its api_key."


def test_a_long_message_is_cut() -> None:
    message = classify(400, {}, body_of(message="word " * 500), NOW).message
    assert len(message) == 500
    assert message.endswith("…")


@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_the_wait_hint_goes_with_it(status: int) -> None:
    assert classify(status, {b"retry-after": b"7"}, b"", NOW).retry_after_s == 7.0


@given(st.integers(100, 999), st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.text(max_size=10) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["error", "message", "detail", "code", "type", "param", "details"]),
        inner, max_size=4,
    ),
    max_leaves=10,
).map(lambda data: json.dumps(data).encode()))  # fmt: skip
def test_any_answer_is_some_error_with_a_message(status: int, body: bytes) -> None:
    error = classify(status, {}, body, NOW)
    assert isinstance(error, UpstreamError)
    assert 0 < len(error.message) <= 500
    assert 400 <= error.status < 600
