"""What keeps a deployment from taking a request.

Reasons are hard or soft. Hard are limits, cool-downs, the administrator's word, and what the model
cannot do. Soft are an open breaker, a refused credential and a missing model: `router` overrules
them when nothing else of a route is left.
"""

from typing import Literal

import msgspec

from portico.routing.health import DeploymentState

Reason = Literal[
    "disabled",
    "draining",
    "cooldown",
    "max_concurrent_requests",
    "rpm",
    "tpm",
    "credential",
    "model_missing",
    "circuit_open",
    "on_trial",
    "warming_up",
    "abilities",
    "context_window",
    "tags",
    "region",
    "cost",
]


class Exclusion(msgspec.Struct, frozen=True):
    """Why a deployment cannot take a request; `wait_s` is when to ask again, where that is
    known.
    """

    reason: Reason
    wait_s: float | None = None
    soft: bool = False


def exclusion(state: DeploymentState, now: float, tokens: int = 0) -> Exclusion | None:
    """What keeps `state` from taking one more request of `tokens`, if anything does.

    Changes nothing but the mark of a state that is not hindered any more, or has warmed up.
    """
    if not state.guarded:
        return None
    if state.hindered:
        hard = _hindrance(state, now)
        if hard is not None and not hard.soft:
            return hard
    else:
        hard = None
    if state.in_flight >= state.max_in_flight:
        return Exclusion("max_concurrent_requests")
    if state.metered and not state.meter.has_room(now, tokens):
        excess = state.meter.excess(now, tokens)
        if excess is not None:
            return Exclusion(excess.limit, excess.wait_s)
    return hard


def _hindrance(state: DeploymentState, now: float) -> Exclusion | None:
    if state.disabled:
        return Exclusion("disabled")
    if state.draining:
        return Exclusion("draining")
    if now < state.cool_until:
        return Exclusion("cooldown", state.cool_until - now)
    if now < state.credential.refused_until:
        return Exclusion("credential", state.credential.refused_until - now, soft=True)
    if now < state.missing_until:
        return Exclusion("model_missing", state.missing_until - now, soft=True)
    circuit = state.circuit
    if circuit.open_until == 0.0:
        if circuit.is_full(now):
            return Exclusion("warming_up", soft=True)
        state.mark(hindered=circuit.allowance is not None)
    elif now < circuit.open_until:
        return Exclusion("circuit_open", circuit.open_until - now, soft=True)
    elif circuit.is_full(now):
        return Exclusion("on_trial", soft=True)
    return None
