"""The built-in provider `echo`: answers without a network, always the same to the same request.

It speaks OpenAI's protocols well enough to try a client, a key, a limit or a dashboard: it
repeats the last user text, streams it word by word, counts one token a word and reports the
usage. It is free, and its embeddings are hashes: deterministic, of unit length, without meaning.
"""

import math
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec

from portico.types.http import Origin

ORIGIN = Origin(scheme="echo", host="echo", port=0)
MODEL = "echo"
_CREATED = 1_700_000_000
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(dict[str, Any])
_EVENT_STREAM = b"text/event-stream; charset=utf-8"
_JSON = b"application/json"

Answer = tuple[int, bytes, list[bytes]]
"""Status, content type, and the body in the pieces it is sent in."""


def answer(path: str, body: bytes) -> Answer:
    """What the provider says to `POST <path>`; `path` is one of those in `_OPERATIONS`."""
    operation = _OPERATIONS.get(path)
    if operation is None:
        return _refusal(
            404, f"The echo provider has no {path}; it offers {', '.join(_OPERATIONS)}."
        )
    try:
        fields = _DECODER.decode(body)
        return operation(fields)
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        return _refusal(400, f"The echo provider cannot read this request: {error!r}.")


def _between(fields: dict[str, Any]) -> Answer:
    """Mistral's FIM answers a prompt in the shape of a chat."""
    return _chat({**fields, "messages": [{"role": "user", "content": fields["prompt"]}]})


def _refusal(status: int, message: str) -> Answer:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return status, _JSON, [_ENCODER.encode({"error": error})]


def _chat(fields: dict[str, Any]) -> Answer:
    messages = fields["messages"]
    words = _words(_last_text(messages) or "(nothing to repeat)")
    words, reason = _cut(words, fields.get("max_completion_tokens") or fields.get("max_tokens"))
    prompt = sum(len(_words(_text(message.get("content")))) for message in messages)
    usage = _usage(prompt, len(words))
    base = _base("chatcmpl", "chat.completion", fields)
    if fields.get("stream"):
        return 200, _EVENT_STREAM, list(_chat_chunks(base, words, reason, usage, fields))
    message = {"role": "assistant", "content": "".join(words), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    return 200, _JSON, [_ENCODER.encode({**base, "choices": [choice], "usage": usage})]


def _chat_chunks(
    base: dict[str, Any],
    words: list[str],
    reason: str,
    usage: dict[str, int],
    fields: dict[str, Any],
) -> Iterator[bytes]:
    base = {**base, "object": "chat.completion.chunk"}

    def chunk(delta: dict[str, Any], finish_reason: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _event({**base, "choices": [choice]})

    yield chunk({"role": "assistant", "content": ""}, None)
    for word in words:
        yield chunk({"content": word}, None)
    yield chunk({}, reason)
    if (fields.get("stream_options") or {}).get("include_usage"):
        yield _event({**base, "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _completion(fields: dict[str, Any]) -> Answer:
    prompt = fields["prompt"]
    text = prompt if isinstance(prompt, str) else " ".join(str(part) for part in prompt)
    words, reason = _cut(_words(text), fields.get("max_tokens"))
    usage = _usage(len(_words(text)), len(words))
    base = _base("cmpl", "text_completion", fields)

    def choice(text: str, finish_reason: str | None) -> list[dict[str, Any]]:
        return [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}]

    if not fields.get("stream"):
        whole = {**base, "choices": choice("".join(words), reason), "usage": usage}
        return 200, _JSON, [_ENCODER.encode(whole)]
    pieces = [_event({**base, "choices": choice(word, None)}) for word in words]
    pieces.append(_event({**base, "choices": choice("", reason)}))
    if (fields.get("stream_options") or {}).get("include_usage"):
        pieces.append(_event({**base, "choices": [], "usage": usage}))
    return 200, _EVENT_STREAM, [*pieces, b"data: [DONE]\n\n"]


def _embedding(fields: dict[str, Any]) -> Answer:
    given = fields["input"]
    inputs = given if isinstance(given, list) and not _is_tokens(given) else [given]
    size = int(fields.get("dimensions") or 8)
    if not 1 <= size <= 4096:
        raise ValueError("dimensions must be from 1 to 4096")
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(_ENCODER.encode(one), size)}
        for index, one in enumerate(inputs)
    ]
    tokens = sum(len(one) if isinstance(one, list) else len(_words(one)) for one in inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    body = {"object": "list", "data": data, "model": fields.get("model"), "usage": usage}
    return 200, _JSON, [_ENCODER.encode(body)]


def _response(fields: dict[str, Any]) -> Answer:
    given = fields["input"]
    text = given if isinstance(given, str) else _last_text(given)
    words, _ = _cut(_words(text or "(nothing to repeat)"), fields.get("max_output_tokens"))
    used = _usage(len(_words(text)), len(words))
    usage = {
        "input_tokens": used["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": used["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": used["total_tokens"],
    }
    base: dict[str, Any] = {
        "id": _id("resp", fields),
        "object": "response",
        "created_at": _CREATED,
        "model": fields.get("model"),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": None,
    }
    part = {"type": "output_text", "text": "".join(words), "annotations": []}
    item = {
        "id": _id("msg", fields),
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }
    done = {**base, "status": "completed", "output": [item], "usage": usage}
    if not fields.get("stream"):
        return 200, _JSON, [_ENCODER.encode(done)]
    begun = {**base, "status": "in_progress", "output": [], "usage": None}
    return 200, _EVENT_STREAM, list(_response_events(begun, done, item, words))


def _response_events(
    begun: dict[str, Any], done: dict[str, Any], item: dict[str, Any], words: list[str]
) -> Iterator[bytes]:
    number = 0

    def event(kind: str, **fields: Any) -> bytes:
        nonlocal number
        data = _ENCODER.encode({"type": kind, "sequence_number": number, **fields})
        number += 1
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"

    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    whole = item["content"][0]
    yield event("response.created", response=begun)
    yield event("response.in_progress", response=begun)
    opened = {**item, "status": "in_progress", "content": []}
    yield event("response.output_item.added", output_index=0, item=opened)
    yield event("response.content_part.added", **place, part={**whole, "text": ""})
    for word in words:
        yield event("response.output_text.delta", **place, delta=word, logprobs=[])
    yield event("response.output_text.done", **place, text=whole["text"], logprobs=[])
    yield event("response.content_part.done", **place, part=whole)
    yield event("response.output_item.done", output_index=0, item=item)
    yield event("response.completed", response=done)


def _moderation(fields: dict[str, Any]) -> Answer:
    given = fields["input"]
    categories = ("harassment", "hate", "self-harm", "sexual", "violence")
    result = {
        "flagged": False,
        "categories": dict.fromkeys(categories, False),
        "category_scores": dict.fromkeys(categories, 0.0),
    }
    count = len(given) if isinstance(given, list) else 1
    body = {"id": _id("modr", fields), "model": fields.get("model"), "results": [result] * count}
    return 200, _JSON, [_ENCODER.encode(body)]


def _rerank(fields: dict[str, Any]) -> Answer:
    """Scores are the share of the query's words that a document has."""
    query = {word.strip().lower() for word in _words(fields["query"])}
    documents = [
        one if isinstance(one, str) else str(one.get("text", "")) for one in fields["documents"]
    ]
    scored: list[dict[str, Any]] = [
        {"index": index, "relevance_score": _overlap(query, text)}
        for index, text in enumerate(documents)
    ]
    scored.sort(key=lambda one: (-one["relevance_score"], one["index"]))
    scored = scored[: int(fields.get("top_n") or len(scored))]
    if fields.get("return_documents"):
        scored = [{**one, "document": {"text": documents[one["index"]]}} for one in scored]
    body = {
        "id": _id("rerank", fields),
        "results": scored,
        "meta": {"billed_units": {"search_units": 1}},
    }
    return 200, _JSON, [_ENCODER.encode(body)]


def _overlap(query: set[str], text: str) -> float:
    words = {word.strip().lower() for word in _words(text)}
    return round(len(query & words) / len(query), 6) if query else 0.0


_OPERATIONS = {
    "/chat/completions": _chat,
    "/completions": _completion,
    "/fim/completions": _between,
    "/embeddings": _embedding,
    "/responses": _response,
    "/moderations": _moderation,
    "/rerank": _rerank,
}


def _base(prefix: str, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": _id(prefix, fields),
        "object": kind,
        "created": _CREATED,
        "model": fields.get("model"),
        "system_fingerprint": "fp_echo",
    }


def _id(prefix: str, fields: dict[str, Any]) -> str:
    return f"{prefix}-{sha256(_ENCODER.encode(fields)).hexdigest()[:24]}"


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + _ENCODER.encode(value) + b"\n\n"


def _words(text: str) -> list[str]:
    """Words with the white space that follows them, so that joining gives the text back."""
    words = [piece + " " for piece in text.split(" ")]
    words[-1] = words[-1][:-1]
    return [word for word in words if word]


def _cut(words: list[str], limit: int | None) -> tuple[list[str], str]:
    if limit is not None and len(words) > limit:
        return words[:limit], "length"
    return words, "stop"


def _last_text(messages: list[dict[str, Any]]) -> str:
    for message in reversed(messages):
        if message.get("role") == "user":
            return _text(message.get("content"))
    return _text(messages[-1].get("content")) if messages else ""


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def _usage(prompt: int, completion: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _is_tokens(given: list[Any]) -> bool:
    return bool(given) and all(isinstance(one, int) for one in given)


def _vector(seed: bytes, size: int) -> list[float]:
    raw = b"".join(sha256(seed + bytes((block,))).digest() for block in range(-(-size // 16)))
    values = [int.from_bytes(raw[at : at + 2], "big") / 32767.5 - 1 for at in range(0, 2 * size, 2)]
    length = math.sqrt(sum(value * value for value in values)) or 1.0
    return [round(value / length, 9) for value in values]
