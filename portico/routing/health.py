"""What is known about each deployment: load, speed, failures, and when it may be used again.

One `DeploymentState` per deployment id, owned by the engine and kept over a reload of the
configuration (`carry_over`). Every attempt is a `Lease`: `started` takes it, `finished` or
`released` gives it back, exactly once, at the true end of a stream. A lease knows when it began,
so that an attempt that began before a breaker moved does not judge what is going on after it.

Circuit breaker: *closed* while `open_until` is 0; *open* until that moment; *half open* after it,
one probe at a time. The breaker and a refused credential are soft: `router` overrules them when
nothing else of the route is left. Limits, cool-downs and the administrator's word are hard.

Speed is a peak EWMA: a slower sample counts at once, a faster one only as time passes, so a stall
is noticed by the first who meets it. After Finagle's `PeakEwma`
(https://twitter.github.io/finagle/guide/Clients.html, read 2026-11-23).

Pure: `now` is monotonic seconds and is passed in, and so is randomness.
"""

import math
from collections.abc import Iterable
from hashlib import blake2b
from random import Random
from typing import Literal, Protocol

import msgspec

from portico.errors import (
    GatewayError,
    UpstreamAuthentication,
    UpstreamContentFiltered,
    UpstreamContextExceeded,
    UpstreamFailed,
    UpstreamModelNotFound,
    UpstreamProtocol,
    UpstreamQuotaExceeded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from portico.routing.tally import Tally
from portico.types.deployment import Deployment, Limits

Reason = Literal[
    "disabled",
    "draining",
    "cooldown",
    "max_concurrent_requests",
    "rpm",
    "tpm",
    "credential",
    "circuit_open",
    "circuit_probing",
    "abilities",
    "context_window",
    "tags",
    "region",
]
CircuitName = Literal["closed", "open", "half_open"]
Effect = Literal["failure", "cool", "quota", "credential", "missing", "none"]

EFFECTS: dict[type[GatewayError], Effect] = {
    UpstreamFailed: "failure",
    UpstreamUnavailable: "failure",
    UpstreamTimeout: "failure",
    UpstreamUnreachable: "failure",
    UpstreamProtocol: "failure",
    UpstreamRateLimited: "cool",
    UpstreamQuotaExceeded: "quota",
    UpstreamAuthentication: "credential",
    UpstreamModelNotFound: "missing",
    UpstreamRejected: "none",
    UpstreamContextExceeded: "none",
    UpstreamContentFiltered: "none",
}
"""What an attempt's error says about its deployment; a class that is not here says nothing."""

EWMA_TAU_S = 10.0
"""How fast a faster sample pulls the expectation down."""
ERROR_GAIN = 0.25
"""What one result weighs in the share of errors."""
ERROR_TAU_S = 15.0
"""How fast errors are forgotten while nothing is tried."""
COOL_FIRST_S = 1.0
COOL_MAX_S = 60.0
"""Cool-down after a 429 without a hint: doubles with each in a row, up to this."""
HINT_MAX_S = 3600.0
"""The longest that a provider's hint can keep a deployment out."""
QUOTA_S = 300.0
MISSING_S = 60.0
CREDENTIAL_FIRST_S = 30.0
CREDENTIAL_MAX_S = 3600.0


class Meter(Protocol):
    """Requests and tokens of the last minute, as `policy.limits.RateWindow` keeps them."""

    def reserve(self, now: float, tokens: int) -> None: ...

    def settle(self, reserved_at: float, now: float, *, reserved: int, used: int) -> None: ...

    def cancel(self, reserved_at: float, now: float, *, reserved: int) -> None: ...

    def excess(self, limits: Limits, now: float, tokens: int) -> "Excess | None": ...

    def used(self, now: float) -> tuple[int, int]: ...


class Excess(Protocol):
    @property
    def limit(self) -> Literal["rpm", "tpm", "max_concurrent_requests"]: ...

    @property
    def wait_s(self) -> float | None: ...


class Exclusion(msgspec.Struct, frozen=True):
    """Why a deployment cannot take a request; `wait_s` is when it may be asked again, where known.

    A soft one is overruled when nothing else of the route is left.
    """

    reason: Reason
    wait_s: float | None = None
    soft: bool = False


class Transition(msgspec.Struct, frozen=True):
    """A change worth a log line and a metric."""

    deployment: str
    before: str
    after: str
    cause: str | None = None
    """Code of the error that brought it about."""
    for_s: float | None = None


class Credential:
    """What is known about one key of one origin; shared by the deployments that use it."""

    __slots__ = ("members", "refusals", "refused_until")

    def __init__(self) -> None:
        self.refused_until = 0.0
        self.refusals = 0
        self.members: list[DeploymentState] = []


class DeploymentState:
    """Load, speed and health of one deployment. Read it freely; change it by this module's
    functions.
    """

    __slots__ = (
        "changed_at",
        "consecutive_failures",
        "cool_until",
        "cooled",
        "credential",
        "deployment",
        "disabled",
        "draining",
        "error_share",
        "error_share_at",
        "failed",
        "guarded",
        "hash_seed",
        "in_flight",
        "last_error",
        "last_error_at",
        "last_used_at",
        "meter",
        "open_until",
        "openings",
        "per_token_s",
        "probe",
        "probe_successes",
        "requests",
        "results",
        "succeeded",
        "ttft_at",
        "ttft_s",
        "weight",
    )

    def __init__(
        self, deployment: Deployment, meter: Meter, credential: Credential | None = None
    ) -> None:
        self.deployment = deployment
        self.weight = deployment.weight
        self.hash_seed = int.from_bytes(blake2b(deployment.id.encode(), digest_size=8).digest())
        """Where it stands for `affinity`; the same in every process."""
        self.meter = meter
        self.credential = credential or Credential()
        self.credential.members.append(self)
        self.in_flight = 0
        self.requests = self.succeeded = self.failed = 0
        self.last_used_at: float | None = None
        self.disabled = self.draining = False
        self.last_error: str | None = None
        self.last_error_at: float | None = None
        self.ttft_s: float | None = None
        """Expected time to the first event, a peak EWMA; `None` while cold."""
        self.ttft_at = 0.0
        self.per_token_s: float | None = None
        self.error_share = 0.0
        """Share of recent attempts that failed, as of `error_share_at`."""
        self.error_share_at = 0.0
        self.cool_until = 0.0
        self.cooled = 0
        self._close()
        self.openings = 0
        self.changed_at = float("-inf")
        self.results = Tally(deployment.circuit.window_s)
        self.guarded = False
        """Must `exclusion` be asked? So that a healthy, unlimited deployment costs one look."""
        self.reguard(0.0)

    def reguard(self, now: float) -> None:
        limits = self.deployment.limits
        self.guarded = (
            limits.rpm is not None
            or limits.tpm is not None
            or limits.max_concurrent_requests is not None
            or self.disabled
            or self.draining
            or self.open_until > 0.0
            or self.cool_until > now
            or self.credential.refused_until > now
        )

    def circuit(self, now: float) -> CircuitName:
        if self.open_until == 0.0:
            return "closed"
        return "open" if now < self.open_until else "half_open"

    def errors(self, now: float) -> float:
        """Share of recent attempts that failed, fading while nothing is tried."""
        share = self.error_share
        if share < 0.001:
            return 0.0
        return share * math.exp((self.error_share_at - now) / ERROR_TAU_S)

    def _close(self) -> None:
        self.open_until = 0.0
        self.consecutive_failures = 0
        self.probe: Lease | None = None
        self.probe_successes = 0


class Lease:
    """One attempt's hold on a deployment."""

    __slots__ = ("at", "first_at", "is_open", "state", "tokens")

    def __init__(self, state: DeploymentState, at: float, tokens: int) -> None:
        self.state = state
        self.at = at
        self.tokens = tokens
        self.first_at: float | None = None
        self.is_open = True


def exclusion(state: DeploymentState, now: float, tokens: int = 0) -> Exclusion | None:
    """What keeps `state` from taking one more request of `tokens`, if anything does.

    Changes nothing but the `guarded` mark of a state that has nothing to guard any more.
    """
    if not state.guarded:
        return None
    if state.disabled:
        return Exclusion("disabled")
    if state.draining:
        return Exclusion("draining")
    if now < state.cool_until:
        return Exclusion("cooldown", state.cool_until - now)
    limits = state.deployment.limits
    most = limits.max_concurrent_requests
    if most is not None and state.in_flight >= most:
        return Exclusion("max_concurrent_requests")
    if limits.rpm is not None or limits.tpm is not None:
        excess = state.meter.excess(limits, now, tokens)
        if excess is not None:
            return Exclusion(excess.limit, excess.wait_s)
    elif most is None and state.open_until == 0.0:
        state.reguard(now)
    if now < state.credential.refused_until:
        return Exclusion("credential", state.credential.refused_until - now, soft=True)
    if state.open_until > 0.0:
        if now < state.open_until:
            return Exclusion("circuit_open", state.open_until - now, soft=True)
        if state.probe is not None:
            return Exclusion("circuit_probing", soft=True)
    return None


def started(state: DeploymentState, now: float, tokens: int = 0) -> Lease:
    """An attempt begins: count it. `tokens` is what it may use, input and output together."""
    state.in_flight += 1
    state.requests += 1
    state.last_used_at = now
    state.meter.reserve(now, tokens)
    lease = Lease(state, now, tokens)
    if 0.0 < state.open_until <= now and state.probe is None:
        state.probe = lease
    return lease


def first_event(lease: Lease, now: float) -> None:
    """The first content event of a stream is here; a probe that got this far makes room for the
    next.
    """
    lease.first_at = now
    state = lease.state
    _learn_ttft(state, now, now - lease.at)
    if state.probe is lease:
        state.probe = None


def finished(
    lease: Lease,
    now: float,
    error: GatewayError | None = None,
    *,
    rng: Random,
    used_tokens: int | None = None,
    output_tokens: int | None = None,
) -> Transition | None:
    """The attempt is over, truly: learn from it and free its place. A second call does nothing.

    An error that is not the deployment's doing (`EFFECTS`) teaches nothing. `used_tokens` replaces
    what was reserved at the start; `None` lets that stand. The answer names a change of health, if
    one came.
    """
    if not lease.is_open:
        return None
    state = lease.state
    _free(lease)
    if used_tokens is not None and used_tokens != lease.tokens:
        state.meter.settle(lease.at, now, reserved=lease.tokens, used=used_tokens)
    if error is None:
        _learn_speed(lease, now, output_tokens)
        return _succeeded(lease, now)
    effect = effect_of(error)
    if effect == "none":
        return None
    state.last_error = error.code
    state.last_error_at = now
    state.failed += 1
    if effect == "failure":
        transition = _failed(lease, now, error, rng)
        hint = error.retry_after_s
        if hint is not None and hint > 0:
            return cool(state, now, min(hint, COOL_MAX_S), cause=error.code) or transition
        return transition
    if effect == "cool":
        state.cooled += 1
        hint = error.retry_after_s
        if hint is None or hint <= 0:
            wait = min(COOL_MAX_S, COOL_FIRST_S * 2.0 ** min(state.cooled - 1, 10))
            hint = wait * (0.5 + rng.random() / 2)
        return cool(state, now, hint, cause=error.code)
    if effect == "credential":
        return _refuse(state, now, error)
    return cool(state, now, QUOTA_S if effect == "quota" else MISSING_S, cause=error.code)


def released(lease: Lease, now: float, *, sent: bool = True) -> None:
    """The attempt is over and says nothing about the deployment: the client left, we stopped it.

    With `sent=False` it does not count in the limits either.
    """
    if lease.is_open:
        _free(lease)
        if not sent:
            lease.state.meter.cancel(lease.at, now, reserved=lease.tokens)


def effect_of(error: GatewayError) -> Effect:
    if isinstance(error, UpstreamAuthentication) and error.upstream_status == 403:
        # The key is known, but not for this model, region or content: the others need not suffer.
        return "missing"
    for kind in type(error).__mro__:
        effect = EFFECTS.get(kind)
        if effect is not None:
            return effect
    return "none"


def cool(
    state: DeploymentState, now: float, for_s: float, *, cause: str | None = None
) -> Transition | None:
    """Leave it alone for so long; a longer cool-down that already runs stays."""
    until = now + min(for_s, HINT_MAX_S)
    if until <= state.cool_until:
        return None
    before = describe(state, now)
    state.cool_until = until
    state.guarded = True
    return Transition(state.deployment.id, before, "cooldown", cause, until - now)


def enable(state: DeploymentState, now: float) -> None:
    state.disabled = state.draining = False
    state.reguard(now)


def disable(state: DeploymentState) -> None:
    """Nothing new goes there; what is in flight may end."""
    state.disabled = state.guarded = True


def drain(state: DeploymentState) -> None:
    """As `disable`, said of a deployment that is expected to be empty soon (`in_flight == 0`)."""
    state.draining = state.guarded = True


def reset(state: DeploymentState, now: float) -> None:
    """Forget all that was held against it: breaker, cool-down, refused credential, speed,
    errors.
    """
    state._close()
    state.openings = 0
    state.changed_at = now
    state.results.clear()
    state.cool_until = 0.0
    state.cooled = 0
    state.credential.refused_until = 0.0
    state.credential.refusals = 0
    state.error_share = 0.0
    state.ttft_s = state.per_token_s = None
    state.reguard(now)


def describe(state: DeploymentState, now: float) -> str:
    """One word for people, metrics and `/admin/routing`."""
    if state.disabled:
        return "disabled"
    if state.draining:
        return "draining"
    if now < state.cool_until:
        return "cooldown"
    if now < state.credential.refused_until:
        return "credential"
    if state.open_until > 0.0:
        return "open" if now < state.open_until else "half_open"
    return "healthy"


def carry_over(
    deployments: Iterable[Deployment],
    old: dict[str, DeploymentState],
    make_meter: "MeterFactory",
) -> dict[str, DeploymentState]:
    """States for a new configuration: the very same objects for deployments that did not change.

    A deployment that differs only in how it is chosen or limited keeps its state too; one that
    leads elsewhere (address, key, model) starts anew. Two routes that share a deployment share its
    state.
    """
    states: dict[str, DeploymentState] = {}
    credentials = {_key_of(s.deployment): s.credential for s in old.values()}
    for credential in credentials.values():
        credential.members.clear()
    for deployment in deployments:
        if deployment.id in states:
            continue
        key = _key_of(deployment)
        credential = credentials.setdefault(key, Credential())
        state = old.get(deployment.id)
        if state is not None and (
            state.deployment.model == deployment.model and _key_of(state.deployment) == key
        ):
            if state.deployment.circuit.window_s != deployment.circuit.window_s:
                state.results = Tally(deployment.circuit.window_s)
            state.deployment = deployment
            state.weight = deployment.weight
            credential.members.append(state)
            state.guarded = True
        else:
            state = DeploymentState(deployment, make_meter(), credential)
        states[deployment.id] = state
    return states


class MeterFactory(Protocol):
    def __call__(self) -> Meter: ...


def _key_of(deployment: Deployment) -> object:
    provider = deployment.provider
    return provider.origin, provider.base_path, provider.api_key


def _free(lease: Lease) -> None:
    lease.is_open = False
    state = lease.state
    state.in_flight -= 1
    if state.probe is lease:
        state.probe = None


def _learn_ttft(state: DeploymentState, now: float, sample: float) -> None:
    known = state.ttft_s
    if known is None or sample >= known:
        state.ttft_s = sample
    else:
        kept = math.exp((state.ttft_at - now) / EWMA_TAU_S)
        state.ttft_s = known * kept + sample * (1.0 - kept)
    state.ttft_at = now


def _learn_speed(lease: Lease, now: float, output_tokens: int | None) -> None:
    """Time per token from a stream; from a whole answer, how much slower or faster it all was."""
    state = lease.state
    if lease.first_at is not None:
        if output_tokens is not None and output_tokens > 1:
            sample = (now - lease.first_at) / output_tokens
            known = state.per_token_s
            state.per_token_s = sample if known is None else known + 0.2 * (sample - known)
        return
    duration = now - lease.at
    per_token = state.per_token_s
    if per_token is None or state.ttft_s is None or not output_tokens:
        _learn_ttft(state, now, duration)
        return
    expected = state.ttft_s + per_token * output_tokens
    if expected > 0.0:
        ratio = duration / expected
        _learn_ttft(state, now, state.ttft_s * ratio)
        state.per_token_s = per_token + 0.2 * per_token * (ratio - 1.0)


def _succeeded(lease: Lease, now: float) -> Transition | None:
    state = lease.state
    state.succeeded += 1
    state.cooled = 0
    if state.error_share:
        state.error_share = state.errors(now) * (1.0 - ERROR_GAIN)
        state.error_share_at = now
    if state.credential.refusals:
        state.credential.refusals = 0
        state.credential.refused_until = 0.0
    if lease.at < state.changed_at:
        return None
    state.consecutive_failures = 0
    state.results.add(now, marked=False)
    if state.open_until == 0.0:
        return None
    state.probe_successes += 1
    if state.probe_successes < state.deployment.circuit.success_threshold:
        return None
    before = describe(state, now)
    state._close()
    state.results.clear()
    state.changed_at = now
    state.reguard(now)
    return Transition(state.deployment.id, before, "healthy")


def _failed(lease: Lease, now: float, error: GatewayError, rng: Random) -> Transition | None:
    state = lease.state
    share = state.errors(now)
    state.error_share = share + ERROR_GAIN * (1.0 - share)
    state.error_share_at = now
    if lease.at < state.changed_at:
        return None
    state.consecutive_failures += 1
    state.results.add(now, marked=True)
    policy = state.deployment.circuit
    if state.open_until > 0.0:
        state.probe_successes = 0
        # While it is still open only overruled attempts get here: they must not prolong it.
        return _open(state, now, error, rng) if now >= state.open_until else None
    if state.consecutive_failures >= policy.failure_threshold:
        return _open(state, now, error, rng)
    total = state.results.total(now)
    if total >= policy.min_requests and state.results.marked(now) > policy.error_rate * total:
        return _open(state, now, error, rng)
    return None


def _open(state: DeploymentState, now: float, error: GatewayError, rng: Random) -> Transition:
    policy = state.deployment.circuit
    before = describe(state, now)
    if state.open_until == 0.0 and now - state.changed_at > policy.max_open_s:
        state.openings = 0
    state.openings += 1
    for_s = min(policy.max_open_s, policy.open_s * state.openings) * (0.75 + rng.random() / 2)
    state.open_until = now + for_s
    state.changed_at = now
    state.probe = None
    state.probe_successes = 0
    state.guarded = True
    return Transition(state.deployment.id, before, "open", error.code, for_s)


def _refuse(state: DeploymentState, now: float, error: GatewayError) -> Transition:
    credential = state.credential
    before = describe(state, now)
    if now >= credential.refused_until:
        credential.refusals += 1
    for_s = min(CREDENTIAL_MAX_S, CREDENTIAL_FIRST_S * 2.0 ** min(credential.refusals - 1, 10))
    credential.refused_until = now + for_s
    for member in credential.members:
        member.guarded = True
    return Transition(state.deployment.id, before, "credential", error.code, for_s)
