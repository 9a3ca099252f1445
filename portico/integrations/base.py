"""What integrations see: the events, and the Protocol of who observes them.

Events are frozen, one per happening, built only if somebody listens.

Names and fields are the reference's (litellm-rs 0.4.16, `core/traits/integration.rs`), plus cached,
cache-write and reasoning tokens, attempt, route, key, team and error class. LLM events are per
attempt: start and end of one attempt carry the same model and provider. `timestamp_ms` is Unix time.
"""

import time
from typing import Any

import msgspec


def now_ms() -> int:
    return int(time.time() * 1000)


class LlmStartEvent(msgspec.Struct, frozen=True):
    request_id: str
    model: str
    provider: str | None = None
    input: Any = None
    parameters: dict[str, Any] = {}
    user_id: str | None = None
    session_id: str | None = None
    metadata: dict[str, Any] = {}
    tags: tuple[str, ...] = ()
    attempt: int = 1
    route: str | None = None
    deployment: str | None = None
    key: str | None = None
    team: str | None = None
    timestamp_ms: int = msgspec.field(default_factory=now_ms)


class LlmEndEvent(msgspec.Struct, frozen=True):
    request_id: str
    model: str
    provider: str | None = None
    output: Any = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    latency_ms: float = 0.0
    ttft_ms: float | None = None
    metadata: dict[str, Any] = {}
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_nanousd: int | None = None
    attempt: int = 1
    route: str | None = None
    deployment: str | None = None
    key: str | None = None
    team: str | None = None
    estimated: bool = False
    timestamp_ms: int = msgspec.field(default_factory=now_ms)


class LlmErrorEvent(msgspec.Struct, frozen=True):
    """`error_type` is a code of `portico.errors`, or `cancelled`: a closed set, fit for a label."""

    request_id: str
    model: str
    provider: str | None = None
    error_message: str = ""
    error_type: str | None = None
    status_code: int | None = None
    retryable: bool = False
    metadata: dict[str, Any] = {}
    latency_ms: float = 0.0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    cost_nanousd: int | None = None
    attempt: int = 1
    route: str | None = None
    deployment: str | None = None
    key: str | None = None
    team: str | None = None
    timestamp_ms: int = msgspec.field(default_factory=now_ms)


class LlmStreamEvent(msgspec.Struct, frozen=True):
    request_id: str
    chunk_index: int
    content: str
    is_final: bool = False
    tokens_so_far: int | None = None
    timestamp_ms: int = msgspec.field(default_factory=now_ms)


class EmbeddingStartEvent(msgspec.Struct, frozen=True):
    request_id: str
    model: str
    provider: str | None = None
    input_count: int = 0
    user_id: str | None = None
    attempt: int = 1
    route: str | None = None
    key: str | None = None
    team: str | None = None
    timestamp_ms: int = msgspec.field(default_factory=now_ms)


class EmbeddingEndEvent(msgspec.Struct, frozen=True):
    request_id: str
    model: str
    provider: str | None = None
    total_tokens: int | None = None
    cost_usd: float | None = None
    latency_ms: float = 0.0
    cost_nanousd: int | None = None
    attempt: int = 1
    route: str | None = None
    key: str | None = None
    team: str | None = None
    timestamp_ms: int = msgspec.field(default_factory=now_ms)


class EmbeddingErrorEvent(msgspec.Struct, frozen=True):
    request_id: str
    model: str
    provider: str | None = None
    error_message: str = ""
    error_type: str | None = None
    status_code: int | None = None
    retryable: bool = False
    latency_ms: float = 0.0
    attempt: int = 1
    route: str | None = None
    key: str | None = None
    team: str | None = None
    timestamp_ms: int = msgspec.field(default_factory=now_ms)


class CacheHitEvent(msgspec.Struct, frozen=True):
    request_id: str
    cache_key: str
    cache_backend: str = "memory"
    time_saved_ms: float | None = None
    cost_saved_usd: float | None = None
    timestamp_ms: int = msgspec.field(default_factory=now_ms)


class CacheMissEvent(msgspec.Struct, frozen=True):
    request_id: str
    cache_key: str
    cache_backend: str = "memory"
    timestamp_ms: int = msgspec.field(default_factory=now_ms)
