"""Embedding dialects by name, and which one a deployment speaks."""

from typing import Final

from portico.wire.embeddings import (
    bedrock_cohere,
    cohere,
    cohere_client,
    gemini,
    gemini_client,
    huggingface,
    jina,
    ollama,
    ollama_client,
    openai,
    sagemaker,
    snowflake,
    titan,
    vertex,
    vertex_content,
    vertex_single,
    voyage,
    voyage_multimodal,
    watsonx,
)
from portico.wire.embeddings.base import EmbeddingDialect, EmbeddingShape, NativeVectors

_ALL: Final[tuple[EmbeddingDialect, ...]] = (
    openai,
    gemini,
    cohere,
    voyage,
    voyage_multimodal,
    jina,
    huggingface,
    titan,
    bedrock_cohere,
    ollama,
    sagemaker,
    snowflake,
    watsonx,
    vertex,
    vertex_single,
    vertex_content,
)

EMBEDDING_SHAPES: Final[dict[str, EmbeddingShape]] = {
    openai.NAME: EmbeddingShape(openai.read_request, openai.write_response),
    cohere.NAME: EmbeddingShape(cohere_client.read_request, cohere_client.write_response),
    cohere_client.V1_NAME: EmbeddingShape(
        cohere_client.read_v1_request, cohere_client.write_response
    ),
    gemini.NAME: EmbeddingShape(
        gemini_client.read_batch_request, gemini_client.write_batch_response
    ),
    "gemini_embed_one": EmbeddingShape(gemini_client.read_request, gemini_client.write_response),
    ollama.NAME: EmbeddingShape(ollama_client.read_request, ollama_client.write_response),
    ollama_client.LEGACY_NAME: EmbeddingShape(
        ollama_client.read_legacy_request, ollama_client.write_legacy_response
    ),
}
"""What clients speak, by the `shape` of an endpoint."""

NATIVE_VECTORS: Final[dict[str, NativeVectors]] = {
    cohere.NAME: NativeVectors(cohere.NAME, cohere.read_usage),
    gemini.NAME: NativeVectors(
        gemini.NAME, gemini.read_usage, gemini_client.rename, "batchEmbedContents"
    ),
    "gemini_embed_one": NativeVectors(
        gemini.NAME, gemini.read_usage, gemini_client.rename, "embedContent"
    ),
    ollama.NAME: NativeVectors(ollama.NAME, ollama.read_usage),
    ollama_client.LEGACY_NAME: NativeVectors(ollama.NAME, ollama.read_usage),
}
"""Shapes that pass as bytes to providers of the same dialect; OpenAI's do so as all of OpenAI's."""

EMBEDDING_DIALECTS: Final[dict[str, EmbeddingDialect]] = {d.NAME: d for d in _ALL}

ERRORS_OF: Final = {
    openai.NAME: "openai_chat",
    gemini.NAME: "gemini_generate",
    cohere.NAME: "cohere_chat",
    voyage.NAME: "openai_chat",
    voyage_multimodal.NAME: "openai_chat",
    jina.NAME: "openai_chat",
    huggingface.NAME: "openai_chat",
    titan.NAME: "bedrock_converse",
    bedrock_cohere.NAME: "bedrock_converse",
    ollama.NAME: "ollama_chat",
    sagemaker.NAME: "sagemaker_invoke",
    snowflake.NAME: "openai_chat",
    watsonx.NAME: "watsonx_chat",
    vertex.NAME: "gemini_generate",
    vertex_single.NAME: "gemini_generate",
    vertex_content.NAME: "gemini_generate",
}
"""The chat dialect that reads the errors of an embedding dialect's provider."""

_BY_CHAT: Final = {
    "gemini_generate": gemini.NAME,
    "cohere_chat": cohere.NAME,
    "ollama_chat": ollama.NAME,
    "sagemaker_invoke": sagemaker.NAME,
    "watsonx_chat": watsonx.NAME,
}
_BY_TYPE: Final = {
    "huggingface": huggingface.NAME,
    "jina": jina.NAME,
    "sagemaker": sagemaker.NAME,
    "snowflake": snowflake.NAME,
    "voyage": voyage.NAME,
}


def _of_vertex(model: str) -> str:
    """The first of Gemini's models is asked as those before it were, but for one text at a time."""
    if not model.startswith("gemini-embedding"):
        return vertex.NAME
    return vertex_single.NAME if model == "gemini-embedding-001" else vertex_content.NAME


def embedding_dialect(provider_type: str, chat_dialect: str, model: str) -> str | None:
    """What a deployment speaks when it is asked for vectors; `None` if it has none to give."""
    if chat_dialect in ("bedrock_converse", "bedrock_invoke"):
        if "titan-embed" in model:
            return titan.NAME
        return bedrock_cohere.NAME if "cohere.embed" in model else None
    if provider_type == "vertex_ai" and chat_dialect != "anthropic_messages":
        return _of_vertex(model.rpartition("/")[2])
    if chat_dialect in ("openai_chat", "openai_responses"):
        if provider_type == "voyage" and "multimodal" in model:
            return voyage_multimodal.NAME
        return _BY_TYPE.get(provider_type, openai.NAME)
    return _BY_CHAT.get(chat_dialect)
