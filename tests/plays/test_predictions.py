"""Replicate from end to end: what is asked in which order, what the client gets, what is ended."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.harness import (
    CANARY,
    KEY,
    LAST_CHUNK,
    PATIENCE_S,
    SSE_HEAD,
    Received,
    Upstream,
    Wire,
    chat,
    chunk,
    gateway,
    http,
    upstream,
    whole,
)

ID = "8h9y0zqx5hrm80cfy7nbk0t3zm"
MODEL = "meta/meta-llama-3-70b-instruct"


def prediction(status: str = "succeeded", **fields: Any) -> bytes:
    done = status == "succeeded"
    told = {
        "id": ID,
        "model": MODEL,
        "status": status,
        "output": ["Hel", "lo"] if done else None,
        "error": None,
        "metrics": {"input_token_count": 7, "output_token_count": 3} if done else {},
        "created_at": "2026-11-23T10:00:00.000Z",
        "urls": {},
    }
    return json.dumps({**told, **fields}).encode()


def config(url: str) -> str:
    return (
        f"providers:\n  - {{name: r, provider_type: replicate, base_url: '{url}/v1', "
        f"api_key: {CANARY}, models: [{MODEL}]}}\n"
        f"models:\n  - {{name: m, targets: [r/{MODEL}], retries: {{max_attempts: 1}}}}\n"
        f"keys:\n  - {{name: k, key: {KEY}}}\n"
    )


class Replicate:
    """A scripted Replicate: `states` are what each look at the prediction finds."""

    def __init__(self, *states: bytes, stream: tuple[bytes, ...] | None = None) -> None:
        self.states = list(states)
        self.stream = stream
        self.canceled = asyncio.Event()
        self.begun = asyncio.Event()
        self.url = ""

    async def __call__(self, wire: Wire, asked: Received) -> None:
        if asked.target.endswith("/cancel"):
            wire.send(whole(prediction("canceled")))
            self.canceled.set()
        elif asked.target.startswith("/v1/stream"):
            wire.send(SSE_HEAD + b"".join(map(chunk, self.stream or ())))
            await wire.drain()
            self.begun.set()
        else:
            state = self.states.pop(0)
            status = 201 if asked.method == "POST" else 200
            wire.send(whole(state.replace(b"$URL", self.url.encode()), status))
            self.begun.set()


async def cancelled(replicate: Replicate) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await replicate.canceled.wait()


def asked(provider: Upstream) -> list[str]:
    return [f"{sent.method} {sent.target}" for sent in provider.requests]


CREATE = f"POST /v1/models/{MODEL}/predictions"
GET = f"GET /v1/predictions/{ID}"
STREAMS = {"stream": "$URL/v1/stream?id=1"}


def test_a_quick_prediction_is_one_request(tmp_path: Path) -> None:
    replicate = Replicate(prediction())

    async def play() -> None:
        async with (
            upstream(replicate) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            answer = await running.ask(http(chat(max_tokens=9, temperature=0.5)))
            assert answer.status == 200
            told = answer.json()
            assert told["choices"][0]["message"]["content"] == "Hello"
            assert told["choices"][0]["finish_reason"] == "stop"
            assert told["usage"]["total_tokens"] == 10
            (sent,) = provider.requests
            assert f"{sent.method} {sent.target}" == CREATE
            assert sent.headers["authorization"] == f"Bearer {CANARY}"
            assert sent.headers["prefer"] == "wait=5"
            assert sent.headers["cancel-after"] == "120s"
            assert sent.json() == {"input": {"prompt": "hi", "max_tokens": 9, "temperature": 0.5}}
            await running.settled()
            (record,) = running.journal()
            assert record.attempts[0].usage is not None
            assert not record.attempts[0].usage.estimated
            running.check_balance()

    uvloop.run(play())


def test_a_slow_prediction_is_asked_for_until_it_is_done(tmp_path: Path) -> None:
    replicate = Replicate(prediction("processing"), prediction("processing"), prediction())

    async def play() -> None:
        async with (
            upstream(replicate) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            answer = await running.ask(http(chat()))
            assert answer.json()["choices"][0]["message"]["content"] == "Hello"
            assert asked(provider) == [CREATE, GET, GET]

    uvloop.run(play())


def output(text: str) -> bytes:
    return f"event: output\nid: 1:0\ndata: {text}\n\n".encode()


def test_a_stream_is_opened_and_its_usage_asked_for_when_it_is_over(tmp_path: Path) -> None:
    """The provider leaves the connection open after `done`."""
    pieces = (output("Hel"), output("lo"), b"event: done\nid: 2:0\nda", b"ta: {}\n\n")
    replicate = Replicate(prediction("starting", urls=STREAMS), prediction(), stream=pieces)

    async def play() -> None:
        async with (
            upstream(replicate) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            replicate.url = provider.url
            wanted = {"include_usage": True}
            answer = await running.ask(http(chat(stream=True, stream_options=wanted)))
            *chunks, last = answer.events()
            assert last == "[DONE]"
            told = [json.loads(piece) for piece in chunks]
            deltas = [c["delta"].get("content") or "" for t in told for c in t["choices"]]
            assert "".join(deltas) == "Hello"
            assert [t["usage"]["total_tokens"] for t in told if t.get("usage")] == [10]
            assert asked(provider) == [CREATE, "GET /v1/stream?id=1", GET]
            create, listen, _ = provider.requests
            assert create.json() == {"input": {"prompt": "hi"}, "stream": True}
            assert "prefer" not in create.headers
            assert listen.headers["accept"] == "text/event-stream"
            assert listen.headers["authorization"] == f"Bearer {CANARY}"
            await running.settled()
            (record,) = running.journal()
            usage = record.attempts[0].usage
            assert usage is not None
            assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (7, 3, False)
            assert not replicate.canceled.is_set()
            running.check_balance()

    uvloop.run(play())


def test_a_model_that_does_not_stream_answers_as_a_stream_of_one(tmp_path: Path) -> None:
    replicate = Replicate(prediction("starting"), prediction())

    async def play() -> None:
        async with (
            upstream(replicate) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            answer = await running.ask(http(chat(stream=True)))
            *chunks, last = answer.events()
            assert last == "[DONE]"
            told = [c["delta"].get("content") for t in chunks for c in json.loads(t)["choices"]]
            assert "Hello" in told
            assert asked(provider) == [CREATE, GET]

    uvloop.run(play())


@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_that_leaves_stops_the_prediction(streamed: bool, tmp_path: Path) -> None:
    first = prediction("processing", urls=STREAMS if streamed else {})
    waiting = [prediction("processing")] * 50
    replicate = Replicate(first, *waiting, stream=(output("Hel"),))

    async def play() -> None:
        async with (
            upstream(replicate) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            replicate.url = provider.url
            client = await running.client(http(chat(stream=streamed)))
            if streamed:
                await client.until(b"Hel")
            else:
                await replicate.begun.wait()
            client.leave()
            await cancelled(replicate)
            assert asked(provider)[-1] == f"POST /v1/predictions/{ID}/cancel"
            await running.settled()
            (record,) = running.journal()
            assert record.attempts[0].outcome == "cancelled"
            running.check_balance()

    uvloop.run(play())


def test_a_client_that_leaves_before_the_first_answer_stops_it_too(tmp_path: Path) -> None:
    """Nobody knows the prediction's id yet: its creation is awaited without the client."""
    gone = asyncio.Event()
    replicate = Replicate(prediction("processing"))

    async def script(wire: Wire, sent: Received) -> None:
        if not sent.target.endswith("/cancel"):
            replicate.begun.set()
            await gone.wait()
        await replicate(wire, sent)

    async def play() -> None:
        async with upstream(script) as provider, gateway(tmp_path, config(provider.url)) as running:
            client = await running.client(http(chat()))
            await replicate.begun.wait()
            client.leave()
            await running.settled()
            gone.set()
            await cancelled(replicate)
            assert asked(provider) == [CREATE, f"POST /v1/predictions/{ID}/cancel"]
            running.check_balance()

    uvloop.run(play())


FAILURES = {
    "failed": (prediction("failed", error="CUDA out of memory"), 500, "CUDA out of memory"),
    "canceled": (prediction("canceled"), 500, "canceled"),
    "no words": (prediction("failed"), 500, "failed without a reason"),
    "flagged": (
        prediction("failed", error="The input or output was flagged as sensitive (E005)"),
        400,
        "flagged as sensitive",
    ),
    "too long": (
        prediction("failed", error="Input is too long: the maximum context length is 8192"),
        400,
        "maximum context length",
    ),
    "no prediction": (b'{"ok": true}', 502, "is its base_url right"),
    "no id": (prediction("processing", id="../x"), 502, "no usable id"),
    "a stream elsewhere": (
        prediction("starting", urls={"stream": "https://evil.example/x"}),
        502,
        "not its own",
    ),
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("state", "status", "words"), FAILURES.values(), ids=list(FAILURES))
def test_a_prediction_that_fails(
    state: bytes, status: int, words: str, streamed: bool, tmp_path: Path
) -> None:
    if b"evil" in state and not streamed:
        pytest.skip("a whole answer needs no stream")
    replicate = Replicate(state)

    async def play() -> None:
        async with (
            upstream(replicate) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            answer = await running.ask(http(chat(stream=streamed)))
            assert answer.status == status, answer.body
            assert words in answer.error["message"]
            await running.settled()
            assert not any("evil" in sent.headers["host"] for sent in provider.requests)
            running.check_balance()

    uvloop.run(play())


def test_a_throttled_prediction_says_how_long_to_wait(tmp_path: Path) -> None:
    words = {"detail": "Request was throttled. Your rate limit resets in ~5s.", "status": 429}
    body = json.dumps({**words, "retry_after": 5}).encode()

    async def throttled(wire: Wire, _: Received) -> None:
        wire.send(whole(body, 429))

    async def play() -> None:
        async with (
            upstream(throttled) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            answer = await running.ask(http(chat()))
            assert (answer.status, answer.headers["retry-after"]) == (429, "5")
            running.check_balance()

    uvloop.run(play())


def test_a_stream_that_breaks_stops_the_prediction_and_is_no_success(tmp_path: Path) -> None:
    replicate = Replicate(prediction("processing", urls=STREAMS))

    async def script(wire: Wire, sent: Received) -> None:
        if sent.target.startswith("/v1/stream"):
            wire.send(SSE_HEAD + chunk(output("Hel")))
            await wire.drain()
            wire.reset()
        else:
            await replicate(wire, sent)

    async def play() -> None:
        async with upstream(script) as provider, gateway(tmp_path, config(provider.url)) as running:
            replicate.url = provider.url
            answer = await running.ask(http(chat(stream=True)))
            assert "[DONE]" not in answer.events()
            assert "error" in json.loads(answer.events()[-1])
            await cancelled(replicate)
            running.check_balance()

    uvloop.run(play())


def test_a_stream_that_ends_without_a_report_is_estimated(tmp_path: Path) -> None:
    replicate = Replicate(prediction("processing", urls=STREAMS), b"{}")

    async def script(wire: Wire, sent: Received) -> None:
        if sent.target.startswith("/v1/stream"):
            done = b"event: done\ndata: {}\n\n"
            wire.send(SSE_HEAD + chunk(output("Hel")) + chunk(done) + LAST_CHUNK)
        else:
            await replicate(wire, sent)

    async def play() -> None:
        async with upstream(script) as provider, gateway(tmp_path, config(provider.url)) as running:
            replicate.url = provider.url
            answer = await running.ask(http(chat(stream=True)))
            assert answer.events()[-1] == "[DONE]"
            await running.settled()
            (record,) = running.journal()
            usage = record.attempts[0].usage
            assert usage is not None
            assert usage.estimated

    uvloop.run(play())
