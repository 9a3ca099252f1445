"""A whole answer from its events, and events from a whole answer.

`collect` is the meaning of a stream: two streams are the same if they collect to the same answer.
`replay` serves a streaming client from an answer that came whole: from a cache, or from a provider
that cannot stream.
"""

from collections.abc import Iterable, Iterator
from typing import assert_never

import msgspec

from portico.errors import UpstreamProtocol
from portico.types.chat import (
    Audio,
    Block,
    ChatResponse,
    Choice,
    Citation,
    DataSource,
    JsonObject,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)
from portico.types.chat_stream import (
    ArgumentsDelta,
    AudioDelta,
    BlockStart,
    BlockStop,
    CitationDelta,
    Delta,
    Event,
    Finish,
    LogprobsDelta,
    OpaqueEvent,
    Ping,
    SignatureDelta,
    StreamEnd,
    StreamError,
    StreamStart,
    TextDelta,
    ThinkingDelta,
    UsageUpdate,
)
from portico.types.usage import Usage
from portico.wire.stream_reading import CUT


def collect(events: Iterable[Event]) -> ChatResponse:
    """Raises the error of a `StreamError`, and UpstreamProtocol for events against the grammar."""
    collector = Collector()
    for event in events:
        collector.add(event)
    return collector.response()


class Collector:
    """Folds events into an answer as they come."""

    def __init__(self) -> None:
        self._start: StreamStart | None = None
        self._choices: dict[int, _ChoiceParts] = {}
        self._usage: Usage | None = None
        self._is_ended = False

    def add(self, event: Event) -> None:
        match event:
            case TextDelta(index, _, choice):
                self._block(choice, index).add(event)
            case StreamStart():
                self._start = event
            case BlockStart(index, block, choice):
                self._choice(choice).blocks[index] = _BlockParts(block)
            case BlockStop(index, choice):
                self._block(choice, index)
            case LogprobsDelta(logprobs, choice):
                self._choice(choice).add_logprobs(logprobs)
            case UsageUpdate(usage):
                self._usage = usage
            case Finish():
                self._choice(event.choice).finish = event
            case StreamError(error):
                raise error
            case StreamEnd():
                self._is_ended = True
            case Ping() | OpaqueEvent():
                pass
            case _:
                self._block(event.choice, event.index).add(event)

    def response(self, *, partial: bool = False) -> ChatResponse:
        """`partial` allows what a stream that was cut had brought; its stop is then `error`."""
        if self._start is None or not (self._is_ended or partial):
            raise UpstreamProtocol(CUT)
        return ChatResponse(
            dialect=self._start.dialect,
            id=self._start.id,
            model=self._start.model,
            choices=tuple(self._choices[i].choice(i) for i in sorted(self._choices)),
            usage=self._usage,
            created=self._start.created,
            extra=self._start.extra,
        )

    def _choice(self, choice: int) -> "_ChoiceParts":
        parts = self._choices.get(choice)
        if parts is None:
            parts = self._choices[choice] = _ChoiceParts()
        return parts

    def _block(self, choice: int, index: int) -> "_BlockParts":
        block = self._choice(choice).blocks.get(index)
        if block is None:
            raise UpstreamProtocol(f"the provider's stream adds to block {index} before its start")
        return block


class _ChoiceParts:
    def __init__(self) -> None:
        self.blocks: dict[int, _BlockParts] = {}
        self.finish: Finish | None = None
        self.logprobs: JsonObject | None = None

    def add_logprobs(self, more: JsonObject) -> None:
        if self.logprobs is None:
            self.logprobs = {}
        for key, tokens in more.items():
            held = self.logprobs.get(key)
            if not isinstance(tokens, list):
                self.logprobs[key] = held or tokens
            elif isinstance(held, list):
                held += tokens
            else:
                self.logprobs[key] = list(tokens)

    def choice(self, index: int) -> Choice:
        finish = self.finish or Finish(stop="error")
        return Choice(
            content=tuple(self.blocks[i].block() for i in sorted(self.blocks)),
            stop=finish.stop,
            index=index,
            native_stop=finish.native_stop,
            stop_sequence=finish.stop_sequence,
            logprobs=self.logprobs,
            extra=finish.extra,
        )


class _BlockParts:
    """A block's first form and the deltas since; text is joined once, at the end."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._deltas: list[Delta] = []

    def add(self, delta: Delta) -> None:
        self._deltas.append(delta)

    def block(self) -> Block:
        block = self._block
        texts: list[str] = []
        data: list[str] = []
        citations: list[Citation] = []
        for delta in self._deltas:
            match delta:
                case TextDelta() | ThinkingDelta() | ArgumentsDelta():
                    texts.append(delta.text)
                case AudioDelta():
                    data.append(delta.data)
                    texts.append(delta.transcript)
                    if isinstance(block, Audio) and delta.expires_at is not None:
                        block = msgspec.structs.replace(block, expires_at=delta.expires_at)
                case SignatureDelta(_, state):
                    if isinstance(block, Text | Thinking | ToolCall):
                        block = msgspec.structs.replace(block, state=state)
                case CitationDelta(_, citation):
                    citations.append(citation)
                case _:
                    assert_never(delta)
        if citations and isinstance(block, Text):
            block = msgspec.structs.replace(block, citations=(*block.citations, *citations))
        return _grown(block, "".join(texts), "".join(data))


def _grown(block: Block, text: str, data: str) -> Block:
    match block:
        case Text() | Thinking() | Refusal() if text:
            return msgspec.structs.replace(block, text=block.text + text)
        case ToolCall() if text:
            return msgspec.structs.replace(block, arguments=block.arguments + text)
        case Audio() if text or data:
            source = block.source
            held = source.data if isinstance(source, DataSource) else ""
            media_type = source.media_type if isinstance(source, DataSource) else "audio/pcm16"
            return msgspec.structs.replace(
                block,
                source=DataSource(media_type, held + data) if held or data else source,
                transcript=(block.transcript or "") + text if text else block.transcript,
            )
        case _:
            return block


def replay(response: ChatResponse) -> Iterator[Event]:
    """The events of an answer that is already whole: one delta a block."""
    yield StreamStart(
        dialect=response.dialect,
        id=response.id,
        model=response.model,
        created=response.created,
        extra=response.extra,
    )
    for choice in response.choices:
        for index, block in enumerate(choice.content):
            yield from _replay_block(index, block, choice.index)
        if choice.logprobs is not None:
            yield LogprobsDelta(choice.logprobs, choice.index)
        yield Finish(
            stop=choice.stop,
            choice=choice.index,
            native_stop=choice.native_stop,
            stop_sequence=choice.stop_sequence,
            extra=choice.extra,
        )
    if response.usage is not None:
        yield UsageUpdate(response.usage)
    yield StreamEnd()


def _replay_block(index: int, block: Block, choice: int) -> Iterator[Event]:
    match block:
        case Text(text, citations):
            bare = msgspec.structs.replace(block, text="", citations=(), state=None)
            yield BlockStart(index, bare, choice)
            yield TextDelta(index, text, choice)
            for citation in citations:
                yield CitationDelta(index, citation, choice)
            if block.state is not None:
                yield SignatureDelta(index, block.state, choice)
        case Refusal(text):
            yield BlockStart(index, Refusal(""), choice)
            yield TextDelta(index, text, choice)
        case Thinking(text, state, id):
            yield BlockStart(index, Thinking("", None, id), choice)
            yield ThinkingDelta(index, text, choice)
            if state is not None:
                yield SignatureDelta(index, state, choice)
        case ToolCall():
            yield BlockStart(index, msgspec.structs.replace(block, arguments=""), choice)
            yield ArgumentsDelta(index, block.arguments, choice)
        case _:
            yield BlockStart(index, block, choice)
    yield BlockStop(index, choice)
