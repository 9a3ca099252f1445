from typing import Any
from urllib.parse import parse_qsl

import pytest

from portico.errors import ConfigError, UpstreamAuthentication
from portico.http.tokens_azure import MachineToken, find_azure
from portico.types.credential import AccessToken
from portico.types.secret import Secret
from tests.http.token_server import NO_FILES, NOW, TokenServer, files, run, serving

ISSUED = (200, {"access_token": "eyJ.x", "expires_in": 3599, "token_type": "Bearer"})
TOKEN = AccessToken(Secret("eyJ.x"), NOW + 3599)
PATH = "/tenant-1/oauth2/v2.0/token"
SCOPE = "https://cognitiveservices.azure.com/.default"


async def fetched(server: TokenServer, environ: dict[str, str], **contents: str) -> AccessToken:
    environ = {"AZURE_AUTHORITY_HOST": server.url, **environ}
    source = find_azure(environ, pool=server.pool, direct=server.pool, read=files(**contents))
    return await source.fetch(NOW)


def test_an_application_proves_itself_by_its_secret() -> None:
    async def test() -> None:
        async with serving({f"POST {PATH}": ISSUED}) as server:
            environ = {
                "AZURE_TENANT_ID": "tenant-1",
                "AZURE_CLIENT_ID": "app",
                "AZURE_CLIENT_SECRET": "s e&c",
            }
            assert await fetched(server, environ) == TOKEN
            assert server.asked[0].form == {
                "grant_type": "client_credentials",
                "client_id": "app",
                "client_secret": "s e&c",
                "scope": SCOPE,
            }

    run(test)


def test_a_pod_proves_itself_by_its_platforms_token() -> None:
    async def test() -> None:
        async with serving({f"POST {PATH}": ISSUED}) as server:
            environ = {
                "AZURE_TENANT_ID": "tenant-1",
                "AZURE_CLIENT_ID": "app",
                "AZURE_FEDERATED_TOKEN_FILE": "/var/token",
            }
            assert await fetched(server, environ, var_token="jwt\n") == TOKEN
            assert server.asked[0].form == {
                "grant_type": "client_credentials",
                "client_id": "app",
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": "jwt",
                "scope": SCOPE,
            }
            with pytest.raises(ConfigError, match="AZURE_FEDERATED_TOKEN_FILE: /var/token"):
                await fetched(server, environ)

    run(test)


@pytest.mark.parametrize("missing", ["AZURE_TENANT_ID", "AZURE_CLIENT_ID"])
def test_half_of_a_configuration_is_a_mistake(missing: str) -> None:
    async def test() -> None:
        environ = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"}
        del environ[missing]
        async with serving({}) as server:
            with pytest.raises(ConfigError, match="set AZURE_TENANT_ID and AZURE_CLIENT_ID"):
                await fetched(server, environ)

    run(test)


@pytest.mark.parametrize(
    ("answer", "ends"),
    [
        ({"access_token": "eyJ.x", "expires_in": "3599", "expires_on": "1"}, NOW + 3599),
        ({"access_token": "eyJ.x", "expires_on": "1795440000"}, 1_795_440_000.0),
        ({"access_token": "eyJ.x", "expires_on": "11/23/2026"}, NOW + 3600),
    ],
)
def test_a_machine_asks_for_its_identity(answer: dict[str, Any], ends: float) -> None:
    async def test() -> None:
        async with serving({"GET /metadata/identity/oauth2/token": (200, answer)}) as server:
            source = MachineToken(server.pool, "app", endpoint=server.url)
            assert await source.fetch(NOW) == AccessToken(Secret("eyJ.x"), ends)
            (asked,) = server.asked
            assert asked.headers["metadata"] == "true"
            assert dict(parse_qsl(asked.target.partition("?")[2])) == {
                "api-version": "2018-02-01",
                "resource": "https://cognitiveservices.azure.com",
                "client_id": "app",
            }

    run(test)


def test_a_service_is_given_its_own_endpoint() -> None:
    async def test() -> None:
        async with serving({"GET /msi/token": ISSUED}) as server:
            environ = {"IDENTITY_ENDPOINT": f"{server.url}/msi/token", "IDENTITY_HEADER": "h"}
            assert await fetched(server, environ) == TOKEN
            assert server.asked[0].headers["x-identity-header"] == "h"

    run(test)


def test_a_machine_without_an_identity_says_what_is_missing() -> None:
    async def test() -> None:
        async with serving({}) as server:
            source = MachineToken(server.pool, endpoint=server.url)
            with pytest.raises(UpstreamAuthentication, match="AZURE_TENANT_ID"):
                await source.fetch(NOW)

    run(test)


def test_without_anything_set_the_machine_is_asked() -> None:
    async def test() -> None:
        async with serving({}) as server:
            source = find_azure({}, pool=server.pool, direct=server.pool, read=NO_FILES)
            assert isinstance(source, MachineToken)

    run(test)
