"""What is special about Gemini: names in two spellings, ids, signatures, results, two framings."""

import base64
import json
from typing import Any

import pytest

from portico.errors import InvalidRequest, RateLimited, UpstreamProtocol, UpstreamUnavailable
from portico.types.chat import (
    CacheMarker,
    ChatRequest,
    Citation,
    CustomTool,
    DataSource,
    Document,
    FileSource,
    FunctionTool,
    Home,
    Image,
    JsonObject,
    Message,
    OpaqueBlock,
    ProviderState,
    RedactedThinking,
    ResponseFormat,
    Sampling,
    ServerTool,
    Text,
    Thinking,
    ThinkingConfig,
    ToolCall,
    ToolChoice,
    ToolResult,
    UrlSource,
)
from portico.types.chat_stream import (
    ArgumentsDelta,
    BlockStart,
    BlockStop,
    Event,
    Finish,
    SignatureDelta,
    StreamEnd,
    StreamError,
    StreamStart,
    TextDelta,
    UsageUpdate,
)
from portico.types.usage import Usage
from portico.wire.base import Dropped, ReplyContext, refuse
from portico.wire.gemini_generate import dialect
from portico.wire.gemini_generate.json_array import ArraySplitter
from portico.wire.gemini_generate.schema import to_json_schema

HOME = Home("google", "gemini-3-flash")


def read(**fields: Any) -> ChatRequest:
    body = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], **fields}
    return dialect.read_request(json.dumps(body).encode(), model="gemini-3-flash", stream=False)


def write(request: ChatRequest, home: Home | None = HOME) -> tuple[JsonObject, list[str]]:
    dropped = Dropped()
    body = dialect.write_request(request, unsupported=dropped, home=home)
    return json.loads(body), dropped.names


def foreign(*messages: Message, model: str = "gemini-3-flash", **fields: Any) -> ChatRequest:
    messages = messages or (Message("user", (Text("Hi"),)),)
    return ChatRequest(dialect="openai_chat", model=model, messages=messages, **fields)


def config(**fields: Any) -> JsonObject:
    written: JsonObject = write(foreign(**fields))[0].get("generationConfig", {})
    return written


def context(**fields: Any) -> ReplyContext:
    return ReplyContext(request=read(), id="call-1", now=1_795_420_000, **fields)


def told(*parts: JsonObject, home: Home | None = HOME, **candidate: Any) -> Any:
    answer = {
        "candidates": [{"content": {"parts": parts}, "finishReason": "STOP", **candidate}],
        "responseId": "r1",
    }
    return dialect.read_response(json.dumps(answer).encode(), home=home).choices[0]


WRONG = {
    "contents": {"contents": "hello"},
    "contents[0]": {"contents": ["hello"]},
    "contents[0].role": {"contents": [{"role": "robot", "parts": []}]},
    "contents[0].parts": {"contents": [{"parts": 5}]},
    "contents[0].parts[1]": {"contents": [{"parts": [{"text": "a"}, "b"]}]},
    "contents[0].parts[0].text": {"contents": [{"parts": [{"text": 1}]}]},
    "contents[0].parts[0].functionCall": {"contents": [{"parts": [{"functionCall": {}}]}]},
    "tools[0]": {"tools": ["f"]},
    "tools[0].functionDeclarations[0]": {"tools": [{"functionDeclarations": [{}]}]},
    "toolConfig.functionCallingConfig.mode": {
        "toolConfig": {"functionCallingConfig": {"mode": "SOMETIMES"}}
    },
    "generationConfig.temperature": {"generationConfig": {"temperature": "warm"}},
    "generationConfig.thinkingConfig.thinkingLevel": {
        "generationConfig": {"thinkingConfig": {"thinkingLevel": "ENORMOUS"}}
    },
}


@pytest.mark.parametrize(("param", "fields"), WRONG.items(), ids=WRONG)
def test_a_wrong_field_is_named_by_its_path(param: str, fields: JsonObject) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert (caught.value.param or "").startswith(param)


def test_contents_are_needed() -> None:
    with pytest.raises(InvalidRequest, match="contents"):
        dialect.read_request(b"{}", model="m")


def test_both_spellings_of_a_name_are_the_same_request() -> None:
    snake = read(
        system_instruction={"parts": {"text": "Be brief."}},
        generation_config={"max_output_tokens": 5, "thinking_config": {"thinking_budget": 0}},
        tools=[{"function_declarations": [{"name": "f", "parameters_json_schema": {}}]}],
        tool_config={"function_calling_config": {"mode": "any", "allowed_function_names": ["f"]}},
        contents=[
            {"parts": [{"inline_data": {"mime_type": "image/png", "data": "iV-_"}}]},
            {"role": "model", "parts": [{"function_call": {"name": "f", "args": {"a_b": 1}}}]},
            {"parts": [{"function_response": {"name": "f", "response": {"a_b": 2}}}]},
        ],
    )
    camel = read(
        systemInstruction={"parts": [{"text": "Be brief."}]},
        generationConfig={"maxOutputTokens": 5, "thinkingConfig": {"thinkingBudget": 0}},
        tools=[{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {}}]}],
        toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        contents=[
            {"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "iV+/"}}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a_b": 1}}}]},
            {
                "role": "user",
                "parts": [{"functionResponse": {"name": "f", "response": {"a_b": 2}}}],
            },
        ],
    )
    assert snake == camel
    assert snake.messages[2].content == (ToolCall("call_1", "f", '{"a_b":1}'),)


def test_results_without_ids_answer_the_first_open_call_of_their_name() -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    other = {"functionCall": {"name": "g", "args": {}}}
    results = [
        {"functionResponse": {"name": name, "response": {"output": text}}}
        for name, text in (("g", "G"), ("f", "F1"), ("f", "F2"))
    ]
    request = read(
        contents=[
            {"role": "model", "parts": [call, other, call]},
            {"role": "function", "parts": results},
        ]
    )
    assert [block.id for block in request.messages[0].content] == ["call_1", "call_2", "call_3"]
    assert [(b.call_id, b.name, b.content) for b in request.messages[1].content] == [
        ("call_2", "g", (Text("G"),)),
        ("call_1", "f", (Text("F1"),)),
        ("call_3", "f", (Text("F2"),)),
    ]


def test_calls_without_ids_get_ids_that_are_new_in_each_answer() -> None:
    call = {"functionCall": {"name": "f", "args": {"a": 1}}}
    assert [block.id for block in told(call, call).content] == ["call_r1_1", "call_r1_2"]


@pytest.mark.parametrize(
    ("response", "content", "is_error"),
    [
        ({"output": "Sunny"}, (Text("Sunny"),), False),
        ({"error": "No"}, (Text("No"),), True),
        ({"result": "Sunny"}, (Text('{"result":"Sunny"}'),), False),
        ({"output": "a", "more": 1}, (Text('{"output":"a","more":1}'),), False),
        ({}, (), False),
    ],
)
def test_results_go_home_as_the_objects_they_were(
    response: JsonObject, content: tuple[Text, ...], is_error: bool
) -> None:
    part = {"functionResponse": {"id": "c", "name": "f", "response": response}}
    request = read(contents=[{"role": "user", "parts": [part]}])
    assert request.messages[0].content == (ToolResult("c", content, is_error, "f"),)
    assert write(request)[0]["contents"] == [{"role": "user", "parts": [part]}]


def test_results_of_a_turn_are_one_content_with_names_and_their_pictures_after() -> None:
    pixel = Image(DataSource("image/png", "iVBO"))
    written, dropped = write(
        foreign(
            Message("assistant", (ToolCall("a", "f", ""), ToolCall("b", "g", "{}"))),
            Message("user", (ToolResult("b", (Text("B"), pixel)),)),
            Message("user", (Text("Well?"), ToolResult("a", (Text("A"),), is_error=True))),
        )
    )
    assert dropped == []
    assert written["contents"][1]["parts"] == [
        {"functionResponse": {"id": "b", "name": "g", "response": {"output": "B"}}},
        {"functionResponse": {"id": "a", "name": "f", "response": {"error": "A"}}},
        {"text": "Attached to the result of tool call b:"},
        {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
        {"text": "Well?"},
    ]


def test_the_first_call_of_a_foreign_turn_says_that_it_is_unsigned() -> None:
    calls = Message("assistant", (ToolCall("a", "f", ""), ToolCall("b", "f", "")))
    parts = write(foreign(calls))[0]["contents"][0]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [
        "skip_thought_signature_validator",
        None,
    ]
    old = write(foreign(calls, model="gemini-2.5-pro"))[0]["contents"][0]["parts"]
    assert all("thoughtSignature" not in part for part in old)
    again = read(contents=[{"role": "model", "parts": parts}])
    assert again.messages[0].content == (ToolCall("a", "f", ""), ToolCall("b", "f", ""))


def test_signatures_go_home_only() -> None:
    choice = told(
        {"text": "Hm", "thought": True},
        {"functionCall": {"id": "c", "name": "f"}, "thoughtSignature": "c2ln"},
    )
    signed = ToolCall("c", "f", "", state=ProviderState("gemini_generate", "c2ln", HOME))
    assert choice.content == (Thinking("Hm"), signed)
    parts, dropped = write(foreign(Message("assistant", choice.content)))
    assert parts["contents"][0]["parts"] == [
        {"functionCall": {"id": "c", "name": "f", "args": {}}, "thoughtSignature": "c2ln"}
    ]
    assert dropped == ["thinking"]
    for home in (Home("google", "gemini-3-pro"), Home("vertex", "gemini-3-flash")):
        parts, dropped = write(foreign(Message("assistant", choice.content)), home)
        part = parts["contents"][0]["parts"][0]
        assert part["thoughtSignature"] == "skip_thought_signature_validator"
        assert dropped == ["thinking", "thought_signature"]


def test_foreign_state_comes_back_from_a_gemini_client() -> None:
    home = Home("claude", "claude-opus-5")
    content = (
        Thinking("So,", ProviderState("anthropic_messages", "EqQB+/==", home)),
        RedactedThinking(ProviderState("anthropic_messages", "Em==", home)),
        Text("Yes."),
    )
    answer = told({"text": "x"})
    response = dialect.read_response(b'{"candidates":[]}')
    response = type(response)(
        dialect="anthropic_messages",
        id="msg_1",
        model="m",
        choices=(type(answer)(content=content, stop="end"),),
    )
    body = json.loads(dialect.write_response(response, context=context(), unsupported=refuse))
    parts = body["candidates"][0]["content"]["parts"]
    for part in parts[:2]:
        base64.b64decode(part["thoughtSignature"], validate=True)  # as official clients do
    assert read(contents=[{"role": "model", "parts": parts}]).messages[0].content == content
    url_safe = [
        {**p, "thoughtSignature": p["thoughtSignature"].translate(str.maketrans("+/", "-_"))}
        for p in parts[:2]
    ]
    assert read(contents=[{"role": "model", "parts": url_safe}]).messages[0].content == content[:2]


def test_what_only_google_finds_or_runs_is_opaque() -> None:
    parts = [
        {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "YQ=="},
        {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://bucket/film.mp4"}},
    ]
    request = read(contents=[{"role": "model", "parts": parts}])
    assert request.messages[0].content == (
        OpaqueBlock("gemini_generate", {"type": "executableCode", "part": parts[0]}),
        OpaqueBlock("gemini_generate", {"type": "fileData", "part": parts[1]}),
    )
    assert write(request)[0]["contents"][0]["parts"] == parts


def test_media_by_address_name_their_type() -> None:
    written, dropped = write(
        foreign(
            Message(
                "user",
                (
                    Image(UrlSource("https://example.com/a.png?x=1.gif"), detail="high"),
                    Image(UrlSource("https://example.com/a")),
                    Document(UrlSource("https://example.com/a.pdf"), title="A"),
                    Document(FileSource("file-1")),
                    Text("Hm", cache=CacheMarker()),
                ),
            )
        )
    )
    types = [part["fileData"]["mimeType"] for part in written["contents"][0]["parts"][:3]]
    assert types == ["image/png", "image/jpeg", "application/pdf"]
    assert dropped == ["image.detail", "document.title", "document.file_id", "cache_control"]


def test_system_text_in_mid_conversation_stays_where_it_is() -> None:
    written, _ = write(
        foreign(
            Message("system", (Text("A"),)),
            Message("developer", (Text("B"),)),
            Message("user", (Text("Hi"),)),
            Message("system", (Text("C"),)),
        )
    )
    assert written["systemInstruction"] == {"parts": [{"text": "A"}, {"text": "B"}]}
    parts = [{"text": "Hi"}, {"text": "<system>\nC\n</system>"}]
    assert written["contents"] == [{"role": "user", "parts": parts}]


@pytest.mark.parametrize(
    ("model", "asked", "written"),
    [
        ("gemini-3-pro", ThinkingConfig(effort="high"), {"thinkingLevel": "high"}),
        ("gemini-4-argon", ThinkingConfig(effort="minimal"), {"thinkingLevel": "low"}),
        ("gemini-3-pro", ThinkingConfig(mode="adaptive"), {}),
        ("gemini-3-pro", ThinkingConfig(budget_tokens=9000), {"thinkingLevel": "medium"}),
        ("gemini-2.5-flash", ThinkingConfig(effort="low"), {"thinkingBudget": 2048}),
        ("gemini-2.5-flash", ThinkingConfig(effort="max"), {"thinkingBudget": 24576}),
        ("gemini-2.5-pro", ThinkingConfig(mode="adaptive"), {"thinkingBudget": -1}),
    ],
)
def test_thinking_is_a_level_or_a_budget(
    model: str, asked: ThinkingConfig, written: JsonObject
) -> None:
    expected = {"includeThoughts": True, **written}
    assert config(model=model, thinking=asked) == {"thinkingConfig": expected}


def test_thinking_that_cannot_be_switched_off_is_named() -> None:
    off = ThinkingConfig(mode="disabled")
    written, dropped = write(foreign(model="gemini-2.5-flash", thinking=off))
    assert written["generationConfig"] == {"thinkingConfig": {"thinkingBudget": 0}}
    assert dropped == []
    for model, least in (
        ("gemini-2.5-pro", {"thinkingBudget": 128}),
        ("gemini-3-pro", {"thinkingLevel": "low"}),
    ):
        written, dropped = write(foreign(model=model, thinking=off))
        assert written["generationConfig"] == {"thinkingConfig": least}
        assert dropped == ["reasoning"]


def test_foreign_parameters_are_written_or_named() -> None:
    written, dropped = write(
        foreign(
            max_tokens=9,
            stop=("a", "b", "c", "d", "e", "f"),
            sampling=Sampling(
                temperature=2.0, top_k=4, min_p=0.1, n=2, logit_bias={"5": 1.0}, logprobs=True
            ),
            response_format=ResponseFormat("json_schema", {"anyOf": [{"type": "null"}]}, "n"),
            modalities=("text", "image"),
            service_tier="scale",
            user="u",
            metadata={"a": "b"},
            prompt_cache_key="k",
            verbosity="low",
            extra={"store": True, "~reasoning": {}},
        )
    )
    assert written["generationConfig"] == {
        "candidateCount": 2,
        "maxOutputTokens": 9,
        "temperature": 2.0,
        "topK": 4,
        "responseLogprobs": True,
        "responseModalities": ["TEXT", "IMAGE"],
        "stopSequences": ["a", "b", "c", "d", "e"],
        "responseMimeType": "application/json",
        "responseJsonSchema": {"anyOf": [{"type": "null"}]},
    }
    assert dropped == [
        "stop",
        "service_tier",
        "min_p",
        "logit_bias",
        "verbosity",
        "user",
        "metadata",
        "prompt_cache_key",
        "store",
    ]


def test_tools_of_all_kinds() -> None:
    tools = (
        FunctionTool(name="f", schema={"type": "object", "properties": {}}, strict=True),
        FunctionTool(name="none"),
        CustomTool(name="patch", format={"type": "grammar"}),
        ServerTool("openai_chat", "web_search", {}),
        ServerTool("gemini_generate", "googleSearch", {"googleSearch": {}}),
    )
    choice = ToolChoice("auto", ("f", "patch"))
    written, dropped = write(foreign(tools=tools, tool_choice=choice, parallel_tool_calls=False))
    text = {
        "type": "object",
        "properties": {"input": {"type": "string"}},
        "required": ["input"],
    }
    functions = [
        {"name": "f", "parametersJsonSchema": {"type": "object", "properties": {}}},
        {"name": "none"},
        {"name": "patch", "parametersJsonSchema": text},
    ]
    assert written["tools"] == [{"functionDeclarations": functions}, {"googleSearch": {}}]
    assert written["toolConfig"] == {
        "functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["f", "patch"]}
    }
    assert dropped == [
        "tools[0].strict",
        "tools[2].format",
        "tools.web_search",
        "parallel_tool_calls",
    ]


@pytest.mark.parametrize("mode", ["AUTO", "ANY", "NONE", "VALIDATED"])
def test_each_mode_goes_home(mode: str) -> None:
    calling = {"functionCallingConfig": {"mode": mode}}
    tools = [{"functionDeclarations": [{"name": "f"}]}]
    assert write(read(tools=tools, toolConfig=calling))[0]["toolConfig"] == calling


def test_a_choice_without_functions_is_not_sent() -> None:
    tools = (ServerTool("openai_chat", "web_search", {}),)
    written, dropped = write(foreign(tools=tools, tool_choice=ToolChoice("auto")))
    assert "tools" not in written
    assert "toolConfig" not in written
    assert dropped == ["tools.web_search"]


@pytest.mark.parametrize(
    ("said", "tier", "written"),
    [
        ("STANDARD", "default", "standard"),
        ("flex", "flex", "flex"),
        ("PRIORITY", "priority", "priority"),
        ("unspecified", None, None),
    ],
)
def test_service_tiers(said: str, tier: str | None, written: str | None) -> None:
    request = read(serviceTier=said)
    assert request.service_tier == tier
    assert write(request)[0].get("serviceTier") == written


def test_a_schema_of_openapi_becomes_json_schema() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "b": {"type": "STRING", "nullable": True, "enum": ["x"]},
            "a": {"anyOf": [{"type": "INTEGER"}], "nullable": True},
            "list": {"type": "ARRAY", "items": {"type": "NUMBER"}, "maxItems": "3"},
            "type": {"type": "TYPE_UNSPECIFIED"},
        },
        "propertyOrdering": ["a", "gone"],
    }
    assert to_json_schema(schema) == {
        "type": "object",
        "properties": {
            "a": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "b": {"type": ["string", "null"], "enum": ["x", None]},
            "list": {"type": "array", "items": {"type": "number"}, "maxItems": 3},
            "type": {},
        },
    }
    assert list(to_json_schema(schema)["properties"]) == ["a", "b", "list", "type"]


def test_usage_is_disjoint_and_sums_up() -> None:
    fields = {
        "promptTokenCount": 1000,
        "cachedContentTokenCount": 300,
        "candidatesTokenCount": 50,
        "thoughtsTokenCount": 20,
        "toolUsePromptTokenCount": 40,
        "totalTokenCount": 1110,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 700},
            {"modality": "AUDIO", "tokenCount": 200},
            {"modality": "IMAGE", "tokenCount": 100},
        ],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 120}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 30}],
        "trafficType": "ON_DEMAND_PRIORITY",
    }
    body = {"candidates": [], "usageMetadata": fields}
    usage = dialect.read_response(json.dumps(body).encode()).usage
    assert usage == Usage(
        input_tokens=560,
        cache_read_tokens=180,
        cache_read_audio_tokens=120,
        input_audio_tokens=80,
        input_image_tokens=100,
        output_tokens=20,
        output_audio_tokens=30,
        reasoning_tokens=20,
        service_tier="priority",
        reported_total=1110,
    )
    assert usage.total_input_tokens == 1040
    assert usage.total_output_tokens == 70


def test_grounding_counts_bytes_and_citations_characters() -> None:
    metadata = {
        "groundingChunks": [{"web": {"uri": "https://e.com", "title": "E"}}],
        "groundingSupports": [
            {
                "segment": {"startIndex": 3, "endIndex": 8, "text": "ü b"},
                "groundingChunkIndices": [0, 7],
            }
        ],
    }
    (text,) = told({"text": "üa ü bc"}, groundingMetadata=metadata).content
    assert text.citations == (
        Citation(
            url="https://e.com",
            title="E",
            cited_text="ü b",
            start_index=2,
            end_index=6,
            dialect="gemini_generate",
        ),
    )


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("STOP", "end"),
        ("MAX_TOKENS", "max_tokens"),
        ("RECITATION", "content_filter"),
        ("SPII", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "malformed_call"),
        ("MISSING_THOUGHT_SIGNATURE", "error"),
        ("OTHER", "other"),
        ("SOMETHING_NEW", "other"),
    ],
)
def test_finish_reasons(reason: str, stop: str) -> None:
    choice = told({"text": "x"}, finishReason=reason)
    assert (choice.stop, choice.native_stop) == (stop, reason)


def stream(*events: Event, framing: Any = "sse") -> bytes:
    writer = dialect.stream_writer(context=context(framing=framing), unsupported=refuse)
    return b"".join(map(writer.write, events)) + writer.close()


EVENTS: tuple[Event, ...] = (
    StreamStart(dialect="openai_chat", id="x-1", model="gpt"),
    BlockStart(0, Text("")),
    TextDelta(0, "Hi ü"),
    BlockStart(1, ToolCall("a", "f", "")),
    BlockStart(2, ToolCall("b", "g", "")),
    ArgumentsDelta(1, '{"x": "'),
    ArgumentsDelta(2, "{}"),
    BlockStop(2),
    ArgumentsDelta(1, '}"}'),
    BlockStop(1),
    BlockStop(0),
    Finish(stop="tool_calls"),
    UsageUpdate(Usage(input_tokens=3, output_tokens=4)),
    StreamEnd(),
)
HEAD = {"modelVersion": "gpt", "responseId": "x-1"}


def piece(*parts: JsonObject) -> JsonObject:
    return {"candidates": [{"content": {"parts": [*parts], "role": "model"}, "index": 0}], **HEAD}


CHUNKS = [
    piece({"text": "Hi ü"}),
    piece({"functionCall": {"id": "b", "name": "g", "args": {}}}),
    piece({"functionCall": {"id": "a", "name": "f", "args": {"x": "}"}}}),
    {
        "candidates": [
            {
                "content": {"parts": [{"text": ""}], "role": "model"},
                "finishReason": "STOP",
                "index": 0,
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 3,
            "candidatesTokenCount": 4,
            "totalTokenCount": 7,
        },
        **HEAD,
    },
]


def test_a_call_is_written_when_it_is_whole_and_the_end_once() -> None:
    events = stream(*EVENTS).decode().split("\n\n")
    assert events.pop() == ""
    assert [json.loads(event.removeprefix("data: ")) for event in events] == CHUNKS


def test_a_client_without_sse_gets_one_array() -> None:
    assert json.loads(stream(*EVENTS, framing="json")) == CHUNKS
    broken = stream(*EVENTS[:3], StreamError(UpstreamUnavailable("busy")), framing="json")
    assert [chunk.get("error", {}).get("code") for chunk in json.loads(broken)] == [None, 503]
    first = json.loads(stream(StreamError(UpstreamUnavailable("busy")), framing="json"))
    assert first[0]["error"]["status"] == "UNAVAILABLE"


def test_a_writer_closed_early_writes_an_error() -> None:
    last = stream(*EVENTS[:3]).decode().split("\n\n")[-2]
    error = json.loads(last.removeprefix("data: "))["error"]
    assert (error["code"], error["status"]) == (502, "UNAVAILABLE")


def test_a_signature_ends_its_block() -> None:
    reader = dialect.stream_reader(home=HOME)
    chunks = [
        {"parts": [{"text": "a", "thought": True}]},
        {"parts": [{"text": "", "thought": True, "thoughtSignature": "MQ=="}]},
        {"parts": [{"text": "b"}]},
        {"parts": [{"thoughtSignature": "Mg=="}]},
        {"parts": [{"text": "c"}]},
    ]
    events: list[Event] = []
    for content in chunks:
        body = {"candidates": [{"content": content, "finishReason": "STOP"}]}
        events += reader.feed(b"data: " + json.dumps(body).encode() + b"\n\n")
    events += reader.close()
    signed = [event for event in events if isinstance(event, SignatureDelta)]
    assert signed == [
        SignatureDelta(0, ProviderState("gemini_generate", "MQ==", HOME)),
        SignatureDelta(1, ProviderState("gemini_generate", "Mg==", HOME)),
    ]
    assert [event.index for event in events if isinstance(event, BlockStop)] == [0, 1, 2]
    assert isinstance(events[-1], StreamEnd)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_an_array_is_cut_at_its_objects(size: int) -> None:
    objects = [rb'{"a":"}\""}', rb'{"b":[{"c":"\\"}]}', b"{}", b'{"d":"\xc3\xbc]"}']
    body = b"[" + b"\n,\r\n".join(objects) + b"]\n"
    splitter = ArraySplitter(100)
    found: list[bytes] = []
    for at in range(0, len(body), size):
        found += splitter.feed(body[at : at + size])
    assert found == objects
    assert splitter.close() == []


def test_an_array_object_above_the_cap_is_an_error() -> None:
    splitter = ArraySplitter(10)
    with pytest.raises(UpstreamProtocol, match="over 10 bytes"):
        splitter.feed(b'[{"a":"' + b"x" * 20)


def test_errors_say_how_long_to_wait() -> None:
    error = json.loads(dialect.write_error(RateLimited("slow down", retry_after_s=1.5)))["error"]
    assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert error["details"][1]["retryDelay"] == "1.5s"


def test_counting_tokens_both_ways() -> None:
    inner = {
        "model": "models/gemini-3-flash",
        "systemInstruction": {"parts": [{"text": "S"}]},
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
    }
    body = json.dumps({"generateContentRequest": inner}).encode()
    request = dialect.read_count_tokens(body)
    assert request.model == "gemini-3-flash"
    assert json.loads(dialect.write_count_tokens(request, unsupported=refuse)) == json.loads(body)
    bare = dialect.read_count_tokens(
        json.dumps({"contents": inner["contents"]}).encode(), model="m"
    )
    assert bare.messages == request.messages[1:]
    assert dialect.read_token_count(dialect.write_token_count(31)) == 31
    with pytest.raises(UpstreamProtocol):
        dialect.read_token_count(b'{"totalTokens":"many"}')
