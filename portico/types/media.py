"""Media that a request names by an address, and what became of fetching them."""

from typing import Literal

import msgspec

from portico.types.chat import DataSource, TextSource

MediaKind = Literal["image", "document", "audio", "video"]

FetchOutcome = Literal[
    "fetched", "off", "refused", "too_many", "too_large", "wrong_type", "timeout", "failed"
]
"""`off`: the operator has not allowed it; `refused`: by the egress rules, here or after a redirect;
`failed`: unreachable, or another answer than 200."""


class MediaUrl(msgspec.Struct, frozen=True):
    """`url` as the client wrote it; a file of another kind than `kind` is not taken."""

    kind: MediaKind
    url: str


class Unfetched(msgspec.Struct, frozen=True):
    """`reason` completes "the address …" for the client: no address of the inside, no URL. `detail`
    is for the operator's log; neither has a path or a query, which may hold secrets.
    """

    outcome: FetchOutcome
    reason: str
    detail: str = ""


Fetched = DataSource | TextSource | Unfetched
