"""What an attempt's error says about its deployment, one row per class of error.

A class that is not in the table, nor derives from one that is, says nothing: the client's own
doing, a content filter, a cancellation, a fault of ours.
"""

from typing import Literal

from portico.errors import (
    GatewayError,
    UpstreamAuthentication,
    UpstreamFailed,
    UpstreamModelNotFound,
    UpstreamProtocol,
    UpstreamQuotaExceeded,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)

Effect = Literal["failure", "cool", "quota", "credential", "missing"]
"""`failure` counts for the breaker; `cool` keeps away for as long as the provider says, `quota` for
a fixed while; `missing` and `credential` keep away while there is another, this one or all that
share the key."""

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
}


def effect_of(error: GatewayError) -> Effect | None:
    if isinstance(error, UpstreamAuthentication) and error.upstream_status == 403:
        # The key is known, but not for this model or region; its other deployments need not suffer.
        return "missing"
    for kind in type(error).__mro__:
        if kind in EFFECTS:
            return EFFECTS[kind]
    return None
