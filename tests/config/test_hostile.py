"""Whatever the text is, loading gives a configuration or `ConfigInvalid`, and soon."""

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from portico.config.load import ConfigInvalid, load

EXAMPLES = Path(__file__).parents[2] / "examples"
SEEDS = sorted(path.read_text() for path in EXAMPLES.glob("*.yaml"))

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)

HOSTILE = {
    "aliases": BOMB + "keys: *a11\n",
    "aliases in free text": BOMB + "enterprise: {sso: {settings: {x: *a11}}}\n",
    "merges": "m0: &m0 {a: 1}\n"
    + "".join(
        f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 9)}], k{i}: 1}}\n" for i in range(1, 500)
    ),
    "flow nesting": "keys: " + "[" * 1_000_000,
    "mapping nesting": "keys: " + "{a: " * 200_000,
    "block nesting": "- " * 1_000_000,
    "many keys": "".join(f"k{i}: 1\n" for i in range(300_000)),
    "same keys": "k: 1\n" * 300_000,
    "one long line": "data_dir: " + "x" * 4_000_000,
    "one long key": "k" * 1000 + ": 1",
    "long number": "server:\n  port: " + "9" * 4_000_000,
    "long exponent": "pricing: {models: {m: {input: 1e999999999}}}",
    "long decimals": "pricing: {models: {m: {input: 0." + "0" * 60 + "1}}}",
    "huge float": "server: {timeout: 1e400}",
    "references": "data_dir: " + "${A}" * 500_000,
    "open references": "data_dir: " + "${" * 1_000_000,
    "open quotes": 'data_dir: "' + "\n" * 2_000_000,
    "key signs": "api_key: " + "key:" * 500_000 + "\nx",
    "secret-like": "sk-" * 500_000 + ": - 1",
    "spaces": "server:" + " " * 2_000_000 + "x: y: z",
    "comments": "#\n" * 2_000_000,
    "nul": "data_dir: \0",
    "controls": "data_dir: \x07",
    "surrogate-like": "data_dir: '\\ud800'",
    "anchors": "".join(f"k{i}: &a{i} x\n" for i in range(100_000)),
    "many problems": "providers:\n" + "  - {nam: x}\n" * 8000,
    "many fallbacks": "models:\n"
    + "".join(
        f"  - {{name: r{i}, targets: [echo/e], fallbacks: {{general: [r{i + 1}]}}}}\n"
        for i in range(1500)
    ),
    "many aliases": "model_aliases:\n" + "".join(f"  a{i}: a{i + 1}\n" for i in range(10_000)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_answered_within_a_second(name: str) -> None:
    text = HOSTILE[name]
    began = time.process_time()
    shown = "".join(problems_of(text, {"A": "x" * 100_000}))
    assert time.process_time() - began < 1.0
    assert len(shown) < 200_000


def problems_of(text: str | bytes, environ: dict[str, str]) -> list[str]:
    try:
        load(text, name="g.yaml", environ=environ, now=1.8e9, provider_types=("openai",))
    except ConfigInvalid as error:
        return [str(problem) for problem in error.problems] or ["refused without a reason"]
    return []


def holds_or_is_refused(text: str | bytes) -> None:
    problems = problems_of(text, {"PORT": "1"})
    assert all(problem.startswith("g.yaml") for problem in problems), problems


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_a_valid_file_with_mistakes(data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from(SEEDS)).splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(lines) - 1))
        line = lines[index]
        at = data.draw(st.integers(0, len(line)))
        piece = data.draw(
            st.one_of(
                st.sampled_from(
                    [*"{}[]:,-&*!|>'\"#%@`~?", "<<", "<<: ", "${", "${X}", "null", "1e9", "\t"]
                ),
                st.text(max_size=3),
            )
        )
        cut = data.draw(st.integers(0, 4))
        lines[index] = line[:at] + piece + line[at + cut :]
    holds_or_is_refused("\n".join(lines))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_a_valid_file_with_its_lines_moved(data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from(SEEDS)).splitlines()
    first = data.draw(st.integers(0, len(lines) - 1))
    second = data.draw(st.integers(0, len(lines) - 1))
    indent = data.draw(st.integers(0, 6))
    lines.insert(second, " " * indent + lines.pop(first).lstrip())
    holds_or_is_refused("\n".join(lines))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.one_of(st.text(), st.binary()))
def test_any_text(text: str | bytes) -> None:
    holds_or_is_refused(text)


_INNER_KEYS = [
    *("name", "key", "models", "targets", "target", "general", "type", "provider_type"),
    *("base_url", "port", "server", "cors", "router", "strategy", "timeouts", "keys"),
    *("pricing", "input", "settings", "headers"),
]
_OUTER_KEYS = [
    *("providers", "models", "keys", "server", "router", "model_aliases", "pricing", "auth"),
    *("monitoring", "integrations", "storage", "cache", "enterprise", "data_dir"),
    "schema_version",
]
_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from(["openai", "echo/echo", "*", "round_robin", "2030-01-01", "sha256:x"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(_INNER_KEYS),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.dictionaries(
        st.sampled_from(_OUTER_KEYS),
        _VALUES,
        max_size=4,
    )
)
def test_right_keys_with_any_values(tree: object) -> None:
    holds_or_is_refused(yaml.safe_dump(tree, allow_unicode=True))
