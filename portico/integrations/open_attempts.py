"""Which attempts are under way, and which have ended lately. Bounded, and not locked.

A client may send one request id many times at once: then they are told apart by number only.
"""

from typing import Generic, TypeVar

T = TypeVar("T")

AttemptKey = str | tuple[str, int] | tuple[str, int, str]


class OpenAttempts(Generic[T]):
    """Keeps one item per attempt under way, at most `limit`; remembers 1 to 2 × `memory` ends."""

    __slots__ = ("_before", "_ended", "_limit", "_memory", "_open", "_twin_count", "_twins")

    def __init__(self, limit: int, memory: int) -> None:
        self._limit = limit
        self._memory = memory
        self._open: dict[AttemptKey, T] = {}
        self._twins: dict[AttemptKey, list[T]] = {}
        self._twin_count = 0
        self._ended: set[AttemptKey] = set()
        self._before: set[AttemptKey] = set()

    def __len__(self) -> int:
        return len(self._open) + self._twin_count

    def begin(self, key: AttemptKey, item: T) -> T | None:
        """Past the limit the oldest attempt has to give way, as ended: its item is returned."""
        if key in self._open:
            self._twins.setdefault(key, []).append(item)
            self._twin_count += 1
        else:
            self._open[key] = item
        if len(self._open) + self._twin_count <= self._limit:
            return None
        return self.end(next(iter(self._open)))

    def end(self, key: AttemptKey) -> T | None:
        """The item of an attempt that ends now; `None` if none is under way."""
        if self._twin_count and key in self._twins:
            item: T | None = self._pop_twin(key)
        else:
            item = self._open.pop(key, None)
        if item is not None:
            self.remember(key)
        return item

    def has_ended(self, key: AttemptKey) -> bool:
        """Lately, that is."""
        return key in self._ended or key in self._before

    def remember(self, key: AttemptKey) -> None:
        self._ended.add(key)
        if len(self._ended) >= self._memory:
            self._before = self._ended
            self._ended = set()

    def _pop_twin(self, key: AttemptKey) -> T:
        twins = self._twins[key]
        item = twins.pop()
        self._twin_count -= 1
        if not twins:
            del self._twins[key]
        return item
