"""Embeddings of Vertex AI by `predict`, one text a request: `gemini-embedding-001`.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
(2026-11-23).
"""

from typing import Final

from portico.wire.embeddings.vertex import read_response, write_request

__all__ = ["MAX_INPUTS", "NAME", "read_response", "write_request"]

NAME: Final = "vertex_embed_single"
MAX_INPUTS: Final = 1
