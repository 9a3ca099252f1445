"""Functions that OpenAI would refuse, from clients of other dialects."""

import json
from typing import Any

import pytest

from portico.types.chat import ChatRequest, FunctionTool, Message, Text
from portico.wire.base import Dropped
from portico.wire.openai_chat import dialect as chat
from portico.wire.openai_responses import dialect as responses

CLOSED = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
OPTIONAL = {**CLOSED, "required": []}
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
CASES: dict[str, tuple[FunctionTool, Any, bool, list[str]]] = {
    "without properties": (
        FunctionTool(name="f", schema={"type": "object"}),
        {"type": "object", "properties": {}},
        False,
        [],
    ),
    "without a type": (
        FunctionTool(name="f", schema={}),
        {"type": "object", "properties": {}},
        False,
        [],
    ),
    "a reference on top": (
        FunctionTool(name="f", schema={"$defs": {"Node": NODE}, "$ref": "#/$defs/Node"}),
        {**NODE, "$defs": {"Node": NODE}},
        False,
        [],
    ),
    "alternatives on top": (
        FunctionTool(name="f", schema={"anyOf": [CLOSED, {"properties": {"b": {}}}]}),
        {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}},
        False,
        ["tools[0].schema.anyOf"],
    ),
    "bound to what binds": (FunctionTool(name="f", schema=CLOSED, strict=True), CLOSED, True, []),
    "bound to what does not": (
        FunctionTool(name="f", schema=OPTIONAL, strict=True),
        OPTIONAL,
        False,
        ["tools[0].strict"],
    ),
}


@pytest.mark.parametrize("dialect", [chat, responses], ids=["chat", "responses"])
@pytest.mark.parametrize(("tool", "schema", "strict", "names"), CASES.values(), ids=CASES)
def test_a_function_is_fitted_and_what_is_lost_named(
    dialect: Any, tool: FunctionTool, schema: Any, strict: bool, names: list[str]
) -> None:
    dropped = Dropped()
    asked = Message("user", (Text("?"),))
    request = ChatRequest(dialect="anthropic_messages", model="m", messages=(asked,), tools=(tool,))
    (written,) = json.loads(dialect.write_request(request, unsupported=dropped))["tools"]
    function = written.get("function", written)
    assert function["parameters"] == schema
    assert function.get("strict", False) is strict
    assert dropped.names == names
