"""Provider types that need a module of their own. All others are rows of the catalog alone."""

from typing import Final

from portico.providers import (
    anthropic,
    azure,
    bedrock,
    cloudflare,
    cohere,
    databricks,
    gemini,
    huggingface,
    ollama,
    replicate,
    sagemaker,
    snowflake,
    vertex_ai,
    voyage,
    watsonx,
)
from portico.providers.base import Preparer
from portico.types.deployment import Provider

PREPARERS: Final[dict[str, Preparer]] = {
    "anthropic": anthropic,
    "azure": azure,
    "azure_ai": azure,
    "bedrock": bedrock,
    "bedrock_mantle": bedrock,
    "cloudflare": cloudflare,
    "cohere": cohere,
    "databricks": databricks,
    "gemini": gemini,
    "huggingface": huggingface,
    "ollama": ollama,
    "replicate": replicate,
    "sagemaker": sagemaker,
    "snowflake": snowflake,
    "vertex_ai": vertex_ai,
    "voyage": voyage,
    "watsonx": watsonx,
}

_OWN_DIALECTS: Final = frozenset({"openai_chat", "openai_embeddings", "openai_responses"})


def preparer_of(provider: Provider, dialect: str) -> Preparer | None:
    """Who makes requests in `dialect` for this provider; `None`: `openai_compatible`, as ever.

    That is so wherever OpenAI's protocols go to a fixed path with a fixed key.
    """
    found = PREPARERS.get(provider.type)
    if found is None or dialect not in _OWN_DIALECTS:
        return found
    end = _PLAIN_ENDS.get(provider.type)
    if end is None or not provider.base_path.endswith(end) or provider.api_version is not None:
        return found
    return None if provider.api_key or provider.type in _KEYLESS else found


_PLAIN_ENDS: Final = {
    "azure": "/v1",
    "azure_ai": "/v1",
    "cloudflare": "",
    "cohere": "/compatibility/v1",
    "databricks": "",
    "gemini": "",
    "huggingface": "",
    "ollama": "/v1",
    "snowflake": "",
    "vertex_ai": "/endpoints/openapi",
    "voyage": "",
}
"""Addresses that lead straight to an OpenAI-compatible endpoint, by their end."""
_KEYLESS: Final = frozenset({"cloudflare", "cohere", "gemini", "huggingface", "ollama", "voyage"})
"""Where no key means none, rather than one that is yet to be fetched."""
