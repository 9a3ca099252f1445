"""Ollama's answers as they pass unchanged: what of them is read, in answers and in streams.

https://docs.ollama.com/api/streaming and …/api/errors (2026-11-23). A stream is JSON, a line each.
The line that is `done` ends it and has the counts; a line with `error` ends it, too.
"""

import re
from typing import Any, Final

import msgspec

from portico.errors import GatewayError, UpstreamProtocol
from portico.types.usage import Usage
from portico.wire.json_io import decoded_or_none
from portico.wire.ollama_chat.errors import error_of, write_error
from portico.wire.ollama_chat.stream_reader import MAX_LINE_BYTES

_MARK: Final = re.compile(rb'"done"\s*:\s*true|"error"\s*:')
"""Tool arguments may hold the same, unescaped: a marked line is decoded, and its top looked at."""


class _Line(msgspec.Struct):
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: Any = None


_LINE: Final = msgspec.json.Decoder(_Line)


def read_answer_usage(body: bytes) -> Usage | None:
    """The usage of a whole answer; one of the wrong shape counts as none."""
    line = _look(body)
    return None if line is None else _usage(line)


def _look(line: bytes) -> _Line | None:
    return decoded_or_none(_LINE, line)


def _usage(line: _Line) -> Usage | None:
    """What counts nothing is left out: a prompt that was cached whole has no count. To load a model
    takes none.
    """
    if line.done_reason in ("load", "unload"):
        return Usage(input_tokens=0, output_tokens=0, requests=0)
    if line.prompt_eval_count is None and line.eval_count is None:
        return None
    return Usage(
        input_tokens=max(line.prompt_eval_count or 0, 0),
        output_tokens=max(line.eval_count or 0, 0),
    )


class LineTap:
    """Satisfies `tap.Tap`: lines go on whole and as they came, an ordinary one is never decoded."""

    __slots__ = ("_tail", "error", "events", "is_done", "usage")

    def __init__(self) -> None:
        self._tail = bytearray()
        self.usage: Usage | None = None
        self.error: GatewayError | None = None
        self.events = 0
        self.is_done = False

    def feed(self, data: bytes) -> bytes:
        """Raises `UpstreamProtocol` for a line that is too large."""
        if self._tail or not data.endswith(b"\n"):
            data = self._whole_lines(data)
            if not data:
                return b""
        return self._pass(data)

    def _whole_lines(self, data: bytes) -> bytes:
        tail = self._tail
        end = data.rfind(b"\n") + 1
        whole = bytes(tail) + data[:end] if end else b""
        if end:
            tail.clear()
        tail += data[end:]
        if len(tail) > MAX_LINE_BYTES:
            raise UpstreamProtocol(
                f"The provider sent a stream line of more than {MAX_LINE_BYTES >> 20} MiB."
            )
        return whole

    def _pass(self, lines: bytes) -> bytes:
        """What goes on: nothing after the end, nor an error or what follows it."""
        if _MARK.search(lines) is None:
            self.events += lines.count(b"\n")
            return lines
        end = 0
        for text in lines.splitlines(keepends=True):
            if _MARK.search(text) is not None:
                self._see(_look(text) or _Line())
            if self.error is not None:
                break
            end += len(text)
            if self.is_done:
                break
            self.events += 1
        return lines[:end]

    def _see(self, line: _Line) -> None:
        if line.error:
            self.error = error_of(line.error, 200, {})
        elif line.done:
            self.usage = _usage(line)
            self.is_done = True

    def close(self) -> bytes:
        """The provider has ended cleanly: a last line without its end is completed, one that breaks
        off is dropped.
        """
        last = bytes(self._tail)
        self._tail.clear()
        if not last.strip() or self.is_done or self.error is not None or _look(last) is None:
            return b""
        return self._pass(last + b"\n")

    def fail(self, error: GatewayError) -> bytes:
        return write_error(error) + b"\n"
