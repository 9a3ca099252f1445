"""The configuration as a JSON Schema (draft 2020-12), for editors and for `portico schema`.

Editors see the text before substitution, so wherever a number or a boolean is wanted, text with a
`${VAR}` is allowed as well.
"""

from typing import Any

import msgspec
from msgspec import inspect

from portico.config.kinds import default_of, members, type_of, unwrap
from portico.config.schema.root import Config
from portico.types.secret import Secret

_REFERENCE = {"type": "string", "pattern": r"\$\{[^}]+\}"}
_ID = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema as plain values; definitions stand under `$defs`, named after the Structs."""
    definitions: dict[str, Any] = {}
    root = _struct(type_of(Config), definitions)
    return {
        "$schema": _ID,
        "title": "Portico configuration",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def schema_json() -> str:
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n"


def _struct(kind: inspect.StructType, definitions: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for field in kind.fields:
        made = _type(field.type, definitions)
        default = default_of(field)
        if isinstance(default, (str, int, float, bool, tuple)) and not _has_structs(default):
            made["default"] = list(default) if isinstance(default, tuple) else default
        properties[field.encode_name] = made
    required = [field.encode_name for field in kind.fields if field.required]
    closed = getattr(kind.cls, "unknown", "problem") == "problem"
    made = {"type": "object", "properties": properties, "additionalProperties": not closed}
    return {**made, "required": required} if required else made


def _has_structs(value: object) -> bool:
    return isinstance(value, tuple) and any(isinstance(v, (msgspec.Struct, Secret)) for v in value)


def _type(kind: inspect.Type, definitions: dict[str, Any]) -> dict[str, Any]:
    about = {}
    if isinstance(kind, inspect.Metadata):
        about = dict(kind.extra_json_schema or {})
    bare, extra = unwrap(kind)
    if extra.get("unused"):
        about["description"] = f"{about.get('description', '')} Has no effect: {extra['unused']}."
    made: list[dict[str, Any]] = []
    for option in members(bare):
        made.extend(_option(option, extra, definitions))
    if "mapping_key" in extra:
        key = extra["mapping_key"]
        made.append({"type": "object", "properties": {key: dict(made[0])}, "required": [key]})
    return {**(made[0] if len(made) == 1 else {"anyOf": made}), **about}


def _option(
    kind: inspect.Type, extra: dict[str, Any], definitions: dict[str, Any]
) -> list[dict[str, Any]]:
    """The alternatives that stand for one type."""
    kind, more = unwrap(kind)
    extra = {**extra, **more}
    match kind:
        case inspect.BoolType():
            return [{"type": "boolean"}, _REFERENCE]
        case inspect.IntType():
            return [{"type": "integer", **_bounds(kind)}, _REFERENCE]
        case inspect.FloatType():
            return [{"type": "number", **_bounds(kind)}, _REFERENCE]
        case inspect.DecimalType():
            return [{"type": "number", "minimum": 0}, {"type": "string"}]
        case inspect.StrType() if "choices" in extra:
            return [{"enum": list(extra["choices"])}, _REFERENCE]
        case inspect.StrType():
            # A scalar where text is wanted is taken as it is written: `organization: 4711`.
            text: dict[str, Any] = {"type": ["string", "number"]}
            return [{**text, "minLength": kind.min_length} if kind.min_length else text]
        case inspect.DateTimeType() | inspect.CustomType():
            return [{"type": ["string", "number"]}]
        case inspect.NoneType():
            return [{"type": "null"}]
        case inspect.VarTupleType():
            items: dict[str, Any] = {
                "type": "array",
                "items": _type(kind.item_type, definitions),
            }
            if kind.min_length:
                return [{**items, "minItems": kind.min_length}, _REFERENCE]
            return [items, _REFERENCE, {"type": "null"}]
        case inspect.DictType():
            values = _type(kind.value_type, definitions)
            return [{"type": "object", "additionalProperties": values}, {"type": "null"}]
        case inspect.StructType():
            return _defined(kind, definitions)
        case _:
            return [{}]


def _defined(kind: inspect.StructType, definitions: dict[str, Any]) -> list[dict[str, Any]]:
    name = kind.cls.__name__
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = _struct(kind, definitions)
    made: list[dict[str, Any]] = [{"$ref": f"#/$defs/{name}"}]
    if all(not field.required for field in kind.fields):
        made.append({"type": "null"})
    return [{"type": "string"}, *made] if getattr(kind.cls, "shorthand", None) else made


def _bounds(kind: inspect.IntType | inspect.FloatType) -> dict[str, Any]:
    named = (
        ("minimum", kind.ge),
        ("exclusiveMinimum", kind.gt),
        ("maximum", kind.le),
        ("exclusiveMaximum", kind.lt),
    )
    return {name: bound for name, bound in named if bound is not None}
