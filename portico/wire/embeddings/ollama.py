"""Embeddings of Ollama's own API.

https://docs.ollama.com/api/embed (2026-11-23).
"""

from typing import Any, Final

import msgspec

from portico.types.embeddings import EmbeddingRequest, EmbeddingResponse
from portico.types.http import Headers
from portico.types.usage import Usage
from portico.wire.base import Unsupported
from portico.wire.embeddings.base import cuts_end, drop_rest, texts
from portico.wire.json_io import decoded, decoded_or_none, encode

NAME: Final = "ollama_embed"
MAX_INPUTS: Final[int | None] = None


class _Answer(msgspec.Struct):
    embeddings: list[list[float]]
    model: str | None = None
    prompt_eval_count: int | None = None


class _Used(msgspec.Struct):
    prompt_eval_count: int | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_USED: Final = msgspec.json.Decoder(_Used)


def write_request(request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes:
    written: dict[str, Any] = {"model": request.model, "input": texts(request, NAME)}
    if request.dimensions is not None:
        written["dimensions"] = request.dimensions
    if (cut := cuts_end(request, NAME, unsupported)) is not None:
        written["truncate"] = cut
    drop_rest(request, NAME, unsupported, "input_type", "user")
    return encode(written)


def read_usage(body: bytes) -> Usage | None:
    """The usage of an answer that passes; one of the wrong shape counts as none."""
    used = decoded_or_none(_USED, body)
    if used is None or used.prompt_eval_count is None:
        return None
    return Usage(input_tokens=used.prompt_eval_count, output_tokens=0)


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    answer = decoded(_ANSWER, body)
    tokens = answer.prompt_eval_count
    return EmbeddingResponse(
        dialect=NAME,
        vectors=tuple(answer.embeddings),
        model=answer.model or "",
        usage=None if tokens is None else Usage(input_tokens=tokens, output_tokens=0),
    )
