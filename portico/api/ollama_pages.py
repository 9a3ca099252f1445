"""What Ollama's clients ask beside the words: which models there are, what they can do, which
version this is.

https://docs.ollama.com/api/tags, …/api-reference/show-model-details, …/api/ps and …/api/version
(2026-11-23). A gateway has no files: sizes are 0, and a digest is that of the name, so that it is
stable and tells models apart.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import msgspec

from portico.api import replies
from portico.api.dispatch import Handler
from portico.catalog.models import find_model
from portico.catalog.providers import provider_rows
from portico.engine import admission
from portico.engine.gateway import Gateway
from portico.errors import InvalidRequest, ModelNotFound
from portico.policy import access
from portico.types.deployment import Deployment
from portico.types.http import Request, Responder

API_VERSION: Final = "0.40.12"
"""The one this follows (https://github.com/ollama/ollama/releases, 2026-11-23): clients compare it
with the version that a feature came with, so the gateway's own would mean nothing to them."""

_CAPABILITIES: Final = {
    "vision": "vision",
    "tools": "tools",
    "reasoning": "thinking",
}
"""Ollama's words for the abilities that the catalog knows."""


class _Named(msgspec.Struct):
    model: str = ""
    name: str = ""


_NAMED: Final = msgspec.json.Decoder(_Named)


class OllamaPages:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "ollama_tags": self.tags,
            "ollama_show": self.show,
            "ollama_ps": self.running,
            "ollama_version": self.version,
        }

    def tags(self, request: Request, responder: Responder, request_id: str) -> int:
        principal = admission.authenticate(
            self._gateway.snapshot, request.headers, self._gateway.wall()
        )
        models = [
            _summary(one.id, one.owned_by, one.created)
            for one in self._gateway.snapshot.listings
            if access.may_use(principal, one.id)
        ]
        return replies.send_json(responder, request_id, {"models": models})

    def show(self, request: Request, responder: Responder, request_id: str) -> int:
        """A name that only a pattern covers is there too, as for `GET /v1/models/<name>`."""
        snapshot = self._gateway.snapshot
        principal = admission.authenticate(snapshot, request.headers, self._gateway.wall())
        name = _asked_name(request.body)
        route = snapshot.resolve(name)
        if route is None:
            name = name.removesuffix(admission.IDLE_TAG)
            route = snapshot.resolve(name)
        if route is None or not access.may_use(principal, name):
            raise ModelNotFound(
                f"The model {admission.shown_name(name)} does not exist here, or this key may not "
                "use it; GET /api/tags lists those it may.",
                param="model",
            )
        shown = _shown(route.deployments, snapshot.created_at)
        return replies.send_json(responder, request_id, shown)

    def running(self, request: Request, responder: Responder, request_id: str) -> int:
        return replies.send_json(responder, request_id, {"models": []})

    def version(self, request: Request, responder: Responder, request_id: str) -> int:
        return replies.send_json(responder, request_id, {"version": API_VERSION})


def _asked_name(body: bytes) -> str:
    try:
        named = _NAMED.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise InvalidRequest(
            'Send a JSON object that names the model: {"model": "…"}.', code="invalid_json"
        ) from problem
    name = named.model or named.name
    if not name:
        raise InvalidRequest(
            "`model` is missing; name one of those that GET /api/tags lists.",
            param="model",
            code="missing_model",
        )
    return name


def _summary(id: str, owner: str, created: int) -> dict[str, Any]:
    name = id if ":" in id else id + admission.IDLE_TAG
    return {
        "name": name,
        "model": name,
        "modified_at": _moment(created),
        "size": 0,
        "digest": sha256(id.encode()).hexdigest(),
        "details": _details(owner),
    }


def _details(family: str) -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "",
        "family": family,
        "families": [family],
        "parameter_size": "",
        "quantization_level": "",
    }


def _shown(deployments: tuple[Deployment, ...], created: int) -> dict[str, Any]:
    """What all deployments of a route can do; where nobody knows, that it answers and calls tools,
    which clients must hear before they offer any.
    """
    family = deployments[0].provider.type
    abilities = [one.abilities for one in deployments if one.abilities is not None]
    known = frozenset.intersection(*abilities) if abilities else frozenset({"tools"})
    words = [word for ability, word in _CAPABILITIES.items() if ability in known]
    makes_vectors = all(map(_makes_vectors, deployments))
    capabilities = ["embedding"] if makes_vectors else ["completion", *words]
    information: dict[str, Any] = {"general.architecture": family}
    limits = [one.max_input_tokens for one in deployments if one.max_input_tokens is not None]
    if limits:
        information[f"{family}.context_length"] = min(limits)
    return {
        "modelfile": "",
        "parameters": "",
        "template": "",
        "license": "",
        "details": _details(family),
        "model_info": information,
        "capabilities": capabilities,
        "modified_at": _moment(created),
    }


def _makes_vectors(deployment: Deployment) -> bool:
    row = provider_rows().get(deployment.provider.type)
    entry = find_model(deployment.model, row.prices) if row is not None else None
    return entry is not None and entry.mode == "embedding"


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
