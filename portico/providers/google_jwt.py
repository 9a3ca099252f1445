"""The assertion with which a Google service account asks for an access token; signing is injected.

https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests
(2026-11-23). RS256 needs RSA, which the standard library has not: whoever calls brings `sign`.
"""

import base64
from collections.abc import Callable
from typing import Final

import msgspec

from portico.types.secret import Secret

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_URI: Final = "https://oauth2.googleapis.com/token"  # noqa: S105
LIFETIME_S: Final = 3600

_ENCODER: Final = msgspec.json.Encoder()


class ServiceAccount(msgspec.Struct, frozen=True):
    """What its key file says."""

    client_email: str
    private_key: Secret
    private_key_id: str = ""
    token_uri: str = TOKEN_URI


def assertion(account: ServiceAccount, now: float, sign: Callable[[bytes], bytes]) -> str:
    """A JSON Web Token, good for an hour; `sign` is RSASSA-PKCS1-v1_5 with SHA-256."""
    issued = int(now)
    header = {"alg": "RS256", "typ": "JWT"}
    if account.private_key_id:
        header["kid"] = account.private_key_id
    claims = {
        "iss": account.client_email,
        "scope": SCOPE,
        "aud": account.token_uri,
        "iat": issued,
        "exp": issued + LIFETIME_S,
    }
    signed = b".".join(_base64url(_ENCODER.encode(part)) for part in (header, claims))
    return b".".join((signed, _base64url(sign(signed)))).decode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
