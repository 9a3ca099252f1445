"""Limits per minute and on concurrency: count at admission, correct when the truth is known.

A `RateWindow` slides: it keeps thirteen buckets of five seconds, so what it forgets is at least
sixty seconds old, and in no minute, however one aligns it, do more pass than the limit says. (A
window that starts anew every minute lets twice the limit through around the turn.) The price is
that up to 8 % of the allowance comes back a few seconds late.

Pure: `now` is monotonic seconds and is passed in. One owner, no locks.
"""

import math
from typing import Literal

import msgspec

from portico.types.deployment import Limits

UNLIMITED = Limits()
LimitName = Literal["rpm", "tpm", "max_concurrent_requests"]

_WIDTH_S = 5.0
_PER_WIDTH = 1.0 / _WIDTH_S
_BUCKETS = 13
"""Sixty seconds and the bucket being filled."""


class Exceeded(msgspec.Struct, frozen=True):
    """Which limit stands in the way; `wait_s` is the time until it does not, `None` if waiting is
    no help (the request alone is larger than the limit) or nobody can know (concurrency).
    """

    limit: LimitName
    allowed: int
    wait_s: float | None


class RateWindow:
    """Requests and tokens of the last minute."""

    __slots__ = ("_limits", "_newest", "_requests", "_rpm", "_tokens", "_tpm", "requests", "tokens")

    def __init__(self, limits: Limits = UNLIMITED) -> None:
        self._newest = 0
        self._requests = [0] * _BUCKETS
        self._tokens = [0] * _BUCKETS
        self.requests = 0
        """As of the last look; `used` brings it up to date."""
        self.tokens = 0
        self.limit(limits)

    def limit(self, limits: Limits) -> None:
        """From now on these hold; what has been counted stays."""
        self._limits = limits
        self._rpm = math.inf if limits.rpm is None else limits.rpm
        self._tpm = math.inf if limits.tpm is None else limits.tpm

    def has_room(self, now: float, tokens: int) -> bool:
        """May one more request with `tokens` pass at `now`?"""
        bucket = int(now * _PER_WIDTH)
        if bucket != self._newest:
            self._advance(bucket)
        return self.requests < self._rpm and self.tokens + tokens <= self._tpm

    def reserve(self, now: float, tokens: int) -> None:
        """Count one request and what it may use; `has_room` has been asked before."""
        bucket = int(now * _PER_WIDTH)
        if bucket != self._newest:
            bucket = self._advance(bucket)
        bucket %= _BUCKETS
        self._requests[bucket] += 1
        self.requests += 1
        if tokens:
            self._tokens[bucket] += tokens
            self.tokens += tokens

    def settle(self, reserved_at: float, now: float, *, reserved: int, used: int) -> None:
        """Replace what was reserved by what was used, in the bucket it was counted in.

        When that bucket is gone, a refund has nothing left to give back, and an excess counts now.
        """
        change = used - reserved
        if change == 0:
            return
        bucket = int(now * _PER_WIDTH)
        if bucket != self._newest:
            bucket = self._advance(bucket)
        then = int(reserved_at * _PER_WIDTH)
        if then > self._newest - _BUCKETS:
            bucket = then
        elif change < 0:
            return
        self._tokens[bucket % _BUCKETS] += change
        self.tokens += change

    def cancel(self, reserved_at: float, now: float, *, reserved: int) -> None:
        """Undo a reservation whose request was never sent."""
        self._advance(int(now * _PER_WIDTH))
        then = int(reserved_at * _PER_WIDTH)
        if then > self._newest - _BUCKETS:
            self._requests[then % _BUCKETS] -= 1
            self.requests -= 1
            self._tokens[then % _BUCKETS] -= reserved
            self.tokens -= reserved

    def excess(self, now: float, tokens: int) -> Exceeded | None:
        """What keeps one more request with `tokens` out at `now`, if anything does."""
        self._advance(int(now * _PER_WIDTH))
        rpm, tpm = self._limits.rpm, self._limits.tpm
        if rpm is not None and self.requests >= rpm:
            return Exceeded("rpm", rpm, self._wait(self._requests, self.requests + 1 - rpm, now))
        if tpm is not None and self.tokens + tokens > tpm:
            return Exceeded("tpm", tpm, self._wait(self._tokens, self.tokens + tokens - tpm, now))
        return None

    def used(self, now: float) -> tuple[int, int]:
        """Requests and tokens of the last minute."""
        bucket = int(now * _PER_WIDTH)
        if bucket != self._newest:
            self._advance(bucket)
        return self.requests, self.tokens

    def _advance(self, bucket: int) -> int:
        """Forget what is older than a minute; a clock that goes back changes nothing."""
        newest = self._newest
        if bucket <= newest:
            return newest
        for old in range(max(newest + 1, bucket - _BUCKETS + 1), bucket + 1):
            index = old % _BUCKETS
            self.requests -= self._requests[index]
            self.tokens -= self._tokens[index]
            self._requests[index] = self._tokens[index] = 0
        self._newest = bucket
        return bucket

    def _wait(self, counts: list[int], surplus: int, now: float) -> float | None:
        """Seconds until `surplus` has left the window."""
        for bucket in range(self._newest - _BUCKETS + 1, self._newest + 1):
            surplus -= counts[bucket % _BUCKETS]
            if surplus <= 0:
                return max(0.0, (bucket + _BUCKETS) * _WIDTH_S - now)
        return None


class Ticket:
    """One admitted request: give it back to the `Gate` it came from, once."""

    __slots__ = ("at", "is_open", "tokens")

    def __init__(self, at: float, tokens: int) -> None:
        self.at = at
        self.tokens = tokens
        self.is_open = True


class Gate:
    """All three limits of one holder: a key, a team."""

    __slots__ = ("in_flight", "limits", "window")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.window = RateWindow(limits)
        self.in_flight = 0

    def reserve(self, now: float, tokens: int = 0) -> Ticket | Exceeded:
        """Admit one request, or say which limit stands in the way and for how long."""
        most = self.limits.max_concurrent_requests
        if most is not None and self.in_flight >= most:
            return Exceeded("max_concurrent_requests", most, None)
        exceeded = self.window.excess(now, tokens)
        if exceeded is not None:
            return exceeded
        self.window.reserve(now, tokens)
        self.in_flight += 1
        return Ticket(now, tokens)

    def settle(self, ticket: Ticket, now: float, used_tokens: int | None) -> None:
        """The request ended; `None` keeps the reserved tokens as the best guess. Once per
        ticket.
        """
        if ticket.is_open:
            ticket.is_open = False
            self.in_flight -= 1
            if used_tokens is not None:
                self.window.settle(ticket.at, now, reserved=ticket.tokens, used=used_tokens)

    def release(self, ticket: Ticket, now: float) -> None:
        """The request was never sent: nothing of it counts. Once per ticket."""
        if ticket.is_open:
            ticket.is_open = False
            self.in_flight -= 1
            self.window.cancel(ticket.at, now, reserved=ticket.tokens)
