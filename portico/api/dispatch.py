"""From a request to whoever answers it: one look-up by path.

Order: CORS, then the row, then its access. A path that no row has goes to the control plane
(ASGI) if that knows it, and is a 404 otherwise; the decision is made on the one decoded,
normalised path that the server hands over, never on the raw URL.
"""

import re
from collections.abc import Callable, Mapping
from typing import Literal
from urllib.parse import parse_qs

from portico.api import replies
from portico.api.cors import Cors, CorsResponder
from portico.api.endpoints import (
    CONTROL_PATHS,
    GEMINI_PREFIXES,
    GEMINI_VERBS,
    GENERATE_CONTENT,
    INFERENCE,
    PAGES,
    PREFIXES,
    ROOTED,
    Page,
)
from portico.engine import admission, pipeline
from portico.engine.gateway import Gateway
from portico.errors import (
    GatewayError,
    InternalError,
    MethodNotAllowed,
    NotFound,
    PermissionDenied,
    UnsupportedMediaType,
)
from portico.types.call import Addressed, InferenceEndpoint
from portico.types.http import Request, Responder

Handler = Callable[[Request, Responder, str], int]
"""Answers a request whose request id is given; returns the status."""

_ASK_BROWSER = b'www-authenticate: Basic realm="Portico: any name, your key as password"\r\n'
_SANE_ID = re.compile(rb"[A-Za-z0-9._:/=+-]{1,128}")


class Dispatcher:
    """Called by the server for every request.

    `pages` maps a page's name to its handler; `control_plane` takes what is under its paths.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        pages: Mapping[str, Handler],
        metrics_need_key: bool,
        cors: Cors | None,
        control_plane: Callable[[Request, Responder], None],
    ) -> None:
        self._gateway = gateway
        self._metrics_need_key = metrics_need_key
        self._cors = cors
        self._control_plane = control_plane
        self._inference: dict[str, InferenceEndpoint] = {
            prefix + endpoint.path: endpoint for endpoint in INFERENCE for prefix in PREFIXES
        }
        self._inference |= {endpoint.path: endpoint for endpoint in ROOTED}
        self._pages: dict[str, tuple[Page, Handler]] = {}
        self._families: list[tuple[str, Page, Handler]] = []
        for page in PAGES:
            for prefix in PREFIXES if page.is_inference else ("",):
                path = prefix + page.path
                if page.takes_id:
                    self._families.append((path + "/", page, pages[page.name]))
                else:
                    self._pages[path] = page, pages[page.name]

    def __call__(self, request: Request, responder: Responder) -> None:
        if self._cors is not None and b"origin" in request.headers:
            answered = self._cors.preflight(request, responder)
            if answered:
                return
            responder = CorsResponder(responder, self._cors.fields(request))
        request_id = _given_id(request)
        endpoint = self._inference.get(request.path)
        if endpoint is None and ":" in request.path:
            gemini = _gemini_call(request)
            if gemini is not None:
                endpoint, addressed = gemini
                pipeline.receive(self._gateway, endpoint, request, responder, request_id, addressed)
                return
        if endpoint is not None and request.method == "POST" and _is_json(request):
            pipeline.receive(self._gateway, endpoint, request, responder, request_id)
        else:
            self._other(request, responder, endpoint, request_id or self._gateway.new_id())

    def _other(
        self,
        request: Request,
        responder: Responder,
        endpoint: InferenceEndpoint | None,
        request_id: str,
    ) -> None:
        gateway = self._gateway
        started_at = gateway.clock()
        name = "other"
        try:
            if endpoint is not None:
                name = endpoint.name
                raise _unfit(request)
            if request.path in CONTROL_PATHS:
                name = "control_plane"
                admission.authenticate(gateway.snapshot, request.headers, gateway.wall())
                self._control_plane(request, responder)
                status = 200
            else:
                page, handler = self._page(request)
                name = page.name
                self._authorise(page, request)
                status = handler(request, responder, request_id)
        except GatewayError as error:
            extra = _ASK_BROWSER if name == "control_plane" and error.status == 401 else b""
            dialect = _dialect_of(request, endpoint)
            status = replies.send_error(responder, request_id, error, extra, dialect=dialect)
            if gateway.may_log_refusal():
                gateway.log.info(
                    "%s %s: %s %s: %s",
                    request.method,
                    replies.shown_path(request.path),
                    error.status,
                    error.code,
                    error.message,
                    extra={"request_id": request_id},
                )
        except Exception:
            gateway.log.exception("a page failed", extra={"request_id": request_id})
            status = replies.send_error(
                responder, request_id, InternalError("The gateway failed; its log says why.")
            )
        gateway.meter.http_request(name, status, gateway.clock() - started_at)

    def _page(self, request: Request) -> tuple[Page, Handler]:
        path = request.path
        exact = self._pages.get(path)
        found = [exact] if exact is not None else self._at(path)
        if not found:
            raise NotFound(
                f"There is nothing at {request.method} {replies.shown_path(path)}; "
                "GET /docs shows what there is."
            )
        method = "GET" if request.method == "HEAD" else request.method
        for one in found:
            if one[0].method == method:
                return one
        if method == "POST" and found[0][0].name in ("model", "gemini_model"):
            raise NotFound(
                f"There is nothing at POST {replies.shown_path(path)}; what a model in the path "
                f"shall do is one of {', '.join(GEMINI_VERBS)}."
            )
        raise MethodNotAllowed(
            f"{replies.shown_path(path)} takes {' or '.join(page.method for page, _ in found)}, "
            f"not {request.method}.",
            allow=", ".join(page.allow for page, _ in found),
        )

    def _at(self, path: str) -> list[tuple[Page, Handler]]:
        """The pages that may answer here, one for each method, the first of its kind."""
        found: dict[str, tuple[Page, Handler]] = {}
        for prefix, page, handler in self._families:
            if page.is_at(path, prefix):
                found.setdefault(page.method, (page, handler))
        return list(found.values())

    def _authorise(self, page: Page, request: Request) -> None:
        if page.access == "open" or (page.access == "metrics" and not self._metrics_need_key):
            return
        gateway = self._gateway
        principal = admission.authenticate(gateway.snapshot, request.headers, gateway.wall())
        if page.access != "admin":
            return
        if not principal.is_admin:
            raise PermissionDenied(
                f"The API key {principal.name!r} is not an admin key; "
                f"{replies.shown_path(request.path)} needs one.",
                code="admin_key_required",
            )
        sent = request.headers.get(b"authorization", b"")
        if page.method != "GET" and sent[:6].lower() == b"basic ":
            # A browser adds the password it remembers to whatever a foreign page makes it send.
            raise PermissionDenied(
                "Send the key as `authorization: Bearer <key>` to change things."
            )


def _dialect_of(request: Request, endpoint: InferenceEndpoint | None) -> str:
    """Who may be asking, by the address or by what clients say of themselves: that is how an error
    is to be written.
    """
    if endpoint is not None:
        return endpoint.dialect
    for prefix, dialect in _OWN_PLACES.items():
        if request.path.startswith(prefix):
            return dialect
    if b"anthropic-version" in request.headers:
        return "anthropic_messages"
    return GENERATE_CONTENT.dialect if b"x-goog-api-key" in request.headers else "openai_chat"


_OWN_PLACES = {
    "/v1beta/": GENERATE_CONTENT.dialect,
    "/v1/messages/": "anthropic_messages",
    "/v2/": "cohere_chat",
    "/api/event_logging/": "anthropic_messages",
    "/api/": "ollama_chat",
}


def _gemini_call(request: Request) -> tuple[InferenceEndpoint, Addressed] | None:
    """`POST /v1beta/models/<model>:<verb>`, read; `None` if this is something else.

    Gemini clients may send their key as `?key=`; it is taken as a header from here on.
    """
    prefix = next((one for one in GEMINI_PREFIXES if request.path.startswith(one)), None)
    if prefix is None or request.method != "POST":
        return None
    model, _, verb = request.path.removeprefix(prefix).rpartition(":")
    if not model or verb not in GEMINI_VERBS:
        return None
    query = parse_qs(request.query.decode("latin-1"))
    if "key" in query:
        request.headers.setdefault(b"x-goog-api-key", query["key"][0].encode())
    framing: Literal["sse", "json"] = "sse" if query.get("alt") == ["sse"] else "json"
    endpoint, streams = GEMINI_VERBS[verb]
    return endpoint, Addressed(model, streams, framing)


def _is_json(request: Request) -> bool:
    """Is the body said to be JSON? Clients that say nothing, or what curl says, are taken at the
    body's word.
    """
    kind = request.headers.get(b"content-type")
    return kind is None or kind == b"application/json" or _json_like(kind)


def _json_like(kind: bytes) -> bool:
    media = kind.split(b";", 1)[0].strip().lower()
    return media in (
        b"application/json",
        b"application/x-www-form-urlencoded",  # what curl -d sends unless told otherwise
        b"text/plain",
        b"text/json",
        b"application/x-ndjson",
        b"",
    ) or media.endswith(b"+json")


def _unfit(request: Request) -> GatewayError:
    """Why a request to an inference path is not a call."""
    path = replies.shown_path(request.path)
    if request.method != "POST":
        return MethodNotAllowed(f"{path} takes POST, not {request.method}.", allow="POST")
    kind = request.headers[b"content-type"].decode("latin-1")[:80]
    return UnsupportedMediaType(
        f"{path} takes a JSON body, not {kind!r}; send `content-type: application/json`."
    )


def _given_id(request: Request) -> str | None:
    """The client's own request id, if it is sane enough to be echoed and logged."""
    given = request.headers.get(b"x-request-id")
    if given is not None and _SANE_ID.fullmatch(given):
        return given.decode("ascii")
    return None
