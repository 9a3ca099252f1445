"""Text to `Config`: every problem at once, with file, line, column, the line itself and a hint."""

import re
import time
from collections.abc import Collection, Mapping
from typing import TypeVar

import msgspec

from portico.config import environment, yaml_tree
from portico.config.check import Checker
from portico.config.decode import Decoder
from portico.config.problem import (
    MAX_PROBLEMS,
    ConfigInvalid,
    Notice,
    Place,
    Problem,
    quote,
)
from portico.config.schema.root import Config

MAX_FILE_BYTES = 4 * 1024 * 1024

__all__ = ["MAX_FILE_BYTES", "ConfigInvalid", "Loaded", "Notice", "Place", "Problem", "load"]


_Said = TypeVar("_Said", Problem, Notice)


class Loaded(msgspec.Struct, frozen=True):
    """`notices` are for the log: what is accepted but has no effect here."""

    config: Config
    notices: tuple[Notice, ...] = ()


def load(
    text: str | bytes | None,
    *,
    name: str,
    environ: Mapping[str, str],
    flags: Mapping[str, str] | None = None,
    provider_types: Collection[str] = (),
    now: float | None = None,
) -> Loaded:
    """Read a configuration: flags win over the environment, that over the file, that over defaults.

    `text` of `None` means that there is no file: then the host is loopback unless a flag or a
    variable says otherwise. `flags` maps a setting's path (`server.port`) to its text.
    `provider_types` are the catalog's, to check names against; empty checks none. `now` is UTC
    epoch seconds. Raises `ConfigInvalid` with all problems.
    """
    source = _decoded(text, name)
    lines = source.splitlines() if len(source) < MAX_FILE_BYTES else []
    root, problems = _tree(source, name, is_file=text is not None)
    if root is None:
        raise ConfigInvalid([_with_line(p, lines, {}) for p in problems])
    notices = environment.overlay(root, environ, flags or {}, problems=problems)
    decoder = Decoder(environ)
    decoder.problems.extend(problems)
    config: Config | None = decoder.decode(root, Config)
    if config is not None:
        checker = Checker(
            config,
            decoder.places,
            broken=decoder.broken,
            now=time.time() if now is None else now,
        )
        checker.run(provider_types)
        decoder.problems.extend(checker.problems)
        decoder.notices.extend(checker.notices)
    if decoder.problems or config is None:
        found = sorted(dict.fromkeys(decoder.problems), key=_by_place)[:MAX_PROBLEMS]
        shown = [_without(problem, decoder.filled) for problem in found]
        raise ConfigInvalid([_with_line(p, lines, decoder.hidden) for p in shown])
    seen = [_without(notice, decoder.filled) for notice in notices + decoder.notices]
    return Loaded(config, tuple(seen))


def _by_place(problem: Problem) -> tuple[bool, int, int]:
    return (not problem.place.line, problem.place.line, problem.place.column)


def _decoded(text: str | bytes | None, name: str) -> str:
    if text is None:
        return ""
    if len(text) > MAX_FILE_BYTES:
        what = f"is larger than {MAX_FILE_BYTES >> 20} MiB"
        raise ConfigInvalid([Problem(Place(name), "", what, "is it the right file?")])
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = text[: error.start]
        place = Place(
            name,
            before.count(b"\n") + 1,
            len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1,
        )
        problem = Problem(
            place, "", f"byte 0x{text[error.start]:02x} is not UTF-8", "save it as UTF-8"
        )
        raise ConfigInvalid([problem]) from None


def _tree(
    source: str, name: str, *, is_file: bool
) -> tuple[yaml_tree.Mapping | None, list[Problem]]:
    node, problems = yaml_tree.parse(source, name=name)
    if node is None and problems:
        return None, problems
    if node is None or (isinstance(node, yaml_tree.Scalar) and yaml_tree.resolve(node) is None):
        place = Place(name, 1, 1) if is_file else Place("defaults")
        node = yaml_tree.Mapping(place, {}, {})
    if not isinstance(node, yaml_tree.Mapping):
        what = "the file must be a mapping of settings"
        return None, [*problems, Problem(node.place, "", what, "write 'providers:' and the like")]
    if not is_file:
        _set_loopback(node)
    return node, problems


def _set_loopback(root: yaml_tree.Mapping) -> None:
    place = root.place
    host = yaml_tree.Scalar(place, "127.0.0.1")
    root.items["server"] = yaml_tree.Mapping(place, {"host": host}, {"host": place})
    root.keys["server"] = place


def _without(said: _Said, filled: Collection[str]) -> _Said:
    """What a variable held may be a secret in the wrong place: it is named by `${…}`."""
    values = [re.escape(value) for value in filled if len(value) >= 6]
    if not values:
        return said
    pattern = re.compile("|".join(sorted(values, key=len, reverse=True)), re.IGNORECASE)
    words = {
        field: pattern.sub("${…}", value)
        for field in said.__struct_fields__
        if isinstance(value := getattr(said, field), str)
    }
    return msgspec.structs.replace(said, **words)


def _with_line(
    problem: Problem, lines: list[str], hidden: Mapping[tuple[str, int], list[tuple[int, int]]]
) -> Problem:
    place = problem.place
    columns = hidden.get((place.source, place.line), ())
    return msgspec.structs.replace(problem, quoted=quote(lines, place, columns))
