"""Who is asking, and may they? Answers from memory only."""

import re
from base64 import b64decode
from hashlib import sha256
from typing import Any, Final

import msgspec

from portico.engine import demand
from portico.engine.snapshot import Snapshot
from portico.errors import (
    AuthenticationFailed,
    InvalidRequest,
    KeyExpired,
    ModelNotFound,
    PermissionDenied,
)
from portico.policy import access
from portico.policy.estimate import tokens_of
from portico.routing import rules
from portico.routing.retry import MAX_FALLBACK_DEPTH
from portico.types.call import Call, Envelope, InferenceEndpoint
from portico.types.deployment import Route
from portico.types.http import Headers
from portico.types.identity import Principal
from portico.types.secret import mask
from portico.wire import conversation

FALLBACKS = b"x-portico-fallbacks"
IDLE_TAG = ":latest"
"""Ollama's clients append it to a name without a tag, at every endpoint; where no model is called
so, it means nothing.
"""
PRIORITY = b"x-portico-priority"
MAX_PRIORITY = 100
MAX_USER = 256
FLEX_BELOW = 10
"""So much lower than its key's is the priority of a call that asks for the flexible tier."""
_KEY_FIELDS = (b"x-api-key", b"api-key", b"x-goog-api-key")


class _Tiered(msgspec.Struct):
    service_tier: Any = None


_TIER: Final = msgspec.json.Decoder(_Tiered)


def credential(headers: Headers) -> bytes | None:
    """The key a client sent: `authorization` (Bearer or Basic), `x-api-key` or `api-key`."""
    value = headers.get(b"authorization")
    if value is not None:
        scheme, _, token = value.partition(b" ")
        scheme = scheme.lower()
        if scheme == b"bearer":
            return token.strip()
        return _password(token) if scheme == b"basic" else None
    for field in _KEY_FIELDS:
        value = headers.get(field)
        if value is not None:
            return value
    return None


def _password(token: bytes) -> bytes | None:
    """The key as a browser sends it: the password of Basic authentication (RFC 7617)."""
    try:
        return b64decode(token, validate=True).partition(b":")[2]
    except ValueError:
        return None


def authenticate(snapshot: Snapshot, headers: Headers, now: float) -> Principal:
    """`now` is UTC epoch seconds.

    Keys are looked up by their SHA-256, so the time this takes tells nothing about how much of a
    key was right: whoever guesses sees only hashes compared.
    """
    token = credential(headers)
    if not token:
        raise AuthenticationFailed(
            "No API key was sent. Send it as `authorization: Bearer <key>`, `x-api-key: <key>` "
            "or `api-key: <key>`.",
            code="missing_api_key",
        )
    principal = snapshot.principals.get(sha256(token).digest())
    if principal is None:
        shown = mask(token.decode("latin-1"))
        raise AuthenticationFailed(
            f"The API key {shown} is not known here. Check that it is a key of this gateway, "
            "not of a provider."
        )
    if principal.expires_at is not None and access.is_expired(principal, now):
        raise KeyExpired(f"The API key {principal.name!r} has expired. Ask for a new one.")
    return principal


def with_user(call: Call, field: bytes) -> Envelope:
    """The envelope with the user whom a trusted front end names in this field, if it names one."""
    value = call.request.headers.get(field)
    if not value or len(value) > MAX_USER:
        return call.envelope
    return msgspec.structs.replace(call.envelope, user=value.decode("latin-1"))


def choose_route(
    snapshot: Snapshot, principal: Principal, endpoint: InferenceEndpoint, envelope: Envelope
) -> Route:
    """The route the body's model names; fills in the endpoint's default model if there is none."""
    name = envelope.model
    if not name:
        name = endpoint.default_model
        if name is None:
            raise InvalidRequest(
                "`model` is missing; name one of those that GET /v1/models lists.",
                param="model",
                code="missing_model",
            )
    route = snapshot.resolve(name)
    if route is None and name.endswith(IDLE_TAG):
        name = name.removesuffix(IDLE_TAG)
        route = snapshot.resolve(name)
    if route is None:
        raise ModelNotFound(
            f"The model {shown_name(name)} does not exist here; "
            "GET /v1/models lists those that do.",
            param="model",
        )
    if not access.may_use(principal, name):
        raise PermissionDenied(
            f"The API key {principal.name!r} may not use the model {shown_name(name)}.",
            param="model",
            code="model_not_allowed",
        )
    return route


def priority(call: Call, *, reads_body: bool) -> int:
    """The call's place in line: its key's, or a lower one that the client asks for.

    By number in the header, or by `service_tier: flex` in the body, which is looked at only if
    there is a line (`reads_body`).
    """
    own = call.principal.priority
    wished = own
    value = call.request.headers.get(PRIORITY)
    if value is not None:
        wished = _number(value)
    if reads_body and _is_flexible(call.request.body):
        wished = min(wished, own - FLEX_BELOW)
    return min(own, wished)


def _number(value: bytes) -> int:
    text = value.decode("latin-1").strip()
    if not re.fullmatch(r"[+-]?[0-9]{1,3}", text) or abs(int(text)) > MAX_PRIORITY:
        raise InvalidRequest(
            f"`x-portico-priority` is {shown_name(text)}; give a whole number from "
            f"-{MAX_PRIORITY} to {MAX_PRIORITY}.",
            code="invalid_priority",
        )
    return int(text)


def _is_flexible(body: bytes) -> bool:
    if b'"service_tier"' not in body:
        return False
    try:
        return bool(_TIER.decode(body).service_tier == "flex")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def wished_fallbacks(snapshot: Snapshot, call: Call) -> tuple[str, ...]:
    """The routes to go on with when the asked one fails, in the client's order.

    Raises what asking for such a model itself would raise, so that a typing error is found before
    the day it matters.
    """
    value = call.request.headers.get(FALLBACKS)
    if value is None:
        return ()
    names = [name for part in value.decode("latin-1").split(",") if (name := part.strip())]
    if len(names) > MAX_FALLBACK_DEPTH:
        raise InvalidRequest(
            f"`x-portico-fallbacks` names {len(names)} models; at most {MAX_FALLBACK_DEPTH} are "
            "tried."
        )
    found: list[str] = []
    for name in names:
        route = snapshot.resolve(name)
        if route is None:
            raise ModelNotFound(
                f"`x-portico-fallbacks`: the model {shown_name(name)} does not exist here; "
                "GET /v1/models lists those that do."
            )
        if not access.may_use(call.principal, name):
            raise PermissionDenied(
                f"`x-portico-fallbacks`: the API key {call.principal.name!r} may not use the "
                f"model {shown_name(name)}.",
                code="model_not_allowed",
            )
        found.append(route.name)
    return tuple(dict.fromkeys(found))


def follow_rules(snapshot: Snapshot, call: Call) -> Route:
    """The route that the operator's rules send the call to, else the one its model names.

    The key was allowed the model it asked for; where rules lead is the operator's word.
    """
    headers = call.request.headers
    body = call.request.body
    tags = headers.get(demand.TAGS)
    name = rules.choose(
        snapshot.rules,
        rules.Question(
            model=call.envelope.model or call.route.name,
            key=call.principal.key_id,
            team=call.principal.team,
            tags=demand.words(tags) if tags is not None else (),
            headers=headers,
            needs=conversation.needs(body),
            input_tokens=tokens_of(len(body)),
        ),
    )
    found = snapshot.resolve(name) if name is not None else None
    return call.route if found is None else found


def shown_name(name: str) -> str:
    """A client's text, fit for a message: bounded and in quotes."""
    return repr(name if len(name) <= 80 else name[:77] + "…")
