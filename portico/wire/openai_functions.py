"""Functions of other dialects as OpenAI takes them, in either of its own.

https://developers.openai.com/api/docs/guides/function-calling (2026-11-23). Clients of other
dialects, and of MCP servers behind them, declare functions that OpenAI refuses with the whole
request: without `properties`, with a reference on top, bound to a schema with optional properties.
"""

from typing import Final

import msgspec

from portico.types.chat import FunctionTool, JsonObject
from portico.wire.base import Unsupported
from portico.wire.json_schema import Rules, is_strict, narrow

_RULES: Final = Rules()
_NOT_PLAIN: Final = frozenset({"$ref", "anyOf", "oneOf", "allOf"})


def fitted(tool: FunctionTool, path: str, dialect: str, unsupported: Unsupported) -> FunctionTool:
    """`tool` with a plain object on top, and `strict` only where OpenAI can hold a model to it."""
    schema = tool.schema
    if schema is not None and not _is_plain(schema):
        narrowed = narrow(schema, _RULES)
        for keyword in narrowed.dropped:
            unsupported(f"{path}schema.{keyword}", dialect)
        tool = msgspec.structs.replace(tool, schema=narrowed.schema)
    if tool.strict and not is_strict(tool.schema):
        unsupported(f"{path}strict", dialect)
        tool = msgspec.structs.replace(tool, strict=None)
    return tool


def _is_plain(schema: JsonObject) -> bool:
    return (
        schema.get("type") == "object" and "properties" in schema and _NOT_PLAIN.isdisjoint(schema)
    )
