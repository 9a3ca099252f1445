"""The provider rows of `providers.toml`, decoded once, on first use.

A row says where a provider is and how it differs from OpenAI; it holds no credential and reads no
environment: who does reads `key_env` and `base_env` and hands the result to `config`.
"""

import difflib
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from portico.types.deployment import MessageRules

Location = Literal["cloud", "local", "any", "builtin"]
Endpoint = Literal[
    "chat",
    "completions",
    "embeddings",
    "images",
    "messages",
    "moderations",
    "rerank",
    "responses",
    "speech",
]

_DIALECTS: Final = {
    "chat": "openai_chat",
    "messages": "anthropic_messages",
    "responses": "openai_responses",
}
"""Endpoints that are a dialect of chat each."""

_FILE = Path(__file__).with_name("providers.toml")


class ProviderRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider type. The head of `providers.toml` tells what each field means."""

    name: str
    title: str
    docs: str
    base_url: str | None = None
    base_url_form: str | None = None
    key_env: tuple[str, ...] = ()
    base_env: str | None = None
    location: Location = "cloud"
    dialect: str = "openai_chat"
    auth: str = "bearer"
    needs_key: bool = True
    renamed_params: dict[str, str] = {}
    refused_params: tuple[str, ...] = ()
    message_rules: MessageRules | None = None
    no_media_urls: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    aliases: tuple[str, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    messages_path: str | None = None
    model_dialects: dict[str, tuple[str, ...]] = {}
    stateless_responses: bool = False
    custom_tools: bool = False
    for_mistrals_sdk: bool = False
    cloud_credentials: bool = False
    settings: dict[str, tuple[str, ...]] = {}
    instead_of_key: tuple[tuple[str, ...], ...] = ()
    one_of_settings: tuple[str, ...] = ()
    prices: tuple[str, ...] = ()
    notes: str = ""

    @property
    def also(self) -> tuple[str, ...]:
        """The dialects that it offers beside `dialect`."""
        found = (_DIALECTS[name] for name in self.endpoints if name in _DIALECTS)
        return tuple(dialect for dialect in found if dialect != self.dialect)

    def dialects_of(self, model: str) -> tuple[str, ...]:
        """What this model is offered in, if that is not as the row speaks; else nothing."""
        for pattern, dialects in self.model_dialects.items():
            if fnmatchcase(model, pattern):
                return dialects
        return ()

    def env_base_url(self, value: str) -> str:
        """What `base_env` means when it holds `value`: a bare origin gets the path of `base_url`.

        `OLLAMA_API_BASE=http://box:11434` is how people set it; what has a path is taken as it is.
        """
        value = value.rstrip("/")
        if self.base_url is None or urlsplit(value).path:
            return value
        return value + urlsplit(self.base_url).path


@cache
def listed_providers() -> tuple[ProviderRow, ...]:
    """Every row once, in the order of the file."""
    with _FILE.open("rb") as file:
        tables = tomllib.load(file)
    return msgspec.convert(
        [{"name": name, **table} for name, table in tables.items()], tuple[ProviderRow, ...]
    )


@cache
def provider_rows() -> Mapping[str, ProviderRow]:
    """Rows by name and by alias, all in lower case."""
    rows = {row.name: row for row in listed_providers()}
    for row in listed_providers():
        for alias in row.aliases:
            rows[alias] = row
    return MappingProxyType(rows)


def find_provider(type_name: str) -> ProviderRow | None:
    """The row called `type_name`, in any case, with `-` or `_`."""
    rows = provider_rows()
    name = type_name.strip().lower()
    return rows.get(name) or rows.get(name.replace("-", "_")) or rows.get(name.replace("_", "-"))


def suggest_providers(type_name: str, limit: int = 3) -> list[str]:
    """Names and aliases close to one that is not there, the closest first: for "did you mean"."""
    name = type_name.strip().lower().replace("-", "_")
    return difflib.get_close_matches(name, provider_rows(), n=limit, cutoff=0.6)
