"""Chunked request bodies, split anywhere; what follows them is not touched."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portico.errors import GatewayError
from portico.http.chunked import ChunkedBody

NEXT = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n"


def feed(pieces: list[bytes], limit: int = 1 << 20) -> tuple[bytes, bytes]:
    """What was decoded, and what was left over."""
    body = ChunkedBody(limit)
    rest = b""
    for piece in pieces:
        rest = rest + piece if body.is_complete else body.feed(piece)
    assert body.is_complete
    return bytes(body.body), rest


def chunked(parts: list[bytes], end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part) + end


parts = st.lists(
    st.one_of(st.binary(max_size=40), st.sampled_from([b"\r\n", b"\r\n\r\n", b"0\r\n\r\n", b"\n"])),
    max_size=8,
)
ends = st.sampled_from(
    [
        b"0\r\n\r\n",
        b"000\r\n\r\n",
        b"0;a=b\r\n\r\n",
        b"0\r\nA: b\r\n\r\n",
        b"0\r\nA: b\r\nC: d\r\n\r\n",
    ]
)


@settings(deadline=None)
@given(
    parts, ends, st.lists(st.integers(0, 600)), st.sampled_from([b"", NEXT, b"\r\n", b"0\r\n\r\n"])
)
def test_the_body_and_what_follows_are_the_same_however_the_bytes_are_split(
    body: list[bytes], end: bytes, cuts: list[int], following: bytes
) -> None:
    wire = chunked(body, end) + following
    places = [0, *sorted(cut for cut in cuts if cut < len(wire)), len(wire)]
    pieces = [wire[a:b] for a, b in pairwise(places) if a < b]

    assert feed(pieces) == (b"".join(body), following)


@settings(deadline=None)
@given(parts, ends)
def test_byte_by_byte_is_the_same(body: list[bytes], end: bytes) -> None:
    wire = chunked(body, end) + NEXT

    assert feed([wire[i : i + 1] for i in range(len(wire))]) == (b"".join(body), NEXT)


@pytest.mark.parametrize(
    "wire",
    [
        b"3\nabc\n0\n\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"+3\r\nabc\r\n0\r\n\r\n",
        b"3 \r\nabc\r\n0\r\n\r\n",
        b" 3\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"3\r\nabc0\r\n\r\n",
        b"\r\n0\r\n\r\n",
        b"g\r\n\r\n",
        b"3;a=\0\r\nabc\r\n0\r\n\r\n",
        b"0\r\nA : b\r\n\r\n",
        b"0\r\nContent-Length: 3\r\n\r\n",
        b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1" + b";" + b"x" * 200_000,
    ],
)
def test_malformed_chunks_are_refused(wire: bytes) -> None:
    with pytest.raises(GatewayError) as refusal:
        ChunkedBody(1000).feed(wire)

    assert refusal.value.status == 400


def test_a_body_past_the_limit_is_refused_at_once() -> None:
    body = ChunkedBody(10)
    body.feed(b"a\r\n0123456789\r\n")

    with pytest.raises(GatewayError) as refusal:
        body.feed(b"1\r\nx")

    assert refusal.value.status == 413
