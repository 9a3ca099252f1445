"""Runs an `App` until a signal ends it: signals, reloading on change, upkeep.

Kept apart from `app` so that a test can drive a gateway without a process of its own.
"""

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import Callable
from pathlib import Path

from portico.app import App, Reload

SYNC_EVERY_S = 1.0
WATCH_EVERY_S = 1.0

_Signature = tuple[int, int, int]


async def serve(
    app: App,
    *,
    host: str,
    port: int,
    ready: Callable[[int], None],
    read: Reload | None,
    watched: Path | None,
) -> None:
    """Run `app` until SIGTERM or SIGINT; SIGHUP, or a change of the watched file, reloads.

    `ready` is called with the port once requests are answered. A second SIGINT ends at once.
    """
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    known = _signature(watched) if watched is not None else None
    try:
        await app.start(host, port)
    except BaseException:
        await app.close()
        raise

    def interrupted() -> None:
        if stopping.is_set():
            app.server.close()
            for task in app.gateway.calls.values():
                task.cancel()
        stopping.set()

    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGINT, interrupted)
    if read is not None:
        loop.add_signal_handler(signal.SIGHUP, app.reload, read)
    ready(app.server.port)
    _spare_the_collector()
    async with asyncio.TaskGroup() as tasks:
        upkeep = [tasks.create_task(_sync_journal(app)), tasks.create_task(app.prober.run())]
        if read is not None and watched is not None:
            upkeep.append(tasks.create_task(_watch(app, read, watched, known)))
        await stopping.wait()
        await app.stop()
        for task in upkeep:
            task.cancel()


def _spare_the_collector() -> None:
    """What is here when the gateway is ready stays: the cycle collector need not look at it again,
    and a busy second makes no more cycles than a quiet one, so it need not look so often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _sync_journal(app: App) -> None:
    """Push the journal out to the disk once a second, off the event loop."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(SYNC_EVERY_S)
            await loop.run_in_executor(None, app.journal.sync)


async def _watch(app: App, read: Reload, path: Path, known: _Signature | None) -> None:
    """Reload when the file changes: another inode, size or time, once it has held still a turn.

    `known` is how the file was before the gateway answered: a change meanwhile is noticed too.
    """
    with contextlib.suppress(asyncio.CancelledError):
        seen = known
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            now = _signature(path)
            if now is not None and now != known and now == seen:
                known = now
                app.reload(read)
            seen = now


def _signature(path: Path) -> _Signature | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
