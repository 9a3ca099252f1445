"""Inputs that are nearly right: one node of a good one taken out, doubled, renamed or replaced."""

import json
import random
import re
from collections.abc import Iterator
from typing import Any

NAN, INFINITY = "\ue000nan", "\ue000infinity"
HUGE, EXPONENT, LONE = "\ue000huge", "\ue000exponent", "\ue000lone"
_RAW = {
    NAN: "NaN",
    INFINITY: "-Infinity",
    HUGE: "9" * 400,
    EXPONENT: "1e999",
    LONE: '"\\ud800"',
}
"""What `json.dumps` would not write: it is written as these words, then put in."""
_MARK = re.compile('"(\ue000[a-z]+)"')

DEEP: Any = []
for _ in range(150):
    DEEP = [DEEP]

REPLACEMENTS: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    2**63,
    -(2**63) - 1,
    HUGE,
    EXPONENT,
    NAN,
    INFINITY,
    LONE,
    "",
    "x",
    "\x00",
    "\ud83d\ude00",
    [],
    [None],
    [[]],
    {},
    {"": None},
    {"type": "text"},
    {"type": []},
    DEEP,
)


def dump(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False)
    return _MARK.sub(lambda found: _RAW.get(found.group(1), "0"), text).encode(
        "utf-8", "surrogatepass"
    )


def every(value: Any) -> Iterator[Any]:
    """Each mutation of each node, depth first."""
    yield from REPLACEMENTS
    if isinstance(value, dict):
        for key, item in value.items():
            rest = {other: kept for other, kept in value.items() if other != key}
            yield rest
            yield {**rest, f"{key}x": item}
            yield {**rest, key: [item, item]}
            for changed in every(item):
                yield {**value, key: changed}
    elif isinstance(value, list):
        yield value + value
        yield value[::-1]
        for at, item in enumerate(value):
            before, after = value[:at], value[at + 1 :]
            yield before + after
            yield [*before, item, item, *after]
            for changed in every(item):
                yield [*before, changed, *after]


def one(value: Any, rng: random.Random) -> Any:
    """One of them, by a walk from the root: small parts of large inputs get their turn, too."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        rest = {other: kept for other, kept in value.items() if other != key}
        match rng.randrange(12):
            case 0:
                return rest
            case 1:
                return {**rest, rng.choice([key.upper(), f"{key}s", "type", ""]): value[key]}
            case 2:
                return {**value, key: [value[key], value[key]]}
            case _:
                return {**value, key: one(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = rng.randrange(len(value))
        before, after = value[:at], value[at + 1 :]
        match rng.randrange(12):
            case 0:
                return before + after
            case 1:
                return [*before, value[at], value[at], *after]
            case 2:
                return rng.sample(value, len(value))
            case _:
                return [*before, one(value[at], rng), *after]
    if isinstance(value, str) and value and rng.random() < 0.3:
        at = rng.randrange(len(value))
        return value[:at] + rng.choice(["", "\x00", "é", "\U0001f600", '"', "\\"]) + value[at + 1 :]
    return rng.choice(REPLACEMENTS)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Bytes with a piece taken out, doubled, moved or changed; for what is no JSON."""
    if not data:
        return data
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    match rng.randrange(6):
        case 0:
            return data[:a] + data[b:]
        case 1:
            return data[:b] + data[a:b] + data[b:]
        case 2:
            return data[b:] + data[:b]
        case 3:
            return data[:a] + bytes([rng.randrange(256)]) + data[a + 1 :]
        case 4:
            return data[:a] + rng.randbytes(rng.randrange(1, 9)) + data[a:]
        case _:
            return data[:b]


_DATA_LINE = re.compile(rb"(?m)^([^{\n]*)(\{.*\})(\r?)$")


def event_changed(stream: bytes, rng: random.Random) -> bytes:
    """A text stream in which the JSON of one event is mutated, or one is left out or doubled."""
    found = list(_DATA_LINE.finditer(stream))
    if not found or rng.random() < 0.1:
        return damaged(stream, rng)
    if rng.random() < 0.25:
        parts = re.split(rb"(?<=\n\n)|(?<=\r\n\r\n)|(?<=\}\n)", stream)
        at = rng.randrange(len(parts))
        changed = rng.choice([[], [parts[at]] * 2, [parts[at][::-1]]])
        return b"".join([*parts[:at], *changed, *parts[at + 1 :]])
    chosen = rng.choice(found)
    try:
        value = json.loads(chosen.group(2))
    except ValueError:
        return damaged(stream, rng)
    start, end = chosen.span(2)
    return stream[:start] + dump(one(value, rng)) + stream[end:]


# Inputs that are good and large


def inflated(value: Any, size: int) -> Iterator[tuple[str, Any]]:
    """`value` with one node grown to about `size` bytes, by what was done and where; places that
    differ only in the numbers of lists count once.
    """
    seen = set()
    for path, node in _nodes(value):
        where = ".".join(step for step in path if isinstance(step, str))
        for how, grown in _grown(node, size):
            if (how, where) not in seen:
                seen.add((how, where))
                yield f"{how} {where}", _put(value, path, grown)


def _grown(node: Any, size: int) -> Iterator[tuple[str, Any]]:
    if isinstance(node, list) and node:
        yield "items", node * max(1, size // len(dump(node)))
    elif isinstance(node, str):
        yield "length", (node or "x") * max(1, size // max(1, len(node)))
        yield "escapes", '\\"{[\n' * (size // 8)
    elif isinstance(node, dict):
        yield "keys", {**node, **{f"k{number}": number for number in range(size // 12)}}
        first = next(iter(node.values()), None)
        count = size // (12 + len(dump(first)))
        yield "likes", {**node, **{f"k{number}": first for number in range(count)}}


def _nodes(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, Any]]:
    yield path, value
    steps: Any = ()
    if isinstance(value, dict):
        steps = value.items()
    elif isinstance(value, list):
        steps = enumerate(value)
    for step, inner in steps:
        yield from _nodes(inner, (*path, step))


def _put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {**value, step: _put(value[step], rest, new)}
    return [*value[:step], _put(value[step], rest, new), *value[step + 1 :]]


def long_streams(stream: bytes, size: int, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """One event many times over, one event with a node grown, and the whole in a long line."""
    found = list(_DATA_LINE.finditer(stream))
    if not found:
        return
    end = b"\n\n" if b"\n\n" in stream else b"\n"
    for chosen in rng.sample(found, min(3, len(found))):
        line = chosen.group(0)
        many = (line + end) * (size // (len(line) + 1))
        yield "an event again and again", stream[: chosen.start()] + many + stream[chosen.start() :]
        try:
            value = json.loads(chosen.group(2))
        except ValueError:
            continue
        grown = list(inflated(value, size))
        for how, large in rng.sample(grown, min(2, len(grown))):
            start, stop = chosen.span(2)
            yield f"an event with {how}", stream[:start] + dump(large) + stream[stop:]
