"""Ollama's clients: to Ollama as bytes, to anybody else by translation."""

import json
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.harness import (
    CANARY,
    KEY,
    LAST_CHUNK,
    Answer,
    Received,
    Wire,
    chunk,
    config,
    delta,
    gateway,
    good,
    http,
    replying,
    upstream,
    whole,
)

LINES_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
)
SAID = [{"role": "user", "content": "hi"}]


def local(url: str, more: str = "") -> str:
    return (
        f"providers:\n  - {{name: p, provider_type: ollama, base_url: '{url}', "
        f"dialect: ollama_chat, models: ['llama3:8b']}}\n"
        f"models:\n  - {{name: m, targets: ['p/llama3:8b']}}\nkeys:\n  - {{name: k, key: {KEY}}}\n"
    ) + more


def line(**fields: Any) -> bytes:
    return json.dumps({"model": "llama3:8b", **fields}).encode() + b"\n"


HELLO = line(message={"role": "assistant", "content": "he", "novel": 1}, done=False)
OVER = line(
    message={"role": "assistant", "content": ""},
    done=True,
    done_reason="stop",
    total_duration=5,
    prompt_eval_count=7,
    eval_count=3,
)


def lines(answer: Answer) -> list[dict[str, Any]]:
    assert answer.body.endswith(b"\n")
    return [json.loads(line) for line in answer.body.splitlines()]


def test_to_ollama_the_bytes_pass(tmp_path: Path) -> None:
    async def play() -> None:
        stream = LINES_HEAD + chunk(HELLO) + chunk(OVER) + LAST_CHUNK
        async with (
            upstream(replying(stream)) as up,
            gateway(tmp_path, local(up.url)) as running,
        ):
            body = {"model": "m:latest", "messages": SAID, "keep_alive": "5m", "novel": {"a": 1}}
            answer = await running.ask(http(body, path="/api/chat"))
            assert answer.body == HELLO + OVER
            assert answer.headers["content-type"] == "application/x-ndjson"
            assert answer.headers["x-portico-deployment"] == "p/llama3:8b"
            assert up.requests[0].target == "/api/chat"
            assert up.requests[0].body.decode() == json.dumps(body).replace(
                '"model": "m:latest"', '"model":"llama3:8b"'
            )
            await running.settled()
            (record,) = running.journal()
            assert (record.operation, record.route, record.streamed) == ("chat", "m", True)
            usage = record.attempts[0].usage
            assert usage is not None
            assert (usage.input_tokens, usage.output_tokens) == (7, 3)
            running.check_balance()

    uvloop.run(play())


def test_to_ollama_everything_a_completion_can_say_passes(tmp_path: Path) -> None:
    async def play() -> None:
        told = line(response="b", done=True, done_reason="stop", context=[1, 2], eval_count=1)
        async with (
            upstream(replying(whole(told))) as up,
            gateway(tmp_path, local(up.url)) as running,
        ):
            body = {"model": "m", "prompt": "a", "suffix": "c", "raw": True, "stream": False}
            answer = await running.ask(http(body, path="/api/generate"))
            assert answer.body == told
            assert up.requests[0].target == "/api/generate"
            assert up.requests[0].json() == {**body, "model": "llama3:8b"}
            await running.settled()
            (record,) = running.journal()
            assert record.operation == "completion"

    uvloop.run(play())


def test_an_error_line_of_the_provider_is_the_gateways_to_tell(tmp_path: Path) -> None:
    async def play() -> None:
        stream = LINES_HEAD + chunk(HELLO) + chunk(line(error="it ran away")) + LAST_CHUNK
        async with (
            upstream(replying(stream)) as up,
            gateway(tmp_path, local(up.url)) as running,
        ):
            answer = await running.ask(http({"model": "m", "messages": SAID}, path="/api/chat"))
            assert answer.body.startswith(HELLO)
            assert lines(answer)[1:] == [{"error": "it ran away"}]
            await running.settled()
            running.check_balance()

    uvloop.run(play())


def test_a_cut_stream_is_never_done(tmp_path: Path) -> None:
    async def play() -> None:
        stream = LINES_HEAD + chunk(HELLO) + chunk(OVER[:30]) + LAST_CHUNK
        async with (
            upstream(replying(stream)) as up,
            gateway(tmp_path, local(up.url)) as running,
        ):
            answer = await running.ask(http({"model": "m", "messages": SAID}, path="/api/chat"))
            told = lines(answer)
            assert list(told[-1]) == ["error"]
            assert not any(one.get("done") for one in told)

    uvloop.run(play())


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_to_others_it_is_translated(path: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(good) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            body = {"model": "m", "messages": SAID, "prompt": "hi", "options": {"num_ctx": 8}}
            streamed = await running.ask(http(body, path=path))
            assert streamed.headers["content-type"] == "application/x-ndjson"
            assert "options.num_ctx" in streamed.headers["x-portico-dropped-params"]
            *words, last = lines(streamed)
            told = "".join(
                one["message"]["content"] if path == "/api/chat" else one["response"]
                for one in words
            )
            assert told == "hello"
            assert (last["done"], last["done_reason"]) == (True, "stop")
            assert (last["prompt_eval_count"], last["eval_count"]) == (7, 3)
            assert last["total_duration"] >= last["prompt_eval_duration"] > 0

            whole = await running.ask(http({**body, "stream": False}, path=path))
            assert whole.headers["content-type"] == "application/json"
            assert whole.json()["done"] is True
            sent = [request.json() for request in provider.requests]
            assert [one["messages"] for one in sent] == [SAID, SAID]
            assert [one.get("stream", False) for one in sent] == [True, False]
            await running.settled()
            running.check_balance()

    uvloop.run(play())


def test_a_stream_that_breaks_at_a_foreign_provider_ends_in_an_error_line(tmp_path: Path) -> None:
    async def play() -> None:
        head = LINES_HEAD.replace(b"application/x-ndjson", b"text/event-stream")
        async with (
            upstream(replying(head + chunk(delta("he")) + LAST_CHUNK)) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            answer = await running.ask(http({"model": "m", "messages": SAID}, path="/api/chat"))
            first, last = lines(answer)
            assert first["message"]["content"] == "he"
            assert list(last) == ["error"]

    uvloop.run(play())


def test_loading_a_model_asks_nobody_but_ollama(tmp_path: Path) -> None:
    async def play() -> None:
        loaded = line(message={"role": "assistant", "content": ""}, done=True, done_reason="load")
        body = {"model": "m", "messages": []}
        async with (
            upstream(good) as provider,
            gateway(tmp_path / "a", config(provider.url)) as running,
        ):
            answer = await running.ask(http(body, path="/api/chat"))
            (told,) = lines(answer)
            assert (told["done"], told["done_reason"]) == (True, "load")
            assert provider.requests == []
        async with (
            upstream(replying(LINES_HEAD + chunk(loaded) + LAST_CHUNK)) as up,
            gateway(tmp_path / "b", local(up.url)) as running,
        ):
            answer = await running.ask(http(body, path="/api/chat"))
            assert answer.body == loaded

    uvloop.run(play())


def test_a_provider_of_any_type_may_speak_ollama(tmp_path: Path) -> None:
    async def play() -> None:
        async def script(wire: Wire, _: Received) -> None:
            wire.send(whole(OVER))

        async with upstream(script) as up:
            compatible = (
                "providers:\n  - {name: p, provider_type: openai_compatible, "
                f"base_url: '{up.url}', api_key: {CANARY}, dialect: ollama_chat, models: [x]}}\n"
                f"keys:\n  - {{name: k, key: {KEY}}}\n"
            )
            async with gateway(tmp_path, compatible) as running:
                chat = {"model": "x", "messages": SAID, "stream": False}
                for path in ("/api/chat", "/v1/chat/completions"):
                    assert (await running.ask(http(chat, path=path))).status == 200
                assert [one.target for one in up.requests] == ["/api/chat", "/api/chat"]

    uvloop.run(play())
