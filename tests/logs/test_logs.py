"""Log lines: nothing secret in them, one event a line, whatever the message holds."""

import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.logs import MAX_LINE_CHARS, JsonLines, TextLines, one_line, scrub, set_up

SECRETS = [
    "sk-proj-abcdefghijklmnop",
    "sk-ant-api03-abcdefghijklmnop",
    "gw-ABCDEFGHijklmnop0123456789",
    "gsk_0123456789abcdefghij",
    "xai-0123456789abcdefghij",
    "hf_0123456789abcdefghij",
    "AIzaSyA0123456789abcdefghijklmnopqrstuv",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig-nature",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "frame", ["{}", "key {} refused", '{{"api_key":"{}"}}', "Bearer {}", "https://x/?key={}&a=1"]
)
def test_what_looks_like_a_key_is_masked(secret: str, frame: str) -> None:
    shown = scrub(frame.format(secret))
    assert secret not in shown
    assert secret[-8:] not in shown
    assert "…" in shown


@pytest.mark.parametrize(
    "text",
    ["Authorization: Bearer 0123456789abcdef", "GET /?api_key=0123456789abcdef HTTP/1.1"],
)
def test_what_stands_where_a_key_stands_is_masked(text: str) -> None:
    assert "456789abcdef" not in scrub(text)


@pytest.mark.parametrize(
    "text",
    ["the task-force", "sk-short", "up0/real-0: 503 upstream_unavailable", "disk-full", "key=abc"],
)
def test_ordinary_words_stay(text: str) -> None:
    assert scrub(text) == text


@given(st.text())
def test_a_line_stays_a_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1
    assert all(ord(char) >= 32 for char in one_line(text))


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("portico", logging.WARNING, "f", 1, message, (), None)
    made.created = 1_700_000_000.5
    vars(made).update(extra)
    return made


def test_a_text_line() -> None:
    line = TextLines().format(record("a\nb sk-abcdefghijkl", request_id="r\x1b1"))
    assert line == "2023-11-14T22:13:20.500Z WARNING portico a\\nb sk-a… request_id=r\\x1b1"


def test_a_json_line() -> None:
    line = JsonLines().format(record('a "b"', request_id="r1"))
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.500Z",
        "level": "warning",
        "logger": "portico",
        "message": 'a "b"',
        "request_id": "r1",
    }


def test_a_very_long_message_is_cut() -> None:
    assert len(TextLines().format(record("x " * 10_000))) <= MAX_LINE_CHARS + 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_carries_no_key(form: str) -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    try:
        set_up(level="info", form=form, stream=stream)
        try:
            raise ValueError("refused sk-abcdefghijkl")
        except ValueError:
            logging.getLogger("portico").exception("failed")
        logging.getLogger("portico").debug("hidden")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.raiseExceptions = raising
    said = stream.getvalue()
    assert "ValueError" in said
    assert "abcdefghijkl" not in said
    assert "hidden" not in said
    if form == "json":
        assert len(said.splitlines()) == 1
