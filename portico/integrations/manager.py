"""Hands events to integrations, so that none of them can slow or break a request.

Inline integrations are called at once. Every queued one has a `Worker`: a bounded queue and a task
that takes batches from it, calls the hooks and then `flush`, with a time-out and a few tries.
`worker.py` holds the rules of the queue.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec

from portico.integrations.base import (
    HOOKS,
    Integration,
    IntegrationError,
    IntegrationStats,
)
from portico.integrations.worker import QueueConfig, Worker

LOG = logging.getLogger("portico.integrations")
LOG_INTERVAL_S = 60.0
MAX_LOGGED_KINDS = 256

Sink = Callable[[Any], Any]


class _Member(msgspec.Struct):
    """A registered integration; exactly one of `worker` and the inline hooks is in use."""

    integration: Integration
    sinks: dict[str, Sink]
    worker: Worker | None
    delivered: int = 0
    failed: int = 0


class IntegrationManager:
    """Satisfies `base.Observers`. All calls come from the thread of the event loop."""

    def __init__(
        self, queue: QueueConfig | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._queue = queue or QueueConfig()
        self._monotonic = monotonic
        self._members: dict[str, _Member] = {}
        self._logged: dict[tuple[str, type], tuple[float, int]] = {}
        self._is_closed = False
        self._compile()

    def register(self, integration: Integration) -> bool:
        """Take it in; `False` if it is disabled. Raises `IntegrationError` if the name is taken."""
        name = integration.name
        if self._is_closed:
            raise IntegrationError(f"integration {name!r}: the manager is shut down")
        if not integration.is_enabled:
            return False
        if name in self._members:
            raise IntegrationError(
                f"integration {name!r} is registered twice; give each a name of its own"
            )
        hooks = {hook: getattr(integration, hook) for hook in HOOKS if hasattr(integration, hook)}
        member = _Member(integration, {}, None)
        if getattr(integration, "delivery", "queued") == "inline":
            member.sinks = {hook: self._isolated(member, call) for hook, call in hooks.items()}
        else:
            worker = Worker(
                integration, hooks, self._queue, on_failure=lambda error: self._note(name, error)
            )
            member.worker = worker
            member.sinks = {hook: worker.sink(hook) for hook in hooks}
        self._members[name] = member
        self._compile()
        return True

    async def unregister(self, name: str, *, timeout_s: float = 10.0) -> bool:
        """Let it go: no new events, its queue drained, then its `shutdown`. `False` if unknown."""
        member = self._members.pop(name, None)
        if member is None:
            return False
        self._compile()
        await self._close(member, timeout_s)
        return True

    def has(self, name: str) -> bool:
        return name in self._members

    def list(self) -> tuple[str, ...]:
        """Names, in the order of registration: the order in which inline hooks are called."""
        return tuple(self._members)

    def stats(self) -> tuple[IntegrationStats, ...]:
        return tuple(
            member.worker.stats()
            if member.worker is not None
            else IntegrationStats(name, member.delivered, member.failed)
            for name, member in self._members.items()
        )

    async def flush(self, *, timeout_s: float = 10.0) -> bool:
        """Deliver what waits; `False` if something could not be delivered in `timeout_s`."""
        results = await asyncio.gather(
            *(self._flush(member, timeout_s) for member in self._members.values())
        )
        return all(results)

    async def shutdown(self, *, timeout_s: float = 10.0) -> None:
        """Drain every queue and shut every integration down, within `timeout_s`. Harmless twice."""
        self._is_closed = True
        members = tuple(self._members.values())
        self._members.clear()
        self._compile()
        await asyncio.gather(*(self._close(member, timeout_s) for member in members))

    def _compile(self) -> None:
        """Make the entries of `Observers` and the `wants_` flags anew; a dispatch under way keeps
        the sinks it has."""

        def sinks(hook: str) -> tuple[Sink, ...]:
            return tuple(m.sinks[hook] for m in self._members.values() if hook in m.sinks)

        self.llm_start = _to_all(sinks("on_llm_start"))
        self.llm_end = _to_all(sinks("on_llm_end"))
        self.llm_error = _to_all(sinks("on_llm_error"))
        self.llm_stream = _to_all(sinks("on_llm_stream"))
        self.embedding_start = _to_all(sinks("on_embedding_start"))
        self.embedding_end = _to_all(sinks("on_embedding_end"))
        self.embedding_error = _to_all(sinks("on_embedding_error"))
        self.cache_hit = _to_all(sinks("on_cache_hit"))
        self.cache_miss = _to_all(sinks("on_cache_miss"))
        self.wants_llm_start = self.llm_start is not _to_none
        self.wants_llm_end = self.llm_end is not _to_none
        self.wants_llm_error = self.llm_error is not _to_none
        self.wants_llm_stream = self.llm_stream is not _to_none
        self.wants_embedding_start = self.embedding_start is not _to_none
        self.wants_embedding_end = self.embedding_end is not _to_none
        self.wants_embedding_error = self.embedding_error is not _to_none
        self.wants_cache_hit = self.cache_hit is not _to_none
        self.wants_cache_miss = self.cache_miss is not _to_none

    def _isolated(self, member: _Member, call: Sink) -> Sink:
        def sink(event: Any) -> None:
            try:
                call(event)
            except Exception as error:  # noqa: BLE001 - the wall between observers and requests
                member.failed += 1
                self._note(member.integration.name, error)
            else:
                member.delivered += 1

        return sink

    async def _flush(self, member: _Member, timeout_s: float) -> bool:
        if member.worker is not None:
            return await member.worker.drain(timeout_s)
        return await self._guarded(member, member.integration.flush, timeout_s)

    async def _close(self, member: _Member, timeout_s: float) -> None:
        """Drain, then shut down, sharing one deadline; `shutdown` always gets its chance."""
        deadline = self._monotonic() + timeout_s
        try:
            if member.worker is not None:
                await member.worker.close(timeout_s)
            else:
                await self._guarded(member, member.integration.flush, timeout_s)
        finally:
            left = max(deadline - self._monotonic(), 0.1)
            await self._guarded(member, member.integration.shutdown, left)

    async def _guarded(self, member: _Member, action: Callable[[], Any], timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await action()
        except Exception as error:  # noqa: BLE001 - as in `_isolated`
            member.failed += 1
            self._note(member.integration.name, error)
            return False
        return True

    def _note(self, name: str, error: Exception) -> None:
        """Log a failure: once a minute per integration and class, then with how many were not."""
        kind = (name, type(error))
        now = self._monotonic()
        since, silent = self._logged.get(kind, (-LOG_INTERVAL_S, 0))
        if now - since < LOG_INTERVAL_S:
            self._logged[kind] = (since, silent + 1)
            return
        if len(self._logged) >= MAX_LOGGED_KINDS:
            self._logged.clear()
        self._logged[kind] = (now, 0)
        also = f" ({silent} more since the last report)" if silent else ""
        LOG.warning(
            "integration %s failed: %s: %s%s; requests are not affected",
            name,
            type(error).__name__,
            error,
            also,
            exc_info=None if isinstance(error, IntegrationError | OSError) else error,
        )


def _to_none(event: Any) -> None:
    """Nobody listens."""


def _to_all(sinks: tuple[Sink, ...]) -> Sink:
    """One call for all sinks: where there is only one, that one itself."""
    if len(sinks) <= 1:
        return sinks[0] if sinks else _to_none

    def to_all(event: Any) -> None:
        for sink in sinks:
            sink(event)

    return to_all
