"""What proves who we are to a provider, in the form its requests need it."""

import msgspec

from portico.types.secret import Secret


class ApiKey(msgspec.Struct, frozen=True):
    """A key that stays as it is until the operator changes it."""

    key: Secret


class AccessToken(msgspec.Struct, frozen=True):
    """An OAuth access token; `expires_at` is UTC epoch seconds, `None` if nobody said."""

    token: Secret
    expires_at: float | None = None


class AwsKeys(msgspec.Struct, frozen=True):
    """Signs AWS requests; a session token comes with keys that expire."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None
    expires_at: float | None = None


Credential = ApiKey | AccessToken | AwsKeys
