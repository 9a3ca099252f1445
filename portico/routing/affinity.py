"""The same session goes to the same deployment while its load allows, so that prompt caches hit.

Weighted rendezvous hashing ranks the deployments of a route for a session (each session has its
own order, and a deployment that comes or goes moves only its own sessions); bounded load takes the
first in that order that has no more than `OVERLOAD` times its share of the calls in flight. Thaler
and Ravishankar 1998; Mirrokni, Thorup and Zadimoghaddam, https://arxiv.org/abs/1608.01350.
"""

import math
from collections.abc import Sequence
from hashlib import blake2b

from portico.routing.health import DeploymentState

OVERLOAD = 1.25
_MASK = 0xFFFF_FFFF_FFFF_FFFF


def session_of(*parts: str | bytes) -> bytes:
    """A session key of whatever names it: `prompt_cache_key`, user, or system + tools + first text.

    The parts are kept apart, and begin with the key's id, so that tenants never share a session.
    """
    digest = blake2b(digest_size=8)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8))
        digest.update(data)
    return digest.digest()


def ranked(candidates: Sequence[DeploymentState], session: bytes) -> list[int]:
    """Indices of `candidates`, the session's favourite first."""
    key = int.from_bytes(session[:8])
    scores = [_distance(key, state) for state in candidates]
    return sorted(range(len(candidates)), key=scores.__getitem__)


def choose(candidates: Sequence[DeploymentState], session: bytes) -> int:
    """The favourite that is not overloaded; there always is one."""
    load = 1
    weights = 0.0
    for state in candidates:
        load += state.in_flight
        weights += state.weight
    per_weight = OVERLOAD * load / weights
    order = ranked(candidates, session)
    for index in order:
        state = candidates[index]
        if state.in_flight + 1 <= math.ceil(per_weight * state.weight):
            return index
    return order[0]


def _distance(key: int, state: DeploymentState) -> float:
    mixed = key ^ state.hash_seed
    mixed = (mixed ^ (mixed >> 33)) * 0xFF51AFD7ED558CCD & _MASK
    mixed = (mixed ^ (mixed >> 33)) * 0xC4CEB9FE1A85EC53 & _MASK
    mixed ^= mixed >> 33
    return -math.log((mixed + 1) / (_MASK + 2)) / state.weight
