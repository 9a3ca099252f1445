"""Embedding dialects by name, and which one a deployment speaks."""

from typing import Final

from portico.wire.embeddings import (
    bedrock_cohere,
    cohere,
    gemini,
    ollama,
    openai,
    snowflake,
    titan,
    voyage,
)
from portico.wire.embeddings.base import EmbeddingClientDialect, EmbeddingDialect

_ALL: Final[tuple[EmbeddingDialect, ...]] = (
    openai,
    gemini,
    cohere,
    voyage,
    titan,
    bedrock_cohere,
    ollama,
    snowflake,
)

EMBEDDING_CLIENTS: Final[dict[str, EmbeddingClientDialect]] = {openai.NAME: openai}
EMBEDDING_DIALECTS: Final[dict[str, EmbeddingDialect]] = {d.NAME: d for d in _ALL}

ERRORS_OF: Final = {
    openai.NAME: "openai_chat",
    gemini.NAME: "gemini_generate",
    cohere.NAME: "cohere_chat",
    voyage.NAME: "openai_chat",
    titan.NAME: "bedrock_converse",
    bedrock_cohere.NAME: "bedrock_converse",
    ollama.NAME: "openai_chat",
    snowflake.NAME: "openai_chat",
}
"""The chat dialect that reads the errors of an embedding dialect's provider."""

_BY_CHAT: Final = {
    "gemini_generate": gemini.NAME,
    "cohere_chat": cohere.NAME,
    "ollama_chat": ollama.NAME,
}
_BY_TYPE: Final = {"snowflake": snowflake.NAME, "voyage": voyage.NAME}


def embedding_dialect(provider_type: str, chat_dialect: str, model: str) -> str | None:
    """What a deployment speaks when it is asked for vectors; `None` if it has none to give."""
    if chat_dialect in ("bedrock_converse", "bedrock_invoke"):
        if "titan-embed" in model:
            return titan.NAME
        return bedrock_cohere.NAME if "cohere.embed" in model else None
    if chat_dialect in ("openai_chat", "openai_responses"):
        return _BY_TYPE.get(provider_type, openai.NAME)
    return _BY_CHAT.get(chat_dialect)
