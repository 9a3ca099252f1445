"""What the gateway answers itself: models, health, status, metrics."""

import asyncio
import os
import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import portico
from portico.api import replies
from portico.api.dispatch import Handler
from portico.api.endpoints import GEMINI_VERBS
from portico.api.ollama_pages import OllamaPages
from portico.api.response_pages import ResponsePages
from portico.api.routing_pages import RoutingPages
from portico.engine import admission
from portico.engine.gateway import Gateway
from portico.engine.snapshot import ModelListing
from portico.errors import InternalError, JournalUnavailable, ModelNotFound, NotFound
from portico.policy import access
from portico.routing.health import describe
from portico.types.http import Request, Responder
from portico.types.identity import Principal

_OPENMETRICS = b"application/openmetrics-text"
_TEXT = b"text/plain; version=0.0.4; charset=utf-8"


class Pages:
    """Handlers by the names that `endpoints.PAGES` gives them."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        render_metrics: Callable[[bool], bytes],
        metrics_enabled: bool,
        config_name: str | None,
    ) -> None:
        self._gateway = gateway
        self._render_metrics = render_metrics
        self._metrics_enabled = metrics_enabled
        self._config_name = config_name
        self._routing = RoutingPages(gateway)

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "models": self.models,
            "model": self.model,
            "gemini_models": self.gemini_models,
            "gemini_model": self.model,
            **OllamaPages(self._gateway).handlers(),
            **ResponsePages(self._gateway).handlers(),
            "event_logging": self.event_logging,
            "health": self.health,
            "health_live": self.health_live,
            "health_ready": self.health_ready,
            "version": self.version,
            "status": self.status,
            "metrics": self.metrics,
            "admin_routing": self._routing.show,
            "admin_steer": self._routing.steer,
        }

    def models(self, request: Request, responder: Responder, request_id: str) -> int:
        """In the shape of the dialect that asks, which its own header fields give away."""
        if b"x-goog-api-key" in request.headers:
            return self.gemini_models(request, responder, request_id)
        if _is_cohere(request):
            return self._cohere_models(request, responder, request_id)
        allowed = self._allowed(request)
        if b"anthropic-version" in request.headers:
            return replies.send_json(responder, request_id, _anthropic_list(allowed))
        data = [_listed(one) for one in allowed]
        return replies.send_json(responder, request_id, {"object": "list", "data": data})

    def gemini_models(self, request: Request, responder: Responder, request_id: str) -> int:
        listed = [_gemini_model(one.id) for one in self._allowed(request)]
        return replies.send_json(responder, request_id, {"models": listed})

    def _cohere_models(self, request: Request, responder: Responder, request_id: str) -> int:
        """All on one page. Which endpoints a model is for is not known, so none are named."""
        listed = [{"name": one.id} for one in self._allowed(request)]
        return replies.send_json(responder, request_id, {"models": listed})

    def _allowed(self, request: Request) -> list[ModelListing]:
        principal = self._principal(request)
        listings = self._gateway.snapshot.listings
        return [one for one in listings if access.may_use(principal, one.id)]

    def model(self, request: Request, responder: Responder, request_id: str) -> int:
        """One model; a name that only a pattern covers is there too, though not in the list."""
        principal = self._principal(request)
        name = request.path.partition("/models/")[2]
        snapshot = self._gateway.snapshot
        route = snapshot.resolve(name)
        if route is None or not access.may_use(principal, name):
            raise ModelNotFound(
                f"The model {admission.shown_name(name)} does not exist here, or this key may not "
                "use it; GET /v1/models lists those it may.",
                param="model",
            )
        owner = route.deployments[0].provider.type
        listed = next((one for one in snapshot.listings if one.id == name), None)
        listed = listed or ModelListing(name, owner, snapshot.created_at)
        if b"x-goog-api-key" in request.headers or request.path.startswith("/v1beta/"):
            return replies.send_json(responder, request_id, _gemini_model(name))
        shape = _anthropic_model if b"anthropic-version" in request.headers else _listed
        return replies.send_json(responder, request_id, shape(listed))

    def _principal(self, request: Request) -> Principal:
        gateway = self._gateway
        return admission.authenticate(gateway.snapshot, request.headers, gateway.wall())

    def event_logging(self, request: Request, responder: Responder, request_id: str) -> int:
        """Claude Code sends what it noted about itself to wherever it sends its prompts, with a key
        or without; nothing of it is kept or sent on.
        """
        return replies.send_json(responder, request_id, {})

    def health(self, request: Request, responder: Responder, request_id: str) -> int:
        data = {
            "status": "healthy",
            "timestamp": int(self._gateway.wall()),
            "version": portico.__version__,
        }
        return replies.send_json(responder, request_id, {"success": True, "data": data})

    def health_live(self, request: Request, responder: Responder, request_id: str) -> int:
        return replies.send_json(responder, request_id, {"status": "alive"})

    def health_ready(self, request: Request, responder: Responder, request_id: str) -> int:
        """503 while draining, or while a call could not be recorded."""
        reason = None
        if self._gateway.is_draining:
            reason = "draining"
        else:
            try:
                self._gateway.journal.admit()
            except JournalUnavailable as error:
                reason = error.code
        if reason is None:
            return replies.send_json(responder, request_id, {"status": "ready"})
        answer = {"status": "not_ready", "reason": reason}
        return replies.send_json(responder, request_id, answer, status=503)

    def version(self, request: Request, responder: Responder, request_id: str) -> int:
        answer = {"name": "portico", "version": portico.__version__}
        return replies.send_json(responder, request_id, answer)

    def status(self, request: Request, responder: Responder, request_id: str) -> int:
        gateway = self._gateway
        snapshot = gateway.snapshot
        answer: dict[str, Any] = {
            "service_name": "portico",
            "version": portico.__version__,
            "python_version": platform.python_version(),
            "pid": os.getpid(),
            "uptime_s": round(gateway.clock() - gateway.started_at, 3),
            "config": self._config_name,
            "draining": gateway.is_draining,
            "calls_in_flight": len(gateway.calls),
            "keys": len(snapshot.principals),
            "routes": len(snapshot.routes),
            "deployments": [
                {"id": id, "state": describe(state, gateway.clock()), "in_flight": state.in_flight}
                for id, state in sorted(snapshot.states.items())
            ],
        }
        return replies.send_json(responder, request_id, answer)

    def metrics(self, request: Request, responder: Responder, request_id: str) -> int:
        """Rendered in a thread: with many series it takes longer than the event loop may stand."""
        if not self._metrics_enabled:
            raise NotFound("Metrics are switched off: monitoring.metrics.enabled is false.")
        wants_openmetrics = _OPENMETRICS in request.headers.get(b"accept", b"")
        kind = _OPENMETRICS + b"; version=1.0.0; charset=utf-8" if wants_openmetrics else _TEXT
        rendering = asyncio.get_running_loop().run_in_executor(
            None, self._render_metrics, wants_openmetrics
        )

        def send(rendered: asyncio.Future[bytes]) -> None:
            error = rendered.exception()
            if error is None:
                replies.send_text(responder, request_id, rendered.result(), kind)
                return
            self._gateway.log.error(
                "metrics failed", exc_info=error, extra={"request_id": request_id}
            )
            failed = InternalError("The metrics could not be rendered; the log says why.")
            replies.send_error(responder, request_id, failed)

        rendering.add_done_callback(send)
        return 200


def _is_cohere(request: Request) -> bool:
    """Cohere's SDKs name themselves; its API is told `endpoint` by whoever asks without one."""
    return (
        request.headers.get(b"x-fern-sdk-name", b"").startswith(b"cohere")
        or request.headers.get(b"user-agent", b"").startswith(b"cohere")
        or request.query.startswith(b"endpoint=")
    )


def _anthropic_list(listings: list[ModelListing]) -> dict[str, Any]:
    """The same models as Anthropic's clients expect them, all on one page."""
    return {
        "data": [_anthropic_model(one) for one in listings],
        "has_more": False,
        "first_id": listings[0].id if listings else None,
        "last_id": listings[-1].id if listings else None,
    }


def _anthropic_model(one: ModelListing) -> dict[str, str | int]:
    return {
        "type": "model",
        "id": one.id,
        "display_name": one.id,
        "created_at": datetime.fromtimestamp(one.created, UTC).isoformat(),
    }


def _gemini_model(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "displayName": name,
        "supportedGenerationMethods": list(GEMINI_VERBS),
    }


def _listed(one: ModelListing) -> dict[str, str | int]:
    return {"id": one.id, "object": "model", "created": one.created, "owned_by": one.owned_by}
