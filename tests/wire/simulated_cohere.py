"""The far end of Cohere's chat: reads what we ask and answers as Cohere would."""

import json
from typing import Any

from portico.types.chat import (
    Block,
    ChatRequest,
    ChatResponse,
    DataSource,
    FunctionTool,
    Image,
    Message,
    RedactedThinking,
    Refusal,
    StopReason,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
    UrlSource,
)
from portico.types.chat_stream import (
    ArgumentsDelta,
    BlockStart,
    BlockStop,
    CitationDelta,
    Event,
    Finish,
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

NAME = "cohere_chat"

STOPS: dict[StopReason, str] = {
    "end": "COMPLETE",
    "tool_calls": "TOOL_CALL",
    "max_tokens": "MAX_TOKENS",
    "stop_sequence": "STOP_SEQUENCE",
    "content_filter": "ERROR_TOXIC",
    "refusal": "ERROR_TOXIC",
    "context_window": "ERROR_LIMIT",
}


def read_request(body: bytes) -> ChatRequest:
    asked = json.loads(body)
    tools = tuple(
        FunctionTool(name=t["function"]["name"], schema=t["function"]["parameters"])
        for t in asked.get("tools", ())
    )
    mode = asked.get("tool_choice")
    choice = None
    if mode is not None:
        assert mode in ("REQUIRED", "NONE")
        names = (tools[0].name,) if mode == "REQUIRED" and len(tools) == 1 else ()
        choice = ToolChoice(mode.lower(), names)
    return ChatRequest(
        dialect=NAME,
        model=asked["model"],
        messages=tuple(map(_message, asked["messages"])),
        tools=tools,
        tool_choice=choice,
        max_tokens=asked.get("max_tokens"),
        stop=tuple(asked.get("stop_sequences", ())),
    )


def _message(message: Any) -> Message:
    content = message.get("content", "")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    blocks = tuple(_block(part) for part in parts if part.get("text") != "")
    match message:
        case {"role": "tool", "tool_call_id": id}:
            return Message("user", (ToolResult(id, blocks),))
        case {"role": "assistant"}:
            plan = message.get("tool_plan")
            calls = tuple(
                ToolCall(c["id"], c["function"]["name"], c["function"]["arguments"])
                for c in message.get("tool_calls", ())
            )
            assert calls or not plan
            return Message("assistant", blocks + ((Text(plan),) if plan else ()) + calls)
        case {"role": "system" | "user" as role}:
            return Message(role, blocks)
    raise AssertionError(message)


def _block(part: Any) -> Block:
    match part:
        case {"type": "text", "text": text}:
            return Text(text)
        case {"type": "image_url", "image_url": {"url": url}}:
            if url.startswith("data:"):
                kind, _, data = url.removeprefix("data:").partition(";base64,")
                return Image(DataSource(kind, data))
            return Image(UrlSource(url))
        case {"type": "thinking", "thinking": text}:
            return Thinking(text)
    raise AssertionError(part)


def write_response(
    response: ChatResponse, /, *, context: ReplyContext, unsupported: Unsupported
) -> bytes:
    choice = response.choices[0]
    content: list[Any] = []
    calls: list[Any] = []
    plan = ""
    has_calls = any(isinstance(block, ToolCall) for block in choice.content)
    for block in choice.content:
        match block:
            case Text(text) | Refusal(text):
                if has_calls:
                    plan += text
                else:
                    content.append({"type": "text", "text": text})
            case Thinking(text):
                content.append({"type": "thinking", "thinking": text})
            case ToolCall(id, name, arguments):
                function = {"name": name, "arguments": arguments}
                calls.append({"id": id, "type": "function", "function": function})
            case RedactedThinking():
                pass
            case _:
                raise AssertionError(block)
    message: dict[str, Any] = {"role": "assistant"}
    if content:
        message["content"] = content
    if calls:
        message |= {"tool_plan": plan, "tool_calls": calls}
    return json.dumps(
        {
            "id": response.id,
            "message": message,
            "finish_reason": STOPS[choice.stop],
            "usage": _usage(response.usage),
        }
    ).encode()


def _usage(usage: Usage | None) -> dict[str, Any]:
    assert usage is not None
    prompt, said = usage.total_input_tokens, usage.total_output_tokens
    assert prompt is not None
    return {
        "billed_units": {"input_tokens": prompt, "output_tokens": said},
        "tokens": {"input_tokens": prompt + 500, "output_tokens": said},
        "cached_tokens": usage.cache_read_tokens,
    }


class _Writer:
    """Contents and calls have indexes of their own; words before calls are the plan."""

    def __init__(self) -> None:
        self._kinds: dict[int, tuple[str, int]] = {}
        self._finish: Finish | None = None
        self._usage: Usage | None = None

    def _start(self, index: int, kind: str) -> int:
        at = sum(known == kind for known, _ in self._kinds.values())
        self._kinds[index] = (kind, at)
        return at

    def write(self, event: Event, /) -> bytes:
        match event:
            case StreamStart(id=id):
                return _sse("message-start", id=id, delta={"message": {"role": "assistant"}})
            case BlockStart(index, ToolCall(id, name)):
                function = {"name": name, "arguments": ""}
                call = {"id": id, "type": "function", "function": function}
                return _sse("tool-call-start", self._start(index, "tool-call"), tool_calls=call)
            case BlockStart(index, Text() | Refusal()):
                at = self._start(index, "content")
                return _sse("content-start", at, content={"type": "text", "text": ""})
            case BlockStart(index, Thinking()):
                at = self._start(index, "content")
                return _sse("content-start", at, content={"type": "thinking", "thinking": ""})
            case TextDelta(index, text):
                return _sse("content-delta", self._kinds[index][1], content={"text": text})
            case ThinkingDelta(index, text):
                return _sse("content-delta", self._kinds[index][1], content={"thinking": text})
            case ArgumentsDelta(index, text):
                call = {"function": {"arguments": text}}
                return _sse("tool-call-delta", self._kinds[index][1], tool_calls=call)
            case BlockStop(index) if index in self._kinds:
                kind, at = self._kinds[index]
                return _sse(f"{kind}-end", at)
            case Finish():
                self._finish = event
            case UsageUpdate(usage):
                self._usage = usage
            case StreamEnd():
                assert self._finish is not None
                reason = STOPS[self._finish.stop]
                delta = {"finish_reason": reason, "usage": _usage(self._usage)}
                return _sse("message-end", delta=delta)
            case StreamError(error):
                delta = {"finish_reason": "ERROR", "error": error.message}
                return _sse("message-end", delta=delta)
            case BlockStart(_, RedactedThinking()) | BlockStop() | SignatureDelta():
                pass
            case CitationDelta(_, citation):
                source = {"type": "document", "id": "doc:0", "document": {"url": citation.url}}
                return _sse("citation-start", 0, citations={"start": 0, "sources": [source]})
            case _:
                raise AssertionError(event)
        return b""

    def close(self) -> bytes:
        return b""


def stream_writer(*, context: ReplyContext, unsupported: Unsupported) -> _Writer:
    return _Writer()


def _sse(
    type: str,
    index: int | None = None,
    *,
    delta: dict[str, Any] | None = None,
    id: str | None = None,
    **message: Any,
) -> bytes:
    event: dict[str, Any] = {"type": type}
    if id is not None:
        event["id"] = id
    if index is not None:
        event["index"] = index
    if delta is not None or message:
        event["delta"] = delta or {"message": message}
    return f"event: {type}\ndata: {json.dumps(event)}\n\n".encode()
