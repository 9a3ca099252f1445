"""`generationConfig` of Gemini: sampling, limits, answer format, thinking.

https://ai.google.dev/api/generate-content#GenerationConfig, https://ai.google.dev/gemini-api/docs,
pages thinking and structured-output (2026-11-23). Gemini 2.5 takes a thinking budget, later models
a level; sending both is refused. No budget above 24576 suits every model that takes one, no level
below `low` every model that takes those.
"""

import re
from typing import Any, Final, get_args

import msgspec

from portico.types.chat import (
    ChatRequest,
    Effort,
    JsonObject,
    ResponseFormat,
    Sampling,
    ThinkingConfig,
)
from portico.wire.base import Unsupported
from portico.wire.effort import asked_budget, asked_effort, name_summary
from portico.wire.gemini_generate.parts import NAME, camel
from portico.wire.gemini_generate.schema import to_json_schema
from portico.wire.json_io import MalformedError, convert, fields_of, unknown
from portico.wire.json_schema import Rules, described, narrow

MAX_STOPS: Final = 5

_BUDGET_MODELS: Final = re.compile(r"gemini-(?:1|2)|gemini-(?:pro|flash)$")
_MIN_PRO_BUDGET: Final = 128
_MAX_BUDGET: Final = 24576
_LEVELS: Final[dict[Effort, str]] = {
    "none": "low",
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_FORMAT_RULES: Final = Rules(root_object=False)


class _Thinking(msgspec.Struct, rename="camel"):
    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class Config(msgspec.Struct, rename="camel"):
    candidate_count: int | None = None
    frequency_penalty: float | None = None
    logprobs: int | None = None
    max_output_tokens: int | None = None
    presence_penalty: float | None = None
    response_json_schema: dict[str, Any] | None = None
    response_logprobs: bool | None = None
    response_mime_type: str | None = None
    response_modalities: list[str] | None = None
    response_schema: dict[str, Any] | None = None
    seed: int | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    thinking_config: dict[str, Any] | None = None
    top_k: float | None = None
    top_p: float | None = None


_KNOWN: Final = fields_of(Config) | {"_responseJsonSchema"}


def read_config(raw: Any, extra: JsonObject) -> Config:
    """What is not canonical goes to `extra` under its full name."""
    if raw is None:
        return Config()
    raw = camel(convert(raw, dict[str, Any], "generationConfig"))
    if "_responseJsonSchema" in raw:
        raw.setdefault("responseJsonSchema", raw["_responseJsonSchema"])
    config = convert(raw, Config, "generationConfig")
    for key, value in unknown(raw, _KNOWN).items():
        extra[f"generationConfig.{key}"] = value
    return config


def read_sampling(config: Config) -> Sampling:
    return Sampling(
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=None if config.top_k is None else int(config.top_k),
        frequency_penalty=config.frequency_penalty,
        presence_penalty=config.presence_penalty,
        seed=config.seed,
        logprobs=config.response_logprobs,
        top_logprobs=config.logprobs,
        n=config.candidate_count,
    )


def read_format(config: Config, extra: JsonObject) -> ResponseFormat | None:
    schema = config.response_json_schema
    if schema is None and config.response_schema is not None:
        extra["~responseSchema"] = config.response_schema
        schema = to_json_schema(config.response_schema)
    match config.response_mime_type:
        case "application/json" | None if schema is not None:
            return ResponseFormat("json_schema", schema)
        case "application/json":
            return ResponseFormat("json_object")
        case "text/plain":
            return ResponseFormat("text")
        case None:
            return None
        case other:  # such as text/x.enum, one of a few words without quotes
            extra["generationConfig.responseMimeType"] = other
            if config.response_schema is not None:
                extra["generationConfig.responseSchema"] = config.response_schema
            return None


def read_thinking(config: Config, extra: JsonObject) -> ThinkingConfig | None:
    raw = config.thinking_config
    if raw is None:
        return None
    raw = camel(raw)
    extra["~thinkingConfig"] = raw
    asked = convert(raw, _Thinking, "generationConfig.thinkingConfig")
    summary = "auto" if asked.include_thoughts else None
    level = (asked.thinking_level or "").lower()
    if level and level != "thinking_level_unspecified":
        if level not in get_args(Effort):
            raise MalformedError(
                "expected `MINIMAL`, `LOW`, `MEDIUM` or `HIGH`",
                "generationConfig.thinkingConfig.thinkingLevel",
            )
        effort: Effort = level  # type: ignore[assignment]
        return ThinkingConfig(effort=effort, summary=summary)
    budget = asked.thinking_budget
    if budget is None:
        return ThinkingConfig(mode="adaptive", summary=summary) if summary else None
    if budget == 0:
        return ThinkingConfig(mode="disabled")
    if budget < 0:
        return ThinkingConfig(mode="adaptive", summary=summary)
    return ThinkingConfig(mode="enabled", budget_tokens=budget, summary=summary)


def write_config(request: ChatRequest, unsupported: Unsupported) -> JsonObject:
    is_own = request.dialect == NAME
    written: JsonObject = {}
    sampling = request.sampling
    for field, value in (
        ("candidateCount", sampling.n),
        ("maxOutputTokens", request.max_tokens),
        ("temperature", sampling.temperature),
        ("topP", sampling.top_p),
        ("topK", sampling.top_k),
        ("frequencyPenalty", sampling.frequency_penalty),
        ("presencePenalty", sampling.presence_penalty),
        ("seed", sampling.seed),
        ("responseLogprobs", sampling.logprobs),
        ("logprobs", sampling.top_logprobs),
        ("responseModalities", [word.upper() for word in request.modalities] or None),
    ):
        if value is not None:
            written[field] = value
    if request.stop:
        stop = list(request.stop)
        if len(stop) > MAX_STOPS and not is_own:
            unsupported("stop", NAME)
            stop = stop[:MAX_STOPS]
        written["stopSequences"] = stop
    _write_format(request, written, unsupported)
    if request.thinking is not None:
        own = request.extra.get("~thinkingConfig") if is_own else None
        thinking = own or _write_thinking(request, request.thinking, unsupported)
        if thinking:
            written["thinkingConfig"] = thinking
    return written


def _write_format(request: ChatRequest, written: JsonObject, unsupported: Unsupported) -> None:
    format = request.response_format
    if format is None:
        return
    if format.type == "text":
        if request.dialect == NAME:
            written["responseMimeType"] = "text/plain"
        return
    written["responseMimeType"] = "application/json"
    if request.dialect == NAME and "~responseSchema" in request.extra:
        written["responseSchema"] = request.extra["~responseSchema"]
    elif format.schema is not None:
        narrowed = narrow(described(format, format.schema), _FORMAT_RULES)
        written["responseJsonSchema"] = narrowed.schema


def _write_thinking(
    request: ChatRequest, config: ThinkingConfig, unsupported: Unsupported
) -> JsonObject:
    name_summary(config, NAME, unsupported, can_omit=True)
    effort = asked_effort(config)
    is_off = effort == "none"
    written: JsonObject = {}
    if not is_off and config.summary != "omitted":
        written["includeThoughts"] = True
    if not _BUDGET_MODELS.search(request.model):
        if is_off:
            unsupported("reasoning", NAME)  # the least is not none
        if effort is not None:
            written["thinkingLevel"] = _LEVELS[effort]
        return written
    budget = asked_budget(config, request.max_tokens)
    least = _MIN_PRO_BUDGET if "pro" in request.model else 0
    if is_off and least:
        unsupported("reasoning", NAME)
    written["thinkingBudget"] = -1 if budget is None else max(min(budget, _MAX_BUDGET), least)
    return written


def name_foreign(request: ChatRequest, unsupported: Unsupported) -> None:
    """Everything this dialect has no word for, unless it is what happens anyway."""
    sampling = request.sampling
    for field, is_said in (
        ("repetition_penalty", sampling.repetition_penalty not in (None, 1)),
        ("min_p", bool(sampling.min_p)),
        ("logit_bias", bool(sampling.logit_bias)),
        ("parallel_tool_calls", request.parallel_tool_calls is False and bool(request.tools)),
        ("verbosity", request.verbosity is not None),
        ("user", request.user is not None),
        ("metadata", bool(request.metadata)),
        ("prompt_cache_key", request.prompt_cache_key is not None),
        ("cache_control", request.cache is not None),
    ):
        if is_said:
            unsupported(field, NAME)
