"""The story of a call, from its first byte to its last."""

import asyncio
import logging

from portico.engine import (
    admission,
    answers,
    attempts,
    coalescing,
    counting,
    fields,
    loading,
    settle,
)
from portico.engine.attempts import Served
from portico.engine.coalescing import SharedAnswer
from portico.engine.gate import Gate
from portico.engine.gateway import Gateway
from portico.engine.relay import StreamRelay
from portico.errors import Cancelled, GatewayError, InternalError, UpstreamError
from portico.types.call import NOBODY, NOWHERE, Addressed, Call, InferenceEndpoint
from portico.types.http import HttpResponse, Request, Responder
from portico.wire import envelope
from portico.wire.client_errors import error_writer

_NEVER_ANSWERED = Cancelled.status
"""The status of a call whose client left; if it has not, its connection is cut, not left open."""


def receive(
    gateway: Gateway,
    endpoint: InferenceEndpoint,
    request: Request,
    responder: Responder,
    request_id: str | None,
    addressed: Addressed | None = None,
) -> None:
    """Start a call; it answers through `responder` and is cancelled if the client leaves."""
    id = gateway.new_id()
    call = Call(id, request_id or id, endpoint, request, responder, gateway.clock(), gateway.wall())
    if addressed is not None:
        call.addressed = addressed
    gate = gateway.gate
    if gate is not None and gate.is_full and _turned_away(gateway, gate, call):
        return
    # Not `loop.create_task`: uvloop's takes half as long again, most of it to make up a name.
    call.task = task = asyncio.Task(run(gateway, call), loop=gateway.loop, name=id)
    responder.watch(gone=task.cancel)


def _turned_away(gateway: Gateway, gate: Gate, call: Call) -> bool:
    """Refuse what a full gateway has no room for, before anything is spent on it: a refusal must
    cost little, or those who are served pay for it.

    Whoever needs no place (a count of tokens, an answer that may be shared) or has another fault is
    told by `run`.
    """
    snapshot = gateway.snapshot
    if snapshot.coalesces or call.endpoint.operation == "count_tokens":
        return False
    try:
        principal = admission.authenticate(snapshot, call.request.headers, call.at)
        call.principal = principal
        priority = admission.priority(call, reads_body=True)
    except GatewayError:
        return False
    error = gate.refusal(principal, priority)
    if error is None:
        return False
    status = _refuse(gateway, call, error)
    seconds = gateway.clock() - call.received_at
    gateway.meter.http_request(call.endpoint.name, status, seconds, call.overhead_s)
    return True


async def run(gateway: Gateway, call: Call) -> None:
    """Authenticate, peek, choose, send, relay, settle; every way out passes `finally`."""
    gateway.calls[call] = call.task  # here: a task that is cancelled before it begins never ends it
    status = _NEVER_ANSWERED
    gate = gateway.gate
    place = None
    sharing: bytes | None = None
    try:
        snapshot = gateway.snapshot
        call.principal = admission.authenticate(snapshot, call.request.headers, call.at)
        call.envelope = envelope.peek(call.request.body)
        if call.addressed is not None:
            call.envelope = envelope.address(call.envelope, call.addressed)
        elif call.endpoint.streams_unless_told and call.envelope.stream is None:
            call.envelope = envelope.streaming(call.envelope)
        if call.principal.user_field is not None:
            call.envelope = admission.with_user(call, call.principal.user_field)
        call.route = admission.choose_route(snapshot, call.principal, call.endpoint, call.envelope)
        if snapshot.rules:
            call.route = admission.follow_rules(snapshot, call)
        if call.route.coalesce:
            key = coalescing.key_of(call)
            if key is not None:
                found = await _join(gateway, call, key)
                if found is not None:
                    status = _share(gateway, call, found)
                    return
                sharing = key
        if gate is not None:
            priority = admission.priority(call, reads_body=gate.is_full)
            place = await gate.enter(call.principal, priority)
        gateway.journal.admit()
        served = await attempts.send(gateway, snapshot, call)
        if isinstance(served.answer, StreamRelay):
            status = await _stream(gateway, call, served, served.answer)
        else:
            status = _whole(gateway, call, served, served.answer)
            if sharing is not None:
                gateway.shared.settle(sharing, _shared_answer(served, served.answer))
    except GatewayError as error:
        if sharing is not None:
            gateway.shared.settle(sharing, error)
        status = _without_answer(gateway, call, error)
    except asyncio.CancelledError:
        interruption = attempts.interruption(gateway, call)
        status = interruption.status
        if not call.streamed:
            _refuse(gateway, call, interruption)
        raise
    except Exception:
        gateway.log.exception("a call failed inside the gateway", extra=_log_fields(call))
        status = _refuse(gateway, call, InternalError("The gateway failed; its log says why."))
    finally:
        if status == _NEVER_ANSWERED:
            call.responder.abort()
        del gateway.calls[call]
        if sharing is not None:
            gateway.shared.abandon(sharing)
        if gate is not None and place is not None:
            gate.leave(place)
        if call.attempts and not call.is_settled:
            settle.finish(gateway, call, status)
        seconds = gateway.clock() - call.received_at
        gateway.meter.http_request(call.endpoint.name, status, seconds, call.overhead_s)


def _whole(gateway: Gateway, call: Call, served: Served, response: HttpResponse) -> int:
    attempt = served.attempt
    body = response.body
    usage = settle.usage_of(call, attempt, attempt.usage, body_bytes=len(body))
    settle.end_attempt(gateway, call, served.target, attempt, served.lease, usage=usage)
    settle.finish(gateway, call, response.head.status)
    call.overhead_s = gateway.clock() - call.received_at - call.upstream_s
    lines = fields.served(call, served, response.head.headers)
    call.responder.send(response.head.status, lines, body)
    return response.head.status


async def _join(gateway: Gateway, call: Call, key: bytes) -> SharedAnswer | None:
    """Wait for an identical call that is under way; the time is the provider's, not ours."""
    before = gateway.clock()
    try:
        found = await gateway.shared.join(key)
        if found is not None:
            gateway.meter.shared("answer")
        return found
    except GatewayError:
        gateway.meter.shared("error")
        raise
    finally:
        call.upstream_s += gateway.clock() - before


def _shared_answer(served: Served, response: HttpResponse) -> SharedAnswer:
    return SharedAnswer(
        response.body,
        response.head.headers,
        served.passage.content_type,
        served.attempt.deployment.id,
    )


def _share(gateway: Gateway, call: Call, answer: SharedAnswer) -> int:
    """Answer with what another call got. Nothing was asked and nothing is billed."""
    call.overhead_s = gateway.clock() - call.received_at - call.upstream_s
    call.responder.send(200, fields.shared(call, answer), answer.body)
    return 200


async def _stream(gateway: Gateway, call: Call, served: Served, relay: StreamRelay) -> int:
    """Let events run; then settle, then send the end that was held back."""
    attempt = served.attempt
    responder = call.responder
    error: GatewayError | None = None
    call.streamed = True
    try:
        call.overhead_s = gateway.clock() - call.received_at - call.upstream_s
        responder.watch(gone=gateway.calls[call].cancel, pause=relay.pause, resume=relay.resume)
        relay.start(responder, fields.served(call, served, relay.head.headers))
        await relay.ended()
        failure = relay.failure()
        error = failure
        if isinstance(failure, UpstreamError):
            error = answers.conceal(failure, served.target.deployment.provider)
    except asyncio.CancelledError:
        error = attempts.interruption(gateway, call)
        raise
    finally:
        relay.unwatch()
        if error is not None:
            relay.stream.close()
            attempt.partial = True
        usage = settle.usage_of(call, attempt, relay.tap.usage, events=relay.tap.events)
        settle.end_attempt(
            gateway, call, served.target, attempt, served.lease, usage=usage, error=error
        )
        settle.finish(gateway, call, 200)
        _end_stream(gateway, call, relay, error)
    return 200


def _end_stream(
    gateway: Gateway, call: Call, relay: StreamRelay, error: GatewayError | None
) -> None:
    """A proper end, or an error as the dialect ends a broken stream: never a forged success."""
    if error is None:
        call.responder.finish(relay.take())
        return
    _log_refusal(gateway, call, error)
    if call.endpoint.binary:
        call.responder.abort()
    else:
        call.responder.finish(relay.take() + relay.tap.fail(error))


def _without_answer(gateway: Gateway, call: Call, error: GatewayError) -> int:
    """No provider has answered: an error, or what the gateway can say itself."""
    if counting.may_estimate(call, error):
        try:
            return counting.estimate(call)
        except GatewayError as invalid:
            error = invalid
    elif loading.may_answer(call, error):
        return loading.answer(call)
    return _refuse(gateway, call, error)


def _refuse(gateway: Gateway, call: Call, error: GatewayError) -> int:
    """Answer with an error, in the caller's dialect."""
    _log_refusal(gateway, call, error)
    if call.attempts:
        settle.finish(gateway, call, error.status)
    lines = b"content-type: application/json\r\n%b%b%b" % (
        fields.id_lines(call),
        fields.of_error(error),
        fields.refused(call),
    )
    if call.streamed:
        call.responder.abort()
    else:
        call.responder.send(
            error.status, lines, error.body or error_writer(call.endpoint.dialect)(error)
        )
    return error.status


def _log_refusal(gateway: Gateway, call: Call, error: GatewayError) -> None:
    level = logging.INFO if error.blame == "client" else logging.WARNING
    if gateway.log.isEnabledFor(level) and gateway.may_log_refusal():
        gateway.log.log(
            level,
            "%s %s: %s %s: %s",
            call.request.method,
            call.request.path,
            error.status,
            error.code,
            error.message,
            extra=_log_fields(call),
        )


def _log_fields(call: Call) -> dict[str, object]:
    """What joins a log line with the answer, the journal and the metrics."""
    known: dict[str, object] = {"request_id": call.request_id}
    if call.id != call.request_id:
        known["call_id"] = call.id
    if call.principal is not NOBODY:
        known["key"] = call.principal.key_id
    if call.route is not NOWHERE:
        known["route"] = call.route.name
    if call.attempts:
        deployment = call.attempts[-1].deployment
        known["deployment"] = deployment.id
        known["upstream"] = deployment.provider.origin
    return known
