"""What a request body says of the conversation it belongs to, and of what its model must be able to
do; for routing, in every client dialect at once.

Bodies here have passed `envelope.peek`, not a dialect's reader: whatever is not as it should be
says nothing. That is the provider's to refuse.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

_PICTURES: Final = (b'"image_url"', b'"input_image"', b'"image"', b'"images"', b'"image/')
_TOOLS: Final = (b'"tools"', b'"functions"')
_DATA: Final = (b";base64,", b'"base64"', b'"inlineData"', b'"inline_data"')


class _Opening(msgspec.Struct):
    prompt_cache_key: Any = None
    metadata: Any = None
    system: Raw = Raw()
    systemInstruction: Raw = Raw()  # noqa: N815
    system_instruction: Raw = Raw()
    instructions: Raw = Raw()
    tools: Raw = Raw()
    messages: list[Raw] = []
    contents: list[Raw] = []
    input: Raw = Raw()
    prompt: Raw = Raw()


class _Turn(msgspec.Struct):
    role: str | None = None


_OPENING = msgspec.json.Decoder(_Opening)
_TURN = msgspec.json.Decoder(_Turn)
_TURNS = msgspec.json.Decoder(list[Raw])


def session_name(body: bytes) -> str | None:
    """The session as the body names it: OpenAI's `prompt_cache_key`, Anthropic's
    `metadata.user_id`.
    """
    opening = _read(body)
    if opening is None:
        return None
    if isinstance(opening.prompt_cache_key, str) and opening.prompt_cache_key:
        return opening.prompt_cache_key
    if isinstance(opening.metadata, dict):
        user = opening.metadata.get("user_id")
        return user if isinstance(user, str) and user else None
    return None


def opening(body: bytes) -> tuple[bytes, ...]:
    """What stays the same from one turn of a conversation to the next: system, tools, and all
    messages up to the first of the user, as raw bytes; empty if nothing is found.
    """
    found = _read(body)
    if found is None:
        return ()
    turns = found.messages or found.contents
    rest: tuple[bytes, ...] = ()
    if turns:
        rest = _first_turns(turns)
    elif found.input:
        rest = _first_input(bytes(found.input))
    elif found.prompt:
        rest = (bytes(found.prompt),)
    if not rest:
        return ()
    system = found.system or found.systemInstruction or found.system_instruction
    return (bytes(system or found.instructions), bytes(found.tools), *rest)


def needs(body: bytes) -> frozenset[str]:
    """The abilities a request seems to ask for: `vision`, `tools`.

    A look at the bytes only: it may see one too many, in what a user wrote, and prefers then a
    model that can do more.
    """
    asked = []
    if any(mark in body for mark in _PICTURES):
        asked.append("vision")
    if any(mark in body for mark in _TOOLS):
        asked.append("tools")
    return frozenset(asked)


def has_data(body: bytes) -> bool:
    """Does it carry pictures or files? Then its length says nothing about its tokens."""
    return any(mark in body for mark in _DATA)


def _read(body: bytes) -> _Opening | None:
    try:
        return _OPENING.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _first_turns(turns: list[Raw]) -> tuple[bytes, ...]:
    first: list[bytes] = []
    for turn in turns:
        first.append(bytes(turn))
        try:
            role = _TURN.decode(turn).role
        except (msgspec.DecodeError, UnicodeDecodeError):
            break
        if role not in ("system", "developer"):
            break
    return tuple(first)


def _first_input(value: bytes) -> tuple[bytes, ...]:
    """`input` of the Responses API: a text, or a list of items."""
    if not value.startswith(b"["):
        return (value,)
    try:
        return _first_turns(_TURNS.decode(value))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return (value,)
