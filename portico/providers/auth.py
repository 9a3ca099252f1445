"""How a credential becomes fields of a request; where it comes from is not known here.

Keys are the operator's, out of the configuration. Tokens and AWS keys that expire are fetched and
refreshed by `http.tokens`; signing is `sigv4`'s, since it needs the whole request.
"""

from typing import Final

from portico.types.credential import AccessToken, ApiKey, AwsKeys, Credential
from portico.types.deployment import Provider

Fields = list[tuple[str, str]]

_GOOGLE_KEYS: Final = ("AIza", "AQ.")
"""How Google's API keys begin; its access tokens do not."""


_EXCHANGED: Final = frozenset({"watsonx"})
"""Types whose key is no good to the model's API, but buys an access token elsewhere."""
_TOKEN: Final = "eyJ"  # noqa: S105
"""How JSON Web Tokens begin, and no such key does."""


def is_fetched(provider: Provider) -> bool:
    """Is its credential fetched, and again before it ends, rather than configured?"""
    key = provider.api_key
    return not key or (provider.type in _EXCHANGED and not key.reveal().startswith(_TOKEN))


def static_credential(provider: Provider) -> Credential | None:
    """The configured key as what it is: for Vertex AI mostly an access token, elsewhere a key."""
    key = provider.api_key
    if is_fetched(provider):
        return None
    if provider.type == "vertex_ai" and not key.reveal().startswith(_GOOGLE_KEYS):
        return AccessToken(key)
    return AccessToken(key) if provider.type in _EXCHANGED else ApiKey(key)


def authorize(credential: Credential | None, key_field: str) -> Fields:
    """A token travels as bearer, a key in the provider's own field; nothing without either."""
    match credential:
        case ApiKey(key) if key:
            value = key.reveal()
            return [(key_field, f"Bearer {value}" if key_field == "authorization" else value)]
        case AccessToken(token):
            return [("authorization", f"Bearer {token.reveal()}")]
        case AwsKeys():
            raise AssertionError("AWS keys sign requests; they are not sent")
        case _:
            return []
