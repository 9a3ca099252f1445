"""What the official `openai` SDK raises for each thing that can go wrong, and what it says."""

from collections.abc import Iterator

import pytest

from tests.clients.conftest import EXPIRED_KEY, NARROW_KEY
from tests.clients.servers import KEY, Aimock, Server

openai = pytest.importorskip("openai", reason="needs the openai SDK; scripts/test installs it")


@pytest.fixture(scope="module")
def client(gateway: Server) -> Iterator["openai.OpenAI"]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as sdk:
        yield sdk


def ask(sdk: "openai.OpenAI", text: str = "say hello", **options: object) -> object:
    request = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **options}
    return sdk.chat.completions.create(**request)


@pytest.mark.parametrize("key", ["sk-not-a-key-0123456789", EXPIRED_KEY])
def test_a_wrong_key_is_an_authentication_error(client: "openai.OpenAI", key: str) -> None:
    with pytest.raises(openai.AuthenticationError) as raised:
        ask(client.with_options(api_key=key))

    assert raised.value.status_code == 401
    assert key not in str(raised.value)


def test_a_forbidden_model_is_a_permission_error(client: "openai.OpenAI") -> None:
    with pytest.raises(openai.PermissionDeniedError) as raised:
        ask(client.with_options(api_key=NARROW_KEY), model="gpt-4o")

    assert raised.value.status_code == 403


def test_an_unknown_model_is_not_found(client: "openai.OpenAI") -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        ask(client, model="gpt-99")

    assert raised.value.code == "model_not_found"
    assert "gpt-99" in raised.value.message


def test_a_request_without_messages_is_a_bad_request(client: "openai.OpenAI") -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.post("/chat/completions", body={"model": 7, "messages": []}, cast_to=object)

    assert raised.value.status_code == 400
    assert raised.value.param == "model"


@pytest.mark.parametrize("stream", [False, True])
def test_the_providers_own_refusal_is_passed_on(client: "openai.OpenAI", stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        ask(client, "too long", stream=stream)

    assert raised.value.code == "context_length_exceeded"
    assert "128000" in raised.value.message


@pytest.mark.parametrize("stream", [False, True])
def test_the_providers_rate_limit_says_how_long_to_wait(
    client: "openai.OpenAI", stream: bool
) -> None:
    with pytest.raises(openai.RateLimitError) as raised:
        ask(client, "slow down", model="limited-model", stream=stream)

    assert raised.value.status_code == 429
    assert float(raised.value.response.headers["retry-after"]) == pytest.approx(7, abs=1)


@pytest.mark.parametrize("stream", [False, True])
def test_a_broken_provider_is_a_server_error(client: "openai.OpenAI", stream: bool) -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        ask(client, "break down", model="broken-model", stream=stream)

    assert raised.value.status_code in (500, 502)
    assert "x-request-id" in raised.value.response.headers


def test_a_dead_provider_is_a_server_error_that_keeps_its_secrets(client: "openai.OpenAI") -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        ask(client, model="dead-model")

    assert raised.value.status_code in (502, 503)
    assert "sk-dead" not in str(raised.value.body)


def test_the_clients_key_never_reaches_the_provider(
    client: "openai.OpenAI", upstream: Aimock
) -> None:
    ask(client)

    request = upstream.last_request()
    assert KEY not in str(request)
