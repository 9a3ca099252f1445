"""What Vertex AI takes otherwise of this dialect.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/function-calling and
…/docs/reference/rest/v1/projects.locations.endpoints/countTokens (2026-11-23). It refuses the ids
of calls and results, which it matches by name and order; and it counts the tokens of a request that
is not wrapped in another object.
"""

import re
from typing import Any, Final

from portico.types.chat import JsonObject
from portico.wire.json_io import MalformedError, decode_object, encode

_OTHERWISE: Final = re.compile(rb'"(?:functionCall|function_call|generateContentRequest)"')
_CALLS: Final = ("functionCall", "function_call")
_RESULTS: Final = ("functionResponse", "function_response")
_UNCOUNTED: Final = ("model", "toolConfig", "tool_config")


def for_vertex(body: bytes) -> bytes:
    """The same request as Vertex AI wants it; a body that is no request stays as it is."""
    if not _OTHERWISE.search(body):
        return body
    try:
        request = decode_object(body)
    except MalformedError:
        return body
    inner = request.get("generateContentRequest")
    if isinstance(inner, dict):
        request = {key: value for key, value in inner.items() if key not in _UNCOUNTED}
    contents = request.get("contents")
    asked: list[Any] = []
    for content in contents if isinstance(contents, list) else ():
        parts = content.get("parts") if isinstance(content, dict) else None
        if not isinstance(parts, list):
            continue
        calls = [found for part in parts if (found := _one_of(part, _CALLS)) is not None]
        if calls:
            asked = [call.pop("id", None) for call in calls]
        else:
            content["parts"] = _without_ids(parts, asked)
    return encode(request)


def _without_ids(parts: list[Any], asked: list[Any]) -> list[Any]:
    """Results in the order of the calls they answer, since nothing else tells any more."""
    places = [i for i, part in enumerate(parts) if _one_of(part, _RESULTS) is not None]
    results = [parts[i] for i in places]
    ids = [(_one_of(part, _RESULTS) or {}).pop("id", None) for part in results]
    if all(id in asked for id in ids):
        order = sorted(range(len(ids)), key=lambda i: asked.index(ids[i]))
        parts = list(parts)
        for place, i in zip(places, order, strict=True):
            parts[place] = results[i]
    return parts


def _one_of(part: Any, names: tuple[str, ...]) -> JsonObject | None:
    for name in names:
        value = part.get(name) if isinstance(part, dict) else None
        if isinstance(value, dict):
            return value
    return None
