"""The conversations that every ordered pair of dialects must carry, whole and streamed.

Each is a request as a client means it and the answer as a provider means it, both canonical. What
two dialects make of one is compared by `essence`: what was said, called, returned and used, and how
it ended, whatever the words of either.
"""

import base64
import json
from typing import Any

import msgspec

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
    JsonObject,
    Message,
    ProviderState,
    RedactedThinking,
    Refusal,
    ResponseFormat,
    Sampling,
    StopReason,
    Text,
    Thinking,
    ThinkingConfig,
    ToolCall,
    ToolChoice,
    ToolResult,
    UrlSource,
)
from portico.types.usage import Usage

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n-a-picture").decode()
PDF = base64.b64encode(b"%PDF-1.4 a document").decode()


class Conversation(msgspec.Struct, frozen=True):
    """`needs` names what a dialect must have to take part: `images`, `documents`, …"""

    request: ChatRequest
    answer: ChatResponse
    needs: frozenset[str] = frozenset()


def plain_needs(conversation: Conversation) -> frozenset[str]:
    """What nearly every dialect has, and a model that takes a prompt has not."""
    request, answered = conversation.request, conversation.answer.choices[0]
    texts = [sum(isinstance(b, Text) for b in message.content) for message in request.messages]
    found = {
        "tools": bool(request.tools),
        "text_parts": any(count > 1 for count in texts),
        "commas_in_stops": any("," in stop for stop in request.stop),
        "stop_reasons": _ENDINGS[answered.stop] != "complete",
    }
    return frozenset(name for name, is_needed in found.items() if is_needed)


def system(text: str) -> Message:
    return Message("system", (Text(text),))


def user(*content: Block | str) -> Message:
    return Message("user", _blocks(content))


def assistant(*content: Block | str) -> Message:
    return Message("assistant", _blocks(content))


def result(call_id: str, *content: Block | str, is_error: bool = False) -> Message:
    return Message("user", (ToolResult(call_id, _blocks(content), is_error),))


def _blocks(content: tuple[Block | str, ...]) -> tuple[Block, ...]:
    return tuple(Text(block) if isinstance(block, str) else block for block in content)


def call(id: str, name: str, **arguments: Any) -> ToolCall:
    return ToolCall(id, name, json.dumps(arguments) if arguments else "")


def tool(name: str, **properties: str) -> FunctionTool:
    schema: JsonObject = {
        "type": "object",
        "properties": {key: {"type": type} for key, type in properties.items()},
        "required": list(properties),
    }
    return FunctionTool(name=name, description=f"The tool {name}.", schema=schema)


def ask(*messages: Message | str, **fields: Any) -> ChatRequest:
    said = tuple(user(m) if isinstance(m, str) else m for m in messages)
    fields.setdefault("max_tokens", 512)
    return ChatRequest(dialect="test", model="some-model", messages=said, **fields)


def answer(
    *content: Block | str,
    stop: StopReason | None = None,
    usage: Usage | None = None,
    stop_sequence: str | None = None,
) -> ChatResponse:
    blocks = _blocks(content)
    if stop is None:
        stop = "tool_calls" if any(isinstance(b, ToolCall) for b in blocks) else "end"
    choice = Choice(content=blocks, stop=stop, stop_sequence=stop_sequence)
    return ChatResponse(
        dialect="test",
        id="answer-1",
        model="some-model",
        choices=(choice,),
        usage=usage or Usage(input_tokens=12, output_tokens=7),
        created=1_795_000_000,
    )


def _simple(said: str, told: str) -> Conversation:
    return Conversation(ask(said), answer(told))


WEATHER = tool("get_weather", city="string")
TIME = tool("get_time", zone="string")
NO_ARGUMENTS = FunctionTool(name="list_files", description="Lists files.")
DEEP = FunctionTool(
    name="deep",
    description="Takes a nested object.",
    schema={
        "type": "object",
        "properties": {
            "filter": {
                "type": "object",
                "properties": {"tags": {"type": "array", "items": {"type": "string"}}},
            },
            "limit": {"type": "integer"},
        },
    },
)

TEXTS = {
    "hello": ("Hello", "Hi! How can I help?"),
    "one_letter": ("a", "b"),
    "many_lines": ("one\ntwo\r\n\tthree", "1\n\n2\n\n3\n"),
    "leading_space": ("  indented", "  kept  "),
    "emoji": ("👋🏽 family 👩‍👩‍👧‍👦", "🎉 flags 🇯🇵🇧🇷 and zwj 👩‍🚀"),
    "cjk": ("你好,世界", "こんにちは、안녕하세요"),
    "right_to_left": ("שלום עולם", "مرحبا بالعالم \u200f(rtl)"),
    "combining": ("e\u0301 and n\u0303", "Z\u0351\u036b\u0343\u036a\u0302\u036b"),
    "escapes": ('quote " backslash \\ slash /', 'tab \t bell \x07 unit \x1f del \x7f "'),
    "line_separators": ("a\u2028b\u2029c", "x\u2028y\u2029z\u0085w"),
    "private_use_and_planes": ("\ue000 \U0001f9ff \U0010fffd", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \ufffd"),
    "null_character": ("a\x00b", "c\x00d"),
    "looks_like_sse": ("data: [DONE]\n\nevent: x", "data: {}\n\n: comment\n\nevent: error\n\n"),
    "looks_like_json": ('{"role": "system"}', '{"finish_reason": "stop", "usage": null}'),
    "looks_like_a_sealed_state": ("portico:1:x:y:z:data", "portico:next:portico:1:a:b:c:d"),
    "html": ("<script>alert(1)</script> &amp;", "<think>not thinking</think>"),
    "long": ("word " * 2000, "answer " * 3000),
}

TOOL_ANSWERS = {
    "one_call": (call("call_1", "get_weather", city="Paris"),),
    "call_after_text": ("Let me look.", call("call_1", "get_weather", city="Paris")),
    "parallel_calls": (
        call("call_a", "get_weather", city="Paris"),
        call("call_b", "get_weather", city="Rome"),
        call("call_c", "get_time", zone="CET"),
    ),
    "same_call_twice": (
        call("call_a", "get_weather", city="Paris"),
        call("call_b", "get_weather", city="Paris"),
    ),
    "call_without_arguments": (ToolCall("call_1", "list_files", ""),),
    "parallel_calls_without_arguments": (
        ToolCall("call_1", "list_files", ""),
        call("call_2", "get_time", zone="UTC"),
        ToolCall("call_3", "list_files", ""),
    ),
    "call_with_nested_arguments": (
        call("call_1", "deep", filter={"tags": ["a", 'b"c', "d\\e"]}, limit=-3),
    ),
    "call_with_unicode_arguments": (call("call_1", "get_weather", city='Zürich "☃" 東京\n'),),
    "call_with_odd_numbers": (
        ToolCall("call_1", "deep", '{"limit": 12345678901234567890, "filter": {"x": -0.5e-3}}'),
    ),
    "call_with_large_arguments": (call("call_1", "get_weather", city="x" * 20_000),),
    "text_between_many_lines_and_call": ("a\n\nb\n", call("call_1", "get_time", zone="CET")),
}

STOPS: dict[str, tuple[StopReason, tuple[Block | str, ...]]] = {
    "stopped_at_max_tokens": ("max_tokens", ("The answer is",)),
    "stopped_at_a_sequence": ("stop_sequence", ("one, two",)),
    "stopped_by_a_filter": ("content_filter", ("I",)),
    "filtered_at_once": ("content_filter", ()),
    "full_context": ("context_window", ("so far",)),
    "empty_answer": ("end", ()),
    "cut_within_a_call": ("max_tokens", (ToolCall("call_1", "get_weather", '{"city": "Par'),)),
}

USAGES = {
    "cached_usage": Usage(input_tokens=10, cache_read_tokens=2000, output_tokens=5),
    "cache_written": Usage(input_tokens=3, cache_write_tokens=1500, output_tokens=5),
    "cache_read_and_written": Usage(
        input_tokens=4, cache_read_tokens=1024, cache_write_tokens=256, output_tokens=9
    ),
    "reasoning_usage": Usage(input_tokens=10, output_tokens=20, reasoning_tokens=300),
    "nothing_visible_was_said": Usage(input_tokens=8, output_tokens=0, reasoning_tokens=64),
    "large_usage": Usage(input_tokens=987_654, cache_read_tokens=1, output_tokens=128_000),
}


def _requests() -> dict[str, ChatRequest]:
    """Requests worth carrying for themselves; each is answered with a word."""
    weather = call("call_1", "get_weather", city="Paris")
    time = call("call_2", "get_time", zone="CET")
    both = (WEATHER, TIME)
    pixel = Image(DataSource("image/png", PIXEL))
    return {
        "system": ask(system("Be brief."), "Hello"),
        "system_in_two_parts": ask(
            Message("system", (Text("Be brief."), Text("Be kind."))), "Hello"
        ),
        "cache_markers": ask(
            Message("system", (Text("A long guide.", cache=CacheMarker()),)),
            user(Text("A long document.", cache=CacheMarker("1h")), "Sum it up."),
        ),
        "several_turns": ask("one", assistant("two"), "three", assistant("four"), "five"),
        "two_texts_in_a_turn": ask(user("first", "second")),
        "tool_result": ask("?", assistant(weather), result("call_1", "Sunny, 21°C"), tools=both),
        "tool_result_after_text": ask(
            "?", assistant("I look.", weather), result("call_1", "Sunny"), tools=both
        ),
        "empty_tool_result": ask("?", assistant(weather), result("call_1"), tools=both),
        "json_tool_result": ask(
            "?", assistant(weather), result("call_1", '{"temp": 21.50, "a": [1]}'), tools=both
        ),
        "parallel_results": ask(
            "?",
            assistant(weather, time),
            result("call_1", "Sunny"),
            result("call_2", "12:00"),
            tools=both,
        ),
        "results_in_another_order": ask(
            "?",
            assistant(weather, time),
            result("call_2", "12:00"),
            result("call_1", "Sunny"),
            tools=both,
        ),
        "results_then_text": ask(
            "?",
            assistant(weather, time),
            user(
                ToolResult("call_1", (Text("Sunny"),)),
                ToolResult("call_2", (Text("12:00"),)),
                Text("And what should I wear?"),
            ),
            tools=both,
        ),
        "rounds_of_tools": ask(
            "?",
            assistant(weather),
            result("call_1", "Sunny"),
            assistant("Now the time.", time),
            result("call_2", "12:00"),
            assistant("Noon and sunny."),
            "Thanks. And Rome?",
            tools=both,
        ),
        "call_without_arguments_in_history": ask(
            "?",
            assistant(ToolCall("call_9", "list_files", "")),
            result("call_9", "a.txt"),
            tools=(NO_ARGUMENTS,),
        ),
        "failed_tool": ask(
            "?", assistant(weather), result("call_1", "No such city", is_error=True), tools=both
        ),
        "tool_choice_required": ask("?", tools=both, tool_choice=ToolChoice("required")),
        "tool_choice_none": ask("?", tools=both, tool_choice=ToolChoice("none")),
        "tool_choice_named": ask(
            "?", tools=both, tool_choice=ToolChoice("required", ("get_time",))
        ),
        "no_parallel_calls": ask("?", tools=both, parallel_tool_calls=False),
        "nested_schema": ask("?", tools=(DEEP, NO_ARGUMENTS)),
        "sampling": ask(
            "?", sampling=Sampling(temperature=0.25), stop=("END", "\n\nHuman:"), max_tokens=64
        ),
        "structured_output": ask(
            "?",
            response_format=ResponseFormat(
                "json_schema",
                {
                    "type": "object",
                    "properties": {"n": {"type": "integer"}},
                    "required": ["n"],
                    "additionalProperties": False,
                },
                "number",
            ),
        ),
        "reasoning_effort": ask("?", thinking=ThinkingConfig(effort="high"), max_tokens=40_000),
        "image_in_data": ask(user("What is this?", pixel)),
        "image_by_url": ask(user("And this?", Image(UrlSource("https://example.com/a.png")))),
        "several_images": ask(user("Compare", pixel, "with", pixel, "please.")),
        "pdf": ask(user(Document(DataSource("application/pdf", PDF), "a.pdf"), "Sum it up.")),
        "image_in_a_result": ask(
            "?", assistant(weather), result("call_1", "A map:", pixel), tools=both
        ),
    }


_NEEDS = {
    "image_in_data": frozenset({"images"}),
    "image_by_url": frozenset({"images", "image_urls"}),
    "several_images": frozenset({"images"}),
    "pdf": frozenset({"documents"}),
    "image_in_a_result": frozenset({"images", "image_results"}),
    "reasoning_effort": frozenset({"thinking"}),
    "structured_output": frozenset({"json_schema"}),
}

_SIGNED = ProviderState("anthropic_messages", "EqQBCgIYAhIM+/=signature")
_REDACTED = ProviderState("anthropic_messages", "EmwKAhgBEgy+/=redacted")

THINKING = {
    "thinking": (Thinking("First, I", _SIGNED), "The answer is 42."),
    "thinking_unsigned": (Thinking("Hm, let me see.\n"), "Yes."),
    "thinking_then_call": (
        Thinking("I need the weather.", _SIGNED),
        call("call_1", "get_weather", city="Paris"),
    ),
    "redacted_thinking": (RedactedThinking(_REDACTED), "So be it."),
    "thinking_and_redacted": (
        Thinking("Step one.", _SIGNED),
        RedactedThinking(_REDACTED),
        "Done.",
        call("call_1", "get_time", zone="UTC"),
    ),
}


def _all() -> dict[str, Conversation]:
    found = {name: _simple(*pair) for name, pair in TEXTS.items()}
    for name, content in TOOL_ANSWERS.items():
        tools = (WEATHER, TIME, NO_ARGUMENTS, DEEP)
        found[name] = Conversation(ask("What now?", tools=tools), answer(*content))
    for name, (stop, content) in STOPS.items():
        tools = (WEATHER,) if any(isinstance(b, ToolCall) for b in content) else ()
        stopped = answer(*content, stop=stop, stop_sequence="," if "sequence" in stop else None)
        found[name] = Conversation(ask("Go on", tools=tools, stop=(",",)), stopped)
    for name, usage in USAGES.items():
        needs = frozenset({"cached_usage"} if usage.cache_read_tokens else ())
        found[name] = Conversation(ask("Hello"), answer("Hi", usage=usage), needs)
    for name, content in THINKING.items():
        request = ask(
            "Think.", tools=(WEATHER, TIME), thinking=ThinkingConfig(mode="adaptive", effort="low")
        )
        is_signed = any(getattr(block, "state", None) is not None for block in content)
        needs = frozenset({"thinking", "signatures"} if is_signed else {"thinking"})
        found[name] = Conversation(request, answer(*content), needs)
    for name, request in _requests().items():
        found[name] = Conversation(request, answer("Fine."), _NEEDS.get(name, frozenset()))
    cited = Text(
        "Water boils at 100°C.",
        (Citation(url="https://example.com/water", title="Water", cited_text="boils"),),
    )
    found["cited_text"] = Conversation(
        ask("When does water boil?"), answer(cited), frozenset({"citations"})
    )
    refused = answer(Refusal("I cannot help with that."), stop="refusal")
    found["refusal_in_words"] = Conversation(ask("Help me"), refused)
    return found


CONVERSATIONS = _all()


class Essence(msgspec.Struct, frozen=True):
    """What an answer means: `calls` are (id, name, arguments), `usage` (input, cached, output)."""

    text: str
    thinking: str
    calls: tuple[tuple[str, str, Any], ...]
    stop: str
    usage: tuple[int | None, int, int | None]


_ENDINGS: dict[StopReason, str] = {
    "end": "complete",
    "stop_sequence": "complete",
    "pause": "complete",
    "other": "complete",
    "malformed_call": "complete",
    "error": "complete",
    "tool_calls": "calls",
    "max_tokens": "cut",
    "context_window": "cut",
    "content_filter": "refused",
    "refusal": "refused",
}


def essence(response: ChatResponse) -> Essence:
    """Only what every dialect can say: a refusal is text, a stop sequence an ordinary end."""
    content = response.choices[0].content
    usage = response.usage or Usage()
    return Essence(
        "".join(b.text for b in content if isinstance(b, Text | Refusal)),
        "".join(b.text for b in content if isinstance(b, Thinking)),
        tuple((b.id, b.name, parsed(b.arguments)) for b in content if isinstance(b, ToolCall)),
        _ENDINGS[response.choices[0].stop],
        (usage.total_input_tokens, usage.cache_read_tokens, usage.total_output_tokens),
    )


def parsed(arguments: str) -> Any:
    """Arguments as values; text that is not JSON (a call that was cut) wrapped."""
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return {"input": arguments}


def turns(request: ChatRequest) -> list[Any]:
    """What was said, in order: neighbours of one role as one turn, results ahead of the rest."""
    said: list[tuple[str, list[Any], list[Any]]] = []
    for message in request.messages:
        role = "system" if message.role == "developer" else message.role
        if not said or said[-1][0] != role:
            said.append((role, [], []))
        for block in message.content:
            if isinstance(block, ToolResult):
                said[-1][1].append(_result(block))
                said[-1][2].extend(_media(block.content))
            elif (item := _item(block)) is not None:
                said[-1][2].append(item)
    return [(role, results, rest) for role, results, rest in said]


def _result(block: ToolResult) -> Any:
    text = "".join(b.text for b in block.content if isinstance(b, Text))
    return ("result", block.call_id, text)


def _media(content: tuple[Block, ...]) -> list[Any]:
    return [_item(block) for block in content if isinstance(block, Image | Document)]


def _item(block: Block) -> Any:
    match block:
        case Text(text) if text.startswith("Attached to the result of tool call"):
            return None
        case Text(text):
            return ("text", text)
        case ToolCall(id, name, arguments):
            return ("call", id, name, parsed(arguments))
        case Image(source) | Document(source):
            return ("media", source)
        case _:
            return None
