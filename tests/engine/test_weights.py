"""One weight for one deployment, said once."""

import pytest

from portico.app import check_config
from portico.errors import ConfigError
from tests.harness import read_config

CONFIG = """
providers:
  - {{name: p, provider_type: openai_compatible, base_url: "http://127.0.0.1:9/v1", models: [x, y]}}
models:
  - {{name: a, targets: [{{target: p/x, weight: 9}}, p/y]}}
  - {{name: b, targets: [{{target: p/x, weight: {weight}}}, p/y]}}
"""


def test_two_routes_that_disagree_about_a_weight_are_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        check_config(read_config(CONFIG.format(weight=1)), {})
    assert refused.value.message == (
        "the configuration has 1 problem:\n"
        "models: b: p/x has the weight 1 here and 9 in a; give it one weight in all routes, or "
        "list its provider a second time under another name."
    )


def test_two_routes_that_agree_are_not() -> None:
    snapshot = check_config(read_config(CONFIG.format(weight=9)), {})
    assert snapshot.states["p/x"].weight == 9
