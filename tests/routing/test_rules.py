"""Rules: what each asks for, alone and together, and that the first that holds decides."""

from typing import Any

import pytest

from portico.routing.rules import Question, Rule, choose, holds

ASKED = Question(
    model="gpt-4o",
    key="team-a",
    team="red",
    tags=("eu", "batch"),
    headers={b"x-app": b"chat-bot"},
    needs=frozenset({"vision"}),
    input_tokens=500,
)


@pytest.mark.parametrize(
    ("asks", "is_met"),
    [
        ({}, True),
        ({"models": ("gpt-4o",)}, True),
        ({"models": ("gpt-*",)}, True),
        ({"models": ("claude-*", "gpt-4o")}, True),
        ({"models": ("gpt-4",)}, False),
        ({"keys": ("team-*",)}, True),
        ({"keys": ("team-b",)}, False),
        ({"teams": ("red",)}, True),
        ({"teams": ("blue",)}, False),
        ({"tags": ("eu",)}, True),
        ({"tags": ("eu", "us")}, False),
        ({"headers": ((b"x-app", "chat-*"),)}, True),
        ({"headers": ((b"x-app", "mail"),)}, False),
        ({"headers": ((b"x-other", "*"),)}, False),
        ({"needs": frozenset({"vision"})}, True),
        ({"needs": frozenset({"vision", "tools"})}, False),
        ({"min_input_tokens": 500, "max_input_tokens": 500}, True),
        ({"min_input_tokens": 501}, False),
        ({"max_input_tokens": 499}, False),
        ({"models": ("gpt-*",), "keys": ("team-b",)}, False),
    ],
)
def test_a_rule_holds_when_all_it_asks_for_does(asks: dict[str, Any], is_met: bool) -> None:
    assert holds(Rule(route="r", **asks), ASKED) is is_met


def test_a_key_without_a_team_is_in_none() -> None:
    assert not holds(Rule(route="r", teams=("red",)), Question(model="m", key="k"))


def test_the_first_rule_that_holds_decides() -> None:
    rules = [Rule(route="a", keys=("x",)), Rule(route="b"), Rule(route="c")]
    assert choose(rules, ASKED) == "b"
    assert choose(rules[:1], ASKED) is None
