"""What only some providers need (a project, an account, a private key): from the file, else from
the environment variables of the row. Those that the form of an address names make the address.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

from msgspec import structs

from portico.catalog.providers import ProviderRow, listed_providers
from portico.config.schema.providers import ProviderConfig, ProviderSettings
from portico.errors import ConfigError
from portico.types.secret import Secret

_ANGLES: Final = re.compile(r"<([a-z_]+)>")
_SCHEME: Final = re.compile(r"^https?://|/+$")


class SettingsOf:
    """The settings of one configured provider. Raises ConfigError for one that its type has not."""

    def __init__(
        self, config: ProviderConfig, row: ProviderRow, environ: Mapping[str, str]
    ) -> None:
        self._row = row
        said = _said(config.settings)
        self._check_known(said)
        if config.region is not None:
            said["region"] = Secret(config.region)
        self._values: dict[str, Secret] = {}
        for name, variables in row.settings.items():
            found = said.get(name) or _first(variables, environ)
            if found:
                self._values[name] = found
        self._check_one_of()

    @property
    def given(self) -> tuple[tuple[str, Secret], ...]:
        return tuple(self._values.items())

    def check_instead_of_key(self) -> None:
        """Raises ConfigError unless there are settings that stand in for the key that is not."""
        row = self._row
        if any(all(name in self._values for name in way) for way in row.instead_of_key):
            return
        ways = (" and ".join(f"`settings.{name}`" for name in way) for way in row.instead_of_key)
        other = "".join(f", or give {way}" for way in ways)
        raise ConfigError(f"no api_key; give one here, or set {' or '.join(row.key_env)}{other}.")

    def filled_form(self) -> str | None:
        """The address by the row's form, if all that it names is known."""
        form = self._row.base_url_form
        names = self._named()
        if form is None or not names or not all(name in self._values for name in names):
            return None
        return _ANGLES.sub(lambda found: self._part(found.group(1)), form)

    def missing_of_form(self) -> str:
        """The settings that would do instead of an address, as the end of a message."""
        names = [name for name in self._named() if name not in self._values]
        if not names:
            return ""
        return ", or " + " and ".join(
            f"`{'' if name == 'region' else 'settings.'}{name}`" for name in names
        )

    def _named(self) -> list[str]:
        """What the form names, if settings can say all of it."""
        names = _ANGLES.findall(self._row.base_url_form or "")
        return names if all(name in self._row.settings for name in names) else []

    def _part(self, name: str) -> str:
        """People give hosts as addresses."""
        return _SCHEME.sub("", self._values[name].reveal())

    def _check_one_of(self) -> None:
        wanted = self._row.one_of_settings
        if wanted and not any(name in self._values for name in wanted):
            settings = " or ".join(f"`settings.{name}`" for name in wanted)
            variables = " or ".join(self._row.settings[name][0] for name in wanted)
            raise ConfigError(f"{self._row.title} needs {settings}; give one, or set {variables}.")

    def _check_known(self, said: Mapping[str, Secret]) -> None:
        row = self._row
        for name in said:
            if name not in row.settings:
                known = ", ".join(f"`{one}`" for one in row.settings if one != "region")
                raise ConfigError(
                    f"`settings.{name}` means nothing to {row.title}"
                    + (f"; it takes {known}." if known else "; it takes none of the kind.")
                )


def _said(settings: ProviderSettings) -> dict[str, Secret]:
    given = {name: value for name, value in structs.asdict(settings).items() if value}
    return {
        name: value if isinstance(value, Secret) else Secret(str(value))
        for name, value in given.items()
        if name in _particular()
    }


@cache
def _particular() -> frozenset[str]:
    """The names of settings that some row has; all others mean the same for every provider."""
    return frozenset(name for row in listed_providers() for name in row.settings)


def _first(variables: tuple[str, ...], environ: Mapping[str, str]) -> Secret | None:
    for name in variables:
        value = environ.get(name, "").strip()
        if value:
            return Secret(value)
    return None
