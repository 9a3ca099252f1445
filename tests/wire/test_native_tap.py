"""Streams of dialects other than OpenAI's that pass unchanged, however their bytes are cut."""

import itertools
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.errors import UpstreamProtocol, UpstreamUnavailable
from portico.types.usage import Usage
from portico.wire.anthropic_messages import native as anthropic
from portico.wire.gemini_generate import native as gemini
from portico.wire.natives import NATIVES
from portico.wire.tap import Tap


def said(type: str, **fields: object) -> bytes:
    data = json.dumps({"type": type, **fields}, separators=(",", ":"))
    return f"event: {type}\ndata: {data}\n\n".encode()


def chunk(*parts: str, finish: str | None = None, used: int | None = 0, **more: object) -> bytes:
    candidate = {"content": {"parts": [{"text": part} for part in parts]}, "index": 0}
    value: dict[str, object] = {"candidates": [candidate], **more}
    if finish is not None:
        candidate["finishReason"] = finish
    if used is not None:
        value["usageMetadata"] = {"promptTokenCount": 7, "candidatesTokenCount": used}
    return b"data: " + json.dumps(value).encode() + b"\n\n"


START = said("message_start", message={"id": "msg_1", "usage": {"input_tokens": 7, "new": {}}})
BEGIN = said("content_block_start", index=0, content_block={"type": "text", "text": ""})
PING = said("ping")
TEXT = said("content_block_delta", index=0, delta={"type": "text_delta", "text": "héllo"})
TRICKY = said(
    "content_block_delta",
    index=0,
    delta={"type": "text_delta", "text": '"message_stop" {"type":"error"}\n\ndata: "error"'},
)
STOP = said("content_block_stop", index=0)
END = said("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3})
DONE = said("message_stop")
NOVEL = said("fresh_event", anything=[1, {"error": 5}])
ERROR = said("error", error={"type": "overloaded_error", "message": "busy"})

HELLO = said("message-start", id="1", delta={"message": {"role": "assistant"}})
WORD = said("content-delta", index=0, delta={"message": {"content": {"text": 'a "type"'}}})
UNITS = {"billed_units": {"input_tokens": 7, "output_tokens": 3}}
BYE = said("message-end", delta={"finish_reason": "COMPLETE", "usage": UNITS})
SORRY = said("message-end", delta={"finish_reason": "ERROR", "error": "busy"})


def line(text: str = "", **more: object) -> bytes:
    message = {"role": "assistant", "content": text}
    value = {"model": "m", "message": message, "done": False, **more}
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


COUNTS = {"done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 3}
OVER = line(**COUNTS)
CALL = {"function": {"name": "f", "arguments": {"done": True, "error": "none"}}}
TOLD = b'{"error":"the model ran away"}\n'

NO_USE = Usage(input_tokens=0, output_tokens=0, requests=0)
READ = Usage(input_tokens=7, output_tokens=3)
LAST = chunk("", finish="STOP", used=3)
FAILED = b'data: {"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}\n\n'
BLOCKED = b'data: {"promptFeedback":{"blockReason":"SAFETY"}}\n\n'


class Case:
    def __init__(
        self,
        name: str,
        dialect: str,
        given: bytes,
        out: bytes | None = None,
        *,
        usage: Usage | None = READ,
        done: bool = True,
        error: bool = False,
        events: int = 1,
    ) -> None:
        self.name = f"{dialect}: {name}"
        self.tap: Callable[[], Tap] = NATIVES[dialect].tap
        self.given = given
        self.out = given if out is None else out
        self.expected = (usage, done, error, events)


ANTHROPIC, GEMINI, COHERE = "anthropic_messages", "gemini_generate", "cohere_chat"
OLLAMA = "ollama_chat"
BEGUN = Usage(input_tokens=7)
CASES = [
    Case("plain", ANTHROPIC, START + BEGIN + PING + TEXT + STOP + END + DONE),
    Case("unknown events", ANTHROPIC, START + NOVEL + BEGIN + TEXT + STOP + NOVEL + END + DONE),
    Case("text like marks", ANTHROPIC, START + BEGIN + TRICKY + STOP + END + DONE),
    Case(
        "CRLF",
        ANTHROPIC,
        (START + BEGIN + TEXT + STOP + END + DONE).replace(b"\n", b"\r\n"),
    ),
    Case("comments", ANTHROPIC, START + b": hm\n\n" + BEGIN + TEXT + STOP + END + DONE),
    Case("after the end", ANTHROPIC, START + TEXT + END + DONE + TEXT, START + TEXT + END + DONE),
    Case(
        "an error",
        ANTHROPIC,
        START + TEXT + ERROR + DONE,
        START + TEXT,
        usage=BEGUN,
        done=False,
        error=True,
    ),
    Case("an error first", ANTHROPIC, ERROR, b"", usage=None, done=False, error=True, events=0),
    Case(
        "an early error",
        ANTHROPIC,
        START + PING + ERROR,
        START + PING,
        usage=BEGUN,
        done=False,
        error=True,
        events=0,
    ),
    Case("cut", ANTHROPIC, START + TEXT + TEXT[:40], START + TEXT, usage=BEGUN, done=False),
    Case("no message_stop", ANTHROPIC, START + TEXT + END, done=False),
    Case(
        "no last blank line", ANTHROPIC, START + TEXT + END + DONE[:-1], START + TEXT + END + DONE
    ),
    Case("not JSON", ANTHROPIC, START + TEXT + b'data: "error" oops\n\n' + END + DONE),
    Case("nothing", ANTHROPIC, b"", usage=None, done=False, events=0),
    Case("plain", COHERE, HELLO + WORD + BYE),
    Case("unknown events", COHERE, HELLO + said("novel") + WORD + BYE),
    Case("after the end", COHERE, HELLO + WORD + BYE + b"data: [DONE]\n\n", HELLO + WORD + BYE),
    Case("cut", COHERE, HELLO + WORD + BYE[:40], HELLO + WORD, usage=None, done=False),
    Case(
        "an error", COHERE, HELLO + WORD + SORRY, HELLO + WORD, usage=None, done=False, error=True
    ),
    Case(
        "an error alone",
        COHERE,
        b'data: {"message":"busy"}\n\n',
        b"",
        usage=None,
        done=False,
        error=True,
        events=0,
    ),
    Case("nothing", COHERE, b"", usage=None, done=False, events=0),
    Case("plain", GEMINI, chunk("he") + chunk("llo") + LAST, events=3),
    Case("finished in each", GEMINI, chunk("a", finish="STOP") + LAST, events=2),
    Case(
        "usage alone, last",
        GEMINI,
        chunk("a", finish="STOP", used=None)
        + b'data: {"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3}}\n\n',
        events=2,
    ),
    Case("unknown fields", GEMINI, chunk("a", novel={"error": None}) + LAST, events=2),
    Case(
        "an error",
        GEMINI,
        chunk("a") + FAILED + LAST,
        chunk("a"),
        usage=Usage(input_tokens=7, output_tokens=0),
        done=False,
        error=True,
    ),
    Case("an error first", GEMINI, FAILED, b"", usage=None, done=False, error=True, events=0),
    Case(
        "never finished",
        GEMINI,
        chunk("a"),
        usage=Usage(input_tokens=7, output_tokens=0),
        done=False,
    ),
    Case(
        "cut",
        GEMINI,
        chunk("a") + LAST[:30],
        chunk("a"),
        usage=Usage(input_tokens=7, output_tokens=0),
        done=False,
    ),
    Case("blocked", GEMINI, BLOCKED, usage=None),
    Case(
        "arguments like marks",
        GEMINI,
        chunk(args={"finishReason": "STOP"}),
        usage=Usage(input_tokens=7, output_tokens=0),
        done=False,
    ),
    Case("no last blank line", GEMINI, chunk("a") + LAST[:-2], chunk("a") + LAST, events=2),
    Case("nothing", GEMINI, b"", usage=None, done=False, events=0),
    Case("plain", OLLAMA, line("he") + line("llo") + OVER, events=2),
    Case("text like marks", OLLAMA, line('"done":true,"error":"x"') + OVER),
    Case("arguments like marks", OLLAMA, line(tool_calls=[CALL]) + line("a") + OVER, events=2),
    Case("spaced", OLLAMA, line("a") + OVER.replace(b'"done":', b'"done" : ')),
    Case("CRLF and blank lines", OLLAMA, line("a")[:-1] + b"\r\n\n" + OVER, events=2),
    Case("a completion", OLLAMA, b'{"response":"a","done":false}\n' + OVER),
    Case("after the end", OLLAMA, line("a") + OVER + line("b"), line("a") + OVER),
    Case("no last line end", OLLAMA, line("a") + OVER[:-1], line("a") + OVER),
    Case("cut", OLLAMA, line("a") + OVER[:40], line("a"), usage=None, done=False),
    Case("never done", OLLAMA, line("a") + line("b"), usage=None, done=False, events=2),
    Case(
        "an error", OLLAMA, line("a") + TOLD + OVER, line("a"), usage=None, done=False, error=True
    ),
    Case("an error first", OLLAMA, TOLD, b"", usage=None, done=False, error=True, events=0),
    Case("loaded", OLLAMA, line(done=True, done_reason="load"), usage=NO_USE, events=0),
    Case("nothing", OLLAMA, b"", usage=None, done=False, events=0),
]


def run(tap: Tap, pieces: list[bytes]) -> bytes:
    """Feed the pieces as the relay does: nothing more after an end or an error."""
    out = b""
    for piece in pieces:
        out += tap.feed(piece)
        if tap.is_done or tap.error is not None:
            return out
    return out + tap.close()


def check(case: Case, pieces: list[bytes]) -> None:
    tap = case.tap()
    assert run(tap, pieces) == case.out
    assert (tap.usage, tap.is_done, tap.error is not None, tap.events) == case.expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_whole_and_byte_by_byte(case: Case) -> None:
    check(case, [case.given])
    check(case, [case.given[at : at + 1] for at in range(len(case.given))])


@given(st.sampled_from(CASES), st.lists(st.integers(0, 900), max_size=8))
def test_cut_anywhere(case: Case, cuts: list[int]) -> None:
    ends = sorted({min(cut, len(case.given)) for cut in cuts} | {0, len(case.given)})
    check(case, [case.given[a:b] for a, b in itertools.pairwise(ends)])


@pytest.mark.parametrize("dialect", NATIVES)
@given(st.lists(st.binary(max_size=40), max_size=6))
def test_no_bytes_upset_it(dialect: str, pieces: list[bytes]) -> None:
    tap = NATIVES[dialect].tap()
    run(tap, pieces)
    assert not tap.is_done or dialect == "gemini_generate"


@pytest.mark.parametrize(
    ("dialect", "most_mib"), [(ANTHROPIC, 32), (GEMINI, 32), (COHERE, 32), (OLLAMA, 16)]
)
def test_an_endless_event_is_refused(dialect: str, most_mib: int) -> None:
    tap = NATIVES[dialect].tap()
    for piece in [b"data: x", *[b"x" * (1 << 20)] * (most_mib - 1)]:
        assert tap.feed(piece) == b""
    with pytest.raises(UpstreamProtocol, match=f"more than {most_mib} MiB"):
        tap.feed(b"x" * (1 << 20))


def test_an_error_keeps_its_meaning() -> None:
    tap = anthropic.tap()
    tap.feed(START + ERROR)
    assert isinstance(tap.error, UpstreamUnavailable)
    assert tap.fail(tap.error) == ERROR


def test_a_broken_stream_of_lines_ends_in_one() -> None:
    tap = NATIVES[OLLAMA].tap()
    assert tap.feed(line("a") + OVER[:30]) == line("a")
    assert tap.fail(UpstreamProtocol("cut short")) == b'{"error":"cut short"}\n'


def test_usage_grows_over_a_message() -> None:
    tap = anthropic.tap()
    start = {"input_tokens": 5, "cache_read_input_tokens": 100, "output_tokens": 1}
    tap.feed(said("message_start", message={"usage": start}))
    assert tap.usage == Usage(input_tokens=5, cache_read_tokens=100, output_tokens=1)
    tap.feed(said("message_delta", usage={"output_tokens": 40}))
    assert tap.usage == Usage(input_tokens=5, cache_read_tokens=100, output_tokens=40)


def array(tap: gemini.ArrayTap, pieces: list[bytes]) -> list[object]:
    return list(json.loads(run(tap, pieces)))


STREAM = chunk("hé") + chunk("llo") + LAST


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_a_client_without_sse_gets_the_same_objects_in_one_array(cuts: list[int]) -> None:
    ends = sorted({*cuts, 0, len(STREAM)})
    tap = gemini.ArrayTap()
    objects = array(tap, [STREAM[a:b] for a, b in itertools.pairwise(ends)])
    assert objects == [json.loads(block[6:]) for block in STREAM.split(b"\n\n") if block]
    assert (tap.is_done, tap.usage) == (True, READ)


def test_an_array_that_breaks_ends_in_an_error() -> None:
    tap = gemini.ArrayTap()
    out = run(tap, [chunk("a")])
    assert not tap.is_done
    broken = json.loads(out + tap.fail(UpstreamProtocol("cut short")))
    assert broken[1]["error"]["message"] == "cut short"


@pytest.mark.parametrize(
    ("dialect", "body", "usage"),
    [
        (ANTHROPIC, b'{"usage":{"input_tokens":7,"output_tokens":3},"novel":1}', READ),
        (ANTHROPIC, b'{"usage":{"input_tokens":"7"}}', None),
        (ANTHROPIC, b'{"content":[]}', None),
        (ANTHROPIC, b"oops", None),
        (GEMINI, b'{"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3}}', READ),
        (GEMINI, b'{"usageMetadata":[]}', None),
        (GEMINI, b"\xff", None),
        (COHERE, json.dumps({"usage": UNITS}).encode(), READ),
        (COHERE, b'{"usage":5}', None),
        (OLLAMA, OVER, READ),
        (OLLAMA, b'{"eval_count":3,"done":true}', Usage(input_tokens=0, output_tokens=3)),
        (OLLAMA, b'{"eval_count":"3"}', None),
    ],
)
def test_usage_of_whole_answers(dialect: str, body: bytes, usage: Usage | None) -> None:
    assert NATIVES[dialect].read_usage(body) == usage
