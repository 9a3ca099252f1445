"""What no single value shows: names that must exist, be unique or not go round in circles."""

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from ipaddress import ip_network
from itertools import pairwise
from urllib.parse import urlsplit

from portico.config.problem import Notice, Place, Problem, suggest
from portico.config.schema.access import KeyConfig
from portico.config.schema.providers import ProviderConfig
from portico.config.schema.root import Config
from portico.config.schema.routes import RouteConfig, TimeoutsConfig
from portico.types.secret import Secret

MIN_KEY_LENGTH = 16
BUILT_IN_PROVIDERS = frozenset(("echo",))
"""Targets may name these without an entry under `providers:`."""
MIN_JWT_SECRET_BYTES = 32

_METRIC_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_RESERVED_LABELS = frozenset(("model", "provider", "le", "quantile", "error_type"))
_OWN_HEADERS = frozenset(
    ("host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade")
)


_CAUSES = ("general", "context_window", "content_policy", "rate_limit")
_HOST_PATTERN = re.compile(r"[A-Za-z0-9.*?_-]+|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*")
_NAMES = re.compile(
    r"(providers|models)(\[\d+\](\.(name|models|targets).*)?)?|model_aliases.*", re.DOTALL
)
"""Settings that name something; while one is broken, nothing else is said not to exist."""


class Checker:
    """Collects problems and notices at the places where the values stand.

    `broken` are the paths of values that could not be read and hold a default: they have their
    problem already, and get no other.
    """

    def __init__(
        self,
        config: Config,
        places: Mapping[str, Place],
        *,
        now: float,
        broken: Collection[str] = (),
    ) -> None:
        self.config = config
        self.problems: list[Problem] = []
        self.notices: list[Notice] = []
        self._places = places
        self._now = now
        self._broken = tuple(broken)
        self._names_known = not any(_NAMES.fullmatch(path) for path in broken)
        self._models_known = self._names_known and all(p.models for p in config.providers)

    def run(self, provider_types: Collection[str]) -> None:
        self._providers(provider_types)
        self._routes()
        self._rules()
        self._aliases()
        self._keys()
        self._metrics()
        self._server()
        self._media()
        self._auth()
        self._prices()

    def place(self, path: str) -> Place:
        """Where a value stands, or the nearest thing around it that was written."""
        while path and path not in self._places:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self._places.get(path, Place("configuration"))

    def _problem(self, path: str, what: str, hint: str = "") -> None:
        if any(path.startswith(one) or one.startswith(path) for one in self._broken):
            return
        self.problems.append(Problem(self.place(path), path, what, hint))

    def _notice(self, path: str, message: str) -> None:
        self.notices.append(Notice(self.place(path), path, message))

    def _unique(self, names: Iterable[str], what: str, path: Callable[[int], str]) -> None:
        first: dict[str, int] = {}
        for index, name in enumerate(names):
            if name in first:
                before = self.place(path(first[name]))
                where = f"line {before.line}" if before.line else str(before)
                self._problem(
                    path(index), f"{what} '{name}' exists already", f"the first is in {where}"
                )
            else:
                first[name] = index

    def _providers(self, provider_types: Collection[str]) -> None:
        providers = self.config.providers
        self._unique(
            (p.name for p in providers), "a provider named", lambda i: f"providers[{i}].name"
        )
        folded = {name.lower().replace("-", "_") for name in provider_types}
        for index, provider in enumerate(providers):
            at = f"providers[{index}]"
            if "/" in provider.name or not _visible(provider.name):
                self._problem(
                    f"{at}.name",
                    "a provider's name must be printable and without '/' and spaces",
                    "targets are written provider/model",
                )
            if provider_types and provider.provider_type.replace("-", "_") not in folded:
                self._problem(
                    f"{at}.provider_type",
                    f"no provider type '{provider.provider_type}'",
                    suggest(provider.provider_type, provider_types)
                    or "`portico providers` prints them all, and any other that speaks OpenAI's "
                    "protocol is 'openai_compatible' with a base_url",
                )
            self._address(provider, at)
            self._headers(provider, at)
            self._model_dialects(provider, at)
            if provider.retry and provider.retry.base_delay > provider.retry.max_delay:
                self._problem(f"{at}.retry.base_delay", "must not be more than max_delay")

    def _model_dialects(self, provider: ProviderConfig, at: str) -> None:
        """A pattern of a provider that lists its models has to match one of them."""
        for pattern in provider.model_dialects if provider.models else ():
            if not any(_matches(one, pattern) or _matches(pattern, one) for one in provider.models):
                self._problem(
                    f"{at}.model_dialects",
                    f"provider '{provider.name}' lists no model '{pattern}'",
                    suggest(pattern, provider.models) or "add it to the provider's models",
                )

    def _address(self, provider: ProviderConfig, at: str) -> None:
        url = provider.base_url
        if url is None:
            return
        path = f"{at}.base_url"
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            self._problem(path, "is not an address", "write https://host[:port][/path]")
            return
        if parts.scheme not in ("http", "https") or not host or not _visible(url):
            self._problem(path, "must be an absolute http or https address")
        elif "@" in parts.netloc:
            self._problem(path, "must not hold a user or password", "put the key in api_key")
        elif parts.query or parts.fragment or "?" in url or "#" in url:
            self._problem(path, "must not have a query or a fragment", "end it with the path")

    def _headers(self, provider: ProviderConfig, at: str) -> None:
        for section in ("headers", "custom_headers"):
            for name, value in getattr(provider.settings, section).items():
                path = f"{at}.settings.{section}"
                text = value.reveal()
                if not _HEADER_NAME.fullmatch(name):
                    self._problem(path, f"'{name[:40]}' is not a name of a header field")
                elif name.lower() in _OWN_HEADERS:
                    self._problem(path, f"'{name}' is set by Portico itself", "leave it out")
                elif any(ord(c) < 32 or 126 < ord(c) < 160 or ord(c) > 255 for c in text):
                    self._problem(f"{path}.{name}", "holds characters that a header may not hold")
        if not _is_header_safe(provider.api_key):
            self._problem(f"{at}.api_key", "a key must be printable ASCII without spaces")
        for index, key in enumerate(provider.api_keys):
            if not key or not _is_header_safe(key):
                path = f"{at}.api_keys[{index}]"
                self._problem(path, "a key must be printable ASCII without spaces")
        if provider.api_key and provider.api_keys:
            self._problem(
                f"{at}.api_keys", "both 'api_key' and 'api_keys' are given", "keep one of them"
            )
        if len(set(provider.api_keys)) < len(provider.api_keys):
            self._problem(f"{at}.api_keys", "holds a key twice", "each counts as one of its own")

    def _routes(self) -> None:
        routes = self.config.models
        self._unique((r.name for r in routes), "a model named", lambda i: f"models[{i}].name")
        providers = {p.name: p for p in self.config.providers}
        known = self._public_names()
        for index, route in enumerate(routes):
            at = f"models[{index}]"
            for number, target in enumerate(route.targets):
                self._target(target.target, providers, f"{at}.targets[{number}].target")
            self._fallbacks(route, at, known)
            self._delays(route.retries.base_delay, route.retries.max_delay, f"{at}.retries")
            self._timers(route.timeouts, f"{at}.timeouts")
        retries = self.config.router.retries
        self._delays(retries.base_delay, retries.max_delay, "router.retries")
        self._timers(self.config.router.timeouts, "router.timeouts")
        self._fallback_cycles()

    def _target(self, target: str, providers: Mapping[str, ProviderConfig], path: str) -> None:
        name, slash, model = target.partition("/")
        if not slash or not model or not name:
            self._problem(path, f"'{target[:80]}' is not a target", "write provider/model")
            return
        provider = providers.get(name)
        if provider is None and (name in BUILT_IN_PROVIDERS or not self._names_known):
            return
        if provider is None:
            hint = suggest(name, providers) or "add it under providers:"
            self._problem(path, f"no provider named '{name}'", hint)
        elif provider.models and not any(_matches(model, one) for one in provider.models):
            self._problem(
                path,
                f"provider '{name}' does not list model '{model}'",
                suggest(model, provider.models) or "add it to the provider's models",
            )
        elif not provider.enabled:
            self._notice(path, f"provider '{name}' is not enabled; the target is left out")

    def _public_names(self) -> list[str]:
        """What clients may ask for; patterns as they are.

        A provider that lists no model has those of the catalog, which is not known here: then
        `_models_known` is false and no name is called unknown.
        """
        names = [route.name for route in self.config.models]
        names += self.config.model_aliases
        for provider in self.config.providers:
            names += provider.models
            names += [f"{provider.name}/{model}" for model in provider.models or ("*",)]
        for name in BUILT_IN_PROVIDERS:
            names += [name, f"{name}/*"]
        return list(dict.fromkeys(names))

    def _fallbacks(self, route: RouteConfig, at: str, known: list[str]) -> None:
        for cause in _CAUSES:
            for number, name in enumerate(getattr(route.fallbacks, cause)):
                path = f"{at}.fallbacks.{cause}[{number}]"
                if name == route.name:
                    self._problem(path, f"'{name}' cannot fall back to itself")
                elif self._models_known and not any(_matches(name, one) for one in known):
                    hint = suggest(name, known)
                    hint = f"; {hint}" if hint.startswith("did you mean") else ""
                    self._notice(path, f"left out: no model or route is named '{name}'{hint}")

    def _fallback_cycles(self) -> None:
        routes = {route.name: index for index, route in enumerate(self.config.models)}
        for cause in _CAUSES:
            edges = {
                route.name: [
                    n for n in getattr(route.fallbacks, cause) if n in routes and n != route.name
                ]
                for route in self.config.models
            }
            for cycle in _cycles(edges):
                path = f"models[{routes[cycle[0]]}].fallbacks.{cause}"
                round_trip = " → ".join([*cycle, cycle[0]])
                self._notice(path, f"goes round in a circle, tried once each: {round_trip}")

    def _delays(self, base: float | None, longest: float | None, at: str) -> None:
        if base is not None and longest is not None and base > longest:
            self._problem(f"{at}.base_delay", "must not be more than max_delay")

    def _timers(self, timers: TimeoutsConfig, at: str) -> None:
        for name in ("connect", "first_byte", "whole", "first_event", "first_content", "idle"):
            value = getattr(timers, name)
            if value is not None and timers.total is not None and value > timers.total:
                self._notice(f"{at}.{name}", "is longer than total, which runs out first")

    def _rules(self) -> None:
        known = self._public_names()
        keys = {key.name for key in self.config.keys}
        for index, rule in enumerate(self.config.rules):
            at = f"rules[{index}]"
            if self._models_known and not any(_matches(rule.route, one) for one in known):
                hint = suggest(rule.route, known)
                self._problem(f"{at}.route", f"no model or route named '{rule.route}'", hint)
            for number, name in enumerate(rule.keys):
                if not any(_matches(key, name) for key in keys):
                    self._notice(f"{at}.keys[{number}]", f"no key is named '{name}'")
            least, most = rule.min_input_tokens, rule.max_input_tokens
            if least is not None and most is not None and least > most:
                self._problem(f"{at}.min_input_tokens", "must not be more than max_input_tokens")
            for name in rule.headers:
                if not _HEADER_NAME.fullmatch(name):
                    self._problem(f"{at}.headers", f"'{name[:40]}' is not a name of a header field")

    def _aliases(self) -> None:
        aliases = self.config.model_aliases
        routes = {route.name for route in self.config.models}
        known = self._public_names()
        for name, target in aliases.items():
            path = f"model_aliases.{name}"
            if name in routes:
                self._problem(path, f"'{name}' is a route already", "rename one of them")
            elif (
                self._models_known
                and target not in aliases
                and not any(_matches(target, one) for one in known)
            ):
                self._problem(path, f"no model or route named '{target}'", suggest(target, known))
        edges = {name: [t] for name, t in aliases.items() if t in aliases and t not in routes}
        for cycle in _cycles(edges):
            self._problem(
                f"model_aliases.{cycle[0]}",
                f"aliases go round in a circle: {' → '.join([*cycle, cycle[0]])}",
            )

    def _keys(self) -> None:
        keys = self.config.keys
        self._unique((k.name for k in keys), "a key named", lambda i: f"keys[{i}].name")
        first: dict[str, int] = {}
        for index, key in enumerate(keys):
            at = f"keys[{index}]"
            if self._key_itself(key, at):
                if key.digest in first:
                    other = keys[first[key.digest]].name
                    self._problem(at, f"'{key.name}' is the same key as '{other}'", "make another")
                first.setdefault(key.digest, index)
            if key.expires_at_s is not None and key.expires_at_s <= self._now:
                self._notice(f"{at}.expires_at", f"key '{key.name}' has expired")
            if key.user_header is not None and not _HEADER_NAME.fullmatch(key.user_header):
                shown = key.user_header[:40]
                self._problem(f"{at}.user_header", f"'{shown}' is not a name of a header field")
            if not key.models:
                self._notice(f"{at}.models", f"key '{key.name}' may use no model")

    def _key_itself(self, key: KeyConfig, at: str) -> bool:
        if key.key is not None and key.sha256 is not None:
            self._problem(f"{at}.sha256", "both 'key' and 'sha256' are given", "keep one of them")
            return False
        if key.key is None and key.sha256 is None:
            self._problem(at, "has neither 'key' nor 'sha256'", "give one of them")
            return False
        value = key.key.reveal() if key.key is not None else ""
        if key.key is None or value.startswith("sha256:"):
            if not _SHA256.fullmatch(key.digest):
                path = f"{at}.sha256" if key.key is None else f"{at}.key"
                hint = "printf %s KEY | sha256sum"
                self._problem(path, "a SHA-256 hash is 64 hexadecimal digits", hint)
                return False
            return True
        if len(value) < MIN_KEY_LENGTH:
            self._problem(f"{at}.key", f"a key needs at least {MIN_KEY_LENGTH} characters")
            return False
        if any(ord(c) <= 32 or ord(c) > 126 for c in value):
            self._problem(f"{at}.key", "a key must be printable ASCII without spaces")
            return False
        return True

    def _metrics(self) -> None:
        at = "integrations.prometheus"
        settings = self.config.integrations.prometheus
        if not _METRIC_NAME.fullmatch(settings.prefix) or settings.prefix.startswith("__"):
            self._problem(
                f"{at}.prefix", "must be letters, digits and '_', not beginning with '__'"
            )
        for name in settings.labels:
            if not _LABEL_NAME.fullmatch(name) or name.startswith("__"):
                self._problem(f"{at}.labels.{name}", f"'{name[:40]}' is not a name of a label")
            elif name in _RESERVED_LABELS:
                self._problem(f"{at}.labels.{name}", f"label '{name}' is Portico's own")
        for field in ("latency_buckets", "token_buckets"):
            bounds = getattr(settings, field)
            rising = all(a < b for a, b in pairwise(bounds))
            if not bounds or not rising or not all(0 < b < math.inf for b in bounds):
                self._problem(f"{at}.{field}", "must be positive numbers, each above the last")

    def _server(self) -> None:
        cors = self.config.server.cors
        if cors.enabled and cors.allow_credentials and "*" in cors.allowed_origins:
            self._problem(
                "server.cors.allow_credentials",
                "cannot be true while allowed_origins holds '*'",
                "name the origins",
            )
        for index, origin in enumerate(cors.allowed_origins):
            scheme, mark, rest = origin.partition("://")
            if origin not in ("*", "null") and (not mark or not scheme or "/" in rest or not rest):
                self._problem(
                    f"server.cors.allowed_origins[{index}]",
                    f"'{origin[:80]}' is not an origin",
                    "write scheme://host[:port], without a path",
                )
        if not _visible(self.config.server.host):
            self._problem("server.host", "is not an address or a name of a host")

    def _media(self) -> None:
        media = self.config.media
        for field in ("allow_hosts", "deny_hosts"):
            for index, host in enumerate(getattr(media, field)):
                if not _HOST_PATTERN.fullmatch(host):
                    self._problem(
                        f"media.{field}[{index}]",
                        f"'{host[:80]}' is not the name of a host, or a pattern of such",
                        "write example.com or *.example.com, without scheme, port or path",
                    )
        for index, network in enumerate(media.allow_networks):
            try:
                ip_network(network)
            except ValueError:
                self._problem(
                    f"media.allow_networks[{index}]",
                    f"'{network[:80]}' is not a network",
                    "write 10.20.0.0/16 or fd00:1234::/32",
                )

    def _auth(self) -> None:
        auth = self.config.auth
        secret = auth.jwt_secret.reveal()
        if not auth.enable_jwt or not secret:
            return
        path = "auth.jwt_secret"
        if len(secret.encode()) < MIN_JWT_SECRET_BYTES:
            self._problem(path, f"needs at least {MIN_JWT_SECRET_BYTES} bytes")
        elif secret.isascii() and secret.isalpha() and secret.islower():
            self._problem(path, "must not be lower-case letters alone")
        elif any(word in secret for word in ("your-secret-key", "change-me")):
            self._problem(path, "is still the example's", "make your own: openssl rand -base64 32")

    def _prices(self) -> None:
        known = self._public_names()
        for name, price in self.config.pricing.models.items():
            if self._models_known and not any(_matches(name, one) for one in known):
                self._notice(f"pricing.models.{name}", f"no provider here lists '{name}'")
            if price.input is None and price.output is None:
                self._notice(f"pricing.models.{name}", "says neither input nor output")


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or ("*" in pattern and fnmatchcase(name, pattern))


def _is_header_safe(key: Secret) -> bool:
    return all(32 < ord(c) <= 126 for c in key.reveal())


def _visible(text: str) -> bool:
    return text.isprintable() and " " not in text


def _cycles(edges: Mapping[str, list[str]]) -> list[list[str]]:
    """Each circle once, beginning with its first name in the order of `edges`; iterative."""
    done: set[str] = set()
    found: list[list[str]] = []
    for start in edges:
        path: list[str] = []
        on_path: dict[str, int] = {}
        pending: list[tuple[str, int]] = [(start, 0)]
        while pending:
            name, step = pending.pop()
            if step == 0:
                if name in on_path:
                    found.append(path[on_path[name] :])
                    continue
                if name in done:
                    continue
                on_path[name] = len(path)
                path.append(name)
            following = edges.get(name, [])
            if step < len(following):
                pending.append((name, step + 1))
                pending.append((following[step], 0))
            else:
                done.add(name)
                path.pop()
                del on_path[name]
    return found
