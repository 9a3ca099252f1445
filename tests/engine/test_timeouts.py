"""Which timers a route has: its own, its provider's, the router's, and those that are built in."""

import pytest

from portico.engine.assembly import build_snapshot
from portico.types.http import BUILT_IN_TIMEOUTS, Timeouts
from tests.harness import read_config

BUILT_IN = BUILT_IN_TIMEOUTS
CASES = {
    "nothing": ("", "", "", (BUILT_IN.first_byte, BUILT_IN.whole, BUILT_IN.first_event)),
    "route": ("{first_byte: 5, whole: 7, first_event: 9}", "", "", (5.0, 7.0, 9.0)),
    "first_byte is for both": ("{first_byte: 5}", "", "", (5.0, None, BUILT_IN.first_event)),
    "whole alone": ("{whole: 7}", "", "", (BUILT_IN.first_byte, 7.0, BUILT_IN.first_event)),
    "provider": ("", ", timeout: 20", "", (20.0, None, 20.0)),
    "route before provider": ("{whole: 7}", ", timeout: 20", "", (20.0, 7.0, 20.0)),
    "provider before router": ("", ", timeout: 20", "{whole: 8, idle: 3}", (20.0, None, 20.0)),
    "router": ("", "", "{first_byte: 4, whole: 8}", (4.0, 8.0, BUILT_IN.first_event)),
}


@pytest.mark.parametrize("case", CASES)
def test_timers_are_inherited(case: str) -> None:
    route, provider, router, expected = CASES[case]
    timeouts = timeouts_of(route or "{}", provider, router or "{}")
    assert (timeouts.first_byte, timeouts.whole, timeouts.first_event) == expected
    assert timeouts.first_content == BUILT_IN.first_content


def test_a_model_that_thinks_has_ten_minutes() -> None:
    assert (BUILT_IN.whole, BUILT_IN.first_event, BUILT_IN.first_content) == (600.0, 300.0, 600.0)


def timeouts_of(route: str, provider: str, router: str) -> Timeouts:
    text = (
        f"providers: [{{name: p, provider_type: openai_compatible, base_url: 'http://p/v1', "
        f"models: [x]{provider}}}]\n"
        f"router: {{timeouts: {router}}}\n"
        f"models: [{{name: m, targets: [p/x], timeouts: {route}}}]\n"
    )
    snapshot = build_snapshot(read_config(text), environ={}, admin_key=None, before=None, now=0.0)
    return snapshot["m"].timeouts
