"""What is measured: the rows of the table, the same for every contender."""

from dataclasses import dataclass

import clients
from clients import CLIENTS, Client
from providers import is_verbatim

KEY = "sk-bench-0123456789abcdef"


@dataclass(frozen=True)
class Case:
    """A few rows of the table. `connections` keep the gateway's core busy; `client` and `provider`
    are the dialects of both sides.
    """

    name: str
    title: str
    connections: int
    stream: bool = False
    large: bool = False
    pace_us: int = 0
    client: str = "openai_chat"
    provider: str = "openai_chat"

    @property
    def asker(self) -> Client:
        return CLIENTS[self.client]

    @property
    def is_translated(self) -> bool:
        return self.client != self.provider

    def body(self, model: str) -> bytes:
        return self.asker.body(model, stream=self.stream, large=self.large)

    def fault(self, status: int, body: bytes, *, is_forwarded: bool) -> str | None:
        """What is wrong with an answer, or None; a plain proxy gives the provider's own."""
        if not is_forwarded:
            return clients.fault(self.client, status, body, stream=self.stream, large=self.large)
        is_same = is_verbatim(self.provider, body, stream=self.stream, large=self.large)
        return None if is_same else f"status {status}, other bytes: {body[:200]!r}"


CASES = (
    Case("whole", "0.6 KB → 1 KB", connections=32),
    Case("large", "16 KB → 16 KB", connections=32, large=True),
    Case("stream", "stream of 51 chunks", connections=64, stream=True),
    Case("paced", "the same, a chunk each 5 ms", connections=96, stream=True, pace_us=5000),
    Case(
        "translated",
        "OpenAI client, Anthropic provider",
        connections=32,
        provider="anthropic_messages",
    ),
    Case(
        "translated-stream",
        "the same, stream of 51 chunks",
        connections=64,
        stream=True,
        provider="anthropic_messages",
    ),
    Case(
        "translated-paced",
        "the same, a chunk each 5 ms",
        connections=96,
        stream=True,
        pace_us=5000,
        provider="anthropic_messages",
    ),
)
