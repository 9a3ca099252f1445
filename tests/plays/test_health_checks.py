"""Providers that are asked how they do: no call, no money, and no traffic while they are ill."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import uvloop

from portico.config.load import Loaded
from tests.harness import (
    CANARY,
    CHAT,
    Received,
    Running,
    Wire,
    chat,
    config,
    gateway,
    http,
    read_config,
    upstream,
    whole,
)

CHECKED = "health_check: {interval: 10, failure_threshold: 2, recovery_timeout: 600}"


class Moody:
    """Answers calls well, and checks with `status`."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.checks: list[Received] = []
        self.calls = 0

    async def __call__(self, wire: Wire, request: Received) -> None:
        if request.method == "GET":
            self.checks.append(request)
            wire.send(whole(b'{"data": []}', self.status))
        else:
            self.calls += 1
            wire.send(whole(CHAT))


class Steps:
    """A gateway whose clock stands still until it is moved."""

    def __init__(self, running: Running) -> None:
        self.gateway = running.app.gateway
        self.prober = running.app.prober
        self.now = 1000.0
        self.gateway.clock = lambda: self.now
        self.prober.due()

    async def later(self, seconds: float) -> int:
        """Let time pass and do the checks that have come due; how many there were."""
        self.now += seconds
        due = self.prober.due()
        await asyncio.gather(*(self.prober.check(credential) for credential in due))
        return len(due)


def checked(*urls: str, more: str = CHECKED) -> str:
    return config(*urls, attempts=2).replace("models: [real-0]", f"models: [real-0], {more}")


@contextlib.asynccontextmanager
async def checking(
    folder: Path, more: str = CHECKED
) -> AsyncIterator[tuple[Running, Moody, Moody, Steps]]:
    """Two providers, of which the first is preferred and checked."""
    one, two = Moody(), Moody()
    async with (
        upstream(one) as first,
        upstream(two) as second,
        gateway(folder, checked(first.url, second.url, more=more)) as running,
    ):
        yield running, one, two, Steps(running)


async def served_by(running: Running) -> str:
    answer = await running.ask(http(chat()))
    assert answer.status == 200
    return answer.headers["x-portico-deployment"]


def test_who_fails_checks_gets_no_calls_until_a_check_is_good(tmp_path: Path) -> None:
    async def play() -> None:
        async with checking(tmp_path) as (running, one, two, steps):
            assert [await steps.later(2.0), await steps.later(2.0)] == [1, 0]
            assert await served_by(running) == "up0/real-0"
            one.status = 503
            await steps.later(11.0)
            assert await served_by(running) == "up0/real-0"
            await steps.later(11.0)
            assert await served_by(running) == "up0/real-0", "it has just answered a call"
            await steps.later(11.0)
            await steps.later(11.0)
            assert await served_by(running) == "up1/real-1"
            await steps.later(11.0)
            assert await served_by(running) == "up1/real-1"
            one.status = 200
            await steps.later(11.0)
            assert await served_by(running) == "up0/real-0"
            await running.settled()

            assert (len(one.checks), len(two.checks)) == (7, 0)
            assert {(c.method, c.target) for c in one.checks} == {("GET", "/v1/models")}
            assert {c.headers["authorization"] for c in one.checks} == {f"Bearer {CANARY}-0"}
            assert len(running.journal()) == one.calls + two.calls == 6
            assert running.count("litellm_requests_total") == 6
            assert running.count("gateway_attempts_total") == 6
            assert running.count("gateway_health_checks_total") == 7
            log = running.log
            assert "health check of up0 (up0/real-0) failed, 1 of 2 in a row: HTTP 503" in log
            assert "up0/real-0: healthy -> open for 600.0 s (health_check)" in log
            assert "health check of up0 (up0/real-0): well again" in log
            assert "up0/real-0: open -> half_open (health_check)" in log
            assert CANARY not in log

    uvloop.run(play())


def test_a_list_that_is_not_there_says_nothing_and_says_so_once(tmp_path: Path) -> None:
    async def play() -> None:
        async with checking(tmp_path) as (running, one, _, steps):
            one.status = 404
            for _ in range(4):
                assert await steps.later(12.0) == 1
            assert await served_by(running) == "up0/real-0"
            assert running.log.count("says nothing: HTTP 404") == 1

    uvloop.run(play())


def test_an_endpoint_of_its_own_is_asked_and_must_answer_as_expected(tmp_path: Path) -> None:
    async def play() -> None:
        more = (
            "health_check: {interval: 10, failure_threshold: 1, endpoint: '/healthz?deep=1', "
            "expected_codes: [204]}"
        )
        async with checking(tmp_path, more) as (running, one, _, steps):
            one.status = 404
            await steps.later(2.0)
            assert one.checks[0].target == "/healthz?deep=1"
            assert await served_by(running) == "up1/real-1"

    uvloop.run(play())


def test_a_reload_goes_on_with_what_is_known_and_ends_what_is_not_wanted(tmp_path: Path) -> None:
    async def play() -> None:
        one, two = Moody(503), Moody()
        async with (
            upstream(one) as first,
            upstream(two) as second,
            gateway(tmp_path, checked(first.url, second.url)) as running,
        ):
            steps = Steps(running)
            for _ in range(2):
                assert await steps.later(12.0) == 1
            app = running.app

            def reload(text: str) -> None:
                app.reload(lambda: Loaded(read_config(text), ()))

            reload(checked(first.url, second.url, more=CHECKED.replace("600", "500")))
            assert await served_by(running) == "up1/real-1"
            assert await steps.later(0.5) == 0
            reload(config(first.url, second.url, attempts=2))
            assert await steps.later(100.0) == 0
            assert app.gateway.snapshot.states["up0/real-0"].credential.probe is None
            assert (len(one.checks), two.checks) == (2, [])

    uvloop.run(play())


def test_nobody_is_asked_unless_told_to_and_a_drain_ends_it(tmp_path: Path) -> None:
    async def play() -> None:
        one = Moody()
        async with upstream(one) as first, gateway(tmp_path, config(first.url)) as running:
            asking = asyncio.ensure_future(running.app.prober.run())
            await asyncio.sleep(0)
            running.app.prober.stop()
            async with asyncio.timeout(5.0):
                await asking
            assert one.checks == []

    uvloop.run(play())


def test_the_task_asks_when_it_is_time(tmp_path: Path) -> None:
    async def play() -> None:
        asked = asyncio.Event()

        async def script(wire: Wire, request: Received) -> None:
            asked.set()
            await wire.gone()

        async with (
            upstream(script) as first,
            gateway(tmp_path, checked(first.url).replace("interval: 10", "interval: 1")) as running,
        ):
            asking = asyncio.ensure_future(running.app.prober.run())
            async with asyncio.timeout(5.0):
                await asked.wait()
                running.app.prober.stop()
                await asking

    uvloop.run(play())
