"""What a request becomes for the models of each owner, and what a prediction's words stand for."""

import json
from typing import Any

import pytest

from portico import errors
from portico.types.chat import (
    ChatRequest,
    DataSource,
    Image,
    Message,
    Sampling,
    Text,
    ThinkingConfig,
    UrlSource,
)
from portico.wire.base import Dropped
from portico.wire.replicate.answer import failed
from portico.wire.replicate.dialect import write_request

PIXEL = Image(DataSource("image/png", "AAAA"))
PHOTO = Image(UrlSource("https://example.com/a.png"))


def user(*content: Any) -> Message:
    return Message("user", tuple(Text(c) if isinstance(c, str) else c for c in content))


def asked(model: str, *messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(
        dialect="test",
        model=model,
        messages=(Message("system", (Text("Be brief."),)), *messages),
        **fields,
    )


def written(request: ChatRequest) -> tuple[dict[str, Any], list[str]]:
    dropped = Dropped()
    body = json.loads(write_request(request, unsupported=dropped))
    assert list(body) == (["input", "stream"] if request.stream else ["input"])
    said: dict[str, Any] = body["input"]
    return said, dropped.names


ASKED: dict[str, Any] = {
    "max_tokens": 64,
    "sampling": Sampling(temperature=0.5, top_p=0.9, top_k=5, seed=1, n=1),
    "thinking": ThinkingConfig(effort="medium"),
    "stop": ("END", "###"),
    "verbosity": "low",
}
OWNERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "meta/meta-llama-3-70b-instruct": (
        {
            "prompt": "Hello",
            "system_prompt": "Be brief.",
            "max_tokens": 64,
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 5,
            "stop_sequences": "END,###",
        },
        ["content.image", "seed", "thinking", "verbosity"],
    ),
    "anthropic/claude-4.5-sonnet": (
        {
            "prompt": "Hello",
            "system_prompt": "Be brief.",
            "image": "data:image/png;base64,AAAA",
            "max_tokens": 1024,
        },
        ["max_tokens", "temperature", "top_p", "top_k", "seed", "thinking", "stop", "verbosity"],
    ),
    "google/gemini-2.5-flash": (
        {
            "prompt": "Hello",
            "system_instruction": "Be brief.",
            "images": ["data:image/png;base64,AAAA"],
            "max_output_tokens": 64,
            "temperature": 0.5,
            "top_p": 0.9,
            "thinking_budget": 1024,
        },
        ["top_k", "seed", "stop", "verbosity"],
    ),
    "deployments/deepseek-ai/v3": (
        {"prompt": "Be brief.\n\nHello", "max_tokens": 64, "temperature": 0.5, "top_p": 0.9},
        ["content.image", "top_k", "seed", "thinking", "stop", "verbosity"],
    ),
    "openai/gpt-5.4": (
        {
            "prompt": "Hello",
            "system_prompt": "Be brief.",
            "image_input": ["data:image/png;base64,AAAA"],
            "max_completion_tokens": 64,
            "temperature": 0.5,
            "top_p": 0.9,
            "reasoning_effort": "medium",
            "verbosity": "low",
        },
        ["top_k", "seed", "stop"],
    ),
}


@pytest.mark.parametrize("model", OWNERS)
def test_each_owner_has_names_of_his_own(model: str) -> None:
    assert written(asked(model, user("Hello", PIXEL), **ASKED)) == OWNERS[model]


TALK = (user("one"), Message("assistant", (Text("two"),)), user("three"))


def test_a_conversation_is_one_prompt_that_says_whose_turn_each_is() -> None:
    said, dropped = written(asked("meta/llama", *TALK, stream=True))
    assert said == {
        "prompt": "User: one\n\nAssistant: two\n\nUser: three\n\nAssistant:",
        "system_prompt": "Be brief.",
    }
    assert dropped == []


def test_a_conversation_goes_as_messages_where_a_model_takes_them() -> None:
    said, _ = written(asked("openai/gpt-5.4", *TALK))
    assert said == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"},
            {"role": "user", "content": "three"},
        ]
    }


def test_a_model_of_one_picture_gets_the_last() -> None:
    said, dropped = written(asked("anthropic/claude", user(PIXEL, "or", PHOTO)))
    assert said["image"] == "https://example.com/a.png"
    assert dropped == ["content.image"]


@pytest.mark.parametrize(("asked_for", "said_as"), [(1023, 1024), (1024, 1024), (2000, 2000)])
def test_a_limit_that_a_model_refuses_is_raised_and_named(asked_for: int, said_as: int) -> None:
    said, dropped = written(asked("anthropic/claude-4-sonnet", user("?"), max_tokens=asked_for))
    assert said["max_tokens"] == said_as
    assert dropped == (["max_tokens"] if said_as > asked_for else [])


def test_what_thinks_as_it_likes_is_told_so() -> None:
    thinking = ThinkingConfig(mode="adaptive")
    said, _ = written(asked("google/gemini-2.5-pro", user("?"), thinking=thinking))
    assert said["dynamic_thinking"] is True


def test_stop_sequences_with_commas_cannot_be_said() -> None:
    said, dropped = written(asked("meta/llama", user("?"), stop=("a,b",)))
    assert "stop_sequences" not in said
    assert dropped == ["stop"]


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("CUDA out of memory", errors.UpstreamFailed),
        ("Prediction interrupted; please retry (code: PA)", errors.UpstreamFailed),
        ({"detail": "An unexpected error occurred"}, errors.UpstreamFailed),
        ({"code": 7}, errors.UpstreamFailed),
        (None, errors.UpstreamFailed),
        ("prompt is too long: 9000 tokens > 8192 maximum", errors.UpstreamContextExceeded),
        ("The input or output was flagged as sensitive. (E005)", errors.UpstreamContentFiltered),
    ],
)
def test_only_some_failures_would_be_the_same_elsewhere(words: Any, kind: type) -> None:
    assert type(failed(words)) is kind
