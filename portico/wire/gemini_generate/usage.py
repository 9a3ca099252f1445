"""Usage of Gemini: totals with parts beside and within, as disjoint ones.

https://ai.google.dev/api/generate-content#UsageMetadata (2026-11-23): `promptTokenCount` includes
cached tokens but not those of tool use; `candidatesTokenCount` leaves out thoughts. Counts by
modality are within their totals; video, documents and text are priced alike and stay one.
"""

from typing import Any, Final

import msgspec

from portico.types.chat import JsonObject
from portico.types.usage import Usage


class _Modality(msgspec.Struct, rename="camel"):
    modality: str = ""
    token_count: int = 0


class UsageFields(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[_Modality] | None = None
    cache_tokens_details: list[_Modality] | None = None
    candidates_tokens_details: list[_Modality] | None = None
    tool_use_prompt_tokens_details: list[_Modality] | None = None
    service_tier: str | None = None
    traffic_type: str | None = None


_TIERS: Final = {
    "flex": "flex",
    "priority": "priority",
    "batch": "batch",
    "on_demand_flex": "flex",
    "on_demand_priority": "priority",
    "provisioned_throughput": "provisioned_throughput",
}
"""Google AI says `serviceTier`, Vertex AI `trafficType`; others are standard."""


def normal(fields: UsageFields) -> Usage | None:
    """`None` if it says nothing of tokens."""
    if fields.prompt_token_count is None and fields.candidates_token_count is None:
        return None
    tool_use = fields.tool_use_prompt_token_count or 0
    prompt = (fields.prompt_token_count or 0) + tool_use
    cached = min(fields.cached_content_token_count or 0, prompt)
    cached_audio = min(_of(fields.cache_tokens_details, "AUDIO"), cached)
    asked = fields.prompt_tokens_details
    if fields.tool_use_prompt_tokens_details:
        asked = (asked or []) + fields.tool_use_prompt_tokens_details
    audio = max(_of(asked, "AUDIO") - cached_audio, 0)
    image = max(_of(asked, "IMAGE") - _of(fields.cache_tokens_details, "IMAGE"), 0)
    said = fields.candidates_token_count or 0
    said_audio = _of(fields.candidates_tokens_details, "AUDIO")
    said_image = _of(fields.candidates_tokens_details, "IMAGE")
    tier = (fields.service_tier or fields.traffic_type or "").lower()
    return Usage(
        input_tokens=max(prompt - cached - audio - image, 0),
        cache_read_tokens=cached - cached_audio,
        cache_read_audio_tokens=cached_audio,
        input_audio_tokens=audio,
        input_image_tokens=image,
        output_tokens=max(said - said_audio - said_image, 0),
        reasoning_tokens=fields.thoughts_token_count or 0,
        output_audio_tokens=said_audio,
        output_image_tokens=said_image,
        service_tier=_TIERS.get(tier),
        reported_total=fields.total_token_count,
    )


def _of(details: list[_Modality] | None, modality: str) -> int:
    total = 0
    for detail in details or ():
        if detail.modality == modality:
            total += detail.token_count
    return total


def read_usage(value: Any) -> Usage | None:
    """The usage object of an answer; one of the wrong shape counts as none."""
    try:
        return normal(msgspec.convert(value, UsageFields))
    except msgspec.ValidationError:
        return None


def write_usage(usage: Usage) -> JsonObject | None:
    """`None` if nobody said what was used."""
    prompt, said = usage.total_input_tokens, usage.total_output_tokens
    if prompt is None or said is None:
        return None
    written: JsonObject = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": said - usage.reasoning_tokens,
        "totalTokenCount": prompt + said,
    }
    if cached := usage.cache_read_tokens + usage.cache_read_audio_tokens:
        written["cachedContentTokenCount"] = cached
    if usage.reasoning_tokens:
        written["thoughtsTokenCount"] = usage.reasoning_tokens
    audio = usage.input_audio_tokens + usage.cache_read_audio_tokens
    for field, total, heard, seen in (
        ("promptTokensDetails", prompt, audio, usage.input_image_tokens),
        (
            "candidatesTokensDetails",
            said - usage.reasoning_tokens,
            usage.output_audio_tokens,
            usage.output_image_tokens,
        ),
        ("cacheTokensDetails", cached, usage.cache_read_audio_tokens, 0),
    ):
        counts = (("TEXT", total - heard - seen), ("AUDIO", heard), ("IMAGE", seen))
        if heard or seen:
            written[field] = [{"modality": m, "tokenCount": n} for m, n in counts if n]
    if usage.service_tier is not None:
        written["serviceTier"] = usage.service_tier
    return written
