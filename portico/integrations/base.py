"""What integrations see, and what the engine may ask of them: events, Protocols, errors.

An `Integration` observes; it never changes or stops a request. It has a `name`, says whether it
`is_enabled` and how it wants to be called (`delivery`), and defines those of the hooks in `HOOKS`
that it cares for: plain functions that take one frozen event and return at once. Nothing is
inherited.

Events are frozen, one per happening, built only if somebody listens.

Names and fields are those of litellm-rs 0.4.16 (`core/traits/integration.rs`), plus cached,
cache-write and reasoning tokens, attempt, route, key, team and error class. LLM events are per
attempt: start and end of one attempt carry the same model and provider. `timestamp_ms` is Unix
time.
"""

import time
from collections.abc import Mapping
from typing import Any, Literal, Protocol

import msgspec

from portico.errors import GatewayFault


class IntegrationError(GatewayFault):
    """An integration cannot do its work: it is set up wrongly, or its backend refused for good."""

    code = "integration_error"


class IntegrationUnavailable(IntegrationError):
    """The backend cannot take it now (down, 429, 5xx); `retry_after_s` is what it asked for."""

    code = "integration_unavailable"
    retryable = True


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
    """`cached_tokens` and `cache_write_tokens` are parts of `input_tokens`, `reasoning_tokens` of
    `output_tokens`. Unknown is `None`; a cost of `None` is unpriced. `cost_nanousd` is exact and
    goes before `cost_usd`.
    """

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


Event = (
    LlmStartEvent
    | LlmEndEvent
    | LlmErrorEvent
    | LlmStreamEvent
    | EmbeddingStartEvent
    | EmbeddingEndEvent
    | EmbeddingErrorEvent
    | CacheHitEvent
    | CacheMissEvent
)

HOOKS: Mapping[str, type[Event]] = {
    "on_llm_start": LlmStartEvent,
    "on_llm_end": LlmEndEvent,
    "on_llm_error": LlmErrorEvent,
    "on_llm_stream": LlmStreamEvent,
    "on_embedding_start": EmbeddingStartEvent,
    "on_embedding_end": EmbeddingEndEvent,
    "on_embedding_error": EmbeddingErrorEvent,
    "on_cache_hit": CacheHitEvent,
    "on_cache_miss": CacheMissEvent,
}
"""Every hook an integration may define, and the event it takes."""

Delivery = Literal["inline", "queued"]


class Integration(Protocol):
    """An observer. Besides these members it defines the hooks of `HOOKS` that it wants.

    `delivery` of `inline` calls the hooks on the request path: for counters in memory, which take
    microseconds and do no I/O. `queued` calls them from the integration's own worker, a batch at a
    time, each batch followed by `flush`.
    """

    @property
    def name(self) -> str: ...

    @property
    def is_enabled(self) -> bool: ...

    @property
    def delivery(self) -> Delivery: ...

    async def flush(self) -> None:
        """Deliver what the hooks gathered. Raising keeps it, for the manager's next try; only
        `IntegrationUnavailable`, `OSError` and a time-out are worth one.
        """

    async def shutdown(self) -> None:
        """Release connections; no hook is called afterwards."""


class Discards(Protocol):
    """A queued integration that can forget: asked after the last try of a batch has failed.

    One without `discard` is asked to `flush` again with its next batch, and bounds what it keeps.
    """

    def discard(self) -> None: ...


class Observers(Protocol):
    """What the engine sees of all integrations together; `manager.IntegrationManager` is one.

    Read a `wants_` flag before building its event. No method raises, blocks or awaits.
    """

    wants_llm_start: bool
    wants_llm_end: bool
    wants_llm_error: bool
    wants_llm_stream: bool
    wants_embedding_start: bool
    wants_embedding_end: bool
    wants_embedding_error: bool
    wants_cache_hit: bool
    wants_cache_miss: bool

    def llm_start(self, event: LlmStartEvent, /) -> None: ...
    def llm_end(self, event: LlmEndEvent, /) -> None: ...
    def llm_error(self, event: LlmErrorEvent, /) -> None: ...
    def llm_stream(self, event: LlmStreamEvent, /) -> None: ...
    def embedding_start(self, event: EmbeddingStartEvent, /) -> None: ...
    def embedding_end(self, event: EmbeddingEndEvent, /) -> None: ...
    def embedding_error(self, event: EmbeddingErrorEvent, /) -> None: ...
    def cache_hit(self, event: CacheHitEvent, /) -> None: ...
    def cache_miss(self, event: CacheMissEvent, /) -> None: ...


class IntegrationStats(msgspec.Struct, frozen=True):
    """How one integration fares: events handed over, lost to its failures, refused by its full
    queue, and waiting now.
    """

    name: str
    delivered: int = 0
    failed: int = 0
    dropped: int = 0
    waiting: int = 0


QueueRefusal = Literal["full", "displaced", "timeout"]
"""No room on arrival; pushed out of the line by whoever had more right; waited too long."""
HedgeOutcome = Literal["won", "lost", "failed"]
SharedOutcome = Literal["answer", "error"]


class Meters(Protocol):
    """The gateway's own figures, as the engine and the API feed them; `GatewayMetrics` is one."""

    def http_request(
        self, endpoint: str, status: int, seconds: float, overhead_s: float | None = None
    ) -> None:
        """`overhead_s`: what a call took in the gateway itself, without waiting for providers."""

    def attempt(self, outcome: str) -> None:
        """`outcome` is `success` or a code of `portico.errors`."""

    def unpriced(self, model: str) -> None: ...

    def media(self, outcome: str) -> None:
        """A file by URL for a provider that takes only data; `outcome` of `types.media`."""

    def journal_failed(self) -> None: ...

    def queued(self, seconds: float) -> None:
        """A call has waited so long in line and got a place."""

    def queue_refused(self, reason: QueueRefusal) -> None: ...

    def hedged(self, outcome: HedgeOutcome) -> None:
        """A second copy of a call has ended."""

    def shared(self, outcome: SharedOutcome) -> None:
        """A call got what an identical one that was under way got."""

    def health_checked(self, provider: str, verdict: str) -> None: ...
