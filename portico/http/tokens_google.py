"""Access tokens of Google Cloud: service accounts, users, workload identity, metadata server.

https://docs.cloud.google.com/docs/authentication/application-default-credentials,
…/iam/docs/workload-identity-federation-with-other-providers and
…/compute/docs/access/authenticate-workloads (2026-11-23). Signing with a service account's key
needs the `cryptography` package, which the extra `gcp` has; all else needs nothing.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from portico.errors import ConfigError, UpstreamAuthentication, UpstreamError
from portico.http.base import Pool
from portico.http.rsa_keys import load_rsa_key
from portico.http.token_request import (
    LOCAL,
    Read,
    ask,
    ask_json,
    decoded,
    moment,
    read_file,
    seconds,
    text,
)
from portico.providers.google_jwt import SCOPE, TOKEN_URI, ServiceAccount, assertion
from portico.providers.jwt import Sign
from portico.types.credential import AccessToken
from portico.types.secret import Secret

METADATA: Final = "http://metadata.google.internal"
_JWT_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_EXCHANGE_GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105


class TokenSource(Protocol):
    async def fetch(self, now: float) -> AccessToken: ...


class ServiceAccountToken:
    """`sign` is made from the account's key by `rsa_signer`, or given."""

    def __init__(self, pool: Pool, account: ServiceAccount, sign: Sign) -> None:
        self._pool = pool
        self._account = account
        self._sign = sign

    async def fetch(self, now: float) -> AccessToken:
        form = {
            "grant_type": _JWT_GRANT,
            "assertion": assertion(self._account, now, self._sign),
        }
        who = "Google's token endpoint"
        return _token(
            await ask_json(self._pool, "POST", self._account.token_uri, form=form, who=who),
            now,
            who,
        )


class UserToken:
    """Of a person who ran `gcloud auth application-default login`."""

    def __init__(self, pool: Pool, file: Mapping[str, Any]) -> None:
        self._pool = pool
        self._url = str(file.get("token_uri") or TOKEN_URI)
        self._form = {
            "grant_type": "refresh_token",
            "client_id": _field(file, "client_id"),
            "client_secret": _field(file, "client_secret"),
            "refresh_token": _field(file, "refresh_token"),
        }

    async def fetch(self, now: float) -> AccessToken:
        who = "Google's token endpoint"
        answer = await ask_json(self._pool, "POST", self._url, form=self._form, who=who)
        return _token(answer, now, who)


class MetadataToken:
    """Of the service account of a machine, pod or function."""

    def __init__(self, pool: Pool, endpoint: str = METADATA) -> None:
        self._pool = pool
        self._url = (
            f"{endpoint.rstrip('/')}/computeMetadata/v1/instance/service-accounts/default/token"
        )

    async def fetch(self, now: float) -> AccessToken:
        who = "the metadata server"
        headers = {"metadata-flavor": "Google"}
        try:
            answer = await ask_json(
                self._pool, "GET", self._url, headers=headers, timeouts=LOCAL, who=who
            )
        except UpstreamError as error:
            raise UpstreamAuthentication(
                "no Google credentials: GOOGLE_APPLICATION_CREDENTIALS is not set, there is no "
                f"default file, and the metadata server did not answer ({error.code})"
            ) from error
        return _token(answer, now, who)


class WorkloadToken:
    """Of a workload elsewhere, by a token of its own platform, from a file or an address."""

    def __init__(self, pool: Pool, file: Mapping[str, Any], read: Read) -> None:
        self._pool = pool
        self._read = read
        source = file.get("credential_source")
        self._source: dict[str, Any] = source if isinstance(source, dict) else {}
        if "file" not in self._source and "url" not in self._source:
            raise ConfigError(
                "GOOGLE_APPLICATION_CREDENTIALS: its `credential_source` must be a `file` or a "
                "`url`; executables, certificates and AWS are not supported"
            )
        self._url = _field(file, "token_url")
        self._form = {
            "grant_type": _EXCHANGE_GRANT,
            "audience": _field(file, "audience"),
            "scope": SCOPE,
            "requested_token_type": _ACCESS_TOKEN,
            "subject_token_type": _field(file, "subject_token_type"),
        }
        impersonate = file.get("service_account_impersonation_url")
        self._impersonate = impersonate if isinstance(impersonate, str) else None

    async def fetch(self, now: float) -> AccessToken:
        form = {**self._form, "subject_token": await self._subject()}
        who = "Google's security token service"
        answer = await ask_json(self._pool, "POST", self._url, form=form, who=who)
        token = _token(answer, now, who)
        if self._impersonate is None:
            return token
        who = "Google's credentials service"
        answer = await ask_json(
            self._pool,
            "POST",
            self._impersonate,
            headers={"authorization": f"Bearer {token.token.reveal()}"},
            json={"scope": [SCOPE], "lifetime": "3600s"},
            who=who,
        )
        ends = moment(text(answer, "expireTime", who))
        return AccessToken(
            Secret(text(answer, "accessToken", who)), now + 3600 if ends is None else ends
        )

    async def _subject(self) -> str:
        who = "the source of the workload's token"
        path = self._source.get("file")
        if isinstance(path, str):
            body = read_file(self._read, path, "credential_source.file").encode()
        else:
            headers = self._source.get("headers")
            body = await ask(
                self._pool,
                "GET",
                str(self._source["url"]),
                headers=headers if isinstance(headers, dict) else None,
                who=who,
            )
        format = self._source.get("format")
        if isinstance(format, dict) and format.get("type") == "json":
            field = format.get("subject_token_field_name")
            return text(decoded(body, who), field if isinstance(field, str) else "", who)
        return body.decode().strip()


def find_google(environ: Mapping[str, str], *, pool: Pool, direct: Pool, read: Read) -> TokenSource:
    """Application default credentials: the named file, gcloud's own file, the metadata server."""
    named = environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if named:
        content = read_file(read, named, "GOOGLE_APPLICATION_CREDENTIALS")
        return source_of(content, pool=pool, read=read)
    home = environ.get("CLOUDSDK_CONFIG") or f"{environ.get('HOME', '~')}/.config/gcloud"
    try:
        content = read(f"{home}/application_default_credentials.json")
    except OSError:
        host = environ.get("GCE_METADATA_HOST")
        return MetadataToken(direct, f"http://{host}" if host else METADATA)
    return source_of(content, pool=pool, read=read)


def source_of(content: str, *, pool: Pool, read: Read) -> TokenSource:
    """A credentials file, by its `type`."""
    try:
        file = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise ConfigError("Google's credentials file is not a JSON object") from None
    match file.get("type"):
        case "service_account":
            account = ServiceAccount(
                _field(file, "client_email"),
                Secret(_field(file, "private_key")),
                str(file.get("private_key_id") or ""),
                str(file.get("token_uri") or TOKEN_URI),
            )
            return ServiceAccountToken(pool, account, rsa_signer(account.private_key))
        case "authorized_user":
            return UserToken(pool, file)
        case "external_account":
            return WorkloadToken(pool, file, read)
        case other:
            raise ConfigError(
                f"Google's credentials file is of the type {other!r}; known are `service_account`, "
                "`authorized_user` and `external_account`"
            )


def rsa_signer(private_key: Secret) -> Sign:
    key = load_rsa_key(
        private_key,
        "the `private_key` of Google's credentials file",
        otherwise="use workload identity or the metadata server",
    )
    return key.sign


def _token(answer: Mapping[str, Any], now: float, who: str) -> AccessToken:
    lifetime = seconds(answer.get("expires_in"))
    expires_at = now + (3600.0 if lifetime is None else lifetime)
    return AccessToken(Secret(text(answer, "access_token", who)), expires_at)


def _field(file: Mapping[str, Any], name: str) -> str:
    value = file.get(name)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"Google's credentials file has no `{name}`")
    return value
