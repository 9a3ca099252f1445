"""`server:`, how clients reach Portico."""

from typing import Annotated

from msgspec import Meta

from portico.config.schema.base import Count, NonEmpty, Port, PositiveSeconds, Seconds, Section


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
    max_wait_share: Annotated[
        float,
        Meta(
            description="Longest wait in line, as a share of what calls take at the time: whoever "
            "would wait longer is refused at once. More takes in bursts, less keeps answers "
            "prompt.",
            gt=0,
            le=100,
        ),
    ] = 0.4
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
