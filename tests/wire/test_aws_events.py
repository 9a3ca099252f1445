import itertools
import struct
import uuid
from binascii import crc32
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from portico.errors import UpstreamProtocol
from portico.wire.aws_events import AwsEvent, AwsEventSplitter, write_event

HEADERS = {":message-type": "event", ":event-type": "chunk", "größe": "ü"}
FRAMES = [
    write_event(HEADERS, b'{"a":1}'),
    write_event({":message-type": "exception", ":exception-type": "x"}, b""),
    write_event({}, b"\x00" * 1000),
]


def read(pieces: list[bytes]) -> list[AwsEvent]:
    splitter = AwsEventSplitter()
    events = [event for piece in pieces for event in splitter.feed(piece)]
    splitter.close()
    return events


def by_botocore(stream: bytes) -> list[tuple[dict[str, Any], bytes]]:
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    return [(message.headers, message.payload) for message in buffer]


@pytest.mark.parametrize("frame", FRAMES)
def test_botocore_reads_what_is_written(frame: bytes) -> None:
    assert by_botocore(frame) == [(event.headers, event.payload) for event in read([frame])]


def test_events_do_not_depend_on_where_the_bytes_are_split() -> None:
    stream = b"".join(FRAMES)
    events = read([stream])
    assert [event.name for event in events] == ["chunk", "x", ""]
    assert [event.kind for event in events] == ["event", "exception", "event"]
    assert events[0].payload == b'{"a":1}'
    assert read([bytes([byte]) for byte in stream]) == events
    for cut in range(len(stream)):
        assert read([stream[:cut], stream[cut:]]) == events


_VALUES: dict[int, Any] = {
    0: b"",
    1: b"",
    2: struct.pack(">b", -5),
    3: struct.pack(">h", -500),
    4: struct.pack(">i", -50_000),
    5: struct.pack(">q", -(2**40)),
    6: struct.pack(">H", 3) + b"\x00\x01\xff",
    7: struct.pack(">H", 5) + "größ".encode()[:5],
    8: struct.pack(">q", 1_795_000_000_000),
    9: uuid.UUID("00112233-4455-6677-8899-aabbccddeeff").bytes,
}


def frame_of(block: bytes, payload: bytes = b"") -> bytes:
    prelude = struct.pack(">II", len(block) + len(payload) + 16, len(block))
    frame = prelude + struct.pack(">I", crc32(prelude)) + block + payload
    return frame + struct.pack(">I", crc32(frame))


@pytest.mark.parametrize("kind", [kind for kind in _VALUES if kind != 7])
def test_every_type_of_header_means_what_botocore_reads(kind: int) -> None:
    frame = frame_of(b"\x01h" + bytes([kind]) + _VALUES[kind])
    expected: Any = by_botocore(frame)[0][0]["h"]
    assert read([frame])[0].headers["h"] == expected


@pytest.mark.parametrize("at", range(len(FRAMES[0])))
def test_one_flipped_bit_anywhere_is_noticed_and_ends_the_stream(at: int) -> None:
    damaged = bytearray(FRAMES[0])
    damaged[at] ^= 0x10
    splitter = AwsEventSplitter()
    assert len(splitter.feed(FRAMES[1])) == 1
    with pytest.raises(UpstreamProtocol, match="damaged"):  # noqa: PT012
        assert splitter.feed(bytes(damaged)) == []
        splitter.close()
    with pytest.raises(UpstreamProtocol, match="damaged"):
        splitter.feed(FRAMES[1])


def test_what_came_before_the_damage_is_given_first() -> None:
    splitter = AwsEventSplitter()
    damaged = FRAMES[0][:-1] + bytes([FRAMES[0][-1] ^ 1])
    assert [event.name for event in splitter.feed(FRAMES[1] + damaged + FRAMES[0])] == ["x"]
    with pytest.raises(UpstreamProtocol, match="checksum of a frame is wrong"):
        splitter.feed(b"")


@pytest.mark.parametrize("length", [1, 11, 12, 20, len(FRAMES[0]) - 1])
def test_an_end_within_a_frame_is_an_error(length: int) -> None:
    splitter = AwsEventSplitter()
    assert splitter.feed(FRAMES[0][:length]) == []
    with pytest.raises(UpstreamProtocol, match="ended within a frame"):
        splitter.close()


def test_a_frame_that_claims_too_much_is_refused_before_it_is_collected() -> None:
    prelude = struct.pack(">II", 2**31, 16)
    with pytest.raises(UpstreamProtocol, match="claims 2147483648 bytes"):
        AwsEventSplitter().feed(prelude + struct.pack(">I", crc32(prelude)))


def test_headers_longer_than_their_frame_are_refused() -> None:
    prelude = struct.pack(">II", 20, 16)
    with pytest.raises(UpstreamProtocol, match="16 of them headers"):
        AwsEventSplitter().feed(prelude + struct.pack(">I", crc32(prelude)) + b"\x00" * 8)


@pytest.mark.parametrize(
    "block", [b"\x05ab", b"\x01h\x07\x00\x09x", b"\x01h\x0c", b"\x01\xff\x00", b"\x01h\x05\x00"]
)
def test_headers_that_cannot_be_read_are_an_error_of_the_provider(block: bytes) -> None:
    with pytest.raises(UpstreamProtocol, match="headers of a frame cannot be read"):
        AwsEventSplitter().feed(frame_of(block))


@given(st.data())
def test_any_frames_split_anywhere_give_the_same_events(data: st.DataObject) -> None:
    payloads = data.draw(st.lists(st.binary(max_size=40), max_size=4))
    stream = b"".join(write_event(HEADERS, payload) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    edges = [0, *cuts, len(stream)]
    assert [
        e.payload for e in read([stream[a:b] for a, b in itertools.pairwise(edges)])
    ] == payloads


@given(st.binary(max_size=200))
def test_any_bytes_raise_nothing_but_the_declared_error(data: bytes) -> None:
    splitter = AwsEventSplitter()
    try:
        splitter.feed(data)
        splitter.close()
    except UpstreamProtocol:
        pass
