"""The page of providers tells of every row."""

from portico.catalog.document import providers_markdown
from portico.catalog.providers import listed_providers


def test_every_provider_alias_address_and_variable_is_on_the_page() -> None:
    page = providers_markdown()
    for row in listed_providers():
        for word in (row.name, *row.aliases, *row.key_env):
            assert f"`{word}`" in page
        assert row.base_url is None or f"`{row.base_url}`" in page
        assert f"]({row.docs})" in page
    assert page.endswith("|\n")


def test_one_row_reads_as_it_should() -> None:
    line = (
        "| [Moonshot AI (Kimi)](https://platform.moonshot.ai/docs/api/chat) | "
        "`moonshot`, `kimi`, `moonshotai` | `https://api.moonshot.ai/v1` | `MOONSHOT_API_KEY` | "
        "messages | Messages below `/anthropic`. `MOONSHOT_API_BASE` moves the address. "
        "The international address |"
    )
    assert line in providers_markdown().splitlines()


def test_dialects_of_some_models_are_told() -> None:
    (line,) = [line for line in providers_markdown().splitlines() if "`azure_ai`" in line]
    assert "`claude*` speaks `anthropic_messages`." in line
