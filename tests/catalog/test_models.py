"""The catalog of models: exact look-up, every entry sound, and cheap to open."""

import re
import subprocess
import sys

import pytest

from portico.catalog.models import (
    ModelEntry,
    about,
    find_model,
    find_model_key,
    model_entry,
    model_keys,
    models_of,
)
from portico.policy.pricing import PriceTable

PRICE_KEY = re.compile(r"[a-z0-9_]+(@[a-z]+)?(>[1-9][0-9]*)?")


def test_the_data_say_where_they_come_from() -> None:
    assert (about().licence, about().read) == ("MIT", "2026-11-23")
    assert about().data.startswith("litellm ")


def test_an_entry_is_decoded_whole() -> None:
    assert model_entry("gpt-4o-mini") == ModelEntry(
        provider="openai",
        mode="chat",
        max_input_tokens=128000,
        max_output_tokens=16384,
        abilities=(
            "json_schema",
            "parallel_tools",
            "pdf",
            "prompt_caching",
            "system_messages",
            "tool_choice",
            "tools",
            "vision",
        ),
        prices={
            "input": 150,
            "input@batch": 75,
            "input@priority": 250,
            "cache_read": 75,
            "cache_read@priority": 125,
            "output": 600,
            "output@batch": 300,
            "output@priority": 1000,
            "query": 25_000_000,
        },
        source="https://developers.openai.com/api/docs/pricing",
    )


@pytest.mark.parametrize(
    ("model", "prefixes", "key"),
    [
        ("gpt-4o-mini", ("openai",), "gpt-4o-mini"),
        ("gpt-4o-mini-2024-07-18", ("openai",), "gpt-4o-mini-2024-07-18"),
        ("gpt-4o-mini", ("azure",), "azure/gpt-4o-mini"),
        ("azure/gpt-4o-mini", ("azure",), "azure/gpt-4o-mini"),
        ("gemini-2.5-pro", ("gemini",), "gemini/gemini-2.5-pro"),
        ("gemini-2.5-pro", ("vertex_ai",), "gemini-2.5-pro"),
        ("openai/gpt-oss-120b", ("groq",), "groq/openai/gpt-oss-120b"),
        # another seller's price is no price
        ("gpt-4o-mini", ("groq",), None),
        ("claude-opus-4-6", ("openai", "azure"), None),
        # neither is a neighbour's
        ("gpt-4o-mini-2024-07-19", ("openai",), None),
        ("gpt-4o-min", ("openai",), None),
        ("GPT-4o-mini", ("openai",), None),
        ("my-gpt-4o-mini", ("openai",), None),
        ("", ("openai",), None),
        ("gpt-4o-mini", (), None),
    ],
)
def test_look_up_is_exact(model: str, prefixes: tuple[str, ...], key: str | None) -> None:
    assert find_model_key(model, prefixes) == key
    found = find_model(model, prefixes)
    assert found == (None if key is None else model_entry(key))


def test_every_entry_decodes_and_compiles() -> None:
    keys = list(model_keys())
    assert len(keys) > 4500
    assert keys == sorted(keys)
    for key in keys:
        entry = model_entry(key)
        assert entry is not None
        assert entry.provider, key
        for name, price in entry.prices.items():
            assert PRICE_KEY.fullmatch(name), (key, name)
            numerator, denominator = price if isinstance(price, tuple) else (price, 1)
            assert numerator >= 0, (key, name)
            assert denominator >= 1, (key, name)
        for multiplier in entry.regions.values():
            numerator, denominator = (
                multiplier if isinstance(multiplier, tuple) else (multiplier, 1)
            )
            assert numerator >= denominator > 0, key
        assert entry.deprecated is None or re.fullmatch(r"\d{4}-\d{2}-\d{2}", entry.deprecated), key
        PriceTable(entry.prices, entry.regions)


def test_the_models_of_a_provider_carry_no_prefix() -> None:
    openai = models_of(("openai",))
    assert {"gpt-4o-mini", "text-embedding-3-small", "omni-moderation-latest"} <= set(openai)
    assert not [name for name in openai if name.startswith(("ft:", "1024-x", "openai/"))]
    assert "openai/gpt-oss-120b" in models_of(("groq",))
    assert models_of(()) == ()


def test_opening_the_catalog_builds_no_entries() -> None:
    script = (
        "import gc\n"
        "from portico.catalog.models import ModelEntry, find_model\n"
        "assert find_model('gpt-4o-mini', ('openai',))\n"
        "built = [o for o in gc.get_objects() if isinstance(o, ModelEntry)]\n"
        "assert len(built) <= 1, len(built)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
