"""Access tokens of Microsoft Entra ID: client secrets, workload identity, managed identity.

https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow,
…/entra/identity/managed-identities-azure-resources/how-to-use-vm-token and
…/azure/app-service/overview-managed-identity (2026-11-23).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from portico.errors import ConfigError, UpstreamAuthentication, UpstreamError
from portico.http.base import Pool
from portico.http.token_request import LOCAL, Read, ask_json, read_file, seconds, text
from portico.types.credential import AccessToken
from portico.types.secret import Secret

RESOURCE: Final = "https://cognitiveservices.azure.com"
AUTHORITY: Final = "https://login.microsoftonline.com"
IMDS: Final = "http://169.254.169.254"
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class TokenSource(Protocol):
    async def fetch(self, now: float) -> AccessToken: ...


class ClientToken:
    """Of an application, which proves itself by a secret, or by a token of its platform."""

    def __init__(
        self,
        pool: Pool,
        tenant: str,
        client_id: str,
        proof: Callable[[], dict[str, str]],
        *,
        authority: str = AUTHORITY,
        resource: str = RESOURCE,
    ) -> None:
        self._pool = pool
        self._url = f"{authority.rstrip('/')}/{tenant}/oauth2/v2.0/token"
        self._proof = proof
        self._form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "scope": f"{resource}/.default",
        }

    async def fetch(self, now: float) -> AccessToken:
        who = "Microsoft Entra ID"
        form = {**self._form, **self._proof()}
        return _token(await ask_json(self._pool, "POST", self._url, form=form, who=who), now, who)


class MachineToken:
    """Of a managed identity, by the metadata service of a virtual machine."""

    def __init__(
        self,
        pool: Pool,
        client_id: str | None = None,
        *,
        endpoint: str = IMDS,
        resource: str = RESOURCE,
    ) -> None:
        self._pool = pool
        query = {"api-version": "2018-02-01", "resource": resource}
        if client_id:
            query["client_id"] = client_id
        self._url = f"{endpoint}/metadata/identity/oauth2/token?{urlencode(query)}"

    async def fetch(self, now: float) -> AccessToken:
        who = "the managed identity endpoint"
        headers = {"metadata": "true"}
        try:
            answer = await ask_json(
                self._pool, "GET", self._url, headers=headers, timeouts=LOCAL, who=who
            )
        except UpstreamError as error:
            raise UpstreamAuthentication(
                "no Azure credentials: no key is configured, AZURE_TENANT_ID and AZURE_CLIENT_ID "
                "are not set with a secret or a federated token, and the machine has no managed "
                f"identity ({error.code})"
            ) from error
        return _token(answer, now, who)


class ServiceToken:
    """Of a managed identity, by the endpoint that App Service and Container Apps give."""

    def __init__(
        self,
        pool: Pool,
        endpoint: str,
        header: Secret,
        client_id: str | None = None,
        *,
        resource: str = RESOURCE,
    ) -> None:
        self._pool = pool
        self._header = header
        query = {"api-version": "2019-08-01", "resource": resource}
        if client_id:
            query["client_id"] = client_id
        self._url = f"{endpoint}?{urlencode(query)}"

    async def fetch(self, now: float) -> AccessToken:
        who = "the managed identity endpoint"
        headers = {"x-identity-header": self._header.reveal()}
        answer = await ask_json(
            self._pool, "GET", self._url, headers=headers, timeouts=LOCAL, who=who
        )
        return _token(answer, now, who)


def find_azure(environ: Mapping[str, str], *, pool: Pool, direct: Pool, read: Read) -> TokenSource:
    """By the SDKs' order: secret, federated token, managed identity of a service, of a machine."""
    tenant, client_id = environ.get("AZURE_TENANT_ID"), environ.get("AZURE_CLIENT_ID")
    authority = environ.get("AZURE_AUTHORITY_HOST") or AUTHORITY
    secret = environ.get("AZURE_CLIENT_SECRET")
    file = environ.get("AZURE_FEDERATED_TOKEN_FILE")
    if secret or file:
        if not tenant or not client_id:
            given = "AZURE_CLIENT_SECRET" if secret else "AZURE_FEDERATED_TOKEN_FILE"
            raise ConfigError(f"{given} is set; set AZURE_TENANT_ID and AZURE_CLIENT_ID as well")
        if secret:
            held = Secret(secret)
            return ClientToken(
                pool,
                tenant,
                client_id,
                lambda: {"client_secret": held.reveal()},
                authority=authority,
            )
        path = file or ""
        return ClientToken(
            pool,
            tenant,
            client_id,
            lambda: {
                "client_assertion_type": _ASSERTION,
                "client_assertion": read_file(read, path, "AZURE_FEDERATED_TOKEN_FILE").strip(),
            },
            authority=authority,
        )
    endpoint, header = environ.get("IDENTITY_ENDPOINT"), environ.get("IDENTITY_HEADER")
    if endpoint and header:
        return ServiceToken(direct, endpoint, Secret(header), client_id)
    return MachineToken(direct, client_id)


def _token(answer: Mapping[str, Any], now: float, who: str) -> AccessToken:
    """`expires_in` seconds from now, or `expires_on` as a moment; both may be digits in text."""
    token = Secret(text(answer, "access_token", who))
    lifetime = seconds(answer.get("expires_in"))
    if lifetime is not None:
        return AccessToken(token, now + lifetime)
    moment = seconds(answer.get("expires_on"))
    return AccessToken(token, now + 3600 if moment is None else moment)
