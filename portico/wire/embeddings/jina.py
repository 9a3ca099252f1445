"""Embeddings of Jina AI: OpenAI's shape with a task, another word for the encoding, and pictures.

https://github.com/jina-ai/meta-prompt/blob/main/v4.txt; for `code.query`
https://qdrant.tech/documentation/embeddings/jina-embeddings; for `truncate`
https://docs.trychroma.com/integrations/embedding-models/jina-ai; for pictures the API reference of
https://github.com/Crypto-Gi/Jina-Ai-Compatible-Server, which imitates Jina's (2026-11-23).
"""

from typing import Any, Final

from portico.types.chat import DataSource, UrlSource
from portico.types.embeddings import EmbeddingInput, EmbeddingRequest, EmbeddingResponse, Purpose
from portico.types.http import Headers
from portico.wire.base import Unsupported, drop_extra
from portico.wire.embeddings.base import cuts_end, only_floats, refuse_input
from portico.wire.embeddings.inputs import is_picture, write_url
from portico.wire.embeddings.openai import read_list
from portico.wire.json_io import encode

NAME: Final = "jina_embed"
MAX_INPUTS: Final = 512
"""A guess on the safe side: how many it takes was not to be read."""

_TASKS: Final[dict[Purpose, str]] = {
    "query": "retrieval.query",
    "document": "retrieval.passage",
    "similarity": "text-matching",
    "classification": "classification",
    "clustering": "separation",
    "code_query": "code.query",
}


def write_request(request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes:
    written: dict[str, Any] = {
        "model": request.model,
        "input": [_item(item) for item in request.inputs],
    }
    if request.purpose is not None:
        if request.purpose in _TASKS:
            written["task"] = _TASKS[request.purpose]
        else:
            unsupported("input_type", NAME)
    if request.dimensions is not None:
        written["dimensions"] = request.dimensions
    only_floats(request, NAME, unsupported)
    if request.encodings == ("base64",):
        written["embedding_type"] = "base64"
    if (cut := cuts_end(request, NAME, unsupported)) is not None:
        written["truncate"] = cut
    if request.user is not None:
        unsupported("user", NAME)
    drop_extra(request.extra, NAME, unsupported)
    return encode(written)


def _item(item: EmbeddingInput) -> str | dict[str, str]:
    match item:
        case str():
            return item
        case UrlSource() | DataSource() if is_picture(item):
            return {"image": write_url(item)}
        case _:
            refuse_input(NAME)


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    return read_list(body, NAME)
