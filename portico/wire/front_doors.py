"""What a platform says of a container that it runs: whose words are they, and what do they mean.

SageMaker answers for its containers, quoting their own errors in a sentence of its own, beside the
operator's account number and a link to the operator's logs; its own troubles are 400s that the
client has no part in. https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
and …/dg/endpoint-auto-scaling-zero-instances.html (2026-11-23); the sentences as real endpoints
answered in 2026 (https://github.com/stdapi-ai/stdapi.ai).
"""

import re
from typing import Final

import msgspec

_OPENING: Final = re.compile(r"Received (?:client|server) error \((\d{3})\) from \S{1,100} ")
_QUOTED: Final = re.compile(r'with message "(.*)"\. See https?://\S+ in account \d+', re.DOTALL)
_NO_CAPACITY: Final = re.compile(r"(?:Inference Component|Endpoint) (?:\S{1,100} )?has no capacity")
_UNKNOWN: Final = re.compile(r"(?:Inference Component|Endpoint) \S{1,400} (?:of|in) account \d+")


class Heard(msgspec.Struct, frozen=True):
    """`status` and `message` are what is meant; `quoted` is what the container itself answered."""

    status: int
    message: str = ""
    code: str | None = None
    quoted: str | None = None


def heard(message: str) -> Heard | None:
    """`None` for words that are no platform's. Only how a message begins is trusted: what follows
    may be the client's own words.
    """
    opening = _OPENING.match(message)
    if opening is not None:
        status = int(opening.group(1))
        quoted = _QUOTED.match(message, opening.end())
        if quoted is not None:
            return Heard(status, quoted=quoted.group(1))
        return Heard(status, "The model's container refused the request; its log says why.")
    if _NO_CAPACITY.match(message):
        return Heard(503, "The endpoint has no capacity now; it may be scaling.")
    if _UNKNOWN.match(message):
        return Heard(404, "The endpoint is not there.", "model_not_found")
    return None
