"""`x-portico-explain: 1`: why each attempt of a call went where it did, for admin keys."""

import json
from collections.abc import Collection

import msgspec

from portico.routing.health import DeploymentState
from portico.routing.router import Refusal, RouteState, explain
from portico.routing.strategies import RoutingRequest
from portico.types.call import Call

FIELD = b"x-portico-explain"
_MOST_CHARS = 6000
"""Clients and proxies refuse heads of more than 8 KiB."""
_MOST_CANDIDATES = 20


def is_wanted(call: Call) -> bool:
    return call.request.headers.get(FIELD) == b"1" and call.principal.is_admin


def note(
    call: Call,
    route: RouteState,
    choice: DeploymentState | Refusal,
    *,
    now: float,
    tried: Collection[str],
    request: RoutingRequest,
) -> None:
    """Keep what led to `choice`; asked before its attempt starts."""
    chosen = None if isinstance(choice, Refusal) else choice.deployment.id
    why = explain(route, now=now, tried=tried, request=request, chosen=chosen)
    # Through msgspec, which has `null` for a score that is no number; `json` escapes what is not
    # ASCII.
    plain = msgspec.json.decode(msgspec.json.encode(why))
    if not isinstance(choice, Refusal):
        plain["dialects"] = choice.deployment.speaks
    plain["candidates"] = plain["candidates"][:_MOST_CANDIDATES]
    plain["session_order"] = plain["session_order"][:_MOST_CANDIDATES]
    call.explained += (json.dumps(plain, separators=(",", ":")),)


def field_line(explained: tuple[str, ...]) -> bytes:
    """A JSON list, one object a choice; the first of them go if they are too long together."""
    kept: list[str] = []
    room = _MOST_CHARS
    for one in reversed(explained):
        room -= len(one)
        if room < 0:
            break
        kept.insert(0, one)
    return b"%b: [%b]\r\n" % (FIELD, ",".join(kept).encode())
