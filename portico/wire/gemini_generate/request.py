"""Requests of Gemini `generateContent` and `countTokens`, from clients and to providers.

https://ai.google.dev/api/generate-content, https://ai.google.dev/api/tokens and
https://ai.google.dev/gemini-api/docs/priority-inference (2026-11-23). Model and streaming are
said by the path, so readers are told them and writers leave them out. `safetySettings`, `labels`,
`cachedContent` and what else only Google knows travel in `extra`, inner ones under their full name.
"""

from typing import Any, Final

import msgspec

from portico.types.chat import ChatRequest, Home, JsonObject, Message
from portico.wire.base import Unsupported, drop_extra
from portico.wire.call_ids import CallIds
from portico.wire.gemini_generate.contents import ContentWriter, read_contents, read_parts
from portico.wire.gemini_generate.parameters import (
    name_foreign,
    read_config,
    read_format,
    read_sampling,
    read_thinking,
    write_config,
)
from portico.wire.gemini_generate.parts import NAME, camel
from portico.wire.gemini_generate.tools import (
    read_tool_config,
    read_tools,
    write_tool_choice,
    write_tools,
)
from portico.wire.json_io import (
    MalformedError,
    convert,
    decode_object,
    encode,
    fields_of,
    unknown,
)


class _Request(msgspec.Struct, rename="camel"):
    contents: list[Any]
    model: str | None = None
    system_instruction: Any = None
    tools: list[Any] | None = None
    tool_config: Any = None
    generation_config: Any = None
    service_tier: str | None = None


_KNOWN: Final = fields_of(_Request)
_MODEL: Final = "models/"
_TIERS: Final = {
    "auto": "standard",
    "default": "standard",
    "flex": "flex",
    "priority": "priority",
}


def read_request(
    body: bytes, /, *, model: str | None = None, stream: bool | None = None
) -> ChatRequest:
    try:
        return _read(decode_object(body), model, bool(stream))
    except MalformedError as problem:
        raise problem.from_client() from None


def read_count_tokens(body: bytes, /, *, model: str | None = None) -> ChatRequest:
    """A `countTokens` request: contents alone, or a whole request inside."""
    try:
        raw = camel(decode_object(body))
        inner = raw.get("generateContentRequest")
        return _read(raw if inner is None else _inner(inner), model, False)
    except MalformedError as problem:
        raise problem.from_client() from None


def _inner(raw: Any) -> JsonObject:
    return convert(raw, dict[str, Any], "generateContentRequest")


def _read(raw: JsonObject, model: str | None, stream: bool) -> ChatRequest:
    raw = camel(raw)
    asked = convert(raw, _Request)
    extra = unknown(raw, _KNOWN)
    config = read_config(asked.generation_config, extra)
    messages = read_contents(asked.contents)
    if asked.system_instruction is not None:
        parts = read_parts(asked.system_instruction, "systemInstruction", CallIds())
        messages = (Message("system", parts), *messages)
    return ChatRequest(
        dialect=NAME,
        model=model or (asked.model or "").removeprefix(_MODEL),
        messages=messages,
        tools=read_tools(asked.tools or ()),
        tool_choice=read_tool_config(asked.tool_config, extra),
        max_tokens=config.max_output_tokens,
        stop=tuple(config.stop_sequences or ()),
        sampling=read_sampling(config),
        response_format=read_format(config, extra),
        thinking=read_thinking(config, extra),
        modalities=tuple(word.lower() for word in config.response_modalities or ()),
        stream=stream,
        include_usage=True,
        service_tier=_read_tier(asked.service_tier),
        extra=extra,
    )


def _read_tier(tier: str | None) -> str | None:
    word = (tier or "unspecified").lower()
    return {"standard": "default", "unspecified": None}.get(word, word)


def write_request(
    request: ChatRequest, /, *, unsupported: Unsupported, home: Home | None = None
) -> bytes:
    written = _write_prompt(request, unsupported, home)
    config = write_config(request, unsupported)
    if config:
        written["generationConfig"] = config
    if request.service_tier is not None:
        tier = _TIERS.get(request.service_tier)
        if tier is None:
            unsupported("service_tier", NAME)
        else:
            written["serviceTier"] = tier
    if request.dialect == NAME:
        _write_extra(request.extra, written)
    else:
        name_foreign(request, unsupported)
        drop_extra(request.extra, NAME, unsupported)
    return encode(written)


def _write_prompt(request: ChatRequest, unsupported: Unsupported, home: Home | None) -> JsonObject:
    """System, tools and contents, in the order in which the cache sees them."""
    is_own = request.dialect == NAME
    written: JsonObject = {}
    writer = ContentWriter(unsupported, is_own=is_own, model=request.model, home=home)
    system, contents = writer.write(request.messages)
    if system:
        written["systemInstruction"] = {"parts": system}
    tools = write_tools(request.tools, unsupported, is_own=is_own)
    if tools:
        written["tools"] = tools
        has_functions = any("functionDeclarations" in tool for tool in tools)
        if request.tool_choice is not None and (has_functions or is_own):
            own_mode = request.extra.get("~mode") if is_own else None
            calling = write_tool_choice(request.tool_choice, own_mode)
            written["toolConfig"] = {"functionCallingConfig": calling}
    written["contents"] = contents
    return written


def _write_extra(extra: JsonObject, written: JsonObject) -> None:
    """Each field back to where its full name says it was."""
    for key, value in extra.items():
        if key.startswith("~"):
            continue
        *places, field = key.split(".") if key.startswith(_INNER) else [key]
        target = written
        for place in places:
            target = target.setdefault(place, {})
        target[field] = value


_INNER: Final = ("generationConfig.", "toolConfig.")


def write_count_tokens(
    request: ChatRequest, /, *, unsupported: Unsupported, home: Home | None = None
) -> bytes:
    """The form with a whole request inside: only there are system and tools counted."""
    prompt = _write_prompt(request, unsupported, home)
    model = request.model if request.model.startswith(_MODEL) else _MODEL + request.model
    return encode({"generateContentRequest": {"model": model, **prompt}})


def read_token_count(body: bytes, /) -> int:
    """The answer to `countTokens`."""
    try:
        return convert(decode_object(body).get("totalTokens"), int, "totalTokens")
    except MalformedError as problem:
        raise problem.from_provider() from None


def write_token_count(input_tokens: int, /) -> bytes:
    return b'{"totalTokens":%d}' % input_tokens
