"""The provider rows as a page of documentation: `docs/providers.md` is this and nothing else."""

from collections.abc import Iterable

from portico.catalog.providers import Location, ProviderRow, listed_providers
from portico.types.deployment import MessageRules

_SECTIONS: tuple[tuple[Location, str, str], ...] = (
    (
        "cloud",
        "Cloud",
        "Found without any configuration when one of its variables is set.",
    ),
    (
        "local",
        "On your own machine or network",
        "No key is needed; one that is set is sent. Say `base_url` if the server is elsewhere.",
    ),
    ("any", "Anything else that speaks OpenAI", "Say `base_url`; a key is sent if there is one."),
    ("builtin", "Built in", "Needs no network: for a first try and for tests."),
)


def providers_markdown() -> str:
    """The whole page, in the order of the file, ending in a newline."""
    rows = listed_providers()
    lines = [
        "# Providers",
        "",
        "<!-- Generated from portico/catalog/providers.toml; change that file. -->",
        "",
        f"Portico knows {len(rows)} providers by name. Any other that speaks OpenAI's protocol is",
        "`openai_compatible` with a `base_url`. In a configuration file:",
        "",
        "```yaml",
        "providers:",
        '  - {name: fast, provider_type: groq, api_key: "${GROQ_API_KEY}"}',
        "```",
        "",
        "`provider_type` takes a name or an alias of this page. A default address is used unless",
        "`base_url` is given. Parameters in *renamed* travel under the provider's name for them;",
        "those in *refused* are answered by the provider with an error. *Beyond chat* names what",
        "else is offered: `messages` is Anthropic's API, `responses` OpenAI's newer one, and a",
        "client of either gets it as it is.",
    ]
    for location, title, text in _SECTIONS:
        lines += ["", f"## {title}", "", text, ""]
        lines += _table(row for row in rows if row.location == location)
    return "\n".join(lines) + "\n"


def _table(rows: Iterable[ProviderRow]) -> Iterable[str]:
    yield "| Provider | `provider_type` | Address | Key | Beyond chat | Remarks |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        cells = (
            f"[{row.title}]({row.docs})",
            ", ".join(f"`{name}`" for name in (row.name, *row.aliases)),
            _address(row),
            _key(row),
            ", ".join(row.endpoints),
            " ".join(_remarks(row)),
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _address(row: ProviderRow) -> str:
    if row.base_url is not None:
        return f"`{row.base_url}`"
    return f"yours: `{row.base_url_form}`" if row.base_url_form else ""


def _key(row: ProviderRow) -> str:
    names = ", ".join(f"`{name}`" for name in row.key_env)
    return f"{names} (optional)" if names and not row.needs_key else names


def _setting(name: str, variables: tuple[str, ...]) -> str:
    said = " or ".join(f"`{variable}`" for variable in variables)
    return f"`{name}` ({said})" if said else f"`{name}`"


def _message_remarks(rules: MessageRules) -> Iterable[str]:
    if rules.refused:
        yield f"Refused in messages: {', '.join(f'`{name}`' for name in rules.refused)}."
    for old, new in rules.roles:
        yield f"The role `{old}` goes as `{new}`."
    if rules.call_id_length is not None:
        yield f"Ids of calls are made {rules.call_id_length} letters and digits."


def _remarks(row: ProviderRow) -> Iterable[str]:
    if row.dialect != "openai_chat":
        yield f"Dialect `{row.dialect}`."
    for pattern, dialects in row.model_dialects.items():
        yield f"`{pattern}` speaks {' or '.join(f'`{one}`' for one in dialects)}."
    if row.messages_path:
        yield f"Messages below `{row.messages_path}`."
    if row.stateless_responses:
        yield "Its Responses endpoint keeps no state."
    if row.auth.startswith(("header:", "query:")):
        kind, name = row.auth.split(":", 1)
        yield f"Key in {kind} `{name}`."
    if row.renamed_params:
        renamed = ", ".join(f"`{old}` → `{new}`" for old, new in row.renamed_params.items())
        yield f"Renamed: {renamed}."
    if row.refused_params:
        yield f"Refused: {', '.join(f'`{name}`' for name in row.refused_params)}."
    if row.message_rules is not None:
        yield from _message_remarks(row.message_rules)
    if row.base_env:
        yield f"`{row.base_env}` moves the address."
    if row.settings:
        yield "Settings: " + ", ".join(_setting(*pair) for pair in row.settings.items()) + "."
    if row.instead_of_key:
        ways = (" and ".join(f"`{name}`" for name in way) for way in row.instead_of_key)
        yield f"Instead of a key: {', or '.join(ways)}."
    if row.one_of_settings:
        names = " or ".join(f"`{name}`" for name in row.one_of_settings)
        yield f"It needs {names}."
    if row.notes:
        yield row.notes
