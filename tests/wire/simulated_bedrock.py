"""The far end of Bedrock Converse: reads what we ask and answers as Bedrock would."""

import base64
import json
from typing import Any

from portico.types.chat import (
    Block,
    CacheMarker,
    ChatRequest,
    ChatResponse,
    Choice,
    Citation,
    DataSource,
    Document,
    FunctionTool,
    Image,
    Message,
    OpaqueBlock,
    RedactedThinking,
    Refusal,
    StopReason,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
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
from portico.wire.aws_events import write_event
from portico.wire.base import ReplyContext, Unsupported

NAME = "bedrock_converse"

STOPS: dict[StopReason, str] = {
    "end": "end_turn",
    "tool_calls": "tool_use",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "content_filter": "content_filtered",
    "context_window": "model_context_window_exceeded",
    "malformed_call": "malformed_tool_use",
    "refusal": "refusal",
}


def read_request(body: bytes) -> ChatRequest:
    asked = json.loads(body)
    messages = []
    if "system" in asked:
        messages.append(Message("system", _blocks(asked["system"])))
    messages += [Message(m["role"], _blocks(m["content"])) for m in asked["messages"]]
    inference = asked.get("inferenceConfig", {})
    config = asked.get("toolConfig", {})
    tools = [t["toolSpec"] for t in config.get("tools", ()) if "toolSpec" in t]
    return ChatRequest(
        dialect=NAME,
        model="",
        messages=tuple(messages),
        tools=tuple(FunctionTool(name=t["name"], schema=t["inputSchema"]["json"]) for t in tools),
        tool_choice=_choice(config.get("toolChoice")),
        max_tokens=inference.get("maxTokens"),
        stop=tuple(inference.get("stopSequences", ())),
    )


def _choice(choice: Any) -> ToolChoice | None:
    match choice:
        case None:
            return None
        case {"tool": {"name": name}}:
            return ToolChoice("required", (name,))
        case {"any": {}}:
            return ToolChoice("required")
        case _:
            return ToolChoice("auto")


def _blocks(content: list[Any]) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for item in content:
        if "cachePoint" in item:
            assert blocks, "a cache point marks what is before it"
            marked = blocks.pop()
            assert isinstance(marked, Text)
            blocks.append(Text(marked.text, cache=CacheMarker(item["cachePoint"].get("ttl"))))
        else:
            blocks.append(_block(item))
    return tuple(blocks)


def _block(item: Any) -> Block:
    match item:
        case {"text": text}:
            assert text
            return Text(text)
        case {"toolUse": use}:
            assert isinstance(use["input"], dict)
            return ToolCall(use["toolUseId"], use["name"], json.dumps(use["input"]))
        case {"toolResult": given}:
            is_error = given.get("status") == "error"
            return ToolResult(given["toolUseId"], _blocks(given["content"]), is_error)
        case {"image": {"format": format, "source": {"bytes": data}}}:
            return Image(DataSource(f"image/{format}", data))
        case {"document": {"format": "pdf", "name": name, "source": {"bytes": data}}}:
            return Document(DataSource("application/pdf", data), name)
        case _:
            return OpaqueBlock(NAME, item)


def write_response(
    response: ChatResponse, /, *, context: ReplyContext, unsupported: Unsupported
) -> bytes:
    choice: Choice = response.choices[0]
    content = [item for block in choice.content if (item := _written(block)) is not None]
    answer = {
        "metrics": {"latencyMs": 420},
        "output": {"message": {"content": content, "role": "assistant"}},
        "stopReason": STOPS[choice.stop],
        "usage": _usage(response.usage),
    }
    return json.dumps(answer).encode()


def _usage(usage: Usage | None) -> dict[str, Any]:
    assert usage is not None
    read, wrote = usage.cache_read_tokens, usage.cache_write_tokens
    fresh, said = usage.input_tokens, usage.total_output_tokens
    assert fresh is not None
    assert said is not None
    return {
        "inputTokens": fresh,
        "outputTokens": said,
        "totalTokens": fresh + said + read + wrote,
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": wrote,
    }


def _blob(data: str) -> str:
    return base64.b64encode(data.encode()).decode()


def _written(block: Block) -> dict[str, Any] | None:
    match block:
        case Text(text, citations) if citations:
            cited = [_citation(c) for c in citations]
            return {"citationsContent": {"content": [{"text": text}], "citations": cited}}
        case Text(text) | Refusal(text):
            return {"text": text}
        case Thinking(text, state):
            said = {"text": text, **({"signature": state.data} if state else {})}
            return {"reasoningContent": {"reasoningText": said}}
        case RedactedThinking(state):
            return {"reasoningContent": {"redactedContent": _blob(state.data)}}
        case ToolCall(id, name, arguments):
            try:
                input = json.loads(arguments or "{}")
            except ValueError:
                input = {"input": arguments}
            return {"toolUse": {"toolUseId": id, "name": name, "input": input}}
    raise AssertionError(block)


def _citation(citation: Citation) -> dict[str, Any]:
    return {
        "title": citation.title,
        "sourceContent": [{"text": citation.cited_text}],
        "location": {"web": {"url": citation.url}},
    }


class _Writer:
    """Events as frames; text and reasoning begin without a word, as at Bedrock."""

    def __init__(self) -> None:
        self._stop: Finish | None = None
        self._usage: Usage | None = None

    def write(self, event: Event, /) -> bytes:
        match event:
            case StreamStart():
                return _frame("messageStart", {"role": "assistant"})
            case BlockStart(index, ToolCall(id, name)):
                start = {"toolUse": {"toolUseId": id, "name": name}}
                return _frame("contentBlockStart", {"contentBlockIndex": index, "start": start})
            case BlockStart(index, RedactedThinking(state)):
                return _delta(index, {"reasoningContent": {"redactedContent": _blob(state.data)}})
            case TextDelta(index, text):
                return _delta(index, {"text": text})
            case ThinkingDelta(index, text):
                return _delta(index, {"reasoningContent": {"text": text}})
            case SignatureDelta(index, state):
                return _delta(index, {"reasoningContent": {"signature": state.data}})
            case ArgumentsDelta(index, text):
                return _delta(index, {"toolUse": {"input": text}})
            case CitationDelta(index, citation):
                return _delta(index, {"citation": _citation(citation)})
            case BlockStop(index):
                return _frame("contentBlockStop", {"contentBlockIndex": index})
            case Finish():
                return _frame("messageStop", {"stopReason": STOPS[event.stop]})
            case UsageUpdate(usage):
                metrics = {"latencyMs": 420}
                return _frame("metadata", {"usage": _usage(usage), "metrics": metrics})
            case StreamError(error):
                return exception("serviceUnavailableException", error.message)
            case StreamEnd() | BlockStart():
                return b""
        raise AssertionError(event)

    def close(self) -> bytes:
        return b""


def stream_writer(*, context: ReplyContext, unsupported: Unsupported) -> _Writer:
    return _Writer()


def _frame(name: str, payload: dict[str, Any]) -> bytes:
    headers = {
        ":event-type": name,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return write_event(headers, json.dumps({**payload, "p": "abcdefgh"}).encode())


def _delta(index: int, delta: dict[str, Any]) -> bytes:
    return _frame("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})


def exception(name: str, message: str) -> bytes:
    headers = {
        ":exception-type": name,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return write_event(headers, json.dumps({"message": message}).encode())
