"""A second copy of a slow call: the first good answer is taken, both are in the books."""

import asyncio
from pathlib import Path

import pytest
import uvloop

from tests.harness import (
    CHAT,
    SSE_HEAD,
    Received,
    Running,
    Script,
    Wire,
    chat,
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

BOTH_MODES = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
SOON = ", hedge: {after: 0.05, budget: 1}"


async def silent(wire: Wire, _: Received) -> None:
    await wire.gone()


def after(seconds: float, script: Script) -> Script:
    async def late(wire: Wire, request: Received) -> None:
        await asyncio.sleep(seconds)
        await script(wire, request)

    return late


@BOTH_MODES
def test_the_second_copy_answers_and_the_first_is_cancelled(streamed: bool, tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(silent) as slow,
            upstream(good) as second,
            gateway(tmp_path, config(slow.url, second.url, attempts=2, route=SOON)) as running,
        ):
            answer = await running.ask(http(chat(stream=streamed)))
            await running.settled()
            assert answer.status == 200
            assert answer.headers["x-portico-deployment"] == "up1/real-1"
            assert float(answer.headers["x-portico-overhead-ms"]) >= 0
            if streamed:
                assert answer.events()[-1] == "[DONE]"
            (record,) = running.journal()
            lost, won = record.attempts
            assert (lost.outcome, lost.partial) == ("cancelled", True)
            assert lost.usage is not None
            assert lost.usage.estimated
            assert lost.usage.output_tokens == 0
            assert won.outcome == "success"
            running.check_balance()
            states = running.app.gateway.snapshot.states
            assert [state.in_flight for state in states.values()].count(0) == len(states)

    uvloop.run(play())


@BOTH_MODES
def test_the_first_may_still_win(streamed: bool, tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(after(0.15, good)) as first,
            upstream(silent) as second,
            gateway(tmp_path, config(first.url, second.url, attempts=2, route=SOON)) as running,
        ):
            answer = await running.ask(http(chat(stream=streamed)))
            await running.settled()
            assert answer.headers["x-portico-deployment"] == "up0/real-0"
            (record,) = running.journal()
            assert [one.outcome for one in record.attempts] == ["success", "cancelled"]
            won, lost = (one.usage for one in record.attempts)
            assert won is not None
            assert lost is not None
            assert (won.total_input_tokens, won.total_output_tokens, won.estimated) == (7, 3, False)
            assert (lost.output_tokens, lost.estimated) == (0, True)
            running.check_balance()

    uvloop.run(play())


def test_a_fast_call_is_sent_once(tmp_path: Path) -> None:
    async def play() -> None:
        route = ", hedge: {after: 5, budget: 1}"
        async with (
            upstream(good) as first,
            upstream(good) as second,
            gateway(tmp_path, config(first.url, second.url, attempts=2, route=route)) as running,
        ):
            for _ in range(5):
                assert (await running.ask(http(chat()))).status == 200
            assert (len(first.requests), len(second.requests)) == (5, 0)

    uvloop.run(play())


NOT_SENT = {
    "no budget": ", hedge: {after: 0.01, budget: 0}",
    "too little is known": ", hedge: {budget: 1}",
    "it is past the deadline": ", hedge: {after: 0.02, budget: 1}",
    "too dear": ", hedge: {after: 0.01, budget: 1, max_cost_usd: 0.000000001}",
}


@pytest.mark.parametrize("why", NOT_SENT)
def test_no_second_copy_is_sent(why: str, tmp_path: Path) -> None:
    async def play() -> None:
        text = "pricing: {models: {up1/real-1: {input: 1, output: 1}}}\n"
        async with upstream(after(0.1, good)) as first, upstream(good) as second:
            text = config(first.url, second.url, attempts=2, route=NOT_SENT[why], more=text)
            if why == "it is past the deadline":
                text = text.replace("max_attempts: 2", "max_attempts: 2, deadline: 0.01")
            async with gateway(tmp_path, text) as running:
                answer = await running.ask(http(chat()))
                assert answer.headers["x-portico-deployment"] == "up0/real-0"
                assert not second.requests

    uvloop.run(play())


def test_one_that_fails_leaves_the_other_its_time(tmp_path: Path) -> None:
    async def play() -> None:
        bad = replying(whole(b'{"error":{"message":"oops"}}', 500))
        async with (
            upstream(after(0.2, good)) as first,
            upstream(bad) as second,
            gateway(tmp_path, config(first.url, second.url, attempts=2, route=SOON)) as running,
        ):
            answer = await running.ask(http(chat()))
            assert (answer.status, answer.body) == (200, CHAT)
            await running.settled()
            (record,) = running.journal()
            assert record.attempts[0].outcome == "success"
            assert len(record.attempts) == 2

    uvloop.run(play())


def test_when_both_fail_the_next_is_asked(tmp_path: Path) -> None:
    async def play() -> None:
        bad = replying(whole(b'{"error":{"message":"oops"}}', 500))
        async with (
            upstream(after(0.15, bad)) as first,
            upstream(bad) as second,
            upstream(good) as third,
        ):
            text = config(first.url, second.url, third.url, attempts=4, route=SOON)
            async with gateway(tmp_path, text) as running:
                answer = await running.ask(http(chat()))
                assert answer.headers["x-portico-deployment"] == "up2/real-2"
                assert len(first.requests) == len(second.requests) == 1

    uvloop.run(play())


def test_an_error_that_everybody_would_give_is_not_waited_for(tmp_path: Path) -> None:
    async def play() -> None:
        wrong = replying(whole(b'{"error":{"message":"no","code":"odd"}}', 400))
        async with (
            upstream(after(0.15, wrong)) as first,
            upstream(silent) as second,
            gateway(tmp_path, config(first.url, second.url, attempts=2, route=SOON)) as running,
        ):
            answer = await running.ask(http(chat()))
            await running.settled()
            assert (answer.status, answer.error["code"]) == (400, "odd")
            (record,) = running.journal()
            assert [one.outcome for one in record.attempts] == ["odd", "cancelled"]
            running.check_balance()

    uvloop.run(play())


class Crowded:
    """A good provider that takes its time, and notes how many places of it are taken."""

    def __init__(self, deployment: str) -> None:
        self.deployment = deployment
        self.running: Running | None = None
        self.most = 0

    async def __call__(self, wire: Wire, request: Received) -> None:
        assert self.running is not None
        state = self.running.app.gateway.snapshot.states[self.deployment]
        self.most = max(self.most, state.in_flight)
        await asyncio.sleep(0.15)
        await good(wire, request)


@BOTH_MODES
def test_second_copies_keep_to_the_limits_of_deployments(streamed: bool, tmp_path: Path) -> None:
    async def play() -> None:
        crowded = Crowded("up1/real-1")
        async with (
            upstream(after(0.2, good)) as first,
            upstream(crowded) as second,
        ):
            text = config(first.url, second.url, attempts=2, route=SOON)
            limit = "models: [real-1], max_concurrent_requests: 1"
            async with gateway(tmp_path, text.replace("models: [real-1]", limit)) as running:
                crowded.running = running
                # The same moment for all: each second copy is chosen before any has begun.
                calls = [running.ask(http(chat(stream=streamed))) for _ in range(8)]
                answers = await asyncio.gather(*calls)
                await running.settled()
                assert [one.status for one in answers] == [200] * 8
                assert crowded.most == 1
                running.check_balance()

    uvloop.run(play())


def test_calls_that_may_be_hedged_keep_to_the_limits_of_deployments(tmp_path: Path) -> None:
    async def play() -> None:
        crowded = Crowded("up0/real-0")
        async with upstream(crowded) as provider:
            text = config(provider.url, attempts=2, route=", hedge: {after: 5, budget: 1}")
            limit = "models: [real-0], max_concurrent_requests: 2"
            async with gateway(tmp_path, text.replace("models: [real-0]", limit)) as running:
                crowded.running = running
                answers = await asyncio.gather(*(running.ask(http(chat())) for _ in range(8)))
                assert sorted(one.status for one in answers) == [200] * 2 + [429] * 6
                assert crowded.most == 2

    uvloop.run(play())


def test_a_client_that_leaves_ends_both(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(silent) as first,
            upstream(silent) as second,
            gateway(tmp_path, config(first.url, second.url, attempts=2, route=SOON)) as running,
        ):
            client = await running.client(http(chat()))
            async with asyncio.timeout(5):
                while not second.requests:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            client.leave()
            await running.settled()
            (record,) = running.journal()
            assert [one.outcome for one in record.attempts] == ["cancelled", "cancelled"]
            states = running.app.gateway.snapshot.states
            assert all(state.in_flight == 0 for state in states.values())
            running.check_balance()

    uvloop.run(play())


def test_a_stream_that_came_too_late_is_let_go(tmp_path: Path) -> None:
    async def both(wire: Wire, _: Received) -> None:
        wire.send(SSE_HEAD + chunk(delta("he")))
        await wire.gone()

    async def play() -> None:
        async with (
            upstream(after(0.1, both)) as first,
            upstream(after(0.05, both)) as second,
            gateway(tmp_path, config(first.url, second.url, attempts=2, route=SOON)) as running,
        ):
            client = await running.client(http(chat(stream=True)))
            await client.until(b"he")
            client.leave()
            await running.settled()
            states = running.app.gateway.snapshot.states
            assert all(state.in_flight == 0 for state in states.values())
            running.check_balance()

    uvloop.run(play())
