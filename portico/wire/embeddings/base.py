"""What an embedding dialect is, and how one request becomes several where a provider takes few.

Providers differ most in how many inputs they take at once: Titan takes one. So the engine asks for
`batches`, sends each, and `joins` the answers.
"""

import array
import base64
import binascii
import sys
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final, Literal, NoReturn, Protocol

import msgspec

from portico.errors import UnsupportedParameter, UpstreamProtocol
from portico.types.embeddings import EmbeddingRequest, EmbeddingResponse, Vector
from portico.types.http import Headers
from portico.types.usage import Usage
from portico.wire.base import Unsupported, drop_extra
from portico.wire.json_io import MalformedError


class EmbeddingDialect(Protocol):
    """What we speak to providers. `MAX_INPUTS` go into one request; `None` is any number."""

    @property
    def NAME(self) -> str: ...  # noqa: N802

    @property
    def MAX_INPUTS(self) -> int | None: ...  # noqa: N802

    def write_request(self, request: EmbeddingRequest, /, *, unsupported: Unsupported) -> bytes: ...

    def read_response(self, body: bytes, /, *, headers: Headers) -> EmbeddingResponse:
        """Raises UpstreamProtocol for what is no answer, and for vectors that are none."""
        ...


class WriteResponse(Protocol):
    """`id` names the answer where the provider gave no id."""

    def __call__(
        self, response: EmbeddingResponse, /, *, request: EmbeddingRequest, id: str
    ) -> bytes: ...


class EmbeddingShape(msgspec.Struct, frozen=True):
    """What clients speak to us."""

    read_request: Callable[[bytes], EmbeddingRequest]
    write_response: WriteResponse


class NativeVectors(msgspec.Struct, frozen=True):
    """A client's shape that passes as bytes to providers of its `dialect`.

    `rename` puts the provider's name of the model into a body that has it in places of its own;
    `method` is what the address ends with, where the dialect has it so.
    """

    dialect: str
    read_usage: Callable[[bytes], Usage | None]
    rename: Callable[[bytes, str], bytes] | None = None
    method: str | None = None


def batches(request: EmbeddingRequest, limit: int | None) -> tuple[EmbeddingRequest, ...]:
    """The request in parts of at most `limit` inputs, in order."""
    inputs = request.inputs
    if limit is None or len(inputs) <= limit:
        return (request,)
    return tuple(
        msgspec.structs.replace(request, inputs=inputs[at : at + limit])
        for at in range(0, len(inputs), limit)
    )


def join(responses: Sequence[EmbeddingResponse]) -> EmbeddingResponse:
    """The answers to `batches` as one; the usage is unknown if it is of any of them."""
    if len(responses) == 1:
        return responses[0]
    return msgspec.structs.replace(
        responses[0],
        vectors=tuple(vector for response in responses for vector in response.vectors),
        usage=_sum([response.usage for response in responses]),
    )


def _sum(usages: list[Usage | None]) -> Usage | None:
    known = [usage for usage in usages if usage is not None and usage.input_tokens is not None]
    if len(known) < len(usages):
        return None
    return Usage(
        input_tokens=sum(usage.input_tokens or 0 for usage in known),
        input_image_tokens=sum(usage.input_image_tokens for usage in known),
        output_tokens=0,
        requests=len(known),
    )


def count(response: EmbeddingResponse, request: EmbeddingRequest) -> EmbeddingResponse:
    """The same, if there is a vector for each input; an answer short of some is none."""
    if len(response.vectors) != len(request.inputs):
        raise UpstreamProtocol(
            f"the provider answered {len(request.inputs)} inputs with {len(response.vectors)} "
            "vectors"
        )
    return response


def only_floats(request: EmbeddingRequest, name: str, unsupported: Unsupported) -> None:
    """Name the encodings that are none of floats, and refuse a request for nothing else."""
    others = [one for one in request.encodings if one not in ("float", "base64")]
    if not others:
        return
    if len(others) == len(request.encodings):
        raise UnsupportedParameter(
            f"`embedding_types`: no {' or '.join(others)} can be had of the provider that serves "
            f"this request in the dialect {name}; ask for `float` or `base64`",
            param="embedding_types",
        )
    unsupported("embedding_types", name)


_Field = Literal["input_type", "dimensions", "truncate", "user"]
_SAID: Final[dict[_Field, Callable[[EmbeddingRequest], object]]] = {
    "input_type": attrgetter("purpose"),
    "dimensions": attrgetter("dimensions"),
    "truncate": attrgetter("truncate"),
    "user": attrgetter("user"),
}


def drop_rest(
    request: EmbeddingRequest, name: str, unsupported: Unsupported, *fields: _Field
) -> None:
    """Name what a dialect has no words for: `fields`, encodings that are none of floats, extras."""
    for field in fields:
        if _SAID[field](request) is not None:
            unsupported(field, name)
    only_floats(request, name, unsupported)
    drop_extra(request.extra, name, unsupported)


def cuts_end(request: EmbeddingRequest, name: str, unsupported: Unsupported) -> bool | None:
    """For a dialect that can cut what is too long at its end or refuse it; `None` if unsaid."""
    if request.truncate == "start":
        unsupported("truncate", name)
        return None
    return None if request.truncate is None else request.truncate == "end"


def texts(request: EmbeddingRequest, name: str) -> list[str]:
    """The inputs, for a dialect that takes nothing but texts."""
    found = [item for item in request.inputs if isinstance(item, str)]
    if len(found) < len(request.inputs):
        refuse_input(name)
    return found


def refuse_input(name: str) -> NoReturn:
    raise UnsupportedParameter(
        f"`input`: the provider that serves this request, in the dialect {name}, takes no such "
        "input (a picture, sound, or token ids of another tokenizer); send texts, or ask another "
        "model",
        param="input",
    )


def as_floats(vector: Vector) -> list[float]:
    if not isinstance(vector, str):
        return vector
    try:
        numbers = array.array("f", base64.b64decode(vector, validate=True))
    except (binascii.Error, ValueError):
        raise MalformedError("a vector is not base64 of 32-bit floats").from_provider() from None
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


def as_base64(vector: Vector) -> str:
    if isinstance(vector, str):
        return vector
    try:
        numbers = array.array("f", vector)
    except (OverflowError, TypeError):
        raise MalformedError("a vector holds what is no 32-bit float").from_provider() from None
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()
