"""Log lines: one event, one line, on standard error, as text or as JSON; never a secret.

Whatever a line says passes one filter that masks what looks like a key, so that a provider's
message or an exception's text cannot carry one out. Control characters are escaped: a line stays
a line.
"""

import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

MAX_LINE_CHARS = 8192

_SECRETS = re.compile(
    r"(?i)\b(?:sk|gw|pk|rk|gsk|xai|hf|r8|nvapi|pplx|csk|fw|tgp)[-_][A-Za-z0-9_-]{8,}"
    r"|\bAIza[A-Za-z0-9_-]{20,}"
    r"|\bAKIA[A-Z0-9]{12,}"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*"
    r"|(?<=bearer )[A-Za-z0-9._~+/=-]{8,}"
    r"|(?<=key=)[A-Za-z0-9._~+/-]{8,}"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_OWN_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_ENCODER = msgspec.json.Encoder()


def scrub(text: str) -> str:
    """The text with everything that looks like a key shortened to its first characters."""
    return _SECRETS.sub(lambda found: f"{found.group()[:4]}…", text)


def one_line(text: str) -> str:
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def set_up(*, level: str, form: str, stream: TextIO | None = None) -> None:
    """Send all log lines of `level` and above to `stream` (standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.raiseExceptions = False


class TextLines(logging.Formatter):
    """`2026-11-23T12:00:00.123Z INFO portico.engine message request_id=… route=…`."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{_time(record)} {record.levelname:<7} {record.name} {_message(record)}"
        for name, value in _extra(record).items():
            line += f" {name}={value}"
        return _bounded(line) + _traceback(record, "\n")


class JsonLines(logging.Formatter):
    """One object a line: time, level, logger, message, then the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _bounded(_message(record)),
            **_extra(record),
        }
        traceback = _traceback(record, "")
        if traceback:
            fields["exception"] = traceback
        return _ENCODER.encode(fields).decode()


def _time(record: logging.LogRecord) -> str:
    when = datetime.fromtimestamp(record.created, UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    return one_line(scrub(record.getMessage()))


def _extra(record: logging.LogRecord) -> dict[str, str]:
    return {
        name: one_line(scrub(str(value)))
        for name, value in vars(record).items()
        if name not in _OWN_FIELDS
    }


def _traceback(record: logging.LogRecord, before: str) -> str:
    if not record.exc_info:
        return ""
    return before + scrub(logging.Formatter().formatException(record.exc_info))


def _bounded(line: str) -> str:
    return line if len(line) <= MAX_LINE_CHARS else line[:MAX_LINE_CHARS] + "…"
