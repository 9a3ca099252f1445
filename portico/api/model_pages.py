"""Which models there are, in the shape of the dialect that asks; Ollama's is in `ollama_pages`.

https://developers.openai.com/api/docs/api-reference/models, https://platform.claude.com/docs/en/api/models,
https://ai.google.dev/api/models and https://docs.cohere.com/reference/list-models (2026-11-23).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from portico.api import replies
from portico.api.dispatch import Handler
from portico.api.endpoints import GEMINI_VERBS
from portico.engine import admission
from portico.engine.gateway import Gateway
from portico.engine.snapshot import ModelListing
from portico.errors import ModelNotFound
from portico.policy import access
from portico.types.http import Request, Responder

_Model = dict[str, Any]


class _Shape(msgspec.Struct, frozen=True):
    one: Callable[[ModelListing], _Model]
    many: Callable[[list[_Model]], dict[str, Any]]
    """All on one page."""


def _openai(one: ModelListing) -> _Model:
    return {"id": one.id, "object": "model", "created": one.created, "owned_by": one.owned_by}


def _openai_list(models: list[_Model]) -> dict[str, Any]:
    return {"object": "list", "data": models}


def _anthropic(one: ModelListing) -> _Model:
    return {
        "type": "model",
        "id": one.id,
        "display_name": one.id,
        "created_at": datetime.fromtimestamp(one.created, UTC).isoformat(),
    }


def _anthropic_list(models: list[_Model]) -> dict[str, Any]:
    ids = [one["id"] for one in models]
    return {
        "data": models,
        "has_more": False,
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
    }


def _gemini(one: ModelListing) -> _Model:
    return {
        "name": f"models/{one.id}",
        "displayName": one.id,
        "supportedGenerationMethods": list(GEMINI_VERBS),
    }


def _cohere(one: ModelListing) -> _Model:
    """Which endpoints a model is for is not known, so none are named."""
    return {"name": one.id}


def _under_models(models: list[_Model]) -> dict[str, Any]:
    return {"models": models}


_OPENAI: Final = _Shape(_openai, _openai_list)
_ANTHROPIC: Final = _Shape(_anthropic, _anthropic_list)
_GEMINI: Final = _Shape(_gemini, _under_models)
_COHERE: Final = _Shape(_cohere, _under_models)


def _shape(request: Request) -> _Shape:
    """By the path where it is one dialect's own, else by what its clients say of themselves."""
    headers = request.headers
    if request.path.startswith("/v1beta/") or b"x-goog-api-key" in headers:
        return _GEMINI
    if b"anthropic-version" in headers:
        return _ANTHROPIC
    names = headers.get(b"x-fern-sdk-name", b""), headers.get(b"user-agent", b"")
    if any(name.startswith(b"cohere") for name in names) or request.query.startswith(b"endpoint="):
        return _COHERE
    return _OPENAI


class ModelPages:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "models": self.models,
            "model": self.model,
            "gemini_models": self.models,
            "gemini_model": self.model,
        }

    def models(self, request: Request, responder: Responder, request_id: str) -> int:
        snapshot = self._gateway.snapshot
        principal = admission.authenticate(snapshot, request.headers, self._gateway.wall())
        shape = _shape(request)
        allowed = [one for one in snapshot.listings if access.may_use(principal, one.id)]
        answer = shape.many([shape.one(one) for one in allowed])
        return replies.send_json(responder, request_id, answer)

    def model(self, request: Request, responder: Responder, request_id: str) -> int:
        """One model; a name that only a pattern covers is there too, though not in the list."""
        snapshot = self._gateway.snapshot
        principal = admission.authenticate(snapshot, request.headers, self._gateway.wall())
        name = request.path.partition("/models/")[2]
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
        return replies.send_json(responder, request_id, _shape(request).one(listed))
