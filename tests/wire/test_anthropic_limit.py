"""The limit that Anthropic's dialect demands and others let clients leave out."""

import json
from typing import Any

import pytest

from portico.types.chat import ChatRequest, Effort, Message, Text, ThinkingConfig
from portico.wire.anthropic_messages import dialect
from portico.wire.anthropic_messages.limit import with_limit
from portico.wire.base import Dropped


def asked(
    thinking: ThinkingConfig | None = None, max_tokens: int | None = None, model: str = "m"
) -> ChatRequest:
    return ChatRequest(
        dialect="openai_chat",
        model=model,
        messages=(Message("user", (Text("hi"),)),),
        thinking=thinking,
        max_tokens=max_tokens,
    )


def limited(
    request: ChatRequest, most: int | None, context: int | None = None, prompt: int = 300
) -> int | None:
    return with_limit(
        request, max_output_tokens=most, max_input_tokens=context, prompt_bytes=prompt
    ).max_tokens


def effort(word: Effort) -> ThinkingConfig:
    return ThinkingConfig(effort=word)


@pytest.mark.parametrize(
    ("request_", "most", "context", "prompt", "limit"),
    [
        (asked(max_tokens=5), 64_000, None, 300, 5),
        (asked(), 64_000, None, 300, 64_000),
        (asked(), 64_000, 200_000, 300, 64_000),
        (asked(), 64_000, 200_000, 480_000, 40_000),  # what a prompt of 160,000 tokens leaves
        (asked(), 64_000, 200_000, 3_000_000, 8192),  # a picture: nobody knows
        (asked(), 4096, 200_000, 3_000_000, 4096),  # never more than the model has
        (asked(effort("high")), 64_000, 200_000, 3_000_000, 24_576 + 8192),
        (asked(ThinkingConfig(mode="adaptive")), 64_000, 200_000, 3_000_000, 24_576 + 8192),
        (asked(ThinkingConfig(budget_tokens=50_000)), 64_000, 200_000, 3_000_000, 58_192),
        (asked(effort("none")), 64_000, 200_000, 3_000_000, 8192),
        (asked(), None, 200_000, 300, None),
    ],
)
def test_it_is_what_the_model_can_and_its_context_has_room_for(
    request_: ChatRequest, most: int | None, context: int | None, prompt: int, limit: int | None
) -> None:
    assert limited(request_, most, context, prompt) == limit


def written(request: ChatRequest) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(dialect.write_request(request, unsupported=Dropped()))
    return body


@pytest.mark.parametrize(
    ("thinking", "model", "limit"),
    [
        (None, "unheard-of", 8192),
        (effort("low"), "unheard-of", 2048 + 8192),
        (ThinkingConfig(mode="adaptive"), "unheard-of", 24_576 + 8192),
        (effort("none"), "unheard-of", 8192),
        (effort("low"), "claude-sonnet-4-5", 2048 + 8192),
    ],
)
def test_of_a_model_nobody_knows_thinking_gets_room_beside_the_answer(
    thinking: ThinkingConfig | None, model: str, limit: int
) -> None:
    assert written(asked(thinking, model=model))["max_tokens"] == limit
