"""Names to addresses on threads of their own, for names that strangers choose.

The event loop's own resolver has few threads, and connections to providers need them: a name whose
server never answers must not hold those. A thread that waits for one dies with the process.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Final

from portico.types.http import Origin

MAX_THREADS: Final = 16

LookUp = Callable[[str, int], list[str]]
"""The addresses of a host, blocking; raises OSError."""


class TooManyLookUps(OSError):
    """Every thread waits for a name server."""


def look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Resolver:
    """Bounded: one look-up more than `max_threads` fails at once."""

    def __init__(self, look_up: LookUp = look_up, *, max_threads: int = MAX_THREADS) -> None:
        self._look_up = look_up
        self._max_threads = max_threads
        self._threads = 0

    async def addresses(self, origin: Origin) -> list[str]:
        """In the system's order of preference. Raises OSError. The caller sets the time limit."""
        if self._threads >= self._max_threads:
            raise TooManyLookUps("too many name look-ups are under way")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()
        self._threads += 1

        def settle(result: list[str] | OSError) -> None:
            self._threads -= 1
            if answer.done():
                return
            if isinstance(result, OSError):
                answer.set_exception(result)
            else:
                answer.set_result(result)

        def work() -> None:
            result: list[str] | OSError
            try:
                result = self._look_up(origin.host, origin.port)
            except OSError as error:
                result = error
            except UnicodeError:
                result = OSError("not a host name")
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result)

        threading.Thread(target=work, name="portico-resolve", daemon=True).start()
        return await answer
