"""A second copy of a call that takes unusually long; the first good answer is taken.

Whoever loses is cancelled and has ended, in the books too, before the winner is handed on.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

LOST: Final = "hedged"
"""The message with which the loser is cancelled."""

T = TypeVar("T")


async def race(
    first: Coroutine[Any, Any, T],
    wait_s: float,
    second: Callable[[], Coroutine[Any, Any, T] | None],
    discard: Callable[[T], None],
    is_final: Callable[[BaseException], bool],
) -> T:
    """The first good answer of `first` and, if that takes longer than `wait_s`, of `second()`.

    Raises an error that is final as soon as it is here, and what the one that began last raised if
    none is good. `discard` lets go of an answer that came too late to be taken and too early to be
    cancelled.
    """
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(first)]
    try:
        await asyncio.wait(tasks, timeout=wait_s)
        if not tasks[0].done() and (other := second()) is not None:
            tasks.append(loop.create_task(other))
        pending = set(tasks)
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            ended = [task for task in tasks if task in done]
            good = [task for task in ended if task.exception() is None]
            final = [task for task in ended if (error := task.exception()) and is_final(error)]
            if decided := good + final:
                await _end(tasks, decided[0], discard)
                return decided[0].result()
    except asyncio.CancelledError:
        await _end(tasks, None, discard, message=None)
        raise
    return tasks[-1].result()


async def _end(
    tasks: list[asyncio.Task[T]],
    winner: asyncio.Task[T] | None,
    discard: Callable[[T], None],
    message: str | None = LOST,
) -> None:
    losers = [task for task in tasks if task is not winner]
    for task in losers:
        task.cancel(message)
    await asyncio.gather(*losers, return_exceptions=True)
    for task in losers:
        if not task.cancelled() and task.exception() is None:
            discard(task.result())
