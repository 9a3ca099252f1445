"""JSON Web Tokens that prove who asks, signed by RSA with SHA-256; signing itself is injected.

RFC 7515, section 3.1. RS256 needs RSA, which the standard library has not: whoever calls brings
`sign`, which is RSASSA-PKCS1-v1_5.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

Sign = Callable[[bytes], bytes]

_ENCODER: Final = msgspec.json.Encoder()


def signed_token(header: Mapping[str, object], claims: Mapping[str, object], sign: Sign) -> str:
    signed = b".".join(_base64url(_ENCODER.encode(part)) for part in (header, claims))
    return b".".join((signed, _base64url(sign(signed)))).decode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
