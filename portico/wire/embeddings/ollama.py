"""Embeddings of Ollama's own API.

https://docs.ollama.com/api/embed (2026-11-23).
"""

from typing import Any, Final

import msgspec

from portico.types.embeddings import EmbeddingRequest, EmbeddingResponse
from portico.types.http import Headers
from portico.types.usage import Usage
from portico.wire.base import Unsupported, drop_extra
from portico.wire.embeddings.base import only_floats, refuse_input
from portico.wire.json_io import decoded, encode

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
    if not all(isinstance(item, str) for item in request.inputs):
        refuse_input(NAME)
    written: dict[str, Any] = {"model": request.model, "input": list(request.inputs)}
    if request.dimensions is not None:
        written["dimensions"] = request.dimensions
    if request.truncate == "start":
        unsupported("truncate", NAME)
    elif request.truncate is not None:
        written["truncate"] = request.truncate == "end"
    for field, is_said in (
        ("input_type", request.purpose is not None),
        ("user", request.user is not None),
    ):
        if is_said:
            unsupported(field, NAME)
    only_floats(request, NAME, unsupported)
    drop_extra(request.extra, NAME, unsupported)
    return encode(written)


def read_usage(body: bytes) -> Usage | None:
    """The usage of an answer that passes; one of the wrong shape counts as none."""
    try:
        tokens = _USED.decode(body).prompt_eval_count
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if tokens is None else Usage(input_tokens=tokens, output_tokens=0)


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    answer = decoded(_ANSWER, body)
    tokens = answer.prompt_eval_count
    return EmbeddingResponse(
        dialect=NAME,
        vectors=tuple(answer.embeddings),
        model=answer.model or "",
        usage=None if tokens is None else Usage(input_tokens=tokens, output_tokens=0),
    )
