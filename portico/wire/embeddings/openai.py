"""Embeddings of OpenAI, both sides.

https://developers.openai.com/api/docs/api-reference/embeddings/create (2026-11-23). Beside
OpenAI's own fields those of other providers of this shape are read: `input_type` in Cohere's words
(`search_query`), Voyage's (`query`) or NVIDIA's (`passage`); Jina's `task` and `truncate`; Voyage's
`output_dimension` and `truncation` (https://docs.voyageai.com/reference/embeddings-api and
https://github.com/jina-ai/meta-prompt/blob/main/v4.txt, 2026-11-23).
"""

from typing import Any, Final, Literal

import msgspec

from portico.types.embeddings import (
    EmbeddingRequest,
    EmbeddingResponse,
    Purpose,
    Vector,
)
from portico.types.http import Headers
from portico.types.usage import Usage
from portico.wire.base import Unsupported, drop_extra
from portico.wire.embeddings.base import as_base64, as_floats, only_floats, refuse_input
from portico.wire.embeddings.inputs import read_inputs
from portico.wire.json_io import (
    MalformedError,
    convert,
    decode_object,
    decoded,
    encode,
    fields_of,
    unknown,
)

NAME: Final = "openai_embeddings"
MAX_INPUTS: Final = 2048

PURPOSES: Final[dict[str, Purpose]] = {
    "query": "query",
    "search_query": "query",
    "document": "document",
    "passage": "document",
    "search_document": "document",
    "similarity": "similarity",
    "classification": "classification",
    "clustering": "clustering",
}


TASKS: Final[dict[str, Purpose]] = {
    "retrieval.query": "query",
    "retrieval.passage": "document",
    "text-matching": "similarity",
    "classification": "classification",
    "separation": "clustering",
    "code.query": "code_query",
    "code.passage": "document",
}


class _Request(msgspec.Struct):
    model: str
    input: str | list[Any]
    dimensions: int | None = None
    encoding_format: Literal["float", "base64"] | None = None
    input_type: str | None = None
    task: str | None = None
    output_dimension: int | None = None
    truncation: bool | None = None
    truncate: bool | str | None = None
    user: str | None = None


class _Item(msgspec.Struct):
    embedding: list[float] | str
    index: int | None = None


class _Used(msgspec.Struct):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Item]
    model: str | None = None
    id: str | None = None
    usage: _Used | None = None


_KNOWN: Final = fields_of(_Request)
_OTHER_WORDS: Final = ("input_type", "task", "output_dimension", "truncation", "truncate")
_ANSWER: Final = msgspec.json.Decoder(_Answer)


def read_request(body: bytes, /) -> EmbeddingRequest:
    try:
        raw = decode_object(body)
        asked = convert(raw, _Request)
        purpose = None
        if asked.input_type is not None:
            purpose = PURPOSES.get(asked.input_type)
            if purpose is None:
                expected = ", ".join(f"`{word}`" for word in PURPOSES)
                raise MalformedError(f"expected one of {expected}", "input_type")
        return EmbeddingRequest(
            dialect=NAME,
            model=asked.model,
            inputs=read_inputs(asked.input),
            dimensions=asked.dimensions or asked.output_dimension,
            encodings=(asked.encoding_format or "float",),
            purpose=purpose or TASKS.get(asked.task or ""),
            truncate=_read_truncate(asked),
            user=asked.user,
            extra=_extra(raw, asked),
        )
    except MalformedError as problem:
        raise problem.from_client() from None


def _extra(raw: dict[str, Any], asked: _Request) -> dict[str, Any]:
    """Words that others than OpenAI have for what is canonical are kept as they were said."""
    extra = unknown(raw, _KNOWN)
    for field in _OTHER_WORDS:
        if raw.get(field) is not None:
            is_read = field != "task" or asked.task in TASKS
            extra[f"~{field}" if is_read else field] = raw[field]
    return extra


def _read_truncate(asked: _Request) -> Literal["none", "start", "end"] | None:
    given = asked.truncation if asked.truncate is None else asked.truncate
    match given:
        case bool():
            return "end" if given else "none"
        case str():
            word = given.lower()
            if word not in ("none", "start", "end"):
                raise MalformedError("expected true, false, `NONE`, `START` or `END`", "truncate")
            return word  # type: ignore[return-value]
        case _:
            pass
    return None


def write_request(request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes:
    is_own = request.dialect == NAME
    written: dict[str, Any] = {"model": request.model}
    inputs = request.inputs
    if not all(isinstance(item, str | tuple) for item in inputs):
        refuse_input(NAME)
    written["input"] = list(inputs)
    only_floats(request, NAME, unsupported)
    if request.dimensions is not None and "~output_dimension" not in request.extra:
        written["dimensions"] = request.dimensions
    if request.encodings == ("base64",):
        written["encoding_format"] = "base64"
    if request.user is not None:
        written["user"] = request.user
    if is_own:
        for key, value in request.extra.items():
            written[key.removeprefix("~")] = value
    else:
        if request.purpose is not None:
            unsupported("input_type", NAME)
        if request.truncate is not None:
            unsupported("truncate", NAME)
        drop_extra(request.extra, NAME, unsupported)
    return encode(written)


def read_response(body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
    return read_list(body, NAME)


def read_list(body: bytes, name: str) -> EmbeddingResponse:
    """The shape that others share: `{"data": [{"embedding", "index"}], "model", "usage"}`."""
    answer = decoded(_ANSWER, body)
    used = answer.usage or _Used()
    tokens = used.total_tokens if used.prompt_tokens is None else used.prompt_tokens
    return EmbeddingResponse(
        dialect=name,
        vectors=_in_order(answer.data),
        model=answer.model or "",
        id=answer.id,
        usage=None
        if tokens is None
        else Usage(input_tokens=tokens, output_tokens=0, reported_total=used.total_tokens),
    )


def _in_order(items: list[_Item]) -> tuple[Vector, ...]:
    """By `index`, whatever order they came in; without indexes as they came."""
    indexes = [item.index for item in items]
    if None not in indexes and indexes != list(range(len(items))):
        if sorted(map(int, indexes)) != list(range(len(items))):  # type: ignore[arg-type]
            raise MalformedError("the vectors' indexes leave gaps", "data").from_provider()
        items = sorted(items, key=lambda item: item.index or 0)
    return tuple(item.embedding for item in items)


def write_response(response: EmbeddingResponse, /, *, request: EmbeddingRequest, id: str) -> bytes:
    encoded = as_base64 if "base64" in request.encodings else as_floats
    usage = response.usage
    tokens = (usage.total_input_tokens or 0) if usage is not None else 0
    return encode(
        {
            "id": response.id or id,
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": encoded(vector)}
                for index, vector in enumerate(response.vectors)
            ],
            "model": response.model or request.model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )
