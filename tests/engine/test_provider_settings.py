"""What only some providers need: from the file, from the environment, and in their addresses."""

from collections.abc import Mapping

import pytest

from portico.catalog.providers import listed_providers
from portico.config.schema.providers import ProviderSettings
from portico.engine.provider_set import known_providers
from portico.types.deployment import Provider
from portico.types.secret import Secret
from tests.harness import read_config


def known(line: str, environ: Mapping[str, str]) -> tuple[Provider | None, list[str]]:
    config = read_config(f"providers:\n  - {{name: p, {line}}}\n")
    problems: list[str] = []
    found = known_providers(config, environ, problems).get("p")
    return (found.provider if found is not None else None), problems


CLIENT = {"DATABRICKS_CLIENT_ID": "id-1", "DATABRICKS_CLIENT_SECRET": "secret-1"}


def test_settings_come_from_the_environment_and_the_file_comes_first() -> None:
    line = "provider_type: databricks, settings: {client_id: id-2, host: 'https://dbc.example/'}"
    provider, problems = known(line, {**CLIENT, "DATABRICKS_HOST": "elsewhere.example"})
    assert problems == []
    assert provider is not None
    assert dict(provider.settings) == {
        "host": Secret("https://dbc.example/"),
        "client_id": Secret("id-2"),
        "client_secret": Secret("secret-1"),
    }
    assert provider.setting("client_id") == "id-2"
    assert provider.setting("absent") is None
    assert "secret-1" not in repr(provider)


@pytest.mark.parametrize("host", ["dbc.example", "https://dbc.example", "https://dbc.example/"])
def test_a_setting_that_the_form_names_makes_the_address(host: str) -> None:
    provider, problems = known("provider_type: databricks, api_key: k", {"DATABRICKS_HOST": host})
    assert problems == []
    assert provider is not None
    assert (str(provider.origin), provider.base_path) == (
        "https://dbc.example",
        "/serving-endpoints",
    )


def test_an_address_that_was_given_comes_first() -> None:
    for line, environ in (
        ("base_url: 'https://own.example/x', ", {}),
        ("", {"DATABRICKS_API_BASE": "https://own.example/x"}),
    ):
        line = f"provider_type: databricks, {line}api_key: k"
        provider, _ = known(line, {"DATABRICKS_HOST": "dbc.example", **environ})
        assert provider is not None
        assert f"{provider.origin}{provider.base_path}" == "https://own.example/x"


@pytest.mark.parametrize(
    ("line", "environ", "problem"),
    [
        (
            "provider_type: databricks, api_key: k",
            {},
            "Databricks has no address of its own; give base_url, such as "
            "https://<host>/serving-endpoints, or `settings.host`.",
        ),
        (
            "provider_type: databricks, settings: {host: h, client_id: i}",
            {},
            "no api_key; give one here, or set DATABRICKS_API_KEY or DATABRICKS_TOKEN, or give "
            "`settings.client_id` and `settings.client_secret`.",
        ),
        (
            "provider_type: databricks, api_key: k, settings: {host: h, private_key: sekrit}",
            {},
            "`settings.private_key` means nothing to Databricks; it takes `host`, `client_id`, "
            "`client_secret`.",
        ),
        (
            "provider_type: snowflake, settings: {account: myorg-acc, user: GATEWAY}",
            {},
            "no api_key; give one here, or set SNOWFLAKE_PAT or SNOWFLAKE_JWT or "
            "SNOWFLAKE_API_KEY, or give `settings.user` and `settings.private_key`, or give "
            "`settings.client_id` and `settings.client_secret` and `settings.refresh_token`.",
        ),
        (
            "provider_type: sagemaker, region: us-east-1, settings: {account: x}",
            {},
            "`settings.account` means nothing to Amazon SageMaker AI; it takes none of the kind.",
        ),
        (
            "provider_type: sagemaker",
            {},
            "Amazon SageMaker AI has no address of its own; give base_url, such as "
            "https://runtime.sagemaker.<region>.amazonaws.com, or `region`.",
        ),
        (
            "provider_type: watsonx, api_key: k, settings: {project_id: p}",
            {},
            "IBM watsonx.ai has no address of its own; give base_url, such as "
            "https://<region>.ml.cloud.ibm.com, or `region`.",
        ),
        (
            "provider_type: groq, api_key: k, settings: {client_secret: sekrit}",
            {},
            "`settings.client_secret` means nothing to Groq; it takes none of the kind.",
        ),
        ("provider_type: groq", {}, "no api_key; give one here, or set GROQ_API_KEY."),
    ],
)
def test_what_is_missing_or_means_nothing_is_told(
    line: str, environ: dict[str, str], problem: str
) -> None:
    provider, problems = known(line, environ)
    assert provider is None
    assert problems == [f"providers: p: {problem}"]


def test_every_setting_of_a_row_can_be_said_in_the_file() -> None:
    fields = {*ProviderSettings.__struct_fields__, "region"}
    for row in listed_providers():
        assert row.settings.keys() <= fields, row.name
        for way in row.instead_of_key:
            assert set(way) <= row.settings.keys(), row.name
