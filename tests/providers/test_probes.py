"""What is asked of each kind of provider to see whether it is well."""

import pytest

from portico.catalog.providers import find_provider
from portico.providers.probes import probe, target
from portico.types.credential import AccessToken, ApiKey, AwsKeys, Credential
from portico.types.deployment import Provider
from portico.types.http import Origin
from portico.types.secret import Secret


def provider(type: str, base_path: str = "", **fields: object) -> Provider:
    row = find_provider(type)
    assert row is not None
    given = {"auth": row.auth, "headers": tuple(row.headers.items()), **fields}
    return Provider(
        name="p",
        type=row.name,
        dialect=row.dialect,
        origin=Origin("https", "p.example", 443),
        base_path=base_path,
        api_key=Secret("k"),
        **given,  # type: ignore[arg-type]
    )


TARGETS = [
    (provider("openai", "/v1"), "/v1/models"),
    (provider("openai_compatible", ""), "/models"),
    (provider("anthropic"), "/v1/models"),
    (provider("anthropic", "/v1"), "/v1/models"),
    (provider("gemini", "/v1beta"), "/v1beta/models"),
    (provider("cohere"), "/v1/models"),
    (provider("replicate", "/v1"), "/v1/account"),
    (provider("ollama", "/v1"), "/v1/models"),
    (provider("azure", "/openai/v1"), "/openai/v1/models"),
    (provider("azure"), "/openai/v1/models"),
    (
        provider("azure", api_version="2024-10-21"),
        "/openai/models?api-version=2024-10-21",
    ),
    (provider("watsonx"), "/ml/v1/foundation_model_specs?version=2025-04-23"),
    (
        provider("watsonx", "/ml/v1", api_version="2024-05-01"),
        "/ml/v1/foundation_model_specs?version=2024-05-01",
    ),
    (provider("bedrock"), None),
    (provider("sagemaker"), None),
    (provider("vertex_ai", "/v1/projects/p/locations/l"), None),
]


@pytest.mark.parametrize(("asked", "path"), TARGETS, ids=lambda value: getattr(value, "type", ""))
def test_the_list_of_models_is_asked_for_where_it_is(asked: Provider, path: str | None) -> None:
    assert target(asked, None) == path
    assert target(asked, "/health") == "/health"


HEADS: list[tuple[Provider, Credential | None, str, list[str]]] = [
    (provider("openai", "/v1"), ApiKey(Secret("k")), "/x", ["authorization: Bearer k"]),
    (
        provider("anthropic"),
        ApiKey(Secret("k")),
        "/x",
        ["x-api-key: k", "anthropic-version: 2023-06-01"],
    ),
    (provider("azure"), AccessToken(Secret("t")), "/x", ["authorization: Bearer t"]),
    (provider("azure"), ApiKey(Secret("k")), "/x", ["api-key: k"]),
    (provider("openai", auth="query:key"), ApiKey(Secret("k&")), "/x?key=k%26", []),
    (provider("openai", auth="none"), ApiKey(Secret("k")), "/x", []),
    (provider("bedrock"), AwsKeys("id", Secret("s")), "/x", []),
    (provider("openai"), None, "/x", []),
]


@pytest.mark.parametrize(("asked", "credential", "path", "fields"), HEADS)
def test_the_credential_goes_along_as_with_calls(
    asked: Provider, credential: Credential | None, path: str, fields: list[str]
) -> None:
    request = probe(asked, "/x", credential, 3.0)
    lines = request.head.decode().split("\r\n")
    assert lines[:2] == [f"GET {path} HTTP/1.1", "host: p.example"]
    known = ("authorization", "x-api-key", "api-key", "anthropic-version")
    assert [line for line in lines if line.startswith(known)] == fields
    assert (request.origin, request.body, request.timeouts.total) == (asked.origin, b"", 3.0)
    assert (request.stream_types, request.max_response_bytes) == ((b"",), 65536)
