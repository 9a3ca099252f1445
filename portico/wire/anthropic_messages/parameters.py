"""Parameters of a foreign request in Anthropic's words: thinking, sampling, answer format.

https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking, …/effort,
…/extended-thinking#feature-compatibility and …/structured-outputs (2026-11-23).
"""

import re
from typing import Final

from portico.types.chat import ChatRequest, Home, JsonObject
from portico.wire.anthropic_messages.blocks import NAME
from portico.wire.anthropic_messages.limit import DEFAULT_MAX_TOKENS, thinking_room
from portico.wire.base import Unsupported, drop_extra
from portico.wire.effort import (
    MIN_BUDGET,
    asked_budget,
    asked_effort,
    claude_display,
    has_lost_thinking,
    name_summary,
)
from portico.wire.json_schema import Rules, described, narrow

_BUDGET_MODELS: Final = re.compile(
    r"claude-(?:[23]|instant|(?:opus|sonnet|haiku)-4(?:[-.][0-5])?(?:-v\d|-latest|[-@]\d{6}|$))"
)
"""Models before Claude 4.6 take a thinking budget; later and unknown ones take an effort."""

_FORMAT_RULES: Final = Rules(
    keywords=frozenset(
        {
            "$defs",
            "$ref",
            "additionalProperties",
            "allOf",
            "anyOf",
            "const",
            "default",
            "definitions",
            "description",
            "enum",
            "format",
            "items",
            "minItems",
            "pattern",
            "properties",
            "required",
            "title",
            "type",
        }
    ),
    formats=frozenset(
        {
            "date",
            "date-time",
            "duration",
            "email",
            "hostname",
            "ipv4",
            "ipv6",
            "time",
            "uri",
            "uuid",
        }
    ),
    one_of_to_any_of=True,
    root_object=False,
    closed_objects=True,
)
"""What structured outputs know, by the page above, "JSON Schema limitations"."""


_TIERS: Final = {
    "auto": "auto",
    "priority": "auto",
    "default": "standard_only",
    "standard_only": "standard_only",
}


def write_tier(tier: str, unsupported: Unsupported) -> str | None:
    written = _TIERS.get(tier)
    if written is None:
        unsupported("service_tier", NAME)
    return written


def write_thinking(
    request: ChatRequest,
    written: JsonObject,
    output_config: JsonObject,
    unsupported: Unsupported,
    home: Home | None,
) -> None:
    config = request.thinking
    if config is None:
        return
    if asked_effort(config) == "none":
        written["thinking"] = {"type": "disabled"}
        return
    choice = request.tool_choice
    if choice is not None and choice.mode == "required" and request.tools:
        unsupported("reasoning", NAME)  # a forced call and thinking exclude each other
        return
    if _BUDGET_MODELS.search(request.model):
        if has_lost_thinking(request.messages, NAME, home):
            unsupported("reasoning", NAME)
            return
        budget = asked_budget(config, request.max_tokens) or 8192
        budget = max(budget, MIN_BUDGET)
        written["thinking"] = {"type": "enabled", "budget_tokens": budget}
        name_summary(config, NAME, unsupported)
        if request.max_tokens is None:
            written["max_tokens"] = budget + DEFAULT_MAX_TOKENS
        elif request.max_tokens <= budget:
            del written["thinking"]
            unsupported("reasoning", NAME)  # no room to think in
        return
    if request.max_tokens is None:
        written["max_tokens"] = thinking_room(request) + DEFAULT_MAX_TOKENS
    written["thinking"] = {"type": "adaptive", **claude_display(config)}
    name_summary(config, NAME, unsupported, can_omit=True)
    effort = asked_effort(config)
    if effort is not None:
        output_config["effort"] = "low" if effort == "minimal" else effort


def write_sampling(request: ChatRequest, written: JsonObject, unsupported: Unsupported) -> None:
    """Temperature ends at 1 here, is refused beside `top_p`, and is fixed while thinking."""
    sampling = request.sampling
    is_thinking = written.get("thinking", {"type": "disabled"})["type"] != "disabled"
    temperature = sampling.temperature
    if temperature is not None and (temperature > 1 or (is_thinking and temperature != 1)):
        unsupported("temperature", NAME)
        temperature = None if is_thinking else 1.0
    if temperature is not None:
        written["temperature"] = temperature
    if sampling.top_p is not None and sampling.top_p < 1:
        if temperature is None and not (is_thinking and sampling.top_p < 0.95):
            written["top_p"] = sampling.top_p
        else:
            unsupported("top_p", NAME)
    if sampling.top_k is not None:
        if is_thinking:
            unsupported("top_k", NAME)
        else:
            written["top_k"] = sampling.top_k


def name_foreign(request: ChatRequest, unsupported: Unsupported) -> None:
    """Everything this dialect has no word for, unless it is what happens anyway."""
    sampling = request.sampling
    if sampling.frequency_penalty:
        unsupported("frequency_penalty", NAME)
    if sampling.presence_penalty:
        unsupported("presence_penalty", NAME)
    if sampling.repetition_penalty is not None and sampling.repetition_penalty != 1:
        unsupported("repetition_penalty", NAME)
    if sampling.min_p:
        unsupported("min_p", NAME)
    if sampling.seed is not None:
        unsupported("seed", NAME)
    if sampling.logit_bias:
        unsupported("logit_bias", NAME)
    if sampling.logprobs:
        unsupported("logprobs", NAME)
    if sampling.n is not None and sampling.n != 1:
        unsupported("n", NAME)
    if request.modalities and request.modalities != ("text",):
        unsupported("modalities", NAME)
    if request.verbosity is not None:
        unsupported("verbosity", NAME)
    if request.metadata:
        unsupported("metadata", NAME)
    if request.prompt_cache_key is not None:
        unsupported("prompt_cache_key", NAME)
    drop_extra(request.extra, NAME, unsupported)


def write_format(
    request: ChatRequest, written: JsonObject, output_config: JsonObject, unsupported: Unsupported
) -> None:
    format = request.response_format
    if format is None or format.type == "text":
        return
    if "~output_format" in request.extra and request.dialect == NAME:
        written["output_format"] = request.extra["~output_format"]
        return
    if format.schema is None:
        unsupported("response_format", NAME)  # JSON without a schema cannot be asked for
        return
    schema = format.schema
    if request.dialect != NAME:
        narrowed = narrow(described(format, schema), _FORMAT_RULES)
        schema = narrowed.schema
        for keyword in narrowed.dropped:
            unsupported(f"response_format.schema.{keyword}", NAME)
    output_config["format"] = {"type": "json_schema", "schema": schema}
