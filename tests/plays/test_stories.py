"""Plays with more than one answer: failover, fallbacks, budgets, clients that leave or stall."""

import asyncio
import json
from pathlib import Path

import pytest
import uvloop

from tests.harness import (
    CHAT,
    DONE,
    LAST_CHUNK,
    SSE_HEAD,
    USAGE_EVENT,
    Received,
    Running,
    Script,
    Wire,
    chat,
    chunk,
    closed_port,
    config,
    delta,
    event,
    gateway,
    good,
    http,
    replying,
    upstream,
    whole,
)

BOTH_MODES = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
LEAVES_WITHIN_S = 1.0
"""The promise is 0.1 s; a busy machine is allowed more."""


async def reset(wire: Wire, _: Received) -> None:
    wire.reset()


async def garbage(wire: Wire, _: Received) -> None:
    wire.send(b"220 smtp ready\r\n")
    wire.close()


def refusal(status: int, **error: object) -> Script:
    return replying(whole(json.dumps({"error": error}).encode(), status))


EARLY_FAILURES: dict[str, Script] = {
    "reset": reset,
    "garbage": garbage,
    "500": refusal(500, message="oops"),
    "503": refusal(503, message="busy"),
    "529": refusal(529, message="busy"),
    "429": refusal(429, message="slow"),
    "no credit": refusal(429, message="pay", type="insufficient_quota"),
    "401": refusal(401, message="who?"),
    "404": refusal(404, message="no such model", code="model_not_found"),
    "html": replying(whole(b"<html>", 200, "text/html")),
    "error event first": replying(
        SSE_HEAD + chunk(event({"error": {"message": "busy", "code": 503}})) + LAST_CHUNK
    ),
    "empty stream": replying(SSE_HEAD + LAST_CHUNK),
}


@BOTH_MODES
@pytest.mark.parametrize("failure", EARLY_FAILURES)
def test_the_next_deployment_takes_over_and_the_client_sees_nothing(
    failure: str, streamed: bool, tmp_path: Path
) -> None:
    async def play() -> None:
        async with (
            upstream(EARLY_FAILURES[failure]) as bad,
            upstream(good) as second,
            gateway(tmp_path, config(bad.url, second.url, attempts=2)) as running,
        ):
            answer = await running.ask(http(chat(stream=streamed)))
            await running.settled()
            assert answer.status == 200
            assert answer.headers["x-portico-deployment"] == "up1/real-1"
            assert answer.headers["x-portico-attempts"] == "2"
            if streamed:
                assert answer.events()[-1] == "[DONE]"
            else:
                assert answer.body == CHAT
            assert second.requests[0].json()["model"] == "real-1"
            (record,) = running.journal()
            first, then = record.attempts
            assert first.outcome != "success"
            assert (first.usage, then.outcome) == (None, "success")
            assert record.status == 200
            running.check_balance()
            assert running.count("litellm_requests_total") == 2

    uvloop.run(play())


@BOTH_MODES
@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_the_client_did_wrong_is_not_tried_elsewhere(
    status: int, streamed: bool, tmp_path: Path
) -> None:
    async def play() -> None:
        async with (
            upstream(refusal(status, message="bad", code="odd", param="messages")) as first,
            upstream(good) as second,
            gateway(tmp_path, config(first.url, second.url, attempts=3)) as running,
        ):
            answer = await running.ask(http(chat(stream=streamed)))
            assert answer.status == status
            assert answer.error == {"message": "bad", "code": "odd", "param": "messages"}
            assert (len(first.requests), len(second.requests)) == (1, 0)

    uvloop.run(play())


def test_a_stream_that_has_begun_is_never_tried_again(tmp_path: Path) -> None:
    async def play() -> None:
        first_script = replying(SSE_HEAD + chunk(delta("he")), LAST_CHUNK)
        async with (
            upstream(first_script) as first,
            upstream(good) as second,
            gateway(tmp_path, config(first.url, second.url, attempts=3)) as running,
        ):
            answer = await running.ask(http(chat(stream=True)))
            assert (len(first.requests), len(second.requests)) == (1, 0)
            assert json.loads(answer.events()[-1])["error"]["code"] == "stream_truncated"

    uvloop.run(play())


FALLBACKS = [
    ("context_window", refusal(400, message="long", code="context_length_exceeded")),
    ("content_policy", refusal(400, message="no", code="content_filter")),
    ("rate_limit", refusal(429, message="slow")),
    ("general", refusal(500, message="oops")),
]


@pytest.mark.parametrize(("cause", "failure"), FALLBACKS, ids=[name for name, _ in FALLBACKS])
def test_each_cause_has_its_fallback(cause: str, failure: Script, tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(failure) as bad, upstream(good) as well:
            names = ["context_window", "content_policy", "rate_limit", "general"]
            others = "".join(f"  - {{name: for-{name}, targets: [up1/{name}]}}\n" for name in names)
            given = ", ".join(f"{name}: [for-{name}]" for name in names)
            text = (
                "providers:\n"
                f"  - {{name: up0, provider_type: openai_compatible, base_url: {bad.url}}}\n"
                f"  - {{name: up1, provider_type: openai_compatible, base_url: {well.url}}}\n"
                f"models:\n  - {{name: m, targets: [up0/a], fallbacks: {{{given}}}, "
                "retries: {max_attempts: 2, base_delay: 0}}\n"
                f"{others}"
                "keys:\n  - {name: k, key: sk-team-a-0123456789}\n"
            )
            async with gateway(tmp_path, text) as running:
                answer = await running.ask(http(chat()))
                assert answer.status == 200
                assert answer.headers["x-portico-deployment"] == f"up1/{cause}"
                assert [one.json()["model"] for one in well.requests] == [cause]

    uvloop.run(play())


def test_a_fallback_has_timeouts_of_its_own(tmp_path: Path) -> None:
    async def play() -> None:
        async def slow(wire: Wire, _: Received) -> None:
            await asyncio.sleep(0.2)
            wire.send(whole(CHAT))

        async with upstream(refusal(500, message="oops")) as bad, upstream(slow) as well:
            text = (
                "providers:\n"
                f"  - {{name: a, provider_type: openai_compatible, base_url: {bad.url}}}\n"
                f"  - {{name: b, provider_type: openai_compatible, base_url: {well.url}}}\n"
                "models:\n"
                "  - {name: m, targets: [a/x], fallbacks: {general: [n]}, "
                "timeouts: {first_byte: 0.1}, retries: {max_attempts: 2, base_delay: 0}}\n"
                "  - {name: n, targets: [b/x], timeouts: {first_byte: 5}}\n"
                "keys:\n  - {name: k, key: sk-team-a-0123456789}\n"
            )
            async with gateway(tmp_path, text) as running:
                assert (await running.ask(http(chat()))).status == 200

    uvloop.run(play())


def test_retries_end_with_the_attempts_that_are_allowed(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(refusal(503, message="busy")) as bad,
            gateway(tmp_path, config(bad.url, attempts=3)) as running,
        ):
            answer = await running.ask(http(chat()))
            assert answer.status == 503
            assert answer.headers["x-portico-attempts"] == str(len(bad.requests)) == "3"
            running.check_balance()

    uvloop.run(play())


def test_retries_stay_within_the_budget_when_everything_fails(tmp_path: Path) -> None:
    """Of 40 calls at most the floor and a fifth are tried again, and then the circuit opens."""

    async def play() -> None:
        async with (
            upstream(refusal(500, message="oops")) as bad,
            gateway(tmp_path, config(bad.url, attempts=3)) as running,
        ):
            for _ in range(40):
                answer = await running.ask(http(chat()))
                assert answer.status in (500, 503)
            assert len(bad.requests) <= 40 + 3 + 8
            running.check_balance()

    uvloop.run(play())


def test_a_kept_connection_that_the_provider_just_closed_costs_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        async def once(wire: Wire, _: Received) -> None:
            wire.send(whole(CHAT))
            if len(provider.requests) == 1:
                await wire.drain()
                wire.close()

        async with (
            upstream(once) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            for _ in range(3):
                assert (await running.ask(http(chat()))).status == 200
            assert len(provider.requests) == 3
            assert provider.connections == 2
            assert [len(record.attempts) for record in running.journal()] == [1, 1, 1]

    uvloop.run(play())


# Clients


async def expect_partial(running: Running, *, streamed: bool) -> None:
    await running.settled()
    (record,) = running.journal()
    (attempt,) = record.attempts
    assert attempt.outcome == "cancelled"
    assert attempt.partial
    assert record.streamed == streamed
    running.check_balance()


@pytest.mark.parametrize("script", ["silent", "head only", "comments"])
@BOTH_MODES
def test_a_client_that_leaves_before_the_first_byte(
    script: str, streamed: bool, tmp_path: Path
) -> None:
    async def play() -> None:
        asked, closed = asyncio.Event(), asyncio.Event()
        said = {"silent": b"", "head only": SSE_HEAD, "comments": SSE_HEAD + chunk(b": hm\n\n")}

        async def stall(wire: Wire, _: Received) -> None:
            wire.send(said[script])
            asked.set()
            await wire.gone()
            closed.set()

        async with (
            upstream(stall) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            client = await running.client(http(chat(stream=streamed)))
            await asked.wait()
            client.leave()
            await asyncio.wait_for(closed.wait(), LEAVES_WITHIN_S)
            await expect_partial(running, streamed=False)
            assert running.journal()[0].status == 499

    uvloop.run(play())


def test_a_client_that_leaves_in_the_middle_pays_for_what_it_saw(tmp_path: Path) -> None:
    async def play() -> None:
        closed = asyncio.Event()

        async def begin(wire: Wire, _: Received) -> None:
            wire.send(SSE_HEAD + chunk(delta("he")) + chunk(delta("llo")))
            await wire.gone()
            closed.set()

        async with (
            upstream(begin) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            client = await running.client(http(chat(stream=True)))
            await client.until(b'"llo"')
            client.leave()
            await asyncio.wait_for(closed.wait(), LEAVES_WITHIN_S)
            await expect_partial(running, streamed=True)
            usage = running.journal()[0].attempts[0].usage
            assert usage is not None
            assert (usage.output_tokens, usage.estimated) == (2, True)

    uvloop.run(play())


def test_a_client_that_does_not_read_holds_the_provider_back(tmp_path: Path) -> None:
    async def play() -> None:
        sent = 0
        blocked = asyncio.Event()
        piece = chunk(delta("x" * 8000))
        total = 64 * 1024 * 1024

        async def flood(wire: Wire, _: Received) -> None:
            nonlocal sent
            wire.send(SSE_HEAD)
            try:
                while sent < total:
                    wire.send(piece * 8)
                    sent += len(piece) * 8
                    await asyncio.wait_for(wire.drain(), 0.3)
            except TimeoutError:
                blocked.set()
                await wire.gone()

        async with (
            upstream(flood) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            client = await running.client(http(chat(stream=True)), receive_buffer=4096)
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.wait_for(blocked.wait(), 20)
            assert sent < total / 2
            client.leave()
            await running.settled()
            running.check_balance()

    uvloop.run(play())


# What an answer carries


@BOTH_MODES
def test_headers_of_an_answer(streamed: bool, tmp_path: Path) -> None:
    async def play() -> None:
        async def answer(wire: Wire, request: Received) -> None:
            fields = (
                b"x-ratelimit-remaining-tokens: 99\r\nset-cookie: a=b\r\nserver: up\r\n"
                b"openai-processing-ms: 12\r\nx-request-id: theirs\r\n\r\n"
            )
            head, _, body = (
                (SSE_HEAD + chunk(delta("a", "stop")) + chunk(USAGE_EVENT + DONE) + LAST_CHUNK)
                if streamed
                else whole(CHAT)
            ).partition(b"\r\n\r\n")
            wire.send(head + b"\r\n" + fields + body)

        more = "pricing:\n  models:\n    real-0: {input: 1, output: 2}\n"
        async with (
            upstream(answer) as provider,
            gateway(tmp_path, config(provider.url, more=more)) as running,
        ):
            request = http(
                chat(stream=streamed), x_request_id="mine-1", cookie="c=d", openai_beta="x=1"
            )
            got = await running.ask(request)
            await running.settled()
            sent = provider.requests[0].headers
            assert "cookie" not in sent
            assert sent["openai-beta"] == "x=1"
            assert sent["authorization"].endswith("-0")
            assert got.headers["x-request-id"] == "mine-1"
            assert got.headers["x-upstream-request-id"] == "theirs"
            assert got.headers["x-ratelimit-remaining-tokens"] == "99"
            assert got.headers["openai-processing-ms"] == "12"
            assert float(got.headers["x-portico-overhead-ms"]) >= 0
            assert "set-cookie" not in got.headers
            cost = 7 * 1000 + 3 * 2000
            assert got.headers.get("x-portico-cost-usd") == (None if streamed else f"0.{cost:09d}")
            assert running.journal()[0].cost_nanousd == cost

    uvloop.run(play())


@pytest.mark.parametrize("wants", [None, False, True])
def test_the_usage_event_reaches_only_those_who_asked(wants: bool | None, tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(good) as provider, gateway(tmp_path, config(provider.url)) as running:
            more = {} if wants is None else {"stream_options": {"include_usage": wants}}
            answer = await running.ask(http(chat(stream=True, **more)))
            await running.settled()
            assert provider.requests[0].json()["stream_options"] == {"include_usage": True}
            assert ("usage" in answer.body.decode()) == (wants is True)
            usage = running.journal()[0].attempts[0].usage
            assert usage is not None
            assert (usage.total_input_tokens, usage.total_output_tokens) == (7, 3)

    uvloop.run(play())


def test_unknown_and_odd_fields_survive_both_ways(tmp_path: Path) -> None:
    async def play() -> None:
        body = b'{"x_odd": 1e400, "messages":[], "model":"m", "z":"\\ud83d\\ude00 \xe2\x82\xac"}'
        reply = b'{"id":"c","choices":[{"x":0}],"usage":null,"x_odd":[1.000,"\\u00e9"]}'
        async with (
            upstream(replying(whole(reply))) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            answer = await running.ask(http(body))
            assert answer.body == reply
            assert provider.requests[0].body == body.replace(b'"model":"m"', b'"model":"real-0"')

    uvloop.run(play())


@pytest.mark.parametrize("given", [b'"hello"', b"null", b"[1]", b'"\xff"'])
def test_speech_passes_as_it_comes_and_is_billed_by_characters(
    given: bytes, tmp_path: Path
) -> None:
    async def play() -> None:
        sound = bytes(range(256)) * 40
        async with (
            upstream(replying(whole(sound, kind="audio/mpeg"))) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            body = b'{"model":"m","voice":"v","input":%b}' % given
            answer = await running.ask(http(body, path="/v1/audio/speech"))
            await running.settled()
            assert (answer.status, answer.is_complete) == (200, True)
            assert answer.body == sound
            assert answer.headers["content-type"] == "audio/mpeg"
            usage = running.journal()[0].attempts[0].usage
            assert usage is not None
            assert usage.input_characters == (5 if given == b'"hello"' else 0)
            running.check_balance()

    uvloop.run(play())


def test_speech_that_breaks_off_is_cut(tmp_path: Path) -> None:
    async def play() -> None:
        async def half(wire: Wire, _: Received) -> None:
            wire.send(whole(b"x" * 4000, kind="audio/mpeg")[:-100])
            await wire.drain()
            wire.close()

        async with upstream(half) as provider, gateway(tmp_path, config(provider.url)) as running:
            body = {"model": "m", "voice": "v", "input": "hi"}
            answer = await running.ask(http(body, path="/v1/audio/speech"))
            await running.settled()
            assert not answer.is_complete
            assert running.journal()[0].attempts[0].partial
            running.check_balance()

    uvloop.run(play())


def test_dropped_parameters_are_those_of_the_deployment_that_answered(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(good) as provider:
            dead = f"http://127.0.0.1:{closed_port()}/v1"
            text = (
                "providers:\n"
                "  - {name: codestral, provider_type: codestral, api_key: k, "
                f"base_url: '{dead}'}}\n"
                f"  - {{name: up, provider_type: openai_compatible, base_url: {provider.url}}}\n"
                "models:\n  - {name: m, targets: [codestral/a, up/b], strategy: priority_based}\n"
                "keys:\n  - {name: k, key: sk-team-a-0123456789}\n"
            )
            async with gateway(tmp_path, text) as running:
                row_refuses = {"user": "u", "logit_bias": {}, "logprobs": True}
                answer = await running.ask(http(chat(**row_refuses)))
                assert answer.status == 200
                assert "x-portico-dropped-params" not in answer.headers

    uvloop.run(play())
