"""The token with which the key pair of a Snowflake user proves itself.

https://docs.snowflake.com/en/developer-guide/snowflake-rest-api/authentication (2026-11-23). It
names the account, the user and the public key's fingerprint, and is good for an hour at most.
"""

from typing import Final

from portico.providers.jwt import Sign, signed_token

LIFETIME_S: Final = 3540


def account_of(host: str) -> str:
    """The account identifier of an address: all before the first dot, as regions are left out."""
    return host.partition(".")[0]


def key_pair_token(account: str, user: str, fingerprint: str, now: float, sign: Sign) -> str:
    """`fingerprint` is the base64 SHA-256 of the public key; names are said in capitals."""
    issued = int(now)
    subject = f"{account.partition('.')[0]}.{user}".upper()
    claims = {
        "iss": f"{subject}.SHA256:{fingerprint}",
        "sub": subject,
        "iat": issued,
        "exp": issued + LIFETIME_S,
    }
    return signed_token({"alg": "RS256", "typ": "JWT"}, claims, sign)
