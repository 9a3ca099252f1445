"""The canonical embedding: what is to become vectors, and the vectors."""

from typing import Literal

import msgspec

from portico.types.chat import DataSource, JsonObject, UrlSource
from portico.types.usage import Usage

EmbeddingInput = str | tuple[int, ...] | DataSource | UrlSource
"""A text, a text as token ids of the model's own tokenizer, or a picture."""

Purpose = Literal[
    "query", "document", "similarity", "classification", "clustering", "code_query", "verification"
]
"""What the vectors are for; many models make different ones for a question and what answers it."""


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`dialect` is the one it was read from, the only one that `extra` goes to.

    `encoding` is how the client wants the vectors; `truncate` what to do with inputs that are too
    long, `none` being to refuse them.
    """

    dialect: str
    model: str
    inputs: tuple[EmbeddingInput, ...]
    dimensions: int | None = None
    encoding: Literal["float", "base64"] = "float"
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
