"""Pages and reloads when something inside fails, and what they show when all is well."""

from pathlib import Path

import pytest
import uvloop

from portico.config.load import Loaded
from portico.errors import ConfigError
from tests.harness import (
    KEY,
    Running,
    chat,
    closed_port,
    config,
    gateway,
    good,
    http,
    read_config,
    upstream,
)

RELOADED = "[a-z_]*config_last_reload_successful"


def test_metrics_that_fail_are_an_error_not_a_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with gateway(tmp_path, config("http://127.0.0.1:1")) as running:

            def fail() -> object:
                raise RuntimeError("broken registry")

            monkeypatch.setattr(running.app.metrics, "_snapshot", fail)
            request = http(path="/metrics", method="GET", key=None)
            answer = await running.ask(request)
            assert (answer.status, answer.error["code"]) == (500, "internal_error")
            assert "broken registry" in running.log
            assert "broken registry" not in answer.body.decode()
            monkeypatch.undo()
            assert (await running.ask(request)).status == 200

    uvloop.run(play())


def test_metrics_in_both_formats(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, config("http://127.0.0.1:1")) as running:
            text = await running.ask(http(path="/metrics", method="GET", key=None))
            assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert b"# TYPE litellm_requests_total counter" in text.body
            opened = await running.ask(
                http(path="/metrics", method="GET", accept="application/openmetrics-text")
            )
            assert opened.headers["content-type"].startswith("application/openmetrics-text")
            assert opened.body.endswith(b"# EOF\n")

    uvloop.run(play())


def test_metrics_can_be_switched_off(tmp_path: Path) -> None:
    async def play() -> None:
        more = "monitoring: {metrics: {enabled: false}}\n"
        async with gateway(tmp_path, config("http://127.0.0.1:1", more=more)) as running:
            answer = await running.ask(http(path="/metrics", method="GET"))
            assert (answer.status, answer.error["code"]) == (404, "unknown_url")

    uvloop.run(play())


def test_status_tells_what_runs(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(good) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            await running.ask(http(chat()))
            value = (await running.ask(http(path="/status", method="GET"))).json()
            assert value["calls_in_flight"] == 0
            assert value["keys"] == 2
            states = {one["id"]: one["state"] for one in value["deployments"]}
            assert states == {"echo/echo": "healthy", "up0/real-0": "healthy"}

    uvloop.run(play())


# Reloads


def ids(answer: dict[str, list[dict[str, str]]]) -> list[str]:
    return [one["id"] for one in answer["data"]]


async def models(running: Running) -> list[str]:
    answer = await running.ask(http(path="/v1/models", method="GET"))
    return ids(answer.json())


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConfigError("gw.yaml:3:1: no such key"), "gw.yaml:3:1: no such key"),
        (RuntimeError("a mistake of ours"), "a mistake of ours"),
    ],
)
def test_a_reload_that_fails_changes_nothing(error: Exception, said: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, config("http://127.0.0.1:1")) as running:
            before = await models(running)

            def read() -> Loaded:
                raise error

            assert running.count(RELOADED) == 1
            running.app.reload(read)
            assert said in running.log
            assert "the old configuration stays in use" in running.log
            assert await models(running) == before
            assert running.count(RELOADED) == 0

    uvloop.run(play())


def test_a_reload_whose_providers_lack_a_key_changes_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, config("http://127.0.0.1:1")) as running:
            before = await models(running)
            broken = read_config(
                "providers: [{name: x, provider_type: openai}]\n"
                f"keys: [{{name: k, key: {KEY}}}]\n"
            )
            running.app.reload(lambda: Loaded(broken, ()))
            assert "OPENAI_API_KEY" in running.log
            assert await models(running) == before

    uvloop.run(play())


def test_a_reload_keeps_what_is_known_of_deployments(tmp_path: Path) -> None:
    async def play() -> None:
        dead = f"http://127.0.0.1:{closed_port()}"
        async with gateway(tmp_path, config(dead)) as running:
            for _ in range(6):
                await running.ask(http(chat()))
            states = running.app.gateway.snapshot.states
            before = states["up0/real-0"]
            again = read_config(config(dead, more="model_aliases: {other: m}\n"))
            running.app.reload(lambda: Loaded(again, ()))
            assert running.app.gateway.snapshot.states["up0/real-0"] is before
            assert "other" in await models(running)
            assert (await running.ask(http(chat("other")))).error["code"] == "upstream_unreachable"

    uvloop.run(play())


def test_a_call_under_way_ends_on_the_configuration_it_began_with(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(good) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            client = await running.client(http(chat(stream=True)))
            empty = read_config(f"keys: [{{name: k, key: {KEY}}}]\n")
            running.app.reload(lambda: Loaded(empty, ()))
            answer = await client.answer()
            assert answer.status in (200, 404)
            assert (await running.ask(http(chat()))).error["code"] == "model_not_found"
            await running.settled()
            running.check_balance()

    uvloop.run(play())
