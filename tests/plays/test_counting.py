"""How long is a prompt? Asked of providers that count, estimated elsewhere, never billed."""

import json
from pathlib import Path
from typing import Any

import pytest
import uvloop

from portico.types.usage import Usage
from tests.harness import (
    CANARY,
    KEY,
    Running,
    config,
    gateway,
    good,
    http,
    replying,
    upstream,
    whole,
)

ANTHROPIC = "/v1/messages/count_tokens?beta=true"
GEMINI = "/v1beta/models/m:countTokens"
BODIES: dict[str, dict[str, Any]] = {
    ANTHROPIC: {
        "model": "m",
        "system": "be brief",
        "messages": [{"role": "user", "content": "how long is this?"}],
        "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}],
    },
    GEMINI: {"contents": [{"role": "user", "parts": [{"text": "how long is this?"}]}]},
}
INNER = {"generateContentRequest": {"model": "models/other", **BODIES[GEMINI]}}


def native(provider_type: str, url: str) -> str:
    return (
        f"providers:\n  - {{name: p, provider_type: {provider_type}, base_url: '{url}', "
        f"api_key: {CANARY}, models: [real]}}\n"
        f"models:\n  - {{name: m, targets: [p/real]}}\nkeys:\n  - {{name: k, key: {KEY}}}\n"
    )


async def told(running: Running) -> None:
    """Nothing was billed, and no answer of a model was counted."""
    await running.settled()
    for record in running.journal():
        assert record.operation == "count_tokens"
        assert record.cost_nanousd == 0
        used = Usage(input_tokens=0, output_tokens=0, requests=0)
        assert [one.usage for one in record.attempts] in ([used], [None])
    assert running.count("litellm_requests_total") == 0
    assert running.count("litellm_input_tokens_total") == 0
    running.check_balance()


@pytest.mark.parametrize(
    ("path", "provider_type", "answer", "target", "count"),
    [
        (ANTHROPIC, "anthropic", {"input_tokens": 42}, "/v1/messages/count_tokens", "input_tokens"),
        (ANTHROPIC, "gemini", {"totalTokens": 42}, "/models/real:countTokens", "input_tokens"),
        (GEMINI, "gemini", {"totalTokens": 42}, "/models/real:countTokens", "totalTokens"),
        (GEMINI, "anthropic", {"input_tokens": 42}, "/v1/messages/count_tokens", "totalTokens"),
    ],
)
def test_providers_that_count_are_asked(
    path: str, provider_type: str, answer: dict[str, int], target: str, count: str, tmp_path: Path
) -> None:
    async def play() -> None:
        async with (
            upstream(replying(whole(json.dumps(answer).encode()))) as provider,
            gateway(tmp_path, native(provider_type, provider.url)) as running,
        ):
            got = await running.ask(http(BODIES[path], path=path))
            assert (got.status, got.json()) == (200, {count: 42})
            assert "x-portico-estimated" not in got.headers
            (sent,) = provider.requests
            assert sent.target == target
            assert "how long is this?" in sent.body.decode()
            if provider_type == "anthropic":
                assert sent.json()["model"] == "real"
            await told(running)
            assert len(running.journal()) == 1

    uvloop.run(play())


def test_the_model_inside_a_gemini_count_is_that_of_the_deployment(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(replying(whole(b'{"totalTokens":5}'))) as provider,
            gateway(tmp_path, native("gemini", provider.url)) as running,
        ):
            got = await running.ask(http(INNER, path=GEMINI))
            assert got.json() == {"totalTokens": 5}
            assert provider.requests[0].json()["generateContentRequest"]["model"] == "models/real"

    uvloop.run(play())


@pytest.mark.parametrize(("path", "count"), [(ANTHROPIC, "input_tokens"), (GEMINI, "totalTokens")])
def test_elsewhere_it_is_estimated_and_says_so(path: str, count: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(good) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            got = await running.ask(http(BODIES[path], path=path))
            assert got.status == 200
            assert got.headers["x-portico-estimated"] == "true"
            assert list(got.json()) == [count]
            assert 5 < got.json()[count] < 60
            assert provider.requests == []
            await told(running)
            assert running.journal() == []

    uvloop.run(play())


def test_a_provider_without_that_place_is_estimated_too(tmp_path: Path) -> None:
    async def play() -> None:
        missing = b'{"type":"error","error":{"type":"not_found_error","message":"no such path"}}'
        async with (
            upstream(replying(whole(missing, 404))) as provider,
            gateway(tmp_path, native("anthropic", provider.url)) as running,
        ):
            got = await running.ask(http(BODIES[ANTHROPIC], path=ANTHROPIC))
            assert (got.status, got.headers["x-portico-estimated"]) == (200, "true")
            await told(running)

    uvloop.run(play())


def test_a_count_that_is_refused_is_refused(tmp_path: Path) -> None:
    async def play() -> None:
        refusal = b'{"type":"error","error":{"type":"invalid_request_error","message":"no"}}'
        async with (
            upstream(replying(whole(refusal, 400))) as provider,
            gateway(tmp_path, native("anthropic", provider.url)) as running,
        ):
            got = await running.ask(http(BODIES[ANTHROPIC], path=ANTHROPIC))
            assert (got.status, got.body) == (400, refusal)

    uvloop.run(play())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "m", "messages": 5}, 400),
        ({"model": "m"}, 400),
        ({"model": "nobody", "messages": []}, 404),
    ],
)
def test_a_body_that_cannot_be_read_is_told_in_the_dialect(
    body: dict[str, Any], status: int, tmp_path: Path
) -> None:
    async def play() -> None:
        async with (
            upstream(good) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            got = await running.ask(http(body, path=ANTHROPIC))
            assert got.status == status
            assert got.json()["type"] == "error"

    uvloop.run(play())


@pytest.mark.parametrize("key", [None, KEY, "sk-nobody-0123456789"])
def test_telemetry_is_taken_and_forgotten(key: str | None, tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(good) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            request = http({"events": [{"x": 1}]}, path="/api/event_logging/batch", key=key)
            got = await running.ask(request)
            assert (got.status, got.json()) == (200, {})
            assert provider.requests == []
            assert running.journal() == []

    uvloop.run(play())
