"""Every address, walked from the tables: under each prefix, with each kind of key."""

import json
from pathlib import Path
from typing import Any

import pytest
import uvloop

from portico.api.endpoints import CALLS as ADDRESSES
from portico.api.endpoints import CONTROL_PATHS, INFERENCE, PAGES, PREFIXES, ROOTED, Page
from portico.types.call import InferenceEndpoint
from tests.harness import ADMIN_KEY, KEY, Answer, Running, config, gateway, good, http, upstream

EXPIRED = "sk-expired-0123456789"
NARROW = "sk-narrow-0123456789"
KEYS = (
    f"  - {{name: old, key: {EXPIRED}, expires_at: 2020-01-01}}\n"
    f'  - {{name: narrow, key: {NARROW}, models: [m, "ec*"]}}\n'
)
BODIES: dict[str, dict[str, Any]] = {
    "chat": {"messages": [{"role": "user", "content": "to be or not"}]},
    "completion": {"prompt": "to be or not"},
    "response": {"input": "to be or not"},
    "embedding": {"input": ["to be", "or not"]},
    "moderation": {"input": "to be or not"},
    "rerank": {"query": "to be", "documents": ["to", "not"]},
    "image": {"prompt": "to be"},
    "speech": {"input": "to be", "voice": "v"},
}
ROOTED_BODIES: dict[str, dict[str, Any]] = {
    "cohere_embed": {"texts": ["to be", "or not"]},
    "cohere_embed_v1": {"texts": ["to be", "or not"]},
    "ollama_embeddings": {"prompt": "to be"},
}
NOT_BY_ECHO = {"image", "speech"}
CALLS = [endpoint for endpoint in INFERENCE if endpoint.operation != "count_tokens"]
"""Counting tokens has no answer of a model: see plays/test_counting.py."""


def offline(more: str = "") -> str:
    return f"keys:\n  - {{name: team-a, key: {KEY}}}\n{KEYS}{more}"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("prefix", PREFIXES, ids=lambda prefix: prefix or "none")
@pytest.mark.parametrize("endpoint", CALLS, ids=lambda endpoint: endpoint.name)
def test_echo_answers_everywhere(
    endpoint: InferenceEndpoint, prefix: str, streamed: bool, tmp_path: Path
) -> None:
    async def play() -> None:
        async with gateway(tmp_path, offline()) as running:
            body: dict[str, Any] = {"model": "echo", "max_tokens": 50}
            body |= BODIES[endpoint.operation]
            if streamed:
                body["stream"] = True
            answer = await running.ask(http(body, path=prefix + endpoint.path))
            await running.settled()
            (record,) = running.journal()
            assert (record.operation, record.route) == (endpoint.operation, "echo")
            if endpoint.operation in NOT_BY_ECHO or endpoint.shape == "compaction":
                assert answer.status >= 400
                assert answer.error["message"]
            else:
                assert answer.status == 200
                is_stream = streamed and endpoint.streams
                assert (answer.headers["content-type"].startswith("text/event-stream")) == is_stream
                assert record.cost_nanousd == 0
            assert running.count("litellm_active_requests") == 0

    uvloop.run(play())


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("endpoint", ROOTED, ids=lambda endpoint: endpoint.name)
def test_echo_answers_under_the_paths_of_others(
    endpoint: InferenceEndpoint, streamed: bool, tmp_path: Path
) -> None:
    async def play() -> None:
        async with gateway(tmp_path, offline()) as running:
            body: dict[str, Any] = {"model": "echo", "stream": streamed}
            body |= ROOTED_BODIES.get(endpoint.shape or "", BODIES[endpoint.operation])
            answer = await running.ask(http(body, path=endpoint.path))
            await running.settled()
            assert answer.status == 200, answer.body
            (record,) = running.journal()
            assert (record.operation, record.route) == (endpoint.operation, "echo")
            types = {"sse": "text/event-stream; charset=utf-8", "lines": "application/x-ndjson"}
            is_stream = streamed and endpoint.streams
            expected = types[endpoint.framing] if is_stream else "application/json"
            assert answer.headers["content-type"] == expected
            elsewhere = await running.ask(http(body, path="/openai" + endpoint.path))
            assert elsewhere.status == 404

    uvloop.run(play())


CREDENTIALS = {
    "none": (None, "missing_api_key"),
    "bad": ("sk-nobody-0123456789", "invalid_api_key"),
    "expired": (EXPIRED, "expired_api_key"),
    "key": (KEY, None),
    "admin": (ADMIN_KEY, None),
}


async def ask_page(
    running: Running, path: str, key: str | None, method: str = "GET", body: bytes = b""
) -> tuple[int, str | None]:
    answer = await running.ask(http(body, path=path, method=method, key=key))
    if answer.status == 200:
        return 200, None
    assert answer.headers["x-request-id"]
    if answer.status == 401:
        assert answer.headers["www-authenticate"].startswith(("Bearer", "Basic"))
    if path.startswith("/v1beta/"):
        return answer.status, answer.error["details"][0]["reason"].lower()
    if path.startswith("/api/"):
        (message,) = answer.json().values()
        codes = {"No API key": "missing_api_key", "expired": "expired_api_key"}
        return answer.status, next(
            (code for words, code in codes.items() if words in message), "invalid_api_key"
        )
    return answer.status, answer.error["code"]


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
@pytest.mark.parametrize("metrics_need_key", [False, True])
def test_who_may_see_a_page(
    page: Page, credential: str, metrics_need_key: bool, tmp_path: Path
) -> None:
    async def play() -> None:
        more = f"monitoring:\n  metrics: {{require_key: {str(metrics_need_key).lower()}}}\n"
        async with gateway(tmp_path, offline(more)) as running:
            key, code = CREDENTIALS[credential]
            is_open = page.access == "open" or (page.access == "metrics" and not metrics_need_key)
            expected = (200, None) if is_open or code is None else (401, code)
            if page.access == "admin" and credential == "key":
                expected = (403, "admin_key_required")
            if page.path == "/responses" and code is None:
                expected = (404, "response_not_found")
            for prefix in PREFIXES if page.is_inference else ("",):
                path = prefix + page.path
                if page.takes_id:
                    path += "/echo/echo/reset" if "{" in page.tail else f"/echo{page.tail}"
                body = b'{"model":"echo"}' if page.method == "POST" else b""
                assert await ask_page(running, path, key, page.method, body) == expected

    uvloop.run(play())


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_who_may_call_and_who_may_read_the_docs(credential: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, offline()) as running:
            key, code = CREDENTIALS[credential]
            expected = (200, None) if code is None else (401, code)
            for path in sorted(CONTROL_PATHS):
                assert await ask_page(running, path, key) == expected
            body = {"model": "echo", **BODIES["chat"]}
            for address, endpoint in ADDRESSES:
                answer = await running.ask(
                    http(body, path=address.replace("{model}", "echo"), key=key)
                )
                assert (answer.status == 401) == (code is not None), address
                if code is not None:
                    check_refusal(endpoint.dialect, answer, code)

    uvloop.run(play())


def check_refusal(dialect: str, answer: Answer, code: str) -> None:
    told = answer.json()
    match dialect:
        case "anthropic_messages":
            assert told["error"]["type"] == "authentication_error"
        case "gemini_generate":
            assert told["error"]["status"] == "UNAUTHENTICATED"
        case "cohere_chat":
            assert list(told) == ["message"]
        case "ollama_chat":
            assert list(told) == ["error"]
            assert "key" in told["error"]
        case _:
            assert told["error"]["code"] == code


@pytest.mark.parametrize(
    "field",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer   {KEY} "},
        {"x-api-key": KEY},
        {"api-key": KEY},
        {"authorization": "Basic YW55bmFtZTpzay10ZWFtLWEtMDEyMzQ1Njc4OQ=="},
    ],
    ids=["bearer", "lower case", "x-api-key", "api-key", "basic"],
)
def test_a_key_may_come_in_several_fields(field: dict[str, str], tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, offline()) as running:
            request = http(path="/v1/models", method="GET", key=None, **field)
            assert (await running.ask(request)).status == 200

    uvloop.run(play())


def test_models_are_those_the_key_may_use(tmp_path: Path) -> None:
    async def play() -> None:
        more = KEYS + "model_aliases:\n  alias: m\n"
        async with (
            upstream(good) as provider,
            gateway(tmp_path, config(provider.url, more=more)) as running,
        ):
            for key, expected in (
                (KEY, ["alias", "echo", "m", "real-0"]),
                (NARROW, ["echo", "m"]),
            ):
                answer = await running.ask(http(path="/v1/models", method="GET", key=key))
                value = answer.json()
                assert value["object"] == "list"
                assert [one["id"] for one in value["data"]] == expected
                for one in value["data"]:
                    assert set(one) == {"id", "object", "created", "owned_by"}
                    path = f"/v1/models/{one['id']}"
                    single = await running.ask(http(path=path, method="GET", key=key))
                    assert single.json() == one
            for hidden in ("alias", "nowhere"):
                request = http(path=f"/v1/models/{hidden}", method="GET", key=NARROW)
                answer = await running.ask(request)
                assert (answer.status, answer.error["code"]) == (404, "model_not_found")
            for name in ("up0/real-0", "up0%2Freal-0"):
                answer = await running.ask(http(path=f"/v1/models/{name}", method="GET"))
                assert answer.json()["id"] == "up0/real-0"

    uvloop.run(play())


def test_head_is_get_without_a_body(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, offline()) as running:
            for path in ("/health", "/v1/models", "/metrics"):
                answer = await running.ask(http(path=path, method="HEAD"), to="HEAD")
                assert (answer.status, answer.body) == (200, b"")
                assert int(answer.headers["content-length"]) > 0

    uvloop.run(play())


def test_cors_for_the_origins_that_are_allowed(tmp_path: Path) -> None:
    async def play() -> None:
        more = "server:\n  cors: {enabled: true, allowed_origins: ['https://ui.example']}\n"
        async with gateway(tmp_path, offline(more)) as running:
            ask = {"origin": "https://ui.example", "access_control_request_method": "POST"}
            preflight = http(method="OPTIONS", path="/v1/chat/completions", key=None, **ask)
            answer = await running.ask(preflight)
            assert answer.status == 204
            assert answer.headers["access-control-allow-origin"] == "https://ui.example"
            refused = await running.ask(http(key=None, origin="https://ui.example"))
            assert refused.status == 401
            assert refused.headers["access-control-allow-origin"] == "https://ui.example"
            other = await running.ask(
                http(path="/health", method="GET", origin="https://evil.example")
            )
            assert "access-control-allow-origin" not in other.headers

    uvloop.run(play())


def test_ready_turns_not_ready_while_draining(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, offline()) as running:
            request = http(path="/health/ready", method="GET", key=None)
            assert (await running.ask(request)).json() == {"status": "ready"}
            running.app.gateway.is_draining = True
            answer = await running.ask(request)
            assert answer.status == 503
            assert answer.json() == {"status": "not_ready", "reason": "draining"}

    uvloop.run(play())


def test_openapi_names_every_address(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, offline()) as running:
            answer = await running.ask(http(path="/openapi.json", method="GET"))
            paths = json.loads(answer.body)["paths"]
            assert {address for address, _ in ADDRESSES} <= set(paths)
            assert {"/health", "/metrics", "/v1/models", "/v1/models/{id}"} <= set(paths)

    uvloop.run(play())
