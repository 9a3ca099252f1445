"""The routing page in a terminal: what is shown, and what is left out where there is no room."""

from typing import Any

import pytest

from portico.api import routing_table

WELL: dict[str, Any] = {
    "id": "openai/gpt-5",
    "dialects": ["openai_chat"],
    "key": "sk-…a1b2",
    "state": "healthy",
    "returns_in_s": None,
    "in_flight": 3,
    "in_flight_limit": None,
    "ttft_ms": 412.7,
    "error_share": 0.0,
    "circuit": "closed",
    "warming_up_limit": None,
    "requests": 1234,
    "requests_last_minute": 60,
    "rpm": 500,
    "tokens_last_minute": 9000,
    "tpm": None,
    "health_check": None,
    "last_error": None,
    "last_error_ago_s": None,
}
ILL: dict[str, Any] = {
    **WELL,
    "id": "azure/eastus-2-gpt-5-deployment",
    "key": None,
    "state": "open",
    "circuit": "open",
    "returns_in_s": 7.4,
    "in_flight_limit": 20,
    "ttft_ms": None,
    "error_share": 0.87,
    "health_check": {"verdict": "bad", "bad_in_a_row": 2, "failure_threshold": 5},
    "last_error": "upstream_timeout",
    "last_error_ago_s": 200.0,
}


def test_where_there_is_room_all_is_shown() -> None:
    head, well, ill = routing_table.lines([WELL, ILL])
    assert head.split("  ")[0] == "DEPLOYMENT"
    assert " ".join(well.split()) == (
        "openai/gpt-5 healthy - 3 0% 413 - 1234 60/500 9000 openai_chat sk-…a1b2 -"
    )
    assert ill.endswith("  upstream_timeout, 3 min ago")
    assert "bad 2/5" in ill
    assert "3/20" in ill
    assert " 7 s " in ill


@pytest.mark.parametrize("width", range(40, 220, 3))
def test_no_line_is_longer_than_the_terminal_is_wide(width: int) -> None:
    for line in routing_table.lines([WELL, ILL], width):
        assert len(line) <= width, line


@pytest.mark.parametrize(
    ("width", "heads"),
    [
        (200, "DEPLOYMENT STATE BACK IN IN FLIGHT ERRORS TTFT MS CHECK REQUESTS RPM TPM DIALECT KEY"
              " LAST ERROR"),
        (120, "DEPLOYMENT STATE BACK IN IN FLIGHT ERRORS TTFT MS CHECK REQUESTS LAST ERROR"),
        (80, "DEPLOYMENT STATE BACK IN IN FLIGHT LAST ERROR"),
        (45, "DEPLOYMENT STATE"),
    ],
)  # fmt: skip
def test_what_matters_most_stays(width: int, heads: str) -> None:
    head, *_ = routing_table.lines([WELL, ILL], width)
    assert " ".join(head.split()) == heads


def test_long_names_are_shortened_last() -> None:
    _, _, ill = routing_table.lines([WELL, ILL], 30)
    assert ill.split() == ["azure/eastus-2-gpt-5…", "open"]


def test_an_empty_gateway_has_a_head() -> None:
    assert len(routing_table.lines([], 80)) == 1


def test_who_is_just_back_is_said_to_warm_up() -> None:
    (_, line) = routing_table.lines([{**WELL, "warming_up_limit": 3}])
    assert "healthy, warming up" in line


def test_the_troubled_come_first_and_are_counted() -> None:
    rows = [WELL, ILL, {**WELL, "id": "a/m"}]
    assert [row["id"] for row in routing_table.troubled_first(rows)] == [
        ILL["id"],
        "a/m",
        WELL["id"],
    ]
    assert routing_table.summary("2026-11-23T03:00:00.000Z", rows) == (
        "2026-11-23T03:00:00.000Z  1 open, 2 healthy"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 s"), (119.0, "119 s"), (120.0, "2 min"), (7199, "120 min"), (7200.0, "2 h"),
     (172_800.0, "2 d")],
)  # fmt: skip
def test_spans(seconds: float, text: str) -> None:
    assert routing_table.span(seconds) == text
