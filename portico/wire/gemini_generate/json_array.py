"""A streamed JSON array: bytes to its objects as they become complete.

What `streamGenerateContent` sends without `alt=sse` (https://ai.google.dev/api/generate-content,
2026-11-23). Only brackets and strings are looked at; whether an object is JSON is for its reader.
"""

import re
from typing import Final

from portico.errors import UpstreamProtocol

_MARKS: Final = re.compile(rb'["\\{}]')


class ArraySplitter:
    """Feed it pieces of any size; it returns the objects that became complete.

    Raises UpstreamProtocol for an object above `max_object_bytes`.
    """

    __slots__ = ("_depth", "_in_string", "_is_escaped", "_max_object_bytes", "_tail")

    def __init__(self, max_object_bytes: int) -> None:
        self._max_object_bytes = max_object_bytes
        self._tail = bytearray()
        self._depth = 0
        self._in_string = False
        self._is_escaped = False

    def feed(self, data: bytes) -> list[bytes]:
        objects: list[bytes] = []
        begin = 0
        at = 0
        if self._is_escaped and data:
            self._is_escaped = False
            at = 1
        while (found := _MARKS.search(data, at)) is not None:
            at = found.end()
            mark = found.group()
            if self._in_string:
                if mark == b'"':
                    self._in_string = False
                elif mark == b"\\":
                    self._is_escaped = at == len(data)
                    at += 1
            elif mark == b'"':
                self._in_string = self._depth > 0
            elif mark == b"{":
                if self._depth == 0:
                    begin = found.start()
                self._depth += 1
            elif mark == b"}" and self._depth:
                self._depth -= 1
                if self._depth == 0:
                    objects.append(bytes(self._tail) + data[begin:at])
                    self._tail.clear()
        if self._depth:
            self._tail += data[begin:]
            if len(self._tail) > self._max_object_bytes:
                raise UpstreamProtocol(
                    f"the provider's stream holds an event of over {self._max_object_bytes} bytes"
                )
        return objects

    def close(self) -> list[bytes]:
        """The body has ended: an object that is not complete is given as it is, to be refused."""
        rest = bytes(self._tail)
        self._tail.clear()
        return [rest] if rest else []
