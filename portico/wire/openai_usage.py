"""What OpenAI-shaped answers report as used, read into the normal form.

One struct covers Chat Completions, Completions, Embeddings, Responses, Images, and the rerank
shapes of Jina and Cohere: their usage objects have no conflicting names. Sources:
platform.openai.com/docs/api-reference (chat, responses, images), docs.x.ai/docs/models,
api-docs.deepseek.com/api/create-chat-completion, github.com/jina-ai/meta-prompt,
docs.cohere.com/reference/rerank, console.groq.com/docs/api-reference; read 2026-11-23.
"""

import msgspec

from portico.types.usage import Usage


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class UsageFields(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    search_units: int | None = None


class _BilledUnits(msgspec.Struct):
    search_units: float | None = None


class _Meta(msgspec.Struct):
    billed_units: _BilledUnits | None = None


class _Response(msgspec.Struct):
    usage: UsageFields | None = None
    service_tier: str | None = None


class _Answer(msgspec.Struct):
    usage: UsageFields | None = None
    service_tier: str | None = None
    meta: _Meta | None = None
    response: _Response | None = None
    data: list[msgspec.Raw] | None = None


class _XGroq(msgspec.Struct):
    usage: UsageFields | None = None


class _ChatAnswer(msgspec.Struct):
    usage: UsageFields | None = None
    service_tier: str | None = None
    x_groq: _XGroq | None = None
    """Where Groq's streams report it, unless asked for in OpenAI's way."""


_CHAT = msgspec.json.Decoder(_ChatAnswer)
_ANSWER = msgspec.json.Decoder(_Answer)
_STANDARD_TIERS = frozenset({"default", "standard", "auto"})


def read_usage(body: bytes, operation: str = "chat") -> Usage | None:
    """The usage of one whole answer or of one stream event; `None` if it reports none.

    A usage object of the wrong shape counts as none: a provider's slip must not fail the call.
    """
    try:
        if operation == "chat":
            answer = _CHAT.decode(body)
            used = answer.usage
            if used is None:
                if answer.x_groq is None or answer.x_groq.usage is None:
                    return None
                used = answer.x_groq.usage
            return normal(used, answer.service_tier)
        return _other(_ANSWER.decode(body), operation)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _other(answer: _Answer, operation: str) -> Usage | None:
    tier = answer.service_tier
    used = answer.usage
    if used is None and answer.response is not None:
        used = answer.response.usage
        tier = answer.response.service_tier
    if operation == "rerank":
        return _rerank(answer, used)
    if operation == "moderation":
        return Usage(input_tokens=0, output_tokens=0) if used is None else normal(used, tier)
    images = len(answer.data) if operation == "image" and answer.data is not None else 0
    if used is None:
        return Usage(input_tokens=0, output_tokens=0, output_images=images) if images else None
    if operation == "image":
        return _images(used, images)
    return normal(used, tier)


def normal(used: UsageFields, tier: str | None) -> Usage | None:
    prompt = used.prompt_tokens if used.prompt_tokens is not None else used.input_tokens
    output = used.completion_tokens if used.completion_tokens is not None else used.output_tokens
    if prompt is None and output is None:
        return None
    prompt = prompt or 0
    output = output or 0
    cached = used.prompt_cache_hit_tokens or 0
    written = audio_in = image_in = 0
    details = used.prompt_tokens_details or used.input_tokens_details
    if details is not None:
        cached = details.cached_tokens or cached
        written = details.cache_write_tokens or 0
        audio_in = details.audio_tokens or 0
        image_in = details.image_tokens or 0
    reasoning = audio_out = image_out = 0
    spent = used.completion_tokens_details or used.output_tokens_details
    if spent is not None:
        reasoning = spent.reasoning_tokens or 0
        audio_out = spent.audio_tokens or 0
        image_out = spent.image_tokens or 0
    visible = output - reasoning - audio_out - image_out
    if reasoning and (visible < 0 or used.total_tokens == prompt + output + reasoning):
        # xAI and a few others report reasoning beside completion_tokens, not inside them.
        visible = output - audio_out - image_out
    return Usage(
        max(prompt - cached - written - audio_in - image_in, 0),
        cached,
        written,
        0,
        audio_in,
        0,
        image_in,
        max(visible, 0),
        reasoning,
        audio_out,
        image_out,
        service_tier=None if tier is None or tier in _STANDARD_TIERS else tier,
        reported_total=used.total_tokens,
    )


def _images(used: UsageFields, images: int) -> Usage:
    """GPT image models bill tokens: text and image in, image out; others bill the image."""
    image_in = (used.input_tokens_details and used.input_tokens_details.image_tokens) or 0
    total_in = used.input_tokens or 0
    return Usage(
        input_tokens=max(total_in - image_in, 0),
        input_image_tokens=image_in,
        output_tokens=0,
        output_image_tokens=used.output_tokens or 0,
        output_images=images,
        reported_total=used.total_tokens,
    )


def _rerank(answer: _Answer, used: UsageFields | None) -> Usage | None:
    units = answer.meta.billed_units if answer.meta is not None else None
    if units is not None and units.search_units is not None:
        return Usage(input_tokens=0, output_tokens=0, searches=int(units.search_units))
    if used is None:
        return None
    total = used.total_tokens if used.total_tokens is not None else used.prompt_tokens
    return Usage(
        input_tokens=total,
        output_tokens=0 if total is not None else None,
        reported_total=used.total_tokens,
        searches=used.search_units or 0,
    )
