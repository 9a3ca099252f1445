"""The queue and the task of one queued integration.

The rules of the queue:
- It holds at most `capacity` waiting events; one more is dropped and counted.
- A start that is accepted is *open*, and keeps a place for its terminal event (end or error)
  outside `capacity`: that event is never lost to a full queue. At most `max_open` starts are open;
  past that the oldest gives its place up, so starts whose end never comes cannot block the queue.
- A terminal event whose start was not accepted is taken like any other event, if there is room.
  So is every terminal event of an integration that does not observe starts.
- Order is kept: hooks are called in the order of the events, by one task.

A batch is delivered by calling the hooks and then `flush`. A flush that fails in a way that another
try may mend is tried again after a pause; meanwhile the queue fills, and then drops.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from portico.integrations.base import Integration, IntegrationStats, IntegrationUnavailable

STARTS = frozenset({"on_llm_start", "on_embedding_start"})
TERMINALS = frozenset({"on_llm_end", "on_llm_error", "on_embedding_end", "on_embedding_error"})

CANCEL_GRACE_S = 1.0
"""How long a cancelled delivery may take to clean up before it is left behind."""

Hook = Callable[[Any], object]


class QueueConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How every queued integration is served. `tries` counts the first one."""

    capacity: int = 1024
    max_open: int = 8192
    batch_size: int = 100
    batch_interval_s: float = 1.0
    timeout_s: float = 5.0
    tries: int = 4
    base_delay_s: float = 0.5
    max_delay_s: float = 30.0

    def __post_init__(self) -> None:
        for name in ("capacity", "max_open", "batch_size", "tries"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is too small, at least 1")
        if self.timeout_s <= 0:
            raise ValueError(f"timeout_s: {self.timeout_s} must be above 0")


class Worker:
    """Starts its task with the first event; `on_failure` hears of every exception."""

    def __init__(
        self,
        integration: Integration,
        hooks: Mapping[str, Hook],
        config: QueueConfig,
        *,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._integration = integration
        self._hooks = hooks
        self._config = config
        self._on_failure = on_failure
        self._events: deque[tuple[Hook, Any]] = deque()
        self._open: dict[tuple[str, int], int] = {}
        self._open_count = 0
        self._in_hand = 0
        self._task: asyncio.Task[None] | None = None
        self._arrived = asyncio.Event()
        self._hurry = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_closing = False
        self._drainers = 0
        self._delivered = 0
        self._failed = 0
        self._dropped = 0

    def sink(self, hook: str) -> Hook:
        """The function that queues an event for `hook`."""
        call = self._hooks[hook]
        if hook in STARTS:
            return lambda event: self._put_start(call, event)
        if hook in TERMINALS:
            return lambda event: self._put_terminal(call, event)
        return lambda event: self._put(call, event)

    def stats(self) -> IntegrationStats:
        return IntegrationStats(
            self._integration.name,
            self._delivered,
            self._failed,
            self._dropped,
            len(self._events) + self._in_hand,
        )

    async def drain(self, timeout_s: float) -> bool:
        """Wait until all that was queued is dealt with; `False` if time or deliveries failed."""
        failed_before = self._failed
        if self._task is None and self._events:
            self._start()
        self._drainers += 1
        self._hurry.set()
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        finally:
            self._drainers -= 1
        return self._failed == failed_before

    async def close(self, timeout_s: float) -> None:
        """Drain within `timeout_s`, then end the task and count what is left as dropped."""
        self._is_closing = True
        self._arrived.set()
        self._hurry.set()
        if self._task is None and self._events:
            self._start()
        task = self._task
        if task is None:
            return
        try:
            await asyncio.wait((task,), timeout=timeout_s)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait((task,), timeout=CANCEL_GRACE_S)
            self._dropped += len(self._events) + self._in_hand
            self._events.clear()
            self._in_hand = 0

    def _put_start(self, call: Hook, event: Any) -> None:
        if not self._put(call, event):
            return
        if self._open_count >= self._config.max_open:
            self._release(next(iter(self._open)))
        key = (event.request_id, event.attempt)
        self._open[key] = self._open.get(key, 0) + 1
        self._open_count += 1

    def _put_terminal(self, call: Hook, event: Any) -> None:
        key = (event.request_id, event.attempt)
        if key in self._open:
            self._release(key)
            self._append(call, event)
        else:
            self._put(call, event)

    def _release(self, key: tuple[str, int]) -> None:
        left = self._open[key] - 1
        if left:
            self._open[key] = left
        else:
            del self._open[key]
        self._open_count -= 1

    def _put(self, call: Hook, event: Any) -> bool:
        if len(self._events) >= self._config.capacity:
            self._dropped += 1
            return False
        self._append(call, event)
        return True

    def _append(self, call: Hook, event: Any) -> None:
        self._events.append((call, event))
        if len(self._events) == 1:
            self._idle.clear()
            self._arrived.set()
        if self._task is None:
            self._start()
        if len(self._events) == self._config.batch_size:
            self._hurry.set()

    def _start(self) -> None:
        """Outside a running loop nothing starts: events wait for one inside, or for `drain`."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._task = loop.create_task(self._run(), name=f"integration {self._integration.name}")

    async def _run(self) -> None:
        while True:
            if not self._events:
                self._idle.set()
                if self._is_closing:
                    return
                self._arrived.clear()
                await self._arrived.wait()
                continue
            await self._linger()
            batch = [
                self._events.popleft()
                for _ in range(min(len(self._events), self._config.batch_size))
            ]
            self._in_hand = len(batch)
            await self._deliver(batch)
            self._in_hand = 0

    async def _linger(self) -> None:
        """Let a batch gather, unless it is full, or somebody waits for the queue to empty."""
        if self._drainers or self._is_closing or len(self._events) >= self._config.batch_size:
            return
        self._hurry.clear()
        try:
            async with asyncio.timeout(self._config.batch_interval_s):
                await self._hurry.wait()
        except TimeoutError:
            pass

    async def _deliver(self, batch: list[tuple[Hook, Any]]) -> None:
        taken = 0
        for call, event in batch:
            try:
                call(event)
            except Exception as error:  # noqa: BLE001 - the wall between observers and the gateway
                self._failed += 1
                self._on_failure(error)
            else:
                taken += 1
        if await self._flush():
            self._delivered += taken
            return
        self._failed += taken
        discard = getattr(self._integration, "discard", None)
        if discard is not None:
            discard()

    async def _flush(self) -> bool:
        for number in range(1, self._config.tries + 1):
            error = await self._try_flush()
            if error is None:
                return True
            self._on_failure(error)
            if number == self._config.tries or not _may_help(error):
                return False
            await asyncio.sleep(self._pause_s(number, error))
        return False

    async def _try_flush(self) -> Exception | None:
        try:
            async with asyncio.timeout(self._config.timeout_s):
                await self._integration.flush()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Something that `flush` awaited was cancelled; this task was not, and must live on.
            return IntegrationUnavailable("its flush was cancelled from inside")
        except TimeoutError:
            return IntegrationUnavailable(f"its flush took longer than {self._config.timeout_s} s")
        except Exception as error:  # noqa: BLE001 - as in `_deliver`
            return error
        return None

    def _pause_s(self, number: int, error: Exception) -> float:
        delay = self._config.base_delay_s * 2.0 ** (number - 1)
        asked = getattr(error, "retry_after_s", None) or 0.0
        return float(min(max(delay, asked), self._config.max_delay_s))


def _may_help(error: Exception) -> bool:
    return isinstance(error, IntegrationUnavailable | OSError)
