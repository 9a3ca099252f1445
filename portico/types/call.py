"""One client request and all that is done for it."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from portico.errors import MediaNotFetched
from portico.types.chat import ChatRequest, DataSource, TextSource
from portico.types.deployment import Deployment, Operation, Route
from portico.types.http import Request, Responder, Timeouts
from portico.types.identity import Principal
from portico.types.media import MediaUrl
from portico.types.usage import Spend, Usage


class InferenceEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the API that leads to a provider.

    `path` is what clients use after an optional prefix (`/v1`, `/openai/v1`) and what is appended
    to a provider's base path. `default_model` stands in where the protocol lets clients leave it
    out.
    """

    name: str
    path: str
    operation: Operation
    dialect: str
    summary: str
    streams: bool = False
    binary: bool = False
    """The answer is media, not JSON: handed over as it arrives."""
    default_model: str | None = None
    shape: str | None = None
    """What is spoken here that is not the dialect's chat: a row of the tables of `wire`."""
    framing: Literal["sse", "lines"] = "sse"
    """How a stream is cut, unless the address says it."""
    streams_unless_told: bool = False
    """Is a request that says nothing of streaming one for a stream?"""


class Addressed(msgspec.Struct, frozen=True):
    """What dialects that say it in the path, not in the body, have said of a call.

    `framing` is how a stream is to be cut: server-sent events, or one JSON array that grows.
    """

    model: str
    stream: bool
    framing: Literal["sse", "json"] = "sse"


class Envelope(msgspec.Struct, frozen=True):
    """The few fields of a request body that decide where it goes; everything else stays bytes."""

    model: str | None = None
    stream: bool | None = None
    stream_options: Any | UnsetType = UNSET
    user: str | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    n: int | None = None
    service_tier: str | None = None
    previous_response_id: str | None = None
    store: Any = None

    @property
    def output_limit(self) -> int | None:
        """The most output tokens the caller will take, under whichever name it was said."""
        return self.max_completion_tokens or self.max_output_tokens or self.max_tokens


NOBODY = Principal(key_id="", name="")
NOTHING = Envelope()
NOWHERE = Route(name="", deployments=(), strategy="")
"""What a call has before the pipeline finds who asks, what for, and where it goes."""


class Attempt(msgspec.Struct, eq=False):
    """One upstream try while it happens; frozen into an `AttemptRecord` at settlement.

    Times are seconds of the monotonic clock; `outcome` stays `None` until the attempt has ended.
    """

    number: int
    deployment: Deployment
    started_at: float
    first_byte_at: float | None = None
    ended_at: float | None = None
    status: int | None = None
    outcome: str | None = None
    usage: Usage | None = None
    spend: Spend | None = None
    partial: bool = False


class Call(msgspec.Struct, eq=False):
    """The one mutable object of a request, owned by `engine.pipeline`.

    `id` is the gateway's own and unique; `request_id` is what the client sees and may have chosen.
    `received_at` is monotonic, `at` is UTC epoch seconds. `upstream_s` is the time spent waiting
    for providers; the rest of a call's time is the gateway's overhead. `principal`, `envelope` and
    `route` are there from the pipeline's step on that finds them.
    """

    id: str
    request_id: str
    endpoint: InferenceEndpoint
    request: Request
    responder: Responder
    received_at: float
    at: float
    principal: Principal = NOBODY
    envelope: Envelope = NOTHING
    route: Route = NOWHERE
    attempts: list[Attempt] = []
    addressed: Addressed | None = None
    chat: ChatRequest | None = None
    """The body in the canonical form, read on first need and kept."""
    media: dict[MediaUrl, DataSource | TextSource | MediaNotFetched] | None = None
    """What was fetched for providers that take no URLs, and why not; `None` if none was needed."""
    dropped_params: Sequence[str] = ()
    explained: tuple[str, ...] = ()
    """Why each choice fell as it did, as JSON, if the client asked and may know."""
    status: int = 0
    streamed: bool = False
    upstream_s: float = 0.0
    overhead_s: float | None = None
    """The gateway's own time until the answer's head went out; `None` if none did."""
    timeouts: Timeouts | None = None
    """Those of the fallback that the call is on; `None` while it is on its own route."""
    is_settled: bool = False
    task: Any = None
    """The `asyncio.Task` that runs it."""

    @property
    def refuses_unsupported(self) -> bool:
        """Is a request field that the provider's dialect cannot express an error? The client may
        say. What an answer has and the client's dialect cannot express is only ever named: it is
        paid for.
        """
        asked = self.request.headers.get(b"x-portico-unsupported-params")
        return asked == b"error" or (self.route.refuses_unsupported and asked != b"drop")


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One upstream try, as the journal keeps it. `outcome` is `success` or a code of `errors`."""

    number: int
    deployment: str
    outcome: str
    status: int | None = None
    latency_ms: float = 0.0
    ttft_ms: float | None = None
    usage: Usage | None = None
    spend: Spend | None = None
    partial: bool = False


class CallRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call, as the journal keeps it: written once, before the client sees the last byte.

    `id` is the gateway's own and unique; `request_id` is what the client may have chosen.
    `at` is UTC epoch seconds of arrival. `status` is what the client was answered.
    """

    id: str
    request_id: str
    at: float
    operation: str
    key_id: str
    route: str
    status: int
    streamed: bool = False
    duration_ms: float = 0.0
    cost_nanousd: int | None = None
    user: str | None = None
    team: str | None = None
    attempts: tuple[AttemptRecord, ...] = ()
