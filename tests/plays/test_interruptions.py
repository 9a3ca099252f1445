"""What is told, and what is billed, when it is not the provider who ends a call."""

import asyncio
import json
from pathlib import Path

import pytest
import uvloop

from portico.types.call import AttemptRecord
from tests.harness import (
    KEY,
    SSE_HEAD,
    Answer,
    Received,
    Running,
    Script,
    Wire,
    chat,
    chunk,
    config,
    delta,
    event,
    gateway,
    good,
    http,
    upstream,
)

DRAIN = "server: {limits: {drain_timeout: 0.05, drain_delay: 0}}\n"
_PROMPT = [{"role": "user", "content": "hi"}]
ASKED = {
    "openai": lambda streamed: http(chat(stream=streamed)),
    "anthropic": lambda streamed: http(
        {"model": "m", "max_tokens": 5, "messages": _PROMPT, "stream": streamed},
        path="/v1/messages",
        key=None,
        x_api_key=KEY,
    ),
    "gemini": lambda streamed: http(
        {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
        path="/v1beta/models/m:streamGenerateContent?alt=sse"
        if streamed
        else "/v1beta/models/m:generateContent",
    ),
    "embeddings": lambda streamed: http({"model": "m", "input": "hi"}, path="/v1/embeddings"),
}
TOLD = {
    "openai": {"type": "service_unavailable_error", "code": "server_is_shutting_down"},
    "anthropic": {"type": "overloaded_error"},
    "gemini": {"code": 503, "status": "UNAVAILABLE"},
    "embeddings": {"type": "service_unavailable_error", "code": "server_is_shutting_down"},
}
BEGINNINGS = {
    "whole": (False, ()),
    "stream without a head": (True, ()),
    "stream without content": (True, (SSE_HEAD + chunk(b": hm\n\n"),)),
}
EARLY = [
    (client, beginning)
    for client in ASKED
    for beginning in BEGINNINGS
    if client != "embeddings" or beginning == "whole"
]


class Stalled:
    """A provider that says so much and then nothing; `asked` is set when it has been asked."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.asked = asyncio.Event()

    async def __call__(self, wire: Wire, _: Received) -> None:
        wire.send(b"".join(self.pieces))
        await wire.drain()
        self.asked.set()
        await wire.gone()


async def stopped_while(
    running: Running, provider: Stalled, request: bytes, until: bytes = b""
) -> Answer:
    client = await running.client(request)
    await provider.asked.wait()
    head = await client.until(until) if until else b""
    answer = asyncio.ensure_future(client.answer()) if not until else None
    await running.app.stop()
    if answer is not None:
        return await answer
    rest = await asyncio.wait_for(client.reader.read(), 2)
    return Answer(200, {}, head + rest, complete=True)


def only_attempt(running: Running) -> AttemptRecord:
    (record,) = running.journal()
    (attempt,) = record.attempts
    return attempt


@pytest.mark.parametrize(("client", "beginning"), EARLY)
def test_a_stop_before_the_answer_is_a_503_that_says_when_to_come_back(
    client: str, beginning: str, tmp_path: Path
) -> None:
    async def play() -> None:
        streamed, said = BEGINNINGS[beginning]
        provider = Stalled(*said)
        async with (
            upstream(provider) as up,
            gateway(tmp_path, DRAIN + config(up.url)) as running,
        ):
            answer = await stopped_while(running, provider, ASKED[client](streamed))
            assert (answer.status, answer.is_complete) == (503, True)
            assert answer.headers["retry-after"] == "1"
            error = answer.json()["error"]
            assert TOLD[client].items() <= error.items()
            attempt = only_attempt(running)
            assert attempt.outcome == "server_is_shutting_down"
            assert attempt.partial
            assert running.journal()[0].status == 503

    uvloop.run(play())


@pytest.mark.parametrize("client", ["openai", "anthropic", "gemini"])
def test_a_stop_in_the_middle_of_a_stream_is_its_last_event(client: str, tmp_path: Path) -> None:
    async def play() -> None:
        provider = Stalled(SSE_HEAD + chunk(delta("he")))
        async with (
            upstream(provider) as up,
            gateway(tmp_path, DRAIN + config(up.url)) as running,
        ):
            answer = await stopped_while(running, provider, ASKED[client](True), b'"he"')
            (last,) = [
                line for line in answer.body.split(b"\n") if b'"error"' in line and b"{" in line
            ]
            error = json.loads(last.removeprefix(b"data: "))["error"]
            assert TOLD[client].items() <= error.items()
            attempt = only_attempt(running)
            assert (attempt.outcome, attempt.partial) == ("server_is_shutting_down", True)
            assert attempt.usage is not None
            assert attempt.usage.output_tokens == 1

    uvloop.run(play())


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_who_leaves_before_the_answer_pays_for_the_question(streamed: bool, tmp_path: Path) -> None:
    async def play() -> None:
        provider = Stalled()
        async with upstream(provider) as up, gateway(tmp_path, config(up.url)) as running:
            client = await running.client(http(chat(stream=streamed)))
            await provider.asked.wait()
            client.leave()
            await running.settled()
            attempt = only_attempt(running)
            assert (attempt.outcome, attempt.partial) == ("cancelled", True)
            assert attempt.usage is not None
            assert attempt.usage.estimated
            assert (attempt.usage.input_tokens or 0) > 0
            assert attempt.usage.output_tokens == 0

    uvloop.run(play())


def test_what_was_never_sent_is_not_paid_for(tmp_path: Path) -> None:
    async def play() -> None:
        provider = Stalled()
        async with upstream(provider) as up, gateway(tmp_path, config(up.url)) as running:
            pool = running.app.gateway.pools["http"]
            connecting = asyncio.Event()

            async def never(*_: object) -> object:
                connecting.set()
                await asyncio.Event().wait()
                return None

            pool._connect = never  # type: ignore[attr-defined]
            client = await running.client(http(chat()))
            await connecting.wait()
            client.leave()
            await running.settled()
            attempt = only_attempt(running)
            assert (attempt.outcome, attempt.usage) == ("cancelled", None)

    uvloop.run(play())


def test_what_an_opening_reported_is_paid_by_who_leaves_after_it(tmp_path: Path) -> None:
    started = {"type": "message_start", "message": {"usage": {"input_tokens": 70}}}
    provider = Stalled(SSE_HEAD + chunk(b"event: message_start\n" + event(started)))

    async def play() -> None:
        async with upstream(provider) as up:
            text = config(up.url).replace("openai_compatible", "anthropic").replace("/v1'", "'")
            async with gateway(tmp_path, text) as running:
                client = await running.client(ASKED["anthropic"](True))
                await provider.asked.wait()
                async with asyncio.timeout(5):
                    while not running.app.gateway.calls:  # noqa: ASYNC110
                        await asyncio.sleep(0.001)
                await asyncio.sleep(0.05)
                client.leave()
                await running.settled()
                usage = only_attempt(running).usage
                assert usage is not None
                assert usage.input_tokens == 70

    uvloop.run(play())


def after(seconds: float, script: Script) -> Script:
    async def late(wire: Wire, request: Received) -> None:
        await asyncio.sleep(seconds)
        await script(wire, request)

    return late


def test_whole_answers_may_take_longer_than_streams_to_begin(tmp_path: Path) -> None:
    async def play() -> None:
        timers = ", timeouts: {first_byte: 0.1, whole: 5}"
        async with (
            upstream(after(0.4, good)) as provider,
            gateway(tmp_path, config(provider.url, route=timers)) as running,
        ):
            whole, stream = await asyncio.gather(
                running.ask(http(chat())), running.ask(http(chat(stream=True)))
            )
            assert (whole.status, stream.status) == (200, 504)
            assert "timeouts.first_byte" in stream.error["message"]

    uvloop.run(play())
