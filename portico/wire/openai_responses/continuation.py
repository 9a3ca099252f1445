"""A conversation that goes on by `previous_response_id`, where the provider keeps none itself.

https://developers.openai.com/api/docs/guides/conversation-state (2026-11-23): input and output of
the answers before come first; their `instructions` do not carry over; `store: false` keeps nothing.
"""

from typing import Final

import msgspec

from portico.types.chat import ChatRequest, ChatResponse, JsonObject, Message
from portico.wire.json_io import decode
from portico.wire.openai_responses.request import CONTINUES, INSTRUCTIONS


class _Input(msgspec.Struct):
    input: msgspec.Raw = msgspec.Raw(b"null")


_INPUT: Final = msgspec.json.Decoder(_Input)
_OURS: Final = {"previous_response_id": CONTINUES, "store": "~store"}
"""What the gateway sees to itself is no field that a provider lacks."""


def previous_id(request: ChatRequest) -> str | None:
    found = request.extra.get("previous_response_id")
    return found if isinstance(found, str) and found else None


def is_kept(request: ChatRequest) -> bool:
    return request.extra.get("store", request.extra.get("~store")) is not False


def continued(request: ChatRequest, before: tuple[Message, ...]) -> ChatRequest:
    """The request after `before`."""
    if not before and not any(field in request.extra for field in _OURS):
        return request
    extra = {_OURS.get(key, key): value for key, value in request.extra.items()}
    head, rest = _split(request)
    return msgspec.structs.replace(request, messages=(*head, *before, *rest), extra=extra)


def turns(request: ChatRequest, answer: ChatResponse) -> tuple[Message, ...]:
    """What the next request may go on from: a `continued` request and its answer."""
    _, said = _split(request)
    if not answer.choices:
        return said
    return (*said, Message("assistant", answer.choices[0].content))


def input_of(body: bytes) -> bytes:
    """The `input` of a request that was read before, as it came."""
    return bytes(_INPUT.decode(body).input)


def listed_input(input: bytes, response_id: str) -> list[JsonObject]:
    """The items of an `input`, each with an id; a text is a message of the user."""
    given = decode(input)
    if isinstance(given, str):
        given = [{"type": "message", "role": "user", "content": given}]
    return [_item(item, f"{response_id}_{i}") for i, item in enumerate(given or ())]


def _item(item: JsonObject, id: str) -> JsonObject:
    listed = {"id": id, "type": "message", **item}
    content = listed.get("content")
    if isinstance(content, str):
        kind = "output_text" if listed.get("role") == "assistant" else "input_text"
        listed["content"] = [{"type": kind, "text": content}]
    return listed


def _split(request: ChatRequest) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """`instructions`, which are this request's alone, and the rest."""
    messages = request.messages
    if messages and INSTRUCTIONS in (messages[0].extra or {}):
        return messages[:1], messages[1:]
    return (), messages
