"""What is known about each deployment: load, speed, failures, and when it may be used again.

One `DeploymentState` per deployment id, owned by the engine and kept over a reload of the
configuration (`carry_over`). Every attempt holds a `Lease`: `started` takes it, `finished` or
`released` gives it back, exactly once, at the true end of a stream.

What keeps a deployment out is `eligibility`'s; what an error means is `effects`'.

Pure: `now` is monotonic seconds and is passed in, and so is randomness. One owner, no locks.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from math import inf
from random import Random
from typing import TYPE_CHECKING

import msgspec

from portico.errors import GatewayError, UpstreamTimeout
from portico.routing.circuit import Circuit
from portico.routing.concurrency import Aimd, Concurrency
from portico.routing.effects import effect_of
from portico.routing.expectation import Expectation
from portico.routing.gradient import Gradient
from portico.routing.meter import Meter
from portico.types.deployment import Deployment, Limits

if TYPE_CHECKING:
    from portico.routing.probing import ProbeState

COOL_FIRST_S = 1.0
COOL_MAX_S = 60.0
"""A 429 without a hint: doubles with each in a row, up to this. Also the most a 503's hint is
believed."""
HINT_MAX_S = 3600.0
"""The longest that a 429's hint keeps a deployment out."""
QUOTA_S = 300.0
MISSING_S = 60.0
CREDENTIAL_FIRST_S = 30.0
CREDENTIAL_MAX_S = 3600.0


FINDERS: dict[str, type[Aimd | Gradient]] = {"aimd": Aimd, "gradient": Gradient}
"""`adaptive_concurrency`, and who finds out how many a deployment takes at once."""


class Transition(msgspec.Struct, frozen=True):
    """A change worth a log line and a metric; `cause` is the code of the error that brought it."""

    deployment: str
    before: str
    after: str
    cause: str | None = None
    for_s: float | None = None


class Credential:
    """What is known about one key at one address; shared by the deployments that use it."""

    __slots__ = ("members", "probe", "refusals", "refused_until")

    def __init__(self) -> None:
        self.probe: ProbeState | None = None
        """What active checks say, where they are asked for."""
        self.refused_until = 0.0
        self.refusals = 0
        self.members: list[DeploymentState] = []


class DeploymentState:
    """Everything that moves about one deployment. Read it freely; this module changes it."""

    __slots__ = (
        "circuit",
        "concurrency",
        "cool_until",
        "cooled_at",
        "cooled_in_a_row",
        "credential",
        "deployment",
        "disabled",
        "draining",
        "expectation",
        "failed",
        "guarded",
        "hash_seed",
        "hindered",
        "in_flight",
        "last_error",
        "last_error_at",
        "last_error_message",
        "last_used_at",
        "max_in_flight",
        "meter",
        "metered",
        "missing_until",
        "requests",
        "succeeded",
        "weight",
    )

    def __init__(
        self, deployment: Deployment, meter: Meter, credential: Credential | None = None
    ) -> None:
        self.hash_seed = int.from_bytes(blake2b(deployment.id.encode(), digest_size=8).digest())
        """Where it stands for `affinity`; the same in every process."""
        self.meter = meter
        self.credential = credential or Credential()
        self.credential.members.append(self)
        self.circuit = Circuit(deployment.circuit)
        self.expectation = Expectation()
        self.concurrency: Concurrency | None = None
        self.in_flight = 0
        self.requests = self.succeeded = self.failed = 0
        self.last_used_at: float | None = None
        self.last_error: str | None = None
        self.last_error_message: str | None = None
        self.last_error_at: float | None = None
        self.disabled = self.draining = False
        self.cool_until = 0.0
        self.missing_until = 0.0
        self.cooled_at = float("-inf")
        self.cooled_in_a_row = 0
        self.hindered = False
        """May something other than limits stand in the way? Then `exclusion` looks closely."""
        self.adopt(deployment)

    def adopt(self, deployment: Deployment) -> None:
        """Take over a new configuration of the same deployment."""
        limits = deployment.limits
        self.deployment = deployment
        self.weight = max(deployment.weight, 1e-6)
        if limits.adaptive is None:
            self.concurrency = None
        else:
            finder = FINDERS[limits.adaptive]
            if type(self.concurrency) is not finder:
                self.concurrency = finder()
        self._bound()
        self.metered = limits.rpm is not None or limits.tpm is not None
        self.meter.limit(limits)
        self.circuit.adopt(deployment.circuit)
        self.mark(hindered=self.hindered)

    def _bound(self) -> None:
        most = self.deployment.limits.max_concurrent_requests
        self.max_in_flight = inf if most is None else most
        if self.concurrency is not None and self.concurrency.limit < self.max_in_flight:
            self.max_in_flight = int(self.concurrency.limit)

    def rebound(self) -> None:
        """Take over what `concurrency` has learned."""
        self._bound()
        self.mark(hindered=self.hindered)

    def mark(self, *, hindered: bool) -> None:
        """Keep `guarded`, which spares a healthy and unlimited deployment every closer look."""
        self.hindered = hindered
        self.guarded = hindered or self.metered or self.max_in_flight != inf

    def returns_at(self) -> float:
        """When the last of what keeps it out for a while is over."""
        return max(
            self.cool_until,
            self.missing_until,
            self.credential.refused_until,
            self.circuit.open_until,
        )


class Lease(msgspec.Struct, eq=False):
    """One attempt's hold on a deployment."""

    state: DeploymentState
    at: float
    tokens: int
    first_at: float | None = None
    is_open: bool = True
    reserved_at: float | None = None
    """When its tokens were, if that was earlier than `at`."""


def started(state: DeploymentState, now: float, tokens: int = 0) -> Lease:
    """An attempt begins: count it. `tokens` is what it may use, input and output together."""
    state.in_flight += 1
    state.requests += 1
    state.last_used_at = now
    state.meter.reserve(now, tokens)
    lease = Lease(state, now, tokens)
    if state.hindered:
        state.circuit.try_out(lease, now)
    return lease


def delayed(lease: Lease, now: float) -> None:
    """What is to be sent is ready only now: the time until here was not the deployment's."""
    if lease.reserved_at is None:
        lease.reserved_at = lease.at
    lease.at = now


def first_event(lease: Lease, now: float) -> None:
    """The first content event of a stream is here. A trial that got this far makes room for
    others."""
    lease.first_at = now
    state = lease.state
    state.expectation.first_event(now, now - lease.at)
    if state.concurrency is not None:
        state.concurrency.first_event(lease.at, now, state.in_flight)
        state.rebound()
    if state.hindered:
        state.circuit.answered(lease)


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

    An error that is not the deployment's doing (`effects`) teaches nothing. `used_tokens` replaces
    what was reserved at the start; `None` lets that stand. The answer names a change of health.
    """
    if not lease.is_open:
        return None
    state = lease.state
    if state.hindered and error is None and lease.first_at is None:
        state.circuit.answered(lease)
    _free(lease)
    if used_tokens is not None and used_tokens != lease.tokens:
        state.meter.settle(_reserved_at(lease), now, reserved=lease.tokens, used=used_tokens)
    if error is not None:
        return _learn_error(lease, now, error, rng)
    if state.concurrency is not None:
        streamed = lease.first_at is not None
        state.concurrency.succeeded(state.in_flight + 1, streamed=streamed)
        state.rebound()
    expectation = state.expectation
    first_at = lease.first_at
    if first_at is None:
        expectation.whole(now, now - lease.at, output_tokens)
    elif output_tokens is not None and output_tokens > 1:
        expectation.streamed(first_at, now, output_tokens)
    expectation.succeeded(now)
    state.succeeded += 1
    if state.cooled_in_a_row and lease.at >= state.cooled_at:
        state.cooled_in_a_row = 0
    if state.credential.refusals:
        state.credential.refusals = 0
        state.credential.refused_until = 0.0
    before = describe(state, now) if state.hindered else "healthy"
    if state.circuit.succeeded(lease.at, now):
        expectation.forgive()
        return Transition(state.deployment.id, before, describe(state, now))
    return None


def released(lease: Lease, now: float, *, sent: bool = True) -> None:
    """The attempt is over and says nothing about the deployment: the client left, or we stopped it.

    With `sent=False` it does not count at all.
    """
    if lease.is_open:
        _free(lease)
        if not sent:
            lease.state.requests -= 1
            lease.state.meter.cancel(_reserved_at(lease), now, reserved=lease.tokens)


def _reserved_at(lease: Lease) -> float:
    return lease.at if lease.reserved_at is None else lease.reserved_at


def _free(lease: Lease) -> None:
    lease.is_open = False
    state = lease.state
    state.in_flight -= 1
    if state.hindered:
        state.circuit.trials.discard(lease)


def _learn_error(lease: Lease, now: float, error: GatewayError, rng: Random) -> Transition | None:
    effect = effect_of(error)
    if effect is None:
        return None
    state = lease.state
    state.failed += 1
    state.last_error = error.code
    state.last_error_message = error.message
    state.last_error_at = now
    if state.concurrency is not None and (effect == "cool" or isinstance(error, UpstreamTimeout)):
        state.concurrency.refused(lease.at, now, state.in_flight + 1)
        state.rebound()
    before = describe(state, now)
    hint = error.retry_after_s
    if effect == "failure":
        state.expectation.failed(now)
        opened = state.circuit.failed(lease.at, now, rng)
        if opened:
            state.mark(hindered=True)
        if hint is not None and hint > 0.0:
            cool(state, now, min(hint, COOL_MAX_S))
        elif not opened:
            return None
    elif effect == "cool":
        cool(state, now, hint if hint else _guess(lease, now, rng))
    elif effect == "credential":
        _refuse(state.credential, now)
    elif effect == "quota":
        cool(state, now, QUOTA_S)
    else:
        state.missing_until = now + MISSING_S
        state.mark(hindered=True)
    after = describe(state, now)
    if after == before:
        return None
    return Transition(state.deployment.id, before, after, error.code, state.returns_at() - now)


def _guess(lease: Lease, now: float, rng: Random) -> float:
    """How long to keep away after a 429 that does not say.

    Those that were in flight together say one thing, not many, and do not make it longer.
    """
    state = lease.state
    if lease.at >= state.cooled_at:
        state.cooled_in_a_row += 1
        state.cooled_at = now
    doubled = COOL_FIRST_S * 2.0 ** min(max(state.cooled_in_a_row, 1) - 1, 10)
    return min(COOL_MAX_S, doubled) * (0.5 + rng.random() / 2.0)


def cool(state: DeploymentState, now: float, for_s: float) -> None:
    """Keep away from it for so long; a longer cool-down that already runs stays."""
    state.cool_until = max(state.cool_until, now + min(for_s, HINT_MAX_S))
    state.mark(hindered=True)


def _refuse(credential: Credential, now: float) -> None:
    if now >= credential.refused_until:
        credential.refusals += 1
        doubled = CREDENTIAL_FIRST_S * 2.0 ** min(credential.refusals - 1, 10)
        credential.refused_until = now + min(CREDENTIAL_MAX_S, doubled)
    for member in credential.members:
        member.mark(hindered=True)


def describe(state: DeploymentState, now: float) -> str:
    """One word for people and metrics: `healthy`, `disabled`, `draining`, `cooldown`, `credential`,
    `model_missing`, `open` or `half_open`."""
    if state.disabled:
        return "disabled"
    if state.draining:
        return "draining"
    if now < state.cool_until:
        return "cooldown"
    if now < state.credential.refused_until:
        return "credential"
    if now < state.missing_until:
        return "model_missing"
    circuit = state.circuit.name(now)
    return "healthy" if circuit == "closed" else circuit


def carry_over(
    deployments: Iterable[Deployment],
    old: Mapping[str, DeploymentState],
    make_meter: Callable[[Limits], Meter],
    credentials: dict[object, Credential] | None = None,
) -> dict[str, DeploymentState]:
    """States for a new configuration: the very same objects for deployments that did not change.

    A deployment that differs only in how it is chosen or limited keeps its state too; one that
    leads elsewhere (address, key, model) starts anew, but with what is known of its key, and with
    what an administrator said of its name.
    `make_meter` is `policy.limits.RateWindow`. `credentials` are those of this configuration so
    far, by what they lead to; new ones are added.
    """
    shared = {} if credentials is None else credentials
    known = {_destination(state.deployment): state.credential for state in old.values()}
    states: dict[str, DeploymentState] = {}
    for deployment in deployments:
        if deployment.id in states:
            continue
        key = _destination(deployment)
        credential = shared.get(key)
        if credential is None:
            credential = shared[key] = known.get(key) or Credential()
            credential.members = []
        state = old.get(deployment.id)
        if (
            state is not None
            and state.deployment.model == deployment.model
            and _destination(state.deployment) == key
        ):
            state.credential = credential
            credential.members.append(state)
            state.adopt(deployment)
        else:
            namesake = state
            state = DeploymentState(deployment, make_meter(deployment.limits), credential)
            if namesake is not None:
                state.disabled, state.draining = namesake.disabled, namesake.draining
                state.mark(hindered=state.disabled or state.draining)
        if credential.refused_until:
            state.mark(hindered=True)
        states[deployment.id] = state
    return states


def _destination(deployment: Deployment) -> object:
    provider = deployment.provider
    return provider.origin, provider.base_path, provider.api_key
