"""One client request and all that is done for it."""

import msgspec

from portico.types.usage import Spend, Usage


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
