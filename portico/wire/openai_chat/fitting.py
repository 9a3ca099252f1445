"""Messages of a Chat request for a provider that takes less than OpenAI does: its row says what.

What can be said in another way is said so: a role by its older name, the id of a call by one of
the form that is asked for, reasoning as parts of the content. What cannot is left out and named.
Everything else keeps its bytes, and equal messages always become equal ones: prompt caches go by
the beginning of a request.
"""

import re
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

import msgspec

from portico.errors import InvalidRequest
from portico.types.deployment import MessageRules

_Fields = dict[str, msgspec.Raw]
_BODY: Final = msgspec.json.Decoder(_Fields)
_MESSAGES: Final = msgspec.json.Decoder(list[_Fields])
_ENCODER: Final = msgspec.json.Encoder()
_NULL: Final = b"null"
_REASONING: Final = ("reasoning_content", "reasoning")
_NAMED_ROLES: Final = (b'"tool"', b'"function"')
"""Messages whose `name` is that of a function, and known everywhere."""
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9]+")


def fit(body: bytes, rules: MessageRules) -> tuple[bytes, tuple[str, ...]]:
    """The body, and the names of what was left out, such as `messages.name`.

    Raises `InvalidRequest` for messages that are none.
    """
    if _marks(rules).search(body) is None:
        return body, ()
    try:
        fields = _BODY.decode(body)
        messages = _MESSAGES.decode(fields["messages"])
    except KeyError:
        return body, ()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest(
            "`messages`: expected an array of messages", param="messages"
        ) from None
    dropped: dict[str, None] = {}
    fitted = [_fit(message, rules, dropped) for message in messages]
    if not any(fitted):
        return body, ()
    fields["messages"] = msgspec.Raw(_ENCODER.encode(messages))
    return _ENCODER.encode(fields), tuple(dropped)


@lru_cache(maxsize=64)
def _marks(rules: MessageRules) -> re.Pattern[bytes]:
    """What a body must hold to be touched. Each begins with a quote, which texts have few of."""
    words = [*rules.refused, *(role for role, _ in rules.roles)]
    if rules.call_id_length is not None:
        words += ["tool_calls", "tool_call_id"]
    return re.compile(b'"(?:%b)"' % b"|".join([re.escape(word.encode()) for word in words]))


def _fit(message: _Fields, rules: MessageRules, dropped: dict[str, None]) -> bool:
    """Change one message in place; was there anything to change?"""
    before = dict(message)
    role = bytes(message.get("role", _NULL))
    for old, new in rules.roles:
        if role == f'"{old}"'.encode():
            message["role"] = msgspec.Raw(f'"{new}"'.encode())
    thoughts = ""
    for name in rules.refused:
        if name not in message or (name == "name" and role in _NAMED_ROLES):
            continue
        value = message.pop(name)
        if rules.thinks_in_parts and name in _REASONING and role == b'"assistant"':
            thoughts = thoughts or _text(value)
        elif bytes(value) != _NULL:
            dropped[f"messages.{name}"] = None
    if thoughts:
        message["content"] = _with_thoughts(thoughts, message.get("content"))
    if rules.call_id_length is not None:
        _fit_ids(message, rules.call_id_length)
    return message != before


def _text(value: msgspec.Raw) -> str:
    found = msgspec.json.decode(value)
    return found if isinstance(found, str) else ""


def _with_thoughts(thoughts: str, content: msgspec.Raw | None) -> msgspec.Raw:
    said: Any = None if content is None else msgspec.json.decode(content)
    parts: list[Any] = said if isinstance(said, list) else []
    if isinstance(said, str) and said:
        parts = [{"type": "text", "text": said}]
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": thoughts}]}
    return msgspec.Raw(_ENCODER.encode([thinking, *parts]))


def _fit_ids(message: _Fields, length: int) -> None:
    if "tool_call_id" in message and (id := _text(message["tool_call_id"])):
        message["tool_call_id"] = msgspec.Raw(_ENCODER.encode(plain_id(id, length)))
    if "tool_calls" not in message:
        return
    calls = msgspec.json.decode(message["tool_calls"])
    if not isinstance(calls, list):
        return
    is_changed = False
    for call in calls:
        given = call.get("id") if isinstance(call, dict) else None
        if isinstance(given, str) and (plain := plain_id(given, length)) != given:
            call["id"] = plain
            is_changed = True
    if is_changed:
        message["tool_calls"] = msgspec.Raw(_ENCODER.encode(calls))


def plain_id(id: str, length: int) -> str:
    """An id of `length` letters and digits, always the same one for `id`; itself, if it is such."""
    if len(id) == length and _PLAIN_ID.fullmatch(id):
        return id
    number = int.from_bytes(sha256(id.encode("utf-8", "surrogatepass")).digest()[:16])
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(digits)
