"""Credentials that expire, held fresh: fetched once for everybody, and again ahead of their end.

A source knows how to fetch one credential. `Held` keeps it: `current` costs one comparison while
the credential is far from its end. Near the end the old one still serves while a new one is
fetched beside; only when there is none, or it is about to expire, does anybody wait.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from portico.errors import GatewayError
from portico.http.base import Pool
from portico.http.tokens_aws import find_aws
from portico.http.tokens_aws_sso import Write
from portico.http.tokens_azure import find_azure
from portico.http.tokens_google import find_google
from portico.http.tokens_oauth import find_databricks
from portico.http.tokens_snowflake import find_snowflake
from portico.http.tokens_watsonx import find_watsonx
from portico.types.credential import Credential
from portico.types.deployment import Provider

AHEAD_S: Final = 300.0
"""So long before its end a credential is replaced, or at a fifth of its life if that is shorter."""
LAST_S: Final = 15.0
"""With less left than this a credential is not used: the request must still arrive."""
RETRY_S: Final = 10.0
"""After a failed fetch beside a credential that still serves."""


class CredentialSource(Protocol):
    async def fetch(self, now: float) -> Credential:
        """A new credential; raises a GatewayError that says what is missing. `now` is UTC."""
        ...


class Held:
    """The credential of one provider, used inside one event loop."""

    __slots__ = ("_clock", "_credential", "_expires_at", "_refresh_at", "_source", "_task")

    def __init__(self, source: CredentialSource, clock: Callable[[], float] = time.time) -> None:
        self._source = source
        self._clock = clock
        self._credential: Credential | None = None
        self._refresh_at = 0.0
        self._expires_at = 0.0
        self._task: asyncio.Task[Credential] | None = None

    def current(self) -> Credential | None:
        """The credential, if it can be used; else `await fresh()`."""
        now = self._clock()
        if now < self._refresh_at:
            return self._credential
        if self._credential is None or now >= self._expires_at - LAST_S:
            return None
        self._begin(now)
        return self._credential

    async def fresh(self) -> Credential:
        """Wait for a usable credential; all who wait share one fetch, whoever of them leaves."""
        credential = self.current()
        if credential is None:
            credential = await asyncio.shield(self._begin(self._clock()))
        return credential

    def refused(self, credential: Credential) -> None:
        """The provider refused it: the next request gets another, if this is still the one."""
        if credential is self._credential:
            self._credential = None
            self._refresh_at = 0.0

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _begin(self, now: float) -> asyncio.Task[Credential]:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._fetch(now))
            self._task.add_done_callback(_noticed)
        return self._task

    async def _fetch(self, now: float) -> Credential:
        try:
            credential = await self._source.fetch(now)
        except GatewayError:
            if self._credential is not None and now < self._expires_at - LAST_S:
                self._refresh_at = now + RETRY_S
            raise
        ends = getattr(credential, "expires_at", None)
        self._credential = credential
        if ends is None:
            self._expires_at = self._refresh_at = float("inf")
        else:
            self._expires_at = ends
            self._refresh_at = ends - min(AHEAD_S, max(ends - now, 0.0) / 5)
        return credential


def _noticed(task: asyncio.Task[Credential]) -> None:
    """A failure beside a credential that still serves is nobody's to await."""
    if not task.cancelled():
        task.exception()


def find_source(
    provider: Provider,
    environ: Mapping[str, str],
    *,
    pool: Pool,
    direct: Pool,
    read: Callable[[str], str],
    write: Write | None = None,
    region: str | None = None,
) -> CredentialSource | None:
    """Where a provider's credential comes from if it is fetched (see `providers.auth`).

    `direct` reaches metadata servers, which no proxy may stand before; `read` gives the text of a
    file and `write` replaces it, both raise OSError. `None` for providers whose credentials are
    keys.
    """
    match provider.type:
        case "bedrock" | "bedrock_mantle" | "sagemaker":
            region = region or provider.setting("region")
            return find_aws(
                environ, pool=pool, direct=direct, read=read, write=write, region=region
            )
        case "vertex_ai":
            return find_google(environ, pool=pool, direct=direct, read=read)
        case "azure" | "azure_ai":
            return find_azure(environ, pool=pool, direct=direct, read=read)
        case "databricks":
            return find_databricks(provider, pool=pool)
        case "snowflake":
            return find_snowflake(provider, pool=pool, read=read)
        case "watsonx":
            return find_watsonx(provider, environ, pool=pool)
        case _:
            return None
