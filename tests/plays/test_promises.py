"""What routing promises of any call, on any route, with any failures: tried with random ones.

The whole engine runs, with providers and clients that are objects in this process, so that a trial
takes milliseconds. `PROMISES` in the environment sets how many trials there are.
"""

import asyncio
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import uvloop
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from portico.api.endpoints import CALLS
from portico.config.load import Loaded
from portico.engine import attempts, pipeline
from portico.errors import (
    UpstreamProtocol,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from portico.types.call import CallRecord
from portico.types.http import Headers, HttpHead, HttpRequest, HttpResponse, Request, StreamSink
from tests.harness import CHAT, DONE, KEY, Running, delta, event, gateway, read_config

TRIALS = int(os.environ.get("PROMISES", "60"))
ENDPOINT = dict(CALLS)["/v1/chat/completions"]
BUDGET_FLOOR, BUDGET_RATIO = 2, 0.2

WHOLE = ["good", "good", "good", "500", "429", "400", "401", "404", "reset", "timeout", "html"]
STREAMED = [*WHOLE, "error first", "cut early", "cut late", "error later"]


@dataclass(frozen=True)
class Place:
    """A deployment: how it behaves in turn, how many turns of the loop it takes, how many requests
    it may get at once."""

    moods: tuple[str, ...]
    turns: int
    limit: int | None


@dataclass(frozen=True)
class Way:
    """A route over some of the places, with fallbacks that may lead anywhere."""

    places: tuple[int, ...]
    strategy: str
    max_attempts: int
    fallbacks: tuple[int, ...]
    hedged: bool
    buffered: bool
    coalesced: bool


@dataclass(frozen=True)
class Wish:
    """A call: to which route, how, and after how many turns the client leaves."""

    way: int
    streamed: bool
    leaves: int | None
    begins: int


@dataclass
class World:
    places: list[Place]
    ways: list[Way]
    wishes: list[Wish]
    reloads: int
    here: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    overrun: list[str] = field(default_factory=list)
    courses: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By request id, the fallbacks that were taken."""


def places() -> st.SearchStrategy[Place]:
    moods = st.lists(st.sampled_from(STREAMED), min_size=1, max_size=4).map(tuple)
    limits = st.sampled_from([None, None, 1, 2])
    return st.builds(Place, moods=moods, turns=st.integers(0, 12), limit=limits)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    number = draw(st.integers(1, 4))
    ways = draw(st.integers(1, 3))
    indices = st.lists(st.integers(0, number - 1), min_size=1, max_size=number, unique=True)
    way = st.builds(
        Way,
        places=indices.map(tuple),
        strategy=st.sampled_from(["adaptive", "round_robin", "priority_based", "least_busy"]),
        max_attempts=st.integers(1, 4),
        fallbacks=st.lists(st.integers(0, ways - 1), max_size=3, unique=True).map(tuple),
        hedged=st.booleans(),
        buffered=st.booleans(),
        coalesced=st.booleans(),
    )
    wish = st.builds(
        Wish,
        way=st.integers(0, ways - 1),
        streamed=st.booleans(),
        leaves=st.none() | st.integers(0, 25),
        begins=st.integers(0, 10),
    )
    return World(
        [draw(places()) for _ in range(number)],
        [draw(way) for _ in range(ways)],
        draw(st.lists(wish, min_size=1, max_size=12)),
        draw(st.integers(0, 2)),
    )


def config(world: World) -> str:
    lines = ["providers:"]
    for number, place in enumerate(world.places):
        limit = f", max_concurrent_requests: {place.limit}" if place.limit else ""
        lines.append(
            f"  - {{name: p{number}, provider_type: openai_compatible, api_key: k{number}, "
            f"base_url: 'http://p{number}.test/v1', models: [x]{limit}}}"
        )
    lines.append("models:")
    for number, way in enumerate(world.ways):
        targets = ", ".join(f"p{place}/x" for place in way.places)
        others = ", ".join(f"w{one}" for one in way.fallbacks if one != number)
        more = ", hedge: {after: 0.0005, budget: 1}" if way.hedged else ""
        more += ", buffered: true" if way.buffered else ""
        more += ", coalesce: true" if way.coalesced else ""
        lines.append(
            f"  - {{name: w{number}, targets: [{targets}], strategy: {way.strategy}, "
            f"retries: {{max_attempts: {way.max_attempts}, base_delay: 0, max_delay: 0, "
            f"budget_ratio: {BUDGET_RATIO}, budget_floor: {BUDGET_FLOOR}}}, "
            f"fallbacks: {{general: [{others}]}}{more}}}"
        )
    return "\n".join([*lines, f"keys:\n  - {{name: k, key: {KEY}}}"])


class FakeStream:
    """Satisfies `http.base.UpstreamStream`."""

    def __init__(self, pieces: list[bytes], error: Exception | None, leave: Callable[[], None]):
        self.head = HttpHead(200, {b"content-type": b"text/event-stream"})
        self._pieces = pieces
        self._error = error
        self._leave = leave
        self._is_closed = False
        self._task: asyncio.Task[None] | None = None

    def attach(self, sink: StreamSink) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(sink))

    async def _run(self, sink: StreamSink) -> None:
        for piece in self._pieces:
            if not self._is_closed:
                sink.feed(piece)
                await asyncio.sleep(0)
        if not self._is_closed:
            self.close()
            sink.finish(self._error)  # type: ignore[arg-type]

    def began(self) -> None:
        pass

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._leave()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()


def _nothing() -> None:
    pass


BEGUN = delta("he")
ENDED = [delta("llo", "stop"), DONE]
ERROR = event({"error": {"message": "busy", "code": 503}})
STREAMS: dict[str, list[bytes]] = {
    "good": [BEGUN, *ENDED],
    "error first": [ERROR],
    "error later": [BEGUN, ERROR],
}
ANSWERS: dict[str, tuple[int, bytes]] = {
    "500": (500, b'{"error":{"message":"oops"}}'),
    "429": (429, b'{"error":{"message":"slow"}}'),
    "400": (400, b'{"error":{"message":"no"}}'),
    "401": (401, b'{"error":{"message":"who"}}'),
    "404": (404, b'{"error":{"message":"The model `x` does not exist"}}'),
    "html": (200, b"<html>"),
}


class FakePool:
    """Satisfies `http.base.Pool`; counts who is where."""

    def __init__(self, world: World) -> None:
        self._world = world

    def send(self, request: HttpRequest) -> Coroutine[Any, Any, HttpResponse]:
        return self._exchange(request, streams=False)

    def open(self, request: HttpRequest) -> Coroutine[Any, Any, HttpResponse | FakeStream]:
        return self._exchange(request, streams=True)

    async def _exchange(self, request: HttpRequest, *, streams: bool) -> Any:
        name = request.origin.host.partition(".")[0]
        world = self._world
        place = world.places[int(name[1:])]
        mood = place.moods[world.asked[name] % len(place.moods)]
        world.asked[name] += 1
        world.here[name] += 1
        if place.limit is not None and world.here[name] > place.limit:
            world.overrun.append(name)
        request.is_sent = True
        stays = False
        try:
            for _ in range(place.turns):
                await asyncio.sleep(0.0002)
            if streams and mood in ("good", "error first", "error later", "cut early", "cut late"):
                stays = True
                return self._stream(name, mood)
            return _whole(mood)
        finally:
            if not stays:
                world.here[name] -= 1

    def _stream(self, name: str, mood: str) -> FakeStream:
        def leave() -> None:
            self._world.here[name] -= 1

        cut = UpstreamProtocol("cut", upstream_status=200)
        if mood == "cut early":
            return FakeStream([], cut, leave)
        if mood == "cut late":
            return FakeStream([BEGUN], cut, leave)
        return FakeStream(STREAMS[mood], None, leave)


def _whole(mood: str) -> HttpResponse:
    if mood == "reset":
        raise UpstreamUnreachable("reset", sent=True)
    if mood == "timeout":
        raise UpstreamTimeout("late", timer="first_byte")
    status, body = ANSWERS.get(mood, (200, CHAT))
    return HttpResponse(HttpHead(status, {b"content-type": b"application/json"}), body)


class FakeClient:
    """Satisfies `types.http.Responder`: what is sent to it must make sense as one answer."""

    def __init__(self) -> None:
        self.is_gone = False
        self.said: list[str] = []
        self._gone: Callable[[], object] = _nothing

    def send(self, status: int, fields: bytes, body: bytes) -> None:
        self.said.append("whole")

    def start(self, status: int, fields: bytes, data: bytes = b"") -> None:
        self.said.append("start")

    def write(self, data: bytes) -> None:
        assert self.said == ["start"]

    def finish(self, data: bytes = b"") -> None:
        self.said.append("finish")

    def abort(self) -> None:
        self.said.append("abort")

    def watch(
        self,
        *,
        gone: Callable[[], object],
        pause: Callable[[], None] | None = None,
        resume: Callable[[], None] | None = None,
    ) -> None:
        self._gone = gone

    def leave(self) -> None:
        if "whole" not in self.said and "finish" not in self.said:
            self.is_gone = True
            self._gone()


HEADERS: Headers = {
    b"authorization": f"Bearer {KEY}".encode(),
    b"content-type": b"application/json",
}


async def call(running: Running, world: World, number: int) -> FakeClient:
    wish = world.wishes[number]
    for _ in range(wish.begins):
        await asyncio.sleep(0.0002)
    stream = b',"stream":true' if wish.streamed else b""
    body = b'{"model":"w%d","temperature":0,"messages":[]%b}' % (wish.way, stream)
    client = FakeClient()
    request = Request("POST", "/v1/chat/completions", b"", dict(HEADERS), body, "peer")
    pipeline.receive(running.app.gateway, ENDPOINT, request, client, f"call-{number}")
    if wish.leaves is not None:
        for _ in range(wish.leaves):
            await asyncio.sleep(0.0002)
        client.leave()
    return client


def watched(world: World) -> AbstractContextManager[object]:
    """Note each change of route."""
    change = attempts._change_route

    def noted(snapshot: Any, call: Any, course: Any, name: str) -> None:
        world.courses[call.request_id].append(name)
        change(snapshot, call, course, name)

    return mock.patch.object(attempts, "_change_route", noted)


async def live(world: World, folder: Path) -> None:
    text = config(world)
    with watched(world):
        await _live(world, folder, text)


async def _live(world: World, folder: Path, text: str) -> None:
    async with gateway(folder, text) as running:
        app = running.app
        app.gateway.pools = {"http": FakePool(world)}
        before = dict(app.gateway.snapshot.states)
        calls = [call(running, world, number) for number in range(len(world.wishes))]
        ended = asyncio.gather(*calls)
        for _ in range(world.reloads):
            await asyncio.sleep(0.001)
            seen = {id: vars_of(state) for id, state in app.gateway.snapshot.states.items()}
            app.reload(lambda: Loaded(read_config(text), ()))
            now = {id: vars_of(state) for id, state in app.gateway.snapshot.states.items()}
            assert now == seen
        clients = await ended
        await running.settled()
        check(running, world, clients)
        after = app.gateway.snapshot.states
        assert all(after[id] is state for id, state in before.items())


def vars_of(state: Any) -> dict[str, Any]:
    return {name: getattr(state, name) for name in state.__slots__ if name != "deployment"}


def check(running: Running, world: World, clients: list[FakeClient]) -> None:
    app = running.app.gateway
    assert not world.overrun, "more requests at once than a deployment may have"
    assert set(world.here.values()) <= {0}, "a request is still under way"
    assert all(state.in_flight == 0 for state in app.snapshot.states.values())
    assert all(not state.circuit.trials for state in app.snapshot.states.values())
    assert not app.calls
    assert len(app.shared) == 0
    running.check_balance()
    allowed = {"whole", "start finish", "abort", "start abort", "whole abort"}
    for client in clients:
        assert " ".join(client.said) in allowed or client.is_gone, client.said
        assert client.is_gone or "abort" not in client.said
    check_journal(running, world)


def check_journal(running: Running, world: World) -> None:
    extra: dict[int, int] = defaultdict(int)
    sent = 0
    records = running.journal()
    assert len({record.request_id for record in records}) == len(records)
    for record in records:
        wish = world.wishes[int(record.request_id.removeprefix("call-"))]
        sent += len(record.attempts)
        most = max(way.max_attempts for way in world.ways)
        assert 1 <= len(record.attempts) <= most
        assert [one.number for one in record.attempts] == [*range(1, len(record.attempts) + 1)]
        wins = [one for one in record.attempts if one.outcome == "success"]
        assert len(wins) <= 1 or world.ways[wish.way].hedged
        assert all(one.usage is not None for one in wins)
        extra[wish.way] += len(record.attempts) - 1
        check_course(record, world)
    assert sent == sum(world.asked.values())
    if not any(way.hedged for way in world.ways):
        bought = sum(max(BUDGET_FLOOR, int(BUDGET_RATIO * len(world.wishes))) for _ in world.ways)
        assert sum(extra.values()) <= bought


def check_course(record: CallRecord, world: World) -> None:
    """A call visits no route twice, and asks nobody but who is on its way."""
    wish = world.wishes[int(record.request_id.removeprefix("call-"))]
    course = [f"w{wish.way}", *world.courses[record.request_id]]
    assert len(set(course)) == len(course)
    known = {f"p{place}/x" for name in course for place in world.ways[int(name[1:])].places}
    assert {attempt.deployment for attempt in record.attempts} <= known


@settings(
    max_examples=TRIALS,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(worlds())
def test_whatever_happens_the_promises_hold(world: World) -> None:
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(live(world, Path(folder)))


def test_a_client_that_is_gone_before_its_call_begins_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    place = Place(moods=("good",), turns=0, limit=None)
    way = Way((0,), "adaptive", 1, (), hedged=False, buffered=False, coalesced=False)
    wish = Wish(way=0, streamed=False, leaves=0, begins=0)
    uvloop.run(live(World([place], [way], [wish], reloads=0), tmp_path))
