"""Rerank dialects by name, and which one a deployment speaks."""

from typing import Final

from portico.wire.embeddings.base import NativeVectors
from portico.wire.rerank import bedrock, cloudflare, cohere, jina, voyage, watsonx
from portico.wire.rerank.base import RerankDialect, RerankShape

_ALL: Final[tuple[RerankDialect, ...]] = (
    cohere,
    jina,
    voyage,
    bedrock,
    cloudflare,
    watsonx,
)

RERANK_SHAPES: Final[dict[str, RerankShape]] = {
    cohere.NAME: RerankShape(cohere.read_request, cohere.write_response),
    cohere.V1_NAME: RerankShape(cohere.read_v1_request, cohere.write_v1_response),
}
"""What clients speak, by the `shape` of an endpoint."""
NATIVE_RANKS: Final = {cohere.NAME: NativeVectors(cohere.NAME, cohere.read_usage)}
"""Shapes that pass as bytes to providers of the same dialect."""

RERANK_DIALECTS: Final[dict[str, RerankDialect]] = {d.NAME: d for d in _ALL}

ERRORS_OF: Final = {
    cohere.NAME: "cohere_chat",
    jina.NAME: "openai_chat",
    voyage.NAME: "openai_chat",
    bedrock.NAME: "bedrock_converse",
    cloudflare.NAME: "openai_chat",
    watsonx.NAME: "watsonx_chat",
}
"""The chat dialect that reads the errors of a rerank dialect's provider."""

_BY_TYPE: Final = {"cloudflare": cloudflare.NAME, "jina": jina.NAME, "voyage": voyage.NAME}


def rerank_dialect(provider_type: str, chat_dialect: str) -> str:
    """What a deployment speaks when it is asked to rank: most compatible servers speak Cohere's."""
    if chat_dialect in ("bedrock_converse", "bedrock_invoke"):
        return bedrock.NAME
    if chat_dialect == "watsonx_chat":
        return watsonx.NAME
    return _BY_TYPE.get(provider_type, cohere.NAME)
