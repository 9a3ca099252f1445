"""Cross-origin requests from browsers. Outermost: a preflight needs no key, and errors carry the
fields too.

Fetch Standard, "CORS protocol" (fetch.spec.whatwg.org, section 3.3, read 2026-11-23).
"""

from collections.abc import Sequence

from portico.types.http import Request, Responder

_EXPOSED = (
    b"x-request-id, x-portico-deployment, x-portico-attempts, x-portico-overhead-ms, "
    b"x-portico-cost-usd, x-portico-dropped-params, retry-after"
)


class Cors:
    """The rules of `server.cors`; an empty list of origins allows none."""

    def __init__(
        self,
        *,
        origins: Sequence[str],
        methods: Sequence[str],
        headers: Sequence[str],
        max_age_s: int,
        credentials: bool,
    ) -> None:
        self._any = "*" in origins
        self._origins = frozenset(origin.encode() for origin in origins)
        self._credentials = b"access-control-allow-credentials: true\r\n" if credentials else b""
        self._preflight = (
            f"access-control-allow-methods: {', '.join(methods)}\r\n"
            f"access-control-allow-headers: {', '.join(headers)}\r\n"
            f"access-control-max-age: {max_age_s}\r\n"
        ).encode()

    def fields(self, request: Request) -> bytes:
        """The fields for an answer to this request; empty if its origin is not allowed."""
        origin = request.headers[b"origin"]
        if self._any:
            allowed = b"*"
        elif origin in self._origins:
            allowed = origin
        else:
            return b"vary: origin\r\n"
        return (
            b"access-control-allow-origin: %b\r\n%baccess-control-expose-headers: %b\r\n"
            b"vary: origin\r\n" % (allowed, self._credentials, _EXPOSED)
        )

    def preflight(self, request: Request, responder: Responder) -> bool:
        """Answer an `OPTIONS` that asks for permission; says whether it was one."""
        if request.method != "OPTIONS":
            return False
        if b"access-control-request-method" not in request.headers:
            return False
        responder.send(204, self.fields(request) + self._preflight, b"")
        return True


class CorsResponder:
    """A `Responder` that adds the fields to whatever head passes."""

    __slots__ = ("_fields", "_inner", "abort", "finish", "watch")

    def __init__(self, inner: Responder, fields: bytes) -> None:
        self._inner = inner
        self._fields = fields
        self.finish = inner.finish
        self.abort = inner.abort
        self.watch = inner.watch

    @property
    def is_gone(self) -> bool:
        return self._inner.is_gone

    def send(self, status: int, fields: bytes, body: bytes) -> None:
        self._inner.send(status, fields + self._fields, body)

    def start(self, status: int, fields: bytes, data: bytes = b"") -> None:
        self._inner.start(status, fields + self._fields, data)

    def write(self, data: bytes, /) -> None:
        self._inner.write(data)
