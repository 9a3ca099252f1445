import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from portico.errors import (
    UnsupportedParameter,
    UpstreamFailed,
    UpstreamProtocol,
    UpstreamRateLimited,
)
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
    Message,
    OpaqueBlock,
    ProviderState,
    RedactedThinking,
    ResponseFormat,
    Sampling,
    ServerTool,
    Text,
    TextSource,
    Thinking,
    ThinkingConfig,
    ToolCall,
    ToolChoice,
    ToolResult,
    UrlSource,
)
from portico.types.chat_stream import Event, StreamEnd, StreamError
from portico.types.http import HttpHead
from portico.types.usage import Usage
from portico.wire.assemble import collect
from portico.wire.aws_events import write_event
from portico.wire.base import Dropped, refuse
from portico.wire.bedrock_converse import dialect
from tests.wire.conversations import CONVERSATIONS, PDF, PIXEL, ask, assistant, result, user

CLAUDE = "us.anthropic.claude-sonnet-4-6"
OLD_CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-2-lite-v1:0"
HOME = Home("bedrock", CLAUDE)
SIGNED = ProviderState("bedrock_converse", "EqQB+=", HOME)
ELSEWHERE = ProviderState("bedrock_converse", "EqQB+=", Home("bedrock", "another-model"))
ROOT = Path(__file__).parent.parent / "fixtures" / "bedrock_converse"


def written(request: ChatRequest, home: Home | None = HOME, **fields: Any) -> Any:
    return json.loads(dialect.write_request(request, unsupported=refuse, home=home))


def dropped(request: ChatRequest) -> tuple[Any, list[str]]:
    names = Dropped()
    body = dialect.write_request(request, unsupported=names, home=HOME)
    return json.loads(body), names.names


def asked(*messages: Message | str, model: str = CLAUDE, **fields: Any) -> ChatRequest:
    request = ask(*messages, **fields)
    return ChatRequest(
        **{f: getattr(request, f) for f in request.__struct_fields__} | {"model": model}
    )


def botocore_shape() -> Any:
    model = Path(botocore.__file__).parent / "data/bedrock-runtime/2023-09-30/service-2.json.gz"
    service = ServiceModel(json.loads(gzip.decompress(model.read_bytes())), "bedrock-runtime")
    return service.operation_model("Converse").input_shape


SHAPE = botocore_shape()


def assert_valid(body: bytes) -> None:
    """By the model that AWS publishes with its SDK: no unknown field, no missing one, right types.

    Bytes are base64 on the wire and checked here as the text they are.
    """
    report = ParamValidator().validate({"modelId": "m", **json.loads(body)}, SHAPE)
    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize("name", CONVERSATIONS)
@pytest.mark.parametrize("model", [CLAUDE, OLD_CLAUDE, NOVA, "openai.gpt-oss-120b-1:0", "x.y"])
def test_every_request_is_valid_by_the_published_model(name: str, model: str) -> None:
    request = CONVERSATIONS[name].request
    fields = {f: getattr(request, f) for f in request.__struct_fields__} | {"model": model}
    assert_valid(dialect.write_request(ChatRequest(**fields), unsupported=Dropped()))


def test_a_request_has_everything_in_its_place() -> None:
    request = asked(
        Message("system", (Text("A guide.", cache=CacheMarker("1h")),)),
        user(Text("Look.", cache=CacheMarker()), Image(DataSource("image/jpg", PIXEL))),
        assistant(
            Thinking("Hm.", SIGNED),
            RedactedThinking(SIGNED),
            Text("I look."),
            ToolCall("call_1", "look", '{"at": 1.50}'),
        ),
        Message("user", (Text("Go on"), ToolResult("call_1", (Text("A cat"),), is_error=True))),
        tools=(
            FunctionTool(
                name="look", description="Looks.", strict=True, cache=CacheMarker(), schema={}
            ),
            CustomTool(name="write"),
        ),
        tool_choice=ToolChoice("required"),
        stop=("END",),
        sampling=Sampling(temperature=0.5),
        service_tier="flex",
        metadata={"team": "blue"},
        cache=CacheMarker(),
    )
    body = dialect.write_request(request, unsupported=refuse, home=HOME)
    assert_valid(body)
    assert b'{"at": 1.50}' in body
    assert json.loads(body) == {
        "toolConfig": {
            "tools": [
                {
                    "toolSpec": {
                        "name": "look",
                        "description": "Looks.",
                        "inputSchema": {"json": {"type": "object", "properties": {}}},
                        "strict": True,
                    }
                },
                {"cachePoint": {"type": "default"}},
                {
                    "toolSpec": {
                        "name": "write",
                        "inputSchema": {
                            "json": {
                                "type": "object",
                                "properties": {"input": {"type": "string"}},
                                "required": ["input"],
                            }
                        },
                    }
                },
            ],
            "toolChoice": {"any": {}},
        },
        "system": [{"text": "A guide."}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"text": "Look."},
                    {"cachePoint": {"type": "default"}},
                    {"image": {"format": "jpeg", "source": {"bytes": PIXEL}}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "EqQB+="}}},
                    {"reasoningContent": {"redactedContent": "EqQB+="}},
                    {"text": "I look."},
                    {"toolUse": {"toolUseId": "call_1", "name": "look", "input": {"at": 1.5}}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "toolResult": {
                            "toolUseId": "call_1",
                            "content": [{"text": "A cat"}],
                            "status": "error",
                        }
                    },
                    {"text": "Go on"},
                    {"cachePoint": {"type": "default"}},
                ],
            },
        ],
        "inferenceConfig": {"maxTokens": 512, "temperature": 0.5, "stopSequences": ["END"]},
        "serviceTier": {"type": "flex"},
        "requestMetadata": {"team": "blue"},
    }


EFFORT = ThinkingConfig(effort="high")
BUDGET = ThinkingConfig(mode="enabled", budget_tokens=2000)
THINKING: dict[str, tuple[str, ThinkingConfig, Any, Any]] = {
    "effort to new Claude": (CLAUDE, EFFORT, {"thinking": {"type": "adaptive"}}, "high"),
    "budget to new Claude": (CLAUDE, BUDGET, {"thinking": {"type": "adaptive"}}, "low"),
    "off for Claude": (
        CLAUDE,
        ThinkingConfig(mode="disabled"),
        {"thinking": {"type": "disabled"}},
        None,
    ),
    "budget to old Claude": (
        OLD_CLAUDE,
        BUDGET,
        {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        None,
    ),
    "effort to old Claude": (
        OLD_CLAUDE,
        EFFORT,
        {"thinking": {"type": "enabled", "budget_tokens": 24576}},
        None,
    ),
    "effort to Nova": (
        NOVA,
        ThinkingConfig(effort="max"),
        {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
        None,
    ),
    "off for Nova": (
        NOVA,
        ThinkingConfig(effort="none"),
        {"reasoningConfig": {"type": "disabled"}},
        None,
    ),
    "effort to gpt-oss": ("openai.gpt-oss-20b-1:0", EFFORT, {"reasoning_effort": "high"}, None),
    "effort to the unknown": ("some.model", ThinkingConfig(effort="minimal"), None, "low"),
    "off for the unknown": ("some.model", ThinkingConfig(effort="none"), None, None),
}


@pytest.mark.parametrize(
    ("model", "config", "fields", "effort"), THINKING.values(), ids=list(THINKING)
)
def test_thinking_is_said_as_the_model_understands_it(
    model: str, config: ThinkingConfig, fields: Any, effort: str | None
) -> None:
    body = written(asked("?", model=model, thinking=config, max_tokens=60_000))
    assert body.get("additionalModelRequestFields") == fields
    assert body.get("outputConfig", {}).get("effort") == effort


def test_a_budget_without_a_limit_leaves_room_for_the_answer() -> None:
    body = written(asked("?", model=OLD_CLAUDE, thinking=BUDGET, max_tokens=None))
    assert body["inferenceConfig"] == {"maxTokens": 2000 + 8192}


NAMED: dict[str, tuple[ChatRequest, list[str]]] = {
    "a budget in a turn that began without thinking": (
        asked(
            user("?"),
            assistant(ToolCall("a", "f", "{}")),
            result("a", "ok"),
            model=OLD_CLAUDE,
            thinking=BUDGET,
            max_tokens=9000,
            sampling=Sampling(temperature=0.1, top_k=4),
        ),
        ["reasoning"],
    ),
    "no room to think in": (
        asked("?", model=OLD_CLAUDE, thinking=BUDGET, max_tokens=1500),
        ["reasoning"],
    ),
    "thinking and a forced call": (
        asked(
            "?",
            thinking=EFFORT,
            tools=(FunctionTool(name="f"),),
            tool_choice=ToolChoice("required"),
        ),
        ["reasoning"],
    ),
    "temperature while thinking": (
        asked("?", thinking=EFFORT, sampling=Sampling(temperature=0.1, top_k=4)),
        ["temperature", "top_k"],
    ),
    "both kinds of sampling": (
        asked("?", sampling=Sampling(temperature=0.1, top_p=0.5)),
        ["top_p"],
    ),
    "a hot temperature": (asked("?", sampling=Sampling(temperature=1.7)), ["temperature"]),
    "top_k to the unknown": (asked("?", model="x.y", sampling=Sampling(top_k=3)), ["top_k"]),
    "no choice": (
        asked("?", tools=(FunctionTool(name="f"),), tool_choice=ToolChoice("none")),
        ["tool_choice"],
    ),
    "one call at a time": (
        asked("?", tools=(FunctionTool(name="f"),), parallel_tool_calls=False),
        ["parallel_tool_calls"],
    ),
    "a picture by address": (
        asked(user("See", Image(UrlSource("https://example.com/a.png")))),
        ["image.url"],
    ),
    "an uploaded file": (asked(user("See", Document(FileSource("f")))), ["document.file_id"]),
    "another's thinking": (
        asked("?", assistant(Thinking("Hm", ProviderState("anthropic_messages", "x")), "a"), "b"),
        ["thinking"],
    ),
    "thinking of another model": (
        asked("?", assistant(Thinking("H", ELSEWHERE), "a"), "b"),
        ["thinking"],
    ),
    "another's citation": (
        asked("?", assistant(Text("a", (Citation(url="https://example.com"),))), "b"),
        ["citations"],
    ),
    "another's block": (
        asked(user("a", OpaqueBlock("anthropic_messages", {"type": "search_result"}))),
        ["content.search_result"],
    ),
    "another's tool": (
        asked("?", tools=(ServerTool("openai_chat", "web_search", {}),)),
        ["tools.web_search"],
    ),
    "JSON without a schema": (
        asked("?", response_format=ResponseFormat("json_object")),
        ["response_format"],
    ),
    "a white stop": (asked("?", stop=("\n", "END")), ["stop"]),
    "metadata of other types": (asked("?", metadata={"n": 1, "a": "b"}), ["metadata"]),
    "an unknown tier": (asked("?", service_tier="batch"), ["service_tier"]),
    "what has no word here": (
        asked(
            "?",
            sampling=Sampling(
                frequency_penalty=1, presence_penalty=1, min_p=0.1, seed=1, logprobs=True, n=2
            ),
            user="u",
            verbosity="low",
            prompt_cache_key="k",
            extra={"store": True, "~reasoning": {}},
        ),
        [
            "frequency_penalty",
            "presence_penalty",
            "min_p",
            "seed",
            "logprobs",
            "n",
            "verbosity",
            "user",
            "prompt_cache_key",
            "store",
        ],
    ),
}


@pytest.mark.parametrize(("request_", "names"), NAMED.values(), ids=list(NAMED))
def test_what_cannot_be_said_is_named_or_refused(request_: ChatRequest, names: list[str]) -> None:
    body, told = dropped(request_)
    assert told == names
    assert_valid(json.dumps(body).encode())
    with pytest.raises(UnsupportedParameter, match=f"`{names[0]}`"):
        dialect.write_request(request_, unsupported=refuse, home=HOME)


def test_what_happens_anyway_is_not_named() -> None:
    request = asked(
        "?",
        service_tier="auto",
        parallel_tool_calls=False,
        sampling=Sampling(n=1, top_p=1.0, repetition_penalty=1, frequency_penalty=0),
        modalities=("text",),
        response_format=ResponseFormat("text"),
    )
    assert dropped(request) == (
        {
            "messages": [{"role": "user", "content": [{"text": "?"}]}],
            "inferenceConfig": {"maxTokens": 512},
        },
        [],
    )


def test_structured_output_is_a_schema_in_text() -> None:
    schema = {"type": "object", "properties": {"n": {"oneOf": [{"type": "integer"}]}}}
    format = ResponseFormat("json_schema", schema, "number", "A number.")
    body = written(asked("?", response_format=format, thinking=EFFORT))
    inner = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert json.loads(inner.pop("schema")) == {
        "type": "object",
        "properties": {"n": {"anyOf": [{"type": "integer"}]}},
        "additionalProperties": False,
    }
    assert inner == {"name": "number", "description": "A number."}
    assert body["outputConfig"]["effort"] == "high"


def test_a_conversation_with_calls_declares_their_tools_although_the_client_does_not() -> None:
    history = asked("?", assistant(ToolCall("c", "look", "{}")), result("c", "A cat"), "And?")
    schema = {"json": {"type": "object", "properties": {}}}
    tools = [{"toolSpec": {"name": "look", "inputSchema": schema}}]
    assert written(history)["toolConfig"] == {"tools": tools}


def test_a_choice_among_some_tools_leaves_the_others_out() -> None:
    tools = tuple(FunctionTool(name=name) for name in "abc")
    body = written(asked("?", tools=tools, tool_choice=ToolChoice("auto", ("a", "c"))))
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["a", "c"]
    assert body["toolConfig"]["toolChoice"] == {"auto": {}}


def test_ids_that_bedrock_refuses_are_respelled_alike_in_call_and_result() -> None:
    odd = "call/" + "x" * 80
    body = written(asked("?", assistant(ToolCall(odd, "f", "")), result(odd, "y")))
    call = body["messages"][1]["content"][0]["toolUse"]["toolUseId"]
    assert call == body["messages"][2]["content"][0]["toolResult"]["toolUseId"]
    assert call.startswith("call_")
    assert len(call) <= 64


def test_documents_are_named_as_the_api_wants_and_never_alike() -> None:
    pdf = DataSource("application/pdf", PDF)
    body = written(
        asked(
            user(
                Document(pdf, "report_2026.v1.pdf"),
                Document(pdf, "report 2026 v1.pdf"),
                Document(TextSource("words"), context="notes", cite=True),
                Document(UrlSource("s3://bucket/a/b.csv")),
            )
        )
    )
    *documents, text = body["messages"][0]["content"]
    assert [item["document"] for item in documents] == [
        {"name": "report 2026 v1 pdf", "format": "pdf", "source": {"bytes": PDF}},
        {"name": "report 2026 v1 pdf (2)", "format": "pdf", "source": {"bytes": PDF}},
        {
            "name": "document",
            "format": "txt",
            "source": {"text": "words"},
            "context": "notes",
            "citations": {"enabled": True},
        },
        {
            "name": "document (2)",
            "format": "csv",
            "source": {"s3Location": {"uri": "s3://bucket/a/b.csv"}},
        },
    ]
    assert text == {"text": "See the document."}


def test_system_text_in_mid_conversation_stays_where_it_is() -> None:
    body = written(asked("a", assistant("b"), Message("system", (Text("Be brief."),)), "c"))
    texts = [item["text"] for item in body["messages"][-1]["content"]]
    assert texts == ["<system>\nBe brief.\n</system>", "c"]


def test_thinking_goes_back_to_where_it_came_from() -> None:
    """Read from Bedrock, sent back to the same model: byte for byte; to another: left out."""
    response = dialect.read_response((ROOT / "thinking" / "response.json").read_bytes(), home=HOME)
    turn = Message("assistant", response.choices[0].content)
    sent = written(asked("?", turn, "Go on"))["messages"][1]["content"]
    raw = json.loads((ROOT / "thinking" / "response.json").read_bytes())
    assert sent == raw["output"]["message"]["content"]


# Streams.


def frames(case: str) -> bytes:
    lines = (ROOT / case / "stream.jsonl").read_text().splitlines()
    return b"".join(frame(*json.loads(line)) for line in lines)


def frame(kind: str, name: str, payload: Any) -> bytes:
    if kind == "error":
        return write_event(
            {":message-type": kind, ":error-code": name, ":error-message": payload}, b""
        )
    headers = {
        f":{kind}-type": name,
        ":content-type": "application/json",
        ":message-type": kind,
    }
    return write_event(headers, json.dumps(payload, ensure_ascii=False).encode())


def events(pieces: list[bytes]) -> list[Event]:
    reader = dialect.stream_reader(home=HOME)
    told = [event for piece in pieces for event in reader.feed(piece)]
    return [*told, *reader.close()]


CASES = sorted(path.parent.name for path in ROOT.glob("*/stream.jsonl"))
ANSWERS = [case for case in CASES if (ROOT / case / "response.json").exists()]


@pytest.mark.parametrize("case", ANSWERS)
def test_the_whole_answer_and_the_streamed_one_are_the_same(case: str) -> None:
    whole = dialect.read_response((ROOT / case / "response.json").read_bytes(), home=HOME)
    streamed = collect(events([frames(case)]))
    assert [spaced(block) for block in streamed.choices[0].content] == [
        spaced(block) for block in whole.choices[0].content
    ]
    assert (streamed.choices[0].stop, streamed.usage) == (whole.choices[0].stop, whole.usage)


def spaced(block: Any) -> Any:
    if isinstance(block, ToolCall):
        return (block.id, block.name, json.loads(block.arguments or "{}"))
    return block


@pytest.mark.parametrize("case", CASES)
def test_a_stream_fed_byte_by_byte_gives_the_same_events(case: str) -> None:
    stream = frames(case)
    assert plain(events([stream[i : i + 1] for i in range(len(stream))])) == plain(events([stream]))


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_stream_split_at_random_gives_the_same_events(case: str, data: st.DataObject) -> None:
    stream = frames(case)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in itertools.pairwise([0, *cuts, len(stream)])]
    assert plain(events(pieces)) == plain(events([stream]))


def plain(told: list[Event]) -> list[Any]:
    return [
        (type(event.error), event.error.message) if isinstance(event, StreamError) else event
        for event in told
    ]


def test_usage_has_disjoint_parts() -> None:
    assert collect(events([frames("thinking")])).usage == Usage(
        input_tokens=58,
        cache_read_tokens=2048,
        cache_write_tokens=312,
        cache_write_1h_tokens=200,
        output_tokens=310,
        service_tier="priority",
        reported_total=2928,
    )


BROKEN: dict[str, tuple[type[Exception], str]] = {
    "cut_stream": (UpstreamProtocol, "ended before the answer was complete"),
    "error_in_stream": (UpstreamRateLimited, "Too many requests"),
    "error_first_in_stream": (UpstreamFailed, "unexpected error during processing"),
    "error_without_payload": (UpstreamFailed, "internal server error"),
}


@pytest.mark.parametrize(("case", "expected"), BROKEN.items(), ids=list(BROKEN))
def test_a_broken_stream_ends_in_its_error(
    case: str, expected: tuple[type[Exception], str]
) -> None:
    last = events([frames(case)])[-1]
    assert isinstance(last, StreamError)
    assert type(last.error) is expected[0]
    assert expected[1] in last.error.message


def test_a_stream_without_usage_is_still_complete() -> None:
    lines = (ROOT / "text" / "stream.jsonl").read_text().splitlines()[:-1]
    told = events([frame(*json.loads(line)) for line in lines])
    assert isinstance(told[-1], StreamEnd)


def test_an_event_not_known_yet_passes() -> None:
    lines = (ROOT / "text" / "stream.jsonl").read_text().splitlines()
    pieces = [frame(*json.loads(line)) for line in lines]
    pieces.insert(1, frame("event", "newThing", {"x": 1}))
    assert collect(events(pieces)) == collect(events([frames("text")]))


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_events_left_out_doubled_and_moved_end_once(case: str, data: st.DataObject) -> None:
    lines = (ROOT / case / "stream.jsonl").read_text().splitlines()
    picked = data.draw(st.lists(st.sampled_from(lines), max_size=len(lines) + 3))
    told = events([frame(*json.loads(line)) for line in picked])
    ends = [event for event in told if isinstance(event, StreamEnd | StreamError)]
    assert ends == [told[-1]]


def test_a_page_of_a_proxy_is_told_as_what_it_is() -> None:
    page = HttpHead(502, {b"content-type": b"text/html"})
    told = dialect.read_error(page, b"<html>secret words</html>")
    assert told.message == "The provider answered 502 with text/html instead of a JSON error."
    typed = HttpHead(400, {b"x-amzn-errortype": b"ThrottlingException:http://x"})
    assert isinstance(dialect.read_error(typed, b"no json"), UpstreamRateLimited)
