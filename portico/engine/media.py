"""Media by URL for providers that take only data: fetched once a call, if the operator allows it.

Found out when the request is written for a deployment: whoever takes URLs is told the URL, and no
byte of a call is looked at twice for the sake of those that do not. What cannot be had is an error
that lets routing go on to a deployment that takes URLs. Nothing a client points at is left out,
unless the request itself says so: an answer about a picture that nobody saw is worse than none.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from portico.errors import MediaNotFetched
from portico.types.call import Call
from portico.types.chat import ChatRequest, DataSource, TextSource
from portico.types.http import Request
from portico.types.media import Fetched, MediaUrl, Unfetched
from portico.wire.media import kinds_by_url, path_of, urls_of, with_data

_OFF = Unfetched(
    "off",
    "is an address, and this gateway fetches none for providers that take only data; send it as "
    "base64 data, or ask the operator to set `media.fetch`",
)
_ADVICE = "; the provider takes only data, so send it as base64, or from where it can be fetched"


class Fetcher(Protocol):
    async def fetch(self, asked: Sequence[MediaUrl], within_s: float) -> list[Fetched]:
        """One result for each, in order; never raises but for cancellation."""
        ...


class MediaWanted(Exception):
    """A request cannot be written before these are fetched; never leaves the engine."""

    def __init__(self, wanted: tuple[MediaUrl, ...]) -> None:
        super().__init__("media are wanted")
        self.wanted = wanted


class Media:
    """`fetcher` of `None` is off. `tell` hears the result for each file."""

    def __init__(self, fetcher: Fetcher | None, tell: Callable[[Call, Fetched], None]) -> None:
        self._fetcher = fetcher
        self._tell = tell
        self._locks: dict[str, asyncio.Lock] = {}

    def use(self, fetcher: Fetcher | None) -> None:
        """From now on; what is under way goes on as it began."""
        self._fetcher = fetcher

    async def provide(self, call: Call, wanted: Iterable[MediaUrl], within_s: float) -> None:
        """See that `call.media` has a result for each of `wanted`."""
        lock = self._locks.setdefault(call.id, asyncio.Lock())  # a hedged call may ask twice
        try:
            async with lock:
                known = call.media if call.media is not None else {}
                missing = [media for media in wanted if media not in known]
                if missing:
                    call.media = known | await self._fetch(call, missing, within_s)
        finally:
            self._locks.pop(call.id, None)

    async def _fetch(
        self, call: Call, missing: list[MediaUrl], within_s: float
    ) -> dict[MediaUrl, DataSource | TextSource | MediaNotFetched]:
        found: list[Fetched] = [_OFF] * len(missing)
        if self._fetcher is not None:
            found = await self._fetcher.fetch(missing, max(within_s, 0.0))
        results: dict[MediaUrl, DataSource | TextSource | MediaNotFetched] = {}
        for media, result in zip(missing, found, strict=True):
            self._tell(call, result)
            if isinstance(result, Unfetched):
                results[media] = _error(call.request, media, result)
            else:
                results[media] = result
        return results


def filled(call: Call, asked: ChatRequest, dropped: Iterable[str]) -> ChatRequest:
    """The request with data for what a writer has `dropped` because it came by URL; the same object
    if there is nothing to put in.

    Raises MediaWanted for what nobody has tried to fetch yet, and MediaNotFetched for what could
    not be, unless the request says that it may be dropped.
    """
    kinds = kinds_by_url(dropped)
    if not kinds:
        return asked
    wanted = urls_of(asked, kinds)
    results = call.media
    if results is None or any(media not in results for media in wanted):
        raise MediaWanted(wanted)
    if call.request.headers.get(b"x-portico-unsupported-params") != b"drop":
        for media in wanted:
            result = results[media]
            if isinstance(result, MediaNotFetched):
                raise result
    return with_data(asked, {media: results[media] for media in wanted})


def _error(request: Request, media: MediaUrl, result: Unfetched) -> MediaNotFetched:
    path = path_of(request.body, media.url)
    what = f"`{path}`" if path else f"The {media.kind} of an earlier turn"
    advice = "" if result is _OFF else _ADVICE
    return MediaNotFetched(f"{what} {result.reason}{advice}.", param=path)
