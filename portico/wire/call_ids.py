"""Ids for tool calls that came without, in dialects that match results by name or by order."""


class CallIds:
    """One conversation's or one answer's: made ids are `prefix` and a number.

    A result without an id answers the first open call of its name, one without a name the first.
    """

    __slots__ = ("_count", "_open", "_prefix")

    def __init__(self, prefix: str = "call_") -> None:
        self._prefix = prefix
        self._count = 0
        self._open: list[tuple[str, str]] = []

    def call(self, name: str, id: str | None) -> str:
        id = id or self._made()
        self._open.append((name, id))
        return id

    def result(self, name: str | None, id: str | None) -> str:
        for i, (called, made) in enumerate(self._open):
            if made == id or (not id and (not name or called == name)):
                del self._open[i]
                return made
        return id or self._made()

    def _made(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count}"
