"""The root of the file."""

from typing import Annotated

from msgspec import Meta

from portico.config.schema.access import AuthConfig, EnterpriseConfig, KeyConfig, RateLimitConfig
from portico.config.schema.base import NonEmpty, Section
from portico.config.schema.choices import UNSUPPORTED
from portico.config.schema.media import MediaConfig
from portico.config.schema.observation import IntegrationsConfig, MonitoringConfig
from portico.config.schema.pricing import PricingConfig
from portico.config.schema.providers import ProviderConfig
from portico.config.schema.router import RouterConfig
from portico.config.schema.routes import RouteConfig, RuleConfig
from portico.config.schema.server import ServerConfig
from portico.config.schema.storage import CacheConfig, StorageConfig


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
    media: Annotated[MediaConfig, Meta(description="Pictures and documents by URL.")] = (
        MediaConfig()
    )
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
