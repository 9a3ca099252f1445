"""The canonical embedding: what is to become vectors, and the vectors."""

from typing import Literal

import msgspec

from portico.types.chat import DataSource, JsonObject, UrlSource
from portico.types.usage import Usage

Part = str | DataSource | UrlSource
"""A text or a picture."""


class Mixed(msgspec.Struct, frozen=True):
    """Texts and pictures that become one vector together."""

    parts: tuple[Part, ...]


EmbeddingInput = Part | tuple[int, ...] | Mixed
"""What becomes one vector; numbers are a text as token ids of the model's own tokenizer."""

Purpose = Literal[
    "query", "document", "similarity", "classification", "clustering", "code_query", "verification"
]
"""What the vectors are for; many models make different ones for a question and what answers it."""


Encoding = Literal["float", "base64", "int8", "uint8", "binary", "ubinary"]
"""How the client wants the vectors; those after the second have fewer bits than the floats, and
only their provider makes them."""


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`dialect` is the one it was read from, the only one that `extra` goes to.

    Each vector is wanted in all of the `encodings`; `truncate` is what to do with inputs that are
    too long, `none` being to refuse them.
    """

    dialect: str
    model: str
    inputs: tuple[EmbeddingInput, ...]
    dimensions: int | None = None
    encodings: tuple[Encoding, ...] = ("float",)
    purpose: Purpose | None = None
    truncate: Literal["none", "start", "end"] | None = None
    user: str | None = None
    extra: JsonObject = {}


Vector = list[float] | str
"""Numbers, or base64 of 32-bit floats in little-endian order."""


class EmbeddingResponse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One vector an input, in the order of the inputs."""

    dialect: str
    vectors: tuple[Vector, ...]
    model: str = ""
    id: str | None = None
    usage: Usage | None = None
