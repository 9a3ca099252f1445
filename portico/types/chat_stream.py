"""A chat answer as events: what stream readers emit and stream writers take.

    stream := StreamStart (block | UsageUpdate | LogprobsDelta | Ping | OpaqueEvent)* Finish… end
    block  := BlockStart Delta* BlockStop    index dense from 0 per choice, in order of start
    end    := StreamEnd | StreamError        exactly one, and last

Blocks of one choice may be open side by side (interleaved tool calls); all are stopped before the
choice's Finish. UsageUpdate may follow Finish. StreamError may come at any point, even first, and
leaves open blocks open.
"""

import msgspec

from portico.errors import GatewayError
from portico.types.chat import Block, Citation, JsonObject, ProviderState, StopReason
from portico.types.usage import Usage


class StreamStart(msgspec.Struct, frozen=True, kw_only=True):
    dialect: str
    id: str
    model: str
    created: int | None = None
    extra: JsonObject = {}


class BlockStart(msgspec.Struct, frozen=True):
    """`block` is the block so far: text and arguments usually empty, the deltas follow.

    Images, opaque blocks and redacted thinking come whole.
    """

    index: int
    block: Block
    choice: int = 0


class TextDelta(msgspec.Struct, frozen=True):
    """More of a `Text` or `Refusal` block."""

    index: int
    text: str
    choice: int = 0


class ThinkingDelta(msgspec.Struct, frozen=True):
    index: int
    text: str
    choice: int = 0


class SignatureDelta(msgspec.Struct, frozen=True):
    """The whole state of a `Thinking`, `Text` or `ToolCall` block: at most one a block."""

    index: int
    state: ProviderState
    choice: int = 0


class ArgumentsDelta(msgspec.Struct, frozen=True):
    """More argument text of a `ToolCall` block, split anywhere."""

    index: int
    text: str
    choice: int = 0


class CitationDelta(msgspec.Struct, frozen=True):
    index: int
    citation: Citation
    choice: int = 0


class AudioDelta(msgspec.Struct, frozen=True):
    """More base64 and more transcript of an `Audio` block; each piece of base64 is whole quanta."""

    index: int
    data: str = ""
    transcript: str = ""
    expires_at: int | None = None
    choice: int = 0


class BlockStop(msgspec.Struct, frozen=True):
    index: int
    choice: int = 0


class LogprobsDelta(msgspec.Struct, frozen=True):
    logprobs: JsonObject
    choice: int = 0


class UsageUpdate(msgspec.Struct, frozen=True):
    """Everything known so far, not a difference; the last one counts."""

    usage: Usage


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one choice."""

    stop: StopReason
    choice: int = 0
    native_stop: str | None = None
    stop_sequence: str | None = None
    extra: JsonObject | None = None


class Ping(msgspec.Struct, frozen=True):
    """The provider is alive; dialects without pings say nothing."""


class OpaqueEvent(msgspec.Struct, frozen=True):
    """An event of `dialect` that means nothing to others."""

    dialect: str
    name: str
    data: JsonObject


class StreamEnd(msgspec.Struct, frozen=True):
    """The answer is complete."""


class StreamError(msgspec.Struct, frozen=True):
    """The answer is broken; the client is told so in its own dialect."""

    error: GatewayError


Delta = TextDelta | ThinkingDelta | SignatureDelta | ArgumentsDelta | CitationDelta | AudioDelta

Event = (
    StreamStart
    | BlockStart
    | Delta
    | BlockStop
    | LogprobsDelta
    | UsageUpdate
    | Finish
    | Ping
    | OpaqueEvent
    | StreamEnd
    | StreamError
)
