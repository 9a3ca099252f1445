"""Bad input, in one table: the situation, what is sent, and what is answered.

`docs/errors.md` shows the same situations. Each row is sent to a running gateway, byte by byte as
it stands here; `send` may hold more than one piece, with the connection idle in between.
"""

import json
from dataclasses import dataclass

from tests.harness import KEY, chat, http

EXPIRED = "sk-expired-0123456789"
NARROW = "sk-narrow-0123456789"
MAX_BODY = 64 * 1024


@dataclass(frozen=True)
class Bad:
    """`fragment` is a part of the message; `closes` says that the connection ends after it."""

    situation: str
    send: bytes
    status: int
    code: str
    fragment: str
    closes: bool = False
    param: str | None = None


def raw(head: str, body: bytes = b"") -> bytes:
    return head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


POST = f"POST /v1/chat/completions HTTP/1.1\nhost: gw\nauthorization: Bearer {KEY}"
BODY = json.dumps(chat("echo")).encode()


def http_row(situation: str, send: bytes, fragment: str, code: str = "malformed_http") -> Bad:
    return Bad(situation, send, 400, code, fragment, closes=True)


MALFORMED = [
    http_row("not HTTP", b"\x16\x03\x01\x02\x00\x01\x00", "TLS"),
    http_row("no method", b"hello\r\n\r\n", "HTTP"),
    http_row("no host", raw("GET /health HTTP/1.1"), "ost"),
    http_row("two hosts", raw("GET /health HTTP/1.1\nhost: a\nhost: b"), "ost"),
    http_row(
        "length and chunked",
        raw(f"{POST}\ncontent-length: 5\ntransfer-encoding: chunked", b"0\r\n\r\n"),
        "Transfer-Encoding",
    ),
    http_row("two lengths", raw(f"{POST}\ncontent-length: 5\ncontent-length: 6"), "ength"),
    http_row("a length that is no number", raw(f"{POST}\ncontent-length: 0x5"), "ength"),
    http_row("a negative length", raw(f"{POST}\ncontent-length: -1"), "ength"),
    http_row("a folded field", raw("GET /health HTTP/1.1\nhost: a\n b"), ""),
    http_row("a space before the colon", raw("GET /health HTTP/1.1\nhost : a"), ""),
    http_row("a bare line feed", b"GET /health HTTP/1.1\nhost: a\r\n\r\n", ""),
    http_row("a control character", raw("GET /health HTTP/1.1\nhost: a\nx: \x00"), ""),
    http_row(
        "a chunk of a size that is no number",
        raw(f"{POST}\ntransfer-encoding: chunked", b"zz\r\n"),
        "chunk",
    ),
    http_row(
        "an unknown transfer coding", raw(f"{POST}\ntransfer-encoding: gzip"), "Transfer-Encoding"
    ),
]
MALFORMED += [http_row("a path that climbs", http(path="/a/../etc", method="GET"), "segment")]
TOO_MUCH = [
    Bad(
        "a body announced too large",
        raw(f"{POST}\ncontent-length: {MAX_BODY + 1}"),
        413,
        "request_too_large",
        f"{MAX_BODY} bytes",
        closes=True,
    ),
    Bad(
        "a chunked body that grows too large",
        raw(f"{POST}\ntransfer-encoding: chunked", b"fff0\r\n%b\r\n" % (b" " * 0xFFF0) * 2),
        413,
        "request_too_large",
        f"{MAX_BODY} bytes",
        closes=True,
    ),
    Bad(
        "a field too large",
        raw(f"{POST}\nx: {'y' * 100_000}"),
        431,
        "request_headers_too_large",
        "bytes",
        closes=True,
    ),
    Bad("nested too deeply", http(b'{"x":' + b"[" * 60_000), 400, "invalid_json", "too deeply"),
]
TOO_SLOW = [
    Bad("a head that stops", b"POST /v1/cha", 408, "request_timeout", "head", closes=True),
    Bad(
        "a body that stops",
        raw(f"{POST}\ncontent-length: 500", b'{"mo'),
        408,
        "request_timeout",
        "body",
        closes=True,
    ),
]
JSON = [
    Bad("no body", http(b""), 400, "invalid_request", "no body"),
    Bad("not JSON", http(b"model=gpt"), 400, "invalid_json", "not valid JSON"),
    Bad("JSON cut short", http(b'{"model":"echo"'), 400, "invalid_json", "not valid JSON"),
    Bad("not UTF-8", http(b'{"model":"\xff"}'), 400, "invalid_json", "UTF-8"),
    Bad("a list", http(b"[]"), 400, "invalid_type", "JSON object"),
    Bad("model a number", http(b'{"model":5}'), 400, "invalid_type", "`model`", param="model"),
    Bad(
        "stream a text",
        http(b'{"model":"echo","stream":"yes"}'),
        400,
        "invalid_type",
        "`stream`",
        param="stream",
    ),
    Bad(
        "max_tokens a text",
        http(b'{"model":"echo","max_tokens":"9"}'),
        400,
        "invalid_type",
        "`max_tokens`",
        param="max_tokens",
    ),
    Bad("no model", http(b"{}"), 400, "missing_model", "GET /v1/models", param="model"),
    Bad(
        "an empty model",
        http(b'{"model":""}'),
        400,
        "missing_model",
        "GET /v1/models",
        param="model",
    ),
]
WHO_AND_WHAT = [
    Bad("an unknown model", http(chat("nope")), 404, "model_not_found", "'nope'", param="model"),
    Bad(
        "a model name of a megabyte",
        http(chat("x" * 50_000)),
        404,
        "model_not_found",
        "xxx…",
        param="model",
    ),
    Bad(
        "a model the key may not use",
        http(chat("echo"), key=NARROW),
        403,
        "model_not_allowed",
        "'narrow'",
        param="model",
    ),
    Bad("no key", http(chat("echo"), key=None), 401, "missing_api_key", "Bearer"),
    Bad(
        "a key that is not known",
        http(chat("echo"), key="sk-nobody-0123456789"),
        401,
        "invalid_api_key",
        "sk-…6789",
    ),
    Bad("an expired key", http(chat("echo"), key=EXPIRED), 401, "expired_api_key", "'old'"),
    Bad(
        "a credential of another scheme",
        http(chat("echo"), key=None, authorization="Digest x"),
        401,
        "missing_api_key",
        "Bearer",
    ),
    Bad("an unknown path", http(path="/v1/nope", method="GET"), 404, "unknown_url", "/v1/nope"),
    Bad(
        "the wrong method",
        http(path="/v1/chat/completions", method="GET"),
        405,
        "method_not_allowed",
        "POST",
    ),
    Bad("the wrong method of a page", http(b"", path="/health"), 405, "method_not_allowed", "GET"),
    Bad(
        "a media type that is not taken",
        http(b"<x/>", content_type="application/xml"),
        415,
        "unsupported_media_type",
        "application/json",
    ),
    Bad(
        "form data",
        http(b"--b", content_type="multipart/form-data; boundary=b"),
        415,
        "unsupported_media_type",
        "application/json",
    ),
]
UPSTREAM = [
    Bad("a provider that is down", http(chat("dead")), 502, "upstream_unreachable", "down"),
    Bad("a provider that is no provider", http(chat("wrong")), 502, "upstream_protocol_error", ""),
]
OLLAMA = [
    Bad("ollama: no body", http(b"", path="/api/chat"), 400, "", "no body"),
    Bad("ollama: not JSON", http(b"model", path="/api/chat"), 400, "", "not valid JSON"),
    Bad("ollama: no model", http(b"{}", path="/api/generate"), 400, "", "`model` is missing"),
    Bad("ollama: an unknown model", http(chat("nope"), path="/api/chat"), 404, "", "'nope'"),
    Bad(
        "ollama: a model the key may not use",
        http(chat("echo"), path="/api/chat", key=NARROW),
        403,
        "",
        "'narrow'",
    ),
    Bad("ollama: no key", http(chat("echo"), path="/api/chat", key=None), 401, "", "No API key"),
    Bad(
        "ollama: a list of messages that is none",
        http(b'{"model":"echo","messages":"hi"}', path="/api/chat"),
        400,
        "",
        "`messages`",
    ),
    Bad(
        "ollama: an unknown role",
        http(b'{"model":"echo","messages":[{"role":"robot"}]}', path="/api/chat"),
        400,
        "",
        "`messages[0].role`",
    ),
    Bad(
        "ollama: a format that is none",
        http(b'{"model":"echo","prompt":"a","format":"xml"}', path="/api/generate"),
        400,
        "",
        "`format`",
    ),
    Bad(
        "ollama: an option of the wrong type",
        http(b'{"model":"echo","prompt":"a","options":{"seed":"x"}}', path="/api/generate"),
        400,
        "",
        "`options.seed`",
    ),
    Bad("ollama: the wrong method", http(path="/api/chat", method="GET"), 405, "", "POST"),
    Bad("ollama: the wrong method of a page", http(b"{}", path="/api/tags"), 405, "", "GET"),
    Bad(
        "ollama: a media type that is not taken",
        http(b"<x/>", path="/api/chat", content_type="application/xml"),
        415,
        "",
        "JSON body",
    ),
    Bad(
        "ollama: a model to show that is not there",
        http(b'{"model":"x"}', path="/api/show"),
        404,
        "",
        "GET /api/tags",
    ),
    Bad("ollama: nothing to show", http(b"{}", path="/api/show"), 400, "", "`model` is missing"),
    Bad("ollama: what no gateway does", http(b"{}", path="/api/pull"), 404, "", "/api/pull"),
    Bad("ollama: a provider that is down", http(chat("dead"), path="/api/chat"), 502, "", "down"),
]
"""Errors in Ollama's shape, a sentence under `error`; `code` is only in the log."""
TABLE = [*MALFORMED, *TOO_MUCH, *TOO_SLOW, *JSON, *WHO_AND_WHAT, *UPSTREAM]
