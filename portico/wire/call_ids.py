"""Calls and their results in dialects that match them by name or by order: ids for calls that came
without, and results in the order of their calls for those who read no ids.
"""

import msgspec

from portico.types.chat import Block, Message, ToolCall, ToolResult


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


def with_results_in_order(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The results of a turn in the order of its calls; everything else stays where it is."""
    places: dict[str, int] = {}
    results: list[tuple[int, int, ToolResult]] = []
    moved: dict[int, list[Block]] = {}
    for i, message in enumerate(messages):
        if message.role == "assistant":
            _reorder(messages, results, places, moved)
            results = []
        for j, block in enumerate(message.content):
            if isinstance(block, ToolCall):
                places[block.id] = len(places)
            elif isinstance(block, ToolResult):
                results.append((i, j, block))
    _reorder(messages, results, places, moved)
    if not moved:
        return messages
    return tuple(
        msgspec.structs.replace(message, content=tuple(moved[i])) if i in moved else message
        for i, message in enumerate(messages)
    )


def _reorder(
    messages: tuple[Message, ...],
    results: list[tuple[int, int, ToolResult]],
    places: dict[str, int],
    moved: dict[int, list[Block]],
) -> None:
    """Put the `results` of one turn in order, into `moved` if that changes anything."""
    ordered = sorted(results, key=lambda slot: places.get(slot[2].call_id, len(places)))
    if ordered == results:
        return
    for (i, j, _), (_, _, result) in zip(results, ordered, strict=True):
        moved.setdefault(i, list(messages[i].content))[j] = result
