"""Requests split anywhere are the same requests; garbage never kills the server."""

import asyncio
import logging
import re
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portico.http.connection import Connection
from portico.http.server import Server, ServerLimits
from portico.types.http import Request, Responder
from tests.http.harness import Clock, write_error


class FakeTransport(asyncio.Transport):
    """Takes what is written; everything else is remembered or ignored."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 5000)})
        self.written = b""
        self.is_open = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_open:
            self.written += bytes(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.is_open = False

    def is_closing(self) -> bool:
        return not self.is_open

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        self.is_open = False

    abort = close


class QuietServer(Server):
    """A server without a socket or a loop."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        limits = ServerLimits(max_body_bytes=2000, max_header_bytes=4000)
        super().__init__(self.answer, limits, write_error, None, logging.getLogger("test"))
        self.clock = Clock()
        self._refresh_date()

    def answer(self, request: Request, responder: Responder) -> None:
        self.seen.append(request)
        responder.send(200, b"", b"")

    def admit(self, connection: Connection) -> bool:
        return True


def play(pieces: list[bytes]) -> tuple[list[Request], list[int]]:
    """Feed one connection; the requests it made of the bytes, and the statuses it answered."""
    server = QuietServer()
    connection = Connection(server)
    transport = FakeTransport()
    connection.connection_made(transport)
    for piece in pieces:
        if transport.is_open:
            connection.data_received(piece)
    connection.connection_lost(None)
    statuses = [int(code) for code in re.findall(rb"HTTP/1\.1 (\d+) [A-Z]", transport.written)]
    return server.seen, [status for status in statuses if status != 100]


def cut(wire: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(wire) + 1) for place in places}), len(wire)]
    return [wire[a:b] for a, b in pairwise(edges) if a < b]


PIECES = [
    b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\r\nHEAD / HTTP/1.1\r\nHost: x\r\nA: b\r\nA:  c \r\n\r\n",
    b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello\r\n\r\nxx",
    b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"PUT /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"4\r\n\r\n\r\n\r\n3;a\r\nabc\r\n0\r\nX: y\r\n\r\n",
    b"POST /p HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
    b"POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
    b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
]

requests = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map(b"".join)


@settings(deadline=None)
@given(requests, st.lists(st.integers(0, 2000), max_size=12))
def test_requests_split_anywhere_are_the_same_requests(wire: bytes, places: list[int]) -> None:
    assert play(cut(wire, places)) == play([wire])


@settings(deadline=None)
@given(requests)
def test_requests_that_come_byte_by_byte_are_the_same_requests(wire: bytes) -> None:
    assert play([wire[i : i + 1] for i in range(len(wire))]) == play([wire])


mutations = st.lists(
    st.tuples(
        st.integers(0, 2000),
        st.sampled_from(["flip", "drop", "double", "put"]),
        st.binary(max_size=4),
    ),
    min_size=1,
    max_size=5,
)


def mutate(wire: bytes, changes: list[tuple[int, str, bytes]]) -> bytes:
    for place, how, data in changes:
        at = place % (len(wire) + 1)
        if how == "flip":
            wire = wire[:at] + data + wire[at + len(data) :]
        elif how == "drop":
            wire = wire[:at] + wire[at + 1 :]
        elif how == "double":
            wire = wire[:at] + wire[max(0, at - 8) :]
        else:
            wire = wire[:at] + data + wire[at:]
    return wire


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(requests, mutations, st.lists(st.integers(0, 2000), max_size=6))
def test_damaged_requests_are_refused_or_understood_the_same_way_however_they_come(
    wire: bytes, changes: list[tuple[int, str, bytes]], places: list[int]
) -> None:
    damaged = mutate(wire, changes)

    whole = play([damaged])

    assert all(status in (200, 400, 413, 417, 431, 505) for status in whole[1])
    assert play(cut(damaged, places))[0] == whole[0]


@settings(deadline=None)
@given(st.binary(max_size=6000), st.lists(st.integers(0, 6000), max_size=4))
def test_garbage_is_never_more_than_refused(garbage: bytes, places: list[int]) -> None:
    seen, statuses = play(cut(garbage, places))

    assert seen == []
    assert statuses in ([], [400], [431], [505])
