"""The head of one HTTP/1.1 request, from bytes to `RequestHead`, strictly. Pure.

llhttp (through httptools) checks the grammar and refuses bare CR or LF, folded lines, control
bytes, bad names, repeated or malformed `content-length`, and `content-length` beside
`transfer-encoding`. This file closes what llhttp 9 lets through: line ends before the method,
several spaces in the request line, HTTP/0.9 and 2.0, other protocols' versions, a missing or
repeated `host`, codings other than `chunked`, `chunked` in HTTP/1.0, upgrades with a body,
fragments and foreign authorities in the target, and paths that two readers may read differently.
RFC 9110 and RFC 9112, read 2026-11-23.
"""

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

import msgspec
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from portico.errors import HeadersTooLarge, MalformedHttp
from portico.types.http import Headers

_MINOR_VERSIONS = {b"HTTP/1.1": 1, b"HTTP/1.0": 0}
_METHODS = {
    name.encode(): name for name in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
}
_METHOD = re.compile(rb"[A-Z][A-Z-]{0,31}\Z")
_HTTP_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]\Z")
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]{2,}\]|[A-Za-z0-9._~%!$&'()*+;=-]*)(?::[0-9]{0,5})?\Z")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL_ESCAPE = re.compile(rb"%(?:[01][0-9A-Fa-f]|7[Ff]|5[Cc])")
_SLASH_ESCAPE = re.compile(rb"%2[Ff]")
_SLASHES = re.compile("/{2,}")

_MAX_CACHED_TARGET = 256
_MAX_LENGTH_DIGITS = 18


class RequestHead(msgspec.Struct, gc=False):
    """`content_length` is 0 when there is no body or its length is not known ahead."""

    method: str
    path: str
    query: bytes
    headers: Headers
    is_http_11: bool
    keep_alive: bool
    content_length: int
    is_chunked: bool
    expects_continue: bool


class _Fields:
    """What llhttp calls back with; one per head."""

    __slots__ = ("headers", "host_repeated")

    def __init__(self) -> None:
        self.headers: Headers = {}
        self.host_repeated = False

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        value = value.rstrip()  # llhttp leaves blanks at the end; it refused all other white space
        headers = self.headers
        if name not in headers:
            headers[name] = value
        elif name == b"cookie":
            headers[name] += b"; " + value
        else:
            headers[name] += b", " + value
            if name == b"host":
                self.host_repeated = True


def read_head(
    head: bytes, max_headers: int, encoded_slash_under: tuple[str, ...] = ()
) -> RequestHead:
    """Read `head`, which ends with its first blank line.

    `encoded_slash_under` lists the path prefixes below which `%2F` stands for a slash (names such
    as `provider/model` in a path); anywhere else it is refused. Raises MalformedHttp or
    HeadersTooLarge.
    """
    parts = head[: head.index(b"\r\n")].split(b" ")
    if len(parts) != 3:
        raise MalformedHttp("the request line is not `METHOD target HTTP/1.1` with single spaces")
    method, target, version = parts
    minor = _MINOR_VERSIONS.get(version)
    if minor is None:
        raise _wrong_version(version)
    if len(head) > 4 * max_headers and head.count(b"\n") - 2 > max_headers:
        raise HeadersTooLarge(f"more than {max_headers} header fields")
    if method not in _METHODS and not _METHOD.match(method):
        raise MalformedHttp("the request does not start with a method")
    headers = _read_fields(head)
    if len(target) <= _MAX_CACHED_TARGET:
        path, query, authority = _read_target_cached(target, encoded_slash_under)
    else:
        path, query, authority = read_target(target, encoded_slash_under)
    host = headers.get(b"host")
    if host is None:
        if minor:
            raise MalformedHttp("an HTTP/1.1 request needs a `host` header")
    elif not _is_host(host):
        raise MalformedHttp("the `host` header is not `name[:port]`")
    if authority is not None and (host is None or authority.lower() != host.lower()):
        raise MalformedHttp("the request target names another host than the `host` header")
    if path == "*" and method != b"OPTIONS":
        raise MalformedHttp("the target `*` belongs to OPTIONS alone")
    is_chunked = b"transfer-encoding" in headers and _is_chunked(headers, minor)
    length = _read_length(headers[b"content-length"]) if b"content-length" in headers else 0
    if b"upgrade" in headers and (is_chunked or length):
        _refuse_upgrade(headers[b"upgrade"])
    connection = headers.get(b"connection")
    return RequestHead(
        _METHODS.get(method) or method.decode("ascii"),
        path,
        query,
        headers,
        minor == 1,
        minor == 1 if connection is None else _keeps_alive(connection, minor),
        length,
        is_chunked,
        b"expect" in headers and _expects_continue(headers[b"expect"], minor),
    )


def _read_fields(head: bytes) -> Headers:
    fields = _Fields()
    try:
        HttpRequestParser(fields).feed_data(head)
    except HttpParserUpgrade:
        # Raised for CONNECT and for `upgrade` + `connection: upgrade`. We stay with HTTP/1.1, as a
        # server may always do (RFC 9110 section 7.8); a body is looked at by the caller.
        if head.startswith(b"CONNECT "):
            raise MalformedHttp("CONNECT is not offered: this is a gateway, not a proxy") from None
    except HttpParserError as error:
        raise MalformedHttp(f"not HTTP/1.1: {_reason(error)}") from error
    if fields.host_repeated:
        raise MalformedHttp("more than one `host` header")
    return fields.headers


def _reason(error: Exception) -> str:
    return str(error) or "the request cannot be parsed"


def _wrong_version(version: bytes) -> MalformedHttp:
    if _HTTP_VERSION.match(version):
        return MalformedHttp(
            "only HTTP/1.1 and HTTP/1.0 are spoken here",
            status=505,
            code="http_version_not_supported",
        )
    return MalformedHttp("the request line does not end with `HTTP/1.1`")


@lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    return len(value) <= 255 and _HOST.match(value) is not None


def _is_chunked(headers: Headers, minor: int) -> bool:
    if headers[b"transfer-encoding"].lower() != b"chunked":
        raise MalformedHttp("`transfer-encoding` may only be `chunked`")
    if minor == 0:
        raise MalformedHttp("HTTP/1.0 has no `transfer-encoding`")
    return True


def _read_length(value: bytes) -> int:
    if not value.isdigit() or len(value) > _MAX_LENGTH_DIGITS:
        raise MalformedHttp("`content-length` is not a decimal number")
    return int(value)


def _refuse_upgrade(protocol: bytes) -> None:
    # Java's HttpClient offers h2c with every first POST; ignoring the offer is safe because we
    # never answer 101. Any other upgrade that carries a body is read in two ways by two servers.
    if protocol.lower() != b"h2c":
        raise MalformedHttp("a request with a body cannot ask for an upgrade")


def _keeps_alive(connection: bytes, minor: int) -> bool:
    lowered = connection.lower()
    if lowered == b"keep-alive":
        return True
    options = [option.strip(b" \t") for option in lowered.split(b",")]
    return b"close" not in options and (minor == 1 or b"keep-alive" in options)


def _expects_continue(value: bytes, minor: int) -> bool:
    if value.lower() != b"100-continue":
        raise MalformedHttp(
            "`expect` may only be `100-continue`", status=417, code="expectation_failed"
        )
    return minor == 1


def read_target(
    target: bytes, encoded_slash_under: tuple[str, ...] = ()
) -> tuple[str, bytes, bytes | None]:
    """Split a request target into decoded path, raw query, and the authority if it names one.

    Runs of slashes become one. Raises MalformedHttp for what two readers may understand
    differently: dot segments, encoded slashes, backslashes, control bytes, broken escapes,
    fragments.
    """
    authority = None
    if target == b"*":
        return "*", b"", None
    if b"#" in target:
        raise MalformedHttp("the request target has a fragment (`#`)")
    rest = target
    if not target.startswith(b"/"):
        scheme, found, after = target.partition(b"://")
        if not found or scheme.lower() not in (b"http", b"https"):
            raise MalformedHttp("the request target does not start with `/`")
        authority, slash, tail = after.partition(b"/")
        if not authority or not _is_host(authority) or b"?" in authority:
            raise MalformedHttp("the request target's host is not `name[:port]`")
        rest = slash + tail or b"/"
    raw, _, query = rest.partition(b"?")
    return _read_path(raw, encoded_slash_under), query, authority


_read_target_cached = lru_cache(maxsize=1024)(read_target)


def _read_path(raw: bytes, encoded_slash_under: tuple[str, ...]) -> str:
    has_slash_escape = False
    if b"%" in raw:
        if _BAD_ESCAPE.search(raw):
            raise MalformedHttp("the path has a `%` without two hexadecimal digits")
        if _CONTROL_ESCAPE.search(raw):
            raise MalformedHttp("the path has an encoded control byte or backslash")
        has_slash_escape = _SLASH_ESCAPE.search(raw) is not None
        raw = unquote_to_bytes(raw)
    try:
        path = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedHttp("the path is not UTF-8") from error
    if "\\" in path:
        raise MalformedHttp("the path has a backslash")
    if "//" in path:
        path = _SLASHES.sub("/", path)
    if "/." in path and not {".", ".."}.isdisjoint(path.split("/")):
        raise MalformedHttp("the path has a `.` or `..` segment")
    if has_slash_escape and not path.startswith(encoded_slash_under or ("\0",)):
        raise MalformedHttp("the path has an encoded slash (`%2F`)")
    return path
