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
        "| [Cohere](https://docs.cohere.com/docs/compatibility-api) | `cohere` | "
        "`https://api.cohere.ai/compatibility/v1` | `COHERE_API_KEY`, `CO_API_KEY` | embeddings | "
        "Refused: `stream_options`. `COHERE_COMPATIBILITY_API_BASE` moves the address. "
        "The Compatibility API. It refuses stream_options. |"
    )
    assert line in providers_markdown().splitlines()
