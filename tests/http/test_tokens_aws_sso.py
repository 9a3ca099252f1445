"""Profiles of IAM Identity Center: the CLI's cache, the portal, and renewal ahead of the end."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from portico.errors import UpstreamAuthentication, UpstreamUnavailable
from portico.http.token_files import read_text, replace_text
from portico.http.tokens_aws import find_aws
from portico.http.tokens_aws_sources import KeySource
from portico.types.credential import AwsKeys
from portico.types.secret import Secret
from tests.http.token_server import NOW, TokenServer, run, serving

CONFIG = """
[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = eu-central-1
sso_registration_scopes = sso:account:access

[profile gateway]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = Inference

[profile old]
sso_start_url = https://corp.awsapps.com/start
sso_region = eu-central-1
sso_account_id = 123456789012
sso_role_name = Inference

[profile assumed]
role_arn = arn:aws:iam::210987654321:role/models
source_profile = gateway
"""
SESSION_FILE = hashlib.sha1(b"corp").hexdigest() + ".json"
URL_FILE = hashlib.sha1(b"https://corp.awsapps.com/start").hexdigest() + ".json"
CACHED = {
    "startUrl": "https://corp.awsapps.com/start",
    "region": "eu-central-1",
    "accessToken": "sign-in-token",
    "expiresAt": "2026-11-23T13:14:56Z",
    "clientId": "client",
    "clientSecret": "client-secret",
    "registrationExpiresAt": "2027-02-01T00:00:00Z",
    "refreshToken": "refresh-1",
}
ROLE = {
    "roleCredentials": {
        "accessKeyId": "ASIA",
        "secretAccessKey": "secret",
        "sessionToken": "session",
        "expiration": int((NOW + 3600) * 1000),
    }
}
KEYS = AwsKeys("ASIA", Secret("secret"), Secret("session"), NOW + 3600)
PORTAL = "GET /federation/credentials"
RENEWED = {"accessToken": "new-token", "expiresIn": 28800, "refreshToken": "refresh-2"}


def signed_in(home: Path, cached: dict[str, Any] | None = CACHED, file: str = SESSION_FILE) -> Path:
    folder = home / ".aws/sso/cache"
    folder.mkdir(parents=True)
    (home / ".aws/config").write_text(CONFIG)
    if cached is not None:
        (folder / file).write_text(json.dumps(cached))
    return folder / file


def source(server: TokenServer, home: Path, profile: str = "gateway") -> KeySource:
    environ = {
        "HOME": str(home),
        "AWS_PROFILE": profile,
        "AWS_ENDPOINT_URL_SSO": server.url,
        "AWS_ENDPOINT_URL_SSO_OIDC": server.url,
        "AWS_ENDPOINT_URL_STS": f"{server.url}/",
    }
    return find_aws(
        environ, pool=server.pool, direct=server.pool, read=read_text, write=replace_text
    )


@pytest.mark.parametrize(("profile", "file"), [("gateway", SESSION_FILE), ("old", URL_FILE)])
def test_a_sign_in_gives_the_keys_of_its_role(tmp_path: Path, profile: str, file: str) -> None:
    async def test() -> None:
        signed_in(tmp_path, file=file)
        async with serving({PORTAL: (200, ROLE)}) as server:
            assert await source(server, tmp_path, profile).fetch(NOW) == KEYS
            (asked,) = server.asked
            assert asked.target == (
                "/federation/credentials?role_name=Inference&account_id=123456789012"
            )
            assert asked.headers["x-amz-sso_bearer_token"] == "sign-in-token"
            assert "authorization" not in asked.headers

    run(test)


def test_a_sign_in_near_its_end_is_renewed_and_put_back(tmp_path: Path) -> None:
    async def test() -> None:
        file = signed_in(tmp_path, {**CACHED, "expiresAt": "2026-11-23T12:36:56UTC"})
        script = {PORTAL: (200, ROLE), "POST /token": (200, RENEWED)}
        async with serving(script) as server:
            assert await source(server, tmp_path).fetch(NOW) == KEYS
            renewal, portal = server.asked
            assert json.loads(renewal.body) == {
                "grantType": "refresh_token",
                "clientId": "client",
                "clientSecret": "client-secret",
                "refreshToken": "refresh-1",
            }
            assert portal.headers["x-amz-sso_bearer_token"] == "new-token"
        assert json.loads(file.read_text()) == {
            **CACHED,
            "accessToken": "new-token",
            "expiresAt": "2026-11-23T20:34:56Z",
            "refreshToken": "refresh-2",
        }
        assert file.stat().st_mode & 0o777 == 0o600
        assert [path.name for path in file.parent.iterdir()] == [file.name]

    run(test)


def test_a_cache_that_cannot_be_written_still_serves(tmp_path: Path) -> None:
    def refused(path: str, text: str) -> None:
        raise PermissionError(path)

    async def test() -> None:
        signed_in(tmp_path, {**CACHED, "expiresAt": "2020-01-01T00:00:00Z"})
        async with serving({PORTAL: (200, ROLE), "POST /token": (200, RENEWED)}) as server:
            keys: Any = source(server, tmp_path)
            keys._write = refused
            assert await keys.fetch(NOW) == KEYS

    run(test)


def test_a_role_may_be_assumed_with_a_sign_in(tmp_path: Path) -> None:
    xml = (
        b"<Credentials><AccessKeyId>ASIB</AccessKeyId><SecretAccessKey>s2</SecretAccessKey>"
        b"<SessionToken>t2</SessionToken><Expiration>2026-11-23T13:14:56Z</Expiration>"
        b"</Credentials>"
    )

    async def test() -> None:
        signed_in(tmp_path)
        async with serving({PORTAL: (200, ROLE), "POST /": (200, xml)}) as server:
            assumed = await source(server, tmp_path, "assumed").fetch(NOW)
            assert assumed == AwsKeys("ASIB", Secret("s2"), Secret("t2"), NOW + 2400)
            assert server.asked[1].form["RoleArn"] == "arn:aws:iam::210987654321:role/models"
            assert "Credential=ASIA/" in server.asked[1].headers["authorization"]

    run(test)


WITHOUT_RENEWAL = {key: CACHED[key] for key in ("startUrl", "region", "accessToken")}
EXPIRED = {**CACHED, "expiresAt": "2026-11-23T12:00:00Z"}
REFUSED = (400, {"error": "invalid_grant", "error_description": "refresh-1 is spent"})


@pytest.mark.parametrize(
    ("cached", "script", "error", "words"),
    [
        (None, {}, UpstreamAuthentication, "no sign-in is in the cache; sign in with `aws sso"),
        (
            {**WITHOUT_RENEWAL, "expiresAt": "2026-11-23T12:34:00Z"},
            {},
            UpstreamAuthentication,
            "has expired; sign in with `aws sso login --profile gateway`",
        ),
        (WITHOUT_RENEWAL, {}, UpstreamAuthentication, "the sign-in has expired"),
        (
            {**EXPIRED, "registrationExpiresAt": "2026-01-01T00:00:00Z"},
            {},
            UpstreamAuthentication,
            "the sign-in has expired",
        ),
        (EXPIRED, {"POST /token": REFUSED}, UpstreamAuthentication, "the session has ended"),
        (EXPIRED, {"POST /token": (500, {})}, UpstreamUnavailable, "answered 500"),
        (
            CACHED,
            {PORTAL: (401, {"message": "Session token not found or invalid"})},
            UpstreamAuthentication,
            "IAM Identity Center answered 401.*`aws sso login --profile gateway`",
        ),
        (CACHED, {PORTAL: (429, {})}, UpstreamUnavailable, "answered 429"),
        (CACHED, {PORTAL: (200, {})}, UpstreamAuthentication, "has no `accessKeyId`"),
    ],
)
def test_what_is_wrong_with_a_sign_in_is_told_without_secrets(
    tmp_path: Path, cached: dict[str, Any], script: dict[str, Any], error: Any, words: str
) -> None:
    async def test() -> None:
        signed_in(tmp_path, cached)
        async with serving(script) as server:
            with pytest.raises(error, match=words) as raised:
                await source(server, tmp_path).fetch(NOW)
        told = f"{raised.value} {raised.value.__cause__}"
        for secret in ("sign-in-token", "refresh-1", "client-secret"):
            assert secret not in told

    run(test)


def test_a_renewal_that_fails_ahead_of_the_end_leaves_the_token_in_use(tmp_path: Path) -> None:
    async def test() -> None:
        signed_in(tmp_path, {**CACHED, "expiresAt": "2026-11-23T12:36:56Z"})
        async with serving({PORTAL: (200, ROLE), "POST /token": REFUSED}) as server:
            assert await source(server, tmp_path).fetch(NOW) == KEYS
            assert server.asked[1].headers["x-amz-sso_bearer_token"] == "sign-in-token"

    run(test)
