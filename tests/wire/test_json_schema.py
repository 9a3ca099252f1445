import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.wire.json_schema import MAX_INLINE_DEPTH, Rules, is_strict, narrow

ANY = Rules(root_object=False)
OPENAPI = Rules(
    root_object=False,
    keywords=frozenset(
        ["type", "properties", "items", "anyOf", "enum", "nullable", "description", "required"]
    ),
    inline_refs=True,
    const_to_enum=True,
    type_lists="nullable",
    string_enums=True,
    one_of_to_any_of=True,
)

CASES: dict[str, tuple[Any, Rules, Any, tuple[str, ...]]] = {
    "no schema": (None, Rules(), {"type": "object", "properties": {}}, ()),
    "unchanged": ({"type": "string", "x-y": 1}, ANY, {"type": "string", "x-y": 1}, ()),
    "object on top": ({}, Rules(), {"type": "object", "properties": {}}, ()),
    "unknown keywords": (
        {"type": "object", "properties": {"a": {"type": "string", "minLength": 3}}, "$id": "x"},
        OPENAPI,
        {"type": "object", "properties": {"a": {"type": "string"}}},
        ("minLength", "$id"),
    ),
    "a property named like a keyword": (
        {"properties": {"minLength": {"type": "integer"}, "const": {"type": "string"}}},
        OPENAPI,
        {"properties": {"minLength": {"type": "integer"}, "const": {"type": "string"}}},
        (),
    ),
    "const": ({"const": "a"}, OPENAPI, {"enum": ["a"]}, ()),
    "enum of numbers": ({"enum": [1, None, 2.5, True]}, OPENAPI,
                        {"enum": ["1", "2.5", "true"], "type": "string"}, ()),
    "enum of objects": ({"enum": [{"a": 1}]}, OPENAPI, {}, ("enum",)),
    "nullable": ({"type": ["string", "null"]}, OPENAPI, {"type": "string", "nullable": True}, ()),
    "several types": (
        {"type": ["string", "integer"]},
        OPENAPI,
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        (),
    ),
    "types as alternatives": (
        {"type": ["string", "null"]},
        Rules(root_object=False, type_lists="any_of"),
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        (),
    ),
    "oneOf": ({"oneOf": [{"const": 1}]}, Rules(root_object=False, one_of_to_any_of=True),
              {"anyOf": [{"const": 1}]}, ()),
    "references": (
        {"properties": {"a": {"$ref": "#/$defs/A", "description": "d"}},
         "$defs": {"A": {"type": "string"}}},
        OPENAPI,
        {"properties": {"a": {"type": "string", "description": "d"}}},
        (),
    ),
    "a reference to no schema": (
        {"$ref": "#/$defs/A", "$defs": {"A": [1]}, "type": "string"},
        OPENAPI,
        {"type": "string"},
        (),
    ),
    "a reference to nowhere": (
        {"items": {"$ref": "#/$defs/Missing"}},
        OPENAPI,
        {"items": {"type": "object"}},
        ("$ref",),
    ),
    "formats": (
        {"properties": {"a": {"format": "uri"}, "b": {"format": "color"}}},
        Rules(root_object=False, formats=frozenset({"uri"})),
        {"properties": {"a": {"format": "uri"}, "b": {}}},
        ("format",),
    ),
    "closed objects": (
        {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": True}}},
        Rules(closed_objects=True),
        {
            "type": "object",
            "properties": {"a": {"type": "object", "additionalProperties": False}},
            "additionalProperties": False,
        },
        (),
    ),
    "schemas that are true": ({"items": True, "type": "array"}, ANY,
                              {"items": True, "type": "array"}, ()),
    "allOf on top": (
        {"allOf": [{"properties": {"a": {}}, "required": ["a"]}, {"required": ["b"]}]},
        Rules(),
        {"properties": {"a": {}}, "required": ["a", "b"], "type": "object"},
        ("allOf",),
    ),
    "a reference on top": (
        {"$defs": {"N": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}}},
         "$ref": "#/$defs/N", "title": "T"},
        Rules(),
        {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}},
         "$defs": {"N": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}}},
         "title": "T"},
        (),
    ),
    "a reference on top to nowhere": (
        {"$ref": "#/$defs/N"}, Rules(),
        {"$ref": "#/$defs/N", "type": "object", "properties": {}}, (),
    ),
    "not schemas at all": (
        {"properties": 5, "anyOf": "x", "items": 3, "required": None},
        ANY,
        {"properties": 5, "anyOf": "x", "items": 3, "required": None},
        (),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "rules", "expected", "dropped"), CASES.values(), ids=CASES)
def test_narrowing(schema: Any, rules: Rules, expected: Any, dropped: tuple[str, ...]) -> None:
    before = json.dumps(schema)
    narrowed = narrow(schema, rules)
    assert narrowed.schema == expected
    assert narrowed.dropped == dropped
    assert json.dumps(schema) == before  # the client's own is not touched


def test_the_order_of_keys_stays() -> None:
    schema = {"type": "object", "properties": {"z": {}, "a": {}, "m": {}}, "description": "x"}
    assert json.dumps(narrow(schema, OPENAPI).schema) == json.dumps(schema)


def test_recursion_ends() -> None:
    tree = {
        "$ref": "#/$defs/Node",
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
    }
    narrowed = narrow(tree, OPENAPI)
    depth, inner = 0, narrowed.schema
    while "properties" in inner:
        depth, inner = depth + 1, inner["properties"]["next"]
    assert depth == MAX_INLINE_DEPTH
    assert inner == {"type": "object"}
    assert narrowed.dropped == ("$ref",)


def test_references_that_multiply_are_bounded() -> None:
    """Each level names the next twice: written out it would be 2**40 schemas."""
    defs: dict[str, Any] = {
        f"L{i}": {"properties": {k: {"$ref": f"#/$defs/L{i + 1}"} for k in "ab"}} for i in range(40)
    }
    defs["L40"] = {"type": "string"}
    narrowed = narrow({"$ref": "#/$defs/L0", "$defs": defs}, OPENAPI)
    assert len(json.dumps(narrowed.schema)) < 100_000
    assert "$ref" in narrowed.dropped


def test_references_in_deep_schemas_do_not_exhaust_the_stack() -> None:
    deep: Any = {"$ref": "#/$defs/Deep"}
    for _ in range(90):
        deep = {"items": deep}
    narrowed = narrow({"$ref": "#/$defs/Deep", "$defs": {"Deep": deep}}, OPENAPI)
    assert "$ref" in narrowed.dropped


KEYWORDS = st.sampled_from(
    [
        "type",
        "properties",
        "required",
        "anyOf",
        "allOf",
        "oneOf",
        "enum",
        "const",
        "format",
        "items",
        "$ref",
        "$defs",
        "nullable",
    ]
)
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["object", "string", "#/$defs/a", "#/$defs/items", "#", "uri"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYWORDS | st.sampled_from("ab"), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(schema=st.dictionaries(KEYWORDS, ODD, max_size=6))
def test_anything_that_is_no_schema_is_narrowed_without_harm(schema: Any) -> None:
    for rules in (Rules(), ANY, OPENAPI, Rules(formats=frozenset({"uri"}), closed_objects=True)):
        assert isinstance(narrow(schema, rules).schema, dict)


CLOSED = {
    "type": "object",
    "properties": {"a": {}},
    "required": ["a"],
    "additionalProperties": False,
}
STRICT: dict[str, tuple[Any, bool]] = {
    "closed": (CLOSED, True),
    "an open object": ({**CLOSED, "additionalProperties": True}, False),
    "an object said to be closed nowhere": ({"type": "object"}, False),
    "a property that may lack": ({**CLOSED, "required": []}, False),
    "in a property": ({**CLOSED, "properties": {"a": {"type": "object"}}}, False),
    "in a list of alternatives": ({"anyOf": [CLOSED, {"properties": {}}]}, False),
    "in the items": ({"type": "array", "items": {"type": "object"}}, False),
    "in a definition": ({**CLOSED, "$defs": {"N": {"type": "object"}}}, False),
    "closed all through": (
        {**CLOSED, "$defs": {"N": CLOSED}, "properties": {"a": {"anyOf": [CLOSED, True]}}}, True),
    "no schema at all": ({"properties": 5, "required": "a", "additionalProperties": False}, True),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "expected"), STRICT.values(), ids=STRICT)
def test_what_a_model_can_be_bound_to(schema: Any, expected: bool) -> None:
    assert is_strict(schema) is expected
