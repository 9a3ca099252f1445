"""What active health checks teach: questions that cost nothing, asked whether or not calls come.

A provider is asked once for each of its keys, not once for each deployment. Calls know better than
checks: a failed check says nothing about a deployment that has answered since the check before, and
a good one brings nobody back that checks had not found ill.

Pure: `now` is monotonic seconds, `rng` spreads the checks of many gateways.
"""

from random import Random
from typing import Literal

from portico.routing.health import Credential, DeploymentState, Transition, describe
from portico.types.deployment import ProbePolicy

Verdict = Literal["good", "bad", "unclear"]

CAUSE = "health_check"
_FIRST_S = 1.0
"""A new gateway begins within this time, or a tenth of the interval if that is less."""


class ProbeState:
    """What is known of one key at one address from being asked; hangs on its `Credential`."""

    __slots__ = (
        "_succeeded",
        "asked_at",
        "bad_in_a_row",
        "due_at",
        "is_under_way",
        "latency_s",
        "policy",
        "problem",
        "provider",
        "verdict",
    )

    def __init__(self, provider: str, policy: ProbePolicy, now: float, rng: Random) -> None:
        self.provider = provider
        self.policy = policy
        self.verdict: Verdict | None = None
        """Of the last check; `None` before the first."""
        self.bad_in_a_row = 0
        self.problem: str | None = None
        """What was wrong with the last answer."""
        self.asked_at: float | None = None
        self.latency_s: float | None = None
        self.is_under_way = False
        self.due_at = now + rng.random() * min(_FIRST_S, policy.interval_s / 10.0)
        self._succeeded: dict[str, int] = {}

    @property
    def is_ill(self) -> bool:
        return self.bad_in_a_row >= self.policy.failure_threshold

    def adopt(self, policy: ProbePolicy, now: float) -> None:
        """Go on under a new policy; a shorter interval holds at once."""
        self.policy = policy
        self.due_at = min(self.due_at, now + policy.interval_s)

    def asked(self, now: float, rng: Random) -> None:
        """A check begins: the next is due an interval later, give or take a tenth."""
        self.is_under_way = True
        self.due_at = now + self.policy.interval_s * (0.9 + rng.random() / 5.0)

    def has_served(self, state: DeploymentState) -> bool:
        """Has a call been answered there since the check before?"""
        before = self._succeeded.get(state.deployment.id, state.succeeded)
        self._succeeded[state.deployment.id] = state.succeeded
        return state.succeeded > before


def judge(policy: ProbePolicy, status: int) -> Verdict:
    """What the status of an answer says.

    Where the operator named the endpoint, whatever is not expected is bad. A list of models that a
    provider does not have, or does not show to this key, says nothing about its health.
    """
    if status in policy.expected_codes:
        return "good"
    if policy.endpoint is not None or status >= 500 or status == 408:
        return "bad"
    return "unclear"


def learn(
    credential: Credential, probe: ProbeState, verdict: Verdict, now: float, problem: str | None
) -> list[Transition]:
    """Take over the verdict of a check that has ended; the answer names who comes or goes."""
    probe.verdict = verdict
    probe.problem = problem
    if probe.asked_at is not None:
        probe.latency_s = now - probe.asked_at
    was_bad = probe.bad_in_a_row > 0
    serving = {state for state in credential.members if probe.has_served(state)}
    if verdict == "bad":
        probe.bad_in_a_row += 1
        if not probe.is_ill:
            return []
        members = [state for state in credential.members if state not in serving]
        return [change for state in members if (change := _keep_out(state, probe, now))]
    if verdict == "unclear":
        return []
    probe.bad_in_a_row = 0
    if not was_bad:
        return []
    return [change for state in credential.members if (change := _try_sooner(state, now))]


def _keep_out(state: DeploymentState, probe: ProbeState, now: float) -> Transition | None:
    before = describe(state, now)
    state.circuit.trip(now, probe.policy.recovery_s)
    state.mark(hindered=True)
    return _change(state, before, now)


def _try_sooner(state: DeploymentState, now: float) -> Transition | None:
    before = describe(state, now)
    state.circuit.shorten(now)
    return _change(state, before, now)


def _change(state: DeploymentState, before: str, now: float) -> Transition | None:
    after = describe(state, now)
    if after == before:
        return None
    left_s = state.returns_at() - now
    return Transition(state.deployment.id, before, after, CAUSE, left_s if left_s > 0.0 else None)
