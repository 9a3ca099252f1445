"""Which route a request takes when the operator's rules send it elsewhere than its model says.

A rule holds when everything it asks for does; what it leaves out is as it may be. The first rule
that holds decides. Patterns are shell-like: `*` stands for any text.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import msgspec


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """`keys` are names of keys; `headers` are field names in lower case and patterns."""

    route: str
    models: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    headers: tuple[tuple[bytes, str], ...] = ()
    needs: frozenset[str] = frozenset()
    min_input_tokens: int | None = None
    max_input_tokens: int | None = None


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What rules may ask of a request; `input_tokens` is an estimate."""

    model: str
    key: str
    team: str | None = None
    tags: tuple[str, ...] = ()
    headers: Mapping[bytes, bytes] = {}
    needs: frozenset[str] = frozenset()
    input_tokens: int = 0


def choose(rules: Iterable[Rule], question: Question) -> str | None:
    """The route of the first rule that holds, or nothing."""
    for rule in rules:
        if holds(rule, question):
            return rule.route
    return None


def holds(rule: Rule, question: Question) -> bool:
    least, most = rule.min_input_tokens, rule.max_input_tokens
    return (
        _is_one_of(question.model, rule.models)
        and _is_one_of(question.key, rule.keys)
        and _is_one_of(question.team or "", rule.teams)
        and set(rule.tags) <= set(question.tags)
        and rule.needs <= question.needs
        and (least is None or question.input_tokens >= least)
        and (most is None or question.input_tokens <= most)
        and all(_has(question.headers, name, pattern) for name, pattern in rule.headers)
    )


def _is_one_of(value: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(value, pattern) for pattern in patterns)


def _has(headers: Mapping[bytes, bytes], name: bytes, pattern: str) -> bool:
    value = headers.get(name)
    return value is not None and fnmatchcase(value.decode("latin-1"), pattern)
