"""`providers:`, whom Portico calls."""

from typing import Annotated, ClassVar

from msgspec import Meta

from portico.config.schema.base import Count, NonEmpty, Section
from portico.config.schema.choices import ADAPTIVE_CONCURRENCY, DIALECTS
from portico.types.secret import Secret


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
    interval: Annotated[
        float, Meta(description="Seconds between two checks, give or take a tenth.", ge=1)
    ] = 30
    timeout: Annotated[float, Meta(description="Seconds that an answer may take.", gt=0, le=60)] = 5
    failure_threshold: Annotated[
        int, Meta(description="Failed checks in a row after which it gets no calls.", ge=1)
    ] = 5
    recovery_timeout: Annotated[
        float,
        Meta(
            description="Seconds after the last failed check until a call tries it all the same; "
            "a good check ends it at once.",
            ge=1,
        ),
    ] = 60
    endpoint: Annotated[
        str | None,
        Meta(
            description="Path on its host, such as `/health`; unset is the list of models, which "
            "costs nothing."
        ),
    ] = None
    expected_codes: Annotated[
        tuple[Annotated[int, Meta(ge=100, le=599)], ...],
        Meta(
            description="Statuses of a good answer. With an `endpoint` all others are failures, "
            "without one only 408 and 5xx are.",
            min_length=1,
        ),
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
    account: Annotated[
        NonEmpty | None, Meta(description="Account, where the address holds it.")
    ] = None
    host: Annotated[
        NonEmpty | None, Meta(description="Host of your workspace, where the address holds it.")
    ] = None
    project_id: Annotated[
        NonEmpty | None, Meta(description="Project that a request belongs to (watsonx).")
    ] = None
    space_id: Annotated[
        NonEmpty | None,
        Meta(description="Deployment space that a request belongs to, instead of `project_id`."),
    ] = None
    user: Annotated[NonEmpty | None, Meta(description="Whose key it is.")] = None
    password: Annotated[
        Secret, Meta(description="Password of `user`, where it is not a key that proves them.")
    ] = Secret("")
    client_id: Annotated[
        NonEmpty | None, Meta(description="OAuth client that asks for access tokens.")
    ] = None
    client_secret: Annotated[Secret, Meta(description="Secret of `client_id`.")] = Secret("")
    refresh_token: Annotated[
        Secret, Meta(description="OAuth refresh token, for `client_id` to use.")
    ] = Secret("")
    private_key: Annotated[
        Secret, Meta(description="Private key of `user`: PEM text, or the path of a PEM file.")
    ] = Secret("")
    private_key_passphrase: Annotated[
        Secret, Meta(description="Passphrase of `private_key`, where it has one.")
    ] = Secret("")
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
            description="What it speaks, and that alone; unset is what its provider type speaks.",
            extra={"choices": DIALECTS},
        ),
    ] = None
    model_dialects: Annotated[
        dict[str, Annotated[str, Meta(extra={"choices": DIALECTS})]],
        Meta(
            description="What some of its models speak instead, by name or pattern; the first "
            "that matches counts."
        ),
    ] = {}
    api_version: Annotated[
        str | None,
        Meta(description="Version of its interface, where its address has one (Azure, watsonx)."),
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
        str,
        Meta(
            description="Find out how many requests it takes at once, at most "
            "`max_concurrent_requests`: `aimd` from 429s, time-outs and very late first events, "
            "`gradient` from how much later than usual first events come, too.",
            extra={"choices": ADAPTIVE_CONCURRENCY},
        ),
    ] = "off"
    timeout: Annotated[
        Annotated[float, Meta(gt=0, le=3600)] | None,
        Meta(
            description="Seconds an answer may take to begin: `first_byte`, `whole`, `first_event`."
        ),
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
            description="Ask it how it does, besides learning from its answers; never with a "
            "completion. `{}` asks as the defaults say."
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
