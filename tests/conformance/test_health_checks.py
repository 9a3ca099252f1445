"""Each row of the provider table with health checks: what would be asked, with what credential."""

from urllib.parse import parse_qs, urlsplit

import pytest

from portico.catalog.providers import ProviderRow, listed_providers
from portico.engine.provider_set import known_providers
from portico.providers import probes
from portico.providers.auth import static_credential
from portico.types.credential import AccessToken
from portico.types.deployment import Provider
from portico.types.secret import Secret
from tests.harness import CANARY, read_config

ROWS = [row for row in listed_providers() if row.location != "builtin"]
NEED_AN_ENDPOINT = {"bedrock", "sagemaker", "vertex_ai"}


def configured(row: ProviderRow, check: str) -> tuple[Provider | None, list[str]]:
    base = row.base_url or row.base_url_form or ""
    text = (
        f"providers: [{{name: p, provider_type: {row.name}, base_url: "
        f"'https://p.example{urlsplit(base).path}', api_key: {CANARY}, health_check: {check}}}]\n"
    )
    problems: list[str] = []
    known = known_providers(read_config(text), {"WATSONX_PROJECT_ID": "x"}, problems)
    return known["p"].provider if "p" in known else None, problems


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_check_goes_to_the_provider_with_its_credential_and_no_body(row: ProviderRow) -> None:
    provider, problems = configured(row, "{}")
    if row.name in NEED_AN_ENDPOINT:
        assert provider is None
        assert "give health_check.endpoint" in problems[0]
        provider, problems = configured(row, "{endpoint: /ping}")
    assert problems == []
    assert provider is not None
    assert provider.probe is not None
    path = probes.target(provider, provider.probe.endpoint)
    assert path is not None
    credential = static_credential(provider) or AccessToken(Secret(CANARY))
    request = probes.probe(provider, path, credential, provider.probe.timeout_s)
    line, *fields = request.head.decode().rstrip().split("\r\n")
    method, target, _ = line.split(" ")
    assert (method, request.body, request.origin) == ("GET", b"", provider.origin)
    assert target.startswith("/")
    assert not target.startswith("//")
    headers = dict(field.split(": ", 1) for field in fields)
    assert len(headers) == len(fields), "a field is there twice"
    kind, _, name = provider.auth.partition(":")
    sent = {
        "bearer": headers.get("authorization") == f"Bearer {CANARY}",
        "header": headers.get(name, "").endswith(CANARY),
        "query": parse_qs(urlsplit(target).query).get(name) == [CANARY],
        "none": CANARY not in request.head.decode(),
    }
    assert sent[kind]
