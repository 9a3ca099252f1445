"""Is a provider's whole answer a good one? What of its errors may the client see?

An answer that reports usage is taken as it is; one that does not is looked at closely, since JSON
that breaks off, `{}` and errors in disguise report none.
"""

from typing import Any

import msgspec

from portico.engine import settle
from portico.engine.passage.plan import Passage
from portico.errors import UpstreamError, UpstreamProtocol
from portico.logs import scrub
from portico.types.call import Attempt, Call
from portico.types.deployment import Provider
from portico.types.http import HttpHead, HttpResponse
from portico.types.secret import mask

_MAX_PASSED_ERROR = 64 * 1024
_UNTOLD = (401, 403)
"""Statuses whose words are about the gateway's credential, and may quote it."""
_JSON_STARTS = frozenset(b'{["')
_CHOICES = b'"choices"'
_HOLLOW = (b":[]", b": []")
"""How compatible servers go on after `"choices"` where there is none."""
_MAX_HOLLOW = 4096
"""A longer one has something in it; to look through those would cost more than all the rest."""
_ANSWERS = ("choices", "content", "candidates", "promptFeedback", "output", "message")
"""Where the dialects have the answer of a chat."""


class _Disguised(msgspec.Struct):
    error: Any = None


_DISGUISED = msgspec.json.Decoder(_Disguised)
_SKIPPED: msgspec.json.Decoder[Any] = msgspec.json.Decoder(msgspec.Raw)


def check(response: HttpResponse, passage: Passage) -> None:
    """Raise `UpstreamError` unless it is a success with JSON in it."""
    status = response.head.status
    body = response.body
    if 200 <= status < 300:
        if body.startswith(b'{"error"'):
            look_for_error(response, passage)
        if body[:1] and (body[0] in _JSON_STARTS or body.lstrip()[:1] in (b"{", b"[")):
            return
        kind = response.head.headers.get(b"content-type", b"an unnamed type").decode("latin-1")
        raise UpstreamProtocol(
            f"The provider answered {status} with {kind[:80]} instead of JSON; "
            "is its base_url right?",
            upstream_status=status,
        )
    error = passage.read_error(response.head, body)
    if passage.passes_errors and error.status == status and status not in _UNTOLD:
        error.body = _passable(body if error.body is None else error.body)
    else:
        error.body = None
    raise error


def look_for_error(response: HttpResponse, passage: Passage) -> None:
    """Some aggregators answer 200 with nothing but an error in the body; others begin a good answer
    with `"error": null`."""
    try:
        given = _DISGUISED.decode(response.body).error
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return
    if given:
        raise passage.read_error(response.head, response.body)


def read_whole(call: Call, attempt: Attempt, passage: Passage, answer: HttpResponse) -> None:
    """Make of the provider's answer the client's. One that reports no usage is looked at closely:
    is it an answer at all?
    """
    body = answer.body
    try:
        answer.body, attempt.usage = passage.whole(body)
        if attempt.usage is None:
            _look_closely(call, answer.head, body, passage)
        elif len(body) <= _MAX_HOLLOW and call.endpoint.operation == "chat" and _is_hollow(body):
            raise _hollow(answer.head)
    except UpstreamProtocol:
        if attempt.usage is None and not _is_json(body):
            attempt.usage = settle.usage_of(call, attempt, None, body_bytes=len(body))
        raise


def _look_closely(call: Call, head: HttpHead, body: bytes, passage: Passage) -> None:
    look_for_error(HttpResponse(head, body), passage)
    if not _is_json(body):
        raise UpstreamProtocol(
            "The provider's answer is not valid JSON.", upstream_status=head.status
        )
    if call.endpoint.operation in ("chat", "response"):
        value = msgspec.json.decode(body)
        if not isinstance(value, dict) or not any(map(value.get, _ANSWERS)):
            raise _hollow(head)


def _is_json(body: bytes) -> bool:
    try:
        _SKIPPED.decode(body)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return False
    return True


def _is_hollow(body: bytes) -> bool:
    at = body.find(_CHOICES)
    return at >= 0 and body.startswith(_HOLLOW, at + len(_CHOICES))


def _hollow(head: HttpHead) -> UpstreamProtocol:
    return UpstreamProtocol("The provider answered without an answer.", upstream_status=head.status)


def conceal(error: UpstreamError, provider: Provider) -> UpstreamError:
    """The error with the provider's credential, and whatever else looks like a key, masked; and
    with its name for its address, which is the operator's business.
    """
    key = provider.api_key.reveal()
    message = error.message.replace(key, mask(key)) if key else error.message
    message = message.replace(str(provider.origin), f"the provider {provider.name}")
    error.message = scrub(message)
    if key and error.body is not None and key.encode() in error.body:
        error.body = None
    return error


def _passable(body: bytes) -> bytes | None:
    """The provider's own error object, if it is JSON and nothing in it looks like a key."""
    if len(body) > _MAX_PASSED_ERROR or b'"error"' not in body:
        return None
    try:
        text = body.decode()
        if not isinstance(msgspec.json.decode(body), dict):
            return None
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return None
    return body if scrub(text) == text else None
