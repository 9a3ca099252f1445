"""`docs/configuration.md`, generated: one table for each section, one line for each setting."""

from typing import Any

import msgspec
from msgspec import inspect

from portico.config.environment import (
    NOT_SETTINGS,
    PROVIDER_FIELDS,
    REFERENCE_NAMES,
    variable_name,
)
from portico.config.kinds import default_of, describe, members, type_of, unwrap
from portico.config.schema.choices import STRATEGIES
from portico.config.schema.root import Config
from portico.types.secret import Secret

_INTRODUCTION = """\
# Configuration

Generated from `portico/config/schema` by `portico.config.document`; do not edit.

Portico reads one YAML file, `portico serve --config FILE`; `portico check FILE` says everything
that is wrong with one, with line, column and a hint. Every setting is optional. A flag wins over an
environment variable, that over the file, that over the default. `portico schema` prints a JSON
Schema for editors.

- `${VAR}` in a value is replaced by the environment variable, `${VAR:-default}` by the default if
  it is unset or empty; `$${` is a literal `${`. Keys and comments are left alone. An unset variable
  without a default is an error. `$VAR` without braces is text.
- YAML is version 1.2: `true` and `false` are the booleans, `no` and `on` are text.
- An unknown key is an error. A setting of the reference that has no effect here is accepted with a
  notice; the tables mark it *no effect*.
- Every setting has an environment variable: `PORTICO_` and its path, in capitals, joined by two
  underscores. An entry of a list is named by its `name` or its number:
  `PORTICO_PROVIDERS__OPENAI__API_KEY`. Lists are `a,b` or `[a, b]`, mappings `{a: b}`.
- `{names}` are not settings: the command line reads them.
"""


def configuration_markdown() -> str:
    parts = [_INTRODUCTION.replace("{names}", "`, `".join(sorted(NOT_SETTINGS)))]
    _section(type_of(Config), [], parts)
    parts.append(_strategies())
    parts.append(_reference_names())
    return "\n".join(parts)


def _section(kind: inspect.StructType, path: list[str], parts: list[str]) -> None:
    title = _title(path)
    lines = [f"## {title}\n"]
    about = (kind.cls.__doc__ or "").strip()
    if about and "Struct" not in about:
        lines.append(about.replace("\n    ", "\n") + "\n")
    lines += ["| key | type | default | meaning | environment |", "|---|---|---|---|---|"]
    deeper: list[tuple[list[str], inspect.StructType]] = []
    for field in kind.fields:
        lines.append(_row(field, path))
        below = _struct_below(field.type)
        if below is not None:
            deeper.append(([*path, field.encode_name, *below[0]], below[1]))
    parts.append("\n".join(lines) + "\n")
    for longer, struct in deeper:
        _section(struct, longer, parts)


def _title(path: list[str]) -> str:
    return f"`{'.'.join(path).replace('.[]', '[]').replace('.{}', '.*')}`" if path else "The file"


def _row(field: inspect.Field, path: list[str]) -> str:
    kind, extra = unwrap(field.type)
    about = field.type.extra_json_schema if isinstance(field.type, inspect.Metadata) else None
    meaning = str((about or {}).get("description", ""))
    if "unused" in extra:
        meaning = f"{meaning} *No effect: {extra['unused']}.*"
    variable = f"`{variable_name([_placeholder(p) for p in [*path, field.encode_name]])}`"
    cells = (f"`{field.encode_name}`", _kind(kind, extra), _default(field), meaning, variable)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _placeholder(part: str) -> str:
    return {"[]": "<name>", "{}": "<name>"}.get(part, part)


def _kind(kind: inspect.Type, extra: dict[str, Any]) -> str:
    options = [unwrap(option)[0] for option in members(kind)]
    bounds = [_bounds(o) for o in options if isinstance(o, (inspect.IntType, inspect.FloatType))]
    if "choices" in extra and len(extra["choices"]) < 8:
        return ", ".join(f"`{choice}`" for choice in extra["choices"])
    named = describe(kind, extra).replace("a ", "").replace("such as 0.15", "in USD")
    return " ".join([named or "anything", *filter(None, bounds)])


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    low = f"≥ {kind.ge}" if kind.ge is not None else f"> {kind.gt}" if kind.gt is not None else ""
    high = f"≤ {kind.le}" if kind.le is not None else ""
    return ", ".join(filter(None, (low, high)))


def _default(field: inspect.Field) -> str:
    if field.required:
        return "**required**"
    value = default_of(field)
    if value is None or isinstance(value, msgspec.Struct) or value in ((), {}, ""):
        return ""
    if isinstance(value, Secret):
        return f"`{value.reveal()}`" if value else ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(str(item) for item in value) + "]`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _struct_below(kind: inspect.Type) -> tuple[list[str], inspect.StructType] | None:
    """The Struct within a type and how its path goes on: `[]` in a list, `{}` in a mapping."""
    for option in members(unwrap(kind)[0]):
        bare, _ = unwrap(option)
        if isinstance(bare, inspect.StructType):
            return [], bare
        if isinstance(bare, inspect.VarTupleType):
            inner, _ = unwrap(bare.item_type)
            return (["[]"], inner) if isinstance(inner, inspect.StructType) else None
        if isinstance(bare, inspect.DictType):
            inner, _ = unwrap(bare.value_type)
            return (["{}"], inner) if isinstance(inner, inspect.StructType) else None
    return None


def _strategies() -> str:
    lines = ["## Strategies\n", "| written | means |", "|---|---|"]
    lines += [f"| `{written}` | `{meant}` |" for written, meant in STRATEGIES.items()]
    return "\n".join(lines) + "\n"


def _reference_names() -> str:
    lines = [
        "## Environment names of the reference\n",
        "They mean the same settings and yield to `PORTICO_` names. `LITELLM_PROVIDERS` is a list\n"
        "of names, `a,b`; each has the variables `LITELLM_PROVIDER_<NAME>_` and one of these\n"
        "endings: " + ", ".join(f"`{ending}`" for ending in PROVIDER_FIELDS) + ".\n",
        "| variable | setting |",
        "|---|---|",
    ]
    lines += [f"| `{variable}` | `{path}` |" for variable, path in REFERENCE_NAMES.items()]
    return "\n".join(lines) + "\n"
