"""YAML text as a small tree in which every value knows its place.

Built from parser events, not by the library's composer: that one recurses in C, follows aliases
without bound and keeps the last of two equal keys. Plain scalars are resolved by the core schema of
YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema), as the reference's parser does: `no` and
`on` are text, `010` is ten.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import yaml

from portico.config.problem import MAX_PROBLEMS, Place, Problem

MAX_NODES = 100_000
MAX_DEPTH = 64

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_CORE = "tag:yaml.org,2002:"


class Scalar(msgspec.Struct, frozen=True):
    place: Place
    text: str
    plain: bool = True
    """Neither quoted nor a block, so that its type is told from its text."""
    tag: str = ""


class Sequence(msgspec.Struct, frozen=True):
    place: Place
    items: list["Node"]


class Mapping(msgspec.Struct, frozen=True):
    """`keys` are where the keys stand; a merged-in entry stands where it was first written."""

    place: Place
    items: dict[str, "Node"]
    keys: dict[str, Place]


Node = Scalar | Sequence | Mapping


def resolve(node: Scalar) -> str | int | float | bool | None:
    """The value that a scalar stands for; numbers too large for a machine stay text."""
    text = node.text
    if node.tag == _CORE + "str" or not (node.plain or node.tag):
        return text
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if len(text) > 64:
        return text
    if _INT.fullmatch(text):
        return int(text, 0 if text[:2] in ("0o", "0x") else 10)
    if _FLOAT.fullmatch(text):
        return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
    return text


def plain_value(node: Node) -> Any:
    """The node as dicts, lists and scalars."""
    if isinstance(node, Mapping):
        return {key: plain_value(item) for key, item in node.items.items()}
    if isinstance(node, Sequence):
        return [plain_value(item) for item in node.items]
    return resolve(node)


def moved(node: Node, place: Place) -> Node:
    """The tree as if it stood at one place: a variable's value has no lines of its own."""
    if isinstance(node, Sequence):
        return Sequence(place, [moved(item, place) for item in node.items])
    if isinstance(node, Mapping):
        items = {key: moved(item, place) for key, item in node.items.items()}
        return Mapping(place, items, dict.fromkeys(items, place))
    return msgspec.structs.replace(node, place=place)


def parse(text: str, *, name: str) -> tuple[Node | None, list[Problem]]:
    """The tree (`None` for an empty document) and what is wrong with its form."""
    builder = _Builder(name)
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        events = yaml.parse(text, Loader=loader)
        return builder.build(events), builder.problems
    except _Stop:
        return None, builder.problems
    except yaml.YAMLError as error:
        builder.problems.append(_syntax_problem(error, name, text))
        return None, builder.problems


class _Stop(Exception):
    pass


class _Open(msgspec.Struct):
    """A collection whose end has not been seen."""

    node: Sequence | Mapping
    anchor: str | None
    key: Scalar | None = None
    merges: list[Node] = []


class _Builder:
    def __init__(self, name: str) -> None:
        self.problems: list[Problem] = []
        self._name = name
        self._count = 0
        self._anchors: dict[str, Node | None] = {}
        self._stack: list[_Open] = []
        self._root: Node | None = None
        self._documents = 0

    def build(self, events: Iterator[Any]) -> Node | None:
        kinds: dict[type, Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
            yaml.SequenceStartEvent: self._open,
            yaml.MappingStartEvent: self._open,
            yaml.SequenceEndEvent: self._close,
            yaml.MappingEndEvent: self._close,
            yaml.DocumentStartEvent: self._document,
        }
        for event in events:
            handle = kinds.get(type(event))
            if handle is not None:
                handle(event)
            if len(self.problems) >= MAX_PROBLEMS:
                raise _Stop
        return self._root

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            self._stop(event, "a second document begins here", "keep one document in the file")

    def _scalar(self, event: Any) -> None:
        node = Scalar(
            place=self._place(event),
            text=event.value,
            plain=event.style is None or event.style == "",
            tag=self._tag(event),
        )
        self._anchor(event.anchor, node)
        self._add(node, event)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            self._stop(event, f"nothing is anchored as '&{event.anchor}' above", "")
        node = self._anchors[event.anchor]
        if node is None:
            self._stop(event, f"'*{event.anchor}' stands within what it names", "")
            raise AssertionError
        self._add(node, event)

    def _open(self, event: Any) -> None:
        if len(self._stack) >= MAX_DEPTH:
            self._stop(event, f"nested deeper than {MAX_DEPTH} levels", "")
        self._tag(event)
        place = self._place(event)
        node: Sequence | Mapping
        if isinstance(event, yaml.SequenceStartEvent):
            node = Sequence(place=place, items=[])
        else:
            node = Mapping(place=place, items={}, keys={})
        self._anchor(event.anchor, None)
        self._stack.append(_Open(node, event.anchor))

    def _close(self, event: Any) -> None:
        top = self._stack.pop()
        if isinstance(top.node, Mapping):
            for merged in top.merges:
                self._merge(top.node, merged, event)
        self._anchor(top.anchor, top.node)
        self._add(top.node, event)

    def _add(self, node: Node, event: Any) -> None:
        self._tick(event)
        if not self._stack:
            self._root = node
            return
        top = self._stack[-1]
        if isinstance(top.node, Sequence):
            top.node.items.append(node)
        elif top.key is None:
            if not isinstance(node, Scalar):
                self._stop(event, "a key must be a plain word, not a list or a mapping", "")
                raise AssertionError
            top.key = node
        else:
            self._entry(top, top.key, node)
            top.key = None

    def _entry(self, top: _Open, key: Scalar, node: Node) -> None:
        assert isinstance(top.node, Mapping)
        if key.plain and key.text == "<<":
            top.merges = [*top.merges, *(node.items if isinstance(node, Sequence) else [node])]
        elif key.text in top.node.items:
            first = top.node.keys[key.text]
            self.problems.append(
                Problem(
                    key.place,
                    "",
                    f"key '{key.text}' is given twice",
                    f"the first is in line {first.line}",
                )
            )
        else:
            top.node.items[key.text] = node
            top.node.keys[key.text] = key.place

    def _merge(self, into: Mapping, source: Node, event: Any) -> None:
        if not isinstance(source, Mapping):
            self.problems.append(
                Problem(source.place, "", "'<<' takes a mapping or a list of mappings")
            )
            return
        for key, node in source.items.items():
            self._tick(event)
            if key not in into.items:
                into.items[key] = node
                into.keys[key] = source.keys[key]

    def _anchor(self, anchor: str | None, node: Node | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node

    def _tag(self, event: Any) -> str:
        tag = event.tag or ""
        if tag and tag != "!" and not tag.startswith(_CORE):
            self.problems.append(
                Problem(
                    self._place(event), "", f"tag '{tag[:40]}' has no meaning here", "leave it out"
                )
            )
        return _CORE + "str" if tag == "!" else tag

    def _tick(self, event: Any) -> None:
        self._count += 1
        if self._count > MAX_NODES:
            self._stop(event, f"more than {MAX_NODES} values", "split the file or drop aliases")

    def _stop(self, event: Any, what: str, hint: str) -> None:
        self.problems.append(Problem(self._place(event), "", what, hint))
        raise _Stop

    def _place(self, event: Any) -> Place:
        start, end = event.start_mark, event.end_mark
        return Place(
            self._name,
            start.line + 1,
            start.column + 1,
            end.column + 1 if end.line == start.line else 0,
        )


_PLAIN_WORDS = (
    ("cannot start any token", "this character cannot begin a value", "quote the value"),
    (
        "mapping values are not allowed",
        "a ':' is not allowed here",
        "quote the value, or check the indentation",
    ),
    (
        "expected <block end>",
        "the indentation does not fit the lines above",
        "align it with its neighbours",
    ),
    (
        "expected key",
        "the indentation does not fit the lines above",
        "align it with its neighbours",
    ),
    ("expected '-'", "an entry of the list does not begin with '-'", "check the indentation"),
    ("could not find expected ':'", "a ':' is missing after the key", "write 'key: value'"),
    ("unexpected end of stream", "the text ends inside a quoted value", "close the quotes"),
    ("expected ',' or '}'", "',' or '}' is missing", "close the braces"),
    ("expected ',' or ']'", "',' or ']' is missing", "close the brackets"),
)


def _syntax_problem(error: yaml.YAMLError, name: str, text: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    said = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable")
    if mark is None:
        position = getattr(error, "position", 0)
        before = text[: position if isinstance(position, int) else 0]
        place = Place(name, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        return Problem(place, "", f"not YAML: {said}")
    place = Place(name, mark.line + 1, mark.column + 1)
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line[: mark.column + 1]:
        return Problem(place, "", "not YAML: a tab is used for indentation", "use spaces")
    if "${" in line and ("',' or" in said or "',' or" in str(getattr(error, "context", ""))):
        what = "'${...}' within braces or brackets needs quotes"
        return Problem(place, "", f"not YAML: {what}", 'write "${NAME}"')
    for sign, what, hint in _PLAIN_WORDS:
        if sign in said:
            return Problem(place, "", f"not YAML: {what}", hint)
    return Problem(place, "", f"not YAML: {said}")
