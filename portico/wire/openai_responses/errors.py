"""Errors of OpenAI Responses: in the envelope, in an answer that failed, and inside streams.

https://developers.openai.com/api/docs/guides/error-codes and
https://developers.openai.com/api/docs/api-reference/responses-streaming/error (2026-11-23). An
answer that failed has `error` with a code and a message, an `error` event has them at its top or
again in an object.
"""

from typing import Any, Final

from portico.errors import UpstreamError
from portico.types.http import Headers, HttpHead
from portico.wire.json_io import MalformedError, decode, encode
from portico.wire.upstream_errors import unread_error, upstream_error

_STATUS_BY_WORD: Final = {
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "bio_policy": 400,
    "cyber_policy": 400,
    "image_content_policy_violation": 400,
    "image_too_large": 400,
    "image_too_small": 400,
    "image_parse_error": 400,
    "invalid_base64_image": 400,
    "invalid_image": 400,
    "invalid_image_format": 400,
    "invalid_image_mode": 400,
    "invalid_image_url": 400,
    "unsupported_image_media_type": 400,
    "failed_to_download_image": 400,
    "image_file_not_found": 400,
    "empty_image_file": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "insufficient_quota": 429,
    "usage_limit_reached": 429,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "tokens": 429,
    "requests": 429,
    "server_error": 500,
    "vector_store_timeout": 504,
    "slow_down": 503,
    "service_unavailable_error": 503,
    "server_is_overloaded": 503,
    "upstream_unavailable": 503,
}


def read_error(head: HttpHead, body: bytes, /) -> UpstreamError:
    try:
        value = decode(body)
    except MalformedError:
        return unread_error(head, body)
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("error") or value
    return error_of(value, head.status, head.headers)


def error_of(error: Any, status: int, headers: Headers) -> UpstreamError:
    """`error` is the envelope's inside; `status` below 300 asks the error itself for one."""
    if not isinstance(error, dict):
        words = error if isinstance(error, str) else ""
        return upstream_error(status if status >= 300 else 502, words, headers=headers)
    kind, code, param = error.get("type"), error.get("code"), error.get("param")
    message = error.get("message") or error.get("detail")
    return upstream_error(
        status if status >= 300 else _own_status(code, kind),
        message if isinstance(message, str) else "",
        code=code if isinstance(code, str) else None,
        kind=kind if isinstance(kind, str) else None,
        param=param if isinstance(param, str) else None,
        headers=headers,
        body=encode(error),
    )


def _own_status(*words: Any) -> int:
    for word in words:
        if isinstance(word, int) and 400 <= word < 600:
            return word
        if isinstance(word, str) and word in _STATUS_BY_WORD:
            return _STATUS_BY_WORD[word]
    return 502
