"""What a provider's module is: it makes a request out of a body.

Providers that speak OpenAI's protocols at a fixed path need no module: a row of the catalog and
`openai_compatible` do. The others have one each, listed in `providers.table`.
"""

from typing import Protocol

import msgspec

from portico.types.credential import Credential
from portico.types.deployment import Deployment, Operation
from portico.types.http import Headers, HttpRequest, Timeouts


class Task(msgspec.Struct, frozen=True):
    """What is asked, apart from the words: with the dialect of the body it decides the path."""

    operation: Operation
    dialect: str
    stream: bool = False
    path: str | None = None
    """Where OpenAI has it, such as `/chat/completions`; `None` for what OpenAI has not."""
    method: str | None = None
    """What a model in the path shall do, where an operation may be said in several ways."""


class Preparer(Protocol):
    """A module of this package. Pure: `now` is UTC epoch seconds, the credential is fresh.

    `forwarded` are the fields of the client's request; each module takes those it knows and no
    others. Raises `NotSupported` for what the provider has no address for, and `ModelNotFound` for
    a model name that no address can hold.
    """

    def prepare(
        self,
        deployment: Deployment,
        task: Task,
        body: bytes,
        credential: Credential | None,
        *,
        now: float,
        forwarded: Headers,
        timeouts: Timeouts,
    ) -> HttpRequest: ...
