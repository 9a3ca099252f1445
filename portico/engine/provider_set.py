"""Configured providers made ready: the catalog's row, the address, the credential, the fields.

What a file leaves out comes from the row and the environment. Every problem is gathered, none is
the last.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec import structs

from portico.catalog.providers import ProviderRow, find_provider, suggest_providers
from portico.config.schema.providers import ProviderConfig
from portico.config.schema.root import Config
from portico.engine import probe_plan
from portico.engine.provider_settings import SettingsOf
from portico.errors import ConfigError
from portico.providers import echo
from portico.types.deployment import Provider
from portico.types.http import Origin
from portico.types.secret import Secret

_MESSAGES = "anthropic_messages"
ECHO_CONFIG = ProviderConfig(name="echo", provider_type="echo", models=(echo.MODEL,))


class KnownProvider:
    """A configured provider with its row and the value that calls will use, one for each key."""

    __slots__ = ("config", "models", "provider", "providers", "row")

    def __init__(self, config: ProviderConfig, row: ProviderRow, provider: Provider) -> None:
        self.config = config
        self.row = row
        self.provider = provider
        self.providers: tuple[Provider, ...] = (provider,)
        if len(config.api_keys) > 1:
            self.providers = tuple(
                structs.replace(provider, api_key=key) for key in config.api_keys
            )
        self.models = config.models


def known_providers(
    config: Config, environ: Mapping[str, str], problems: list[str]
) -> dict[str, KnownProvider]:
    known: dict[str, KnownProvider] = {}
    given = [one for one in config.providers if one.enabled]
    if not any(one.name == ECHO_CONFIG.name for one in config.providers):
        given.append(ECHO_CONFIG)
    for one in given:
        row = find_provider(one.provider_type)
        if row is None:
            near = suggest_providers(one.provider_type)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            problems.append(
                f"providers: {one.name}: the provider_type {one.provider_type!r} is not known."
                f"{hint} `portico providers` lists them; `openai_compatible` takes any base_url."
            )
            continue
        try:
            provider = probe_plan.planned(_provider(one, row, environ), one.health_check)
            known[one.name] = KnownProvider(one, row, provider)
        except ConfigError as error:
            problems.append(f"providers: {one.name}: {error.message}")
    return known


def _provider(config: ProviderConfig, row: ProviderRow, environ: Mapping[str, str]) -> Provider:
    if row.location == "builtin":
        return Provider(
            name=config.name,
            type=row.name,
            dialect=row.dialect,
            origin=echo.ORIGIN,
            base_path="",
            api_key=Secret(""),
            auth="none",
            also=row.also,
        )
    settings = SettingsOf(config, row, environ)
    base_url = config.base_url or _base_url(row, environ, settings)
    origin, base_path = split_base_url(base_url)
    own = config.api_keys[0] if config.api_keys else config.api_key
    key = own or first_key(row, environ) or Secret("")
    if config.settings.skip_api_key:
        key = Secret("")
    elif row.needs_key and row.location == "cloud" and not key and not row.cloud_credentials:
        settings.check_instead_of_key()
    return Provider(
        name=config.name,
        type=row.name,
        dialect=config.dialect or row.dialect,
        origin=origin,
        base_path=base_path,
        api_key=key,
        auth=_auth(config, row),
        headers=_headers(config, row),
        renamed_params=tuple(row.renamed_params.items()),
        refused_params=row.refused_params,
        message_rules=row.message_rules,
        no_media_urls=row.no_media_urls,
        settings=settings.given,
        api_version=config.api_version,
        tags=config.tags,
        also=_also(config, row, origin),
        messages_path=row.messages_path if _is_own(row, origin) else None,
        stateless_responses=row.stateless_responses,
        custom_tools=row.custom_tools,
        for_mistrals_sdk=row.for_mistrals_sdk,
    )


def _also(config: ProviderConfig, row: ProviderRow, origin: Origin) -> tuple[str, ...]:
    """The dialects offered beside the usual one. Who says what a provider speaks has said all of
    it; and behind another address than the row's own, Anthropic's API is not to be expected.
    """
    if config.dialect is not None:
        return ()
    if _is_own(row, origin) or row.location == "local":
        return row.also
    return tuple(dialect for dialect in row.also if dialect != _MESSAGES)


def _is_own(row: ProviderRow, origin: Origin) -> bool:
    """Is this the host that the row speaks of?"""
    return row.base_url is not None and urlsplit(row.base_url).hostname == origin.host


def _auth(config: ProviderConfig, row: ProviderRow) -> str:
    """A server that the operator says speaks Messages takes its key as Anthropic does, unless its
    row says otherwise.
    """
    is_told = config.dialect == _MESSAGES and _MESSAGES not in (row.dialect, *row.also)
    return "header:x-api-key" if is_told and row.auth == "bearer" else row.auth


def first_key(row: ProviderRow, environ: Mapping[str, str]) -> Secret | None:
    """The row's credential, from the first of its environment variables that is set."""
    for name in row.key_env:
        value = environ.get(name, "").strip()
        if value:
            return Secret(value)
    return None


def _base_url(row: ProviderRow, environ: Mapping[str, str], settings: SettingsOf) -> str:
    given = environ.get(row.base_env, "").strip() if row.base_env else ""
    if given:
        return row.env_base_url(given)
    filled = settings.filled_form()
    if filled is not None:
        return filled
    if row.base_url is None:
        form = f", such as {row.base_url_form}" if row.base_url_form else ""
        missing = settings.missing_of_form()
        raise ConfigError(f"{row.title} has no address of its own; give base_url{form}{missing}.")
    return row.base_url


def split_base_url(url: str) -> tuple[Origin, str]:
    """An absolute http(s) URL as an origin and a path without a trailing slash."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
        raise ConfigError(f"base_url {url!r} is not an http:// or https:// address.")
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    return Origin(parts.scheme, parts.hostname, port), parts.path.rstrip("/")


def _headers(config: ProviderConfig, row: ProviderRow) -> tuple[tuple[str, str], ...]:
    headers = dict(row.headers)
    if config.organization or config.settings.organization:
        headers["openai-organization"] = config.organization or config.settings.organization or ""
    if config.project:
        headers["openai-project"] = config.project
    for given in (config.settings.headers, config.settings.custom_headers):
        headers |= {name.lower(): value.reveal() for name, value in given.items()}
    return tuple(headers.items())
