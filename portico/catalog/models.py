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
_SERVED = frozenset(
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


class _Kind(msgspec.Struct, frozen=True):
    provider: str
    mode: str | None = None


class _Catalog(msgspec.Struct, frozen=True):
    about: About
    models: dict[str, msgspec.Raw]


@cache
def _catalog() -> _Catalog:
    return msgspec.json.decode(_FILE.read_bytes(), type=_Catalog)


_decoder = msgspec.json.Decoder(ModelEntry)
_kind_decoder = msgspec.json.Decoder(_Kind)


def about() -> About:
    return _catalog().about


@lru_cache(maxsize=1024)
def model_entry(key: str) -> ModelEntry | None:
    """The entry of exactly this key, such as `gpt-4o-mini` or `groq/openai/gpt-oss-120b`."""
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
    """The names under which these providers sell what Portico can ask for, sorted.

    Names as a client sends them: without the prefix, and without the templates (`ft:…`) and picture
    sizes (`1024-x-1024/…`) under which some prices are listed.
    """
    if not provider_prefixes:
        return ()
    names = set()
    for key, raw in _catalog().models.items():
        first, slash, rest = key.partition("/")
        if key.startswith("ft:") or (slash and first not in provider_prefixes):
            continue
        kind = _kind_decoder.decode(raw)
        if kind.mode in _SERVED and kind.provider in provider_prefixes:
            names.add(rest if slash else key)
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
