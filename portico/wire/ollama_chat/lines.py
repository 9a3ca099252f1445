"""Newline-delimited JSON: bytes to lines.

https://github.com/ndjson/ndjson-spec (2026-11-23), with one leniency: a last line without its end
is given too; whether its JSON is whole is for the dialect to see.
"""

from portico.errors import UpstreamProtocol


class LineSplitter:
    """Feed it pieces of any size; it returns the lines that became complete, without empty ones.

    Raises UpstreamProtocol for a line above `max_line_bytes`.
    """

    __slots__ = ("_max_line_bytes", "_tail")

    def __init__(self, max_line_bytes: int) -> None:
        self._max_line_bytes = max_line_bytes
        self._tail = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        end = data.rfind(b"\n")
        if end < 0:
            self._tail += data
            self._check(len(self._tail))
            return []
        whole = bytes(self._tail) + data[:end]
        self._tail[:] = data[end + 1 :]
        lines = [line for line in whole.split(b"\n") if line.strip()]
        self._check(max(map(len, lines), default=0))
        return lines

    def close(self) -> list[bytes]:
        rest = bytes(self._tail)
        self._tail.clear()
        return [rest] if rest.strip() else []

    def _check(self, length: int) -> None:
        if length > self._max_line_bytes:
            raise UpstreamProtocol(
                f"the provider's stream holds a line of over {self._max_line_bytes} bytes"
            )
