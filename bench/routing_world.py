"""Upstreams, calls and a gateway's routing on a fake clock, for `routing_sim`.

Seeded and without sockets: the same loop as `engine.attempts` around the same routing code. An
upstream serves a number of calls at once and queues the rest, or refuses them; the gateway gives up
on one that has not begun after ten seconds.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from portico.errors import GatewayError, UpstreamRateLimited, UpstreamTimeout, UpstreamUnavailable
from portico.policy.limits import RateWindow
from portico.routing import health, probing, retry
from portico.routing.health import DeploymentState, carry_over
from portico.routing.probing import ProbeState
from portico.routing.router import Refusal, RouteState, next_deployment, outlook
from portico.routing.strategies import RoutingRequest
from portico.types.deployment import Deployment, Limits, ProbePolicy, Provider, RetryPolicy, Route
from portico.types.http import Origin
from portico.types.secret import Secret

FIRST_EVENT_TIMEOUT_S = 10.0
LENGTH_S = 120.0
TTFT_S = 0.4
PER_TOKEN_S = 0.01
TOKENS = 100
SLOTS = 20
CHECKS = ProbePolicy(
    interval_s=3.0,
    timeout_s=1.0,
    failure_threshold=2,
    recovery_s=60.0,
    endpoint=None,
    expected_codes=(200,),
)


class Clock:
    """The events to come, in order of time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, when: float, do: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, do))

    def run(self) -> None:
        while self._heap:
            self.now, _, do = heapq.heappop(self._heap)
            do()


class Upstream:
    """Good service, until `trouble(now)` says otherwise: `slow`, `slower`, `down`, `stuck`,
    `limited` (calls a minute), or `crowded` (429 rather than a queue).
    """

    def __init__(self, clock: Clock, rng: random.Random, trouble: Callable[[float], str]) -> None:
        self.clock = clock
        self.rng = rng
        self.trouble = trouble
        self.busy = 0
        self.queue: deque[Asked] = deque()
        self.minute = (-1, 0)

    def check(self, reply: Callable[[bool], None]) -> None:
        """A health check: whether it is answered well comes after a moment, or the time limit."""
        now = self.clock.now
        trouble = self.trouble(now)
        later = now + (CHECKS.timeout_s if trouble == "stuck" else 0.05)
        self.clock.at(later, lambda: reply(trouble not in ("stuck", "down")))

    def ask(self, reply: Callable[[GatewayError | None, bool], None]) -> None:
        """`reply(error, is_end)` comes once with an error, or at the first event and at the end."""
        now = self.clock.now
        trouble = self.trouble(now)
        if trouble == "down":
            self.clock.at(now + 0.05, lambda: reply(UpstreamUnavailable("down"), True))
            return
        if trouble == "limited":
            minute, count = self.minute
            count = count + 1 if minute == int(now // 60) else 1
            self.minute = (int(now // 60), count)
            if count > 120:
                refused = UpstreamRateLimited("limit", retry_after_s=60.0 - now % 60.0)
                self.clock.at(now + 0.05, lambda: reply(refused, True))
                return
        if trouble == "crowded" and self.busy >= SLOTS:
            self.clock.at(now + 0.05, lambda: reply(UpstreamRateLimited("busy"), True))
            return
        asked = Asked(self, reply, {"slow": 10.0, "slower": 3.0}.get(trouble, 1.0))
        self.clock.at(now + FIRST_EVENT_TIMEOUT_S, asked.time_out)
        if trouble == "stuck":
            return
        if self.busy < SLOTS:
            asked.serve()
        else:
            self.queue.append(asked)


class Asked:
    """One request at an upstream: queued, served, or given up by the gateway after ten seconds."""

    def __init__(
        self, upstream: Upstream, reply: Callable[[GatewayError | None, bool], None], slower: float
    ) -> None:
        self.upstream = upstream
        self.reply = reply
        self.slower = slower
        self.is_served = self.has_begun = self.is_over = False

    def serve(self) -> None:
        upstream = self.upstream
        upstream.busy += 1
        self.is_served = True
        rng = upstream.rng
        first = upstream.clock.now + rng.lognormvariate(0.0, 0.4) * TTFT_S * self.slower
        upstream.clock.at(first, self._begin)
        end = first + rng.expovariate(1 / TOKENS) * PER_TOKEN_S * self.slower
        upstream.clock.at(end, lambda: self._end(None))

    def time_out(self) -> None:
        if not self.has_begun:
            self._end(UpstreamTimeout("no first event", timer="first_event"))

    def _begin(self) -> None:
        if not self.is_over:
            self.has_begun = True
            self.reply(None, False)

    def _end(self, error: GatewayError | None) -> None:
        if self.is_over:
            return
        self.is_over = True
        upstream = self.upstream
        if self.is_served:
            upstream.busy -= 1
            while upstream.queue and upstream.busy < SLOTS:
                waiting = upstream.queue.popleft()
                if not waiting.is_over:
                    waiting.serve()
        self.reply(error, True)


@dataclass
class Result:
    waits: list[float] = field(default_factory=list)
    arrivals: list[tuple[float, bool]] = field(default_factory=list)
    """When a call came, and whether it was answered."""
    attempts: list[tuple[float, str]] = field(default_factory=list)


class World:
    """A gateway with one route over these upstreams; the same loop as `engine.attempts`."""

    def __init__(
        self,
        strategy: str,
        troubles: list[Callable[[float], str]],
        seed: int,
        rate: float,
        *,
        limits: Mapping[str, Limits] = {},
        is_checked: bool = False,
    ) -> None:
        self.clock = Clock()
        self.rng = random.Random(seed)
        self.strategy = strategy
        self.rate = rate
        self.limits = limits
        self.is_checked = is_checked
        self.result = Result()
        self.upstreams = {
            f"u{number}/m": Upstream(self.clock, random.Random(f"{seed}/{number}"), trouble)
            for number, trouble in enumerate(troubles)
        }
        self.states: dict[str, DeploymentState] = {}
        self.route: RouteState | None = None

    def configure(self, ids: list[str]) -> None:
        """As a reload does: states live on, the route is bound anew."""
        deployments = tuple(_deployment(id, self.limits.get(id, Limits())) for id in ids)
        self.states = carry_over(deployments, self.states, RateWindow)
        route = Route(
            name="r", deployments=deployments, strategy=self.strategy, retry=RetryPolicy()
        )
        self.route = RouteState(route, self.states, self.route)

    def run(self) -> Result:
        self._arrive_later()
        if self.is_checked:
            for id in self.states:
                self._check_later(id)
        self.clock.run()
        for state in self.states.values():
            assert state.in_flight == 0, "a lease was lost"
        return self.result

    def _arrive_later(self) -> None:
        when = self.clock.now + self.rng.expovariate(self.rate)
        if when < LENGTH_S:
            self.clock.at(when, self._arrive)

    def _check_later(self, id: str) -> None:
        """As `engine.probing` does, for as long as calls come."""
        clock, credential = self.clock, self.states[id].credential
        probe = credential.probe or ProbeState(id, CHECKS, clock.now, self.rng)
        credential.probe = probe

        def heard(is_good: bool) -> None:
            problem = None if is_good else "no good answer"
            probing.learn(credential, probe, "good" if is_good else "bad", clock.now, problem)
            self._check_later(id)

        def ask() -> None:
            probe.asked(clock.now, self.rng)
            self.upstreams[id].check(heard)

        if probe.due_at < LENGTH_S:
            clock.at(probe.due_at, ask)

    def _arrive(self) -> None:
        self._arrive_later()
        Attempts(self).go()


class Attempts:
    """One call."""

    def __init__(self, world: World) -> None:
        assert world.route is not None
        self.world = world
        self.route = world.route
        self.came = world.clock.now
        self.tried: tuple[str, ...] = ()
        self.request = RoutingRequest(output_tokens=TOKENS)

    def go(self) -> None:
        world = self.world
        now = world.clock.now
        choice = next_deployment(
            self.route, now=now, rng=world.rng, tried=self.tried, request=self.request
        )
        policy = self.route.route.retry
        if isinstance(choice, Refusal):
            decision = retry.decide_refusal(
                choice,
                policy,
                attempts=len(self.tried),
                elapsed_s=now - self.came,
                has_fallback=False,
            )
            self._follow(decision)
            return
        lease = health.started(choice, now)
        id = choice.deployment.id
        world.result.attempts.append((now, id))

        def reply(error: GatewayError | None, is_end: bool) -> None:
            now = world.clock.now
            if not is_end:
                health.first_event(lease, now)
                world.result.waits.append(now - self.came)
                world.result.arrivals.append((self.came, True))
                return
            health.finished(lease, now, error, rng=world.rng, output_tokens=TOKENS)
            if error is None:
                return
            self.tried += (id,)
            ahead = outlook(self.route, now=now, tried=self.tried, request=self.request)
            decision = retry.decide(
                error,
                policy,
                attempts=len(self.tried),
                elapsed_s=now - self.came,
                budget=self.route.budget,
                outlook=ahead,
                now=now,
                rng=world.rng,
            )
            self._follow(decision)

        world.upstreams[id].ask(reply)

    def _follow(self, decision: retry.Decision) -> None:
        world = self.world
        if isinstance(decision, retry.NextDeployment):
            self.go()
        elif isinstance(decision, retry.RetryAfter):
            world.clock.at(world.clock.now + decision.seconds, self.go)
        else:
            world.result.arrivals.append((self.came, False))


def _deployment(id: str, limits: Limits) -> Deployment:
    name = id.split("/")[0]
    provider = Provider(
        name=name,
        type="openai_compatible",
        dialect="openai",
        origin=Origin("http", name, 80),
        base_path="/v1",
        api_key=Secret(name),
    )
    return Deployment(id=id, provider=provider, model="m", limits=limits)
