"""Every row of providers.toml: well formed, unique, and found by each of its names."""

import re
from urllib.parse import urlsplit

import pytest

from portico.catalog.models import model_providers
from portico.catalog.providers import (
    ProviderRow,
    find_provider,
    listed_providers,
    provider_rows,
    suggest_providers,
)

ROWS = listed_providers()
NAME = re.compile(r"[a-z0-9][a-z0-9_]*")
ALIAS = re.compile(r"[a-z0-9][a-z0-9_.\-]*")
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
PARAM = re.compile(r"[a-z][a-z0-9_]*")
AUTH = re.compile(r"bearer|none|header:[a-z0-9-]+|query:[A-Za-z0-9_-]+")
LOOPBACK = {"localhost", "127.0.0.1"}

REFERENCE_NAMES = (
    "groq",
    "together",
    "fireworks",
    "perplexity",
    "cerebras",
    "openrouter",
    "deepinfra",
    "deepseek",
    "novita",
    "nvidia_nim",
    "nebius",
    "nscale",
    "hyperbolic",
    "featherless",
    "galadriel",
    "sambanova",
    "heroku",
    "friendliai",
    "xai",
    "vllm",
    "hosted_vllm",
    "lm_studio",
    "llamafile",
    "docker_model_runner",
    "xinference",
    "infinity",
    "oobabooga",
    "moonshot",
    "dashscope",
    "qwen",
    "baichuan",
    "minimax",
    "volcengine",
    "xiaomi_mimo",
    "zhipu",
    "lemonade",
    "poe",
    "wandb",
    "nanogpt",
    "aiml_api",
    "bytez",
    "comet_api",
    "compactifai",
    "maritalk",
    "siliconflow",
    "yi",
    "ovhcloud",
    "openai",
    "anthropic",
    "mistral",
    "cloudflare",
    "openai_compatible",
    "openai_like",
    "v0",
    "amazon_nova",
    "azure",
    "azure_ai",
    "bedrock",
    "vertex_ai",
    "ollama",
    "gemini",
    "cohere",
)


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> ProviderRow:
    return request.param


def test_there_are_well_over_sixty_cloud_rows() -> None:
    assert len([row for row in ROWS if row.location == "cloud"]) > 90
    assert len([row for row in ROWS if row.location == "local"]) >= 15


def test_no_name_or_alias_is_used_twice() -> None:
    names = [name for row in ROWS for name in (row.name, *row.aliases)]
    assert sorted(names) == sorted(provider_rows())


@pytest.mark.parametrize("name", REFERENCE_NAMES)
def test_names_of_the_reference_are_kept(name: str) -> None:
    assert find_provider(name) is not None


def test_names_and_aliases_are_spelled_as_configuration_spells_them(row: ProviderRow) -> None:
    assert NAME.fullmatch(row.name)
    assert all(ALIAS.fullmatch(alias) for alias in row.aliases)
    assert row.title.strip() == row.title != ""


def test_every_name_finds_its_row_in_any_case(row: ProviderRow) -> None:
    for name in (row.name, *row.aliases):
        assert find_provider(name) is row
        assert find_provider(f" {name.upper()} ") is row
        assert find_provider(name.replace("_", "-")) is row


def test_addresses_are_absolute_and_clean(row: ProviderRow) -> None:
    if row.base_url is None:
        assert row.location == "builtin" or row.base_url_form is not None
        return
    assert row.base_url_form is None
    url = urlsplit(row.base_url)
    assert url.hostname
    assert not url.query
    assert not url.fragment
    assert url.username is None
    assert not row.base_url.endswith("/")
    if row.location == "local":
        assert url.scheme == "http"
        assert url.hostname in LOOPBACK
        assert url.port is not None
    else:
        assert url.scheme == "https"
        assert "." in url.hostname


def test_environment_names_are_variables(row: ProviderRow) -> None:
    assert all(VARIABLE.fullmatch(name) for name in row.key_env)
    assert len(set(row.key_env)) == len(row.key_env)
    assert row.base_env is None or VARIABLE.fullmatch(row.base_env)
    if row.location == "cloud":
        assert row.key_env or row.cloud_credentials
        assert row.needs_key


def test_no_two_rows_share_the_variable_that_moves_them() -> None:
    variables = [row.base_env for row in ROWS if row.base_env]
    assert len(set(variables)) == len(variables)


def test_auth_dialect_and_parameters_are_well_formed(row: ProviderRow) -> None:
    assert AUTH.fullmatch(row.auth)
    assert PARAM.fullmatch(row.dialect)
    for name in (*row.renamed_params, *row.renamed_params.values(), *row.refused_params):
        assert PARAM.fullmatch(name)
    assert not set(row.renamed_params) & set(row.refused_params)
    assert all(name == name.lower() and "\n" not in value for name, value in row.headers.items())


def test_documentation_is_linked(row: ProviderRow) -> None:
    url = urlsplit(row.docs)
    assert url.scheme == "https"
    assert "." in (url.hostname or "")


def test_price_prefixes_exist_in_the_catalog_or_have_no_prices_at_all() -> None:
    unknown = {prefix for row in ROWS for prefix in row.prices} - model_providers()
    assert unknown == set()


def test_a_bare_origin_in_the_environment_gets_the_rows_path() -> None:
    ollama = find_provider("ollama")
    assert ollama is not None
    assert ollama.env_base_url("http://box:11434/") == "http://box:11434/v1"
    assert ollama.env_base_url("http://box/proxy/v1") == "http://box/proxy/v1"
    anthropic = find_provider("anthropic")
    assert anthropic is not None
    assert anthropic.env_base_url("https://claude.example") == "https://claude.example"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("antropic", "anthropic"), ("openia", "openai"), ("togetherr", "together")],
)
def test_a_misspelled_name_finds_what_was_meant(typed: str, meant: str) -> None:
    assert find_provider(typed) is None
    assert meant in suggest_providers(typed)
