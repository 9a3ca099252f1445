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
from portico.types.http import Headers, HttpHead
from portico.wire.gemini_generate.errors import read_error as read_gemini_error
from portico.wire.openai_chat.errors import read_error
from portico.wire.upstream_errors import upstream_error


def classify(status: int, headers: Headers, body: bytes) -> UpstreamError:
    return read_error(HttpHead(status, headers), body)


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
        (
            403,
            body_of(
                message="Your team 16f2151a-40f4 has either used all available credits or reached "
                "its monthly spending limit."
            ),
            UpstreamQuotaExceeded,
            429,
            "insufficient_quota",
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
    error = classify(status, {}, body)
    assert (type(error), error.status, error.code, error.upstream_status) == (
        kind,
        answered,
        code,
        status,
    )


def test_the_message_and_the_parameter_are_the_providers_own() -> None:
    error = classify(400, {}, body_of(message="`n` must be 1", param="n"))
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
    assert classify(400, {b"content-type": b"text/html"}, body).message == message


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
    message = classify(400, {}, body_of(message=f"Incorrect key: {secret}, see docs")).message
    assert secret.removeprefix("Bearer ") not in message
    assert message.startswith("Incorrect key: ")
    assert message.endswith(", see docs")


def test_a_refused_credential_is_told_without_the_providers_words() -> None:
    error = classify(401, {}, body_of(message="Incorrect API key: sk-…1234"))
    assert error.message == "The provider refused the gateway's credential; check its api_key."


def test_a_long_message_is_cut() -> None:
    message = classify(400, {}, body_of(message="word " * 500)).message
    assert len(message) == 500
    assert message.endswith("…")


@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_the_wait_hint_goes_with_it(status: int) -> None:
    assert classify(status, {b"retry-after": b"7"}, b"").retry_after_s == 7.0


@pytest.mark.parametrize("status", [408, 409, 424, 425, 429, 500, 503, 529])
def test_a_hint_in_the_body_goes_with_it_too(status: int) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "22s"}]
    assert classify(status, {}, body_of(message="m", details=details)).retry_after_s == 22.0
    assert classify(status, {}, b"<p>Please try again in 5s</p>").retry_after_s == 5.0


@pytest.mark.parametrize(
    ("body", "is_model"),
    [
        (body_of(message="no such model"), True),
        (body_of(message="The model `x` does not exist."), True),
        (body_of(message="The model `x` does not exist.", type="NotFoundError", code=404), True),
        (body_of(message="model 'x' not found, try pulling it first"), True),
        (body_of(message="models/x is not found for API version v1beta"), True),
        (body_of(message="The API deployment for this resource does not exist."), True),
        (body_of(message="x", code="DeploymentNotFound"), True),
        (body_of(message="x", code="model_not_found", param="model"), True),
        (b"", False),
        (body_of(message="Something is wrong."), False),
        (body_of(message="Invalid URL (POST /v1/model)", type="invalid_request_error"), False),
        (body_of(message="Previous response with id 'the model' not found."), False),
        (body_of(message="The model's file is not found", code="file_not_found"), False),
        (body_of(message="No such model", code="model_not_found", param="tools[0].model"), False),
    ],
)
def test_a_404_is_about_the_model_only_if_it_says_so(body: bytes, is_model: bool) -> None:
    """What a client asks for wrongly must not make routing avoid the deployment."""
    kind = type(classify(404, {}, body))
    assert kind is (UpstreamModelNotFound if is_model else UpstreamRejected)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("Unknown parameter: 'credit balance is too low'", None),
        ("Your credit balance is too low", "messages[0]"),
    ],
)
def test_a_client_cannot_talk_a_deployment_out_of_credit(message: str, param: str | None) -> None:
    assert type(classify(400, {}, body_of(message=message, param=param))) is UpstreamRejected


@pytest.mark.parametrize(
    "message",
    [
        "Your chosen model requires moderation and your input was flagged",
        "flagged, sk-proj-abcdefghijklmnop",
    ],
)
@pytest.mark.parametrize("status", [401, 403])
def test_the_words_of_a_401_or_403_are_never_told(status: int, message: str) -> None:
    for code in (None, "content_filter"):
        assert "flagged" not in classify(status, {}, body_of(message=message, code=code)).message


def test_a_flagged_input_is_not_the_credentials_fault() -> None:
    error = classify(403, {}, body_of(message="Your input was flagged", code=403))
    assert (type(error), error.status) == (UpstreamContentFiltered, 403)


def test_the_providers_own_code_is_passed_on_bounded_and_without_keys() -> None:
    assert classify(400, {}, body_of(message="m", code="bad_n")).code == "bad_n"
    assert classify(400, {}, body_of(message="m", code="sk-abcdefghijklmnop")).code == "sk-a…"
    assert len(classify(400, {}, body_of(message="m", code="c-" * 500)).code) == 100


def test_an_error_within_a_200_has_the_status_it_asks_for() -> None:
    error = classify(200, {}, body_of(message="busy", code=503))
    assert (type(error), error.upstream_status) == (UpstreamUnavailable, 503)
    error = classify(200, {}, body_of(message="busy"))
    assert (type(error), error.status) == (UpstreamFailed, 502)


def test_a_page_too_large_is_not_read() -> None:
    body = body_of(message="x", code="insufficient_quota", filler="y" * 300_000)
    assert type(classify(429, {}, body)) is UpstreamRateLimited


@pytest.mark.parametrize(
    ("quota", "kind"),
    [
        ("GenerateRequestsPerDayPerProject", UpstreamQuotaExceeded),
        ("GenerateRequestsPerMinutePerProject", UpstreamRateLimited),
    ],
)
def test_gemini_says_by_the_quotas_name_if_waiting_helps(
    quota: str, kind: type[UpstreamError]
) -> None:
    details = [{"@type": "x/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]}]
    body = body_of(message="m", status="RESOURCE_EXHAUSTED", details=details)
    assert type(read_gemini_error(HttpHead(429, {}), body)) is kind


def test_a_dialect_may_give_no_more_than_status_and_words() -> None:
    error = upstream_error(429, "Too many tokens, please wait", kind="ThrottlingException")
    assert (type(error), error.message) == (UpstreamRateLimited, "Too many tokens, please wait")
    error = upstream_error(429, "", code="enforced_spend_limit_reached")
    assert type(error) is UpstreamQuotaExceeded
    assert error.message == "The provider answered 429 without a message."


@given(st.integers(100, 999), st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.text(max_size=10) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["error", "message", "detail", "code", "type", "param", "details"]),
        inner, max_size=4,
    ),
    max_leaves=10,
).map(lambda data: json.dumps(data).encode()))  # fmt: skip
def test_any_answer_is_some_error_with_a_message(status: int, body: bytes) -> None:
    error = classify(status, {}, body)
    assert isinstance(error, UpstreamError)
    assert 0 < len(error.message) <= 500
    assert 400 <= error.status < 600
