"""Heads as bytes: what is understood, and what is refused with which status."""

import pytest

from portico.errors import GatewayError
from portico.http.request_head import RequestHead, read_head

GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"


def test_a_head_is_read_whole() -> None:
    head = (
        b"POST /v1/chat%20x?a=%2F&b HTTP/1.1\r\nHost: gate:8000\r\nAccept: a\r\nX-A:  b \t\r\n"
        b"ACCEPT: b\r\nCookie: a=1\r\nCookie: b=2\r\nX-Empty:\r\nContent-Length: 12\r\n\r\n"
    )

    assert read_head(head, 200) == RequestHead(
        method="POST",
        path="/v1/chat x",
        query=b"a=%2F&b",
        headers={
            b"host": b"gate:8000",
            b"accept": b"a, b",
            b"x-a": b"b",
            b"cookie": b"a=1; b=2",
            b"x-empty": b"",
            b"content-length": b"12",
        },
        is_http_11=True,
        keep_alive=True,
        content_length=12,
        is_chunked=False,
        expects_continue=False,
    )


@pytest.mark.parametrize(
    ("line", "fields", "keep_alive"),
    [
        (b"GET / HTTP/1.1", b"", True),
        (b"GET / HTTP/1.1", b"Connection: close\r\n", False),
        (b"GET / HTTP/1.1", b"Connection: Foo, CLOSE\r\n", False),
        (b"GET / HTTP/1.1", b"Connection: keep-alive\r\nConnection: close\r\n", False),
        (b"GET / HTTP/1.1", b"Connection: Keep-Alive\r\n", True),
        (b"GET / HTTP/1.1", b"Connection: te\r\n", True),
        (b"GET / HTTP/1.0", b"", False),
        (b"GET / HTTP/1.0", b"Connection: keep-alive\r\n", True),
        (b"GET / HTTP/1.0", b"Connection: x, keep-alive\r\n", True),
    ],
)
def test_the_connection_stays_open_as_the_version_and_the_client_say(
    line: bytes, fields: bytes, keep_alive: bool
) -> None:
    assert read_head(line + b"\r\nHost: x\r\n" + fields + b"\r\n", 200).keep_alive is keep_alive


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", "/", b""),
        (b"/a/b?c?d", "/a/b", b"c?d"),
        (b"/%C3%A9%25%7e", "/é%~", b""),
        (b"//v1//models/", "/v1/models/", b""),
        (b"/a..b/.c/...", "/a..b/.c/...", b""),
        (b"/v1/models/a:b@c", "/v1/models/a:b@c", b""),
        (b"http://X/a?b", "/a", b"b"),
        (b"HTTP://x", "/", b""),
        (b"/" + b"a" * 300, "/" + "a" * 300, b""),
    ],
)
def test_the_path_is_decoded_once_and_normalised(target: bytes, path: str, query: bytes) -> None:
    head = read_head(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n", 200)

    assert (head.path, head.query) == (path, query)


def test_an_encoded_slash_is_a_slash_only_where_that_was_allowed() -> None:
    head = b"GET /v1/models/meta%2Fllama HTTP/1.1\r\nHost: x\r\n\r\n"

    assert read_head(head, 200, ("/v1/models/",)).path == "/v1/models/meta/llama"
    with pytest.raises(GatewayError, match="encoded slash"):
        read_head(head, 200, ("/v1/files/",))
    with pytest.raises(GatewayError, match="segment"):
        read_head(b"GET /v1/models/%2E%2E%2Fx HTTP/1.1\r\nHost: x\r\n\r\n", 200, ("/v1/models/",))


def test_options_may_ask_about_the_whole_server() -> None:
    assert read_head(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 200).path == "*"


def test_an_offer_of_h2c_is_ignored_even_with_a_body() -> None:
    head = read_head(
        POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\n",
        200,
    )

    assert (head.content_length, head.keep_alive) == (3, True)


def test_an_upgrade_without_a_body_is_an_ordinary_request() -> None:
    assert read_head(GET + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", 200).path == "/"


REFUSED = {
    "content-length and transfer-encoding": POST
    + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    "transfer-encoding and content-length": POST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
    "content-length twice, same": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\n",
    "content-length twice, other": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
    "content-length as a list": POST + b"Content-Length: 3, 3\r\n\r\n",
    "content-length with a sign": POST + b"Content-Length: +3\r\n\r\n",
    "content-length negative": POST + b"Content-Length: -3\r\n\r\n",
    "content-length in hex": POST + b"Content-Length: 0x3\r\n\r\n",
    "content-length empty": POST + b"Content-Length:\r\n\r\n",
    "content-length two numbers": POST + b"Content-Length: 1 2\r\n\r\n",
    "content-length with underscore": POST + b"Content-Length: 1_0\r\n\r\n",
    "content-length overflowing": POST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "content-length of very many digits": POST + b"Content-Length: " + b"0" * 5000 + b"1\r\n\r\n",
    "host twice, same": b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "host twice, other": b"GET / HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n",
    "host missing": b"GET / HTTP/1.1\r\nAccept: x\r\n\r\n",
    "host with a path": b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "host with a user": b"GET / HTTP/1.1\r\nHost: u@x\r\n\r\n",
    "host with a bad port": b"GET / HTTP/1.1\r\nHost: x:port\r\n\r\n",
    "host as a list": b"GET / HTTP/1.1\r\nHost: x, y\r\n\r\n",
    "host too long": b"GET / HTTP/1.1\r\nHost: " + b"x" * 300 + b"\r\n\r\n",
    "folded line": GET + b"X: a\r\n b\r\n\r\n",
    "folded line with tab": GET + b"X: a\r\n\tb\r\n\r\n",
    "folded first line": b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "bare LF after the request line": b"GET / HTTP/1.1\nHost: x\r\n\r\n",
    "bare LF after a field": b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "bare CR in a field": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
    "NUL in a value": GET + b"A: b\0c\r\n\r\n",
    "control byte in a value": GET + b"A: b\x01c\r\n\r\n",
    "DEL in a value": GET + b"A: b\x7fc\r\n\r\n",
    "NUL in a name": GET + b"A\0: b\r\n\r\n",
    "space before the colon": GET + b"A : b\r\n\r\n",
    "tab before the colon": GET + b"A\t: b\r\n\r\n",
    "empty name": GET + b": b\r\n\r\n",
    "no colon": GET + b"AAA\r\n\r\n",
    "name beyond ASCII": GET + b"\xc3\xa9: b\r\n\r\n",
    "upgrade with a body": POST
    + b"Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\n",
    "upgrade with a chunked body": POST
    + b"Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n",
    "gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "gzip alone": POST + b"Transfer-Encoding: gzip\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunked, chunked": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n",
    "chunked,": POST + b"Transfer-Encoding: chunked,\r\n\r\n",
    "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n",
    "chunked in quotes": POST + b'Transfer-Encoding: "chunked"\r\n\r\n',
    "chunked after VT": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n",
    "chunked with a parameter": POST + b"Transfer-Encoding: chunked;a=b\r\n\r\n",
    "transfer-encoding empty": POST + b"Transfer-Encoding:\r\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    "two spaces after the method": b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    "two spaces before the version": b"GET /  HTTP/1.1\r\nHost: x\r\n\r\n",
    "space after the version": b"GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
    "tab after the method": b"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "no version": b"GET /\r\nHost: x\r\n\r\n",
    "lower-case version": b"GET / http/1.1\r\nHost: x\r\n\r\n",
    "long version": b"GET / HTTP/1.10\r\nHost: x\r\n\r\n",
    "another protocol": b"OPTIONS /a RTSP/1.0\r\nHost: x\r\n\r\n",
    "a radio's protocol": b"SOURCE /a ICE/1.0\r\nHost: x\r\n\r\n",
    "lower-case method": b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
    "unknown method": b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
    "space before the method": b" GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "LF before the method": b"\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "CR before the method": b"\rGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "CRLF before the method": b"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "empty request": b"\r\n\r\n",
    "CONNECT": b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n",
    "* for GET": b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    "another host's absolute form": b"GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "absolute form with a user": b"GET http://u@x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "absolute form without a host": b"GET http:/// HTTP/1.1\r\nHost: x\r\n\r\n",
    "absolute form of another scheme": b"GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "absolute form in HTTP/1.0 without host": b"GET http://x/ HTTP/1.0\r\n\r\n",
    "target without a slash": b"GET a HTTP/1.1\r\nHost: x\r\n\r\n",
    "fragment": b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
    "target beyond ASCII": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
    "control byte in the target": b"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
    "dot segment": b"GET /a/../b HTTP/1.1\r\nHost: x\r\n\r\n",
    "encoded dot segment": b"GET /a/%2e%2E/b HTTP/1.1\r\nHost: x\r\n\r\n",
    "single dot segment": b"GET /a/. HTTP/1.1\r\nHost: x\r\n\r\n",
    "encoded slash": b"GET /a%2fb HTTP/1.1\r\nHost: x\r\n\r\n",
    "encoded backslash": b"GET /a%5Cb HTTP/1.1\r\nHost: x\r\n\r\n",
    "backslash": b"GET /a\\b HTTP/1.1\r\nHost: x\r\n\r\n",
    "encoded NUL": b"GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n",
    "encoded line end": b"GET /a%0d%0ab HTTP/1.1\r\nHost: x\r\n\r\n",
    "half an escape": b"GET /a%2 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no escape": b"GET /a%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    "path not UTF-8": b"GET /a%FF HTTP/1.1\r\nHost: x\r\n\r\n",
    "overlong UTF-8": b"GET /a%C0%AF HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("head", REFUSED.values(), ids=REFUSED.keys())
def test_what_two_readers_may_read_differently_is_refused(head: bytes) -> None:
    with pytest.raises(GatewayError) as refusal:
        read_head(head, 200)

    assert (refusal.value.status, refusal.value.code) == (400, "malformed_http")


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, "http_version_not_supported"),
        (b"PRI * HTTP/2.0\r\n\r\n", 505, "http_version_not_supported"),
        (b"GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505, "http_version_not_supported"),
        (b"GET / HTTP/0.9\r\nHost: x\r\n\r\n", 505, "http_version_not_supported"),
        (POST + b"Expect: a-miracle\r\n\r\n", 417, "expectation_failed"),
        (GET + b"A: b\r\n" * 200 + b"\r\n", 431, "request_headers_too_large"),
    ],
)
def test_other_refusals_have_their_own_status(head: bytes, status: int, code: str) -> None:
    with pytest.raises(GatewayError) as refusal:
        read_head(head, 200)

    assert (refusal.value.status, refusal.value.code) == (status, code)
