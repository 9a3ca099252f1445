"""Settings from environment variables and flags, laid over the file's tree.

Every setting has a name: `PORTICO_` and its path with `__` between the parts, as in
`PORTICO_SERVER__PORT`; an entry of a list is named by its `name` or its number, as in
`PORTICO_PROVIDERS__OPENAI__API_KEY`. Lists are `a,b` or `[a, b]`. The reference's `LITELLM_*` names
(litellm-rs 0.4.16, https://docs.rs/litellm-rs/0.4.16, read 2026-11-23) mean the same settings, and
yield to ours.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from msgspec import inspect

from portico.config import yaml_tree
from portico.config.kinds import members, type_of, unwrap
from portico.config.problem import Notice, Place, Problem, suggest
from portico.config.schema.providers import ProviderConfig
from portico.config.schema.root import Config
from portico.config.yaml_tree import Node, Scalar, moved
from portico.types.secret import Secret

PREFIX = "PORTICO_"
NOT_SETTINGS = frozenset(("PORTICO_CONFIG", "PORTICO_LOG_LEVEL", "PORTICO_LOG_FORMAT"))
"""Names that belong to the command line, which reads them itself."""

_ORCHESTRATOR = re.compile(r"PORTICO_((\w+_)?SERVICE_(HOST|PORT)\w*|PORT(_\d+_\w+)?)")
"""What Kubernetes sets for a service named `portico`, in every container beside it."""

REFERENCE_NAMES: dict[str, str] = {
    "LITELLM_HOST": "server.host",
    "LITELLM_PORT": "server.port",
    "LITELLM_WORKERS": "server.workers",
    "LITELLM_TIMEOUT": "server.timeout",
    "LITELLM_DATA_DIR": "data_dir",
    "LITELLM_DATABASE_URL": "storage.database.url",
    "LITELLM_DATABASE_MAX_CONNECTIONS": "storage.database.max_connections",
    "LITELLM_DATABASE_CONNECTION_TIMEOUT": "storage.database.connection_timeout",
    "LITELLM_DATABASE_SSL": "storage.database.ssl",
    "LITELLM_DATABASE_ENABLED": "storage.database.enabled",
    "LITELLM_REDIS_URL": "storage.redis.url",
    "LITELLM_REDIS_ENABLED": "storage.redis.enabled",
    "LITELLM_REDIS_MAX_CONNECTIONS": "storage.redis.max_connections",
    "LITELLM_REDIS_CONNECTION_TIMEOUT": "storage.redis.connection_timeout",
    "LITELLM_REDIS_CLUSTER": "storage.redis.cluster",
    "LITELLM_ENABLE_JWT": "auth.enable_jwt",
    "LITELLM_ENABLE_API_KEY": "auth.enable_api_key",
    "LITELLM_JWT_SECRET": "auth.jwt_secret",
    "LITELLM_JWT_EXPIRATION": "auth.jwt_expiration",
    "LITELLM_API_KEY_HEADER": "auth.api_key_header",
    "LITELLM_PRICING_SOURCE": "pricing.source",
    "LITELLM_CACHE_ENABLED": "cache.enabled",
    "LITELLM_RATE_LIMIT_ENABLED": "rate_limit.enabled",
    "LITELLM_ENTERPRISE_ENABLED": "enterprise.enabled",
}

_WITHOUT_EFFECT: dict[str, str] = {
    "LITELLM_SQLITE_PATH": "calls are recorded in the journal of data_dir",
}
_WHOSE = "has no effect: LITELLM_PROVIDERS names no such provider, or it has no such setting"
_FLAGS: dict[str, str] = {
    "monitoring.logging.level": "--log-level",
    "monitoring.logging.format": "--log-format",
}
"""Where a flag is not called after the last part of its setting."""

PROVIDER_FIELDS: dict[str, str] = {
    "TYPE": "provider_type",
    "API_KEY": "api_key",
    "BASE_URL": "base_url",
    "API_VERSION": "api_version",
    "ORGANIZATION": "organization",
    "PROJECT": "project",
    "WEIGHT": "weight",
    "RPM": "rpm",
    "TPM": "tpm",
    "MAX_CONCURRENT_REQUESTS": "max_concurrent_requests",
    "TIMEOUT": "timeout",
    "MAX_RETRIES": "max_retries",
    "ENABLED": "enabled",
    "MODELS": "models",
    "TAGS": "tags",
}
"""Endings of `LITELLM_PROVIDER_<NAME>_…` and the provider's field."""


def overlay(
    root: yaml_tree.Mapping,
    environ: Mapping[str, str],
    flags: Mapping[str, str],
    *,
    problems: list[Problem],
) -> list[Notice]:
    """Write what variables and flags say into the tree; what comes later wins.

    Adds to `problems` what contradicts the tree's shape. Returns notices of names that are none.
    """
    notices = [
        Notice(Place(variable), "", f"has no effect: {instead}")
        for variable, instead in _WITHOUT_EFFECT.items()
        if variable in environ
    ]
    if environ.get("LITELLM_VERBOSE", "").lower() in ("1", "true", "yes", "on"):
        level = _scalar("debug", "LITELLM_VERBOSE")
        _write(root, ["monitoring", "logging", "level"], level, problems)
    for variable, path in REFERENCE_NAMES.items():
        if variable in environ:
            _write(root, path.split("."), _scalar(environ[variable], variable), problems)
    notices += _reference_providers(root, environ, problems)
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in NOT_SETTINGS:
            parts = variable[len(PREFIX) :].lower().split("__")
            unknown = _unknown_part(parts)
            if unknown is None:
                _write(root, parts, _scalar(environ[variable], variable), problems)
            elif not _ORCHESTRATOR.fullmatch(variable):
                notices.append(Notice(Place(variable), "", _no_setting(unknown)))
    for path, value in flags.items():
        place = _FLAGS.get(path) or f"--{path.rpartition('.')[2].replace('_', '-')}"
        _write(root, path.split("."), _scalar(value, place), problems)
    return notices


def variable_name(path: Sequence[str]) -> str:
    return PREFIX + "__".join(part.upper() for part in path)


def discover(
    environ: Mapping[str, str], rows: Iterable[tuple[str, Sequence[str]]]
) -> list[ProviderConfig]:
    """One provider for each row (provider type, names of its key's variables) whose key is set.

    For a start without a file. The provider is named after its type; where two types read the same
    variable the first row takes it.
    """
    taken: set[str] = set()
    found: list[ProviderConfig] = []
    for provider_type, variables in rows:
        for variable in variables:
            value = environ.get(variable, "").strip()
            if value and variable not in taken:
                taken.add(variable)
                found.append(
                    ProviderConfig(
                        name=provider_type, provider_type=provider_type, api_key=Secret(value)
                    )
                )
                break
    return found


def _scalar(value: str, source: str) -> Scalar:
    return Scalar(Place(source), value)


def _reference_providers(
    root: yaml_tree.Mapping, environ: Mapping[str, str], problems: list[Problem]
) -> list[Notice]:
    """Returns notices of the `LITELLM_PROVIDER_` variables that belong to nothing."""
    used: set[str] = set()
    names = [name.strip() for name in environ.get("LITELLM_PROVIDERS", "").split(",")]
    for name in filter(None, names):
        prefix = f"LITELLM_PROVIDER_{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}_"
        entry = ["providers", name]
        place = "LITELLM_PROVIDERS"
        _write(root, [*entry, "name"], _scalar(name, place), problems)
        if f"{prefix}TYPE" not in environ and not _has_type(root, name):
            _write(root, [*entry, "provider_type"], _scalar(name, place), problems)
        for ending, field in PROVIDER_FIELDS.items():
            if prefix + ending in environ:
                used.add(prefix + ending)
                value = _scalar(environ[prefix + ending], prefix + ending)
                _write(root, [*entry, field], value, problems)
    return [
        Notice(Place(variable), "", _WHOSE)
        for variable in sorted(environ)
        if variable.startswith("LITELLM_PROVIDER_") and variable not in used
    ]


def _has_type(root: yaml_tree.Mapping, name: str) -> bool:
    providers = root.items.get("providers")
    if not isinstance(providers, yaml_tree.Sequence):
        return False
    entry = providers.items[_entry(providers, name, Place(""))]
    return isinstance(entry, yaml_tree.Mapping) and "provider_type" in entry.items


def _unknown_part(parts: Sequence[str]) -> tuple[str, list[str]] | None:
    """The first part that names nothing, with what would be known there."""
    kind: inspect.Type = type_of(Config)
    rest = list(parts)
    while rest:
        kind = _collection(kind)
        if isinstance(kind, inspect.StructType):
            fields = {field.encode_name: field.type for field in kind.fields}
            if rest[0] not in fields:
                return rest[0], list(fields)
            kind = fields[rest.pop(0)]
        elif isinstance(kind, inspect.VarTupleType):
            rest.pop(0)
            kind = kind.item_type
        elif isinstance(kind, inspect.DictType):
            rest.pop(0)
            kind = kind.value_type
        else:
            return rest[0], []
    return None


def _collection(kind: inspect.Type) -> inspect.Type:
    """The alternative of a type that one can go down into, if there is any."""
    options = [unwrap(option)[0] for option in members(unwrap(kind)[0])]
    inner = (inspect.StructType, inspect.VarTupleType, inspect.DictType)
    return next((option for option in options if isinstance(option, inner)), options[0])


def _no_setting(unknown: tuple[str, list[str]]) -> str:
    part, known = unknown
    meant = _joined_by_one().get(part)
    if meant is not None:
        hint = f"did you mean {meant}?"
    else:
        hint = suggest(part, known)
        hint = hint.upper().replace("DID YOU MEAN", "did you mean") if "did you" in hint else ""
    return f"has no effect: '{part.upper()}' names no setting" + (f"; {hint}" if hint else "")


@cache
def _joined_by_one() -> dict[str, str]:
    """The variables as people write them with one underscore where two belong."""
    found: dict[str, str] = {}
    pending: list[tuple[list[str], inspect.Type]] = [([], type_of(Config))]
    while pending:
        path, kind = pending.pop()
        if len(path) > 1:
            found["_".join(path)] = variable_name(path)
        below = _collection(kind)
        if isinstance(below, inspect.StructType):
            pending.extend(([*path, field.encode_name], field.type) for field in below.fields)
    return found


def _write(
    root: yaml_tree.Mapping, path: Sequence[str], value: Scalar, problems: list[Problem]
) -> None:
    node: Node = root
    kind: inspect.Type = type_of(Config)
    for index, part in enumerate(path):
        kind = _collection(kind)
        last = index == len(path) - 1
        if isinstance(kind, inspect.VarTupleType) and isinstance(node, yaml_tree.Sequence):
            number = _entry(node, part, value.place)
            kind = kind.item_type
            if last:
                node.items[number] = value
                return
            node.items[number] = _opened(node.items[number], kind, value.place)
            node = node.items[number]
        elif isinstance(node, yaml_tree.Mapping):
            kind = _below(kind, part)
            node.keys[part] = value.place
            if last:
                node.items[part] = value
                return
            node.items[part] = _opened(node.items.get(part), kind, value.place)
            node = node.items[part]
        else:
            where = ".".join(path[:index])
            what = f"'{where}' is not written as a mapping or a list in {node.place}"
            problems.append(Problem(value.place, ".".join(path), what))
            return


def _below(kind: inspect.Type, part: str) -> inspect.Type:
    if isinstance(kind, inspect.StructType):
        for field in kind.fields:
            if field.encode_name == part:
                return field.type
    if isinstance(kind, inspect.DictType):
        return kind.value_type
    return inspect.AnyType()


def _opened(node: Node | None, kind: inspect.Type, place: Place) -> Node:
    """What can be gone down into: the node, or an empty collection where nothing is written."""
    empty = node is None or (isinstance(node, Scalar) and yaml_tree.resolve(node) is None)
    if node is not None and not empty:
        if isinstance(node, Scalar) and not node.place.line and node.text.strip()[:1] in ("[", "{"):
            tree, broken = yaml_tree.parse(node.text, name=str(node.place))
            return node if tree is None or broken else moved(tree, node.place)
        return _copied(node)
    if isinstance(_collection(kind), inspect.VarTupleType):
        return yaml_tree.Sequence(place, [])
    return yaml_tree.Mapping(place, {}, {})


def _copied(node: Node) -> Node:
    """Aliases share nodes; what is changed for one place must not change in the others."""
    if isinstance(node, yaml_tree.Mapping):
        return yaml_tree.Mapping(node.place, dict(node.items), dict(node.keys))
    if isinstance(node, yaml_tree.Sequence):
        return yaml_tree.Sequence(node.place, list(node.items))
    return node


def _entry(node: yaml_tree.Sequence, part: str, place: Place) -> int:
    """The index of the entry so named or numbered; where there is none, a new one is made."""
    wanted = _folded(part)
    for index, item in enumerate(node.items):
        if isinstance(item, yaml_tree.Mapping):
            name = item.items.get("name")
            if isinstance(name, Scalar) and _folded(name.text) == wanted:
                return index
    if part.isdecimal() and int(part) < len(node.items):
        return int(part)
    name = Scalar(place, part, plain=False)
    node.items.append(yaml_tree.Mapping(place, {"name": name}, {"name": place}))
    return len(node.items) - 1


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "_", name.lower())
