"""`monitoring:` and `integrations:`, what is told to whom."""

from typing import Annotated, Any, ClassVar

from msgspec import Meta

from portico.config.schema.base import Port, Section
from portico.config.schema.choices import LOG_FORMATS, LOG_LEVELS


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
