"""What is wrong or without effect in a configuration, told so that it can be mended.

A secret is never shown: not in the message, and not in the line of the file that is quoted.
"""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import msgspec

from portico.errors import ConfigError

MAX_PROBLEMS = 100
"""Reading ends at so many: who has that many mends the first ones first."""

_MAX_LINE = 160

_SECRETS = re.compile(
    r"""(?ix)
    (?: (?:key|secret|token|passw(?:or)?d|credential|authorization|sha256) [\w-]{0,32}
        ["']? \s* [:=]\s* (?: bearer\s+ )?
        (?P<value> "(?:[^"\\]|\\.)*"? | '[^']*'? | [^\s,}\]\#]+ ) )
    | (?P<known> \b (?:sk|pk|rk|gsk|xai|hf|AIza|ghp|pplx|nvapi|Bearer)[-_\ ][\w.-]{6,}
        | \bAIza[\w-]{10,} )
    | (?<=://) (?P<login> [^\s/@"']+ ) (?=@)
    | (?P<random> (?<![\w.$/{-])
        (?-i: (?=[\w-]*[a-z])(?=[\w-]*[A-Z])(?=[\w-]*\d) [\w-]{24,} ) )
    """
)
_HARMLESS = re.compile(
    r"""["']?(\$\{.*|\d{1,6}|true|false|null|~|[\[{&*|>!].*|)["']?$""", re.S | re.I
)


class Place(msgspec.Struct, frozen=True):
    """Where a value was written: a file with line and column (both from 1), or, with line 0, an
    environment variable or a flag by its name."""

    source: str
    line: int = 0
    column: int = 0
    end: int = 0
    """Column after the value, where it ends on the same line."""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


class Problem(msgspec.Struct, frozen=True):
    """One thing that must be mended. `path` is like `providers[0].port`; empty for the file."""

    place: Place
    path: str
    what: str
    hint: str = ""
    quoted: str = ""
    """The offending line with a caret under it, secrets masked; empty where there is no line."""

    def __str__(self) -> str:
        where = f"{self.place}: {self.path}: " if self.path else f"{self.place}: "
        text = f"{where}{self.what}" + (f"; {self.hint}" if self.hint else "")
        return f"{text}\n{self.quoted}" if self.quoted else text


class Notice(msgspec.Struct, frozen=True):
    """Something that is accepted but is not what its author may think."""

    place: Place
    path: str
    message: str

    @property
    def line(self) -> int:
        return self.place.line

    @property
    def column(self) -> int:
        return self.place.column

    def __str__(self) -> str:
        where = f"{self.place}: {self.path}: " if self.path else f"{self.place}: "
        return where + self.message


class ConfigInvalid(ConfigError):
    """Holds every problem that was found, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(listed(self.problems))


def listed(problems: Sequence[object]) -> str:
    """All of them, below a line that says how many."""
    count = len(problems)
    head = "1 problem" if count == 1 else f"{count} problems"
    if count >= MAX_PROBLEMS:
        head = f"{MAX_PROBLEMS} problems or more"
    return "\n".join([f"the configuration has {head}:", *map(str, problems)])


def suggest(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` if something known is close, else what is known if it is short enough."""
    candidates = list(known)
    folded = {name.lower(): name for name in reversed(candidates)}
    near = get_close_matches(word.lower()[:64], list(folded), n=1, cutoff=0.6)
    if near:
        return f"did you mean '{folded[near[0]]}'?"
    if 0 < len(candidates) <= 16:
        return "known: " + ", ".join(candidates)
    return ""


def quote(lines: Sequence[str], place: Place, hidden: Iterable[tuple[int, int]] = ()) -> str:
    """The line of `place` with a caret; `hidden` are column ranges to mask (from 1)."""
    if not 0 < place.line <= len(lines):
        return ""
    text = lines[place.line - 1].replace("\t", " ")
    for start, end in hidden:
        text = text[: start - 1] + "*" * (len(text[start - 1 : end - 1])) + text[end - 1 :]
    text = "".join(c if c.isprintable() else "\ufffd" for c in hide_secrets(text))
    column = place.column
    if column > _MAX_LINE // 2:
        cut = column - _MAX_LINE // 4
        text, column = "…" + text[cut:], column - cut + 1
    if len(text) > _MAX_LINE:
        text = text[: _MAX_LINE - 1] + "…"
    return f"    {text}\n    {' ' * (column - 1)}^"


def hide_secrets(text: str) -> str:
    """Mask what looks like a credential, keeping the length so that a caret still points right."""

    def masked(match: re.Match[str]) -> str:
        start, end = match.span(match.lastgroup or 0)
        value = match.string[start:end]
        if match.lastgroup == "value" and _HARMLESS.match(value):
            return match.group()
        whole, offset = match.group(), start - match.start()
        return whole[:offset] + "*" * len(value) + whole[offset + len(value) :]

    return _SECRETS.sub(masked, text[:4096]) + ("…" if len(text) > 4096 else "")
