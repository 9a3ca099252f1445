"""Replicate: a prediction is created, then waited for or listened to, and stopped if nobody does.

https://replicate.com/docs/reference/http (predictions.create, models.predictions.create,
deployments.predictions.create, predictions.get, predictions.cancel),
…/docs/topics/predictions/create-a-prediction and …/topics/predictions/streaming (2026-11-23).
A request holds on for a few seconds (`Prefer: wait`) and is told the id of what takes longer, so
that it can be asked for again, and stopped. `Cancel-After` stops it even if the gateway is gone.
The address of a stream is Replicate's to say: it is believed for hosts of its own alone.
"""

import re
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from portico.errors import ModelNotFound, UpstreamProtocol
from portico.providers.auth import Fields, authorize
from portico.providers.base import Task
from portico.providers.bodies import edited
from portico.providers.heads import EVENT_STREAM, no_address, request, segment
from portico.types.credential import Credential
from portico.types.deployment import Deployment, Provider
from portico.types.http import (
    Headers,
    HttpRequest,
    HttpResponse,
    Origin,
    Step,
    Timeouts,
)

WAIT_S: Final = 5
"""As long as a first answer may take: while it does, nobody knows what there is to stop."""
MAX_POLL_S: Final = 2.0
_FIRST_POLL_S: Final = 0.25
_SHORTEST_LIFE_S: Final = 5
_RUNNING: Final = ("starting", "processing")
_FAILED: Final = ("failed", "canceled", "aborted")
_DOMAIN: Final = ".replicate.com"
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TARGET: Final = re.compile(r"/[!-~]*")


class _Urls(msgspec.Struct, frozen=True):
    stream: str | None = None


class _Prediction(msgspec.Struct, frozen=True):
    status: str
    id: str
    urls: _Urls = _Urls()


_PREDICTION: Final = msgspec.json.Decoder(_Prediction)


def prepare(
    deployment: Deployment,
    task: Task,
    body: bytes,
    credential: Credential | None,
    *,
    now: float,
    forwarded: Headers,
    timeouts: Timeouts,
) -> HttpRequest:
    provider = deployment.provider
    if task.dialect != "replicate" or task.operation != "chat":
        raise no_address(task, provider)
    path, version = _place(deployment.model)
    if version is not None:
        body = edited(body, without=(), first={"version": version})
    key = authorize(credential, "authorization")
    life_s = max(_SHORTEST_LIFE_S, int(timeouts.total if task.stream else timeouts.first_byte))
    fields = [*key, ("cancel-after", f"{life_s}s")]
    if not task.stream:
        fields.append(("prefer", f"wait={WAIT_S}"))
    created = request(
        provider, provider.base_path + path, fields, body, forwarded=forwarded, timeouts=timeouts
    )
    created.steps = Predictions(provider, key, timeouts)
    return created


def _place(model: str) -> tuple[str, str | None]:
    """Path and version of what runs: a model of its owner, a version of one, or a deployment."""
    match model.split("/"):
        case ["deployments", owner, name]:
            return f"/deployments/{segment(owner)}/{segment(name)}/predictions", None
        case [_, name] if ":" in name:
            return "/predictions", model
        case [owner, name]:
            return f"/models/{segment(owner)}/{segment(name)}/predictions", None
        case [version] if _ID.fullmatch(version):
            return "/predictions", version
        case _:
            raise ModelNotFound(
                f"{model!r} names no model of Replicate; write owner/name, owner/name:version or "
                "deployments/owner/name",
                param="model",
            )


class Predictions(msgspec.Struct, frozen=True):
    """Satisfies `types.http.Steps`."""

    provider: Provider
    key: Fields
    timeouts: Timeouts

    @property
    def end_mark(self) -> bytes:
        return b"\nevent: done"

    def after(self, work: HttpResponse, asked: int, *, streamed: bool) -> Step | None:
        if not 200 <= work.head.status < 300:
            return None
        prediction = _read(work)
        if streamed and prediction.urls.stream and prediction.status not in _FAILED:
            return Step(self._stream(prediction.urls.stream))
        if prediction.status not in _RUNNING:
            return None
        return Step(self.report(work), min(_FIRST_POLL_S * 1.5**asked, MAX_POLL_S))

    def undo(self, work: HttpResponse) -> HttpRequest | None:
        if not 200 <= work.head.status < 300:
            return None
        prediction = _read(work)
        if prediction.status not in _RUNNING:
            return None
        return self._ask("POST", f"/predictions/{_id(prediction)}/cancel")

    def report(self, work: HttpResponse) -> HttpRequest:
        return self._ask("GET", f"/predictions/{_id(_read(work))}")

    def event(self, work: HttpResponse) -> bytes:
        line = work.body.replace(b"\r", b" ").replace(b"\n", b" ")
        return b"event: prediction\ndata: %b\n\n" % line

    def _ask(self, method: str, path: str) -> HttpRequest:
        target = self.provider.base_path + path
        return request(
            self.provider,
            target,
            self.key,
            b"",
            forwarded={},
            timeouts=self.timeouts,
            method=method,
        )

    def _stream(self, url: str) -> HttpRequest:
        origin, target = _trusted(url, self.provider)
        return request(
            self.provider,
            target,
            [*self.key, ("accept", "text/event-stream"), ("cache-control", "no-store")],
            b"",
            forwarded={},
            timeouts=self.timeouts,
            origin=origin,
            stream_types=EVENT_STREAM,
            method="GET",
        )


def _read(work: HttpResponse) -> _Prediction:
    try:
        return _PREDICTION.decode(work.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamProtocol(
            "The provider answered with something else than a prediction; is its base_url right?",
            upstream_status=work.head.status,
        ) from None


def _id(prediction: _Prediction) -> str:
    if not _ID.fullmatch(prediction.id):
        raise UpstreamProtocol("The provider's prediction has no usable id.")
    return quote(prediction.id, safe="")


def _trusted(url: str, provider: Provider) -> tuple[Origin, str]:
    """Where a stream is, if the key may go there: the provider's own origin, or, of Replicate
    itself, another host of its domain.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        origin = Origin(parts.scheme, parts.hostname or "", port)
    except ValueError:
        origin, parts = Origin("", "", 0), urlsplit("")
    own = provider.origin
    is_sibling = own.host.endswith(_DOMAIN) and origin.host.endswith(_DOMAIN)
    is_safe = (is_sibling and origin.scheme == "https" and origin.port == 443) or origin == own
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    if not is_safe or "@" in parts.netloc or not _TARGET.fullmatch(target):
        raise UpstreamProtocol(
            f"The provider {provider.name} sent an address for the stream that is not its own; "
            "the key is not sent there."
        )
    return origin, target
