"""Change a few top-level fields of a JSON body; every other byte of a value stays as it is."""

import msgspec

from portico.errors import InvalidRequest

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENCODER = msgspec.json.Encoder()


def fields(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _FIELDS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest("The body is not a JSON object.", code="invalid_json") from None


def edited(body: bytes, *, without: tuple[str, ...], first: dict[str, object]) -> bytes:
    """`first` comes at the front, where the body has no such field already."""
    held = fields(body)
    for name in without:
        held.pop(name, None)
    return _ENCODER.encode({**first, **held})
