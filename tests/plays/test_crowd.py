"""Many calls at once, good and bad, with clients that leave: nothing may be left over."""

import asyncio
import random
from pathlib import Path

import uvloop

from portico.stores.journal_reader import verify
from tests.harness import (
    DONE,
    LAST_CHUNK,
    SSE_HEAD,
    Received,
    Running,
    Wire,
    chat,
    chunk,
    config,
    delta,
    gateway,
    good,
    http,
    upstream,
    whole,
)

CALLS = 400
TOGETHER = 20


async def moody(wire: Wire, request: Received) -> None:
    """What it does, the request says."""
    match request.json()["user"]:
        case "500":
            wire.send(whole(b'{"error":{"message":"oops"}}', 500))
        case "reset":
            wire.reset()
        case "cut" if request.json().get("stream"):
            wire.send(SSE_HEAD + chunk(delta("he")) + LAST_CHUNK)
        case "drip" if request.json().get("stream"):
            wire.send(SSE_HEAD)
            for piece in (delta("he"), delta("llo", "stop"), DONE):
                for at in range(0, len(piece), 7):
                    wire.send(chunk(piece[at : at + 7]))
                    await asyncio.sleep(0)
            wire.send(LAST_CHUNK)
        case "hang":
            await wire.gone()
        case _:
            await good(wire, request)


def test_a_crowd_leaves_nothing_behind(tmp_path: Path) -> None:
    rng = random.Random(7)
    moods = ["good", "good", "drip", "500", "reset", "cut", "leave", "hang"]
    wanted = [(rng.choice(moods), rng.random() < 0.5) for _ in range(CALLS)]

    async def one(running: Running, mood: str, streamed: bool) -> None:
        client = await running.client(http(chat(stream=streamed, user=mood)))
        if mood == "hang":
            await asyncio.sleep(rng.random() * 0.01)
        elif mood == "leave":
            if rng.random() < 0.5:
                await client.until(b"\r\n")
        else:
            answer = await client.answer()
            assert answer.is_complete
            assert answer.body.count(b"[DONE]") <= 1
        client.leave()

    async def play() -> None:
        async with (
            upstream(moody) as first,
            upstream(moody) as second,
            gateway(tmp_path, config(first.url, second.url, attempts=2)) as running,
        ):
            for at in range(0, CALLS, TOGETHER):
                async with asyncio.TaskGroup() as tasks:
                    for mood, streamed in wanted[at : at + TOGETHER]:
                        tasks.create_task(one(running, mood, streamed))
            await until_idle(running)
            running.check_balance()
            records = running.journal()
            attempts = sum(len(record.attempts) for record in records)
            assert attempts == running.count("litellm_requests_total")
            assert len({record.id for record in records}) == len(records)
            assert verify(running.folder / "journal").is_sound
            states = running.app.gateway.snapshot.states.values()
            assert [state.in_flight for state in states] == [0] * len(states)
            assert "failed inside" not in running.log
            assert "Traceback" not in running.log

    uvloop.run(play())


async def until_idle(running: Running) -> None:
    """Calls whose clients have left may not have been noticed yet: let the loop turn."""
    for _ in range(50):
        await running.settled()
        await asyncio.sleep(0.002)
        if not running.app.gateway.calls and not running.app.server.connections:
            return
