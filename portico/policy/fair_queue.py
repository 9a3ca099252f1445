"""Who waits when the gateway is full, who goes first, and who has to leave.

A higher priority goes first. Within one, the key with the fewest calls under way does, and of its
calls the oldest: a key that sends much waits behind itself, not before others. When the line is
full, the newest call of the longest part of the lowest priority gives way to whoever has more right
to be there.
"""

from collections.abc import Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Waiter(Generic[T]):
    """One call in line; `ticket` is what its owner waits for."""

    __slots__ = ("key", "priority", "ticket")

    def __init__(self, key: str, priority: int, ticket: T) -> None:
        self.key = key
        self.priority = priority
        self.ticket = ticket


class FairQueue(Generic[T]):
    """A bounded line. Parts are kept by priority and key, the oldest first."""

    __slots__ = ("_parts", "_size", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._size = 0
        self._parts: dict[int, dict[str, dict[Waiter[T], None]]] = {}

    def __len__(self) -> int:
        return self._size

    def push(self, waiter: Waiter[T], *, is_full: bool = False) -> Waiter[T] | None:
        """Line up. Returns who has to leave for it: nobody, another, or `waiter` itself.

        `is_full`: the line must not grow now, whatever its limit.
        """
        victim = None
        if is_full or self._size >= self.limit:
            victim = self._victim(waiter.key, waiter.priority)
            if victim is None:
                return waiter
            self.remove(victim)
        part = self._parts.setdefault(waiter.priority, {}).setdefault(waiter.key, {})
        part[waiter] = None
        self._size += 1
        return victim

    def pop(self, under_way: Mapping[str, int]) -> Waiter[T] | None:
        """Who goes next; `under_way` are the calls of each key that are being served."""
        if not self._size:
            return None
        keys = self._parts[max(self._parts)]
        key = min(keys, key=lambda name: under_way.get(name, 0))
        waiter = next(iter(keys[key]))
        self.remove(waiter)
        return waiter

    def remove(self, waiter: Waiter[T]) -> bool:
        """Leave the line; false if it was not in it."""
        keys = self._parts.get(waiter.priority, {})
        part = keys.get(waiter.key, {})
        if waiter not in part:
            return False
        del part[waiter]
        self._size -= 1
        if not part:
            del keys[waiter.key]
            if not keys:
                del self._parts[waiter.priority]
        return True

    def has_victim(self, key: str, priority: int) -> bool:
        """Is there somebody in a full line who would have to leave for this newcomer?"""
        return self._victim(key, priority) is not None

    def _victim(self, key: str, priority: int) -> Waiter[T] | None:
        if not self._size:
            return None
        lowest = min(self._parts)
        if priority < lowest:
            return None
        keys = self._parts[lowest]
        longest = max(keys.values(), key=len)
        own = len(keys.get(key, ()))
        if priority == lowest and len(longest) <= own + 1:
            return None
        return next(reversed(longest))
