"""What each dialect's provider answers, whole and streamed, as the bytes that `upstream.c` sends.

The shapes are those of `tests/fixtures/<dialect>/text`, with more text: a whole answer is about
1 KB of JSON, a stream `PIECES` events with a word in each.
"""

import base64
import json
import struct
from binascii import crc32
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PIECES = 50
WORD = " Hello"

_SENTENCES = (
    "In spring Paris is mild and changeable: cool mornings, pleasant afternoons and a shower or "
    "two a week. Pack layers, a light rain jacket for each of you, comfortable shoes, and small "
    "umbrellas. "
)
_SSE = "text/event-stream"


def answer_text(large: bool = False) -> str:
    return _SENTENCES * (80 if large else 1)


@dataclass(frozen=True)
class Stream:
    """`start` goes out with the head, `piece` `PIECES` - 1 times, then `last` and `end`.

    `usage_end` is the end for who asked for usage; `None` where nobody needs to ask.
    """

    kind: str
    start: bytes
    piece: bytes
    last: bytes
    end: bytes
    usage_end: bytes | None = None


def write_answers(folder: Path, dialect: str) -> None:
    """One file for each write of the upstream, complete with head and chunk framing."""
    stream = _STREAMS[dialect]()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {stream.kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    blocks = {
        "whole": _whole(_ANSWERS[dialect](answer_text())),
        "large": _whole(_ANSWERS[dialect](answer_text(large=True))),
        "start": head.encode() + (_chunk(stream.start) if stream.start else b""),
        "piece": _chunk(stream.piece),
        "last": _chunk(stream.last),
        "end": _chunk(stream.end) + b"0\r\n\r\n",
        "usage_end": _chunk(stream.usage_end or stream.end) + b"0\r\n\r\n",
    }
    for name, data in blocks.items():
        (folder / name).write_bytes(data)


def is_verbatim(dialect: str, body: bytes, *, stream: bool, large: bool) -> bool:
    """Is it what the provider sends, byte for byte?"""
    if not stream:
        return body == _json(_ANSWERS[dialect](answer_text(large)))
    sent = _STREAMS[dialect]()
    return body == sent.start + sent.piece * (PIECES - 1) + sent.last + sent.end


def _whole(answer: object) -> bytes:
    body = _json(answer)
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
    return f"{head}{len(body)}\r\n\r\n".encode() + body


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


# OpenAI


def _chat(text: str) -> object:
    message = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    details = {"cached_tokens": 0, "audio_tokens": 0}
    output_details = {
        "reasoning_tokens": 0,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    }
    return {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 19,
            "completion_tokens": 58,
            "total_tokens": 77,
            "prompt_tokens_details": details,
            "completion_tokens_details": output_details,
        },
        "service_tier": "default",
        "system_fingerprint": "fp_06737a9306",
    }


def _chat_stream() -> Stream:
    def event(choices: list[object], **more: object) -> bytes:
        chunk: dict[str, object] = {
            "id": "chatcmpl-bench",
            "object": "chat.completion.chunk",
            "created": 1741569952,
            "model": "gpt-4o-mini-2024-07-18",
            "system_fingerprint": "fp_06737a9306",
            "choices": choices,
        }
        return b"data: %b\n\n" % _json(chunk | more)

    def word(reason: str | None) -> bytes:
        choice = {"index": 0, "delta": {"content": WORD}, "logprobs": None}
        return event([choice | {"finish_reason": reason}])

    usage = {"prompt_tokens": 19, "completion_tokens": PIECES, "total_tokens": 19 + PIECES}
    done = b"data: [DONE]\n\n"
    return Stream(_SSE, b"", word(None), word("stop"), done, event([], usage=usage) + done)


_RESPONSE: dict[str, Any] = {
    "id": "resp_67ccd2bed1ec8190b14f964abc054267",
    "object": "response",
    "created_at": 1741476542,
    "status": "in_progress",
    "background": False,
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "max_output_tokens": None,
    "model": "gpt-5.2",
    "output": [],
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "usage": None,
    "user": None,
    "metadata": {},
}


def _response_item(text: str | None) -> dict[str, object]:
    return {
        "id": "msg_67ccd2bf17f0819081ff3bb2cf6508e6",
        "type": "message",
        "status": "in_progress" if text is None else "completed",
        "role": "assistant",
        "content": [] if text is None else [_response_part(text)],
    }


def _response_part(text: str) -> dict[str, object]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _response(text: str) -> dict[str, Any]:
    usage = {
        "input_tokens": 36,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 87,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 123,
    }
    output = {"status": "completed", "output": [_response_item(text)], "usage": usage}
    return {**_RESPONSE, **output, "completed_at": 1741476543}


def _response_stream() -> Stream:
    place = {"item_id": _response_item(None)["id"], "output_index": 0, "content_index": 0}

    def event(kind: str, number: int, **fields: object) -> bytes:
        data = _json({"type": kind, "sequence_number": number, **fields})
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)

    text = WORD * PIECES
    delta = event("response.output_text.delta", 5, **place, delta=WORD, logprobs=[])
    start = [
        event("response.created", 0, response=_RESPONSE),
        event("response.in_progress", 1, response=_RESPONSE),
        event("response.output_item.added", 2, output_index=0, item=_response_item(None)),
        event("response.content_part.added", 3, **place, part=_response_part("")),
    ]
    end = [
        event("response.output_text.done", 54, **place, text=text, logprobs=[]),
        event("response.content_part.done", 55, **place, part=_response_part(text)),
        event("response.output_item.done", 56, output_index=0, item=_response_item(text)),
        event("response.completed", 57, response=_response(text)),
    ]
    return Stream(_SSE, b"".join(start), delta, delta, b"".join(end))


# Anthropic

_CLAUDE_USAGE: dict[str, object] = {
    "input_tokens": 19,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 1,
    "service_tier": "standard",
}


def _message(text: str | None) -> dict[str, object]:
    return {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-6",
        "content": [] if text is None else [{"type": "text", "text": text}],
        "stop_reason": None if text is None else "end_turn",
        "stop_sequence": None,
        "usage": _CLAUDE_USAGE if text is None else _CLAUDE_USAGE | {"output_tokens": 58},
    }


def _message_events() -> tuple[list[dict[str, Any]], dict[str, Any], list[dict[str, Any]]]:
    start = [
        {"type": "message_start", "message": _message(None)},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": ""},
        },
        {"type": "ping"},
    ]
    piece = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": WORD},
    }
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    end = [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": {"output_tokens": PIECES}},
        {"type": "message_stop"},
    ]
    return start, piece, end


def _message_stream() -> Stream:
    def event(data: dict[str, Any]) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (data["type"].encode(), _json(data))

    start, piece, end = _message_events()
    word = event(piece)
    return Stream(_SSE, b"".join(map(event, start)), word, word, b"".join(map(event, end)))


# Bedrock


def _frame(name: str, payload: bytes) -> bytes:
    fields = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        struct.pack(">B", len(field)) + field.encode() + struct.pack(">BH", 7, len(value))
        + value.encode()
        for field, value in fields.items()
    )  # fmt: skip
    prelude = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    frame = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return frame + struct.pack(">I", crc32(frame))


_FRAMES = "application/vnd.amazon.eventstream"


def _invoke_stream() -> Stream:
    def event(data: dict[str, Any]) -> bytes:
        inner = base64.b64encode(_json(data)).decode()
        return _frame("chunk", _json({"bytes": inner, "p": "abcdefghijkl"}))

    start, piece, end = _message_events()
    word = event(piece)
    return Stream(_FRAMES, b"".join(map(event, start)), word, word, b"".join(map(event, end)))


def _converse_usage(output_tokens: int) -> dict[str, object]:
    return {
        "usage": {
            "cacheReadInputTokenCount": 0,
            "cacheReadInputTokens": 0,
            "cacheWriteInputTokenCount": 0,
            "cacheWriteInputTokens": 0,
            "inputTokens": 19,
            "outputTokens": output_tokens,
            "serverToolUsage": {},
            "totalTokens": 19 + output_tokens,
        },
        "metrics": {"latencyMs": 1175},
    }


def _converse(text: str) -> object:
    message = {"content": [{"text": text}], "role": "assistant"}
    return {"output": {"message": message}, "stopReason": "end_turn", **_converse_usage(58)}


def _converse_stream() -> Stream:
    def event(name: str, **fields: object) -> bytes:
        return _frame(name, _json(fields | {"p": "abcdefghijklmnopqrstuv"}))

    word = event("contentBlockDelta", contentBlockIndex=0, delta={"text": WORD})
    end = [
        event("contentBlockStop", contentBlockIndex=0),
        event("messageStop", stopReason="end_turn"),
        event("metadata", **_converse_usage(PIECES)),
    ]
    return Stream(_FRAMES, event("messageStart", role="assistant"), word, word, b"".join(end))


# Gemini, whose lines end in CR LF


def _candidate(text: str, reason: str | None, output_tokens: int) -> dict[str, object]:
    candidate: dict[str, object] = {
        "content": {"parts": [{"text": text}], "role": "model"},
        "index": 0,
    }
    if reason is not None:
        candidate["finishReason"] = reason
    return {
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": 19,
            "candidatesTokenCount": output_tokens,
            "totalTokenCount": 19 + output_tokens,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 19}],
        },
        "modelVersion": "gemini-3.1-pro-preview",
        "responseId": "rX9pZ5aBCdE",
    }


def _gemini(text: str) -> object:
    return _candidate(text, "STOP", 58)


def _gemini_stream() -> Stream:
    def event(data: object) -> bytes:
        return b"data: %b\r\n\r\n" % _json(data)

    word = event(_candidate(WORD, None, 20))
    return Stream(_SSE, b"", word, word, event(_candidate("", "STOP", PIECES)))


# Cohere

_COHERE_ID = "29f14a5a-11de-4cae-9800-25e4747408ea"
_COHERE_END = {
    "finish_reason": "COMPLETE",
    "usage": {
        "billed_units": {"input_tokens": 5, "output_tokens": 11},
        "tokens": {"input_tokens": 65, "output_tokens": 12},
    },
}


def _cohere(text: str) -> object:
    message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
    return {"id": _COHERE_ID, "message": message, **_COHERE_END}


def _cohere_stream() -> Stream:
    def event(kind: str, **fields: object) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), _json({"type": kind, **fields}))

    def content(**fields: object) -> object:
        return {"message": {"content": fields}}

    opening = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": []}
    start = event("message-start", id=_COHERE_ID, delta={"message": opening})
    start += event("content-start", index=0, delta=content(type="text", text=""))
    word = event("content-delta", index=0, delta=content(text=WORD))
    end = event("content-end", index=0) + event("message-end", id=_COHERE_ID, delta=_COHERE_END)
    return Stream(_SSE, start, word, word, end)


# Ollama


def _ollama(text: str, is_done: bool = True) -> dict[str, object]:
    line: dict[str, object] = {
        "model": "llama3.2",
        "created_at": "2025-10-17T23:14:07.414671Z",
        "message": {"role": "assistant", "content": text},
        "done": is_done,
    }
    if is_done:
        line |= {
            "done_reason": "stop",
            "total_duration": 174560334,
            "load_duration": 101397084,
            "prompt_eval_count": 19,
            "prompt_eval_duration": 13074791,
            "eval_count": PIECES,
            "eval_duration": 52479709,
        }
    return line


def _ollama_stream() -> Stream:
    def lines(*values: object) -> bytes:
        return b"".join(_json(value) + b"\n" for value in values)

    word = lines(_ollama(WORD, is_done=False))
    return Stream("application/x-ndjson", b"", word, word, lines(_ollama("")))


_ANSWERS = {
    "openai_chat": _chat,
    "openai_responses": _response,
    "anthropic_messages": _message,
    "gemini_generate": _gemini,
    "bedrock_converse": _converse,
    "bedrock_invoke": _message,
    "cohere_chat": _cohere,
    "ollama_chat": _ollama,
}
_STREAMS = {
    "openai_chat": _chat_stream,
    "openai_responses": _response_stream,
    "anthropic_messages": _message_stream,
    "gemini_generate": _gemini_stream,
    "bedrock_converse": _converse_stream,
    "bedrock_invoke": _invoke_stream,
    "cohere_chat": _cohere_stream,
    "ollama_chat": _ollama_stream,
}
PROVIDERS = {
    "openai_chat": "OpenAI Chat",
    "openai_responses": "OpenAI Responses",
    "anthropic_messages": "Anthropic",
    "gemini_generate": "Gemini",
    "bedrock_converse": "Bedrock Converse",
    "bedrock_invoke": "Bedrock Invoke",
    "cohere_chat": "Cohere",
    "ollama_chat": "Ollama",
}
"""Every dialect that a provider may speak, and what the tables call it."""
