"""From configuration and catalog to a snapshot: providers, deployments, routes and keys made ready.

Everything that can be wrong with a valid file in this environment is found here, all of it at
once, so that a reload is either applied whole or refused whole.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final

from msgspec import structs

from portico.catalog import models as model_catalog
from portico.config.problem import listed
from portico.config.schema.access import KeyConfig
from portico.config.schema.pricing import ModelPrice
from portico.config.schema.root import Config
from portico.config.schema.routes import RouteConfig
from portico.engine.provider_set import KnownProvider, known_providers
from portico.engine.route_policies import rule
from portico.engine.route_table import RouteTable
from portico.engine.snapshot import Snapshot, Target
from portico.errors import ConfigError
from portico.http.base import HeldCredential
from portico.policy.pricing import PriceTable
from portico.providers.auth import is_fetched
from portico.types.deployment import Deployment, Provider
from portico.types.identity import Principal
from portico.types.secret import Secret

_FREE: Final = {"input": Decimal(0), "output": Decimal(0), "query": Decimal(0)}

Hold = Callable[[Provider], HeldCredential | None]


def build_snapshot(
    config: Config,
    *,
    environ: Mapping[str, str],
    admin_key: Secret | None,
    before: Snapshot | None,
    now: float,
    hold: Hold = lambda provider: None,
) -> Snapshot:
    """`before` hands its states on; `now` is UTC epoch seconds, for `created` in model lists;
    `hold` finds the credential of a cloud provider without a key.

    Raises `ConfigError` that lists every problem, one a line.
    """
    problems: list[str] = []
    providers = known_providers(config, environ, problems)
    _check_weights(config.models, problems)
    _check_dialects(config.models, problems)
    table = RouteTable(config, providers, int(now))
    if problems:
        raise ConfigError(listed(problems))
    return Snapshot(
        principals=_principals(config.keys, admin_key),
        routes=table.routes(),
        patterns=tuple(table.patterns()),
        aliases=dict(config.model_aliases),
        listings=tuple(table.listings()),
        make_target=_target_maker(config.pricing.models, providers, hold),
        created_at=int(now),
        rules=tuple(rule(given) for given in config.rules),
        before=before,
    )


def _check_weights(routes: Iterable[RouteConfig], problems: list[str]) -> None:
    """A deployment has one load and so one weight, whichever route a call came by."""
    said: dict[str, tuple[float, str]] = {}
    for route in routes:
        for target in route.targets:
            if target.weight is None:
                continue
            weight, where = said.setdefault(target.target, (target.weight, route.name))
            if weight != target.weight:
                problems.append(
                    f"models: {route.name}: {target.target} has the weight {target.weight:g} here "
                    f"and {weight:g} in {where}; give it one weight in all routes, or list its "
                    "provider a second time under another name."
                )


def _check_dialects(routes: Iterable[RouteConfig], problems: list[str]) -> None:
    """Nor does a deployment speak one dialect by one route and another by the next."""
    said: dict[str, tuple[str, str]] = {}
    for route in routes:
        for target in route.targets:
            if target.dialect is None:
                continue
            dialect, where = said.setdefault(target.target, (target.dialect, route.name))
            if dialect != target.dialect:
                problems.append(
                    f"models: {route.name}: {target.target} speaks {target.dialect} here and "
                    f"{dialect} in {where}; say one dialect, or list its provider a second time "
                    "under another name."
                )


def _principals(keys: Iterable[KeyConfig], admin_key: Secret | None) -> dict[bytes, Principal]:
    known = {
        bytes.fromhex(key.digest): Principal(
            key_id=key.name,
            name=key.name,
            models=key.models,
            is_admin=key.admin,
            expires_at=key.expires_at_s,
            team=key.team,
            user=key.user,
            user_field=key.user_header.lower().encode() if key.user_header else None,
            priority=key.priority,
        )
        for key in keys
    }
    if admin_key is not None:
        digest = KeyConfig(name="admin", key=admin_key).digest
        known[bytes.fromhex(digest)] = Principal(key_id="admin", name="admin", is_admin=True)
    return known


def _target_maker(
    overrides: Mapping[str, ModelPrice],
    providers: Mapping[str, KnownProvider],
    hold: Hold,
) -> Callable[[Deployment], Target]:
    def make(deployment: Deployment) -> Target:
        known = providers[deployment.provider.name]
        held = hold(deployment.provider) if is_fetched(deployment.provider) else None
        return Target(deployment, _prices(deployment, known, overrides), held)

    return make


def _prices(
    deployment: Deployment, known: KnownProvider, overrides: Mapping[str, ModelPrice]
) -> PriceTable | None:
    """An operator's own price comes before the catalog's; what it leaves out is the catalog's.

    `None` where nobody knows a price. What is built in is free.
    """
    if known.row.location == "builtin":
        return PriceTable.from_usd_per_million(_FREE)
    name = f"{deployment.provider.name}/{deployment.model}"
    own = overrides.get(name) or overrides.get(deployment.model)
    entry = model_catalog.find_model(deployment.model, known.row.prices)
    if own is not None:
        return PriceTable.from_usd_per_million(
            {name: usd for name, usd in structs.asdict(own).items() if usd is not None},
            base=entry.prices if entry is not None else None,
            regions=entry.regions if entry is not None else None,
        )
    if entry is None or not entry.prices:
        return None
    return PriceTable(entry.prices, entry.regions)
