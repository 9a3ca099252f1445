"""The whole configuration as typed, frozen Structs: every key, default, range and meaning.

The loader, the page `docs/configuration.md`, the JSON Schema for editors and the names of the
environment variables are all derived from here, so a new setting is one field. Keys, defaults and
ranges of the common part are those of litellm-rs 0.4.16 (https://docs.rs/litellm-rs/0.4.16, read
2026-11-23); where a default differs, the description says why.

What `Meta(extra=...)` may hold, for `decode`: `unused` (a notice for whoever changes the setting:
it has no effect here, and what does instead), `harmless` (values that need no such notice), `fold`
(lower case), `choices` (a table of allowed words) and `mapping_key` (a mapping with that key stands
for its value). A Struct's class variable `shorthand` names the field that a plain scalar stands
for; `unknown = "notice"` accepts keys that it does not know.
"""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from portico.types.deployment import CircuitPolicy, RetryPolicy
from portico.types.http import Timeouts
from portico.types.secret import Secret

STRATEGIES: dict[str, str] = {
    "adaptive": "adaptive",
    "simple_shuffle": "simple_shuffle",
    "weighted": "simple_shuffle",
    "random": "simple_shuffle",
    "round_robin": "round_robin",
    "least_busy": "least_busy",
    "least_connections": "least_busy",
    "usage_based": "usage_based",
    "latency_based": "latency_based",
    "least_latency": "latency_based",
    "priority_based": "priority_based",
    "priority": "priority_based",
    "cost_based": "cost_based",
    "least_cost": "cost_based",
    "rate_limit_aware": "rate_limit_aware",
}
"""Every accepted spelling and the strategy it means: the one list in the configuration."""

DIALECTS: dict[str, str] = {
    name: name
    for name in (
        "openai_chat",
        "openai_responses",
        "anthropic_messages",
        "gemini_generate",
        "bedrock_converse",
        "bedrock_invoke",
        "cohere_chat",
        "ollama_chat",
    )
}
"""What a provider may be said to speak."""

ABILITIES: dict[str, str] = {"vision": "vision", "tools": "tools"}
"""What a request can be seen to need."""

UNSUPPORTED: dict[str, str] = {"drop": "drop", "error": "error"}

LOG_LEVELS: dict[str, str] = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    "critical": "critical",
}
LOG_FORMATS: dict[str, str] = {"text": "text", "json": "json", "structured": "json"}

Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=1)]
NonEmpty = Annotated[str, Meta(min_length=1)]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
PositiveSeconds = Annotated[float, Meta(gt=0, le=86_400)]
_TIMERS, _RETRY, _CIRCUIT = Timeouts(), RetryPolicy(), CircuitPolicy()

Price = Annotated[Decimal, Meta(extra={"ge": 0})]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A closed mapping: an unknown key is a problem, unless the class says `unknown = "notice"`."""

    shorthand: ClassVar[str | None] = None
    unknown: ClassVar[str] = "problem"


class TlsConfig(Section, frozen=True, kw_only=True):
    cert_file: Annotated[NonEmpty, Meta(description="Certificate chain, PEM.")]
    key_file: Annotated[NonEmpty, Meta(description="Private key, PEM.")]
    ca_file: Annotated[
        NonEmpty | None, Meta(description="Authorities of client certificates, PEM.")
    ] = None
    require_client_cert: Annotated[
        bool, Meta(description="Refuse clients without a valid certificate.")
    ] = False
    http2: Annotated[
        bool,
        Meta(
            description="Offer HTTP/2 to clients.",
            extra={"unused": "Portico speaks HTTP/1.1 to clients; put a proxy in front for HTTP/2"},
        ),
    ] = False


class CorsConfig(Section, frozen=True, kw_only=True):
    enabled: Annotated[bool, Meta(description="Answer preflight requests of browsers.")] = True
    allowed_origins: Annotated[
        tuple[NonEmpty, ...], Meta(description="Origins that may call; `*` is any.")
    ] = ()
    allowed_methods: Annotated[
        tuple[NonEmpty, ...], Meta(description="Methods that a preflight allows.")
    ] = ("GET", "POST", "PUT", "DELETE", "OPTIONS")
    allowed_headers: Annotated[
        tuple[NonEmpty, ...],
        Meta(
            description="Request headers that a preflight allows. Unlike the reference, those that "
            "carry a key are among the defaults."
        ),
    ] = ("authorization", "content-type", "x-requested-with", "x-api-key", "api-key")
    max_age: Annotated[
        int, Meta(description="Seconds a browser may keep the answer.", ge=0, le=4_294_967_295)
    ] = 3600
    allow_credentials: Annotated[
        bool, Meta(description="Let browsers send cookies; not together with origin `*`.")
    ] = False


class ServerLimits(Section, frozen=True, kw_only=True):
    header_timeout: Annotated[
        PositiveSeconds, Meta(description="Seconds a client has for its request head.")
    ] = 10.0
    body_timeout: Annotated[
        PositiveSeconds, Meta(description="Seconds a client has for its request body.")
    ] = 60.0
    keep_alive: Annotated[
        PositiveSeconds, Meta(description="Seconds an idle client connection is kept.")
    ] = 75.0
    max_in_flight: Annotated[
        Count | None,
        Meta(
            description="Calls under way at once; unset is no limit. Those beyond wait in line, "
            "then get 503 with `retry-after`."
        ),
    ] = None
    max_queued: Annotated[
        int,
        Meta(description="Calls that may wait in line when `max_in_flight` is reached.", ge=0),
    ] = 100
    queue_timeout: Annotated[
        PositiveSeconds, Meta(description="Seconds that a call waits in line at most.")
    ] = 2.0
    drain_delay: Annotated[
        Seconds,
        Meta(description="Seconds between `not ready` and closing the listener when stopping."),
    ] = 0.0
    drain_timeout: Annotated[
        Seconds, Meta(description="Seconds that running requests have to end when stopping.")
    ] = 30.0


class ServerConfig(Section, frozen=True, kw_only=True):
    host: Annotated[
        NonEmpty,
        Meta(
            description="Address to listen on. Without a configuration file it is 127.0.0.1, so "
            "that a first try is not open to the network."
        ),
    ] = "0.0.0.0"
    port: Annotated[Port, Meta(description="Port to listen on; 0 takes a free one.")] = 8000
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=1000)] | None,
        Meta(
            description="Number of processes.",
            extra={"unused": "Portico runs as one process", "harmless": (1,)},
        ),
    ] = None
    max_connections: Annotated[
        Count | None, Meta(description="Client connections at a time; unset is 10000.")
    ] = None
    max_body_size: Annotated[
        int,
        Meta(description="Largest request body, in bytes. 20 MiB by default.", ge=1, le=1 << 30),
    ] = 20 * 1024 * 1024
    timeout: Annotated[
        Annotated[float, Meta(ge=1, le=3600)],
        Meta(
            description="The reference's request time-out, in seconds.",
            extra={"unused": "use router.timeouts or models[].timeouts, which say what is timed"},
        ),
    ] = 30.0
    stream_idle_timeout: Annotated[
        Seconds,
        Meta(
            description="Seconds a stream may be silent where no `timeouts.idle` says otherwise; 0 "
            "is no limit."
        ),
    ] = 300.0
    dev_mode: Annotated[
        bool,
        Meta(description="Development mode.", extra={"unused": "there is no development mode"}),
    ] = False
    tls: Annotated[
        TlsConfig | None,
        Meta(description="Serve HTTPS with this certificate."),
    ] = None
    cors: Annotated[CorsConfig, Meta(description="Calls from browsers.")] = CorsConfig()
    limits: Annotated[ServerLimits, Meta(description="Time limits towards clients.")] = (
        ServerLimits()
    )
    features: Annotated[
        tuple[str, ...],
        Meta(description="Feature names.", extra={"unused": "features are settings of their own"}),
    ] = ()
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Proxies whose `X-Forwarded-For` is believed.",
            extra={"unused": "Portico decides nothing by client address"},
        ),
    ] = ()


class RetryDelays(Section, frozen=True, kw_only=True):
    """The reference's `providers[].retry`, in milliseconds."""

    base_delay: Annotated[int, Meta(description="First delay, in milliseconds.", ge=0)] = 100
    max_delay: Annotated[int, Meta(description="Longest delay, in milliseconds.", ge=0)] = 5000
    backoff_multiplier: Annotated[
        float,
        Meta(
            description="Growth of the delay from one retry to the next.",
            gt=0,
            extra={"unused": "the delay doubles"},
        ),
    ] = 2.0
    jitter: Annotated[
        float,
        Meta(
            description="Share of the delay that is random.",
            ge=0,
            le=1,
            extra={"unused": "the whole delay is random (full jitter)", "harmless": (0.1,)},
        ),
    ] = 0.0


class HealthCheck(Section, frozen=True, kw_only=True):
    interval: Annotated[int, Meta(description="Seconds between two checks.", ge=1)] = 30
    failure_threshold: Annotated[int, Meta(description="Failures that make it ill.", ge=1)] = 5
    recovery_timeout: Annotated[int, Meta(description="Seconds until it is tried again.", ge=1)] = (
        60
    )
    endpoint: Annotated[str | None, Meta(description="Path to ask.")] = None
    expected_codes: Annotated[
        tuple[Annotated[int, Meta(ge=100, le=599)], ...], Meta(description="Statuses of health.")
    ] = (200,)


class ProviderSettings(Section, frozen=True, kw_only=True):
    unknown: ClassVar[str] = "notice"

    headers: Annotated[
        dict[str, Secret], Meta(description="Header fields added to every request.")
    ] = {}
    custom_headers: Annotated[
        dict[str, Secret], Meta(description="The same as `headers`, by its other name.")
    ] = {}
    model_prefix: Annotated[
        str | None,
        Meta(
            description="Prefix of model names.",
            extra={"unused": "write whole names in `models`"},
        ),
    ] = None
    default_model: Annotated[
        str | None,
        Meta(description="Model to use.", extra={"unused": "list it in the provider's `models`"}),
    ] = None
    pass_through_params: Annotated[
        bool | tuple[str, ...] | None,
        Meta(
            description="Parameters handed on.",
            extra={"unused": "every parameter is handed on", "harmless": (True,)},
        ),
    ] = None
    skip_api_key: Annotated[
        bool | None, Meta(description="Send no credential to this provider.")
    ] = None
    organization: Annotated[
        str | None, Meta(description="The same as the provider's `organization`.")
    ] = None
    timeout: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="Seconds.", extra={"unused": "use the provider's own `timeout`"}),
    ] = None
    max_retries: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Retries.", extra={"unused": "use the provider's own `max_retries`"}),
    ] = None


class ProviderConfig(Section, frozen=True, kw_only=True):
    name: Annotated[NonEmpty, Meta(description="Your name for it; unique, without `/`.")]
    provider_type: Annotated[
        NonEmpty,
        Meta(
            description="What it is: a name that `portico providers` prints.", extra={"fold": True}
        ),
    ]
    api_key: Annotated[
        Secret,
        Meta(description="Its credential; empty takes the provider type's environment variable."),
    ] = Secret("")
    api_keys: Annotated[
        tuple[Secret, ...],
        Meta(
            description="Several credentials instead of `api_key`: each is limited and cooled "
            "apart, and calls are spread over them."
        ),
    ] = ()
    base_url: Annotated[
        str | None,
        Meta(description="Where it is; unset takes the provider type's own address."),
    ] = None
    dialect: Annotated[
        str | None,
        Meta(
            description="What it speaks; unset is what its provider type speaks.",
            extra={"choices": DIALECTS},
        ),
    ] = None
    api_version: Annotated[
        str | None,
        Meta(
            description="Version of its interface, where its address needs one.",
            extra={"unused": "no provider type here has a version in its address"},
        ),
    ] = None
    organization: Annotated[str | None, Meta(description="Sent as `openai-organization`.")] = None
    project: Annotated[str | None, Meta(description="Sent as `openai-project`.")] = None
    weight: Annotated[
        Annotated[float, Meta(gt=0, le=100)],
        Meta(description="Share of the requests it gets under `simple_shuffle`."),
    ] = 1.0
    rpm: Annotated[
        Count | None,
        Meta(description="Requests a minute and model; unset is no limit (the reference: 1000)."),
    ] = None
    tpm: Annotated[
        Count | None,
        Meta(description="Tokens a minute and model; unset is no limit (the reference: 100000)."),
    ] = None
    max_concurrent_requests: Annotated[
        Count | None,
        Meta(
            description="Requests in flight for each model; unset is no limit (the reference: 10)."
        ),
    ] = None
    adaptive_concurrency: Annotated[
        bool,
        Meta(
            description="Find out how many requests it takes at once: fewer after a 429, a "
            "time-out or a late first event, more while all is well; at most "
            "`max_concurrent_requests`."
        ),
    ] = False
    timeout: Annotated[
        Annotated[float, Meta(gt=0, le=3600)] | None,
        Meta(description="Seconds an answer may take to begin: `first_byte` and `first_event`."),
    ] = None
    max_retries: Annotated[
        Annotated[int, Meta(ge=0, le=100)] | None,
        Meta(description="Further tries after the first, where no `retries` says otherwise."),
    ] = None
    retry: Annotated[
        RetryDelays | None,
        Meta(description="Delays between tries, where no `retries` says otherwise."),
    ] = None
    health_check: Annotated[
        HealthCheck | None,
        Meta(
            description="Active checks.",
            extra={"unused": "health is told from the answers; no request is made only to check"},
        ),
    ] = None
    settings: Annotated[ProviderSettings, Meta(description="What only some providers need.")] = (
        ProviderSettings()
    )
    models: Annotated[
        tuple[NonEmpty, ...],
        Meta(
            description="Its models that clients may ask for by their own names; patterns such as "
            "`gpt-*` and `*` are allowed; empty is any."
        ),
    ] = ()
    tags: Annotated[
        tuple[NonEmpty, ...],
        Meta(
            description="Your words about it; a call with `x-portico-tags` goes only where all "
            "of its tags are."
        ),
    ] = ()
    region: Annotated[
        NonEmpty | None,
        Meta(description="Where it works; a call with `x-portico-region` goes only there."),
    ] = None
    enabled: Annotated[bool, Meta(description="False leaves it out.")] = True


class TargetConfig(Section, frozen=True, kw_only=True):
    shorthand: ClassVar[str | None] = "target"

    target: Annotated[NonEmpty, Meta(description="`provider/model`.")]
    weight: Annotated[
        Annotated[float, Meta(gt=0, le=100)] | None,
        Meta(
            description="Share of the requests, the same in every route that names this target; "
            "unset takes the provider's."
        ),
    ] = None
    order: Annotated[
        int,
        Meta(
            description="Its tier: a higher one is used only while no target of a lower one can "
            "be.",
            ge=0,
        ),
    ] = 0
    tags: Annotated[
        tuple[NonEmpty, ...], Meta(description="Tags beside those of its provider.")
    ] = ()

    @property
    def provider(self) -> str:
        return self.target.partition("/")[0]

    @property
    def model(self) -> str:
        return self.target.partition("/")[2]


class FallbacksConfig(Section, frozen=True, kw_only=True):
    """Other models to try, by cause: public names, in order."""

    general: Annotated[tuple[NonEmpty, ...], Meta(description="After any failure.")] = ()
    context_window: Annotated[
        tuple[NonEmpty, ...], Meta(description="When the request is too long.")
    ] = ()
    content_policy: Annotated[
        tuple[NonEmpty, ...], Meta(description="When a content filter refused it.")
    ] = ()
    rate_limit: Annotated[
        tuple[NonEmpty, ...], Meta(description="When the provider's limits are used up.")
    ] = ()


class TimeoutsConfig(Section, frozen=True, kw_only=True):
    """Seconds; unset is inherited: route, then provider, then `router.timeouts`, then built in."""

    connect: Annotated[
        PositiveSeconds | None,
        Meta(description=f"Name look-up, connection and TLS. Built in: {_TIMERS.connect:g}."),
    ] = None
    first_byte: Annotated[
        PositiveSeconds | None,
        Meta(
            description="From the request's end to the answer's first byte. "
            f"Built in: {_TIMERS.first_byte:g}."
        ),
    ] = None
    first_event: Annotated[
        PositiveSeconds | None,
        Meta(
            description="From there to the first piece of a stream. "
            f"Built in: {_TIMERS.first_event:g}."
        ),
    ] = None
    idle: Annotated[
        PositiveSeconds | None,
        Meta(
            description="Between two pieces; comments that only keep a stream open put it off "
            "once. Built in: `server.stream_idle_timeout`."
        ),
    ] = None
    min_rate: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="Least bytes a second of a stream; 0 is none. Built in: 0."),
    ] = None
    rate_window: Annotated[
        PositiveSeconds | None,
        Meta(description=f"Over which `min_rate` is taken. Built in: {_TIMERS.rate_window:g}."),
    ] = None
    total: Annotated[
        PositiveSeconds | None,
        Meta(description=f"From first to last. Built in: {_TIMERS.total:g}."),
    ] = None


class RetriesConfig(Section, frozen=True, kw_only=True):
    """Unset is inherited: route, then provider, then `router.retries`, then built in."""

    max_attempts: Annotated[
        Annotated[int, Meta(ge=1, le=100)] | None,
        Meta(
            description="Upstream tries of one call, fallbacks included. "
            f"Built in: {_RETRY.max_attempts}."
        ),
    ] = None
    base_delay: Annotated[
        Seconds | None,
        Meta(description=f"First delay, in seconds. Built in: {_RETRY.base_delay_s:g}."),
    ] = None
    max_delay: Annotated[
        Seconds | None,
        Meta(description=f"Longest delay, in seconds. Built in: {_RETRY.max_delay_s:g}."),
    ] = None
    deadline: Annotated[
        PositiveSeconds | None,
        Meta(
            description="Seconds after a call came in which a further try may begin. "
            f"Built in: {_RETRY.deadline_s:g}."
        ),
    ] = None
    budget_ratio: Annotated[
        Annotated[float, Meta(ge=0, le=10)] | None,
        Meta(
            description="Further tries of a route as a share of its calls of the last ten "
            f"seconds. Built in: {_RETRY.budget_ratio:g}."
        ),
    ] = None
    budget_floor: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(
            description="Further tries in ten seconds that are always allowed. "
            f"Built in: {_RETRY.budget_floor}."
        ),
    ] = None


class HedgeConfig(Section, frozen=True, kw_only=True):
    """A second copy of a slow call goes to another target; the first good answer is taken, both are
    paid for. `hedge: {}` is enough.
    """

    after: Annotated[
        PositiveSeconds | None,
        Meta(
            description="Seconds without a first event after which it is sent; unset is what 95 "
            "in 100 of the last calls there needed, once 20 are known."
        ),
    ] = None
    budget: Annotated[
        Annotated[float, Meta(ge=0, le=1)],
        Meta(description="Most second copies, as a share of the calls of the last ten seconds."),
    ] = 0.05
    max_cost_usd: Annotated[
        Price | None,
        Meta(description="Only where the copy is expected to cost no more than this, in USD."),
    ] = None


_STRATEGY_META = {"choices": STRATEGIES, "mapping_key": "type"}


class RouteConfig(Section, frozen=True, kw_only=True):
    name: Annotated[
        NonEmpty,
        Meta(description="What clients ask for; `*` in it stands for any text."),
    ]
    targets: Annotated[
        Annotated[tuple[TargetConfig, ...], Meta(min_length=1)],
        Meta(
            description="Where requests go: `provider/model`, or `{target, weight, order, tags}`."
        ),
    ]
    strategy: Annotated[
        str | None,
        Meta(
            description="How a target is chosen; unset takes `router.strategy`.",
            extra=_STRATEGY_META,
        ),
    ] = None
    affinity: Annotated[
        bool | None,
        Meta(
            description="Keep a session on one deployment while its load allows, so that the "
            "provider's prompt cache hits; unset takes `router.load_balancer.sticky_sessions`."
        ),
    ] = None
    unsupported_params: Annotated[
        str | None,
        Meta(
            description="As the setting of that name for all routes.",
            extra={"choices": UNSUPPORTED},
        ),
    ] = None
    fallbacks: Annotated[FallbacksConfig, Meta(description="Where requests go next.")] = (
        FallbacksConfig()
    )
    timeouts: Annotated[TimeoutsConfig, Meta(description="Timers of this route.")] = (
        TimeoutsConfig()
    )
    retries: Annotated[RetriesConfig, Meta(description="Tries of this route.")] = RetriesConfig()
    hedge: Annotated[
        HedgeConfig | None, Meta(description="Second copies of slow calls; unset sends none.")
    ] = None
    coalesce: Annotated[
        bool,
        Meta(
            description="Let identical requests of one key that are in flight at the same time "
            "share one answer, if no chance is in it: embeddings and the like, and whole answers "
            "with `temperature: 0` or a `seed`."
        ),
    ] = False
    buffered: Annotated[
        bool,
        Meta(
            description="Hold each streamed answer back until it is whole, at most 16 MiB: one "
            "that breaks then begins anew elsewhere, unseen, and is paid for."
        ),
    ] = False
    max_cost_usd: Annotated[
        Price | None,
        Meta(
            description="The most that a call may be expected to cost, in USD: targets where it "
            "would be more, or that have no price, are left out. A client may ask for less in "
            "`x-portico-max-cost-usd`."
        ),
    ] = None


class RuleConfig(Section, frozen=True, kw_only=True):
    """What a request must be to take this route; what is left out may be anything. The first rule
    that holds decides.
    """

    route: Annotated[NonEmpty, Meta(description="The public name where it goes instead.")]
    models: Annotated[
        tuple[NonEmpty, ...], Meta(description="Names it may have asked for, or patterns.")
    ] = ()
    keys: Annotated[tuple[NonEmpty, ...], Meta(description="Names of keys, or patterns.")] = ()
    teams: Annotated[tuple[NonEmpty, ...], Meta(description="Teams of keys, or patterns.")] = ()
    tags: Annotated[
        tuple[NonEmpty, ...], Meta(description="All of these are in its `x-portico-tags`.")
    ] = ()
    headers: Annotated[
        dict[str, NonEmpty], Meta(description="Header fields and patterns of their values.")
    ] = {}
    needs: Annotated[
        tuple[Annotated[str, Meta(extra={"choices": ABILITIES})], ...],
        Meta(description="It has pictures (`vision`), or tools."),
    ] = ()
    min_input_tokens: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="At least so long; a token is taken as four bytes of the body."),
    ] = None
    max_input_tokens: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="At most so long.")
    ] = None


class CircuitBreaker(Section, frozen=True, kw_only=True):
    """When a failing deployment is left alone; unset is built in."""

    failure_threshold: Annotated[
        Count | None,
        Meta(
            description="Failures in a row that exclude a deployment. "
            f"Built in: {_CIRCUIT.failure_threshold}."
        ),
    ] = None
    recovery_timeout: Annotated[
        Annotated[float, Meta(gt=0, le=86_400)] | None,
        Meta(
            description="Seconds until an excluded deployment is tried again, more while it goes "
            f"on failing. Built in: {_CIRCUIT.open_s:g} (the reference: 60)."
        ),
    ] = None
    min_requests: Annotated[
        Count | None,
        Meta(
            description=f"Requests within {_CIRCUIT.window_s:g} seconds before a share of failures "
            f"counts. Built in: {_CIRCUIT.min_requests} (the reference: 10)."
        ),
    ] = None
    success_threshold: Annotated[
        Count | None,
        Meta(
            description="Successful trials that end the exclusion. "
            f"Built in: {_CIRCUIT.success_threshold} (the reference: 3)."
        ),
    ] = None


class LoadBalancer(Section, frozen=True, kw_only=True):
    health_check_enabled: Annotated[
        bool,
        Meta(
            description="Leave out deployments that are excluded right now.",
            extra={"unused": "excluded deployments are always left out"},
        ),
    ] = True
    sticky_sessions: Annotated[
        bool,
        Meta(
            description="Keep each session on one deployment while its load allows, where a "
            "route's `affinity` does not say.",
        ),
    ] = False
    session_timeout: Annotated[
        int,
        Meta(
            description="Seconds a session is remembered.",
            ge=0,
            extra={"unused": "sessions are not remembered"},
        ),
    ] = 3600


class RouterConfig(Section, frozen=True, kw_only=True):
    strategy: Annotated[
        str,
        Meta(
            description="How a deployment is chosen where a route does not say: a name, or "
            "`{type: name}`. The reference's default is `round_robin`.",
            extra=_STRATEGY_META,
        ),
    ] = "adaptive"
    timeouts: Annotated[TimeoutsConfig, Meta(description="Timers of every route.")] = (
        TimeoutsConfig()
    )
    retries: Annotated[RetriesConfig, Meta(description="Tries of every route.")] = RetriesConfig()
    circuit_breaker: Annotated[
        CircuitBreaker, Meta(description="When a failing deployment is left alone.")
    ] = CircuitBreaker()
    load_balancer: Annotated[LoadBalancer, Meta(description="The reference's balancer.")] = (
        LoadBalancer()
    )


class KeyConfig(Section, frozen=True, kw_only=True):
    """A key that clients use: either itself or its SHA-256, so that the file need not hold it."""

    name: Annotated[NonEmpty, Meta(description="What logs and metrics call it; unique.")]
    key: Annotated[
        Secret | None,
        Meta(description="The key itself, at least 16 characters, or `sha256:` and its hash."),
    ] = None
    sha256: Annotated[
        Secret | None, Meta(description="SHA-256 of the key, 64 hexadecimal digits.")
    ] = None
    models: Annotated[
        tuple[NonEmpty, ...],
        Meta(description="Models it may ask for: public names, patterns, `*` for all."),
    ] = ("*",)
    expires_at: Annotated[
        datetime | None,
        Meta(description="When it stops working: ISO 8601; UTC if no zone is given."),
    ] = None
    admin: Annotated[bool, Meta(description="Lets it use the admin interface.")] = False
    team: Annotated[str | None, Meta(description="Team that its use is counted for.")] = None
    priority: Annotated[
        int,
        Meta(
            description="Where calls wait in line (`server.limits.max_in_flight`), the higher "
            "goes first.",
            ge=-100,
            le=100,
        ),
    ] = 0
    user: Annotated[str | None, Meta(description="User that its use is counted for.")] = None

    @property
    def digest(self) -> str:
        """The key's SHA-256 as 64 lower-case hexadecimal digits."""
        if self.sha256 is not None:
            return self.sha256.reveal().strip().lower()
        value = self.key.reveal() if self.key is not None else ""
        if value.startswith("sha256:"):
            return value[7:].strip().lower()
        return hashlib.sha256(value.encode()).hexdigest()

    @property
    def expires_at_s(self) -> float | None:
        """UTC epoch seconds."""
        if self.expires_at is None:
            return None
        when = self.expires_at
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


class PrometheusSettings(Section, frozen=True, kw_only=True):
    enabled: Annotated[bool, Meta(description="Count, and show it at `/metrics`.")] = True
    prefix: Annotated[str, Meta(description="What metric names begin with.")] = "litellm"
    labels: Annotated[dict[str, str], Meta(description="Labels added to every series.")] = {}
    per_model_metrics: Annotated[bool, Meta(description="A series for each model.")] = True
    per_provider_metrics: Annotated[bool, Meta(description="A series for each provider.")] = True
    latency_buckets: Annotated[
        tuple[float, ...], Meta(description="Upper bounds of latencies, in milliseconds.")
    ] = (10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
    token_buckets: Annotated[
        tuple[float, ...], Meta(description="Upper bounds of token counts.")
    ] = (10, 50, 100, 500, 1000, 2000, 4000, 8000, 16000)


class IntegrationsConfig(Section, frozen=True, kw_only=True):
    prometheus: Annotated[PrometheusSettings, Meta(description="Prometheus metrics.")] = (
        PrometheusSettings()
    )


class ModelPrice(Section, frozen=True, kw_only=True):
    """USD per million tokens, exact; what is left out keeps the catalog's price."""

    input: Annotated[Price | None, Meta(description="Fresh input tokens.")] = None
    output: Annotated[Price | None, Meta(description="Output tokens.")] = None
    cache_read: Annotated[Price | None, Meta(description="Input read from a cache.")] = None
    cache_write: Annotated[Price | None, Meta(description="Input written to a cache.")] = None
    cache_write_1h: Annotated[
        Price | None, Meta(description="Input written to a cache for an hour.")
    ] = None
    input_audio: Annotated[Price | None, Meta(description="Audio input tokens.")] = None
    cache_read_audio: Annotated[
        Price | None, Meta(description="Audio input read from a cache.")
    ] = None
    input_image: Annotated[Price | None, Meta(description="Image input tokens.")] = None
    reasoning: Annotated[
        Price | None, Meta(description="Reasoning tokens; unset is the price of `output`.")
    ] = None
    output_audio: Annotated[Price | None, Meta(description="Audio output tokens.")] = None
    output_image: Annotated[Price | None, Meta(description="Image output tokens.")] = None


class PricingConfig(Section, frozen=True, kw_only=True):
    source: Annotated[
        NonEmpty | None,
        Meta(
            description="A price file of the reference.",
            extra={"unused": "prices come with Portico; use pricing.models for your own"},
        ),
    ] = None
    models: Annotated[
        dict[str, ModelPrice],
        Meta(
            description="Your prices: by `provider/model` of a deployment, or by a model's name at "
            "every provider."
        ),
    ] = {}


class DatabaseConfig(Section, frozen=True, kw_only=True):
    url: Annotated[Secret, Meta(description="Address.")] = Secret("postgresql://localhost/litellm")
    max_connections: Annotated[int, Meta(description="Connections.", ge=1, le=1000)] = 10
    connection_timeout: Annotated[int, Meta(description="Seconds.", ge=1)] = 5
    ssl: Annotated[bool, Meta(description="Use TLS.")] = False
    enabled: Annotated[
        bool,
        Meta(
            description="Use a database.",
            extra={"unused": "calls are recorded in the journal of `data_dir`, not in a database"},
        ),
    ] = False


class RedisConfig(Section, frozen=True, kw_only=True):
    url: Annotated[Secret, Meta(description="Address.")] = Secret("redis://localhost:6379")
    enabled: Annotated[
        bool,
        Meta(description="Use Redis.", extra={"unused": "state is kept in this process"}),
    ] = False
    max_connections: Annotated[int, Meta(description="Connections.", ge=1)] = 20
    connection_timeout: Annotated[int, Meta(description="Seconds.", ge=1)] = 5
    cluster: Annotated[bool, Meta(description="It is a cluster.")] = False


class VectorDbConfig(Section, frozen=True, kw_only=True):
    db_type: Annotated[str, Meta(description="qdrant, weaviate or pinecone.")] = "qdrant"
    url: Annotated[Secret, Meta(description="Address.")] = Secret("")
    api_key: Annotated[Secret, Meta(description="Credential.")] = Secret("")
    index_name: Annotated[str, Meta(description="Index.")] = ""


class StorageConfig(Section, frozen=True, kw_only=True):
    database: Annotated[DatabaseConfig, Meta(description="The reference's database.")] = (
        DatabaseConfig()
    )
    redis: Annotated[RedisConfig, Meta(description="The reference's Redis.")] = RedisConfig()
    vector_db: Annotated[
        VectorDbConfig | None,
        Meta(
            description="The reference's vector database.",
            extra={"unused": "there is no semantic cache"},
        ),
    ] = None


class RbacConfig(Section, frozen=True, kw_only=True):
    enabled: Annotated[
        bool,
        Meta(
            description="Roles.",
            extra={"unused": "a key may do what its `models` and `admin` say"},
        ),
    ] = False
    default_role: Annotated[str, Meta(description="Role of a new user.")] = "user"
    admin_roles: Annotated[tuple[str, ...], Meta(description="Roles that may do all.")] = (
        "admin",
        "superuser",
    )


class AuthConfig(Section, frozen=True, kw_only=True):
    enable_jwt: Annotated[
        bool, Meta(description="Accept signed tokens; only with a `jwt_secret`.")
    ] = True
    enable_api_key: Annotated[
        bool,
        Meta(
            description="Ask for a key.",
            extra={"unused": "a key is always asked for: an open gateway spends its owner's money"},
        ),
    ] = True
    jwt_secret: Annotated[
        Secret,
        Meta(
            description="What tokens are signed with, at least 32 bytes.",
            extra={"unused": "signed tokens are not accepted; give clients keys under `keys:`"},
        ),
    ] = Secret("")
    jwt_expiration: Annotated[
        int, Meta(description="Seconds a token lives.", ge=300, le=2_592_000)
    ] = 86_400
    api_key_header: Annotated[
        NonEmpty,
        Meta(
            description="Header with the key; `authorization`, `x-api-key` and `api-key` are "
            "always read.",
            extra={
                "fold": True,
                "unused": "keys are read from authorization, x-api-key and api-key",
                "harmless": ("x-api-key", "api-key"),
            },
        ),
    ] = "authorization"
    api_key_hmac_secret: Annotated[
        Secret | None,
        Meta(
            description="Secret of the stored key hashes.",
            extra={"unused": "key hashes are plain SHA-256"},
        ),
    ] = None
    rbac: Annotated[RbacConfig, Meta(description="The reference's roles.")] = RbacConfig()


class MetricsConfig(Section, frozen=True, kw_only=True):
    enabled: Annotated[
        bool,
        Meta(
            description="Answer at `/metrics`.",
        ),
    ] = True
    port: Annotated[
        Port,
        Meta(
            description="The reference's port for metrics.",
            extra={"unused": "metrics are served on server.port"},
        ),
    ] = 9090
    path: Annotated[
        str,
        Meta(
            description="Path of the metrics.",
            extra={"unused": "metrics are served at /metrics"},
        ),
    ] = "/metrics"
    interval_seconds: Annotated[
        int,
        Meta(
            description="The reference's collection interval.",
            ge=1,
            extra={"unused": "metrics are made when they are asked for"},
        ),
    ] = 15
    require_key: Annotated[
        bool,
        Meta(
            description="Ask for a key at `/metrics`. Open by default, as scrapers expect: whoever "
            "reaches the port can then read how much each model and provider is used."
        ),
    ] = False


class TracingConfig(Section, frozen=True, kw_only=True):
    unknown: ClassVar[str] = "notice"

    enabled: Annotated[
        bool, Meta(description="Send traces.", extra={"unused": "traces are not sent"})
    ] = False
    endpoint: Annotated[str | None, Meta(description="Where to.")] = None
    service_name: Annotated[str, Meta(description="Under which name.")] = "litellm-rs"
    sampling_rate: Annotated[float, Meta(description="Share that is sent.", ge=0, le=1)] = 0.1
    jaeger: Annotated[dict[str, Any] | None, Meta(description="Jaeger's own settings.")] = None


class HealthPageConfig(Section, frozen=True, kw_only=True):
    path: Annotated[
        str, Meta(description="Path.", extra={"unused": "health is answered at /health"})
    ] = "/health"
    detailed: Annotated[
        bool,
        Meta(
            description="Tell details.",
            extra={"unused": "/health tells the same to everybody; /status has the details"},
        ),
    ] = True


class LoggingConfig(Section, frozen=True, kw_only=True):
    level: Annotated[
        str, Meta(description="Least level that is written.", extra={"choices": LOG_LEVELS})
    ] = "info"
    format: Annotated[
        str, Meta(description="How a line looks.", extra={"choices": LOG_FORMATS})
    ] = "text"
    outputs: Annotated[
        tuple[Any, ...],
        Meta(
            description="Where lines go.",
            extra={
                "unused": "log lines go to standard error; let the service manager keep them",
                "harmless": (("console",), ({"type": "console"},)),
            },
        ),
    ] = ("console",)


class MonitoringConfig(Section, frozen=True, kw_only=True):
    metrics: Annotated[MetricsConfig, Meta(description="The metrics page.")] = MetricsConfig()
    tracing: Annotated[TracingConfig, Meta(description="The reference's traces.")] = TracingConfig()
    health: Annotated[HealthPageConfig, Meta(description="The health page.")] = HealthPageConfig()
    logging: Annotated[LoggingConfig, Meta(description="Log lines.")] = LoggingConfig()


class CacheConfig(Section, frozen=True, kw_only=True):
    enabled: Annotated[
        bool, Meta(description="Keep answers.", extra={"unused": "answers are not kept"})
    ] = False
    ttl: Annotated[int, Meta(description="Seconds.", ge=0)] = 3600
    max_size: Annotated[int, Meta(description="Entries.", ge=0)] = 1000
    semantic_cache: Annotated[
        bool,
        Meta(description="Match by meaning.", extra={"unused": "there is no semantic cache"}),
    ] = False
    similarity_threshold: Annotated[float, Meta(description="Likeness.", ge=0, le=1)] = 0.95


class RateLimitConfig(Section, frozen=True, kw_only=True):
    enabled: Annotated[
        bool,
        Meta(
            description="Limit clients.",
            extra={"unused": "clients are not limited; providers are, by rpm and tpm"},
        ),
    ] = False
    strategy: Annotated[str, Meta(description="token_bucket, fixed_window or sliding_window.")] = (
        "token_bucket"
    )
    algorithm: Annotated[
        str | None, Meta(description="The same as `strategy`, by its other name.")
    ] = None
    default_rpm: Annotated[int, Meta(description="Requests a minute.", ge=0)] = 1000
    default_tpm: Annotated[int, Meta(description="Tokens a minute.", ge=0)] = 100_000
    requests_per_second: Annotated[
        Annotated[float, Meta(ge=0)] | None, Meta(description="Requests a second.")
    ] = None
    requests_per_minute: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Requests a minute.")
    ] = None
    tokens_per_minute: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Tokens a minute.")
    ] = None
    burst_size: Annotated[Annotated[int, Meta(ge=0)] | None, Meta(description="Burst.")] = None


class SsoConfig(Section, frozen=True, kw_only=True):
    provider: Annotated[str, Meta(description="saml, oidc or oauth2.")] = "oidc"
    client_id: Annotated[str, Meta(description="Client.")] = ""
    client_secret: Annotated[Secret, Meta(description="Its secret.")] = Secret("")
    redirect_url: Annotated[str, Meta(description="Where users return to.")] = ""
    settings: Annotated[dict[str, Any], Meta(description="The provider's own.")] = {}


class EnterpriseConfig(Section, frozen=True, kw_only=True):
    enabled: Annotated[
        bool,
        Meta(
            description="The reference's enterprise switch.",
            extra={"unused": "there is no edition to switch on"},
        ),
    ] = False
    sso: Annotated[
        SsoConfig | None,
        Meta(description="Single sign-on.", extra={"unused": "there is no single sign-on"}),
    ] = None
    audit_logging: Annotated[
        bool,
        Meta(description="Audit log.", extra={"unused": "every call is in the journal"}),
    ] = False
    advanced_analytics: Annotated[
        bool, Meta(description="Analytics.", extra={"unused": "see `/metrics` and the journal"})
    ] = False


class Config(Section, frozen=True, kw_only=True):
    """The root of the file. Everything is optional."""

    schema_version: Annotated[
        str, Meta(description="Version of this layout.", extra={"choices": {"1.0": "1.0"}})
    ] = "1.0"
    data_dir: Annotated[
        NonEmpty | None,
        Meta(description="Folder for the journal and the admin key; unset is the user's own."),
    ] = None
    server: Annotated[ServerConfig, Meta(description="How clients reach Portico.")] = ServerConfig()
    providers: Annotated[tuple[ProviderConfig, ...], Meta(description="Whom Portico calls.")] = ()
    models: Annotated[
        tuple[RouteConfig, ...],
        Meta(
            description="Routes: public names and where they lead. A provider's own model names "
            "work without a route."
        ),
    ] = ()
    unsupported_params: Annotated[
        str,
        Meta(
            description="What to do with a request field that the provider's dialect cannot "
            "express: `drop` it and name it in `x-portico-dropped-params`, or answer with an "
            "`error`. A client may say so too, in the header `x-portico-unsupported-params`.",
            extra={"choices": UNSUPPORTED},
        ),
    ] = "drop"
    rules: Annotated[
        tuple[RuleConfig, ...],
        Meta(description="Requests that take another route than the one their model names."),
    ] = ()
    model_aliases: Annotated[
        dict[str, NonEmpty], Meta(description="Other names: what clients ask for → what it means.")
    ] = {}
    keys: Annotated[tuple[KeyConfig, ...], Meta(description="Who may call.")] = ()
    router: Annotated[RouterConfig, Meta(description="How a deployment is chosen.")] = (
        RouterConfig()
    )
    integrations: Annotated[IntegrationsConfig, Meta(description="Who observes.")] = (
        IntegrationsConfig()
    )
    pricing: Annotated[PricingConfig, Meta(description="What tokens cost.")] = PricingConfig()
    monitoring: Annotated[MonitoringConfig, Meta(description="Metrics page and logs.")] = (
        MonitoringConfig()
    )
    auth: Annotated[AuthConfig, Meta(description="How clients prove who they are.")] = AuthConfig()
    storage: Annotated[StorageConfig, Meta(description="The reference's stores.")] = StorageConfig()
    cache: Annotated[CacheConfig, Meta(description="The reference's cache.")] = CacheConfig()
    rate_limit: Annotated[RateLimitConfig, Meta(description="The reference's limits.")] = (
        RateLimitConfig()
    )
    enterprise: Annotated[EnterpriseConfig, Meta(description="The reference's extras.")] = (
        EnterpriseConfig()
    )
