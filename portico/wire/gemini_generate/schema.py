"""Gemini's `Schema`, a cut of OpenAPI 3.0, as JSON Schema.

https://ai.google.dev/api/caching#Schema (2026-11-23): types in capitals, `nullable`, whole numbers
as strings, `propertyOrdering`. The other way round is not needed: the API takes JSON Schema in
`parametersJsonSchema` and `responseJsonSchema`, and passes over keywords it does not know
(https://ai.google.dev/gemini-api/docs/structured-output#limitations).
"""

import re
from typing import Any, Final

from portico.types.chat import JsonObject

_COUNT: Final = re.compile(r"[0-9]{1,18}")
_COUNTS: Final = frozenset(
    {"minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength"}
)


def to_json_schema(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    written: JsonObject = {}
    for key, value in schema.items():
        match key:
            case "type" if isinstance(value, str):
                if value != "TYPE_UNSPECIFIED":
                    written[key] = value.lower()
            case "nullable" | "propertyOrdering" | "property_ordering":
                pass
            case "properties" if isinstance(value, dict):
                names = schema.get("propertyOrdering") or schema.get("property_ordering") or ()
                written[key] = _ordered(value, names)
            case "items":
                written[key] = to_json_schema(value)
            case "anyOf" | "any_of" if isinstance(value, list):
                written["anyOf"] = [to_json_schema(option) for option in value]
            case _ if key in _COUNTS and isinstance(value, str) and _COUNT.fullmatch(value):
                written[key] = int(value)
            case _:
                written[key] = value
    if schema.get("nullable") is True:
        _allow_null(written)
    return written


def _ordered(properties: JsonObject, names: Any) -> JsonObject:
    listed = names if isinstance(names, list) else ()
    first = dict.fromkeys(n for n in listed if isinstance(n, str) and n in properties)
    order = [*first, *(name for name in properties if name not in first)]
    return {name: to_json_schema(properties[name]) for name in order}


def _allow_null(schema: JsonObject) -> None:
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
    elif isinstance(schema.get("anyOf"), list):
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
