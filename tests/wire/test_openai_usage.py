"""Usage objects as providers send them, and what each means in the normal form."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.types.usage import Usage
from portico.wire.openai_usage import read_usage

CASES: list[tuple[str, str, dict[str, Any], Usage | None]] = [
    (
        "OpenAI chat, cached, audio and reasoning",
        "chat",
        {
            "usage": {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 10},
                "completion_tokens_details": {
                    "reasoning_tokens": 20,
                    "audio_tokens": 5,
                    "accepted_prediction_tokens": 3,
                    "rejected_prediction_tokens": 2,
                },
            }
        },
        Usage(
            input_tokens=50,
            cache_read_tokens=40,
            input_audio_tokens=10,
            output_tokens=25,
            reasoning_tokens=20,
            output_audio_tokens=5,
            reported_total=150,
        ),
    ),
    (
        "DeepSeek",
        "chat",
        {
            "usage": {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_cache_hit_tokens": 64,
                "prompt_cache_miss_tokens": 36,
                "completion_tokens_details": {"reasoning_tokens": 30},
            }
        },
        Usage(
            input_tokens=36,
            cache_read_tokens=64,
            output_tokens=20,
            reasoning_tokens=30,
            reported_total=150,
        ),
    ),
    (
        "xAI, reasoning beside the completion",
        "chat",
        {
            "usage": {
                "prompt_tokens": 32,
                "completion_tokens": 9,
                "total_tokens": 135,
                "prompt_tokens_details": {"text_tokens": 32, "cached_tokens": 6},
                "completion_tokens_details": {"reasoning_tokens": 94},
            }
        },
        Usage(
            input_tokens=26,
            cache_read_tokens=6,
            output_tokens=9,
            reasoning_tokens=94,
            reported_total=135,
        ),
    ),
    (
        "reasoning beside the completion, and fewer",
        "chat",
        {
            "usage": {
                "prompt_tokens": 10,
                "completion_tokens": 90,
                "total_tokens": 120,
                "completion_tokens_details": {"reasoning_tokens": 20},
            }
        },
        Usage(input_tokens=10, output_tokens=90, reasoning_tokens=20, reported_total=120),
    ),
    (
        "nulls",
        "chat",
        {
            "usage": {
                "prompt_tokens": 5,
                "completion_tokens": 0,
                "prompt_tokens_details": None,
                "completion_tokens_details": {"reasoning_tokens": None},
            },
            "service_tier": None,
        },
        Usage(input_tokens=5, output_tokens=0),
    ),
    (
        "a service tier",
        "chat",
        {"usage": {"prompt_tokens": 5, "completion_tokens": 1}, "service_tier": "flex"},
        Usage(input_tokens=5, output_tokens=1, service_tier="flex"),
    ),
    (
        "the standard tier",
        "chat",
        {"usage": {"prompt_tokens": 5, "completion_tokens": 1}, "service_tier": "default"},
        Usage(input_tokens=5, output_tokens=1),
    ),
    (
        "more cached than prompt",
        "chat",
        {
            "usage": {
                "prompt_tokens": 5,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 9},
            }
        },
        Usage(input_tokens=0, cache_read_tokens=9, output_tokens=1),
    ),
    ("none", "chat", {"choices": []}, None),
    ("null", "chat", {"usage": None}, None),
    ("empty", "chat", {"usage": {}}, None),
    ("of the wrong shape", "chat", {"usage": "7"}, None),
    ("with a text for a number", "chat", {"usage": {"prompt_tokens": "7"}}, None),
    (
        "completions",
        "completion",
        {"usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}},
        Usage(input_tokens=5, output_tokens=7, reported_total=12),
    ),
    (
        "embeddings",
        "embedding",
        {"data": [], "usage": {"prompt_tokens": 8, "total_tokens": 8}},
        Usage(input_tokens=8, output_tokens=0, reported_total=8),
    ),
    (
        "a response",
        "response",
        {
            "usage": {
                "input_tokens": 36,
                "input_tokens_details": {"cached_tokens": 16},
                "output_tokens": 87,
                "output_tokens_details": {"reasoning_tokens": 64},
                "total_tokens": 123,
            },
            "service_tier": "priority",
        },
        Usage(
            input_tokens=20,
            cache_read_tokens=16,
            output_tokens=23,
            reasoning_tokens=64,
            reported_total=123,
            service_tier="priority",
        ),
    ),
    (
        "the last event of a response",
        "response",
        {
            "type": "response.completed",
            "response": {
                "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
                "service_tier": "flex",
            },
        },
        Usage(input_tokens=3, output_tokens=4, reported_total=7, service_tier="flex"),
    ),
    (
        "an image by tokens",
        "image",
        {
            "data": [{"b64_json": ""}],
            "usage": {
                "input_tokens": 50,
                "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
                "output_tokens": 4160,
                "total_tokens": 4210,
            },
        },
        Usage(
            input_tokens=10,
            input_image_tokens=40,
            output_tokens=0,
            output_image_tokens=4160,
            output_images=1,
            reported_total=4210,
        ),
    ),
    (
        "images by the piece",
        "image",
        {"data": [{"url": "a"}, {"url": "b"}]},
        Usage(input_tokens=0, output_tokens=0, output_images=2),
    ),
    (
        "Cohere rerank",
        "rerank",
        {"results": [], "meta": {"billed_units": {"search_units": 1}}},
        Usage(input_tokens=0, output_tokens=0, searches=1),
    ),
    (
        "Jina rerank",
        "rerank",
        {"results": [], "usage": {"total_tokens": 38}},
        Usage(input_tokens=38, output_tokens=0, reported_total=38),
    ),
    ("rerank that reports nothing", "rerank", {"results": []}, None),
    (
        "moderation",
        "moderation",
        {"results": []},
        Usage(input_tokens=0, output_tokens=0),
    ),
]


@pytest.mark.parametrize(
    ("operation", "answer", "usage"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_usage(operation: str, answer: dict[str, Any], usage: Usage | None) -> None:
    assert read_usage(json.dumps(answer).encode(), operation) == usage


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"usage":{"prompt_tokens":']
)
def test_what_is_not_an_answer_reports_nothing(body: bytes) -> None:
    assert read_usage(body) is None


counts = st.integers(0, 10**9)


@given(counts, counts, counts, counts, st.booleans())
def test_no_token_is_counted_twice(
    prompt: int, output: int, cached: int, reasoning: int, beside: bool
) -> None:
    cached, reasoning = min(cached, prompt), min(reasoning, output)
    said = output - reasoning if beside else output
    usage = read_usage(
        json.dumps(
            {
                "usage": {
                    "prompt_tokens": prompt,
                    "completion_tokens": said,
                    "total_tokens": prompt + output,
                    "prompt_tokens_details": {"cached_tokens": cached},
                    "completion_tokens_details": {"reasoning_tokens": reasoning},
                }
            }
        ).encode()
    )
    assert usage is not None
    assert usage.total_input_tokens == prompt
    assert usage.total_output_tokens == output
