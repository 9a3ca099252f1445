"""A tree of values to the Structs of `schema`, collecting every problem instead of the first.

Walks the type information that msgspec keeps of the Structs, so that no setting is named here.
"""

import math
import re
from collections.abc import Mapping as AnyMapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from portico.config import yaml_tree
from portico.config.problem import MAX_PROBLEMS, Notice, Place, Problem, suggest
from portico.config.substitute import bare_names, substitute
from portico.config.yaml_tree import Mapping, Node, Scalar, Sequence
from portico.types.secret import Secret

MAX_VALUES = 50_000
"""Values visited in all: aliases let a small file stand for a huge one."""

_BAD: Any = object()
_UNSET: Any = object()
_PLAIN_KEY = re.compile(r"[\w-]+")
_NO_EXTRA: dict[str, Any] = {}


class TooLarge(Exception):  # noqa: N818 - ends the walk; the problem is recorded already
    pass


@cache
def type_of(cls: type[msgspec.Struct]) -> inspect.StructType:
    found = inspect.type_info(cls)
    assert isinstance(found, inspect.StructType)
    return found


def unwrap(kind: inspect.Type) -> tuple[inspect.Type, dict[str, Any]]:
    """The bare type, and what `Meta(extra=...)` says of it."""
    extra: dict[str, Any] = _NO_EXTRA
    while isinstance(kind, inspect.Metadata):
        extra = {**(kind.extra or {}), **extra}
        kind = kind.type
    return kind, extra


def members(kind: inspect.Type) -> list[inspect.Type]:
    """The alternatives of a union, else the type itself."""
    return list(kind.types) if isinstance(kind, inspect.UnionType) else [kind]


def default_of(field: inspect.Field) -> Any:
    if field.default is not msgspec.NODEFAULT:
        return field.default
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return _UNSET


class Decoder:
    """One walk. `places` tells where each value was written, `hidden` which columns are secret,
    `filled` what variables put in, which may be secret wherever it stands.

    What cannot be read is `broken` and holds its default, so that later checks can still be made.
    """

    def __init__(self, environ: AnyMapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self.notices: list[Notice] = []
        self.places: dict[str, Place] = {}
        self.hidden: dict[tuple[str, int], list[tuple[int, int]]] = {}
        self.broken: set[str] = set()
        self.filled: set[str] = set()
        self._environ = environ
        self._visited = 0

    def decode(self, root: Mapping, cls: type[msgspec.Struct]) -> Any:
        """An instance, to be used only if there are no `problems`; `None` if the walk was ended."""
        try:
            return self._struct(root, type_of(cls), "")
        except TooLarge:
            return None

    def _problem(self, node: Node | Place, path: str, what: str, hint: str = "") -> Any:
        place = node if isinstance(node, Place) else node.place
        self.problems.append(Problem(place, path, what, hint))
        if len(self.problems) >= MAX_PROBLEMS:
            raise TooLarge
        return _BAD

    def _value(self, node: Node, kind: inspect.Type, path: str, extra: dict[str, Any]) -> Any:
        self._visit(node, path)
        kind, inner = unwrap(kind)
        extra = {**inner, **extra} if inner else extra
        options = [unwrap(option) for option in members(kind)]
        if any(isinstance(option, inspect.AnyType) for option, _ in options):
            return self._any(node, path)
        if isinstance(node, Scalar):
            return self._from_scalar(node, options, path, extra)
        for option, more in options:
            if isinstance(node, Mapping) and isinstance(option, inspect.StructType):
                return self._struct(node, option, path)
            if isinstance(node, Mapping) and isinstance(option, inspect.DictType):
                return self._dict(node, option, path)
            if isinstance(node, Sequence) and isinstance(option, inspect.VarTupleType):
                return self._tuple(node, option, path)
            if isinstance(node, Mapping) and "mapping_key" in extra | more:
                return self._from_mapping(node, option, path, extra | more)
        self._hide(node)
        return self._problem(node, path, f"must be {describe(kind, extra)}, not {_noun(node)}")

    def _struct(self, node: Mapping, kind: inspect.StructType, path: str) -> Any:
        fields = {field.encode_name: field for field in kind.fields}
        arguments: dict[str, Any] = {}
        for key, item in node.items.items():
            below = f"{path}.{key}" if path else key
            field = fields.get(key)
            if field is None:
                self._unknown(node, key, kind, below)
                continue
            value = self._field(item, field, below)
            if value is _BAD:
                self.broken.add(below)
            elif value is not _UNSET:
                arguments[field.name] = value
        for field in kind.fields:
            if field.required and field.name not in arguments:
                if field.encode_name not in node.items:
                    self._problem(node, path, f"'{field.encode_name}' is missing", _about(field))
                self.broken.add(f"{path}.{field.encode_name}")
                arguments[field.name] = _stand_in(field.type)
        return kind.cls(**arguments)

    def _field(self, node: Node, field: inspect.Field, path: str) -> Any:
        _, extra = unwrap(field.type)
        value = self._value(node, field.type, path, extra)
        if value is None and not _takes_null(field.type):
            value = _UNSET
        if value is _UNSET and field.required:
            return self._problem(node, path, "needs a value", _about(field))
        unused = extra.get("unused")
        if unused and value is not _BAD and value is not _UNSET:
            harmless = (default_of(field), *extra.get("harmless", ()))
            if not any(value == one for one in harmless):
                self.notices.append(Notice(node.place, path, f"has no effect: {unused}"))
        return value

    def _unknown(self, node: Mapping, key: str, kind: inspect.StructType, path: str) -> None:
        place, item = node.keys[key], node.items[key]
        if not (isinstance(item, Scalar) and not isinstance(yaml_tree.resolve(item), str)):
            self._hide(item)
        known = [field.encode_name for field in kind.fields]
        near = suggest(key, known)
        if getattr(kind.cls, "unknown", "problem") == "problem":
            self._problem(place, path, "unknown key", near)
            return
        hint = f"; {near}" if near.startswith("did you mean") else ""
        self.notices.append(Notice(place, path, f"has no effect: not a known setting{hint}"))

    def _dict(self, node: Mapping, kind: inspect.DictType, path: str) -> Any:
        made = {}
        for key, item in node.items.items():
            name = f".{key}" if _PLAIN_KEY.fullmatch(key) else f"['{key}']"
            made[key] = self._entry(item, kind.value_type, f"{path}{name}")
        return {key: value for key, value in made.items() if value is not _BAD}

    def _tuple(self, node: Sequence, kind: inspect.VarTupleType, path: str) -> Any:
        made = []
        for index, item in enumerate(node.items):
            value = self._entry(item, kind.item_type, f"{path}[{index}]")
            if value is not _BAD:
                made.append(value)
            elif isinstance(kind.item_type, inspect.StructType):
                # The others keep their numbers, and so their paths.
                made.append(_stand_in(kind.item_type))
        if kind.min_length is not None and len(node.items) < kind.min_length:
            return self._problem(node, path, f"needs at least {kind.min_length} entry")
        return tuple(made)

    def _entry(self, node: Node, kind: inspect.Type, path: str) -> Any:
        value = self._value(node, kind, path, _NO_EXTRA)
        if value is _UNSET or value is None:
            value = self._problem(node, path, "needs a value")
        if value is _BAD:
            self.broken.add(path)
        return value

    def _from_mapping(
        self, node: Mapping, kind: inspect.Type, path: str, extra: dict[str, Any]
    ) -> Any:
        wanted = extra["mapping_key"]
        if wanted not in node.items:
            near = suggest(wanted, list(node.items)) if node.items else ""
            return self._problem(node, path, f"'{wanted}' is missing", near)
        for key, place in node.keys.items():
            if key != wanted:
                self.notices.append(Notice(place, f"{path}.{key}", "has no effect"))
        return self._value(node.items[wanted], kind, f"{path}.{wanted}", extra)

    def _visit(self, node: Node, path: str) -> None:
        self._visited += 1
        if self._visited > MAX_VALUES:
            self._problem(node, path, f"the file stands for more than {MAX_VALUES} values")
            raise TooLarge
        self.places[path] = node.place

    def _any(self, node: Node, path: str) -> Any:
        self._visit(node, path)
        if isinstance(node, Mapping):
            return {key: self._any(item, f"{path}.{key}") for key, item in node.items.items()}
        if isinstance(node, Sequence):
            return [self._any(item, f"{path}[{i}]") for i, item in enumerate(node.items)]
        filled = self._fill(node, path, secret=False)
        return _BAD if filled is None else yaml_tree.resolve(filled)

    def _fill(self, node: Scalar, path: str, *, secret: bool) -> Scalar | None:
        made = substitute(node.text, self._environ)
        for problem in made.problems:
            unset = problem.endswith("not set")
            hint = "set it, or write ${NAME:-default}" if unset else "a literal '${' is '$${'"
            self._problem(node, path, problem, hint)
        if made.problems:
            return None
        for name in bare_names(node.text, self._environ) if not secret else ():
            self.notices.append(
                Notice(
                    node.place, path, f"'${name}' stays as it is; write ${{{name}}} for its value"
                )
            )
        if not made.changed:
            return node
        self.filled.add(made.text)
        return msgspec.structs.replace(node, text=made.text)

    def _from_scalar(
        self,
        node: Scalar,
        options: list[tuple[inspect.Type, dict[str, Any]]],
        path: str,
        extra: dict[str, Any],
    ) -> Any:
        kinds = [option for option, _ in options]
        secret = any(isinstance(kind, inspect.CustomType) for kind in kinds)
        if secret:
            self._hide(node)
        filled = self._fill(node, path, secret=secret)
        if filled is None:
            return _BAD
        value = yaml_tree.resolve(filled)
        if value is None:
            return None if any(isinstance(k, inspect.NoneType) for k in kinds) else _UNSET
        shown = _shown(node, filled, secret=secret)
        what = "no such type"
        for kind, more in options:
            try:
                return self._leaf(filled, value, kind, path, {**more, **extra}, node)
            except _Unfit as unfit:
                what = unfit.what or f"must be {describe_all(kinds, extra)}{shown}"
                if unfit.what:
                    return self._problem(node, path, what.replace("\0", shown), unfit.hint)
        return self._problem(node, path, what, _yaml_hint(filled, kinds))

    def _leaf(
        self,
        node: Scalar,
        value: Any,
        kind: inspect.Type,
        path: str,
        extra: dict[str, Any],
        written: Scalar,
    ) -> Any:
        match kind:
            case inspect.BoolType():
                if isinstance(value, bool):
                    return value
            case inspect.IntType():
                if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
                    value = int(value)
                if isinstance(value, int) and not isinstance(value, bool):
                    return _in_range(value, kind)
            case inspect.FloatType():
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    return _in_range(_float(value), kind)
            case inspect.DecimalType():
                return _decimal(node.text.strip(), extra)
            case inspect.DateTimeType():
                return _moment(node.text.strip())
            case inspect.StrType():
                return _text(node.text, kind, extra)
            case inspect.CustomType():
                return Secret(node.text)
            case inspect.VarTupleType() | inspect.DictType() | inspect.StructType():
                return self._collection(node, kind, path, written)
            case _:
                pass
        raise _Unfit

    def _collection(self, node: Scalar, kind: inspect.Type, path: str, written: Scalar) -> Any:
        """A list or mapping that came as text: from a variable, or by a Struct's shorthand."""
        shorthand = getattr(getattr(kind, "cls", None), "shorthand", None)
        if isinstance(kind, inspect.StructType) and shorthand:
            whole = Mapping(node.place, {shorthand: written}, {shorthand: node.place})
            return self._struct(whole, kind, path)
        if node.place.line and node is written:
            raise _Unfit
        text = node.text.strip()
        if text[:1] in ("[", "{"):
            tree, problems = yaml_tree.parse(text, name=str(node.place))
            if problems or tree is None:
                raise _Unfit(f"is not a YAML {'list' if text[0] == '[' else 'mapping'}")
            return self._value(moved(tree, node.place), kind, path, _NO_EXTRA)
        if not isinstance(kind, inspect.VarTupleType):
            raise _Unfit
        parts = [part.strip() for part in text.split(",")]
        items: list[Node] = [Scalar(node.place, part) for part in parts if part]
        return self._tuple(Sequence(node.place, items), kind, path)

    def _hide(self, node: Node) -> None:
        """Keep a value out of every quoted line; of collections, each scalar within."""
        pending, seen = [node], 0
        while pending and seen < 1000:
            seen += 1
            top = pending.pop()
            if isinstance(top, Scalar):
                if "${" not in top.text:
                    place = top.place
                    span = (place.column, place.end or 1 << 20)
                    self.hidden.setdefault((place.source, place.line), []).append(span)
            else:
                pending.extend(top.items if isinstance(top, Sequence) else top.items.values())


class _Unfit(Exception):  # noqa: N818 - says that one alternative of a type does not take the value
    """`what` is empty where only the kind is wrong; a NUL in it is where the value is shown."""

    def __init__(self, what: str = "", hint: str = "") -> None:
        self.what = what
        self.hint = hint


def moved(node: Node, place: Place) -> Node:
    """The tree as if it stood at one place: a variable's value has no lines of its own."""
    if isinstance(node, Sequence):
        return Sequence(place, [moved(item, place) for item in node.items])
    if isinstance(node, Mapping):
        items = {key: moved(item, place) for key, item in node.items.items()}
        return Mapping(place, items, dict.fromkeys(items, place))
    return msgspec.structs.replace(node, place=place)


def _stand_in(kind: inspect.Type) -> Any:
    """Something of the type, where a required value is missing; it never leaves the loader."""
    kind, _ = unwrap(kind)
    if isinstance(kind, inspect.StructType):
        return kind.cls(**{f.name: _stand_in(f.type) for f in kind.fields if f.required})
    return () if isinstance(kind, inspect.VarTupleType) else ""


def describe(kind: inspect.Type, extra: dict[str, Any] | None = None) -> str:
    kind, _ = unwrap(kind)
    return describe_all([unwrap(option)[0] for option in members(kind)], extra or {})


def describe_all(kinds: list[inspect.Type], extra: dict[str, Any]) -> str:
    words = [_NOUNS.get(type(kind), "") for kind in kinds]
    for index, kind in enumerate(kinds):
        shorthand = getattr(getattr(kind, "cls", None), "shorthand", None)
        if isinstance(kind, inspect.StructType) and shorthand:
            words[index] = "text or a mapping"
    if "mapping_key" in extra:
        words.append(f"a mapping with '{extra['mapping_key']}'")
    return " or ".join(word for word in words if word)


_NOUNS: dict[type, str] = {
    inspect.BoolType: "true or false",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.DecimalType: "a price such as 0.15",
    inspect.DateTimeType: "a date and time such as 2027-01-31T12:00:00Z",
    inspect.StrType: "text",
    inspect.CustomType: "text",
    inspect.VarTupleType: "a list",
    inspect.DictType: "a mapping",
    inspect.StructType: "a mapping",
}


def _noun(node: Node) -> str:
    if isinstance(node, Mapping):
        return "a mapping"
    return "a list" if isinstance(node, Sequence) else "a single value"


def _about(field: inspect.Field) -> str:
    kind = field.type
    said = (kind.extra_json_schema or {}) if isinstance(kind, inspect.Metadata) else {}
    return str(said.get("description", "")).rstrip(".").partition(". ")[0]


def _takes_null(kind: inspect.Type) -> bool:
    kind, _ = unwrap(kind)
    return any(isinstance(unwrap(k)[0], (inspect.NoneType, inspect.AnyType)) for k in members(kind))


def _shown(written: Scalar, filled: Scalar, *, secret: bool) -> str:
    """`, not 'x'`; what a variable held is never shown, since it may be a secret."""
    if secret or not written.place.line:
        return ""
    if filled is not written:
        return f", which the value of {written.text[:60]} is not"
    text = written.text if len(written.text) <= 40 else written.text[:39] + "…"
    return f", not {text if written.plain else repr(text)}"


def _yaml_hint(node: Scalar, kinds: list[inspect.Type]) -> str:
    word = node.text.lower()
    if any(isinstance(kind, inspect.BoolType) for kind in kinds):
        if word in ("yes", "on", "y", "1"):
            return "write true"
        if word in ("no", "off", "n", "0"):
            return "write false"
    numeric = any(
        isinstance(k, (inspect.IntType, inspect.FloatType, inspect.BoolType)) for k in kinds
    )
    bare = yaml_tree.resolve(msgspec.structs.replace(node, plain=True, tag=""))
    if numeric and not isinstance(bare, str) and not (node.plain or node.tag):
        return "leave out the quotes"
    if any(isinstance(kind, inspect.VarTupleType) for kind in kinds):
        return "write it in brackets: [...]"
    return ""


def _in_range(value: Any, kind: inspect.IntType | inspect.FloatType) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise _Unfit("must be finite")
    low, high = kind.ge, kind.le
    fits = (
        (low is None or value >= low)
        and (high is None or value <= high)
        and (kind.gt is None or value > kind.gt)
        and (kind.lt is None or value < kind.lt)
    )
    if fits:
        return value
    bounds = [
        text
        for bound, text in (
            (low, f"at least {low}"),
            (kind.gt, f"more than {kind.gt}"),
            (high, f"at most {high}"),
            (kind.lt, f"less than {kind.lt}"),
        )
        if bound is not None
    ]
    raise _Unfit(f"must be {' and '.join(bounds)}\0")


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise _Unfit("must be finite") from None


def _decimal(text: str, extra: dict[str, Any]) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise _Unfit from None
    if not value.is_finite() or value < extra.get("ge", 0) or value > 10**9:
        raise _Unfit("must be between 0 and 1000000000\0")
    if -value.as_tuple().exponent > 30:  # type: ignore[operator]
        raise _Unfit("has more than 30 decimals")
    return value


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            found = datetime.combine(date.fromisoformat(text), time())
        except ValueError:
            raise _Unfit from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _text(text: str, kind: inspect.StrType, extra: dict[str, Any]) -> str:
    choices = extra.get("choices")
    if choices is not None:
        word = text.strip().lower().replace("-", "_")
        if word not in choices:
            raise _Unfit("must be one of the known values\0", suggest(word, choices))
        return str(choices[word])
    if kind.min_length and len(text.strip()) < kind.min_length:
        raise _Unfit("must not be empty")
    if "\0" in text:
        raise _Unfit("must not hold a NUL character")
    return text.strip().lower() if extra.get("fold") else text
