"""Paths and fields of the native APIs, as more than one platform has them."""

from typing import Final

from portico.providers.auth import Fields
from portico.providers.heads import TRACE
from portico.types.http import Headers

ANTHROPIC_VERSION: Final = "2023-06-01"
ANTHROPIC_FORWARDED: Final = (b"anthropic-beta", b"anthropic-version", *TRACE)
ANTHROPIC_PATHS: Final = {"chat": "/messages", "count_tokens": "/messages/count_tokens"}

GEMINI_METHODS: Final = {
    "chat": "generateContent",
    "count_tokens": "countTokens",
    "embedding": "batchEmbedContents",
}
GEMINI_STREAM: Final = "streamGenerateContent?alt=sse"


def add_anthropic_version(
    fields: Fields, forwarded: Headers, headers: tuple[tuple[str, str], ...]
) -> None:
    """The API refuses requests without one; the client's comes first, then the operator's."""
    if b"anthropic-version" in forwarded:
        return
    if not any(name.lower() == "anthropic-version" for name, _ in headers):
        fields.append(("anthropic-version", ANTHROPIC_VERSION))
