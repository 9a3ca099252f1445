"""Requests of Bedrock Converse. Model and streaming are in the path, so not here.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html (2026-11-23).
"""

from typing import Any, Final

import msgspec

from portico.types.chat import ChatRequest, Home, JsonObject, Message, Text, ToolResult
from portico.wire.base import Unsupported, drop_message_fields
from portico.wire.bedrock_converse.blocks import BlockWriter
from portico.wire.bedrock_converse.parameters import (
    write_format,
    write_inference,
    write_rest,
    write_thinking,
    write_top_k,
)
from portico.wire.bedrock_converse.tools import NAME, write_cache, write_tool_config
from portico.wire.json_io import encode

_SYSTEM: Final = ("system", "developer")


def write_request(
    request: ChatRequest, /, *, unsupported: Unsupported, home: Home | None = None
) -> bytes:
    """Tools, system and messages come in the order in which the cache sees them."""
    blocks = BlockWriter(unsupported, home)
    written: JsonObject = {}
    config = write_tool_config(request.tools, request.tool_choice, request.messages, unsupported)
    if config is not None:
        written["toolConfig"] = config
    leading = 0
    while leading < len(request.messages) - 1 and request.messages[leading].role in _SYSTEM:
        leading += 1
    system = [
        item for message in request.messages[:leading] for item in blocks.write(message.content)
    ]
    for message in request.messages[:leading]:
        drop_message_fields(message, NAME, unsupported)
    if system:
        written["system"] = system
    messages = _write_turns(request.messages[leading:], blocks, unsupported)
    if request.cache is not None and messages:
        messages[-1]["content"].append(write_cache(request.cache))
    written["messages"] = messages
    inference = write_inference(request, unsupported, home)
    if inference:
        written["inferenceConfig"] = inference
    fields: JsonObject = {}
    write_thinking(request, written, fields, unsupported, home)
    write_top_k(request, fields, unsupported, home)
    write_format(request, written, unsupported)
    if fields:
        written["additionalModelRequestFields"] = fields
    write_rest(request, written, unsupported)
    return encode(written)


def _write_turns(
    messages: tuple[Message, ...], blocks: BlockWriter, unsupported: Unsupported
) -> list[JsonObject]:
    """User and assistant in turns; results ahead of the rest; a document never without a text.

    System text in mid-conversation is a user's word: few models know the role there, and moving it
    to the top would break prompt caches.
    """
    turns: list[tuple[str, list[JsonObject], list[JsonObject]]] = []
    for message in messages:
        role = "assistant" if message.role == "assistant" else "user"
        drop_message_fields(message, NAME, unsupported)
        if not turns or turns[-1][0] != role:
            turns.append((role, [], []))
        _, results, others = turns[-1]
        results += blocks.write(tuple(b for b in message.content if isinstance(b, ToolResult)))
        rest = tuple(b for b in message.content if not isinstance(b, ToolResult))
        others += blocks.write(_as_user(rest) if message.role in _SYSTEM else rest)
    written: list[JsonObject] = []
    for role, results, others in turns:
        content = results + others
        if any("document" in item for item in content) and not any("text" in i for i in content):
            content.append({"text": "See the document."})  # the API wants a text beside it
        if content:
            written.append({"role": role, "content": content})
    return written


def _as_user(content: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        msgspec.structs.replace(block, text=f"<system>\n{block.text}\n</system>")
        if isinstance(block, Text)
        else block
        for block in content
    )
