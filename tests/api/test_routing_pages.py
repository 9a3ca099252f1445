"""What an administrator sees of routing, and does to it."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import uvloop

from tests.harness import (
    ADMIN_KEY,
    CANARY,
    CHAT,
    Answer,
    Received,
    Running,
    Wire,
    chat,
    config,
    gateway,
    good,
    http,
    replying,
    upstream,
    whole,
)


async def routing(running: Running) -> dict[str, Any]:
    answer = await running.ask(http(path="/admin/routing", method="GET", key=ADMIN_KEY))
    assert answer.status == 200
    return {one["id"]: one for one in answer.json()["deployments"]}


async def steer(running: Running, action: str) -> Answer:
    return await running.ask(http(path=f"/admin/routing/{action}", key=ADMIN_KEY))


def test_every_deployment_is_shown(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(good) as one, gateway(tmp_path, config(one.url)) as running:
            assert (await running.ask(http(chat()))).status == 200
            await running.settled()
            seen = (await routing(running))["up0/real-0"]
            assert (seen["requests"], seen["succeeded"], seen["failed"]) == (1, 1, 0)
            assert (seen["in_flight"], seen["circuit"]) == (0, "closed")
            assert (seen["state"], seen["last_error"]) == ("healthy", None)

    uvloop.run(play())


def test_the_last_error_is_shown(tmp_path: Path) -> None:
    async def play() -> None:
        broken = replying(whole(json.dumps({"error": {"message": "no"}}).encode(), 500))
        async with upstream(broken) as one, gateway(tmp_path, config(one.url)) as running:
            assert (await running.ask(http(chat()))).status == 500
            await running.settled()
            seen = (await routing(running))["up0/real-0"]
            assert (seen["failed"], seen["last_error"]) == (1, "upstream_error")
            assert seen["last_error_ago_s"] >= 0
            after = await steer(running, "up0/real-0/reset")
            assert after.json()["error_share"] == 0

    uvloop.run(play())


def test_a_disabled_deployment_gets_nothing_until_it_is_enabled(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(good) as one, gateway(tmp_path, config(one.url)) as running:
            for action, state in (("disable", "disabled"), ("drain", "draining")):
                after = await steer(running, f"up0/real-0/{action}")
                assert (after.status, after.json()["state"]) == (200, state)
                assert (await running.ask(http(chat()))).status == 503
                after = await steer(running, "up0/real-0/enable")
                assert after.json()["state"] == "healthy"
                assert (await running.ask(http(chat()))).status == 200
            assert "up0/real-0: drain by an administrator" in running.log

    uvloop.run(play())


def test_a_slash_in_a_name_may_be_written_either_way(tmp_path: Path) -> None:
    async def play() -> None:
        text = config("http://127.0.0.1:1").replace("real-0", "org/real-0")
        async with gateway(tmp_path, text) as running:
            for path, action in (
                ("up0/org/real-0", "disable"),
                ("up0%2Forg%2Freal-0", "enable"),
                ("up0%2forg/real-0", "drain"),
            ):
                after = await steer(running, f"{path}/{action}")
                assert (after.status, after.json()["id"]) == (200, "up0/org/real-0")
            state = (await routing(running))["up0/org/real-0"]["state"]
            assert state == "draining"

    uvloop.run(play())


def test_keys_of_one_provider_are_cooled_and_shown_apart(tmp_path: Path) -> None:
    async def play() -> None:
        keys = [f"sk-first-{'x' * 16}aaaa", f"sk-second-{'x' * 16}bbbb"]

        async def script(wire: Wire, request: Received) -> None:
            if request.headers["authorization"].endswith("aaaa"):
                wire.send(whole(b'{"error": {"message": "Incorrect API key provided"}}', 401))
            else:
                wire.send(whole(CHAT))

        async with upstream(script) as one:
            text = config(one.url, attempts=3).replace(
                f"api_key: {CANARY}-0", f"api_keys: [{keys[0]}, {keys[1]}]"
            )
            async with gateway(tmp_path, text) as running:
                for _ in range(3):
                    answer = await running.ask(http(chat()))
                    assert answer.headers["x-portico-deployment"] == "up0/real-0~2"
                await running.settled()
                assert len(one.requests) == 4
                page = await running.ask(http(path="/admin/routing", method="GET", key=ADMIN_KEY))
                seen = {each["id"]: each for each in page.json()["deployments"]}
                first, second = seen["up0/real-0"], seen["up0/real-0~2"]
                assert (first["state"], second["state"]) == ("credential", "healthy")
                assert (first["key"], second["key"]) == ("sk-…aaaa", "sk-…bbbb")
                assert (first["credential_refusals"], second["credential_refusals"]) == (1, 0)
                assert first["last_error"] == "upstream_authentication"
                assert 0 < first["returns_in_s"] <= 30
                assert not any(key.encode() in page.body for key in keys)
                assert not any(key in running.log for key in keys)

    uvloop.run(play())


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(good) as one, gateway(tmp_path, config(one.url)) as running:
            for path, code in (
                ("nobody/x/drain", "deployment_not_found"),
                ("up0/real-0/explode", "unknown_url"),
                ("drain", "deployment_not_found"),
            ):
                answer = await steer(running, path)
                assert (answer.status, answer.error["code"]) == (404, code)
            get = http(path="/admin/routing/up0/real-0/drain", method="GET", key=ADMIN_KEY)
            answer = await running.ask(get)
            assert (answer.status, answer.headers["allow"]) == (405, "POST")
            answer = await running.ask(http(path="/admin/routing", key=ADMIN_KEY))
            assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")

    uvloop.run(play())


def test_a_password_that_a_browser_remembers_changes_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(good) as one, gateway(tmp_path, config(one.url)) as running:
            basic = f"Basic {b64encode(f'me:{ADMIN_KEY}'.encode()).decode()}"
            path = "/admin/routing/up0/real-0/drain"
            answer = await running.ask(http(path=path, key=None, authorization=basic))
            assert answer.status == 403
            assert (await routing(running))["up0/real-0"]["state"] == "healthy"

    uvloop.run(play())


def test_an_admin_is_told_why_a_call_went_where_it_did(tmp_path: Path) -> None:
    async def play() -> None:
        broken = replying(whole(json.dumps({"error": {"message": "no"}}).encode(), 500))
        async with (
            upstream(broken) as one,
            upstream(good) as two,
            gateway(tmp_path, config(one.url, two.url, attempts=2)) as running,
        ):
            await steer(running, "up1/real-1/disable")
            asked = http(chat(), key=ADMIN_KEY, x_portico_explain="1")
            answer = await running.ask(asked)
            assert answer.status == 500
            first = json.loads(answer.headers["x-portico-explain"])[0]
            assert (first["route"], first["chosen"]) == ("m", "up0/real-0")
            assert [
                (c["deployment"], c["is_candidate"], (c["excluded"] or {}).get("reason"))
                for c in first["candidates"]
            ] == [("up0/real-0", True, None), ("up1/real-1", False, "disabled")]

            await steer(running, "up1/real-1/enable")
            await steer(running, "up0/real-0/disable")
            for stream in (False, True):
                asked = http(chat(stream=stream), key=ADMIN_KEY, x_portico_explain="1")
                answer = await running.ask(asked)
                assert answer.status == 200
                (why,) = json.loads(answer.headers["x-portico-explain"])
                assert why["chosen"] == answer.headers["x-portico-deployment"] == "up1/real-1"

    uvloop.run(play())


def test_nobody_else_is_told(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(good) as one, gateway(tmp_path, config(one.url)) as running:
            for request in (
                http(chat(), x_portico_explain="1"),
                http(chat(), key=ADMIN_KEY),
                http(chat(), key=ADMIN_KEY, x_portico_explain="0"),
            ):
                answer = await running.ask(request)
                assert answer.status == 200
                assert "x-portico-explain" not in answer.headers

    uvloop.run(play())
