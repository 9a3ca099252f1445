"""Files that requests name by URL, fetched for providers that take them only as data.

The address comes from a stranger, so everything about it is bounded and checked: where to
(`egress`), how often (redirects), how much, how long, and what came. Nothing of ours travels: no
credential, no cookie, no proxy; nothing is decompressed. All files of one request are fetched at
once, on connections of their own that are dropped with it.
"""

import asyncio
import base64
import binascii
import ssl
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urljoin

import msgspec

from portico.errors import UpstreamError, UpstreamTimeout
from portico.http.base import UpstreamStream
from portico.http.client import HttpPool
from portico.http.egress import NOT_PUBLIC, EgressRefused, EgressRules, shown, split_url
from portico.http.resolve import Resolver
from portico.http.tls import client_context
from portico.types.chat import DataSource, TextSource
from portico.types.http import Headers, HttpRequest, HttpResponse, Origin, Timeouts
from portico.types.media import Fetched, FetchOutcome, MediaUrl, Unfetched
from portico.wire.media_types import NEEDED, is_of_kind, media_type_of

MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAX_ADDRESSES: Final = 4
_MAX_OTHER_ANSWER: Final = 1024 * 1024
_ANY_TYPE: Final = (b"",)
_NAME: Final = "portico"


class MediaLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes are of files, before base64; `timeout_s` is for all files of one request together;
    `max_concurrent` files of all requests are fetched at once, the rest wait within that time.
    """

    max_files: int
    max_file_bytes: int
    max_total_bytes: int
    timeout_s: float
    max_concurrent: int


class _Failed(Exception):
    """`reason` completes "the address …"."""

    def __init__(self, outcome: FetchOutcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome: FetchOutcome = outcome
        self.reason = reason


class MediaFetcher:
    """Satisfies `engine.media.Fetcher`. Made and used inside one running event loop."""

    def __init__(
        self,
        rules: EgressRules,
        limits: MediaLimits,
        *,
        resolver: Resolver | None = None,
        ssl_context: Callable[[], ssl.SSLContext] = client_context,
    ) -> None:
        self._rules = rules
        self._limits = limits
        self._resolver = resolver or Resolver()
        self._context = ssl_context()  # now, since it takes a while
        self._places = asyncio.Semaphore(limits.max_concurrent)

    async def fetch(self, asked: Sequence[MediaUrl], within_s: float) -> list[Fetched]:
        """One result for each of `asked`, in order; never raises but for cancellation."""
        limits = self._limits
        if len(asked) > limits.max_files:
            reason = f"is one of {len(asked)} to fetch, and {limits.max_files} are allowed"
            return [Unfetched("too_many", f"{reason} in one request")] * len(asked)
        timeout_s = min(limits.timeout_s, within_s)
        pool = HttpPool(
            max_idle_per_origin=0, resolve=self._addresses, ssl_context=lambda: self._context
        )
        allowance = _Allowance(limits.max_total_bytes)
        try:
            return await asyncio.gather(
                *(self._one(pool, media, allowance, timeout_s) for media in asked)
            )
        finally:
            pool.abort()

    async def _one(
        self, pool: HttpPool, media: MediaUrl, allowance: "_Allowance", timeout_s: float
    ) -> Fetched:
        try:
            async with asyncio.timeout(timeout_s), self._places:
                return await self._follow(pool, media, allowance)
        except (TimeoutError, UpstreamTimeout):
            outcome: FetchOutcome = "timeout"
            reason = detail = f"did not answer whole within {timeout_s:g} s"
        except EgressRefused as refusal:
            outcome, reason, detail = "refused", refusal.reason, refusal.detail
        except _Failed as failure:
            outcome, reason, detail = failure.outcome, failure.reason, failure.reason
        except UpstreamError as error:
            outcome, reason = "failed", "cannot be reached, or broke off its answer"
            detail = f"failed: {error.message}"
        return Unfetched(outcome, reason, f"{shown(media.url)} {detail}")

    async def _follow(self, pool: HttpPool, media: MediaUrl, allowance: "_Allowance") -> Fetched:
        url = media.url
        for _ in range(MAX_REDIRECTS + 1):
            origin, target = split_url(url)
            self._rules.check_origin(origin)
            answer = await pool.open(self._request(origin, target))
            if not isinstance(answer, HttpResponse):
                return await self._take(answer, media, allowance)
            status, headers = answer.head.status, answer.head.headers
            location = headers.get(b"location", b"").decode("latin-1")
            if status not in _REDIRECTS or not location:
                raise _Failed("failed", f"answered {status}")
            url = _moved(url, location)
        raise _Failed("failed", f"is redirected more than {MAX_REDIRECTS} times")

    async def _addresses(self, origin: Origin) -> Sequence[str]:
        """Where the pool may connect: every address of the name has passed the rules."""
        try:
            found = await self._resolver.addresses(origin)
        except OSError as error:
            raise EgressRefused(NOT_PUBLIC, f"cannot be resolved: {error}") from error
        if not found:
            raise EgressRefused(NOT_PUBLIC, "resolves to nothing")
        for address in found:
            self._rules.check_address(address)
        return found[:_MAX_ADDRESSES]

    def _request(self, origin: Origin, target: str) -> HttpRequest:
        head = (
            f"GET {target} HTTP/1.1\r\nhost: {origin.authority}\r\nuser-agent: {_NAME}\r\n"
            "accept: */*\r\naccept-encoding: identity\r\nconnection: close\r\n\r\n"
        )
        limit_s = self._limits.timeout_s
        timeouts = Timeouts(limit_s, limit_s, limit_s, limit_s, limit_s)
        return HttpRequest(
            origin, head.encode("ascii"), b"", timeouts, _ANY_TYPE, _MAX_OTHER_ANSWER
        )

    async def _take(
        self, stream: UpstreamStream, media: MediaUrl, allowance: "_Allowance"
    ) -> Fetched:
        try:
            _check_head(stream.head.status, stream.head.headers, self._limits.max_file_bytes)
            declared = stream.head.headers.get(b"content-type", b"").decode("latin-1")
            file = _File(media.kind, declared, self._limits.max_file_bytes, allowance)
            stream.attach(file)
            return await file.whole
        finally:
            stream.close()


def _moved(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise _Failed("failed", "is redirected to what is no URL") from None


def _check_head(status: int, headers: Headers, limit: int) -> None:
    if status != 200:
        raise _Failed("failed", f"answered {status}")
    coding = headers.get(b"content-encoding", b"identity").strip().lower()
    if coding not in (b"", b"identity"):
        raise _Failed("wrong_type", "answered with a compressed body that was not asked for")
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length[:18]) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> _Failed:
    return _Failed("too_large", f"is a file of more than {limit} bytes")


class _Allowance:
    """What all files of one request may still take."""

    __slots__ = ("left", "total")

    def __init__(self, total: int) -> None:
        self.total = total
        self.left = total


class _File:
    """A file as it comes, in base64; satisfies `types.http.StreamSink`.

    Encoded piece by piece, so that a large one does not hold the event loop at its end.
    """

    def __init__(self, kind: str, declared: str, limit: int, allowance: _Allowance) -> None:
        self.whole: asyncio.Future[Fetched] = asyncio.get_running_loop().create_future()
        self._kind = kind
        self._declared = declared
        self._limit = limit
        self._allowance = allowance
        self._size = 0
        self._media_type: str | None = None
        self._rest = b""
        self._encoded: list[bytes] = []

    def feed(self, data: bytes) -> None:
        if self.whole.done():
            return
        try:
            self._take(data)
        except _Failed as failure:
            self._rest = b""
            self._encoded.clear()
            self.whole.set_exception(failure)

    def finish(self, error: UpstreamError | None) -> None:
        if self.whole.done():
            return
        if error is not None:
            self.whole.set_exception(error)
            return
        try:
            if self._media_type is None:
                self._media_type = self._recognised()
            self.whole.set_result(self._source(self._media_type))
        except _Failed as failure:
            self.whole.set_exception(failure)

    def _take(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise _too_large(self._limit)
        self._allowance.left -= len(data)
        if self._allowance.left < 0:
            total = self._allowance.total
            raise _Failed("too_large", f"is one of several with more than {total} bytes together")
        self._rest += data
        if self._media_type is None:
            if len(self._rest) < NEEDED:
                return
            self._media_type = self._recognised()
        whole = len(self._rest) // 3 * 3
        self._encoded.append(binascii.b2a_base64(self._rest[:whole], newline=False))
        self._rest = self._rest[whole:]

    def _recognised(self) -> str:
        media_type = media_type_of(self._rest[:NEEDED], self._declared)
        if media_type is None or not is_of_kind(media_type, self._kind):
            article = "an" if self._kind in ("image", "audio") else "a"
            found = media_type or "of a type that is not known here"
            raise _Failed("wrong_type", f"is not {article} {self._kind}: its file is {found}")
        return media_type

    def _source(self, media_type: str) -> DataSource | TextSource:
        self._encoded.append(binascii.b2a_base64(self._rest, newline=False))
        data = b"".join(self._encoded)
        if media_type.startswith("text/"):
            try:
                return TextSource(base64.b64decode(data).decode("utf-8-sig"))
            except UnicodeDecodeError:
                raise _Failed("wrong_type", "is a text that is not in UTF-8") from None
        return DataSource(media_type, data.decode("ascii"))
