"""Access tokens for watsonx.ai: an API key buys one, in IBM Cloud or in a Cloud Pak for Data.

https://cloud.ibm.com/docs/account?topic=account-iamtoken_from_apikey and
https://www.ibm.com/docs/en/cloud-paks/cp-data/5.0.x?topic=tutorials-generating-bearer-token
(2026-11-23).
"""

from base64 import urlsafe_b64decode
from binascii import Error
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from portico.errors import ConfigError
from portico.http.base import Pool
from portico.http.token_request import ask_json, seconds, text
from portico.types.credential import AccessToken
from portico.types.deployment import Provider
from portico.types.secret import Secret

IAM: Final = "https://iam.cloud.ibm.com"
_GRANT: Final = "urn:ibm:params:oauth:grant-type:apikey"
_HOUR_S: Final = 3600.0
_CLAIMS: Final = msgspec.json.Decoder(dict[str, Any])


class CloudToken:
    """Of an API key of IBM Cloud, by its IAM."""

    def __init__(self, pool: Pool, key: Secret, iam: str = IAM) -> None:
        self._pool = pool
        self._key = key
        self._url = f"{iam.rstrip('/')}/identity/token"

    async def fetch(self, now: float) -> AccessToken:
        who = "IBM Cloud IAM"
        form = {"grant_type": _GRANT, "apikey": self._key.reveal()}
        answer = await ask_json(self._pool, "POST", self._url, form=form, who=who)
        lifetime = seconds(answer.get("expires_in"))
        token = Secret(text(answer, "access_token", who))
        return AccessToken(token, now + (_HOUR_S if lifetime is None else lifetime))


class PlatformToken:
    """Of a user of a Cloud Pak for Data, by its own API key or password."""

    def __init__(self, pool: Pool, origin: str, user: str, proof: Mapping[str, Secret]) -> None:
        self._pool = pool
        self._url = f"{origin}/icp4d-api/v1/authorize"
        self._user = user
        self._proof = proof

    async def fetch(self, now: float) -> AccessToken:
        who = "the Cloud Pak for Data"
        proof = {name: value.reveal() for name, value in self._proof.items()}
        answer = await ask_json(
            self._pool, "POST", self._url, json={"username": self._user, **proof}, who=who
        )
        token = text(answer, "token", who)
        return AccessToken(Secret(token), _end_of(token) or now + _HOUR_S)


def find_watsonx(
    provider: Provider, environ: Mapping[str, str], *, pool: Pool
) -> CloudToken | PlatformToken | None:
    user, password = provider.setting("user"), provider.setting("password")
    if user is None:
        iam = environ.get("IBMCLOUD_IAM_API_ENDPOINT") or IAM
        return CloudToken(pool, provider.api_key, iam) if provider.api_key else None
    if not provider.api_key and password is None:
        raise ConfigError(
            f"the provider {provider.name} has a `settings.user` and neither an api_key nor a "
            "`settings.password`"
        )
    proof = {"api_key": provider.api_key} if provider.api_key else {}
    return PlatformToken(
        pool, str(provider.origin), user, proof or {"password": Secret(password or "")}
    )


def _end_of(token: str) -> float | None:
    """The moment that the token itself names; nobody else does."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = _CLAIMS.decode(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (Error, ValueError):
        return None
    return seconds(claims.get("exp"))
