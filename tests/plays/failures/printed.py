"""The failure matrix as the tables of `docs/failures.md`."""

from collections.abc import Callable

from tests.plays.failures.clients import CLIENTS
from tests.plays.failures.providers import SPEAKERS
from tests.plays.failures.table import GROUPS, Ending, Row

HEAD = (
    "the provider",
    "whole: the client gets",
    "streamed: the client gets",
    "another deployment",
    "what it means for this one",
    "billed",
)
_HEALTH = {
    "counts": "a failure",
    "quota": "left alone for 300 s",
    "credential": "its key is left alone for 30 s, doubling",
    "missing": "left alone for 60 s while there is another",
    "nothing": "–",
}
_BILLED = {
    "nothing": "–",
    "opening": "what its opening reported",
    "input": "the input, estimated",
    "begun": "what had come, estimated where not reported",
    "estimate": "an estimate of all of it",
    "all": "as reported",
}


def markdown() -> str:
    """A table for each group of failures."""
    return "\n".join(_group(name, rows) for name, rows in GROUPS.items())


def cells() -> int:
    """How many combinations of failure, mode and dialects are played."""
    return sum(
        not (row.is_translated and client.dialect == speaker.dialect)
        for row in (row for rows in GROUPS.values() for row in rows)
        for client in CLIENTS
        for speaker in row.speakers
        for streamed in (False, True)
        if (row.streamed if streamed else row.whole) is not None
        and (streamed or not client.streams_only)
    )


def _group(name: str, rows: list[Row]) -> str:
    lines = [HEAD, tuple("---" for _ in HEAD), *map(_line, rows)]
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    return f"## {name}\n\n{table}"


def _line(row: Row) -> tuple[str, ...]:
    name = row.failure
    if len(row.speakers) < len(SPEAKERS):
        name += f" ({', '.join(_SHORT[speaker.dialect] for speaker in row.speakers)})"
    return (
        name,
        _told(row.whole),
        _told(row.streamed),
        _merged(row, lambda e: "answers instead" if e.elsewhere else _why_not(e)),
        _merged(row, _health),
        _merged(row, lambda e: _BILLED[e.billed]),
    )


_SHORT = {
    "openai_chat": "Chat",
    "openai_responses": "Responses",
    "anthropic_messages": "Anthropic",
    "gemini_generate": "Gemini",
}


def _told(ending: Ending | None) -> str:
    if ending is None:
        return "–"
    if ending.code is None:
        return "200, the whole answer"
    if ending.status == 200:
        return f"200, the text so far, then `{ending.code}`"
    wait = f", `retry-after` {ending.wait_s:g} s" if ending.wait_s is not None else ""
    words = ", as it was said" if ending.is_told else ""
    return f"{ending.status} `{ending.code}`{wait}{words}"


def _why_not(ending: Ending) -> str:
    if ending.code is None:
        return "–"
    if ending.status == 200:
        return "too late"
    return "no more time" if ending.code == "timeout" else "would say the same"


def _health(ending: Ending) -> str:
    if ending.health == "cools":
        return f"left alone for {ending.wait_s:g} s" if ending.wait_s else "left alone for 0.5–1 s"
    return _HEALTH[ending.health]


def _merged(row: Row, say: Callable[[Ending], str]) -> str:
    said = {
        mode: say(ending)
        for mode, ending in (("whole", row.whole), ("streamed", row.streamed))
        if ending is not None
    }
    if len(set(said.values())) == 1:
        return next(iter(said.values()))
    return "; ".join(f"{mode}: {words}" for mode, words in said.items())
