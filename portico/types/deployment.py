"""Whom we call and how requests are spread over them. Immutable; state lives in `routing`."""

from typing import Literal

import msgspec

from portico.types.http import Origin, Timeouts
from portico.types.secret import Secret

Operation = Literal[
    "chat",
    "count_tokens",
    "completion",
    "embedding",
    "response",
    "moderation",
    "rerank",
    "image",
    "speech",
]
"""What a request asks for, apart from the dialect it is asked in."""


class MessageRules(msgspec.Struct, frozen=True, kw_only=True):
    """What messages of OpenAI's shape a provider takes less than OpenAI; see `openai_chat.fitting`.

    `refused` are fields of a message that it answers with an error, `roles` those it knows by
    another name. `call_id_length` is the number of letters and digits that the id of a call must
    have; `thinks_in_parts`: it takes reasoning back as parts of the content.
    """

    refused: tuple[str, ...] = ()
    roles: tuple[tuple[str, str], ...] = ()
    call_id_length: int | None = None
    thinks_in_parts: bool = False


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """An address, a credential and a dialect. `type` names a row of the catalog."""

    name: str
    type: str
    dialect: str
    origin: Origin
    base_path: str
    """Path prefix without a trailing slash, such as `/v1`."""
    api_key: Secret
    auth: str = "bearer"
    """How the credential travels: `bearer`, `header:<name>`, `query:<name>` or `none`."""
    headers: tuple[tuple[str, str], ...] = ()
    """Extra fields for every request, in order."""
    probe: "ProbePolicy | None" = None
    """Is it asked how it does, beside the calls that it gets?"""
    api_version: str | None = None
    """Where the address has a version in its query (Azure)."""
    renamed_params: tuple[tuple[str, str], ...] = ()
    refused_params: tuple[str, ...] = ()
    message_rules: MessageRules | None = None
    no_media_urls: tuple[str, ...] = ()
    """Dialects in which it takes media as data only, though the dialect has a place for URLs."""
    settings: tuple[tuple[str, Secret], ...] = ()
    """What only some types need, such as a project, by the names in their row of the catalog."""
    tags: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    """Further dialects that it offers at addresses of their own."""
    messages_path: str | None = None
    """Path prefix of Anthropic's API, where that is not below `base_path`."""
    stateless_responses: bool = False
    """Does its Responses endpoint keep no answer that could be continued?"""
    custom_tools: bool = False
    """Does it take tools of free text in Chat Completions?"""
    for_mistrals_sdk: bool = False
    """Is what Mistral's SDK says and expects its own?"""

    def setting(self, name: str) -> str | None:
        return next((value.reveal() for key, value in self.settings if key == name), None)


class Limits(msgspec.Struct, frozen=True):
    """Per deployment; `None` is unlimited. `rpm` and `tpm` are per minute. `adaptive` finds out how
    many it takes at once, within `max_concurrent_requests`.
    """

    rpm: int | None = None
    tpm: int | None = None
    max_concurrent_requests: int | None = None
    adaptive: Literal["aimd", "gradient"] | None = None


class ProbePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider's health is asked for; `endpoint` is a path on its host, or the list of models
    if unset. After `failure_threshold` failures in a row it is left alone for `recovery_s`, or
    until it answers well.
    """

    interval_s: float
    timeout_s: float
    failure_threshold: int
    recovery_s: float
    endpoint: str | None
    expected_codes: tuple[int, ...]


class CircuitPolicy(msgspec.Struct, frozen=True):
    """When a failing deployment is left alone, and for how long.

    It opens after `failure_threshold` failures in a row, or when more than `error_rate` of at least
    `min_requests` attempts within `window_s` failed. It stays open for `open_s` times the number of
    openings, jittered, at most `max_open_s`; then it is tried, and `success_threshold`
    successes close it.
    """

    failure_threshold: int = 5
    error_rate: float = 0.5
    min_requests: int = 20
    window_s: float = 10.0
    open_s: float = 3.0
    max_open_s: float = 60.0
    success_threshold: int = 2


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """Provider + model + limits: a thing a request can be sent to."""

    id: str
    """`<provider name>/<model>`: what `x-portico-deployment` shows."""
    provider: Provider
    model: str
    dialects: tuple[str, ...] = ()
    """What this model is spoken to in, the usual one first; empty is as its provider speaks."""
    weight: float = 1.0
    priority: int = 0
    order: int = 0
    """The tier: a higher one is used only while no deployment of a lower one is eligible."""
    limits: Limits = Limits()
    circuit: CircuitPolicy = CircuitPolicy()
    region: str | None = None
    tags: tuple[str, ...] = ()
    abilities: frozenset[str] | None = None
    """What the model can do (`vision`, `tools` …); `None`: nobody knows, which excludes nothing."""
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    price_key: str | None = None
    """The catalog entry that prices it; `None` where the catalog knows no such model."""

    @property
    def speaks(self) -> tuple[str, ...]:
        """The dialects that it is offered in; translations are written in the first."""
        return self.dialects or (self.provider.dialect, *self.provider.also)


class Fallbacks(msgspec.Struct, frozen=True):
    """Other routes to try, by cause; each a list of public names, tried in order."""

    general: tuple[str, ...] = ()
    context_window: tuple[str, ...] = ()
    content_policy: tuple[str, ...] = ()
    rate_limit: tuple[str, ...] = ()


class RetryPolicy(msgspec.Struct, frozen=True):
    """`max_attempts` counts every upstream try of a call, fallbacks included.

    No attempt begins later than `deadline_s` after the call came. Extra attempts of the whole route
    stay within `budget_ratio` of its calls over ten seconds, but `budget_floor` are always allowed.
    """

    max_attempts: int = 3
    base_delay_s: float = 0.1
    max_delay_s: float = 5.0
    deadline_s: float = 300.0
    budget_ratio: float = 0.2
    budget_floor: int = 3


class HedgePolicy(msgspec.Struct, frozen=True):
    """A second copy goes out when the first event takes longer than `after_s`, or if that is `None`
    than 95 in 100 calls took there; for at most `budget` of a route's calls, and only where the
    copy is expected to cost no more than `max_cost_nanousd`.
    """

    after_s: float | None = None
    budget: float = 0.05
    max_cost_nanousd: int | None = None


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A public model name and where it leads."""

    name: str
    deployments: tuple[Deployment, ...]
    strategy: str
    fallbacks: Fallbacks = Fallbacks()
    timeouts: Timeouts = Timeouts()
    retry: RetryPolicy = RetryPolicy()
    refuses_unsupported: bool = False
    """Is a field that a provider cannot be told an error? Else it is dropped and named."""
    affinity: bool = False
    """Keep a session on one deployment while its load allows: provider prompt caches hit."""
    hedge: HedgePolicy | None = None
    coalesce: bool = False
    """Do identical deterministic requests of one key that are in flight share one answer?"""
    buffered: bool = False
    """Hold each streamed answer back until it is whole, so that a broken one may begin anew."""
    max_cost_nanousd: int | None = None
    """The most that a call may be expected to cost; deployments where it would be more, or that
    have no price, are left out."""
