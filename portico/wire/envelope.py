"""Peek and splice: read the few fields of a JSON request that matter, and change only those.

Works on every OpenAI-shaped body without knowing its operation. The rule that keeps this safe:
what was authorised is what is sent. If the bytes leave any doubt about where the one top-level
`model` is (a second `"model"`, an escaped key), the object is taken apart into raw fields and put
together again, so that a duplicate key cannot mean one thing here and another to the provider.
"""

import re

import msgspec
from msgspec import UNSET, Raw

from portico.errors import InvalidRequest
from portico.types.call import Addressed, Envelope

_ENVELOPE = msgspec.json.Decoder(Envelope)
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_ENCODER = msgspec.json.Encoder()
_VALUE = re.compile(rb'[ \t\r\n]*:[ \t\r\n]*"')
_AT = re.compile(r" - at `\$\.?(.*)`$")
_JSON_NAMES = {"str": "string", "int": "integer", "bool": "boolean", "float": "number"}
_PYTHON_NAMES = re.compile(r"\b(?:str|int|bool|float)\b")
_BACKSLASH = 0x5C
_USAGE_ON = b'"stream_options":{"include_usage":true},'


def peek(body: bytes) -> Envelope:
    """Decode the envelope; raises `InvalidRequest` that says what is wrong and where."""
    try:
        return _ENVELOPE.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong_type(error) from None
    except msgspec.DecodeError as error:
        if not body.strip():
            raise InvalidRequest("The request has no body; send a JSON object.") from None
        raise InvalidRequest(f"The body is not valid JSON: {error}.", code="invalid_json") from None
    except UnicodeDecodeError as error:
        raise _not_utf8(error) from None
    except RecursionError:
        raise InvalidRequest(
            "The body is nested too deeply; flatten it.", code="invalid_json"
        ) from None


def _not_utf8(error: UnicodeDecodeError) -> InvalidRequest:
    return InvalidRequest(
        f"The body is not valid UTF-8: byte {error.object[error.start]:#04x} in a string.",
        code="invalid_json",
    )


def _take_apart(body: bytes) -> dict[str, Raw]:
    """The raw fields of a body that `peek` took; only now are the names of all of them read."""
    try:
        return _FIELDS.decode(body)
    except UnicodeDecodeError as error:
        raise _not_utf8(error) from None


def _wrong_type(error: msgspec.ValidationError) -> InvalidRequest:
    text = str(error)
    found = _AT.search(text)
    if not found:
        return InvalidRequest(
            f"The body must be a JSON object: {text[0].lower()}{text[1:]}.", code="invalid_type"
        )
    param = found.group(1)
    what = _PYTHON_NAMES.sub(lambda name: _JSON_NAMES[name.group()], text[: found.start()])
    what = what[0].lower() + what[1:]
    return InvalidRequest(f"Invalid type for `{param}`: {what}.", param=param, code="invalid_type")


def address(seen: Envelope, addressed: Addressed) -> Envelope:
    """The envelope with what the path says; `model` and `stream` in the body mean nothing then."""
    return msgspec.structs.replace(seen, model=addressed.model, stream=addressed.stream)


def streaming(seen: Envelope) -> Envelope:
    """The envelope where to say nothing of streams is to ask for one."""
    return msgspec.structs.replace(seen, stream=True)


def json_string(text: str) -> bytes:
    """`text` as a JSON string with its quotes."""
    return _ENCODER.encode(text)


def wants_usage(envelope: Envelope) -> bool:
    """Did the client itself ask for the usage chunk of a stream?"""
    options = envelope.stream_options
    return isinstance(options, dict) and options.get("include_usage") is True


def splice(body: bytes, envelope: Envelope, model: bytes, *, add_usage: bool) -> bytes:
    """The body with `model` (a JSON string, quoted) in place of the client's.

    With `add_usage`, `stream_options.include_usage` is switched on as well.
    """
    old = envelope.model
    unsure = add_usage and envelope.stream_options is not UNSET
    start = body.find(b'"model"')
    if old is not None and not unsure and body.rfind(b'"model"') == start >= 0 and _is_plain(body):
        # The envelope has a top-level model, no key is spelled with escapes, and the name occurs
        # once: this occurrence is it. It stands at the beginning mostly, and all the rest is
        # searched from its end in a third of the time.
        end = _end_of_value(body, start + 7, old.encode())
        if end is not None:
            head = body[:start] + _USAGE_ON if add_usage else body[:start]
            return b'%b"model":%b%b' % (head, model, body[end:])
    return _rebuild(body, model, add_usage=add_usage)


def _end_of_value(body: bytes, at: int, text: bytes) -> int | None:
    """Where the member ends whose key ends at `at`, if its value is `text` without escapes."""
    if body.startswith(b':"%b"' % text, at):
        return at + len(text) + 3
    value = _VALUE.match(body, at)
    if value is None or not body.startswith(b'%b"' % text, value.end()):
        return None
    return value.end() + len(text) + 1


def without_model(body: bytes) -> bytes:
    """The body for a provider whose address names the model; one in the body would be a second."""
    if b'"model"' not in body and _is_plain(body):
        return body
    fields = _take_apart(body)
    if fields.pop("model", None) is None:
        return body
    return _ENCODER.encode(fields)


def _is_plain(body: bytes) -> bool:
    """Can no key be `model` spelled with escapes? Its letters are all U+006x.

    Text that a client escaped because it is not ASCII does not matter. One byte is found faster;
    what is rarely there takes half as long to miss when it is looked for from the end.
    """
    return _BACKSLASH not in body or body.rfind(b"\\u006") < 0


def _rebuild(body: bytes, model: bytes, *, add_usage: bool) -> bytes:
    fields = _take_apart(body)
    fields["model"] = Raw(model)
    if add_usage:
        options = msgspec.json.decode(fields.get("stream_options", Raw(b"null")))
        options = options if isinstance(options, dict) else {}
        fields["stream_options"] = Raw(_ENCODER.encode({**options, "include_usage": True}))
    return _ENCODER.encode(fields)


def rename(body: bytes, renamed: tuple[tuple[str, str], ...]) -> bytes:
    """Give top-level fields the names that this provider knows; a field it already has stays."""
    if not any(f'"{old}"'.encode() in body for old, _ in renamed):
        return body
    fields = _take_apart(body)
    for old, new in renamed:
        if old in fields:
            value = fields.pop(old)
            fields.setdefault(new, value)
    return _ENCODER.encode(fields)


def drop(body: bytes, refused: tuple[str, ...]) -> tuple[bytes, tuple[str, ...]]:
    """Take out top-level fields that this provider answers with an error; returns their names."""
    if not any(f'"{name}"'.encode() in body for name in refused):
        return body, ()
    fields = _take_apart(body)
    dropped = tuple(name for name in refused if fields.pop(name, None) is not None)
    return (_ENCODER.encode(fields), dropped) if dropped else (body, ())
