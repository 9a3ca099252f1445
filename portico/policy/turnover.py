"""How soon a place comes free for whoever would wait for one.

Known is since when each place is held, and how long places were held of late. The k-th in line gets
the place that is given back k-th. There are two guesses, and the later one counts: that of the k-th
oldest holder, who goes when the usual time is over, which is right for calls that take alike even
if all began together; and that of the pace, which is right for calls that take now long, now short,
where those overdue say nothing.
"""

from itertools import islice
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_MEMORY: Final = 32
"""About so many of the last holders tell what is usual."""


class Turnover(Generic[T]):
    """`now` never goes back: the holders are in the order of their coming."""

    __slots__ = ("_held_since", "usual_s")

    def __init__(self) -> None:
        self._held_since: dict[T, float] = {}
        self.usual_s: float | None = None
        """How long places are held; `None` while nobody has given one back yet."""

    def __len__(self) -> int:
        return len(self._held_since)

    def take(self, place: T, now: float) -> None:
        self._held_since[place] = now

    def give_back(self, place: T, now: float) -> None:
        held_s = now - self._held_since.pop(place)
        usual_s = self.usual_s
        self.usual_s = held_s if usual_s is None else usual_s + (held_s - usual_s) / _MEMORY

    def wait_s(self, ahead: int, now: float) -> float:
        """What one with `ahead` in line before it has to wait; 0 where nothing is known."""
        usual_s = self.usual_s
        held = len(self._held_since)
        if usual_s is None or not held:
            return 0.0
        by_pace = usual_s * ahead / held
        if ahead >= held:
            return by_pace
        since = next(islice(self._held_since.values(), ahead, None))
        return max(by_pace, since + usual_s - now)
