"""Tokens of Snowflake: of a user's key pair, made here, or of an OAuth client, asked for.

https://docs.snowflake.com/en/developer-guide/snowflake-rest-api/authentication and
…/user-guide/oauth-custom (2026-11-23). A programmatic access token is neither: it is a key.
"""

from portico.http.base import Pool
from portico.http.rsa_keys import RsaKey, load_rsa_key
from portico.http.token_request import Read, read_file
from portico.http.tokens_oauth import ClientToken
from portico.providers.snowflake_jwt import LIFETIME_S, account_of, key_pair_token
from portico.types.credential import AccessToken
from portico.types.deployment import Provider
from portico.types.secret import Secret


class KeyPairToken:
    def __init__(self, account: str, user: str, key: RsaKey) -> None:
        self._account = account
        self._user = user
        self._key = key

    async def fetch(self, now: float) -> AccessToken:
        token = key_pair_token(
            self._account, self._user, self._key.fingerprint, now, self._key.sign
        )
        return AccessToken(Secret(token), now + LIFETIME_S)


def find_snowflake(
    provider: Provider, *, pool: Pool, read: Read
) -> KeyPairToken | ClientToken | None:
    """`None` for a provider that is asked without a credential."""
    user, key = provider.setting("user"), provider.setting("private_key")
    if user and key:
        account = provider.setting("account") or account_of(provider.origin.host)
        return KeyPairToken(account, user, _load(provider, key, read))
    client_id, refresh = provider.setting("client_id"), provider.setting("refresh_token")
    if not client_id or not refresh:
        return None
    return ClientToken(
        pool,
        f"{provider.origin}/oauth/token-request",
        client_id,
        Secret(provider.setting("client_secret") or ""),
        {"grant_type": "refresh_token", "refresh_token": Secret(refresh)},
        who="the Snowflake account",
    )


def _load(provider: Provider, given: str, read: Read) -> RsaKey:
    """A key in a variable often has its line ends written as `\\n`."""
    is_pem = "-----BEGIN" in given
    pem = given.replace("\\n", "\n") if is_pem else read_file(read, given, "private_key")
    passphrase = provider.setting("private_key_passphrase")
    return load_rsa_key(
        Secret(pem),
        f"the private key of the provider {provider.name}",
        passphrase=Secret(passphrase) if passphrase else None,
        otherwise="give a programmatic access token as api_key",
    )
