"""A configuration that cannot be used leaves the one in use as it was."""

import pytest

from portico.engine.assembly import build_snapshot
from portico.engine.snapshot import Snapshot
from portico.errors import ConfigError
from portico.http.base import HeldCredential
from portico.routing import steering
from portico.types.deployment import Provider
from tests.harness import read_config

ONE = "{name: a, provider_type: openai, api_key: sk-0123456789abcdef, models: [m]%s}"
CLOUD = (
    "{name: b, provider_type: vertex_ai, models: [g], "
    "base_url: 'https://aiplatform.googleapis.com/v1/projects/p/locations/l'}"
)


def no_cloud(provider: Provider) -> HeldCredential | None:
    if provider.name == "b":
        raise ConfigError("the credentials file is not there")
    return None


def build(providers: str, before: Snapshot | None = None) -> Snapshot:
    config = read_config(f"providers: [{providers}]\n")
    return build_snapshot(
        config, environ={}, admin_key=None, before=before, now=1000.0, hold=no_cloud
    )


def test_it_changes_no_state_in_use() -> None:
    used = build(ONE % "")
    state = used.states["a/m"]
    before = steering.view(state, 1.0, 0.0), list(state.credential.members), state.deployment
    with pytest.raises(ConfigError, match="credentials file"):
        build(f"{ONE % ', rpm: 1, weight: 3'}, {CLOUD}", used)
    after = steering.view(state, 1.0, 0.0), list(state.credential.members), state.deployment
    assert after == before
