"""The assertion with which a Google service account asks for an access token; signing is injected.

https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests
(2026-11-23).
"""

from typing import Final

import msgspec

from portico.providers.jwt import Sign, signed_token
from portico.types.secret import Secret

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_URI: Final = "https://oauth2.googleapis.com/token"  # noqa: S105
LIFETIME_S: Final = 3600


class ServiceAccount(msgspec.Struct, frozen=True):
    """What its key file says."""

    client_email: str
    private_key: Secret
    private_key_id: str = ""
    token_uri: str = TOKEN_URI


def assertion(account: ServiceAccount, now: float, sign: Sign) -> str:
    """A JSON Web Token, good for an hour."""
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
    return signed_token(header, claims, sign)
