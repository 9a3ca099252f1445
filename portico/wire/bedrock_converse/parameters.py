"""Parameters of a request in Converse's words, and in those of the models behind it.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html,
…/userguide/claude-messages-adaptive-thinking.html, …/userguide/model-parameters.html and
docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html (2026-11-23). What Converse
has no field for goes through `additionalModelRequestFields`, spelled as the model's maker does.
"""

import re
from typing import Final

from portico.types.chat import ChatRequest, Home, JsonObject
from portico.wire.base import Unsupported, drop_extra
from portico.wire.bedrock_converse.tools import NAME
from portico.wire.effort import (
    MIN_BUDGET,
    asked_budget,
    asked_effort,
    claude_display,
    has_lost_thinking,
    name_summary,
)
from portico.wire.json_io import compact
from portico.wire.json_schema import Rules, narrow

_DEFAULT_BUDGET: Final = 8192
_ANSWER_ROOM: Final = 8192

_BUDGET_MODELS: Final = re.compile(
    r"claude-(?:[23]|instant|(?:opus|sonnet|haiku)-4(?:-[0-5])?(?:-v\d|-latest|[-@]\d{6}|$))"
)
"""Claude before 4.6 takes a thinking budget; later ones take an effort."""

_TIERS: Final = frozenset({"priority", "default", "flex", "reserved"})
_METADATA: Final = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{0,256}")
_MAX_METADATA: Final = 16

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
            "properties",
            "required",
            "title",
            "type",
        }
    ),
    one_of_to_any_of=True,
    root_object=False,
    closed_objects=True,
)
"""What structured outputs know: …/userguide/structured-output.html (2026-11-23)."""


def write_inference(
    request: ChatRequest, unsupported: Unsupported, home: Home | None
) -> JsonObject:
    """`inferenceConfig`, without what thinking forbids."""
    sampling = request.sampling
    is_claude = "claude" in request.model
    is_thinking = is_claude and thinks(request, home)
    written: JsonObject = {}
    if request.max_tokens is not None:
        written["maxTokens"] = request.max_tokens
    temperature = sampling.temperature
    if temperature is not None and (temperature > 1 or (is_thinking and temperature != 1)):
        unsupported("temperature", NAME)
        temperature = None if is_thinking else 1.0
    if temperature is not None:
        written["temperature"] = temperature
    if sampling.top_p is not None and sampling.top_p < 1:
        # Claude refuses both at once, and low values while it thinks.
        if is_claude and (temperature is not None or (is_thinking and sampling.top_p < 0.95)):
            unsupported("top_p", NAME)
        else:
            written["topP"] = sampling.top_p
    if request.stop:
        stop = [text for text in request.stop if text.strip()] if is_claude else request.stop
        if len(stop) < len(request.stop):
            unsupported("stop", NAME)  # white space alone is refused
        if stop:
            written["stopSequences"] = list(stop)
    return written


def thinks(request: ChatRequest, home: Home | None) -> bool:
    config = request.thinking
    if config is None or asked_effort(config) == "none":
        return False
    return not _excludes_thinking(request, home)


def _excludes_thinking(request: ChatRequest, home: Home | None) -> bool:
    """Claude does where a tool call is forced, and in a turn that began without."""
    choice = request.tool_choice
    if choice is not None and choice.mode == "required" and request.tools:
        return True
    takes_budget = _BUDGET_MODELS.search(request.model) is not None
    return takes_budget and has_lost_thinking(request.messages, NAME, home)


def write_thinking(
    request: ChatRequest,
    written: JsonObject,
    fields: JsonObject,
    unsupported: Unsupported,
    home: Home | None,
) -> None:
    """Into `outputConfig.effort` of `written` where the model knows it, else into `fields`."""
    config = request.thinking
    if config is None:
        return
    effort = asked_effort(config)
    model = request.model
    name_summary(config, NAME, unsupported, can_omit="claude" in model)
    if "claude" in model:
        _write_claude(request, written, fields, unsupported, home)
    elif "nova" in model:
        if effort == "none":
            fields["reasoningConfig"] = {"type": "disabled"}
        else:
            # Nova knows three words, the strongest for what others call more than high.
            word = {"minimal": "low", "xhigh": "high", "max": "high"}.get(
                effort or "medium", effort
            )
            fields["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": word or "medium"}
    elif "gpt-oss" in model:
        if effort is not None:
            word = {"none": "low", "minimal": "low", "xhigh": "high", "max": "high"}.get(effort)
            fields["reasoning_effort"] = word or effort
    elif effort is not None and effort != "none":
        _set_effort(written, effort)


def _write_claude(
    request: ChatRequest,
    written: JsonObject,
    fields: JsonObject,
    unsupported: Unsupported,
    home: Home | None,
) -> None:
    config = request.thinking
    assert config is not None
    effort = asked_effort(config)
    if effort == "none":
        fields["thinking"] = {"type": "disabled"}
        return
    if _excludes_thinking(request, home):
        unsupported("reasoning", NAME)
        return
    if not _BUDGET_MODELS.search(request.model):
        fields["thinking"] = {"type": "adaptive", **claude_display(config)}
        if effort is not None:
            _set_effort(written, effort)
        return
    budget = max(asked_budget(config, request.max_tokens) or _DEFAULT_BUDGET, MIN_BUDGET)
    if request.max_tokens is None:
        inference = written.setdefault("inferenceConfig", {})
        inference["maxTokens"] = budget + _ANSWER_ROOM
    elif request.max_tokens <= budget:
        unsupported("reasoning", NAME)  # no room to think in
        return
    fields["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _set_effort(written: JsonObject, effort: str) -> None:
    config = written.setdefault("outputConfig", {})
    config["effort"] = "low" if effort == "minimal" else effort


def write_format(request: ChatRequest, written: JsonObject, unsupported: Unsupported) -> None:
    format = request.response_format
    if format is None or format.type == "text":
        return
    if format.schema is None:
        unsupported("response_format", NAME)  # JSON without a schema cannot be asked for
        return
    narrowed = narrow(format.schema, _FORMAT_RULES)
    for keyword in narrowed.dropped:
        unsupported(f"response_format.schema.{keyword}", NAME)
    schema: JsonObject = {"schema": compact(narrowed.schema)}
    if format.name is not None:
        schema["name"] = format.name
    if format.description is not None:
        schema["description"] = format.description
    text_format = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    written.setdefault("outputConfig", {})["textFormat"] = text_format


def write_top_k(
    request: ChatRequest, fields: JsonObject, unsupported: Unsupported, home: Home | None
) -> None:
    top_k = request.sampling.top_k
    if top_k is None:
        return
    if "claude" in request.model and not thinks(request, home):
        fields["top_k"] = top_k
    elif "nova" in request.model:
        fields["inferenceConfig"] = {"topK": top_k}
    else:
        unsupported("top_k", NAME)


def write_rest(request: ChatRequest, written: JsonObject, unsupported: Unsupported) -> None:
    """Tier and metadata; and the names of what this dialect has no word for."""
    tier = request.service_tier
    if tier in _TIERS:
        written["serviceTier"] = {"type": tier}
    elif tier is not None and tier != "auto":
        unsupported("service_tier", NAME)
    if request.metadata:
        kept = {
            key: value
            for key, value in request.metadata.items()
            if key and _METADATA.fullmatch(key) and isinstance(value, str)
            if _METADATA.fullmatch(value)
        }
        if len(kept) < len(request.metadata) or len(kept) > _MAX_METADATA:
            unsupported("metadata", NAME)
        if kept:
            written["requestMetadata"] = dict(list(kept.items())[:_MAX_METADATA])
    sampling = request.sampling
    for field, is_said in (
        ("frequency_penalty", bool(sampling.frequency_penalty)),
        ("presence_penalty", bool(sampling.presence_penalty)),
        ("repetition_penalty", sampling.repetition_penalty not in (None, 1)),
        ("min_p", bool(sampling.min_p)),
        ("seed", sampling.seed is not None),
        ("logit_bias", bool(sampling.logit_bias)),
        ("logprobs", bool(sampling.logprobs)),
        ("n", sampling.n not in (None, 1)),
        ("modalities", request.modalities not in ((), ("text",))),
        ("verbosity", request.verbosity is not None),
        ("user", request.user is not None),
        ("prompt_cache_key", request.prompt_cache_key is not None),
        ("parallel_tool_calls", request.parallel_tool_calls is False and bool(request.tools)),
    ):
        if is_said:
            unsupported(field, NAME)
    drop_extra(request.extra, NAME, unsupported)
