"""Health checks as they are configured: what is asked for, and what cannot be."""

import pytest

from portico.config.schema.providers import HealthCheck
from portico.engine.probe_plan import planned
from portico.errors import ConfigError
from portico.types.deployment import ProbePolicy, Provider
from portico.types.http import Origin
from portico.types.secret import Secret


def provider(type: str, scheme: str = "https") -> Provider:
    return Provider(
        name="p",
        type=type,
        dialect="openai_chat",
        origin=Origin(scheme, "p.example", 443),
        base_path="/v1",
        api_key=Secret("k"),
    )


def test_who_does_not_ask_for_checks_has_none() -> None:
    assert planned(provider("openai"), None).probe is None
    assert planned(provider("echo", "echo"), HealthCheck()).probe is None


def test_the_settings_become_a_policy() -> None:
    given = HealthCheck(interval=2, failure_threshold=7, endpoint="/health", expected_codes=(204,))
    assert planned(provider("openai"), given).probe == ProbePolicy(
        interval_s=2,
        timeout_s=2,
        failure_threshold=7,
        recovery_s=60,
        endpoint="/health",
        expected_codes=(204,),
    )


@pytest.mark.parametrize(
    ("type", "endpoint", "says"),
    [
        ("bedrock", None, "bedrock has no list of models at this address; give health_check.end"),
        ("vertex_ai", None, "vertex_ai has no list of models"),
        ("openai", "health", "'health' is not a path on its host, such as /health"),
        ("openai", "https://elsewhere.example/", "is not a path on its host"),
        ("openai", "/a b", "is not a path on its host"),
        ("openai", "/a\r\nx: y", "is not a path on its host"),
    ],
)
def test_what_cannot_be_asked_is_said(type: str, endpoint: str | None, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        planned(provider(type), HealthCheck(endpoint=endpoint))
    assert planned(provider(type), HealthCheck(endpoint="/ping")).probe is not None
