"""Dialects that are no OpenAI's and still pass as bytes where both sides speak them.

A row says what is read on the way: usage and errors of whole answers, and whatever looks at a
stream. Adding one is a row here and a module `native` in the dialect's package. The same dialects
can be asked how long a prompt is.
"""

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from portico.errors import UpstreamError
from portico.types.chat import ChatRequest, Home
from portico.types.http import HttpHead
from portico.types.usage import Usage
from portico.wire.anthropic_messages import dialect as anthropic_messages
from portico.wire.anthropic_messages import errors as anthropic_errors
from portico.wire.anthropic_messages import native as anthropic
from portico.wire.base import Unsupported
from portico.wire.cohere_chat import errors as cohere_errors
from portico.wire.cohere_chat import native as cohere
from portico.wire.gemini_generate import dialect as gemini_generate
from portico.wire.gemini_generate import errors as gemini_errors
from portico.wire.gemini_generate import native as gemini
from portico.wire.ollama_chat import errors as ollama_errors
from portico.wire.ollama_chat import native as ollama
from portico.wire.tap import Tap


class Native(msgspec.Struct, frozen=True):
    read_usage: Callable[[bytes], Usage | None]
    read_error: Callable[[HttpHead, bytes], UpstreamError]
    tap: Callable[[], Tap]
    array_tap: Callable[[], Tap]
    """For a client that streams without server-sent events, where the dialect knows that."""


NATIVES: Final[dict[str, Native]] = {
    "anthropic_messages": Native(
        anthropic.read_answer_usage, anthropic_errors.read_error, anthropic.tap, anthropic.tap
    ),
    "cohere_chat": Native(
        cohere.read_answer_usage, cohere_errors.read_error, cohere.tap, cohere.tap
    ),
    "gemini_generate": Native(
        gemini.read_answer_usage, gemini_errors.read_error, gemini.tap, gemini.ArrayTap
    ),
    "ollama_chat": Native(
        ollama.read_answer_usage, ollama_errors.read_error, ollama.LineTap, ollama.LineTap
    ),
}


class TokenCounter(Protocol):
    """A dialect that can be asked for the tokens of a prompt."""

    def read_count_tokens(self, body: bytes, /, *, model: str | None = None) -> ChatRequest: ...

    def write_count_tokens(
        self, request: ChatRequest, /, *, unsupported: Unsupported, home: Home | None = None
    ) -> bytes: ...

    def read_token_count(self, body: bytes, /) -> int: ...

    def write_token_count(self, input_tokens: int, /) -> bytes: ...

    def read_error(self, head: HttpHead, body: bytes, /) -> UpstreamError: ...


COUNTERS: Final[dict[str, TokenCounter]] = {
    "anthropic_messages": anthropic_messages,
    "gemini_generate": gemini_generate,
}
