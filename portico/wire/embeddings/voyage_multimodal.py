"""Embeddings of Voyage AI's multimodal models: texts and pictures, several to a vector.

https://docs.voyageai.com/reference/multimodal-embeddings-api-1 (2026-11-23). They are at an address
of their own, which these models need for plain texts, too.
"""

from typing import Any, Final

from portico.types.chat import DataSource, UrlSource
from portico.types.embeddings import (
    EmbeddingInput,
    EmbeddingRequest,
    EmbeddingResponse,
    Mixed,
)
from portico.types.http import Headers
from portico.wire.base import Unsupported
from portico.wire.embeddings import voyage
from portico.wire.embeddings.base import refuse_input
from portico.wire.embeddings.inputs import is_picture, write_url
from portico.wire.embeddings.openai import read_list
from portico.wire.json_io import encode

NAME: Final = "voyage_multimodal"
MAX_INPUTS: Final = 1000


def write_request(request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes:
    written: dict[str, Any] = {
        "model": request.model,
        "inputs": [{"content": _content(item)} for item in request.inputs],
    }
    written.update(voyage.options(request, NAME, unsupported, encoding="output_encoding"))
    return encode(written)


def _content(item: EmbeddingInput) -> list[dict[str, str]]:
    content: list[dict[str, str]] = []
    for part in item.parts if isinstance(item, Mixed) else (item,):
        match part:
            case str():
                content.append({"type": "text", "text": part})
            case UrlSource(url):
                content.append({"type": "image_url", "image_url": url})
            case DataSource() if is_picture(part):
                content.append({"type": "image_base64", "image_base64": write_url(part)})
            case _:
                refuse_input(NAME)
    return content


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    return read_list(body, NAME)
