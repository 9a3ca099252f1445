"""Each row of the table of bad input, against a running gateway."""

from pathlib import Path

import pytest
import uvloop

from tests.api.bad_input import (
    EXPIRED,
    MALFORMED,
    MAX_BODY,
    NARROW,
    OLLAMA,
    TABLE,
    TOO_SLOW,
    Bad,
)
from tests.harness import (
    KEY,
    PATIENCE_S,
    Received,
    Wire,
    chat,
    closed_port,
    gateway,
    http,
    upstream,
)


def config(wrong_url: str, limits: str = "") -> str:
    return (
        f"server: {{max_body_size: {MAX_BODY}{limits}}}\n"
        "providers:\n"
        "  - {name: down, provider_type: openai_compatible, models: [dead], "
        f"base_url: 'http://127.0.0.1:{closed_port()}/v1'}}\n"
        "  - {name: odd, provider_type: openai_compatible, models: [wrong], "
        f"base_url: '{wrong_url}'}}\n"
        "router: {retries: {max_attempts: 1}}\n"
        "keys:\n"
        f"  - {{name: team-a, key: {KEY}}}\n"
        f"  - {{name: old, key: {EXPIRED}, expires_at: 2020-01-01}}\n"
        f"  - {{name: narrow, key: {NARROW}, models: [m]}}\n"
    )


async def smtp(wire: Wire, _: Received) -> None:
    wire.send(b"220 mail.example ESMTP\r\n")
    wire.close()


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: bad.situation.replace(" ", "-"))
def test_bad_input(bad: Bad, tmp_path: Path) -> None:
    async def play() -> None:
        short = ", limits: {header_timeout: 0.1, body_timeout: 0.1}" if bad in TOO_SLOW else ""
        async with (
            upstream(smtp) as wrong,
            gateway(tmp_path, config(wrong.url, short)) as running,
        ):
            client = await running.client(bad.send)
            answer = await client.answer()
            assert (answer.status, answer.error["code"]) == (bad.status, bad.code), answer.body
            assert set(answer.error) == {"message", "type", "param", "code"}
            assert bad.fragment in answer.error["message"]
            assert answer.error["param"] == bad.param
            assert answer.headers["content-type"] == "application/json"
            request_id = answer.headers["x-request-id"]
            lines = [line for line in running.log.splitlines() if request_id in line]
            assert len(lines) == 1, running.log
            assert f"{bad.status} {bad.code}" in lines[0]
            assert KEY not in running.log
            if bad.closes:
                assert answer.headers["connection"] == "close"
                assert await client.reader.read() == b""
            else:
                client.send(http(path="/health", method="GET", key=None))
                assert (await client.answer("GET")).status == 200
            after = await running.ask(http(chat("echo")))
            assert after.status == 200

    uvloop.run(play())


@pytest.mark.parametrize("bad", OLLAMA, ids=lambda bad: bad.situation.replace(" ", "-"))
def test_bad_input_of_ollamas_clients(bad: Bad, tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, config("http://127.0.0.1:1")) as running:
            answer = await running.ask(bad.send)
            assert answer.status == bad.status, answer.body
            assert list(answer.json()) == ["error"]
            assert bad.fragment in answer.json()["error"]
            assert answer.headers["content-type"] == "application/json"
            lines = [x for x in running.log.splitlines() if answer.headers["x-request-id"] in x]
            assert len(lines) == 1, running.log
            assert KEY not in running.log

    uvloop.run(play())


def test_a_request_id_of_the_clients_own_joins_answer_and_log(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, config("http://127.0.0.1:1")) as running:
            for given, echoed in (("mine-1", True), ("a b", False), ("x" * 200, False)):
                answer = await running.ask(http(chat("nope"), x_request_id=given))
                assert (answer.headers["x-request-id"] == given) == echoed
                assert running.log.count(answer.headers["x-request-id"]) >= 1

    uvloop.run(play())


def test_the_table_covers_what_it_should() -> None:
    assert len(TABLE) >= 40
    assert len({bad.situation for bad in TABLE}) == len(TABLE)
    assert all(bad.closes for bad in MALFORMED)
    assert PATIENCE_S > 1
