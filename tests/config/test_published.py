"""What is made from the Structs: the JSON Schema, the reference page; and the examples."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from portico.app import check_config
from portico.config.document import configuration_markdown
from portico.config.json_schema import schema, schema_json
from portico.config.kinds import members, type_of, unwrap
from portico.config.load import load
from portico.config.schema.choices import DIALECTS
from portico.config.schema.root import Config
from portico.wire.table import PROVIDER_DIALECTS

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))

_NEEDED = re.compile(r"\$\{(\w+)\}")
"""The variables without which an example is refused."""

NOTICES = {
    "gateway.yaml": ["server.workers", "rate_limit.enabled"],
}


def sections() -> list[tuple[str, msgspec.inspect.StructType]]:
    """Every Struct of the configuration, once, with a path to it."""
    found: dict[str, tuple[str, msgspec.inspect.StructType]] = {}
    pending: list[tuple[str, msgspec.inspect.Type]] = [("", type_of(Config))]
    while pending:
        path, kind = pending.pop()
        for option in members(unwrap(kind)[0]):
            bare, _ = unwrap(option)
            if isinstance(bare, msgspec.inspect.VarTupleType):
                pending.append((path, bare.item_type))
            elif isinstance(bare, msgspec.inspect.DictType):
                pending.append((path, bare.value_type))
            elif isinstance(bare, msgspec.inspect.StructType) and path not in found:
                found[path] = (path, bare)
                pending += [(f"{path}.{f.encode_name}".lstrip("."), f.type) for f in bare.fields]
    return list(found.values())


def test_there_are_examples() -> None:
    assert {path.name for path in EXAMPLES} >= {
        "minimal.yaml",
        "gateway.yaml",
        "team.yaml",
        "local-models.yaml",
        "load-balancing.yaml",
        "routing.yaml",
        "clouds.yaml",
        "agents.yaml",
    }


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_loads(path: Path) -> None:
    environ = {
        name: f"sk-example-{name.lower().replace('_', '-')}"
        for name in _NEEDED.findall(path.read_text())
    }
    loaded = load(path.read_bytes(), name=path.name, environ=environ, now=1.8e9)
    assert loaded.config.providers
    assert [notice.path for notice in loaded.notices] == NOTICES.get(path.name, [])
    check_config(loaded.config, environ)


def test_both_spellings_of_the_strategy_are_among_the_examples() -> None:
    texts = {path.name: path.read_text() for path in EXAMPLES}
    assert "strategy:\n    type: least_latency" in texts["gateway.yaml"]
    assert "strategy: least_busy" in texts["load-balancing.yaml"]


def test_every_dialect_of_providers_can_be_said() -> None:
    assert set(DIALECTS) == set(PROVIDER_DIALECTS)


def test_every_setting_says_what_it_means() -> None:
    silent = [
        f"{path}.{field.encode_name}"
        for path, kind in sections()
        for field in kind.fields
        if not isinstance(field.type, msgspec.inspect.Metadata)
        or not str((field.type.extra_json_schema or {}).get("description", "")).endswith(".")
    ]
    assert silent == []


def test_every_default_is_within_its_own_range() -> None:
    def plain(value: Any) -> Any:
        if isinstance(value, msgspec.Struct):
            return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        if isinstance(value, tuple):
            return [plain(item) for item in value]
        return value.reveal() if hasattr(value, "reveal") else value

    text = json.dumps(plain(Config()))
    assert load(text, name="defaults.json", environ={}, now=1.8e9).config == Config()


def test_the_page_has_a_line_for_every_setting() -> None:
    page = configuration_markdown()
    for path, kind in sections():
        for field in kind.fields:
            assert f"| `{field.encode_name}` |" in page, f"{path}.{field.encode_name}"
    assert "| `port` | whole number ≥ 0, ≤ 65535 | `8000` |" in page
    assert "`PORTICO_PROVIDERS__<NAME>__API_KEY`" in page
    assert "`LITELLM_HOST` | `server.host`" in page
    assert page == configuration_markdown()


def test_the_schema_describes_every_setting_and_is_closed() -> None:
    made = schema()
    assert json.loads(schema_json()) == made
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert made["additionalProperties"] is False
    assert set(made["properties"]) == {field.encode_name for field in type_of(Config).fields}
    opened = sorted(n for n, d in made["$defs"].items() if d["additionalProperties"] is not False)
    assert opened == ["ProviderSettings", "TracingConfig"]
    for definition in [made, *made["$defs"].values()]:
        for name, value in definition["properties"].items():
            assert value["description"], name


def test_the_schema_allows_a_variable_where_a_number_is_wanted() -> None:
    assert schema()["$defs"]["ServerConfig"]["properties"]["port"] == {
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 65535},
            {"type": "string", "pattern": r"\$\{[^}]+\}"},
        ],
        "description": "Port to listen on; 0 takes a free one.",
        "default": 8000,
    }


def test_references_of_the_schema_lead_somewhere() -> None:
    made = schema()
    text = schema_json()
    for name in made["$defs"]:
        assert f'"#/$defs/{name}"' in text
    found = [part.split('"')[0] for part in text.split("#/$defs/")[1:]]
    assert set(found) <= set(made["$defs"])
