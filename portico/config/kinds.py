"""What msgspec knows of the Structs' types, and how to say it; for the loader, page and schema."""

from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

UNSET: Any = object()
"""No default: the field is required."""

_NO_EXTRA: dict[str, Any] = {}


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
    return UNSET


def stand_in(kind: inspect.Type) -> Any:
    """Something of the type, where a required value is missing; it never leaves the loader."""
    kind, _ = unwrap(kind)
    if isinstance(kind, inspect.StructType):
        return kind.cls(**{f.name: stand_in(f.type) for f in kind.fields if f.required})
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


def about(field: inspect.Field) -> str:
    kind = field.type
    said = (kind.extra_json_schema or {}) if isinstance(kind, inspect.Metadata) else {}
    return str(said.get("description", "")).rstrip(".").partition(". ")[0]


def takes_null(kind: inspect.Type) -> bool:
    kind, _ = unwrap(kind)
    return any(isinstance(unwrap(k)[0], (inspect.NoneType, inspect.AnyType)) for k in members(kind))
