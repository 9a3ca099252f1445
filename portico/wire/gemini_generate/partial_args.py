"""A function call whose arguments Gemini streams value by value.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling and
https://googleapis.github.io/js-genai/release_docs/interfaces/types.PartialArg.html (2026-11-23),
for clients that set `streamFunctionCallArguments`. The first part names the function and says
`willContinue`; those after it have no name, each with pieces `{jsonPath, …Value, willContinue}`, a
text in as many as it takes; the part that does not say `willContinue` is the last. Where a value
goes is known by its path alone, so arguments are text only when all of them are here.
"""

import re
from typing import Any, Final

import msgspec

from portico.types.chat import JsonObject
from portico.wire.json_io import MalformedError, compact

MAX_DEPTH: Final = 100

_STEP: Final = re.compile(
    r"\.(?P<name>[^.\[\]'\"\s]+)|\[(?P<at>\d{1,9})\]|\['(?P<one>(?:[^'\\]|\\.)*)'\]"
    r'|\["(?P<two>(?:[^"\\]|\\.)*)"\]'
)
_ESCAPED: Final = re.compile(r"\\(.)")


class PartialArg(msgspec.Struct, rename="camel"):
    json_path: str
    bool_value: bool | None = None
    null_value: Any = None
    number_value: float | int | None = None
    string_value: str | None = None
    will_continue: bool | None = None


class PartialArguments:
    """Feed it the pieces; `text` is the JSON of all that came."""

    __slots__ = ("_growing", "_path", "_root")

    def __init__(self, args: JsonObject | None) -> None:
        self._root: JsonObject = dict(args or {})
        self._path = ""
        self._growing: list[str] = []

    def add(self, piece: PartialArg) -> None:
        """Raises `MalformedError` for a path that leads nowhere."""
        if self._growing and piece.json_path == self._path:
            self._growing.append(piece.string_value or "")
            return
        self._settle()
        steps = _steps(piece.json_path)
        if piece.bool_value is not None:
            _place(self._root, steps, piece.bool_value, piece.json_path)
        elif piece.number_value is not None:
            _place(self._root, steps, piece.number_value, piece.json_path)
        elif piece.null_value is not None:
            _place(self._root, steps, None, piece.json_path)
        else:
            before = _place(self._root, steps, "", piece.json_path)
            self._path = piece.json_path
            begun = before if isinstance(before, str) else ""
            self._growing = [begun, piece.string_value or ""]

    def extend(self, args: JsonObject) -> None:
        """Arguments that came whole."""
        self._settle()
        self._root.update(args)

    def text(self) -> str:
        self._settle()
        return compact(self._root) if self._root else ""

    def _settle(self) -> None:
        if self._growing:
            _place(self._root, _steps(self._path), "".join(self._growing), self._path)
            self._growing = []


def _steps(path: str) -> list[str | int]:
    """`$.a[0]['b c']` as `["a", 0, "b c"]`."""
    steps: list[str | int] = []
    at = 1
    while at < len(path) and len(steps) < MAX_DEPTH:
        found = _STEP.match(path, at)
        if found is None:
            break
        at = found.end()
        if found["at"] is not None:
            steps.append(int(found["at"]))
        elif found["name"] is not None:
            steps.append(found["name"])
        else:
            quoted = found["one"] if found["one"] is not None else found["two"]
            steps.append(_ESCAPED.sub(r"\1", quoted))
    if not steps or at < len(path) or not path.startswith("$") or isinstance(steps[0], int):
        raise MalformedError(f"`{path[:80]}` is no path of an argument", "partialArgs.jsonPath")
    return steps


def _place(root: JsonObject, steps: list[str | int], value: Any, path: str) -> Any:
    """Put the value there, with whatever is needed to hold it; returns what was there before."""
    holder: Any = root
    for step, inner in zip(steps, [*steps[1:], None], strict=True):
        fits = isinstance(holder, list) if isinstance(step, int) else isinstance(holder, dict)
        if not fits or (isinstance(step, int) and step > len(holder)):
            raise MalformedError(f"`{path[:80]}` fits nothing before it", "partialArgs.jsonPath")
        known = step < len(holder) if isinstance(step, int) else step in holder
        before = holder[step] if known else None
        if inner is None:
            new = value
        elif known:
            holder = before
            continue
        else:
            new = [] if isinstance(inner, int) else {}
        if isinstance(step, int) and not known:
            holder.append(new)
        else:
            holder[step] = new
        if inner is None:
            return before
        holder = new
    raise AssertionError("the last step returns")
