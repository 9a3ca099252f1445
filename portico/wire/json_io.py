"""JSON in and out for the dialects: decode and check with one internal error, encode once and fast.

Inside a dialect everything wrong with foreign bytes is `MalformedError` with the path so far; only
its `read_…` functions know whose bytes they were and say `from_client()` or `from_provider()`.
"""

import re
from typing import Any, Final, TypeVar

import msgspec

from portico.errors import InvalidRequest, UpstreamProtocol
from portico.types.chat import JsonObject

T = TypeVar("T")

MAX_DEPTH: Final = 200
"""Of arrays and objects within each other; what is read must be writable a few levels deeper."""

_DECODER: Final = msgspec.json.Decoder()
_ENCODER: Final = msgspec.json.Encoder()
_AT: Final = re.compile(r" - at `(?:key` in `)?\$\.?(.*)`$")


class MalformedError(Exception):
    """`path` names the offending value, such as `messages[3].content[0]`; empty for the whole."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path

    def from_client(self) -> InvalidRequest:
        where = f"`{self.path}`: " if self.path else ""
        return InvalidRequest(f"{where}{self.message}", param=self.path or None)

    def from_provider(self) -> UpstreamProtocol:
        where = f" at `{self.path}`" if self.path else ""
        return UpstreamProtocol(
            f"the provider's answer is not what its dialect promises{where}: {self.message}",
            param=self.path or None,
        )


def decode(body: bytes | str) -> Any:
    """Any JSON value; raises MalformedError for everything that is not one, or is too deep."""
    try:
        value = _DECODER.decode(body)
    except RecursionError:
        raise MalformedError(f"nested deeper than {MAX_DEPTH} levels; flatten it") from None
    except UnicodeDecodeError as problem:
        raise MalformedError(f"not valid UTF-8 ({problem.reason})") from None
    except ValueError as problem:  # msgspec's errors are ValueErrors
        raise MalformedError(f"not valid JSON ({problem})") from None
    opening = ("[", "{") if isinstance(body, str) else (b"[", b"{")
    is_many = sum(map(body.count, opening)) > MAX_DEPTH  # type: ignore[arg-type]
    if is_many and isinstance(value, dict | list) and _is_deeper(value, MAX_DEPTH):
        raise MalformedError(f"nested deeper than {MAX_DEPTH} levels; flatten it")
    return value


def decode_object(body: bytes | str) -> JsonObject:
    if not body.strip():
        raise MalformedError("there is no body; send a JSON object")
    value = decode(body)
    if not isinstance(value, dict):
        raise MalformedError("expected a JSON object")
    return value


def strictly(decoder: msgspec.json.Decoder[T], body: bytes) -> T | None:
    """A body that holds nothing but what `decoder` knows, decoded and checked in one pass.

    `None`: read it the long way, which keeps what is unknown and has words for what is wrong. The
    decoder's Structs forbid unknown fields wherever the long way keeps them.
    """
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        return None
    try:
        return decoder.decode(body)
    except (ValueError, RecursionError):
        return None


def decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """A provider's answer; raises UpstreamProtocol for what is none."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as problem:
        raise malformed(problem).from_provider() from None
    except (ValueError, RecursionError) as problem:
        raise MalformedError(f"not valid JSON ({problem})").from_provider() from None


def decoded_or_none(decoder: msgspec.json.Decoder[T], body: bytes) -> T | None:
    """For bytes that pass whatever they are: of the wrong shape, they say nothing."""
    try:
        return decoder.decode(body)
    except (ValueError, RecursionError):
        return None


def _is_deeper(value: Any, limit: int) -> bool:
    """Walk level by level, so that the check itself cannot recurse too deep."""
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for item in level
            for inner in (item.values() if type(item) is dict else item)
            if type(inner) is dict or type(inner) is list
        ]
        if not level:
            return False
    return True


def convert(value: Any, type: type[T], path: str = "") -> T:
    """Check a decoded value against a Struct or other type; MalformedError has the full path."""
    try:
        return msgspec.convert(value, type)
    except msgspec.ValidationError as problem:
        raise malformed(problem, path) from None


def malformed(problem: msgspec.ValidationError, path: str = "") -> MalformedError:
    """msgspec's words, with its `$.a[0]` turned into a path below `path`."""
    text = str(problem)
    found = _AT.search(text)
    if found is None:
        return MalformedError(_lower(text), path)
    return MalformedError(_lower(text[: found.start()]), join(path, found.group(1)))


def join(path: str, tail: str) -> str:
    if not path or not tail:
        return path or tail
    return f"{path}{tail}" if tail.startswith("[") else f"{path}.{tail}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def unknown(value: JsonObject, known: frozenset[str]) -> JsonObject:
    """What is in `value` beside the fields a reader knows."""
    return {key: item for key, item in value.items() if key not in known}


def fields_of(struct: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(struct.__struct_encode_fields__)


def encode(value: Any) -> bytes:
    return _ENCODER.encode(value)


def compact(value: Any) -> str:
    """JSON text, for the places where a dialect keeps JSON in a string."""
    return _ENCODER.encode(value).decode()


def is_object(text: str) -> bool:
    """Is it the text of one complete JSON object?"""
    if text.lstrip()[:1] != "{":
        return False
    try:
        _DECODER.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def arguments_object(text: str) -> msgspec.Raw | JsonObject:
    """Tool arguments for a dialect that wants an object, byte for byte as the model wrote them.

    What is no object (a model's slip, a custom tool's free text) is wrapped: nothing is lost.
    """
    if not text.strip():
        return {}
    if is_object(text):
        return msgspec.Raw(text.encode())
    return {"input": text}
