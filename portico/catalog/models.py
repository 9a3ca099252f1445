"""What is known of models: limits, abilities, prices, each with its source. Facts, never behaviour.

An unknown model works like any other; it has no price, that is all. `models.json` is made by
`scripts/convert_prices` and holds one model a line. Reading it costs one pass over the bytes that
only finds where each entry lies; an entry becomes an object when somebody asks for it.
"""

from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

import msgspec

from portico.types.usage import Price

_FILE = Path(__file__).with_name("models.json")


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model at one provider.

    `prices` is keyed `component[@tier][>threshold]` and goes to `policy.pricing.PriceTable`, with
    `regions`, the multipliers of data residency. `deprecated` is the day it is switched off,
    `YYYY-MM-DD`. `dimensions` is the length of an embedding.
    """

    provider: str
    mode: str | None = None
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    dimensions: int | None = None
    abilities: tuple[str, ...] = ()
    prices: dict[str, Price] = {}
    regions: dict[str, Price] = {}
    deprecated: str | None = None
    source: str | None = None


class About(msgspec.Struct, frozen=True):
    """Where the figures come from: the published data set, its licence, the day it was read."""

    data: str
    licence: str
    read: str


class _Catalog(msgspec.Struct, frozen=True):
    about: About
    models: dict[str, msgspec.Raw]


@cache
def _catalog() -> _Catalog:
    return msgspec.json.decode(_FILE.read_bytes(), type=_Catalog)


_ASKABLE = frozenset(
    {
        "audio_speech",
        "chat",
        "completion",
        "embedding",
        "image_generation",
        "moderation",
        "rerank",
        "responses",
    }
)

_decoder = msgspec.json.Decoder(ModelEntry)


def about() -> About:
    return _catalog().about


@lru_cache(maxsize=1024)
def model_entry(key: str) -> ModelEntry | None:
    """The entry of exactly this key, such as `gpt-4o-mini` or `xai/grok-4`."""
    raw = _catalog().models.get(key)
    return None if raw is None else _decoder.decode(raw)


def find_model_key(model: str, provider_prefixes: tuple[str, ...]) -> str | None:
    """The key that describes `model` as these providers sell it, or nothing.

    In order: `<prefix>/<model>`, then `model` itself if that entry is one of those providers'.
    There is no other rule: no part of a name, no neighbouring version, no other seller's price.
    """
    models = _catalog().models
    for prefix in provider_prefixes:
        key = f"{prefix}/{model}"
        if key in models:
            return key
    entry = model_entry(model)
    return model if entry is not None and entry.provider in provider_prefixes else None


def find_model(model: str, provider_prefixes: tuple[str, ...]) -> ModelEntry | None:
    """The entry of `find_model_key`; `provider_prefixes` are the `prices` of a provider's row."""
    key = find_model_key(model, provider_prefixes)
    return None if key is None else model_entry(key)


def model_keys() -> Iterator[str]:
    """Every key, sorted; nothing is decoded."""
    return iter(_catalog().models)


@cache
def models_of(provider_prefixes: tuple[str, ...]) -> tuple[str, ...]:
    """The names under which these providers sell what the gateway can ask for, sorted.

    Names a client can send: without the prefix, and without the templates (`ft:…`) and sizes
    (`1024-x-1024/…`) under which some prices are listed. Decodes the candidates.
    """
    names = set()
    for key, raw in _catalog().models.items():
        first, slash, rest = key.partition("/")
        if slash and first in provider_prefixes:
            name = rest
        elif slash or key.startswith("ft:"):
            continue
        else:
            name = key
        entry = _decoder.decode(raw)
        if entry.provider in provider_prefixes and entry.mode in _ASKABLE:
            names.add(name)
    return tuple(sorted(names))


@cache
def model_providers() -> frozenset[str]:
    """Every provider and every key prefix of the catalog. Decodes all of it."""
    providers = set()
    for key, raw in _catalog().models.items():
        providers.add(_decoder.decode(raw).provider)
        if "/" in key:
            providers.add(key.split("/", 1)[0])
    return frozenset(providers)


_SERVED = frozenset(
    {
        "chat",
        "completion",
        "responses",
        "embedding",
        "moderation",
        "rerank",
        "image_generation",
        "audio_speech",
    }
)


class _Kind(msgspec.Struct):
    provider: str
    mode: str | None = None


@cache
def models_of(provider_prefixes: tuple[str, ...]) -> tuple[str, ...]:
    """The names that these providers give the models they sell, for operations that Portico serves."""
    if not provider_prefixes:
        return ()
    decoder = msgspec.json.Decoder(_Kind)
    names: dict[str, None] = {}
    for key, raw in _catalog().models.items():
        prefix, slash, rest = key.partition("/")
        if slash and prefix not in provider_prefixes:
            continue
        kind = decoder.decode(raw)
        if kind.mode in _SERVED and (slash or kind.provider in provider_prefixes):
            names[rest if slash else key] = None
    return tuple(names)
