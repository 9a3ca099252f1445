"""Routing under trouble, simulated: seeded, on a fake clock, with the gateway's own routing code.

    python bench/routing_sim.py [--seed 1] [--runs 5]

Each world has four upstreams, one of which misbehaves, or six with several troubles; calls come at
random (Poisson) and stream. An upstream serves a number of calls at once and queues the rest; the
gateway gives up on one that has not begun after ten seconds.
Printed per strategy: time to the first event as the client sees it (p50, p99), calls that failed in
the end, the share of attempts that went to the bad one from ten seconds after it went bad, and how
long after it healed it got half of its fair share again. The second table is a total failure of all
upstreams.
"""

import argparse
import heapq
import random
import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from portico.errors import GatewayError, UpstreamRateLimited, UpstreamTimeout, UpstreamUnavailable
from portico.policy.limits import RateWindow
from portico.routing import health, retry
from portico.routing.health import DeploymentState, carry_over
from portico.routing.router import Refusal, RouteState, next_deployment, outlook
from portico.routing.strategies import RoutingRequest
from portico.types.deployment import Deployment, Provider, RetryPolicy, Route
from portico.types.http import Origin
from portico.types.secret import Secret

STRATEGIES = ("adaptive", "round_robin", "least_busy", "simple_shuffle", "latency_based")
FIRST_EVENT_TIMEOUT_S = 10.0
LENGTH_S = 120.0
TTFT_S = 0.4
PER_TOKEN_S = 0.01
TOKENS = 100
SLOTS = 20
RATE = 30.0


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
    """Good service, until `trouble(now)` says otherwise: `slow`, `slower`, `down`, `stuck` or
    `limited`."""

    def __init__(self, clock: Clock, rng: random.Random, trouble: Callable[[float], str]) -> None:
        self.clock = clock
        self.rng = rng
        self.trouble = trouble
        self.busy = 0
        self.queue: deque[Asked] = deque()
        self.minute = (-1, 0)

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
        self, strategy: str, troubles: list[Callable[[float], str]], seed: int, rate: float
    ) -> None:
        self.clock = Clock()
        self.rng = random.Random(seed)
        self.strategy = strategy
        self.rate = rate
        self.result = Result()
        self.upstreams = {
            f"u{number}/m": Upstream(self.clock, random.Random(f"{seed}/{number}"), trouble)
            for number, trouble in enumerate(troubles)
        }
        self.states: dict[str, DeploymentState] = {}
        self.route: RouteState | None = None

    def configure(self, ids: list[str]) -> None:
        """As a reload does: states live on, the route is bound anew."""
        deployments = tuple(_deployment(id) for id in ids)
        self.states = carry_over(deployments, self.states, RateWindow)
        route = Route(
            name="r", deployments=deployments, strategy=self.strategy, retry=RetryPolicy()
        )
        self.route = RouteState(route, self.states, self.route)

    def run(self) -> Result:
        self._arrive_later()
        self.clock.run()
        for state in self.states.values():
            assert state.in_flight == 0, "a lease was lost"
        return self.result

    def _arrive_later(self) -> None:
        when = self.clock.now + self.rng.expovariate(self.rate)
        if when < LENGTH_S:
            self.clock.at(when, self._arrive)

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


def _deployment(id: str) -> Deployment:
    name = id.split("/")[0]
    provider = Provider(
        name=name,
        type="openai_compatible",
        dialect="openai",
        origin=Origin("http", name, 80),
        base_path="/v1",
        api_key=Secret(name),
    )
    return Deployment(id=id, provider=provider, model="m")


def _well(now: float) -> str:
    return ""


def _between(trouble: str, start: float, end: float) -> Callable[[float], str]:
    return lambda now: trouble if start <= now < end else ""


def _flapping(now: float) -> str:
    return "down" if 20.0 <= now < 80.0 and int(now) // 10 % 2 == 0 else ""


COLD = "cold: joins at 40 s"
SCENARIOS: dict[str, tuple[Callable[[float], str], float, float]] = {
    "slow: ten times slower from 20 s to 80 s": (_between("slow", 20, 80), 20, 80),
    "down: 503 from 20 s to 80 s": (_between("down", 20, 80), 20, 80),
    "stuck: no answer from 20 s to 80 s": (_between("stuck", 20, 80), 20, 80),
    "flapping: 10 s down, 10 s up, 20 s to 80 s": (_flapping, 20, 80),
    "limited: 120 a minute, 429 with a hint": (_between("limited", 0, 1e9), 0, 1e9),
    "uneven: always three times slower": (_between("slower", 0, 1e9), 0, 1e9),
    COLD: (_well, 0, 40),
    "one slow, one flapping, one limited, one joins": (_between("slow", 20, 80), 20, 80),
}
OTHERS: dict[str, list[Callable[[float], str]]] = {
    "one slow, one flapping, one limited, one joins": [
        _well,
        _well,
        _flapping,
        _between("limited", 0, 1e9),
        _well,
    ]
}
"""The rest of the world, where it is not three that are well. The last one joins at 40 s."""


def simulate(scenario: str, strategy: str, seed: int) -> dict[str, float | None]:
    trouble, start, end = SCENARIOS[scenario]
    others = OTHERS.get(scenario, [_well, _well, _well])
    world = World(strategy, [trouble, *others], seed, RATE)
    bad = "u0/m"
    everyone = list(world.upstreams)
    late = {"cold": everyone[0], "one ": everyone[-1]}.get(scenario[:4])
    world.configure([id for id in everyone if id != late])
    world.clock.at(40.0, lambda: world.configure(everyone))
    result = world.run()
    settled = [id for at, id in result.attempts if start + 10 <= at < end]
    failed = sum(not answered for _, answered in result.arrivals)
    return {
        "p50": statistics.quantiles(result.waits, n=100)[49],
        "p99": statistics.quantiles(result.waits, n=100)[98],
        "errors": failed / len(result.arrivals),
        "share": None if scenario == COLD else settled.count(bad) / len(settled),
        "recovery": _recovery(result, bad, end, len(everyone)) if end < LENGTH_S else None,
    }


def _recovery(result: Result, bad: str, healed: float, count: int) -> float | None:
    """Seconds until it gets half of its fair share within two seconds."""
    times = [(at, id == bad) for at, id in result.attempts if at >= healed]
    for begin, _ in times:
        window = [is_bad for at, is_bad in times if begin <= at < begin + 2.0]
        if len(window) > 10 and sum(window) / len(window) >= 0.5 / count:
            return begin - healed
    return None


def total_failure(strategy: str, mode: str, seed: int) -> dict[str, float | None]:
    """All upstreams fail from 30 s to 90 s, at 0.8 of what they can serve."""
    capacity = 4 * SLOTS / (TTFT_S * 1.08 + TOKENS * PER_TOKEN_S)
    failing = _between(mode, 30, 90)
    world = World(strategy, [failing] * 4, seed, 0.8 * capacity)
    world.configure(list(world.upstreams))
    result = world.run()
    during = [at for at, _ in result.attempts if 30 <= at < 90]
    calls = [at for at, _ in result.arrivals if 30 <= at < 90]
    unanswered = [at for at, answered in result.arrivals if at >= 90 and not answered]
    return {
        "attempts": len(during) / len(calls),
        "all_attempts": len(result.attempts) / len(result.arrivals),
        "recovered": max(unanswered) - 90 if unanswered else 0.0,
    }


def _mean(runs: list[dict[str, float | None]], key: str) -> float | None:
    values = [value for run in runs if (value := run[key]) is not None]
    return statistics.mean(values) if values else None


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=5, help="seeds to average over")
    options = parser.parse_args()
    seeds = range(options.seed, options.seed + options.runs)
    print(
        "| the bad one is | strategy | p50 s | p99 s | failed | share of the bad | back after s |"
    )
    print("|---|---|---|---|---|---|---|")
    for scenario in SCENARIOS:
        for strategy in STRATEGIES:
            runs = [simulate(scenario, strategy, seed) for seed in seeds]
            cells = [
                scenario if strategy == STRATEGIES[0] else "",
                strategy,
                _cell(_mean(runs, "p50"), ".2f"),
                _cell(_mean(runs, "p99"), ".2f"),
                _cell(_mean(runs, "errors"), ".2%"),
                _cell(_mean(runs, "share"), ".1%"),
                _cell(_mean(runs, "recovery"), ".1f"),
            ]
            print("| " + " | ".join(cells) + " |", flush=True)
    print()
    print("| all fail for 60 s | strategy | attempts per call then | overall | recovered after s |")
    print("|---|---|---|---|---|")
    for mode in ("down", "stuck"):
        for strategy in STRATEGIES:
            runs = [total_failure(strategy, mode, seed) for seed in seeds]
            cells = [
                mode if strategy == STRATEGIES[0] else "",
                strategy,
                _cell(_mean(runs, "attempts"), ".3f"),
                _cell(_mean(runs, "all_attempts"), ".3f"),
                _cell(_mean(runs, "recovered"), ".1f"),
            ]
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
