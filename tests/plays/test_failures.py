"""The failure matrix, played: what client, journal, metrics, log and routing say of each failure.

A cell is (failure, whole or streamed, dialect of the client, dialect of the provider). Each is
played twice, with one deployment and with a second one that is well. All pairs of dialects of one
failure share a gateway, so that timers run out together; every pair has deployments of its own.
"""

import asyncio
import contextlib
import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
import uvloop

from portico.http import client as http_client
from portico.routing.health import DeploymentState, describe
from portico.types.call import AttemptRecord, CallRecord
from portico.types.usage import Usage
from tests.harness import (
    CANARY,
    KEY,
    Answer,
    Received,
    Running,
    Script,
    Upstream,
    Wire,
    closed_port,
    gateway,
    total,
    upstream,
)
from tests.plays.failures import scripts
from tests.plays.failures.clients import CLIENTS, Client, unsaid
from tests.plays.failures.printed import cells
from tests.plays.failures.providers import FULL_USAGE, Speaker
from tests.plays.failures.table import ROWS, Ending, Row

Pair = tuple[Client, Speaker]


def pairs_of(row: Row, *, streamed: bool) -> list[Pair]:
    """The dialects for which a row is played; an array framing is Gemini's own affair."""
    return [
        (client, speaker)
        for client in CLIENTS
        for speaker in row.speakers
        if (streamed or not client.streams_only)
        and not (row.is_translated and client.dialect == speaker.dialect)
    ]


def ending_of(row: Row, *, streamed: bool) -> Ending | None:
    return row.streamed if streamed else row.whole


CELLS = [
    (row, streamed, client, speaker)
    for row in ROWS
    for streamed in (False, True)
    if ending_of(row, streamed=streamed) is not None
    for client, speaker in pairs_of(row, streamed=streamed)
]


@dataclass
class Seen:
    """What is left of one cell when it is over: `alone` without another deployment, `pair` with."""

    alone: Answer
    pair: Answer
    record: CallRecord
    pair_record: CallRecord
    health: DeploymentState
    now: float
    log: str
    journal: bytes


@dataclass
class Played:
    cells: dict[tuple[str, str], Seen]
    in_flight: int
    balance: tuple[float, float, float]
    """Requests, and of these successes and errors."""
    metrics: str
    asked: dict[str, int]
    """How many requests reached the failing provider of each dialect."""


def config(pairs: list[Pair], bad: dict[str, str], good: dict[str, str], timers: str) -> str:
    """Where timers are short, the second deployment is a fallback, which has its own: what is tried
    is not how fast this machine is.
    """
    providers, models = [], []
    timeouts = f"timeouts: {{{timers}}}"
    for number, (_, speaker) in enumerate(pairs):
        urls = {"solo": bad, "first": bad, "second": good}
        for part, url in urls.items():
            providers.append(
                f"  - {{name: {part}-{number}, provider_type: {speaker.provider_type}, "
                f"base_url: '{url[speaker.dialect]}', api_key: {CANARY}-{part}-{number}, "
                f"dialect: {speaker.dialect}, models: [real]}}\n"
            )
        first, second = f"first-{number}/real", f"second-{number}/real"
        targets = first if timers else f"{first}, {second}"
        fallbacks = f"fallbacks: {{general: [well-{number}]}}, " if timers else ""
        models.append(
            f"  - {{name: lone-{number}, targets: [solo-{number}/real], "
            f"retries: {{max_attempts: 1}}, {timeouts}}}\n"
            f"  - {{name: pair-{number}, targets: [{targets}], {fallbacks}"
            f"strategy: priority_based, retries: {{max_attempts: 2, base_delay: 0, "
            f"budget_floor: 100}}, {timeouts}}}\n"
            f"  - {{name: well-{number}, targets: [{second}]}}\n"
        )
    return (
        f"providers:\n{''.join(providers)}models:\n{''.join(models)}"
        f"keys:\n  - {{name: team, key: {KEY}}}\n"
    )


@functools.cache
def play(row: Row, streamed: bool) -> Played:
    ending = ending_of(row, streamed=streamed)
    assert ending is not None
    with tempfile.TemporaryDirectory() as folder:
        return uvloop.run(_play(row, ending, streamed, Path(folder)))


async def _play(row: Row, ending: Ending, streamed: bool, folder: Path) -> Played:
    pairs = pairs_of(row, streamed=streamed)
    async with contextlib.AsyncExitStack() as stack:
        bad: dict[str, str] = {}
        good: dict[str, str] = {}
        failing: dict[str, Upstream] = {}
        for speaker in row.speakers:
            script = ending.play(speaker)
            if script is None:
                bad[speaker.dialect] = f"http://127.0.0.1:{closed_port()}"
            else:
                failing[speaker.dialect] = await stack.enter_async_context(upstream(script))
                bad[speaker.dialect] = failing[speaker.dialect].url
            well = await stack.enter_async_context(upstream(scripts.good(speaker)))
            good[speaker.dialect] = well.url
        text = config(pairs, bad, good, ending.timers)
        running = await stack.enter_async_context(gateway(folder, text))
        now = running.app.gateway.clock()
        running.app.gateway.clock = lambda: now
        answers = await asyncio.gather(
            *(
                running.ask(client.ask(f"{kind}-{number}", streamed, f"{kind}-{number}"))
                for number, (client, _) in enumerate(pairs)
                for kind in ("lone", "pair")
            )
        )
        await running.settled()
        return _seen(running, pairs, answers, failing, now)


def _seen(
    running: Running,
    pairs: list[Pair],
    answers: list[Answer],
    failing: dict[str, Upstream],
    now: float,
) -> Played:
    records: dict[str, list[CallRecord]] = {}
    for record in running.journal():
        records.setdefault(record.request_id, []).append(record)
    states = running.app.gateway.snapshot.states
    files = [path for path in (running.folder / "journal").iterdir() if path.is_file()]
    journal = b"".join(path.read_bytes() for path in files)
    cells = {}
    for number, (client, speaker) in enumerate(pairs):
        (alone,), (pair,) = records[f"lone-{number}"], records[f"pair-{number}"]
        lines = [
            line for line in running.log.splitlines() if f"request_id=lone-{number} " in line + " "
        ]
        cells[client.name, speaker.dialect] = Seen(
            answers[2 * number],
            answers[2 * number + 1],
            alone,
            pair,
            states[f"solo-{number}/real"],
            now,
            "\n".join(lines),
            journal,
        )
    metrics = running.metrics()
    names = (f"litellm_requests{kind}_total" for kind in ("", "_success", "_error"))
    counts = [total(metrics, name) for name in names]
    return Played(
        cells,
        sum(state.in_flight for state in states.values()),
        (counts[0], counts[1], counts[2]),
        metrics + running.log,
        {dialect: len(provider.requests) for dialect, provider in failing.items()},
    )


@pytest.fixture(autouse=True)
def _timers_are_looked_at_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "_SWEEP_EVERY_S", 0.02)


def named(value: object) -> str:
    match value:
        case Row(failure):
            return failure.replace(" ", "-")
        case bool():
            return "streamed" if value else "whole"
        case Client(name):
            return name.replace(" ", "-")
        case Speaker(dialect):
            return dialect
    return ""


def test_what_is_printed_is_what_is_played() -> None:
    assert len(CELLS) == cells()


@pytest.mark.parametrize(("row", "streamed", "client", "speaker"), CELLS, ids=named)
def test_a_failing_provider(
    row: Row,
    streamed: bool,
    client: Client,
    speaker: Speaker,
    request: pytest.FixtureRequest,
) -> None:
    mode = "streamed" if streamed else "whole"
    cell = (row.failure, mode, f"{client.name} to {speaker.dialect}")
    request.node.user_properties.append(("cell", cell))
    ending = ending_of(row, streamed=streamed)
    assert ending is not None
    played = play(row, streamed)
    seen = played.cells[client.name, speaker.dialect]
    check_client(seen.alone, ending, client, speaker, streamed)
    check_record(seen.record, ending, speaker, streamed)
    check_health(seen, ending)
    check_pair(seen, ending, client, streamed)
    assert seen.log.count("\n") + bool(seen.log) == (ending.code is not None)
    told = (str(seen.alone.headers), str(seen.pair.headers), seen.log, played.metrics)
    assert not any(CANARY in one for one in told)
    assert not any(CANARY.encode() in one for one in (seen.alone.body, seen.journal))


@pytest.mark.parametrize("streamed", [False, True], ids=named)
@pytest.mark.parametrize("row", ROWS, ids=named)
def test_the_books_balance(row: Row, streamed: bool) -> None:
    ending = ending_of(row, streamed=streamed)
    if ending is None:
        return
    played = play(row, streamed)
    pairs = pairs_of(row, streamed=streamed)
    attempts = 3 if ending.elsewhere else 2
    failures = 0 if ending.code is None else 2
    assert played.in_flight == 0
    assert played.balance == (
        attempts * len(pairs),
        (attempts - failures) * len(pairs),
        failures * len(pairs),
    )
    for speaker in row.speakers:
        mine = [pair for pair in pairs if pair[1] is speaker]
        assert played.asked.get(speaker.dialect, 2 * len(mine)) == 2 * len(mine)


def check_client(
    answer: Answer, ending: Ending, client: Client, speaker: Speaker, streamed: bool
) -> None:
    assert answer.status == ending.status, answer.body
    assert answer.is_complete
    assert answer.headers["x-portico-deployment"].startswith("solo-")
    if ending.status != 200:
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-portico-attempts"] == "1"
        wait_s = ending.wait_s
        shown = None if wait_s is None else str(int(wait_s * 1000))
        assert answer.headers.get("retry-after-ms") == shown
        if is_told_as_said(ending, client, speaker):
            assert answer.body == refusal_of(ending, speaker)
        else:
            assert unsaid(answer.json()) == client.shape(ending.status, ending.code or "")
            told = answer.json()["error"]
            assert told if isinstance(told, str) else told["message"]
    elif streamed:
        assert answer.headers["content-type"].startswith(client.framing)
        heard = client.hear(answer)
        assert heard.text == ending.heard
        if ending.code is None:
            assert (heard.ends, heard.errors) == (1, [])
        else:
            assert heard.ends == 0
            shape = (client.in_stream or client.shape)(_STATUS[ending.code], ending.code)
            assert [unsaid(error) for error in heard.errors] == [shape]
    else:
        assert client.text(answer.json()) == ending.heard


_STATUS = {
    "stream_truncated": 502,
    "timeout": 504,
    "upstream_protocol_error": 502,
    "upstream_unavailable": 503,
}


def is_told_as_said(ending: Ending, client: Client, speaker: Speaker) -> bool:
    if not ending.is_told or client.dialect != speaker.dialect:
        return False
    status = int(sent_by(ending, speaker).split(b" ")[1])
    return status == ending.status and status not in (401, 403)


def refusal_of(ending: Ending, speaker: Speaker) -> bytes:
    return sent_by(ending, speaker).partition(b"\r\n\r\n")[2]


class _Recorder(Wire):
    def __init__(self) -> None:
        self.sent = b""

    def send(self, data: bytes) -> None:
        self.sent += data

    async def drain(self) -> None:
        pass


def sent_by(ending: Ending, speaker: Speaker) -> bytes:
    """All that a provider sends that ends by itself."""
    script: Script | None = ending.play(speaker)
    assert script is not None
    recorder = _Recorder()
    asyncio.run(_run(script, recorder))
    return recorder.sent


async def _run(script: Script, wire: Wire) -> None:
    await script(wire, Received(b"POST / HTTP/1.1\r\n\r\n", b"{}"))


def check_record(record: CallRecord, ending: Ending, speaker: Speaker, streamed: bool) -> None:
    assert record.status == ending.status
    assert record.streamed == (streamed and ending.status == 200)
    (attempt,) = record.attempts
    assert attempt.deployment.startswith("solo-")
    assert attempt.outcome == (ending.code or "success")
    assert attempt.partial == (ending.code is not None and attempt.usage is not None)
    check_usage(attempt, ending, speaker)


def check_usage(attempt: AttemptRecord, ending: Ending, speaker: Speaker) -> None:
    usage = attempt.usage
    match ending.billed:
        case "nothing":
            assert usage is None
        case "all":
            assert usage is not None
            assert not usage.estimated
            assert (usage.total_input_tokens, usage.total_output_tokens) == FULL_USAGE
        case "opening":
            if speaker.reported_early is not None:
                assert usage == speaker.reported_early
            elif ending.code == "timeout":
                assert _estimate(usage) == 0
            else:
                assert usage is None or _estimate(usage) == 0
        case "input":
            assert _estimate(usage) == 0
        case "estimate":
            assert (_estimate(usage) or 0) > 0
        case "begun":
            assert usage is not None
            assert (usage.total_output_tokens or 0) >= 1
            if speaker.reported_early is not None:
                assert usage.total_input_tokens == 7
            else:
                assert usage.estimated
                assert (usage.total_input_tokens or 0) > 0


def _estimate(usage: Usage | None) -> int | None:
    """The output of an estimate that has an input."""
    assert usage is not None
    assert usage.estimated
    assert (usage.total_input_tokens or 0) > 0
    return usage.total_output_tokens


def check_health(seen: Seen, ending: Ending) -> None:
    state, now = seen.health, seen.now
    circuit = state.circuit
    left_s = state.cool_until - now
    failures = circuit.failures_in_a_row
    match ending.health:
        case "nothing":
            assert (state.failed, failures, describe(state, now)) == (0, 0, "healthy")
        case "counts":
            assert (state.failed, failures, describe(state, now)) == (1, 1, "healthy")
        case "cools":
            assert (state.failed, describe(state, now)) == (1, "cooldown")
            if ending.wait_s:
                assert left_s == pytest.approx(ending.wait_s)
            else:
                assert 0.5 <= left_s <= 1.0
        case "quota":
            assert (failures, describe(state, now)) == (0, "cooldown")
            assert left_s == pytest.approx(300.0)
        case "credential":
            assert (failures, describe(state, now)) == (0, "credential")
            assert state.credential.refused_until - now == pytest.approx(30.0)
        case "missing":
            assert (failures, describe(state, now)) == (0, "model_missing")
            assert state.missing_until - now == pytest.approx(60.0)


def check_pair(seen: Seen, ending: Ending, client: Client, streamed: bool) -> None:
    """With another deployment: it answers as if nothing had been, or is not asked at all."""
    record, answer = seen.pair_record, seen.pair
    outcomes = [attempt.outcome for attempt in record.attempts]
    if not ending.elsewhere:
        assert outcomes == [ending.code or "success"]
        assert answer.headers["x-portico-deployment"].startswith("first-")
        return
    assert outcomes == [ending.code, "success"]
    assert answer.status == 200
    assert answer.headers["x-portico-deployment"].startswith("second-")
    if streamed:
        heard = client.hear(answer)
        assert (heard.text, heard.ends, heard.errors) == ("hello", 1, [])
    else:
        assert client.text(answer.json()) == "hello"
    usage = record.attempts[1].usage
    assert usage is not None
    assert (usage.total_input_tokens, usage.total_output_tokens) == FULL_USAGE
    earlier = msgspec.structs.replace(record.attempts[0], deployment="", latency_ms=0, ttft_ms=None)
    alone = seen.record.attempts[0]
    assert earlier == msgspec.structs.replace(alone, deployment="", latency_ms=0, ttft_ms=None)
