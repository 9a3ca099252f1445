"""Keys of AWS for who has signed in with IAM Identity Center: `aws sso login`, then nothing more.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html,
…/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html and
…/singlesignon/latest/OIDCAPIReference/API_CreateToken.html (2026-11-23). The browser belongs to the
AWS CLI: it leaves a token in its cache, which is read here, renewed ahead of its end where the
session allows that, and put back as every SDK does, so that the CLI on the same machine goes on.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from portico.errors import ConfigError, UpstreamAuthentication
from portico.http.base import Pool
from portico.http.token_request import Read, ask_json, decoded, moment, seconds, text
from portico.types.credential import AwsKeys
from portico.types.secret import Secret

RENEWED_AHEAD_S: Final = 300.0

Write = Callable[[str, str], None]
"""Replace the text of a file that holds secrets; raises OSError."""


class SsoProfile(msgspec.Struct, frozen=True):
    """What a profile says; `session` is the name of its `sso-session`, if it has one."""

    name: str
    start_url: str
    region: str
    account_id: str
    role_name: str
    session: str | None = None

    @property
    def cache_file(self) -> str:
        """The AWS tools name it after the session, or in old profiles after the address."""
        named = self.session if self.session is not None else self.start_url
        return hashlib.sha1(named.encode(), usedforsecurity=False).hexdigest() + ".json"


def sso_profile(
    name: str, section: Mapping[str, str], sessions: Mapping[str, Mapping[str, str]]
) -> SsoProfile | None:
    """`None` for a profile without SSO; raises ConfigError that says what is missing."""
    if "sso_account_id" not in section and "sso_role_name" not in section:
        return None
    session = section.get("sso_session")
    said: Mapping[str, str] = section
    if session is not None:
        shared = sessions.get(session)
        if shared is None:
            raise ConfigError(
                f"the AWS profile {name!r} names the sso-session {session!r}, which the AWS "
                "configuration file has not"
            )
        said = {**section, **shared}
    wanted = ("sso_start_url", "sso_region", "sso_account_id", "sso_role_name")
    missing = [field for field in wanted if not said.get(field)]
    if missing:
        raise ConfigError(f"the AWS profile {name!r} lacks {', '.join(missing)}")
    url, region, account, role = (said[field] for field in wanted)
    return SsoProfile(name, url, region, account, role, session)


class SsoKeys:
    """`folder` is the cache of the AWS tools; `portal` and `oidc` stand in for AWS's addresses."""

    def __init__(
        self,
        pool: Pool,
        profile: SsoProfile,
        *,
        folder: str,
        read: Read,
        write: Write | None = None,
        portal: str | None = None,
        oidc: str | None = None,
    ) -> None:
        self._pool = pool
        self._profile = profile
        self._path = f"{folder}/{profile.cache_file}"
        self._read = read
        self._write = write
        domain = "amazonaws.com.cn" if profile.region.startswith("cn-") else "amazonaws.com"
        self._portal = (portal or f"https://portal.sso.{profile.region}.{domain}").rstrip("/")
        self._oidc = (oidc or f"https://oidc.{profile.region}.{domain}").rstrip("/")

    async def fetch(self, now: float) -> AwsKeys:
        who = "IAM Identity Center"
        query = urlencode(
            {"role_name": self._profile.role_name, "account_id": self._profile.account_id}
        )
        token = await self._token(now)
        try:
            answer = await ask_json(
                self._pool,
                "GET",
                f"{self._portal}/federation/credentials?{query}",
                headers={"x-amz-sso_bearer_token": token.reveal()},
                who=who,
            )
        except UpstreamAuthentication as refusal:
            raise self._signed_out(f"{refusal.message}; or the role is not assigned") from refusal
        return _keys(answer.get("roleCredentials"), who)

    async def _token(self, now: float) -> Secret:
        try:
            cached = decoded(self._read(self._path).encode(), "the cache of AWS SSO")
        except (OSError, UnicodeDecodeError):
            raise self._signed_out("no sign-in is in the cache") from None
        token = Secret(text(cached, "accessToken", "the cache of AWS SSO"))
        ends = moment(str(cached.get("expiresAt", "")).replace("UTC", "Z"))
        left = 0.0 if ends is None else ends - now
        if left > RENEWED_AHEAD_S:
            return token
        if self._may_renew(cached, now):
            try:
                return await self._renewed(cached, now)
            except UpstreamAuthentication as refusal:
                if left <= 0:
                    raise self._signed_out("the session has ended") from refusal
        if left > 0:
            return token
        raise self._signed_out("the sign-in has expired")

    def _may_renew(self, cached: Mapping[str, Any], now: float) -> bool:
        if not all(cached.get(field) for field in ("refreshToken", "clientId", "clientSecret")):
            return False
        registered = moment(str(cached.get("registrationExpiresAt", "")).replace("UTC", "Z"))
        return registered is None or registered > now

    async def _renewed(self, cached: Mapping[str, Any], now: float) -> Secret:
        who = "the sign-in service of IAM Identity Center"
        answer = await ask_json(
            self._pool,
            "POST",
            f"{self._oidc}/token",
            json={
                "grantType": "refresh_token",
                "clientId": cached["clientId"],
                "clientSecret": cached["clientSecret"],
                "refreshToken": cached["refreshToken"],
            },
            who=who,
        )
        token = text(answer, "accessToken", who)
        ends = now + (seconds(answer.get("expiresIn")) or 3600.0)
        kept = {
            **cached,
            "accessToken": token,
            "expiresAt": datetime.fromtimestamp(ends, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if isinstance(again := answer.get("refreshToken"), str) and again:
            kept["refreshToken"] = again
        self._keep(kept)
        return Secret(token)

    def _keep(self, cached: Mapping[str, Any]) -> None:
        """A cache that cannot be written (mounted read-only) still serves until it ends."""
        if self._write is None:
            return
        try:
            self._write(self._path, msgspec.json.encode(cached).decode())
        except OSError:
            self._write = None

    def _signed_out(self, why: str) -> UpstreamAuthentication:
        return UpstreamAuthentication(
            f"no AWS credentials: {why}; sign in with `aws sso login --profile "
            f"{self._profile.name}`"
        )


def _keys(given: Any, who: str) -> AwsKeys:
    """`expiration` is in milliseconds."""
    answer = given if isinstance(given, dict) else {}
    ends = seconds(answer.get("expiration"))
    return AwsKeys(
        text(answer, "accessKeyId", who),
        Secret(text(answer, "secretAccessKey", who)),
        Secret(text(answer, "sessionToken", who)),
        None if ends is None else ends / 1000,
    )
