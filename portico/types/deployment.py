"""Whom we call and how requests are spread over them. Immutable; state lives in `routing.health`."""

from typing import Literal

import msgspec

from portico.types.http import Origin, Timeouts
from portico.types.secret import Secret

Operation = Literal[
    "chat",
    "completion",
    "embedding",
    "response",
    "moderation",
    "rerank",
    "image",
    "speech",
]
"""What a request asks for, apart from the dialect it is asked in."""


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """An address, a credential and a dialect. `type` names a row of the catalog."""

    name: str
    type: str
    dialect: str
    origin: Origin
    base_path: str
    """Path prefix without a trailing slash, such as `/v1`."""
    api_key: Secret
    auth: str = "bearer"
    """How the credential travels: `bearer`, `header:<name>`, `query:<name>` or `none`."""
    headers: tuple[tuple[str, str], ...] = ()
    """Extra fields for every request, in order."""
    renamed_params: tuple[tuple[str, str], ...] = ()
    refused_params: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class Limits(msgspec.Struct, frozen=True):
    """Per deployment; `None` is unlimited. `rpm` and `tpm` are per minute."""

    rpm: int | None = None
    tpm: int | None = None
    max_concurrent_requests: int | None = None


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """Provider + model + limits: a thing a request can be sent to."""

    id: str
    """`<provider name>/<model>`: what `x-portico-deployment` shows."""
    provider: Provider
    model: str
    weight: float = 1.0
    priority: int = 0
    limits: Limits = Limits()
    price_key: str | None = None
    """The catalog entry that prices it; `None` where the catalog knows no such model."""


class Fallbacks(msgspec.Struct, frozen=True):
    """Other routes to try, by cause; each a list of public names, tried in order."""

    general: tuple[str, ...] = ()
    context_window: tuple[str, ...] = ()
    content_policy: tuple[str, ...] = ()
    rate_limit: tuple[str, ...] = ()


class RetryPolicy(msgspec.Struct, frozen=True):
    """`max_attempts` counts every upstream try of a call, fallbacks included."""

    max_attempts: int = 3
    base_delay_s: float = 0.1
    max_delay_s: float = 5.0


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A public model name and where it leads."""

    name: str
    deployments: tuple[Deployment, ...]
    strategy: str
    fallbacks: Fallbacks = Fallbacks()
    timeouts: Timeouts = Timeouts()
    retry: RetryPolicy = RetryPolicy()
