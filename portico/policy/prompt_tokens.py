"""How long a prompt is, where no provider can be asked: a stated guess for each kind of block.

Text by `estimate`'s rule. A picture is what the largest one costs at Anthropic,
https://platform.claude.com/docs/en/build-with-claude/vision; a page of a PDF is the middle of what
…/pdf-support says; a second of sound is what https://ai.google.dev/gemini-api/docs/tokens says
(all 2026-11-23). How many pages or seconds some bytes are is a guess on top.
"""

from typing import Final, assert_never

import msgspec

from portico.policy.estimate import tokens_of
from portico.types.chat import (
    Audio,
    Block,
    BlocksSource,
    ChatRequest,
    DataSource,
    Document,
    DocumentSource,
    Image,
    OpaqueBlock,
    RedactedThinking,
    Refusal,
    Text,
    TextSource,
    Thinking,
    ToolCall,
    ToolResult,
    Video,
)

_MESSAGE: Final = 4
_TOOL_CALL: Final = 12
_PICTURE: Final = 1600
_PAGE: Final = 2250
_PAGE_BYTES: Final = 50_000
_SECOND: Final = 32
_SECOND_BYTES: Final = 16_000
_ENCODER: Final = msgspec.json.Encoder()


def prompt_tokens(request: ChatRequest) -> int:
    """Input tokens that a model would be billed for, more or less; always flag it as estimated."""
    tokens = sum(_MESSAGE + _of_blocks(message.content) for message in request.messages)
    tokens += sum(tokens_of(len(_ENCODER.encode(tool))) for tool in request.tools)
    format = request.response_format
    if format is not None and format.schema is not None:
        tokens += tokens_of(len(_ENCODER.encode(format.schema)))
    return tokens


def _of_blocks(blocks: tuple[Block, ...]) -> int:
    return sum(_of_block(block) for block in blocks)


def _of_block(block: Block) -> int:
    match block:
        case Text(text) | Refusal(text) | Thinking(text):
            return _of_text(text)
        case ToolCall():
            return _TOOL_CALL + _of_text(block.name) + _of_text(block.arguments)
        case ToolResult():
            return _TOOL_CALL + _of_blocks(block.content)
        case Image():
            return _PICTURE
        case Document():
            words = (block.title or "") + (block.context or "")
            return _of_document(block.source) + _of_text(words)
        case Audio() | Video():
            size = len(block.source.data) if isinstance(block.source, DataSource) else 0
            return _SECOND * max(size * 3 // 4 // _SECOND_BYTES, 1)
        case RedactedThinking():
            return 0
        case OpaqueBlock():
            return tokens_of(len(_ENCODER.encode(block.data)))
        case _:
            assert_never(block)


def _of_document(source: DocumentSource) -> int:
    match source:
        case TextSource(text):
            return _of_text(text)
        case BlocksSource(content):
            return _of_blocks(content)
        case DataSource():
            return _PAGE * max(len(source.data) * 3 // 4 // _PAGE_BYTES, 1)
        case _:
            return _PAGE


def _of_text(text: str) -> int:
    return tokens_of(len(text.encode("utf-8", "replace")))
