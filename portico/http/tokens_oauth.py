"""Access tokens for an OAuth client with a secret: RFC 6749, sections 4.4 and 6.

Databricks: https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m (2026-11-23); the workspace
itself gives the tokens, of one hour.
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from portico.http.base import Pool
from portico.http.token_request import ask_json, seconds, text
from portico.types.credential import AccessToken
from portico.types.deployment import Provider
from portico.types.secret import Secret

_HOUR_S: Final = 3600.0


class ClientToken:
    """`form` says the grant; the client is named in the `authorization` field."""

    def __init__(
        self,
        pool: Pool,
        url: str,
        client_id: str,
        client_secret: Secret,
        form: Mapping[str, str | Secret],
        *,
        who: str,
    ) -> None:
        self._pool = pool
        self._url = url
        self._client_id = client_id
        self._client_secret = client_secret
        self._form = form
        self._who = who

    async def fetch(self, now: float) -> AccessToken:
        pair = f"{quote(self._client_id, safe='')}:{quote(self._client_secret.reveal(), safe='')}"
        answer = await ask_json(
            self._pool,
            "POST",
            self._url,
            headers={"authorization": f"Basic {b64encode(pair.encode()).decode()}"},
            form={
                name: value.reveal() if isinstance(value, Secret) else value
                for name, value in self._form.items()
            },
            who=self._who,
        )
        lifetime = seconds(answer.get("expires_in"))
        token = Secret(text(answer, "access_token", self._who))
        return AccessToken(token, now + (_HOUR_S if lifetime is None else lifetime))


def find_databricks(provider: Provider, *, pool: Pool) -> ClientToken | None:
    """Of a service principal; `None` for a provider that is asked without a credential."""
    client_id, secret = provider.setting("client_id"), provider.setting("client_secret")
    if not client_id or not secret:
        return None
    return ClientToken(
        pool,
        f"{provider.origin}/oidc/v1/token",
        client_id,
        Secret(secret),
        {"grant_type": "client_credentials", "scope": "all-apis"},
        who="the Databricks workspace",
    )
