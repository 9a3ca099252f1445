"""Narrow a JSON Schema to what a dialect accepts, and say what was lost.

A schema that a provider would refuse fails the whole request, mostly for a keyword that only
refined it. So keywords outside a dialect's subset are taken out and named, and what can be said in
other words is: `$ref` inlined, `const` as an `enum` of one, a list of types as `anyOf` or
`nullable`. Output depends on the input alone, key order included: the same tools give the same
bytes and keep a prompt cache.
"""

from typing import Any, Final

import msgspec

from portico.types.chat import JsonObject, ResponseFormat
from portico.wire.json_io import encode

MAX_INLINE_DEPTH: Final = 16
"""How deep a recursive `$ref` is written out before it becomes "any object"."""

MAX_INLINED: Final = 500
"""How many references of one schema are written out: they may multiply."""

MAX_INLINED_BYTES: Final = 256 * 1024
"""How much of a schema is written out so: what is named once may be large, and named often."""

MAX_INLINED_AT: Final = 32
"""How deep in a schema references are still written out: what they name may be deep itself."""

_MAX_REF: Final = 1024
_IN_PROPERTIES: Final = ("properties", "$defs", "definitions", "patternProperties")
_IN_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_IN_SCHEMAS: Final = ("items", "additionalProperties", "not", "if", "then", "else", "contains")


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What a dialect accepts; a dialect holds one for tools and one for answers, if they differ.

    `keywords` of `None` accepts all. `formats` are the values of `format` it knows, `None` for all.
    `root_object` demands `type: object` and no `anyOf`, `oneOf`, `allOf` at the top.
    `closed_objects` sets `additionalProperties: false` everywhere.
    """

    keywords: frozenset[str] | None = None
    formats: frozenset[str] | None = None
    inline_refs: bool = False
    const_to_enum: bool = False
    type_lists: str = "keep"
    """`keep`, `any_of`, or `nullable` (OpenAPI 3.0: one type and `nullable: true`)."""
    string_enums: bool = False
    """Values of `enum` must be strings."""
    one_of_to_any_of: bool = False
    root_object: bool = True
    closed_objects: bool = False


class Narrowed(msgspec.Struct, frozen=True):
    """`dropped` names each keyword that was taken out, once."""

    schema: JsonObject
    dropped: tuple[str, ...] = ()


def described(format: ResponseFormat, schema: JsonObject) -> JsonObject:
    """The schema with the format's description, for dialects that have one place for both."""
    if format.description is None or "description" in schema:
        return schema
    return {**schema, "description": format.description}


def narrow(schema: JsonObject | None, rules: Rules) -> Narrowed:
    """`None` is a function without parameters."""
    if schema is None:
        return Narrowed({"type": "object", "properties": {}})
    work = _Narrowing(schema, rules)
    narrowed = work.schema(schema, 0)
    if rules.root_object:
        narrowed = work.root(narrowed)
    return Narrowed(narrowed, tuple(work.dropped))


def is_strict(schema: Any) -> bool:
    """Could OpenAI bind a model to it? Each object must be closed and demand all of its properties:
    https://developers.openai.com/api/docs/guides/structured-outputs (2026-11-23).
    """
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, dict):
            continue
        if "properties" in one or one.get("type") == "object":
            names = _object(one.get("properties")).keys()
            required = [name for name in _list(one.get("required")) if isinstance(name, str)]
            if one.get("additionalProperties") is not False or names - set(required):
                return False
        for key in _IN_PROPERTIES:
            waiting += _object(one.get(key)).values()
        for key in _IN_LISTS:
            waiting += _list(one.get(key))
        waiting += [one[key] for key in _IN_SCHEMAS if key in one]
    return True


class _Narrowing:
    def __init__(self, root: JsonObject, rules: Rules) -> None:
        self._root = root
        self._rules = rules
        self._inlined_count = 0
        self._depth = 0
        self._inlined_bytes = 0
        self.dropped: dict[str, None] = {}

    def root(self, schema: JsonObject) -> JsonObject:
        """The top as an object: what it refers to is written out, once; alternatives of objects are
        merged, none of their keys required.
        """
        if "$ref" in schema and isinstance(target := _resolve(schema, schema["$ref"]), dict):
            schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
        for keyword in ("anyOf", "oneOf", "allOf"):
            options = schema.get(keyword)
            if isinstance(options, list):
                self._drop(keyword)
                schema = _merged(schema, keyword, options)
        if schema.get("type") != "object":
            schema = {**schema, "type": "object"}
        if "properties" not in schema:
            schema = {**schema, "properties": {}}
        return schema

    def schema(self, schema: Any, refs: int) -> Any:
        if not isinstance(schema, dict):
            return schema  # `true` and `false` are schemas
        self._depth += 1
        if self._rules.inline_refs and "$ref" in schema:
            written = self._inlined(schema, refs)
        else:
            written = self._keywords(schema, refs)
        self._depth -= 1
        return written

    def _keywords(self, schema: JsonObject, refs: int) -> JsonObject:
        rules = self._rules
        written: JsonObject = {}
        for key, value in schema.items():
            if rules.inline_refs and key in ("$defs", "definitions"):
                continue
            if key == "const" and rules.const_to_enum:
                written["enum"] = [value]
            elif key == "oneOf" and rules.one_of_to_any_of:
                written["anyOf"] = self._value("anyOf", value, refs)
            elif key == "type" and isinstance(value, list) and rules.type_lists != "keep":
                written.update(self._types(value))
            elif rules.keywords is not None and key not in rules.keywords:
                self._drop(key)
            elif key == "format" and not self._knows_format(value):
                self._drop("format")
            else:
                written[key] = self._value(key, value, refs)
        if rules.string_enums and isinstance(written.get("enum"), list):
            self._stringify(written)
        if rules.closed_objects and written.get("type") == "object":
            written["additionalProperties"] = False
        return written

    def _value(self, key: str, value: Any, refs: int) -> Any:
        if key in _IN_PROPERTIES and isinstance(value, dict):
            return {name: self.schema(inner, refs) for name, inner in value.items()}
        if key in _IN_LISTS and isinstance(value, list):
            return [self.schema(inner, refs) for inner in value]
        if key in _IN_SCHEMAS:
            if isinstance(value, list):
                return [self.schema(inner, refs) for inner in value]
            return self.schema(value, refs)
        return value

    def _inlined(self, schema: JsonObject, refs: int) -> Any:
        target = _resolve(self._root, schema["$ref"])
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        if target is None or refs >= MAX_INLINE_DEPTH or not self._may_inline(target):
            self._drop("$ref")
            return self.schema({"type": "object", **beside}, refs)
        return self.schema({**_object(target), **beside}, refs + 1)

    def _may_inline(self, target: Any) -> bool:
        if self._inlined_count >= MAX_INLINED or self._depth > MAX_INLINED_AT:
            return False
        self._inlined_count += 1
        self._inlined_bytes += len(encode(target))
        return self._inlined_bytes <= MAX_INLINED_BYTES

    def _types(self, types: list[Any]) -> JsonObject:
        named = [type for type in types if type != "null"]
        is_nullable = len(named) < len(types)
        if self._rules.type_lists == "any_of":
            return {"anyOf": [{"type": type} for type in types]}
        written: JsonObject = {}
        if len(named) == 1:
            written["type"] = named[0]
        elif named:
            written["anyOf"] = [{"type": type} for type in named]
        if is_nullable:
            written["nullable"] = True
        return written

    def _knows_format(self, value: Any) -> bool:
        formats = self._rules.formats
        return formats is None or (isinstance(value, str) and value in formats)

    def _stringify(self, schema: JsonObject) -> None:
        values = schema["enum"]
        if all(isinstance(value, str) for value in values):
            return
        if any(isinstance(value, dict | list) for value in values):
            del schema["enum"]
            self._drop("enum")
            return
        schema["enum"] = [_word(value) for value in values if value is not None]
        schema["type"] = "string"

    def _drop(self, keyword: str) -> None:
        self.dropped[keyword] = None


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


def _resolve(root: JsonObject, ref: Any) -> Any:
    """A local reference such as `#/$defs/Node`; `None` for others and for what is not there."""
    if not isinstance(ref, str) or not ref.startswith("#") or len(ref) > _MAX_REF:
        return None
    value: Any = root
    for part in ref[1:].split("/"):
        if not part:
            continue
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    return value


def _merged(schema: JsonObject, keyword: str, options: list[Any]) -> JsonObject:
    merged = {key: value for key, value in schema.items() if key != keyword}
    properties = dict(_object(merged.get("properties")))
    required = list(_list(merged.get("required")))
    for option in options:
        if isinstance(option, dict):
            for name, inner in _object(option.get("properties")).items():
                properties.setdefault(name, inner)
            if keyword == "allOf":
                required += _list(option.get("required"))
    merged["properties"] = properties
    if required:
        merged["required"] = list(dict.fromkeys(n for n in required if isinstance(n, str)))
    return merged


def _object(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
