"""Which of a provider's endpoints is asked, and with which bytes."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.harness import (
    CANARY,
    CHAT,
    KEY,
    Received,
    Running,
    Upstream,
    Wire,
    chat,
    gateway,
    http,
    upstream,
    whole,
)

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "real",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 7, "output_tokens": 3},
}
RESPONSE = {
    "id": "resp_theirs",
    "object": "response",
    "status": "completed",
    "model": "real",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "hi", "annotations": []}],
        }
    ],
    "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
}
OLLAMA = {
    "model": "real",
    "created_at": "2026-11-23T00:00:00Z",
    "message": {"role": "assistant", "content": "hi"},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 7,
    "eval_count": 3,
}
ANSWERS: dict[str, Any] = {
    "/v1/messages": MESSAGE,
    "/v1/responses": RESPONSE,
    "/api/chat": OLLAMA,
    "/v1/chat/completions": json.loads(CHAT),
}


async def script(wire: Wire, request: Received) -> None:
    wire.send(whole(json.dumps(ANSWERS[request.target]).encode()))


def play(
    folder: Path,
    provider_type: str,
    end: str,
    story: Callable[[Running, Upstream], Awaitable[None]],
) -> None:
    async def run() -> None:
        async with upstream(script) as provider:
            config = (
                f"providers:\n  - {{name: p, provider_type: {provider_type}, "
                f"base_url: '{provider.url}{end}', api_key: {CANARY}, models: [real]}}\n"
                f"models:\n  - {{name: m, targets: [p/real]}}\n"
                f"keys:\n  - {{name: k, key: {KEY}}}\n"
            )
            async with gateway(folder, config) as running:
                await story(running, provider)

    uvloop.run(run())


MESSAGES_BODY = (
    b'{"max_tokens": 9, "model": "m", "messages": [{"role": "user", "content": "hi"}], "odd": 1.50}'
)


@pytest.mark.parametrize("type", ["vllm", "ollama", "llama_cpp", "lm_studio"])
def test_a_client_of_anthropic_reaches_messages_as_bytes(type: str, tmp_path: Path) -> None:
    async def story(running: Running, provider: Upstream) -> None:
        answer = await running.ask(http(MESSAGES_BODY, path="/v1/messages"))
        assert (answer.status, answer.json()) == (200, MESSAGE)
        (sent,) = provider.requests
        assert sent.target == "/v1/messages"
        assert sent.body == MESSAGES_BODY.replace(b'"model": "m"', b'"model":"real"')
        assert sent.headers["authorization"] == f"Bearer {CANARY}"
        assert "x-api-key" not in sent.headers
        assert sent.headers["anthropic-version"] == "2023-06-01"

    play(tmp_path, type, "/v1", story)


@pytest.mark.parametrize("end", ["/v1", "", "/api"])
def test_ollama_is_asked_where_each_client_is_at_home(end: str, tmp_path: Path) -> None:
    """Whatever end its address was given with. Its Chat Completions know `max_tokens` alone."""

    async def story(running: Running, provider: Upstream) -> None:
        answer = await running.ask(http(chat(max_completion_tokens=5)))
        assert (answer.status, answer.body) == (200, CHAT)
        gemini = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
        answer = await running.ask(http(gemini, path="/v1beta/models/m:generateContent"))
        assert answer.json()["candidates"][0]["content"]["parts"] == [{"text": "hi"}]
        answer = await running.ask(http({"model": "m", "input": "hi"}, path="/v1/responses"))
        assert answer.json()["output"][0]["content"][0]["text"] == "hi"
        targets = [sent.target for sent in provider.requests]
        assert targets == ["/v1/chat/completions", "/api/chat", "/api/chat"]
        sent = provider.requests[0].json()
        assert (sent["max_tokens"], "max_completion_tokens" in sent) == (5, False)

    play(tmp_path, "ollama", end, story)


def test_an_endpoint_that_keeps_nothing_is_asked_as_bytes_where_nothing_is_to_be_kept(
    tmp_path: Path,
) -> None:
    async def story(running: Running, provider: Upstream) -> None:
        body = b'{"model": "m", "store": false, "input": "hi", "odd": 1.50}'
        answer = await running.ask(http(body, path="/v1/responses"))
        assert answer.json() == RESPONSE
        assert provider.requests[0].body == body.replace(b'"model": "m"', b'"model":"real"')

    play(tmp_path, "vllm", "/v1", story)


def test_what_it_does_not_keep_is_kept_here(tmp_path: Path) -> None:
    async def story(running: Running, provider: Upstream) -> None:
        first = await running.ask(http({"model": "m", "input": "one"}, path="/v1/responses"))
        id = first.json()["id"]
        assert id != "resp_theirs"
        body = {"model": "m", "input": "two", "previous_response_id": id, "store": False}
        second = await running.ask(http(body, path="/v1/responses"))
        assert second.status == 200
        sent = provider.requests[1]
        assert sent.target == "/v1/responses"
        asked = sent.json()
        assert "previous_response_id" not in asked
        texts = [part["text"] for item in asked["input"] for part in item["content"]]
        assert texts == ["one", "hi", "two"]

    play(tmp_path, "vllm", "/v1", story)


def test_names_that_a_provider_does_not_know_are_not_written_to_it(tmp_path: Path) -> None:
    async def story(running: Running, provider: Upstream) -> None:
        body = {
            "model": "m",
            "max_tokens": 9,
            "metadata": {"user_id": "u"},
            "messages": [{"role": "user", "content": "hi"}],
        }
        answer = await running.ask(http(body, path="/v1/messages"))
        assert answer.status == 200
        assert answer.headers["x-portico-dropped-params"] == "user"
        assert provider.requests[0].json() == {
            "model": "real",
            "messages": [{"role": "user", "content": "hi"}],
            "max_tokens": 9,
        }

    play(tmp_path, "mistral", "/v1", story)


def test_a_routes_explanation_and_page_tell_what_is_spoken(tmp_path: Path) -> None:
    async def story(running: Running, provider: Upstream) -> None:
        from tests.harness import ADMIN_KEY

        asked = http(chat(), key=ADMIN_KEY, x_portico_explain="1")
        (why,) = json.loads((await running.ask(asked)).headers["x-portico-explain"])
        spoken = ["ollama_chat", "openai_chat", "anthropic_messages"]
        assert why["dialects"] == spoken
        page = http(method="GET", path="/admin/routing", key=ADMIN_KEY)
        rows = (await running.ask(page, "GET")).json()["deployments"]
        assert [row["dialects"] for row in rows if row["id"] == "p/real"] == [spoken]

    play(tmp_path, "ollama", "/v1", story)


def test_a_limit_that_a_client_leaves_out_is_the_models_own(tmp_path: Path) -> None:
    async def run() -> None:
        async with upstream(script) as provider:
            config = (
                f"providers: [{{name: p, provider_type: anthropic, base_url: '{provider.url}', "
                f"api_key: {CANARY}, models: [claude-haiku-4-5, claude-unheard-of]}}]\n"
                f"keys: [{{name: k, key: {KEY}}}]\n"
            )
            async with gateway(tmp_path, config) as running:
                for model in ("claude-haiku-4-5", "claude-unheard-of"):
                    assert (await running.ask(http(chat(model)))).status == 200
            assert [sent.json()["max_tokens"] for sent in provider.requests] == [64_000, 8192]

    uvloop.run(run())


def test_an_id_is_where_anthropics_sdks_look_for_one(tmp_path: Path) -> None:
    async def story(running: Running, provider: Upstream) -> None:
        for body in (MESSAGES_BODY, b'{"model": "nobody", "max_tokens": 1, "messages": []}'):
            got = await running.ask(http(body, path="/v1/messages", x_request_id="mine-1"))
            assert got.headers["request-id"] == got.headers["x-request-id"] == "mine-1"
        got = await running.ask(http(chat()))
        assert "request-id" not in got.headers

    play(tmp_path, "vllm", "/v1", story)


@pytest.mark.parametrize("refusal", [404, 405, 501])
@pytest.mark.parametrize(
    ("type", "path", "lacks"),
    [
        ("vllm", "/v1/messages", "/v1/messages"),
        ("openai_compatible", "/v1/responses", "/v1/responses"),
    ],
)
def test_a_server_that_lacks_an_endpoint_of_its_kind_is_asked_in_its_usual_dialect(
    type: str, path: str, lacks: str, refusal: int, tmp_path: Path
) -> None:
    async def old(wire: Wire, request: Received) -> None:
        if request.target == lacks:
            wire.send(whole(b'{"detail":"Not Found"}', refusal))
        else:
            await script(wire, request)

    async def story(running: Running, provider: Upstream) -> None:
        provider.script = old
        body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        if path == "/v1/responses":
            body = {"model": "m", "input": "hi"}
        for _ in range(2):
            answer = await running.ask(http(body, path=path))
            assert answer.status == 200
            assert "hi" in answer.body.decode()
        await running.settled()
        asked = [sent.target for sent in provider.requests]
        assert asked == [lacks, "/v1/chat/completions", "/v1/chat/completions"]
        first, second = running.journal()
        outcomes = [attempt.outcome for attempt in first.attempts]
        assert outcomes == ["dialect_not_offered", "success"]
        assert len(second.attempts) == 1
        assert "it is asked in openai_chat from now on" in running.log
        running.check_balance()

    play(tmp_path, type, "/v1", story)


def test_a_missing_model_is_no_missing_endpoint(tmp_path: Path) -> None:
    told = (
        b'{"type":"error","error":{"type":"not_found_error","message":"model \'real\' not found"}}'
    )

    async def missing(wire: Wire, _: Received) -> None:
        wire.send(whole(told, 404))

    async def story(running: Running, provider: Upstream) -> None:
        provider.script = missing
        answer = await running.ask(http(MESSAGES_BODY, path="/v1/messages"))
        assert answer.status == 404
        assert [sent.target for sent in provider.requests] == ["/v1/messages"]

    play(tmp_path, "ollama", "/v1", story)
