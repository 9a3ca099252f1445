import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.wire.wait_hints import moment_of, wait_hint_s, wait_of

NOW = 784_111_777.0
"""Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110."""


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({b"retry-after": b"20"}, 20.0),
        ({b"retry-after": b"0"}, 0.0),
        ({b"retry-after": b" 1.5 "}, 1.5),
        ({b"retry-after": b"999999999"}, 3600.0),
        ({b"retry-after": b"Sun, 06 Nov 1994 08:50:07 GMT"}, 30.0),
        ({b"retry-after": b"Sunday, 06-Nov-94 08:50:07 GMT"}, 30.0),
        ({b"retry-after": b"Sun Nov  6 08:50:07 1994"}, 30.0),
        ({b"retry-after": b"Sun, 06 Nov 1994 08:49:07 GMT"}, 0.0),
        ({b"retry-after-ms": b"250", b"retry-after": b"1"}, 0.25),
        ({b"x-ms-retry-after-ms": b"1500"}, 1.5),
        ({b"retry-after-ms": b"nan", b"retry-after": b"3"}, 3.0),
        ({b"retry-after": b"6m0s"}, 360.0),
        (
            {b"x-ratelimit-remaining-requests": b"0", b"x-ratelimit-reset-requests": b"1s"},
            1.0,
        ),
        (
            {
                b"x-ratelimit-remaining-requests": b"0",
                b"x-ratelimit-reset-requests": b"120ms",
                b"x-ratelimit-remaining-tokens": b"0",
                b"x-ratelimit-reset-tokens": b"6m0.5s",
            },
            360.5,
        ),
        ({b"x-ratelimit-remaining-tokens": b"7", b"x-ratelimit-reset-tokens": b"6m0s"}, None),
        ({b"x-ratelimit-reset-tokens": b"6m0s"}, None),
        (
            {
                b"anthropic-ratelimit-input-tokens-remaining": b"0",
                b"anthropic-ratelimit-input-tokens-reset": b"1994-11-06T08:50:37Z",
            },
            60.0,
        ),
        ({b"x-ratelimit-remaining": b"0", b"x-ratelimit-reset": b"0784111787000"}, 10.0),
        ({b"ratelimit-remaining": b"0", b"ratelimit-reset": b"17"}, 17.0),
    ],
)
def test_headers_in_every_spelling(headers: dict[bytes, bytes], wait: float | None) -> None:
    assert wait_hint_s(headers, b"", NOW) == wait


@pytest.mark.parametrize(
    "value",
    [
        "nan", "NaN", "inf", "-3", "+10", "1_0", "1e3", "1e999", "٣", "²", "0x10", "", " ", "3 s",
        "tomorrow", "Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 06 Nox 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 25:49:37 GMT", "1994-13-06T08:49:37Z", "1994-11-06", "5.", ".5", "1.2.3",
        "10\n11", "12345678901234567890", "6m0", "m", "1994-11-06T08:49:37",
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_no_hint(value: str) -> None:
    assert wait_hint_s({b"retry-after": value.encode()}, b"", NOW) is None


@pytest.mark.parametrize(
    ("body", "wait"),
    [
        (b'{"error":{"message":"Please try again in 5.289s. Visit"}}', 5.289),
        (b"Please try again in 20s", 20.0),
        (b"Please try again in 120ms.", 0.12),
        (b"Please try again in 1m30s.", 90.0),
        (b"Please retry after 23 seconds.", 23.0),
        (b"Retry in 10.689924287s.", 10.689924287),
        (b"try again in 2 minutes", 120.0),
        (b"Try again in 500 milliseconds", 0.5),
        (b"try again in 3 s", 3.0),
        (b"try again in 10min", 600.0),
        (b"try again in 3months", None),
        (b"try again in 7 days", None),
        (b"try again in NaNs", None),
        (b'{"detail":"Request was throttled.","status":429,"retry_after":5}', 5.0),
        (b'{"error":"loading","estimated_time":20.0}', 20.0),
        (b'{"error":"loading","estimated_time": 300.8891906738281, "a":1}', 300.8891906738281),
        (b'{"retry_after_seconds":"1.5"}', 1.5),
        (b'{"retry_after":-3}', None),
        (b'{"retry_after":1e999}', None),
        (b'{"retry_after":"soon"}', None),
        (b"try again in -3s", None),
        (b"try again in 1e999s", None),
        (b"try again later", None),
        (b'{"retryDelay": "22s"}', 22.0),
        (b'{"details":[{"@type":"x.RetryInfo","retryDelay":"0.5s"}], "m":"retry in 9s"}', 0.5),
        (b'{"retryDelay": "-22s"}', None),
        (b"x" * 20_000 + b"try again in 5s", None),
    ],
)
def test_bodies(body: bytes, wait: float | None) -> None:
    assert wait_hint_s({}, body, NOW) == wait


def test_the_plain_word_wins_over_the_body_and_that_over_the_windows() -> None:
    window = {b"x-ratelimit-remaining-tokens": b"0", b"x-ratelimit-reset-tokens": b"9s"}
    body = b"try again in 5s"
    assert wait_hint_s(window | {b"retry-after": b"2"}, body, NOW) == 2.0
    assert wait_hint_s(window, body, NOW) == 5.0
    assert wait_hint_s(window, b"", NOW) == 9.0


DATES = [
    {b"retry-after": b"Sun, 06 Nov 1994 08:50:07 GMT"},
    {
        b"anthropic-ratelimit-tokens-remaining": b"0",
        b"anthropic-ratelimit-tokens-reset": b"1994-11-06T08:50:07Z",
    },
]


@pytest.mark.parametrize("headers", DATES)
def test_a_date_is_measured_against_the_answers_own(headers: dict[bytes, bytes]) -> None:
    sent = headers | {b"date": b"Sun, 06 Nov 1994 08:49:57 GMT"}
    assert wait_hint_s(sent, b"", NOW) == 10.0
    assert wait_hint_s(sent) == 10.0


@pytest.mark.parametrize("headers", DATES)
@pytest.mark.parametrize("date", [{}, {b"date": b"now"}])
def test_a_date_without_a_clock_is_no_hint(
    headers: dict[bytes, bytes], date: dict[bytes, bytes]
) -> None:
    assert wait_hint_s(headers | date) is None


def test_a_moment_gone_by_means_now() -> None:
    date = {b"date": b"Sun, 06 Nov 1994 08:49:57 GMT"}
    assert wait_hint_s(date | {b"retry-after": b"Sun, 06 Nov 1994 08:49:00 GMT"}) == 0.0


def test_a_moment_has_its_offset() -> None:
    assert moment_of(b"1994-11-06T09:49:37.500+01:00") == NOW + 0.5


names = st.sampled_from(
    [
        b"retry-after", b"retry-after-ms", b"x-ms-retry-after-ms",
        b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens",
        b"anthropic-ratelimit-tokens-remaining", b"anthropic-ratelimit-tokens-reset",
    ]
)  # fmt: skip
values = st.one_of(
    st.binary(max_size=40),
    st.text(alphabet="0123456789.eE+-_smhnuµ:TZ GMTSunov,", max_size=40).map(str.encode),
    st.floats().map(lambda number: str(number).encode()),
    st.integers().map(lambda number: str(number).encode()),
    st.datetimes().map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT").encode()),
)


@given(st.dictionaries(names, values), values, st.floats(0, 4e9))
def test_garbage_gives_a_sane_wait_or_none(
    headers: dict[bytes, bytes], body: bytes, now: float
) -> None:
    for wait in (
        wait_hint_s(headers, b"try again in " + body, now),
        wait_hint_s({}, b'"retryDelay": "' + body + b's"', now),
        wait_of(body, now),
    ):
        assert wait is None or (math.isfinite(wait) and 0.0 <= wait <= 3600.0)
