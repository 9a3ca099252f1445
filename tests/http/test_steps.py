"""Several requests to one answer: in time, one after the other, and stopped when nobody waits."""

import asyncio
import json
from collections.abc import Callable

import pytest

from portico.errors import UpstreamTimeout, UpstreamUnreachable
from portico.http.base import UpstreamStream
from portico.http.steps import MAX_UNDOING, SteppedPool
from portico.providers.replicate import Predictions
from portico.types.deployment import Provider
from portico.types.http import HttpHead, HttpRequest, HttpResponse, Origin, Timeouts
from portico.types.secret import Secret

ORIGIN = Origin("http", "r.example", 80)
PROVIDER = Provider(
    name="r",
    type="replicate",
    dialect="replicate",
    origin=ORIGIN,
    base_path="",
    api_key=Secret("k"),
)
Answers = Callable[[str], HttpResponse | BaseException]


def state(status: str, code: int = 200, **more: object) -> HttpResponse:
    body = json.dumps({"id": "p1", "status": status, **more}).encode()
    return HttpResponse(HttpHead(code, {b"x": b"y"}), body)


def create(first_byte: float = 60.0) -> HttpRequest:
    timeouts = Timeouts(first_byte=first_byte)
    steps = Predictions(PROVIDER, [], timeouts)
    return HttpRequest(ORIGIN, b"POST /create HTTP/1.1\r\n", b"{}", timeouts, steps=steps)


class FakePool:
    """Answers by the request line; `asked` are those lines."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.canceled = asyncio.Event()

    async def send(self, request: HttpRequest) -> HttpResponse:
        line = request.head.partition(b" HTTP")[0].decode()
        self.asked.append(line)
        if line.endswith("/cancel"):
            self.canceled.set()
        answer = self.answers(line)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def open(self, request: HttpRequest) -> HttpResponse | UpstreamStream:
        return await self.send(request)


def run(
    answers: Answers, *, first_byte: float = 60.0, stuck: bool = False
) -> tuple[HttpResponse | BaseException, FakePool, list[float]]:
    """One whole answer; `stuck` never comes back from its first pause."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if stuck:
            await asyncio.Event().wait()

    async def play() -> tuple[HttpResponse | BaseException, FakePool, list[float]]:
        pool = FakePool(answers)
        stepped = SteppedPool(pool, sleep=sleep)
        found: HttpResponse | BaseException
        try:
            found = await stepped.send(create(first_byte))
        except (UpstreamTimeout, UpstreamUnreachable) as error:
            found = error
        await stepped.close()
        return found, pool, slept

    return asyncio.run(play())


def test_the_last_answer_is_the_answer() -> None:
    states = iter([state("starting", 201), state("processing"), state("succeeded")])
    found, pool, slept = run(lambda line: next(states))
    assert isinstance(found, HttpResponse)
    assert (found.head.status, json.loads(found.body)["status"]) == (200, "succeeded")
    assert pool.asked == ["POST /create", "GET /predictions/p1", "GET /predictions/p1"]
    assert slept == [0.25, 0.375]


def test_a_created_answer_is_an_ordinary_success() -> None:
    found, _, _ = run(lambda line: state("succeeded", 201))
    assert isinstance(found, HttpResponse)
    assert found.head.status == 200


def test_a_refusal_is_the_answer() -> None:
    found, pool, _ = run(lambda line: state("?", 422))
    assert isinstance(found, HttpResponse)
    assert found.head.status == 422
    assert pool.asked == ["POST /create"]


def test_what_takes_too_long_is_stopped() -> None:
    found, pool, _ = run(lambda line: state("processing"), first_byte=0.01, stuck=True)
    assert isinstance(found, UpstreamTimeout)
    assert found.timer == "first_byte"
    assert pool.asked == ["POST /create", "POST /predictions/p1/cancel"]


def test_what_can_no_longer_be_asked_for_is_stopped() -> None:
    def answers(line: str) -> HttpResponse | BaseException:
        if line.startswith("GET"):
            return UpstreamUnreachable("gone", sent=False)
        return state("processing")

    found, pool, _ = run(answers)
    assert isinstance(found, UpstreamUnreachable)
    assert pool.asked[-1] == "POST /predictions/p1/cancel"


def test_a_refusal_on_the_way_is_the_answer_and_stops_the_work() -> None:
    found, pool, _ = run(lambda line: state("processing", 500 if "GET" in line else 201))
    assert isinstance(found, HttpResponse)
    assert found.head.status == 500
    assert pool.asked[-1] == "POST /predictions/p1/cancel"


def test_a_failed_stop_is_said_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def answers(line: str) -> HttpResponse | BaseException:
        if line.startswith("GET"):
            return state("?", 500)
        if line.endswith("/cancel"):
            return UpstreamUnreachable("gone", sent=False)
        return state("processing")

    found, _, _ = run(answers)
    assert isinstance(found, HttpResponse)
    assert "could not stop work at http://r.example: gone" in caplog.text


def test_only_so_much_is_stopped_at_once(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> int:
        stepped = SteppedPool(FakePool(lambda line: state("?")))

        async def wait() -> None:
            await asyncio.Event().wait()

        for _ in range(MAX_UNDOING + 1):
            stepped.later(wait())
        held = len(asyncio.all_tasks())
        await stepped.close(timeout_s=0)
        return held

    assert asyncio.run(play()) == MAX_UNDOING + 1  # with this test's own
    assert "too much work to stop at once" in caplog.text
