"""How many, and how many of those were of the bad kind, over the last few seconds.

Two halves: the one being filled and the one before, so what is counted is between half a span and
one span old. Good enough for breakers and retry budgets; limits that must hold exactly are
`policy.limits`.
"""


class Tally:
    __slots__ = ("_all", "_half_s", "_marked", "_old_all", "_old_marked", "_turn")

    def __init__(self, span_s: float) -> None:
        self._half_s = span_s / 2
        self._turn = float("-inf")
        self._all = self._marked = self._old_all = self._old_marked = 0

    def add(self, now: float, *, marked: bool) -> None:
        if now >= self._turn:
            self._roll(now)
        self._all += 1
        if marked:
            self._marked += 1

    def mark(self, now: float) -> None:
        """One of those already counted is of the bad kind."""
        if now >= self._turn:
            self._roll(now)
        self._marked += 1

    def total(self, now: float) -> int:
        if now >= self._turn:
            self._roll(now)
        return self._all + self._old_all

    def marked(self, now: float) -> int:
        if now >= self._turn:
            self._roll(now)
        return self._marked + self._old_marked

    def clear(self) -> None:
        self._all = self._marked = self._old_all = self._old_marked = 0

    def _roll(self, now: float) -> None:
        recent = now < self._turn + self._half_s
        self._old_all = self._all if recent else 0
        self._old_marked = self._marked if recent else 0
        self._all = self._marked = 0
        self._turn = now + self._half_s
