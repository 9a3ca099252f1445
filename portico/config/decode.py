"""A tree of values to the Structs of `schema`, collecting every problem instead of the first.

Walks the type information that msgspec keeps of the Structs, so that no setting is named here.
"""

import re
from collections.abc import Mapping as AnyMapping
from typing import Any

import msgspec
from msgspec import inspect

from portico.config import yaml_tree
from portico.config.kinds import (
    UNSET,
    about,
    default_of,
    describe,
    describe_all,
    members,
    stand_in,
    takes_null,
    type_of,
    unwrap,
)
from portico.config.leaf import (
    Unfit,
    finite_float,
    in_range,
    moment,
    price,
    shown_value,
    text_of,
    yaml_hint,
)
from portico.config.problem import MAX_PROBLEMS, Notice, Place, Problem, suggest
from portico.config.substitute import bare_names, substitute
from portico.config.yaml_tree import Mapping, Node, Scalar, Sequence, moved
from portico.types.secret import Secret

MAX_VALUES = 50_000
"""Values visited in all: aliases let a small file stand for a huge one."""

_BAD: Any = object()
_PLAIN_KEY = re.compile(r"[\w-]+")
_NO_EXTRA: dict[str, Any] = {}


class TooLarge(Exception):
    pass


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
            elif value is not UNSET:
                arguments[field.name] = value
        for field in kind.fields:
            if field.required and field.name not in arguments:
                if field.encode_name not in node.items:
                    self._problem(node, path, f"'{field.encode_name}' is missing", about(field))
                self.broken.add(f"{path}.{field.encode_name}")
                arguments[field.name] = stand_in(field.type)
        return kind.cls(**arguments)

    def _field(self, node: Node, field: inspect.Field, path: str) -> Any:
        _, extra = unwrap(field.type)
        value = self._value(node, field.type, path, extra)
        if value is None and not takes_null(field.type):
            value = UNSET
        if value is UNSET and field.required:
            return self._problem(node, path, "needs a value", about(field))
        unused = extra.get("unused")
        if unused and value is not _BAD and value is not UNSET:
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
                made.append(stand_in(kind.item_type))
        if kind.min_length is not None and len(node.items) < kind.min_length:
            return self._problem(node, path, f"needs at least {kind.min_length} entry")
        return tuple(made)

    def _entry(self, node: Node, kind: inspect.Type, path: str) -> Any:
        value = self._value(node, kind, path, _NO_EXTRA)
        if value is UNSET or value is None:
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
            return None if any(isinstance(k, inspect.NoneType) for k in kinds) else UNSET
        shown = shown_value(node, filled, secret=secret)
        what = "no such type"
        for kind, more in options:
            try:
                return self._leaf(filled, value, kind, path, {**more, **extra}, node)
            except Unfit as unfit:
                what = unfit.what or f"must be {describe_all(kinds, extra)}{shown}"
                if unfit.what:
                    return self._problem(node, path, what.replace("\0", shown), unfit.hint)
        return self._problem(node, path, what, yaml_hint(filled, kinds))

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
                    return in_range(value, kind)
            case inspect.FloatType():
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    return in_range(finite_float(value), kind)
            case inspect.DecimalType():
                return price(node.text.strip(), extra)
            case inspect.DateTimeType():
                return moment(node.text.strip())
            case inspect.StrType():
                return text_of(node.text, kind, extra)
            case inspect.CustomType():
                return Secret(node.text)
            case inspect.VarTupleType() | inspect.DictType() | inspect.StructType():
                return self._collection(node, kind, path, written)
            case _:
                pass
        raise Unfit

    def _collection(self, node: Scalar, kind: inspect.Type, path: str, written: Scalar) -> Any:
        """A list or mapping that came as text: from a variable, or by a Struct's shorthand."""
        shorthand = getattr(getattr(kind, "cls", None), "shorthand", None)
        if isinstance(kind, inspect.StructType) and shorthand:
            whole = Mapping(node.place, {shorthand: written}, {shorthand: node.place})
            return self._struct(whole, kind, path)
        if node.place.line and node is written:
            raise Unfit
        text = node.text.strip()
        if text[:1] in ("[", "{"):
            tree, problems = yaml_tree.parse(text, name=str(node.place))
            if problems or tree is None:
                raise Unfit(f"is not a YAML {'list' if text[0] == '[' else 'mapping'}")
            return self._value(moved(tree, node.place), kind, path, _NO_EXTRA)
        if not isinstance(kind, inspect.VarTupleType):
            raise Unfit
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


def _noun(node: Node) -> str:
    if isinstance(node, Mapping):
        return "a mapping"
    return "a list" if isinstance(node, Sequence) else "a single value"
