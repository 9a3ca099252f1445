"""What the gateway answers itself: health, status, metrics."""

import asyncio
import os
import platform
from collections.abc import Callable, Mapping
from typing import Any

import portico
from portico.api import replies
from portico.api.dispatch import Handler
from portico.api.model_pages import ModelPages
from portico.api.ollama_pages import OllamaPages
from portico.api.response_pages import ResponsePages
from portico.api.routing_pages import RoutingPages
from portico.engine.gateway import Gateway
from portico.errors import InternalError, JournalUnavailable, NotFound
from portico.routing.health import describe
from portico.types.http import Request, Responder

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
            **ModelPages(self._gateway).handlers(),
            **OllamaPages(self._gateway).handlers(),
            **ResponsePages(self._gateway).handlers(),
            "root": self.root,
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

    def event_logging(self, request: Request, responder: Responder, request_id: str) -> int:
        """Claude Code sends what it noted about itself to wherever it sends its prompts, with a key
        or without; nothing of it is kept or sent on.
        """
        return replies.send_json(responder, request_id, {})

    def root(self, request: Request, responder: Responder, request_id: str) -> int:
        """For browsers, and for tools that ask an Ollama whether it is there."""
        text = f"Portico {portico.__version__} is running; /docs shows what there is.\n"
        return replies.send_text(responder, request_id, text.encode(), b"text/plain; charset=utf-8")

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
