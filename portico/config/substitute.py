"""`${VAR}` and `${VAR:-default}` in values; `$${` is a literal `${`.

Done after parsing, on single values: what a variable holds can never add keys or comments. `$VAR`
without braces stays text, since a password may hold a `$`.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<body>[^}]*)(?P<end>\})?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BARE = re.compile(r"(?<!\$)\$(?P<name>[A-Za-z_][A-Za-z0-9_]*)")
MAX_VALUE = 1 << 20


class Substituted(NamedTuple):
    """`problems` name what could not be put in; the text then still has the reference."""

    text: str
    changed: bool
    problems: tuple[str, ...] = ()


def substitute(text: str, environ: Mapping[str, str]) -> Substituted:
    if "${" not in text:
        return Substituted(text, changed=False)
    problems: list[str] = []

    def value(match: re.Match[str]) -> str:
        whole = match.group()
        if whole == "$${":
            return "${"
        name, dash, default = match["body"].partition(":-")
        if match["end"] is None:
            problems.append(f"'{whole[:40]}' has no closing brace")
        elif not _NAME.fullmatch(name):
            problems.append(f"'{whole[:40]}' does not name a variable")
        elif dash:
            # As in a shell, the default also stands in for a variable that is set but empty.
            return environ.get(name) or default
        elif name in environ:
            return environ[name]
        else:
            problems.append(f"environment variable {name} is not set")
        return whole

    made = _REFERENCE.sub(value, text)
    if len(made) > MAX_VALUE:
        return Substituted(text, changed=False, problems=("the value grows beyond 1 MiB",))
    return Substituted(made, changed=True, problems=tuple(problems))


def bare_names(text: str, environ: Mapping[str, str]) -> list[str]:
    """Variables that `$NAME` without braces would have meant in the reference."""
    if "$" not in text:
        return []
    return [m["name"] for m in _BARE.finditer(text) if m["name"] in environ]
