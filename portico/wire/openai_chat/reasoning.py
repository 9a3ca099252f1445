"""Reasoning in OpenAI Chat messages, where no two providers agree and OpenAI itself shows none.

- `reasoning_content`: text. DeepSeek, Qwen, Kimi, GLM, vLLM; https://api-docs.deepseek.com/guides/thinking_mode
- `reasoning` and `reasoning_details`: text, and a list to be sent back as it was. OpenRouter;
  https://openrouter.ai/docs/use-cases/reasoning-tokens
- `thinking_blocks`: Anthropic's blocks on a Chat message, with signatures. LiteLLM;
  https://docs.litellm.ai/docs/reasoning_content
- `extra_content.google.thought_signature` on a tool call. Google;
  https://ai.google.dev/gemini-api/docs/openai
All read 2026-11-23. The state of a `Thinking` block of this dialect says which form it came in: its
data is the field's name, or the JSON text of `reasoning_details`.
"""

from typing import Any, Final

import msgspec

from portico.types.chat import Block, Home, JsonObject, ProviderState, RedactedThinking, Thinking
from portico.wire.json_io import MalformedError, compact, decode
from portico.wire.openai_chat.parts import NAME
from portico.wire.state import seal, unseal

CONTENT_FIELDS: Final = ("reasoning_content", "reasoning", "thinking")


def read_reasoning(
    content: str | None,
    reasoning: str | None,
    details: list[Any] | None,
    thinking_blocks: list[Any] | None,
    home: Home | None,
) -> tuple[Block, ...]:
    """The thinking of one whole message, in its richest form."""
    if thinking_blocks:
        read = map(read_thinking_block, thinking_blocks)
        blocks = tuple(block for block in read if block is not None)
        if blocks:
            return blocks
    text = content or reasoning
    if details:
        state = ProviderState(NAME, compact(details), home)
        return (Thinking(text or details_text(details), state),)
    if text:
        field = "reasoning_content" if content else "reasoning"
        return (Thinking(text, ProviderState(NAME, field, home)),)
    return ()


def read_thinking_block(block: Any) -> Thinking | RedactedThinking | None:
    """One of `thinking_blocks`; its signature is Anthropic's unless sealed as another's."""
    if not isinstance(block, dict):
        return None
    id = block.get("id")
    id = id if isinstance(id, str) else None
    if block.get("type") == "redacted_thinking":
        data = block.get("data")
        if isinstance(data, str) and data:
            return RedactedThinking(unseal(data, "anthropic_messages"), id)
        return None
    text, signature = block.get("thinking"), block.get("signature")
    if not isinstance(text, str):
        return None
    if not isinstance(signature, str) or not signature:
        return Thinking(text, None, id)
    return Thinking(text, unseal(signature, "anthropic_messages"), id)


def details_text(details: list[Any]) -> str:
    """What of `reasoning_details` can be read: full text, or else the summary."""
    words = (
        detail.get("text") or detail.get("summary")
        for detail in details
        if isinstance(detail, dict)
    )
    return "".join(word for word in words if isinstance(word, str))


def merge_details(pieces: list[Any]) -> list[JsonObject]:
    """Streamed `reasoning_details` put together: pieces of one entry share `index` and `type`."""
    details: list[JsonObject] = []
    texts: dict[str, list[str]] = {}
    for piece in pieces:
        if not isinstance(piece, dict):
            continue
        last = details[-1] if details else None
        if last is None or any(last.get(key) != piece.get(key) for key in ("type", "index")):
            if last is not None:
                last.update({key: "".join(parts) for key, parts in texts.items()})
            details.append(last := {})
            texts = {}
        for key, value in piece.items():
            if key in _GROWING and isinstance(value, str):
                texts.setdefault(key, []).append(value)
                last.setdefault(key, "")
            elif value is not None or key not in last:
                last[key] = value
    if details:
        details[-1].update({key: "".join(parts) for key, parts in texts.items()})
    return details


_GROWING: Final = ("text", "summary", "data")


def write_own(state: ProviderState, text: str) -> JsonObject:
    """The fields of a message in the form in which this dialect's provider gave them."""
    if state.data in CONTENT_FIELDS:
        field = "reasoning_content" if state.data == "thinking" else state.data
        return {field: text}
    try:
        details = decode(state.data)
    except MalformedError:
        return {"reasoning_content": text}
    return {"reasoning": text, "reasoning_details": details}


def write_thinking_block(block: Thinking | RedactedThinking) -> JsonObject:
    written: JsonObject
    match block:
        case Thinking(text, state):
            written = {"type": "thinking", "thinking": text}
            written["signature"] = seal(state, NAME) if state is not None else ""
        case RedactedThinking(state):
            written = {"type": "redacted_thinking", "data": seal(state, NAME)}
    if block.id is not None:
        written["id"] = block.id
    return written


class ExtraContent(msgspec.Struct):
    """`extra_content` of a tool call."""

    google: dict[str, Any] | None = None


def read_extra_content(extra: ExtraContent | None, home: Home | None) -> ProviderState | None:
    """A bare signature is of whoever speaks this dialect; a sealed one of Gemini's own."""
    signature = extra.google.get("thought_signature") if extra and extra.google else None
    if not isinstance(signature, str) or not signature:
        return None
    state = unseal(signature, NAME)
    return state if state.home else ProviderState(state.dialect, state.data, home)


def write_extra_content(state: ProviderState) -> JsonObject:
    return {"google": {"thought_signature": seal(state, NAME)}}
