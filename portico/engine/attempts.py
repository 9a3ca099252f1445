"""Send a call to a deployment, and to the next one if that fails.

`routing` decides, this module does. A call leaves it with an answer to relay: whole, or a stream
whose first event is here. Nothing has been sent to the client until then, so any failure so far
is unseen.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec

from portico.engine import admission, answers, explaining, settle
from portico.engine.gateway import Gateway
from portico.engine.hedging import LOST, race
from portico.engine.media import MediaWanted
from portico.engine.passage.plan import Passage, plan
from portico.engine.passage.straight import Straight
from portico.engine.passage.vectors import Embedded, Ranked
from portico.engine.relay import StreamRelay
from portico.engine.snapshot import BoundRoute, Snapshot, Target
from portico.errors import (
    Cancelled,
    Draining,
    GatewayError,
    InternalError,
    NotSupported,
    UpstreamAuthentication,
    UpstreamError,
    UpstreamLacksDialect,
    UpstreamModelNotFound,
    UpstreamProtocol,
    UpstreamTimeout,
)
from portico.http.base import HeldCredential, Pool
from portico.integrations.base import HedgeOutcome
from portico.routing import health, retry
from portico.routing.health import DeploymentState, Lease
from portico.routing.hedging import Hedge
from portico.routing.router import Cause, Outlook, Refusal, next_deployment, outlook, refusal_error
from portico.routing.strategies import RoutingRequest
from portico.types.call import Attempt, Call
from portico.types.http import HttpRequest, HttpResponse, Timeouts

_NO_SUCH_PLACE = (404, 405, 501)
_OUTRUN = "Another deployment answered first."
_LEAST_S = 0.001


class Served(msgspec.Struct):
    """An attempt that has an answer."""

    target: Target
    attempt: Attempt
    lease: Lease
    passage: Passage
    answer: HttpResponse | StreamRelay


class _Course(msgspec.Struct, eq=False):
    """Where a call is on its way: the route, the routes visited, the deployments tried, and the
    fallbacks of earlier routes that have not had their turn.
    """

    route: BoundRoute
    request: RoutingRequest
    wished: tuple[str, ...]
    """The client's own fallbacks: they come before those of the routes."""
    visited: tuple[str, ...]
    tried: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()


async def send(gateway: Gateway, snapshot: Snapshot, call: Call) -> Served:
    """Raises the error of the last attempt when routing says that no other may help."""
    route = snapshot.bind(call.route)
    wished = admission.wished_fallbacks(snapshot, call)
    course = _Course(route, route.demand.of(call), wished, (call.route.name,))
    explains = explaining.is_wanted(call)
    while True:
        now = gateway.clock()
        choice = next_deployment(
            course.route.state,
            now=now,
            rng=gateway.rng,
            tried=course.tried,
            request=course.request,
        )
        if explains:
            explaining.note(
                call,
                course.route.state,
                choice,
                now=now,
                tried=course.tried,
                request=course.request,
            )
        if not isinstance(choice, DeploymentState):
            error: GatewayError = refusal_error(course.route.state, choice)
            decision = _after_refusal(snapshot, call, course, choice, now)
        else:
            try:
                if course.route.hedge is not None:
                    return await _hedged(
                        gateway, snapshot, call, course, course.route.hedge, choice, now
                    )
                lease = health.started(choice, now, course.request.tokens)
                return await _attempt(gateway, snapshot, call, lease, now)
            except NotSupported as mismatch:
                error = mismatch
                course.tried += (choice.deployment.id,)
                decision = _after_mismatch(course, now)
            except UpstreamLacksDialect:
                continue
            except UpstreamError as failure:
                error = failure
                course.tried += (choice.deployment.id,)
                decision = _after_failure(gateway, snapshot, call, course, failure)
        match decision:
            case retry.NextDeployment():
                pass
            case retry.RetryAfter(seconds):
                await asyncio.sleep(seconds)
                call.upstream_s += seconds
            case retry.Fallback(cause):
                name, *waiting = _plan(snapshot, course, cause)
                course.waiting = tuple(waiting)
                _change_route(snapshot, call, course, name)
            case _:
                raise error
        call.timeouts = _remaining(gateway, call, course)


def _remaining(gateway: Gateway, call: Call, course: _Course) -> Timeouts:
    """The timers of a further try: `total` is the call's, so that it has what is left of it."""
    left_s = _total_left_s(call, course, gateway.clock())
    return msgspec.structs.replace(
        course.route.route.timeouts, total=max(round(left_s, 3), _LEAST_S)
    )


def _total_left_s(call: Call, course: _Course, now: float) -> float:
    total_s = course.route.route.timeouts.total
    return total_s - (now - call.attempts[0].started_at) if call.attempts else total_s


def _after_refusal(
    snapshot: Snapshot, call: Call, course: _Course, refusal: Refusal, now: float
) -> retry.Decision:
    return retry.decide_refusal(
        refusal,
        course.route.route.retry,
        attempts=len(call.attempts),
        elapsed_s=now - call.received_at,
        has_fallback=bool(_plan(snapshot, course, refusal.cause)),
    )


def _after_mismatch(course: _Course, now: float) -> retry.Decision:
    """A provider that does not offer this operation was not asked: no attempt, no budget."""
    ahead = outlook(course.route.state, now=now, tried=course.tried, request=course.request)
    return retry.NEXT if ahead.untried else retry.FAIL


def _after_failure(
    gateway: Gateway, snapshot: Snapshot, call: Call, course: _Course, error: UpstreamError
) -> retry.Decision:
    now = gateway.clock()
    if course.request.max_cost_nanousd is not None:
        course.request = course.route.demand.of(call)  # less what the attempt has cost
    cause = retry.fallback_cause(error)
    has_fallback = cause is not None and bool(_plan(snapshot, course, cause))
    ahead: Outlook = outlook(
        course.route.state, now=now, tried=course.tried, request=course.request
    )
    policy = course.route.route.retry
    deadline_s = policy.deadline_s
    left_s = min(deadline_s - (now - call.received_at), _total_left_s(call, course, now))
    return retry.decide(
        error,
        policy,
        attempts=len(call.attempts),
        elapsed_s=deadline_s - left_s,
        budget=course.route.state.budget,
        outlook=ahead,
        now=now,
        rng=gateway.rng,
        has_fallback=has_fallback,
    )


def _plan(snapshot: Snapshot, course: _Course, cause: Cause) -> tuple[str, ...]:
    """The routes to go on with: those the client named, then the present one's own fallbacks, then
    those left from before.
    """
    own = retry.plan_fallbacks(course.route.route, snapshot, cause, course.visited)
    if course.wished:
        asked = tuple(name for name in course.wished if name not in course.visited)
        own = asked + tuple(name for name in own if name not in asked)
    left = tuple(name for name in course.waiting if name not in own and name not in course.visited)
    return own + left if len(course.visited) <= retry.MAX_FALLBACK_DEPTH else ()


def _change_route(snapshot: Snapshot, call: Call, course: _Course, name: str) -> None:
    """Go on with another route; the original request is the one that is sent there."""
    course.route = snapshot.bind(snapshot[name])
    course.request = course.route.demand.of(call)
    course.visited += (name,)


async def _hedged(
    gateway: Gateway,
    snapshot: Snapshot,
    call: Call,
    course: _Course,
    hedge: Hedge,
    choice: DeploymentState,
    now: float,
) -> Served:
    """One attempt, and another beside it if that takes unusually long."""
    route, request, first = course.route, course.request, choice.deployment.id
    waited_s, begun = call.upstream_s, len(call.attempts) + 1
    leases = [health.started(choice, now, request.tokens)]

    def second() -> Coroutine[Any, Any, Served] | None:
        moment = gateway.clock()
        tried = (*course.tried, first)
        policy = route.route.retry
        if begun >= policy.max_attempts or moment - call.received_at >= policy.deadline_s:
            return None
        other = next_deployment(
            route.state, now=moment, rng=gateway.rng, tried=tried, request=request
        )
        if isinstance(other, Refusal) or other.deployment.id in tried:
            return None
        if not hedge.may_cost(other.deployment, request) or not hedge.take(moment):
            return None
        course.tried += (other.deployment.id,)
        call.timeouts = _remaining(gateway, call, course)
        leases.append(health.started(other, moment, request.tokens))
        return _attempt(gateway, snapshot, call, leases[-1], moment)

    def discard(late: Served) -> None:
        _discard(gateway, call, late)

    wait_s = hedge.wait_s(first, now)
    attempt = _attempt(gateway, snapshot, call, leases[0], now)
    winner: Lease | None = None
    outcome: HedgeOutcome = "failed"
    try:
        served = await (
            attempt if wait_s is None else race(attempt, wait_s, second, discard, _is_final)
        )
        winner = served.lease
        outcome = "lost" if served.target.deployment.id == first else "won"
    finally:
        for lease in leases:  # of one that was cancelled before it could begin
            if lease is not winner:
                health.released(lease, now, sent=False)
        if len(leases) > 1:
            gateway.meter.hedged(outcome)
    here = gateway.clock()
    call.upstream_s = waited_s + here - now
    began, first_at = served.attempt.started_at, served.attempt.first_byte_at
    hedge.learn(served.target.deployment.id, (here if first_at is None else first_at) - began)
    if served.target.deployment.id != first:
        hedge.learn(first, here - now)
    return served


def _is_final(error: BaseException) -> bool:
    """Would every deployment say so? Then a second copy need not be waited for."""
    return not isinstance(error, NotSupported) and (
        not isinstance(error, GatewayError) or retry.rule_of(error) is None
    )


def _discard(gateway: Gateway, call: Call, late: Served) -> None:
    """An answer that another one came before: it is billed, and not sent."""
    answer, attempt = late.answer, late.attempt
    error = None
    if isinstance(answer, StreamRelay):
        answer.unwatch()
        answer.stream.close()
        attempt.partial = True
        error = Cancelled(_OUTRUN)
        usage = settle.usage_of(call, attempt, answer.tap.usage, events=answer.tap.events)
    else:
        usage = settle.usage_of(call, attempt, attempt.usage, body_bytes=len(answer.body))
    settle.end_attempt(gateway, call, late.target, attempt, late.lease, usage=usage, error=error)


async def _attempt(
    gateway: Gateway, snapshot: Snapshot, call: Call, lease: Lease, now: float
) -> Served:
    """`lease` was taken in the turn of the event loop in which its deployment was chosen, so that
    nobody else has taken the same place.
    """
    target = snapshot.target(lease.state.deployment)
    try:
        if target.held is not None:
            await _refresh(gateway, target, target.held)
        try:
            passage = plan(call, target, gateway.conversations)
        except MediaWanted as media:
            left_s = call.route.retry.deadline_s - (now - call.received_at)
            await gateway.media.provide(call, media.wanted, left_s)
            call.upstream_s += gateway.clock() - now
            now = gateway.clock()
            health.delayed(lease, now)
            passage = plan(call, target, gateway.conversations)
    except BaseException:
        health.released(lease, now, sent=False)
        raise
    dropped = call.dropped_params
    attempt = settle.start_attempt(gateway, call, target, now)
    try:
        answer = await _ask(gateway, call, target, attempt, passage)
        if isinstance(answer, HttpResponse):
            answers.read_whole(call, attempt, passage, answer)
    except UpstreamError as error:
        call.upstream_s += gateway.clock() - now
        if isinstance(error, UpstreamAuthentication):
            _doubt(target)
        answers.conceal(error, target.deployment.provider)
        if attempt.usage is None and _may_be_billed(passage.upstream, error):
            attempt.usage = settle.usage_before_an_answer(call)
        attempt.partial = attempt.usage is not None
        lacking = _disowned(gateway, call, target, passage, error)
        if attempt.number > 1 and isinstance(error, UpstreamTimeout) and error.timer == "total":
            # It had what others left of the call's time, which says nothing about it.
            health.released(lease, gateway.clock())
        settle.end_attempt(
            gateway, call, target, attempt, lease, usage=attempt.usage, error=lacking or error
        )
        if lacking is not None:
            raise lacking from error
        raise
    except asyncio.CancelledError as why:
        attempt.partial = True
        left = Cancelled(_OUTRUN) if why.args == (LOST,) else interruption(gateway, call)
        if attempt.usage is None and passage.upstream.is_sent:
            attempt.usage = settle.usage_before_an_answer(call)
        settle.end_attempt(gateway, call, target, attempt, lease, usage=attempt.usage, error=left)
        raise
    except Exception as error:
        ours = error if isinstance(error, GatewayError) else InternalError("The gateway failed.")
        settle.end_attempt(gateway, call, target, attempt, lease, usage=None, error=ours)
        raise
    here = gateway.clock()
    call.upstream_s += here - now
    if attempt.first_byte_at is None:
        attempt.first_byte_at = here
    if isinstance(answer, StreamRelay):
        health.first_event(lease, attempt.first_byte_at)
    call.dropped_params = dropped
    return Served(target, attempt, lease, passage, answer)


def interruption(gateway: Gateway, call: Call) -> Cancelled | Draining:
    """Why a call's task was cancelled."""
    if gateway.is_draining and not call.responder.is_gone:
        return Draining("The gateway is shutting down; try again.", retry_after_s=1.0)
    return Cancelled("The client left before the answer was complete.")


def _may_be_billed(sent: HttpRequest, error: UpstreamError) -> bool:
    """Was the provider at work when we hung up, or the connection broke?"""
    status = error.upstream_status
    if status is not None and not 200 <= status < 300:
        return False
    if isinstance(error, UpstreamTimeout):
        return sent.is_sent and error.timer != "upstream"
    return isinstance(error, UpstreamProtocol) and error.is_cut


def _disowned(
    gateway: Gateway, call: Call, target: Target, passage: Passage, error: UpstreamError
) -> UpstreamLacksDialect | None:
    """What an older server says of an endpoint that its kind has by now: it is asked in its usual
    dialect from here on. Nothing of an answer is lost: there was none.
    """
    asked = call.endpoint
    if error.upstream_status not in _NO_SUCH_PLACE or isinstance(error, UpstreamModelNotFound):
        return None
    if not isinstance(passage, Straight) or asked.operation not in ("chat", "response"):
        return None
    if asked.dialect == target.dialect or asked.shape is not None:
        return None
    target.disown(asked.dialect)
    told = (
        f"{target.deployment.id} does not offer {asked.dialect}: it answered "
        f"{error.upstream_status}"
    )
    gateway.log.warning("%s; it is asked in %s from now on", told, target.dialect)
    return UpstreamLacksDialect(f"{told}.", upstream_status=error.upstream_status)


async def _refresh(gateway: Gateway, target: Target, held: HeldCredential) -> None:
    """See that the target has a credential that can be used now."""
    try:
        target.credential = held.current() or await held.fresh()
    except GatewayError as error:
        name = target.deployment.provider.name
        gateway.log.error("no credential for the provider %s: %s", name, error.message)
        raise UpstreamAuthentication(
            f"The gateway has no usable credential for the provider {name}; its log says why."
        ) from error


def _doubt(target: Target) -> None:
    """The provider refused the credential; one that was fetched is fetched again."""
    if target.held is not None and target.credential is not None:
        target.held.refused(target.credential)


async def _ask(
    gateway: Gateway, call: Call, target: Target, attempt: Attempt, passage: Passage
) -> HttpResponse | StreamRelay:
    """One request to one provider; raises `UpstreamError` unless the answer is a good one."""
    upstream = passage.upstream
    pool = gateway.pool(upstream)
    if passage.tap is None:
        response = await pool.send(upstream)
        attempt.status = response.head.status
        answers.check(response, passage)
        # Whether a Struct is of its own class is seen at once, of another only by the metaclass.
        if not isinstance(passage, Straight) and isinstance(passage, Embedded | Ranked):
            passage.answers = [response, *await _rest(pool, passage)]
        return response
    answer = await pool.open(upstream)
    attempt.status = answer.head.status
    if isinstance(answer, HttpResponse):
        answers.check(answer, passage)
        answers.look_for_error(answer, passage)
        attempt.usage = settle.usage_of(call, attempt, None, body_bytes=len(answer.body))
        raise UpstreamProtocol("The provider was asked for a stream and answered with a whole.")
    relay = StreamRelay(answer, passage.tap, upstream.timeouts)
    try:
        await relay.begun()
    except asyncio.CancelledError:
        attempt.usage = relay.tap.usage
        answer.close()
        raise
    error = relay.early_error()
    if error is not None:
        answer.close()
        if relay.document:
            answers.look_for_error(HttpResponse(answer.head, relay.document), passage)
        attempt.usage = relay.tap.usage
        raise error
    if call.route.buffered:
        attempt.first_byte_at = gateway.clock()
        await _buffer(call, attempt, relay)
    return relay


async def _buffer(call: Call, attempt: Attempt, relay: StreamRelay) -> None:
    """Hold the whole answer back: the client has seen nothing of one that breaks, and another may
    begin anew. What the broken one generated is paid for all the same.
    """
    error: GatewayError | None = None
    is_whole = False
    try:
        await relay.whole()
        error = relay.failure()
        is_whole = error is None
    finally:
        if not is_whole:
            relay.unwatch()
            relay.stream.close()
            attempt.partial = True
            attempt.usage = settle.usage_of(call, attempt, relay.tap.usage, events=relay.tap.events)
    if error is not None:
        raise error


async def _rest(pool: Pool, passage: Embedded | Ranked) -> list[HttpResponse]:
    """The answers to the further requests of one attempt: where one fails, the attempt has."""
    rest = []
    for request in passage.more:
        answer = await pool.send(request)
        answers.check(answer, passage)
        rest.append(answer)
    return rest
