"""Canonical events to `chat.completion.chunk` events.

The role comes first in each choice, then deltas, the finish reason, the usage chunk if the client
asked for it, `[DONE]`. An error ends the stream as OpenAI does: one `error` event and no `[DONE]`.
"""

from typing import Final

import msgspec

from portico.errors import UpstreamProtocol
from portico.types.chat import (
    Audio,
    Block,
    DataSource,
    Image,
    JsonObject,
    OpaqueBlock,
    ProviderState,
    RedactedThinking,
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
from portico.wire.base import ReplyContext, Unsupported
from portico.wire.json_io import encode
from portico.wire.openai_chat.answer import (
    answer_id,
    finish_reason,
    is_legacy,
    write_annotation,
    write_audio,
    write_usage,
)
from portico.wire.openai_chat.messages import write_call
from portico.wire.openai_chat.parts import NAME, write_url
from portico.wire.openai_chat.reasoning import write_own, write_thinking_block
from portico.wire.openai_error import write_stream_error
from portico.wire.stream_reading import CUT

_DONE: Final = b"data: [DONE]\n\n"
_TAIL: Final = b',"logprobs":null,"finish_reason":null}]}\n\n'


class _Written:
    """A block of the answer: what of it later events need."""

    __slots__ = ("block", "length", "number", "thinking")

    def __init__(self, block: Block) -> None:
        self.block = block
        self.number = 0
        self.length = 0
        self.thinking: list[str] = []


class _Choice:
    __slots__ = ("blocks", "calls", "length")

    def __init__(self) -> None:
        self.blocks: dict[int, _Written] = {}
        self.calls = 0
        self.length = 0


class ChatStreamWriter:
    """One answer to one client."""

    __slots__ = (
        "_choices",
        "_context",
        "_head",
        "_is_ended",
        "_is_legacy",
        "_is_own",
        "_unsupported",
        "_usage",
    )

    def __init__(self, context: ReplyContext, unsupported: Unsupported) -> None:
        self._context = context
        self._unsupported = unsupported
        self._is_legacy = is_legacy(context.request)
        self._is_own = False
        self._is_ended = False
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None
        self._head = b""

    def write(self, event: Event, /) -> bytes:
        if self._is_ended:
            return b""
        match event:
            case TextDelta(index, text, choice):
                return self._text(self._choices[choice].blocks[index], text, choice)
            case ArgumentsDelta(index, text, choice):
                return self._arguments(self._choices[choice].blocks[index], text, choice)
            case ThinkingDelta(index, text, choice):
                self._choices[choice].blocks[index].thinking.append(text)
                return self._chunk(choice, b'{"reasoning_content":' + encode(text) + b"}")
            case StreamStart():
                return self._start(event)
            case BlockStart(index, block, choice):
                return self._block(index, block, choice)
            case BlockStop(index, choice):
                written = self._choices[choice].blocks[index]
                if isinstance(written.block, ToolCall) and not written.length:
                    return self._empty_arguments(written, choice)
                return b""
            case SignatureDelta(index, state, choice):
                return self._signature(self._choices[choice].blocks[index], state, choice)
            case CitationDelta(index, citation, choice):
                written = self._choices[choice].blocks[index]
                offset = self._choices[choice].length - written.length
                annotation = write_annotation(citation, offset, written.length)
                if annotation is None:
                    self._unsupported("citations", NAME)
                    return b""
                return self._delta(choice, {"annotations": [annotation]})
            case AudioDelta():
                audio: JsonObject = {}
                if event.data:
                    audio["data"] = event.data
                if event.transcript:
                    audio["transcript"] = event.transcript
                if event.expires_at is not None:
                    audio["expires_at"] = event.expires_at
                return self._delta(event.choice, {"audio": audio})
            case LogprobsDelta(logprobs, choice):
                return self._role(choice) + self._event(
                    {"index": choice, "delta": {}, "logprobs": logprobs, "finish_reason": None}
                )
            case UsageUpdate(usage):
                self._usage = usage
                return b""
            case Finish():
                return self._finish(event)
            case StreamEnd():
                return self._end()
            case StreamError(error):
                self._is_ended = True
                return write_stream_error(error, "chat")
            case OpaqueEvent() | Ping():
                return b""

    def close(self) -> bytes:
        if self._is_ended:
            return b""
        self._is_ended = True
        cut = UpstreamProtocol(CUT)
        return write_stream_error(cut, "chat")

    def _start(self, start: StreamStart) -> bytes:
        self._is_own = start.dialect == NAME
        head: JsonObject = {
            "id": start.id if self._is_own and start.id else answer_id(start.id, self._context),
            "object": "chat.completion.chunk",
            "created": start.created or self._context.now,
            "model": start.model or self._context.request.model,
        }
        if self._is_own:
            head.update(start.extra)
        self._head = b"data: " + encode(head)[:-1] + b',"choices":['
        return self._role(0)

    def _role(self, choice: int) -> bytes:
        """The first chunk of a choice; nothing if it was written."""
        if choice in self._choices:
            return b""
        self._choices[choice] = _Choice()
        return self._chunk(choice, b'{"role":"assistant","content":"","refusal":null}')

    def _chunk(self, choice: int, delta: bytes) -> bytes:
        return b'%b{"index":%d,"delta":%b%b' % (self._head, choice, delta, _TAIL)

    def _delta(self, choice: int, delta: JsonObject) -> bytes:
        return self._chunk(choice, encode(delta))

    def _event(self, choice: JsonObject) -> bytes:
        return self._head + encode(choice) + b"]}\n\n"

    def _text(self, written: _Written, text: str, choice: int) -> bytes:
        if isinstance(written.block, Refusal):
            return self._chunk(choice, b'{"refusal":' + encode(text) + b"}")
        written.length += len(text)
        self._choices[choice].length += len(text)
        return self._chunk(choice, b'{"content":' + encode(text) + b"}")

    def _block(self, index: int, block: Block, choice: int) -> bytes:
        role = self._role(choice)
        state = self._choices[choice]
        written = state.blocks[index] = _Written(block)
        match block:
            case Text(text) | Refusal(text):
                return role + (self._text(written, text, choice) if text else b"")
            case Thinking(text):
                if not text:
                    return role
                written.thinking.append(text)
                return role + self._delta(choice, {"reasoning_content": text})
            case RedactedThinking():
                return role + self._delta(
                    choice, {"thinking_blocks": [write_thinking_block(block)]}
                )
            case ToolCall():
                written.number = state.calls
                written.length = len(block.arguments)
                state.calls += 1
                return role + self._delta(choice, self._call(written, block))
            case Audio(source):
                begun = write_audio(block)
                is_empty = isinstance(source, DataSource) and not source.data
                fields = {"id": begun["id"]} if is_empty else begun
                return role + self._delta(choice, {"audio": fields})
            case Image(source):
                if block.state is not None:
                    self._unsupported("thought_signature", NAME)
                image = {"type": "image_url", "image_url": {"url": write_url(source)}}
                return role + self._delta(choice, {"images": [image]})
            case OpaqueBlock(_, data):
                self._unsupported(f"content.{data.get('type')}", NAME)
            case _:
                self._unsupported(f"content.{block.__struct_config__.tag}", NAME)
        return role

    def _call(self, written: _Written, call: ToolCall) -> JsonObject:
        fields = write_call(call)
        if call.kind == "custom":
            fields["custom"]["input"] = call.arguments
        else:
            fields["function"]["arguments"] = call.arguments
        if self._is_legacy:
            return {"function_call": fields["function"]}
        return {"tool_calls": [{"index": written.number, **fields}]}

    def _arguments(self, written: _Written, text: str, choice: int) -> bytes:
        if not text:
            return b""
        written.length += len(text)
        piece = encode(text)
        if self._is_legacy:
            return self._chunk(choice, b'{"function_call":{"arguments":%b}}' % piece)
        is_custom = isinstance(written.block, ToolCall) and written.block.kind == "custom"
        inner = b'"custom":{"input":%b}' if is_custom else b'"function":{"arguments":%b}'
        delta = b'{"tool_calls":[{"index":%d,' + inner + b"}]}"
        return self._chunk(choice, delta % (written.number, piece))

    def _empty_arguments(self, written: _Written, choice: int) -> bytes:
        """Clients parse what they collected, and an empty text is not JSON."""
        assert isinstance(written.block, ToolCall)
        return b"" if written.block.kind == "custom" else self._arguments(written, "{}", choice)

    def _signature(self, written: _Written, state: ProviderState, choice: int) -> bytes:
        block = written.block
        if isinstance(block, ToolCall):
            call = msgspec.structs.replace(block, state=state)
            extra = write_call(call)["extra_content"]
            call_delta = {"index": written.number, "extra_content": extra}
            return self._delta(choice, {"tool_calls": [call_delta]})
        if not isinstance(block, Thinking):
            self._unsupported("thought_signature", NAME)
            return b""
        text = "".join(written.thinking)
        if state.dialect == NAME:
            own = write_own(state, text)
            details = own.get("reasoning_details")
            return b"" if details is None else self._delta(choice, {"reasoning_details": details})
        signed = write_thinking_block(Thinking(text, state, block.id))
        return self._delta(choice, {"thinking_blocks": [signed]})

    def _finish(self, finish: Finish) -> bytes:
        role = self._role(finish.choice)
        reason = finish_reason(
            finish.stop,
            finish.native_stop,
            is_own=self._is_own,
            has=frozenset(
                str(written.block.__struct_config__.tag)
                for written in self._choices[finish.choice].blocks.values()
            ),
            is_legacy=self._is_legacy,
        )
        choice: JsonObject = {
            "index": finish.choice,
            "delta": {},
            "logprobs": None,
            "finish_reason": reason,
        }
        if self._is_own and finish.extra:
            choice.update(finish.extra)
        return role + self._event(choice)

    def _end(self) -> bytes:
        self._is_ended = True
        if not self._context.request.include_usage or self._usage is None:
            return _DONE
        usage = write_usage(self._usage)
        if usage is None:
            return _DONE
        return self._head + b'],"usage":' + encode(usage) + b"}\n\n" + _DONE
