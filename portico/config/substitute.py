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
    """`text` is of use only where there are no `problems`."""

    text: str
    changed: bool
    problems: tuple[str, ...] = ()


def substitute(text: str, environ: Mapping[str, str]) -> Substituted:
    """Problems never quote the text: it may be part of a password that holds `${`."""
    if "${" not in text:
        return Substituted(text, changed=False)
    problems: list[str] = []
    size = len(text)

    def value(match: re.Match[str]) -> str:
        nonlocal size
        if match.group() == "$${":
            return "${"
        found = _value(match, environ, problems)
        size += len(found)
        return found if size <= MAX_VALUE else ""

    made = _REFERENCE.sub(value, text)
    if size > MAX_VALUE:
        problems.append("the value grows beyond 1 MiB")
    return Substituted(made, changed=True, problems=tuple(dict.fromkeys(problems)))


def _value(match: re.Match[str], environ: Mapping[str, str], problems: list[str]) -> str:
    name, dash, default = match["body"].partition(":-")
    if match["end"] is None:
        problems.append("'${' has no closing brace")
    elif not _NAME.fullmatch(name):
        problems.append("'${...}' does not hold the name of a variable")
    elif dash:
        # As in a shell, the default also stands in for a variable that is set but empty.
        return environ.get(name) or default
    elif name in environ:
        return environ[name]
    else:
        problems.append(f"environment variable {name} is not set")
    return ""


def bare_names(text: str, environ: Mapping[str, str]) -> list[str]:
    """Variables that `$NAME` without braces would have meant in the reference."""
    if "$" not in text:
        return []
    return [m["name"] for m in _BARE.finditer(text) if m["name"] in environ]
