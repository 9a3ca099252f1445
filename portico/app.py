"""The composition root: the one place where concrete classes meet.

`App` is a gateway with its server, stores and observers; `running` runs one.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import portico
from portico.api.cors import Cors
from portico.api.dispatch import Dispatcher
from portico.api.pages import Pages
from portico.config.load import Loaded
from portico.config.schema.media import MediaConfig
from portico.config.schema.observation import PrometheusSettings
from portico.config.schema.root import Config
from portico.config.schema.server import ServerConfig
from portico.engine.assembly import build_snapshot
from portico.engine.gate import Gate
from portico.engine.gateway import STEPS, Gateway
from portico.engine.probing import Prober
from portico.engine.snapshot import Snapshot
from portico.errors import ConfigError
from portico.http.client import HttpPool
from portico.http.echo import EchoPool
from portico.http.egress import EgressRules
from portico.http.media import MediaFetcher, MediaLimits
from portico.http.proxies import read_proxies
from portico.http.server import Server, ServerLimits
from portico.http.steps import SteppedPool
from portico.http.token_files import read_text, replace_text
from portico.http.tokens import Held, find_source
from portico.integrations.base import Meters
from portico.integrations.gateway_metrics import GatewayMetrics
from portico.integrations.manager import IntegrationManager
from portico.integrations.prometheus import PrometheusConfig, PrometheusIntegration
from portico.policy.pricing import PriceTable
from portico.routing import steering
from portico.routing.steering import DeploymentView
from portico.stores.journal import FileJournal
from portico.types.deployment import Provider, Route
from portico.types.http import Request, Responder
from portico.types.secret import Secret
from portico.wire.openai_error import write_error

if TYPE_CHECKING:
    from portico.http.asgi import AsgiAdapter

Reload = Callable[[], Loaded]
"""Reads the configuration again; raises `ConfigError`."""


class App:
    """A gateway, ready to start; made inside the event loop that will run it.

    `environ` is where providers' keys and proxies may be found.
    """

    def __init__(
        self,
        config: Config,
        *,
        environ: Mapping[str, str],
        data_dir: Path,
        admin_key: Secret | None,
        config_name: str | None = None,
    ) -> None:
        self.config = config
        self.log = logging.getLogger("portico")
        self._environ = environ
        self._admin_key = admin_key
        self._control_plane: AsgiAdapter | None = None
        self.journal = FileJournal.open(data_dir / "journal")
        try:
            self._compose(config, config_name)
        except BaseException:
            self.journal.close()
            raise

    def _compose(self, config: Config, config_name: str | None) -> None:
        self.integrations = IntegrationManager()
        settings = config.integrations.prometheus
        self.prometheus = PrometheusIntegration(_prometheus_config(settings))
        self.integrations.register(self.prometheus)
        self.metrics = GatewayMetrics(
            self.prometheus.registry,
            version=portico.__version__,
            labels=settings.labels,
            integrations=self.integrations.stats,
        )
        self.pool = HttpPool(proxies=read_proxies(self._environ))
        self._direct_pool = HttpPool()
        self._stepped_pool = SteppedPool(self.pool)
        self._held: dict[Hashable, Held] = {}
        snapshot = self._snapshot(config, None)
        self.gateway = Gateway(
            snapshot=snapshot,
            pools={
                "http": self.pool,
                "https": self.pool,
                "echo": EchoPool(),
                STEPS: self._stepped_pool,
            },
            journal=self.journal,
            events=self.integrations,
            meter=self.metrics,
            log=self.log,
            fetcher=_fetcher(config.media),
            gate=_gate(config.server, self.metrics),
        )
        gate = self.gateway.gate
        self.metrics.watch(self._views, lambda: gate.queued if gate is not None else 0)
        self.prober = Prober(self.gateway)
        self._adopted(snapshot)
        pages = Pages(
            self.gateway,
            render_metrics=self.metrics.render,
            metrics_enabled=config.monitoring.metrics.enabled,
            config_name=config_name,
        )
        dispatch = Dispatcher(
            self.gateway,
            pages=pages.handlers(),
            metrics_need_key=config.monitoring.metrics.require_key,
            cors=_cors(config.server),
            control_plane=self._control,
        )
        self.server = Server(
            dispatch,
            _server_limits(config.server),
            write_error,
            log=self.log,
            encoded_slash_under=(
                "/admin/routing/",
                "/v1/models/",
                "/models/",
                "/openai/v1/models/",
                "/v1beta/models/",
            ),
        )

    def _control(self, request: Request, responder: Responder) -> None:
        """The pages for people; their framework is loaded when somebody first asks for one."""
        if self._control_plane is None:
            from portico.api.control_plane import build_control_plane
            from portico.http.asgi import AsgiAdapter

            self._control_plane = AsgiAdapter(build_control_plane(), write_error, self.log)
        self._control_plane(request, responder)

    def _snapshot(self, config: Config, before: Snapshot | None) -> Snapshot:
        return build_snapshot(
            config,
            environ=self._environ,
            admin_key=self._admin_key,
            before=before,
            now=time.time(),
            hold=self._hold,
        )

    def _hold(self, provider: Provider) -> Held | None:
        """A credential that is fetched and expires; it outlives a reload."""
        whose = (provider.name, provider.type, provider.origin, provider.api_key, provider.settings)
        held = self._held.get(whose)
        if held is None:
            try:
                source = find_source(
                    provider,
                    self._environ,
                    pool=self.pool,
                    direct=self._direct_pool,
                    read=read_text,
                    write=replace_text,
                )
            except ConfigError as error:
                raise ConfigError(f"providers: {provider.name}: {error.message}") from error
            if source is not None:
                held = self._held[whose] = Held(source)
        return held

    def _adopted(self, snapshot: Snapshot) -> None:
        """Tell the observers which label values are to be expected."""
        deployments = [target.deployment for target in snapshot.targets.values()]
        providers = {deployment.provider.name for deployment in deployments}
        self.prometheus.declare({deployment.model for deployment in deployments}, providers)
        self.metrics.configured(len(providers), at=time.time())

    def _views(self) -> Iterator[DeploymentView]:
        """Those of the configuration first, then those that clients asked for by a pattern."""
        gateway = self.gateway
        now, wall = gateway.clock(), gateway.wall()
        return (steering.view(state, now, wall) for state in gateway.snapshot.states.values())

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises OSError if the address cannot be had."""
        await self.server.start(host, port, ssl=_server_tls(self.config.server))

    def reload(self, read: Reload) -> None:
        """Take over a changed configuration whole, or refuse it whole and keep the old one.

        What only a restart can change (`server`, `data_dir`, `integrations`, `monitoring`) is
        named.
        """
        try:
            loaded = read()
            snapshot = self._snapshot(loaded.config, self.gateway.snapshot)
        except ConfigError as error:
            self.metrics.reload_refused()
            self.log.error("reload refused, the old configuration stays in use: %s", error.message)
            return
        except Exception:  # the outermost handler: whatever it is, it must not end the gateway
            self.metrics.reload_refused()
            self.log.exception("reload failed, the old configuration stays in use")
            return
        for notice in loaded.notices:
            self.log.warning("%s", notice)
        old, self.config = self.config, loaded.config
        self.gateway.snapshot = snapshot
        if old.media != loaded.config.media:
            self.gateway.media.use(_fetcher(loaded.config.media))
        self._adopted(snapshot)
        fixed = [
            name
            for name in ("server", "data_dir", "integrations", "monitoring")
            if getattr(old, name) != getattr(loaded.config, name)
        ]
        if fixed:
            self.log.warning("changes of %s take effect at the next start", ", ".join(fixed))
        self.log.info(
            "reloaded: %d providers, %d routes, %d keys",
            len(loaded.config.providers),
            len(loaded.config.models),
            len(loaded.config.keys),
        )

    async def stop(self) -> None:
        """Drain: not ready, keep accepting for a while, stop, let calls end, flush, close."""
        limits = self.config.server.limits
        self.gateway.is_draining = True
        self.prober.stop()
        self.server.begin_drain()
        self.log.info(
            "draining: %d calls in flight, up to %g s",
            len(self.gateway.calls),
            limits.drain_timeout,
        )
        await asyncio.sleep(limits.drain_delay)
        self.server.stop_accepting()
        await self.server.wait_idle(limits.drain_timeout)
        left = list(self.gateway.calls.values())
        for task in left:
            task.cancel()
        if left:
            self.log.warning("cut %d calls at the end of the drain", len(left))
            await asyncio.wait(left, timeout=5.0)
            await self.server.wait_idle(1.0)
        await self.close()
        self.log.info("stopped")

    async def close(self) -> None:
        """Let go of everything at once; `stop` comes first where calls may be under way."""
        self.server.close()
        await self.integrations.shutdown()
        if self._control_plane is not None:
            await self._control_plane.shutdown()
        for held in self._held.values():
            await held.close()
        await self._direct_pool.close()
        await self._stepped_pool.close()
        await self.pool.close()
        self.journal.close()


def check_config(config: Config, environ: Mapping[str, str]) -> Snapshot:
    """All that `App` would find wrong, without starting one; raises `ConfigError`."""
    _prometheus_config(config.integrations.prometheus)
    _server_tls(config.server)
    return build_snapshot(config, environ=environ, admin_key=None, before=None, now=time.time())


def describe_models(config: Config, environ: Mapping[str, str]) -> list[dict[str, Any]]:
    """What `portico models` prints: every public name and pattern, and where it leads."""
    snapshot = check_config(config, environ)
    rows = []
    for listing in snapshot.listings:
        route = snapshot[listing.id]
        prices = snapshot.target(route.deployments[0]).prices
        rows.append(_described(listing.id, route, prices))
    patterns = [
        _described(pattern.pattern, pattern.template, None) for pattern in snapshot.patterns
    ]
    return rows + patterns


def _described(name: str, route: Route, prices: PriceTable | None) -> dict[str, Any]:
    """An alias has a name of its own."""
    return {
        "model": name,
        "strategy": route.strategy,
        "deployments": [deployment.id for deployment in route.deployments],
        "dialects": [deployment.speaks for deployment in route.deployments],
        "input_usd_per_million": _usd_per_million(prices, "input"),
        "output_usd_per_million": _usd_per_million(prices, "output"),
    }


def _usd_per_million(prices: PriceTable | None, component: str) -> str | None:
    """Nano-USD per token are thousandths of a dollar per million tokens."""
    pair = prices.standard[-1].prices.get(component) if prices is not None else None
    if pair is None:
        return None
    return f"{Decimal(pair[0]) / Decimal(pair[1]) / 1000:f}"


def _prometheus_config(settings: PrometheusSettings) -> PrometheusConfig:
    return PrometheusConfig(
        enabled=settings.enabled,
        prefix=settings.prefix,
        labels=settings.labels,
        per_model_metrics=settings.per_model_metrics,
        per_provider_metrics=settings.per_provider_metrics,
        latency_buckets=settings.latency_buckets,
        token_buckets=settings.token_buckets,
    )


def _server_limits(server: ServerConfig) -> ServerLimits:
    return ServerLimits(
        header_timeout_s=server.limits.header_timeout,
        body_timeout_s=server.limits.body_timeout,
        keep_alive_s=server.limits.keep_alive,
        max_body_bytes=server.max_body_size,
        max_connections=server.max_connections or ServerLimits().max_connections,
    )


def _gate(server: ServerConfig, meter: Meters) -> Gate | None:
    limits = server.limits
    if limits.max_in_flight is None:
        return None
    return Gate(
        max_in_flight=limits.max_in_flight,
        max_queued=limits.max_queued,
        max_wait_share=limits.max_wait_share,
        patience_s=limits.queue_timeout,
        meter=meter,
        clock=time.monotonic,
        loop=asyncio.get_running_loop(),
    )


def _fetcher(media: MediaConfig) -> MediaFetcher | None:
    if not media.fetch:
        return None
    return MediaFetcher(
        EgressRules(
            allow_http=media.allow_http,
            ports=frozenset(media.ports),
            allow_hosts=media.allow_hosts,
            deny_hosts=media.deny_hosts,
            allow_networks=tuple(map(ip_network, media.allow_networks)),
        ),
        MediaLimits(
            max_files=media.max_files,
            max_file_bytes=media.max_file_size,
            max_total_bytes=media.max_total_size,
            timeout_s=media.timeout,
            max_concurrent=media.max_concurrent,
        ),
    )


def _cors(server: ServerConfig) -> Cors | None:
    cors = server.cors
    if not cors.enabled or not cors.allowed_origins:
        return None
    return Cors(
        origins=cors.allowed_origins,
        methods=cors.allowed_methods,
        headers=cors.allowed_headers,
        max_age_s=cors.max_age,
        credentials=cors.allow_credentials,
    )


def _server_tls(server: ServerConfig) -> ssl.SSLContext | None:
    tls = server.tls
    if tls is None:
        return None
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.cert_file, tls.key_file)
        if tls.ca_file is not None:
            context.load_verify_locations(tls.ca_file)
        if tls.require_client_cert:
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"server.tls: the certificate or key cannot be used: {error}.") from error
    return context
