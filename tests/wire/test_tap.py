"""The tap: what passes, what is read, and where a stream ends, however its bytes are cut."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.errors import UpstreamProtocol
from portico.types.usage import Usage
from portico.wire.tap import MAX_EVENT_BYTES, MediaTap, StreamTap


def sse(*values: object, newline: str = "\n") -> bytes:
    lines = [one if isinstance(one, str) else "data: " + json.dumps(one) for one in values]
    return "".join(line + newline * 2 for line in lines).encode()


def delta(text: str, finish: str | None = None, **more: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}], **more}


DONE = "data: [DONE]"
TOKENS = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
USAGE: dict[str, object] = {"choices": [], "usage": TOKENS}
READ = Usage(input_tokens=7, output_tokens=3, reported_total=10)
NOTHING: dict[str, object] = {"choices": [], "prompt_filter_results": []}


class Case:
    """`out` is what the client gets when the gateway, not the client, asked for the usage."""

    def __init__(
        self,
        name: str,
        given: bytes,
        out: bytes,
        *,
        usage: Usage | None = None,
        done: bool = True,
        error: bool = False,
        operation: str = "chat",
    ) -> None:
        self.name = name
        self.given = given
        self.out = out
        self.usage = usage
        self.done = done
        self.error = error
        self.operation = operation


def unchanged(name: str, given: bytes, **more: object) -> Case:
    return Case(name, given, given, **more)  # type: ignore[arg-type]


HELLO = delta("hello")
STOP = delta("", "stop")
COMPLETED = {
    "type": "response.completed",
    "response": {"usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}},
}
CASES = [
    unchanged("plain", sse(HELLO, STOP, DONE)),
    Case("usage taken out", sse(HELLO, STOP, USAGE, DONE), sse(HELLO, STOP, DONE), usage=READ),
    Case(
        "CRLF",
        sse(HELLO, STOP, USAGE, DONE, newline="\r\n"),
        sse(HELLO, STOP, DONE, newline="\r\n"),
        usage=READ,
    ),
    unchanged("comments", sse(": ping", HELLO, ": data: no", STOP, DONE)),
    unchanged(
        "usage null in each event",
        sse(delta("a", usage=None), delta("", "stop", usage=None), DONE),
    ),
    Case(
        "usage null, then the usage",
        sse(delta("a", usage=None), delta("", "stop", usage=None), USAGE, DONE),
        sse(delta("a", usage=None), delta("", "stop", usage=None), DONE),
        usage=READ,
    ),
    unchanged(
        "usage beside the last choice",
        sse(HELLO, delta("", "stop", usage=TOKENS), DONE),
        usage=READ,
    ),
    unchanged("no choices, but no usage either", sse(NOTHING, HELLO, STOP, DONE)),
    unchanged(
        "text that looks like the marks",
        sse(delta('data: [DONE]\n\n"usage" "error" "finish_reason":"stop"'), STOP, DONE),
    ),
    Case(
        "an end without [DONE]",
        sse(HELLO, STOP),
        sse(HELLO, STOP, DONE),
    ),
    Case(
        "an end without [DONE] after the usage",
        sse(HELLO, STOP, USAGE),
        sse(HELLO, STOP, DONE),
        usage=READ,
    ),
    Case(
        "a last event without its blank line", sse(HELLO, STOP, DONE)[:-1], sse(HELLO, STOP, DONE)
    ),
    Case("a last line without an end", sse(HELLO, STOP, DONE)[:-2], sse(HELLO, STOP, DONE)),
    Case("cut inside an event", sse(HELLO) + b'data: {"cho', sse(HELLO), done=False),
    Case("cut inside a character", sse(HELLO) + b'data: {"a":"\xe2\x82', sse(HELLO), done=False),
    Case("cut after an event", sse(HELLO), sse(HELLO), done=False),
    Case("nothing", b"", b"", done=False),
    Case("an error", sse(HELLO, {"error": {"code": 5}}, DONE), sse(HELLO), done=False, error=True),
    Case("an error in words", sse(HELLO, {"error": "no"}), sse(HELLO), done=False, error=True),
    Case(
        "a typed error",
        sse(HELLO, 'event: error\ndata: {"type":"error","message":"no"}'),
        sse(HELLO),
        done=False,
        error=True,
    ),
    unchanged("error null in each event", sse(delta("a", error=None), STOP, DONE)),
    Case("two ends", sse(HELLO, STOP, DONE, DONE), sse(HELLO, STOP, DONE)),
    Case("more after the end", sse(STOP, DONE, HELLO), sse(STOP, DONE)),
    unchanged("data in two lines", b'data: {"choices":\ndata: []}\n\n' + sse(STOP, DONE)),
    unchanged("data without a space", b'data:{"choices":[]}\n\n' + sse(STOP, DONE)),
    unchanged("not JSON", b"data: oops\n\n" + sse(STOP, DONE)),
    unchanged(
        "responses",
        sse({"type": "response.created", "response": {"error": None, "usage": None}}, COMPLETED),
        operation="response",
        usage=READ,
    ),
    unchanged(
        "responses, incomplete",
        sse({"type": "response.incomplete", "response": {}}),
        operation="response",
    ),
    unchanged(
        "responses, cut",
        sse({"type": "response.output_text.delta", "delta": '"type":"response.completed"'}),
        operation="response",
        done=False,
    ),
]


def run(case: Case, pieces: list[bytes]) -> tuple[bytes, StreamTap]:
    """Feed the pieces as the relay does: nothing more after an end or an error."""
    tap = StreamTap(case.operation, strip_usage=True)
    out = b""
    for piece in pieces:
        out += tap.feed(piece)
        if tap.is_done or tap.error is not None:
            return out, tap
    return out + tap.close(), tap


def check(case: Case, pieces: list[bytes]) -> None:
    out, tap = run(case, pieces)
    assert out == case.out
    assert (tap.is_done, tap.usage) == (case.done, case.usage)
    assert (tap.error is not None) == case.error


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_whole_and_byte_by_byte(case: Case) -> None:
    check(case, [case.given])
    check(case, [case.given[at : at + 1] for at in range(len(case.given))])


@given(st.sampled_from(CASES), st.lists(st.integers(0, 400), max_size=8))
def test_cut_anywhere(case: Case, cuts: list[int]) -> None:
    ends = sorted({min(cut, len(case.given)) for cut in cuts} | {0, len(case.given)})
    check(case, [case.given[a:b] for a, b in itertools.pairwise(ends)])


def test_usage_that_the_client_asked_for_stays() -> None:
    stream = sse(HELLO, STOP, USAGE, DONE)
    tap = StreamTap("chat", strip_usage=False)
    assert tap.feed(stream) == stream
    assert (tap.usage, tap.events) == (READ, 4)


OPENINGS = {
    "role": ("chat", {"choices": [{"delta": {"role": "assistant", "content": ""}}]}),
    "filter": ("chat", {"choices": [], "prompt_filter_results": [{}]}),
    "text": ("completion", {"choices": [{"text": "", "finish_reason": None}]}),
    "created": ("response", {"type": "response.created", "response": {}}),
    "item": ("response", {"type": "response.output_item.added", "item": {"type": "reasoning"}}),
}
BEGINNINGS = {
    "content": ("chat", {"choices": [{"delta": {"role": "assistant", "content": "a"}}]}),
    "reasoning": ("chat", {"choices": [{"delta": {"content": "", "reasoning": "hm"}}]}),
    "tool": ("chat", {"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]}),
    "finish": ("chat", {"choices": [{"delta": {}, "finish_reason": "stop"}]}),
    "text": ("completion", {"choices": [{"text": "a"}]}),
    "delta": ("response", {"type": "response.output_text.delta", "delta": "a"}),
    "picture": ("image", {"type": "image_generation.partial_image"}),
}


@pytest.mark.parametrize(
    ("operation", "event", "contents"),
    [(*row, 0) for row in OPENINGS.values()] + [(*row, 1) for row in BEGINNINGS.values()],
    ids=[*OPENINGS, *BEGINNINGS],
)
def test_an_opening_is_no_content(operation: str, event: dict[str, Any], contents: int) -> None:
    tap = StreamTap(operation, strip_usage=False)
    data = sse(event)
    assert (tap.feed(data), tap.events) == (data, contents)
    assert (tap.feed(data + sse({"choices": [{"delta": {"content": "b"}}]})), tap.events) == (
        data + sse({"choices": [{"delta": {"content": "b"}}]}),
        3 if contents else 1,
    )


def test_the_last_of_several_usages_counts() -> None:
    first = {"choices": [], "usage": {**TOKENS, "completion_tokens": 1}}
    tap = StreamTap("chat", strip_usage=True)
    tap.feed(sse(first, USAGE, DONE))
    assert tap.usage == READ


@pytest.mark.parametrize("operation", ["chat", "image", "response"])
def test_an_event_of_up_to_the_limit_passes(operation: str) -> None:
    big = sse(delta("x" * (MAX_EVENT_BYTES - 200)))
    tap = StreamTap(operation, strip_usage=True)
    pieces = [big[at : at + 1_000_003] for at in range(0, len(big), 1_000_003)]
    assert b"".join(map(tap.feed, pieces)) == big


def test_an_endless_event_is_refused() -> None:
    tap = StreamTap("chat", strip_usage=True)
    for piece in [b"data: x", *[b"x" * (1 << 20)] * 31]:
        assert tap.feed(piece) == b""
    with pytest.raises(UpstreamProtocol, match="32 MiB"):
        tap.feed(b"x" * (1 << 20))


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
@pytest.mark.parametrize("size", [1000, 65_537, 99_991])
def test_what_comes_with_the_end_of_a_long_event_is_seen(end: bytes, size: int) -> None:
    long = b"data: " + json.dumps(delta("x" * 300_000)).encode() + end
    last = b"".join(b"data: " + json.dumps(one).encode() + end for one in (HELLO, STOP, USAGE))
    given = long + last + b"data: [DONE]" + end
    tap = StreamTap("chat", strip_usage=False)
    assert b"".join(tap.feed(given[at : at + size]) for at in range(0, len(given), size)) == given
    assert (tap.is_done, tap.usage, tap.events) == (True, READ, 5)


def test_a_long_event_that_lacks_its_blank_line_is_completed() -> None:
    long = b"data: " + json.dumps(delta("x" * 200_000)).encode()
    tap = StreamTap("chat", strip_usage=False)
    assert b"".join(tap.feed(long[at : at + 50_000]) for at in range(0, len(long), 50_000)) == b""
    assert tap.close() == long + b"\n\n"


def test_events_that_are_not_passed_on_do_not_count() -> None:
    tap = StreamTap("chat", strip_usage=True)
    tap.feed(sse(HELLO, USAGE, {"error": "no"}, HELLO))
    assert tap.events == 1


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_no_bytes_upset_it(pieces: list[bytes]) -> None:
    tap = StreamTap("response", strip_usage=True)
    for piece in pieces:
        tap.feed(piece)
    tap.close()


def test_media_passes_untouched() -> None:
    tap = MediaTap()
    assert tap.feed(b"\n\ndata: [DONE]\n\n\xff") == b"\n\ndata: [DONE]\n\n\xff"
    assert not tap.is_done
    assert tap.close() == b""
    assert (tap.is_done, tap.usage, tap.error) == (True, None, None)


def test_a_response_that_failed_is_an_error_told_in_the_providers_own_event() -> None:
    failed = (
        b'event: response.failed\ndata: {"type":"response.failed","sequence_number":3,"response":'
        b'{"id":"resp_1","status":"failed","error":{"code":"server_error","message":"It broke."},'
        b'"usage":{"input_tokens":3,"output_tokens":0,"total_tokens":3}}}\n\n'
    )
    begun = b'event: response.created\ndata: {"type":"response.created","response":{}}\n\n'
    tap = StreamTap("response", strip_usage=False)
    assert tap.feed(begun + failed) == begun
    assert tap.error is not None
    assert tap.error.message == "It broke."
    assert not tap.is_done
    assert tap.fail(tap.error) == failed
    assert tap.usage is not None
    assert tap.usage.input_tokens == 3


def test_a_failed_response_that_quotes_a_key_is_told_in_our_words() -> None:
    failed = (
        b'data: {"type":"response.failed","response":{"error":{"code":"server_error",'
        b'"message":"bad key sk-proj-0123456789abcdef"}}}\n\n'
    )
    tap = StreamTap("response", strip_usage=False)
    assert tap.feed(failed) == b""
    assert tap.error is not None
    assert b"0123456789abcdef" not in tap.fail(tap.error)
