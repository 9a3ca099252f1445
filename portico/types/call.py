"""One client request and all that is done for it."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from portico.types.deployment import Deployment, Operation, Route
from portico.types.http import Request, Responder
from portico.types.identity import Principal
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


class Envelope(msgspec.Struct):
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

    @property
    def output_limit(self) -> int | None:
        """The most output tokens the caller will take, under whichever name it was said."""
        return self.max_completion_tokens or self.max_output_tokens or self.max_tokens


class Attempt:
    """One upstream try while it happens; frozen into an `AttemptRecord` at settlement.

    Times are seconds of the monotonic clock; `outcome` stays `None` until the attempt has ended.
    """

    __slots__ = (
        "deployment",
        "ended_at",
        "first_byte_at",
        "number",
        "outcome",
        "partial",
        "spend",
        "started_at",
        "status",
        "usage",
    )

    def __init__(self, number: int, deployment: Deployment, started_at: float) -> None:
        self.number = number
        self.deployment = deployment
        self.started_at = started_at
        self.first_byte_at: float | None = None
        self.ended_at: float | None = None
        self.status: int | None = None
        self.outcome: str | None = None
        self.usage: Usage | None = None
        self.spend: Spend | None = None
        self.partial = False


class Call:
    """The one mutable object of a request, owned by `engine.pipeline`.

    `id` is the gateway's own and unique; `request_id` is what the client sees and may have
    chosen. `received_at` is monotonic, `at` is UTC epoch seconds. `upstream_s` is the time spent
    waiting for providers; the rest of a call's time is the gateway's overhead.
    """

    __slots__ = (
        "at",
        "attempts",
        "dropped_params",
        "endpoint",
        "envelope",
        "id",
        "is_settled",
        "principal",
        "received_at",
        "request",
        "request_id",
        "responder",
        "route",
        "status",
        "streamed",
        "upstream_s",
    )

    principal: Principal
    envelope: Envelope
    route: Route

    def __init__(
        self,
        *,
        id: str,
        request_id: str,
        endpoint: InferenceEndpoint,
        request: Request,
        responder: Responder,
        received_at: float,
        at: float,
    ) -> None:
        self.id = id
        self.request_id = request_id
        self.endpoint = endpoint
        self.request = request
        self.responder = responder
        self.received_at = received_at
        self.at = at
        self.attempts: list[Attempt] = []
        self.dropped_params: tuple[str, ...] = ()
        self.status = 0
        self.streamed = False
        self.upstream_s = 0.0
        self.is_settled = False


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
