"""Whole answers of OpenAI Responses: the `response` object to `ChatResponse` and back.

https://developers.openai.com/api/docs/api-reference/responses/object (2026-11-23). The object says
again what was asked, so writers make it from the request. An answer that was cut is `incomplete`
with a reason; one that failed is an error here.
"""

from typing import Any, Final

import msgspec

from portico.types.chat import (
    Audio,
    Block,
    ChatRequest,
    ChatResponse,
    Choice,
    DataSource,
    FunctionTool,
    Home,
    Image,
    JsonObject,
    OpaqueBlock,
    RedactedThinking,
    Refusal,
    StopReason,
    Text,
    Thinking,
    ToolCall,
)
from portico.types.usage import Usage
from portico.wire.base import Dropped, ReplyContext, Unsupported
from portico.wire.json_io import (
    MalformedError,
    convert,
    decode_object,
    encode,
    fields_of,
    unknown,
)
from portico.wire.openai_responses.errors import error_of
from portico.wire.openai_responses.items import (
    read_output,
    reasoning_text,
    write_ahead,
    write_call,
    write_reasoning,
    write_said,
)
from portico.wire.openai_responses.parts import NAME
from portico.wire.openai_responses.request import CONTINUES, write_text
from portico.wire.openai_responses.request import write_reasoning as write_reasoning_config
from portico.wire.openai_responses.tools import namespaces, write_tool_choice, write_tools
from portico.wire.openai_usage import read_usage
from portico.wire.state import seal

INCOMPLETE: Final[dict[StopReason, str]] = {
    "max_tokens": "max_output_tokens",
    "context_window": "max_output_tokens",
    "content_filter": "content_filter",
    "refusal": "content_filter",
}
"""Why an answer is incomplete; all other stops complete it. A refusal in words completes too."""

ECHOED: Final = frozenset({"id", "object", "status", "output", "usage", "error", "model"})
"""What of a `response` object is not in `extra`."""


class Incomplete(msgspec.Struct):
    reason: str | None = None


class Answer(msgspec.Struct):
    output: list[Any]
    id: str | None = None
    model: str | None = None
    status: str | None = None
    created_at: float | None = None
    incomplete_details: Incomplete | None = None
    error: Any = None


_KNOWN: Final = fields_of(Answer) | {"object", "usage"}


def read_response(body: bytes, /, *, home: Home | None = None) -> ChatResponse:
    try:
        raw = decode_object(body)
        if raw.get("error") and not raw.get("output"):
            raise error_of(raw["error"], 200, {})
        answer = convert(raw, Answer)
        if answer.status in ("failed", "cancelled"):
            raise error_of(answer.error or f"the answer was {answer.status}", 200, {})
        content, items = read_output(answer.output, home)
    except MalformedError as problem:
        raise problem.from_provider() from None
    extra = unknown(raw, _KNOWN)
    ending: JsonObject = {"~items": items}
    choice = Choice(
        content=content,
        stop=stop_reason(answer, content),
        native_stop=native_stop(answer),
        logprobs=read_logprobs(answer.output),
        extra=ending,
    )
    return ChatResponse(
        dialect=NAME,
        id=answer.id or "",
        model=answer.model or "",
        choices=(choice,),
        usage=read_usage(body),
        created=None if answer.created_at is None else int(answer.created_at),
        extra=extra,
    )


def native_stop(answer: Answer) -> str | None:
    """The reason, where there is one: a status says little."""
    details = answer.incomplete_details
    return answer.status if details is None or details.reason is None else details.reason


def stop_reason(answer: Answer, content: tuple[Block, ...]) -> StopReason:
    if answer.status == "incomplete":
        match native_stop(answer):
            case "max_output_tokens":
                return "max_tokens"
            case "content_filter":
                return "content_filter"
            case _:
                return "other"
    if answer.status not in (None, "completed"):
        return "other"
    if any(isinstance(block, ToolCall) for block in content):
        return "tool_calls"
    return "refusal" if any(isinstance(block, Refusal) for block in content) else "end"


def read_logprobs(output: list[Any]) -> JsonObject | None:
    tokens: list[Any] = []
    for item in output:
        parts = item.get("content") if isinstance(item, dict) else None
        for part in parts if isinstance(parts, list) else ():
            listed = part.get("logprobs") if isinstance(part, dict) else None
            tokens += listed if isinstance(listed, list) else ()
    return {"content": tokens} if tokens else None


def answer_id(id: str, context: ReplyContext) -> str:
    id = id or context.id
    return id if id.startswith("resp_") else f"resp_{id}"


def write_response(
    response: ChatResponse, /, *, context: ReplyContext, unsupported: Unsupported
) -> bytes:
    is_own = response.dialect == NAME
    if len(response.choices) > 1:
        unsupported("n", NAME)
    choice = response.choices[0] if response.choices else Choice(content=(), stop="other")
    id = response.id if is_own and response.id else answer_id(response.id, context)
    items = OutputWriter(id, unsupported, context.request)
    output = items.write(choice.content, choice.logprobs)
    if is_own:
        output = _with_rest(output, (choice.extra or {}).get("~items"))
    status, details = outcome(choice.stop, choice.content)
    if status == "incomplete" and output and "status" in output[-1]:
        output[-1]["status"] = status
    written = response_object(
        context,
        id=id,
        model=response.model,
        created=response.created,
        extra=response.extra if is_own else {},
    )
    written |= {"status": status, "incomplete_details": details, "output": output}
    if response.usage is not None:
        written |= write_usage(response.usage)
    return encode(written)


def _with_rest(output: list[JsonObject], items: list[list[Any]] | None) -> list[JsonObject]:
    """Items of this dialect keep their ids and what else they came with."""
    if items is None or [item.get("type") for item in output] != [type for type, _, _ in items]:
        return output
    return [_home_again(item, rest) for item, (_, _, rest) in zip(output, items, strict=True)]


def _home_again(item: JsonObject, rest: JsonObject) -> JsonObject:
    if item.get("type") != "reasoning":
        return {**item, **rest}
    return rest if reasoning_text(rest, "") == reasoning_text(item, "") else item


def outcome(stop: StopReason, content: tuple[Block, ...]) -> tuple[str, JsonObject | None]:
    """`status` and `incomplete_details`."""
    if stop == "refusal" and any(isinstance(block, Refusal) for block in content):
        return "completed", None
    reason = INCOMPLETE.get(stop)
    return ("completed", None) if reason is None else ("incomplete", {"reason": reason})


def response_object(
    context: ReplyContext, *, id: str, model: str, created: int | None, extra: JsonObject
) -> JsonObject:
    """The object around an output, which repeats the request; `extra` is a provider's own."""
    request = context.request
    written: JsonObject = {
        "id": id,
        "object": "response",
        "created_at": created or context.now,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": model or request.model,
        "output": [],
    }
    if extra:
        return written | extra
    return written | _asked(request)


def _asked(request: ChatRequest) -> JsonObject:
    is_own = request.dialect == NAME
    said = request.messages[0] if request.messages else None
    instructions: str | None = None
    if is_own and said is not None and "~instructions" in (said.extra or {}):
        instructions = "".join(block.text for block in said.content if isinstance(block, Text))
    extra = request.extra if is_own else {}
    reasoning = write_reasoning_config(request, is_own)
    tools = extra.get("~tools") or write_tools(request.tools, Dropped(), is_own=is_own)
    choice = request.tool_choice
    parallel = request.parallel_tool_calls
    return {
        "instructions": instructions,
        "max_output_tokens": request.max_tokens,
        "max_tool_calls": extra.get("max_tool_calls"),
        "metadata": request.metadata or {},
        "parallel_tool_calls": True if parallel is None else parallel,
        "previous_response_id": extra.get("previous_response_id", extra.get(CONTINUES)),
        "prompt_cache_key": request.prompt_cache_key,
        "reasoning": {"effort": None, "summary": None, **reasoning},
        "safety_identifier": extra.get("safety_identifier"),
        "service_tier": request.service_tier or "default",
        "store": extra.get("store", extra.get("~store", True)),
        "temperature": request.sampling.temperature,
        "text": {"format": {"type": "text"}, **write_text(request)},
        "tool_choice": "auto" if choice is None else write_tool_choice(choice, request.tools),
        "tools": tools,
        "top_logprobs": request.sampling.top_logprobs or 0,
        "top_p": request.sampling.top_p,
        "truncation": extra.get("truncation", "disabled"),
        "usage": None,
        "user": request.user,
    }


def write_usage(usage: Usage) -> JsonObject:
    """`usage` and the tier that served; nothing where nobody said what was used."""
    written: JsonObject = {}
    if usage.service_tier is not None:
        written["service_tier"] = usage.service_tier
    asked, said = usage.total_input_tokens, usage.total_output_tokens
    if asked is None or said is None:
        return written
    details: JsonObject = {"cached_tokens": usage.cache_read_tokens + usage.cache_read_audio_tokens}
    if cached := usage.cache_write_tokens + usage.cache_write_1h_tokens:
        details["cache_write_tokens"] = cached
    written["usage"] = {
        "input_tokens": asked,
        "input_tokens_details": details,
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": asked + said,
    }
    return written


class OutputWriter:
    """Makes the items of one answer to a client; ids are the answer's with a number."""

    def __init__(self, id: str, unsupported: Unsupported, request: ChatRequest) -> None:
        self._base = id.removeprefix("resp_")
        self._unsupported = unsupported
        self._namespaces = namespaces(
            tool for tool in request.tools if isinstance(tool, FunctionTool)
        )
        self._count = 0

    def write(self, content: tuple[Block, ...], logprobs: JsonObject | None) -> list[JsonObject]:
        output: list[JsonObject] = []
        parts: list[JsonObject] | None = None
        first: list[JsonObject] | None = None
        for block in content:
            if isinstance(block, Text | Refusal):
                if parts is None:
                    item = self.message()
                    parts = item["content"] = []
                    first = first or parts
                    output.append(item)
                parts.append(self.part(block))
                continue
            parts = None
            output += self.items(block)
        tokens = (logprobs or {}).get("content")
        if tokens and first:
            first[0]["logprobs"] = tokens
        return output

    def id(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._base}_{self._count}"

    def message(self) -> JsonObject:
        return {
            "id": self.id("msg"),
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [],
        }

    def part(self, block: Text | Refusal) -> JsonObject:
        if isinstance(block, Text) and block.state is not None:
            self._unsupported("thought_signature", NAME)
        written = write_said(block, self._unsupported)
        if isinstance(block, Text):
            written["logprobs"] = []
        return written

    def items(self, block: Block) -> list[JsonObject]:
        """Mostly one; none if there is nothing to write."""
        match block:
            case ToolCall():
                item = {"id": "", "status": "completed", **write_call(block)}
                item["id"] = self.id("ctc" if block.kind == "custom" else "fc")
                item |= self._namespaces.get(block.name, {})
                if block.state is None:
                    return [item]
                return [{"id": self.id("rs"), **write_ahead(block.state)}, item]
            case Thinking(_, state) | RedactedThinking(state):
                item = write_reasoning(block, None if state is None else seal(state, NAME))
                return [{"id": self.id("rs"), **item}]
            case Image(DataSource(media_type, data)):
                if block.state is not None:
                    self._unsupported("thought_signature", NAME)
                format = media_type.removeprefix("image/")
                item = {"type": "image_generation_call", "status": "completed", "result": data}
                return [{"id": self.id("ig"), **item, "output_format": format}]
            case Audio(_, _, transcript) if transcript:
                self._unsupported("content.audio", NAME)
                return [{**self.message(), "content": [self.part(Text(transcript))]}]
            case OpaqueBlock(dialect, data) if dialect == NAME:
                return [data]
            case OpaqueBlock(_, data):
                self._unsupported(f"content.{data.get('type')}", NAME)
            case _:
                self._unsupported(f"content.{block.__struct_config__.tag}", NAME)
        return []
