"""Asks providers how they do, where the configuration wants that: `routing.probing` says what to
make of it.

Checks are not calls: no usage, no journal, no retry budget, no part in limits, speed or error
shares. One task asks for all; a slow provider delays no other.
"""

import asyncio
import contextlib

from portico.engine.gateway import Gateway
from portico.engine.snapshot import Target
from portico.errors import GatewayError, UpstreamError
from portico.http.base import Pool
from portico.providers import probes
from portico.routing import probing
from portico.routing.health import Credential
from portico.routing.probing import ProbeState, Verdict
from portico.types.http import HttpRequest, HttpResponse

MAX_AT_ONCE = 8
_LOOK_EVERY_S = 1.0
"""The longest that a reloaded configuration waits for the prober to look at it."""


class Prober:
    """`run` in a task of its own; it ends when the gateway drains or the task is cancelled."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)
        self._targets: dict[Credential, Target] = {}
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as checks:
            under_way: set[asyncio.Task[None]] = set()
            while not self._stopped.is_set():
                for credential in self._next():
                    task = checks.create_task(self.check(credential))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopped.wait(), self.idle_s())
            for task in under_way:
                task.cancel()

    def _next(self) -> list[Credential]:
        try:
            return self.due()
        except Exception:  # the outermost handler: checks must not end the gateway
            self._gateway.log.exception("health checks failed inside the gateway")
            return []

    def stop(self) -> None:
        """Ask nobody any more."""
        self._stopped.set()

    def due(self) -> list[Credential]:
        """Whose turn it is now; they count as asked."""
        self._look_around()
        gateway = self._gateway
        now = gateway.clock()
        found = []
        for credential in self._targets:
            probe = credential.probe
            if probe is not None and probe.due_at <= now and not probe.is_under_way:
                probe.asked(now, gateway.rng)
                found.append(credential)
        return found

    def idle_s(self) -> float:
        """How long nothing is to be done."""
        now = self._gateway.clock()
        waits = [
            credential.probe.due_at - now
            for credential in self._targets
            if credential.probe is not None and not credential.probe.is_under_way
        ]
        return max(0.0, min([_LOOK_EVERY_S, *waits]))

    async def check(self, credential: Credential) -> None:
        """Ask once, and let the deployments know."""
        target, probe = self._targets.get(credential), credential.probe
        if target is None or probe is None:
            return
        try:
            async with self._slots:
                probe.asked_at = self._gateway.clock()
                verdict, problem = await self._ask(target, probe)
            self._take_over(credential, probe, verdict, problem)
        except Exception:  # the outermost handler: a check must not end the gateway
            self._gateway.log.exception("a health check failed inside the gateway")
        finally:
            probe.is_under_way = False

    def _take_over(
        self, credential: Credential, probe: ProbeState, verdict: Verdict, problem: str | None
    ) -> None:
        gateway = self._gateway
        before, was_ill = probe.verdict, probe.is_ill
        changes = probing.learn(credential, probe, verdict, gateway.clock(), problem)
        gateway.meter.health_checked(probe.provider, verdict)
        self._tell(credential, probe, before, was_ill)
        for change in changes:
            gateway.health_changed(change)

    async def _ask(self, target: Target, probe: ProbeState) -> tuple[Verdict, str | None]:
        policy = probe.policy
        provider = target.deployment.provider
        path = probes.target(provider, policy.endpoint)
        try:
            credential = target.credential
            if target.held is not None:
                credential = target.held.current() or await target.held.fresh()
            request = probes.probe(provider, path or "/", credential, policy.timeout_s)
            async with asyncio.timeout(policy.timeout_s):
                status = await _status(self._gateway.pools[provider.origin.scheme], request)
        except TimeoutError:
            return "bad", f"no answer within {policy.timeout_s:g} s"
        except UpstreamError as error:
            return "bad", error.message
        except GatewayError as error:
            return "unclear", error.message
        verdict = probing.judge(policy, status)
        return verdict, None if verdict == "good" else f"HTTP {status}"

    def _tell(
        self, credential: Credential, probe: ProbeState, before: Verdict | None, was_ill: bool
    ) -> None:
        """A log line when checks begin or cease to fail, not one for each."""
        log = self._gateway.log
        if probe.verdict == "bad" and (before != "bad" or probe.is_ill != was_ill):
            log.warning(
                "health check of %s failed, %d of %d in a row: %s",
                _shown(credential, probe),
                probe.bad_in_a_row,
                probe.policy.failure_threshold,
                probe.problem,
            )
        elif probe.verdict == "unclear" and before != "unclear":
            log.warning(
                "health check of %s says nothing: %s; name a path that it answers in "
                "health_check.endpoint",
                _shown(credential, probe),
                probe.problem,
            )
        elif probe.verdict == "good" and before not in ("good", None):
            log.warning("health check of %s: well again", _shown(credential, probe))

    def _look_around(self) -> None:
        """Follow the snapshot: who is new is asked soon, who is gone no more."""
        gateway = self._gateway
        snapshot = gateway.snapshot
        now = gateway.clock()
        found: dict[Credential, Target] = {}
        for id, state in snapshot.states.items():
            provider = state.deployment.provider
            credential = state.credential
            if provider.probe is None or credential in found:
                continue
            target = snapshot.targets.get(id)
            if target is None:
                continue
            found[credential] = target
            probe = credential.probe
            if probe is None:
                credential.probe = ProbeState(provider.name, provider.probe, now, gateway.rng)
            elif probe.policy != provider.probe:
                probe.adopt(provider.probe, now)
        for credential in self._targets:
            if credential not in found:
                credential.probe = None
        self._targets = found


async def _status(pool: Pool, request: HttpRequest) -> int:
    """Of the answer; its body is not read further than it has come."""
    answer = await pool.open(request)
    if not isinstance(answer, HttpResponse):
        answer.close()
    return answer.head.status


def _shown(credential: Credential, probe: ProbeState) -> str:
    """The provider, and the key where it has several."""
    ids = sorted(state.deployment.id for state in credential.members)
    return f"{probe.provider} ({', '.join(ids[:3])}{', …' if len(ids) > 3 else ''})"
