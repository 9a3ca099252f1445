"""Which models a key may use, and until when."""

import pytest

from portico.policy.access import is_expired, may_use
from portico.types.identity import Principal


@pytest.mark.parametrize(
    ("models", "asked", "allowed"),
    [
        (("*",), "anything/at:all", True),
        (("gpt-4o",), "gpt-4o", True),
        (("gpt-4o",), "gpt-4o-mini", False),
        (("gpt-4o",), "GPT-4o", False),
        (("gpt-*",), "gpt-4o", True),
        (("gpt-*",), "openai/gpt-4o", False),
        (("openai/*",), "openai/a/b", True),
        (("*-mini",), "gpt-4o-mini", True),
        (("a?c",), "abc", False),
        (("a?c",), "a?c", True),
        (("[ab]",), "a", False),
        ((), "a", False),
        (("a", "b*"), "bc", True),
    ],
)
def test_may_use(models: tuple[str, ...], asked: str, allowed: bool) -> None:
    assert may_use(Principal(key_id="k", name="k", models=models), asked) == allowed


@pytest.mark.parametrize(
    ("expires_at", "now", "expired"),
    [(None, 1e12, False), (100.0, 99.9, False), (100.0, 100.0, True), (100.0, 101.0, True)],
)
def test_is_expired(expires_at: float | None, now: float, expired: bool) -> None:
    assert is_expired(Principal(key_id="k", name="k", expires_at=expires_at), now) == expired
