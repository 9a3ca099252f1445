"""`models:` and `rules:`, public names and where they lead."""

from typing import Annotated, ClassVar

from msgspec import Meta

from portico.config.schema.base import NonEmpty, PositiveSeconds, Price, Seconds, Section
from portico.config.schema.choices import ABILITIES, DIALECTS, STRATEGIES, UNSUPPORTED
from portico.types.deployment import RetryPolicy
from portico.types.http import BUILT_IN_TIMEOUTS

_TIMERS, _RETRY = BUILT_IN_TIMEOUTS, RetryPolicy()


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
    dialect: Annotated[
        str | None,
        Meta(
            description="What this model speaks, the same in every route that names this target; "
            "unset is as its provider says.",
            extra={"choices": DIALECTS},
        ),
    ] = None

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
            description="From the request's end to the head of a stream. "
            f"Built in: {_TIMERS.first_byte:g}."
        ),
    ] = None
    whole: Annotated[
        PositiveSeconds | None,
        Meta(
            description="From the request's end to the head of an answer that is not streamed, "
            "which comes when all of it is ready; where only `first_byte` is set, that. "
            f"Built in: {_TIMERS.whole:g}."
        ),
    ] = None
    first_event: Annotated[
        PositiveSeconds | None,
        Meta(
            description="Longest silence of a stream before its first content. "
            f"Built in: {_TIMERS.first_event:g}."
        ),
    ] = None
    first_content: Annotated[
        PositiveSeconds | None,
        Meta(
            description="From the head of a stream to its first content, however often the "
            "provider shows meanwhile that it is at work (comments, pings, openings). "
            f"Built in: {_TIMERS.first_content:g}."
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
        Meta(
            description=f"From first to last, further tries included. Built in: {_TIMERS.total:g}."
        ),
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
            extra={"choices": STRATEGIES, "mapping_key": "type"},
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
