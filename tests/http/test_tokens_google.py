import base64
import json
import re
import sys
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from portico.errors import ConfigError, UpstreamAuthentication
from portico.http.tokens_google import MetadataToken, find_google, rsa_signer, source_of
from portico.providers.google_jwt import SCOPE
from portico.types.credential import AccessToken
from portico.types.secret import Secret
from tests.http.token_server import LATER, NO_FILES, NOW, TokenServer, files, run, serving

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: Any) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def account(server: TokenServer, **fields: Any) -> dict[str, Any]:
    return {
        "type": "service_account",
        "client_email": "gw@p.iam.gserviceaccount.com",
        "private_key": pem(KEY),
        "private_key_id": "kid-1",
        "token_uri": f"{server.url}/token",
        **fields,
    }


async def fetched(server: TokenServer, file: dict[str, Any], **contents: str) -> AccessToken:
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": "/c.json"}
    read = files(c_json=json.dumps(file), **contents)
    source = find_google(environ, pool=server.pool, direct=server.pool, read=read)
    return await source.fetch(NOW)


ISSUED = (200, {"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"})
TOKEN = AccessToken(Secret("ya29.x"), NOW + 3599)


def part(text: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def test_a_service_account_signs_for_its_token() -> None:
    async def test() -> None:
        async with serving({"POST /token": ISSUED}) as server:
            assert await fetched(server, account(server)) == TOKEN
            form = server.asked[0].form
            assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
            header, claims, signature = form["assertion"].split(".")
            assert part(header) == {"alg": "RS256", "typ": "JWT", "kid": "kid-1"}
            assert part(claims) == {
                "iss": "gw@p.iam.gserviceaccount.com",
                "scope": SCOPE,
                "aud": f"{server.url}/token",
                "iat": int(NOW),
                "exp": int(NOW) + 3600,
            }
            raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
            signed = f"{header}.{claims}".encode()
            KEY.public_key().verify(raw, signed, padding.PKCS1v15(), hashes.SHA256())

    run(test)


def test_a_key_that_cannot_sign_is_a_mistake_of_the_configuration() -> None:
    curve = pem(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(ConfigError, match="is not an RSA key"):
        rsa_signer(Secret(curve))
    with pytest.raises(ConfigError, match="is not a PEM key") as raised:
        rsa_signer(Secret("-----BEGIN PRIVATE KEY-----\nsecret"))
    assert "secret" not in str(raised.value)


def test_without_the_optional_package_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("cryptography")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(
        ConfigError, match=re.escape(f"{sys.executable} -m pip install cryptography")
    ):
        rsa_signer(Secret("x"))


def test_a_person_refreshes() -> None:
    async def test() -> None:
        async with serving({"POST /token": ISSUED}) as server:
            file = {
                "type": "authorized_user",
                "client_id": "id",
                "client_secret": "cs",
                "refresh_token": "rt",
                "token_uri": f"{server.url}/token",
            }
            assert await fetched(server, file) == TOKEN
            assert server.asked[0].form == {
                "grant_type": "refresh_token",
                "client_id": "id",
                "client_secret": "cs",
                "refresh_token": "rt",
            }

    run(test)


def test_a_machine_asks_its_metadata_server() -> None:
    path = "/computeMetadata/v1/instance/service-accounts/default/token"

    async def test() -> None:
        async with serving({f"GET {path}": ISSUED}) as server:
            environ = {"GCE_METADATA_HOST": server.url.removeprefix("http://"), "HOME": "/h"}
            source = find_google(environ, pool=server.pool, direct=server.pool, read=NO_FILES)
            assert await source.fetch(NOW) == TOKEN
            assert server.asked[0].headers["metadata-flavor"] == "Google"

    run(test)


def test_a_machine_without_a_metadata_server_says_what_is_missing() -> None:
    async def test() -> None:
        async with serving({}) as server:
            with pytest.raises(UpstreamAuthentication, match="GOOGLE_APPLICATION_CREDENTIALS"):
                await MetadataToken(server.pool, server.url).fetch(NOW)

    run(test)


def test_gclouds_own_file_comes_before_the_metadata_server() -> None:
    async def test() -> None:
        async with serving({"POST /token": ISSUED}) as server:
            content = json.dumps(account(server))
            read = files(h__config_gcloud_application_default_credentials_json=content)
            source = find_google({"HOME": "/h"}, pool=server.pool, direct=server.pool, read=read)
            assert await source.fetch(NOW) == TOKEN

    run(test)


def external(server: TokenServer, source: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{server.url}/v1/token",
        "credential_source": source,
        **fields,
    }


def test_a_workload_exchanges_its_own_token() -> None:
    async def test() -> None:
        async with serving({"POST /v1/token": ISSUED}) as server:
            file = external(server, {"file": "/var/token"})
            assert await fetched(server, file, var_token="subject-jwt\n") == TOKEN
            assert server.asked[0].form == {
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "audience": file["audience"],
                "scope": SCOPE,
                "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "subject_token": "subject-jwt",
            }
            with pytest.raises(ConfigError, match=r"credential_source\.file: /var/token"):
                await fetched(server, file)

    run(test)


def test_a_workload_takes_its_token_from_an_address_and_acts_as_a_service_account() -> None:
    script = {
        "GET /subject": (200, {"value": "subject-jwt"}),
        "POST /v1/token": ISSUED,
        "POST /impersonate": (200, {"accessToken": "ya29.sa", "expireTime": LATER}),
    }

    async def test() -> None:
        async with serving(script) as server:
            source = {
                "url": f"{server.url}/subject?a=1",
                "headers": {"metadata": "True"},
                "format": {"type": "json", "subject_token_field_name": "value"},
            }
            url = f"{server.url}/impersonate"
            file = external(server, source, service_account_impersonation_url=url)
            assert await fetched(server, file) == AccessToken(Secret("ya29.sa"), NOW + 2400)
            subject, exchange, impersonate = server.asked
            assert (subject.target, subject.headers["metadata"]) == ("/subject?a=1", "True")
            assert exchange.form["subject_token"] == "subject-jwt"
            assert impersonate.headers["authorization"] == "Bearer ya29.x"
            assert json.loads(impersonate.body) == {"scope": [SCOPE], "lifetime": "3600s"}

    run(test)


BAD: dict[str, tuple[Any, str]] = {
    "not JSON": ("{", "not a JSON object"),
    "a list": ("[]", "not a JSON object"),
    "another type": ('{"type":"gdch_service_account"}', "'gdch_service_account'"),
    "no key": ('{"type":"service_account","client_email":"e"}', "no `private_key`"),
    "a program": (
        '{"type":"external_account","credential_source":{"executable":{"command":"x"}}}',
        "executables, certificates and AWS are not supported",
    ),
}


@pytest.mark.parametrize(("content", "words"), BAD.values(), ids=list(BAD))
def test_a_bad_file_says_what_is_wrong(content: str, words: str) -> None:
    async def test() -> None:
        async with serving({}) as server:
            with pytest.raises(ConfigError, match=words):
                source_of(content, pool=server.pool, read=NO_FILES)

    run(test)


def test_a_refusal_is_told_by_its_code_alone() -> None:
    refusal = {"error": "invalid_grant", "error_description": "Invalid JWT: secret-jwt"}

    async def test() -> None:
        async with serving({"POST /token": (400, refusal)}) as server:
            with pytest.raises(UpstreamAuthentication, match=r"\(invalid_grant\)") as raised:
                await fetched(server, account(server))
            assert "secret" not in str(raised.value)

    run(test)
