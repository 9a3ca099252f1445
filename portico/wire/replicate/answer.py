"""A prediction as a canonical answer, and what its `error` stands for.

https://replicate.com/docs/topics/predictions/lifecycle and …/reference/http (2026-11-23); token
counts: https://github.com/replicate/replicate-go/issues/52, of Llama 2. A prediction that failed is
an answer of 200 that says so.
"""

from typing import Any, Final

import msgspec

from portico.errors import (
    UpstreamContentFiltered,
    UpstreamContextExceeded,
    UpstreamError,
    UpstreamProtocol,
)
from portico.types.chat import ChatResponse, Choice, Home, Text
from portico.types.http import HttpHead
from portico.types.usage import Usage
from portico.wire.json_io import MalformedError, compact, decode, decoded
from portico.wire.openai_chat.errors import error_of
from portico.wire.replicate.request import NAME
from portico.wire.upstream_errors import MAX_BODY, unread_error, upstream_error
from portico.wire.wait_hints import moment_of


class Metrics(msgspec.Struct):
    input_token_count: float | None = None
    output_token_count: float | None = None


class Prediction(msgspec.Struct):
    status: str
    id: str = ""
    model: str | None = None
    output: Any = None
    error: Any = None
    metrics: Metrics | None = None
    created_at: str | None = None


PREDICTION: Final = msgspec.json.Decoder(Prediction)
_FLAGGED: Final = "flagged as sensitive"


def read_response(body: bytes, /, *, home: Home | None = None) -> ChatResponse:
    prediction = decoded(PREDICTION, body)
    if prediction.status != "succeeded":
        raise failure(prediction)
    created = moment_of((prediction.created_at or "").encode())
    text = output_text(prediction.output)
    return ChatResponse(
        dialect=NAME,
        id=prediction.id,
        model=prediction.model or "",
        choices=(Choice(content=(Text(text),) if text else (), stop="end", native_stop=None),),
        usage=usage_of(prediction),
        created=None if created is None else int(created),
    )


def output_text(output: Any) -> str:
    """A text, or its pieces; of a model that makes something else, the JSON of it."""
    if isinstance(output, list) and all(isinstance(piece, str) for piece in output):
        return "".join(output)
    if isinstance(output, str):
        return output
    return "" if output is None else compact(output)


def usage_of(prediction: Prediction) -> Usage | None:
    """Only models that Replicate bills by token count them."""
    counted = prediction.metrics or Metrics()
    if counted.input_token_count is None or counted.output_token_count is None:
        return None
    return Usage(
        input_tokens=_count(counted.input_token_count),
        output_tokens=_count(counted.output_token_count),
    )


def _count(tokens: float) -> int:
    return int(tokens) if 0 <= tokens < 1e12 else 0


def failure(prediction: Prediction) -> UpstreamError:
    """What a prediction that did not succeed stands for."""
    if prediction.status in ("starting", "processing"):
        return UpstreamProtocol("The provider's prediction is not finished.")
    if prediction.status in ("canceled", "aborted") and not prediction.error:
        return upstream_error(500, f"The provider's prediction was {prediction.status}.")
    return failed(prediction.error)


def failed(reason: Any) -> UpstreamError:
    """Of a model's own words only some say that another deployment would fail just so."""
    words = reason if isinstance(reason, str) else ""
    if isinstance(reason, dict):
        detail = reason.get("detail") or reason.get("message")
        words = detail if isinstance(detail, str) else compact(reason)
    code = "content_filter" if _FLAGGED in words else None
    asked = upstream_error(400, words, code=code)
    if isinstance(asked, UpstreamContextExceeded | UpstreamContentFiltered):
        return asked
    return upstream_error(500, words or "The provider's prediction failed without a reason.")


def read_error(head: HttpHead, body: bytes, /) -> UpstreamError:
    """`{"title", "detail", "status"}`, of which a throttled request has `retry_after`, too."""
    if len(body) > MAX_BODY:
        return unread_error(head, body)
    try:
        value = decode(body)
    except MalformedError:
        return unread_error(head, body)
    if not isinstance(value, dict):
        return error_of(value, head.status, head.headers)
    detail = value.get("detail") or value.get("title")
    return error_of(
        {"message": detail if isinstance(detail, str) else compact(detail)},
        head.status,
        head.headers,
        around=value,
    )
