"""Ollama's completions, as a client's shape of a chat of one turn."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given

from portico.errors import InvalidRequest, UpstreamUnavailable
from portico.types.chat import (
    ChatRequest,
    ChatResponse,
    Choice,
    DataSource,
    Image,
    Message,
    ResponseFormat,
    Sampling,
    Text,
    Thinking,
    ThinkingConfig,
    ToolCall,
)
from portico.types.chat_stream import (
    BlockStart,
    BlockStop,
    Event,
    Finish,
    LogprobsDelta,
    StreamEnd,
    StreamError,
    StreamStart,
    TextDelta,
    ThinkingDelta,
    UsageUpdate,
)
from portico.types.usage import Usage
from portico.wire.base import Dropped, ReplyContext, refuse
from portico.wire.ollama_chat import dialect, generate, loading
from portico.wire.openai_chat import dialect as openai_chat
from portico.wire.table import PROVIDER_DIALECTS
from tests.wire.test_fuzz import fuzz, mutated

NOW = 1_795_420_000
MOMENT = "2026-11-23T07:46:40Z"


def read(**fields: Any) -> ChatRequest:
    return generate.read_request(json.dumps({"model": "m", **fields}).encode())


def context(*ticks: int) -> ReplyContext:
    """With a clock that reads one tick after the other."""
    clock = iter(ticks)
    elapsed = (lambda: next(clock)) if ticks else None
    return ReplyContext(request=read(prompt="Hi"), id="call-1", now=NOW, elapsed_ns=elapsed)


def test_a_prompt_is_a_chat_of_one_turn() -> None:
    asked = read(
        prompt="What is it?",
        system="Be brief.",
        images=["iVBORw0"],
        think="high",
        format={"type": "object"},
        options={"temperature": 0, "num_predict": 9, "stop": ["x"], "num_ctx": 4096},
        logprobs=True,
        keep_alive="5m",
    )
    assert asked == ChatRequest(
        dialect="ollama_generate",
        model="m",
        messages=(
            Message("system", (Text("Be brief."),)),
            Message("user", (Image(DataSource("image/png", "iVBORw0")), Text("What is it?"))),
        ),
        max_tokens=9,
        stop=("x",),
        sampling=Sampling(temperature=0, logprobs=True),
        response_format=ResponseFormat("json_schema", {"type": "object"}),
        thinking=ThinkingConfig(effort="high"),
        stream=True,
        include_usage=True,
        extra={"options.num_ctx": 4096, "keep_alive": "5m"},
    )


def test_what_a_chat_cannot_say_is_named_if_it_is_meant() -> None:
    meant = read(prompt="a", raw=True, suffix="b", template="c", context=[1], stream=False)
    empty = read(prompt="a", raw=False, suffix="", template="", context=[], stream=False)
    dropped = Dropped()
    openai_chat.write_request(meant, unsupported=dropped)
    assert dropped.names == ["raw", "suffix", "template", "context"]
    openai_chat.write_request(empty, unsupported=refuse)


@pytest.mark.parametrize("body", [{}, {"prompt": ""}, {"prompt": "", "system": "Be brief."}])
def test_without_a_prompt_the_model_is_to_be_loaded(body: dict[str, Any]) -> None:
    assert loading.is_one(read(**body))
    assert json.loads(loading.write_loaded(read(**body), NOW)) == {
        "model": "m",
        "created_at": MOMENT,
        "response": "",
        "done": True,
        "done_reason": "load",
    }


def test_a_chat_without_messages_unloads_what_is_not_kept_alive() -> None:
    asked = dialect.read_request(b'{"model":"m","messages":[],"keep_alive":0}')
    assert loading.is_one(asked)
    assert json.loads(loading.write_loaded(asked, NOW)) == {
        "model": "m",
        "created_at": MOMENT,
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "unload",
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": 5}, "prompt"),
        ({"images": "x"}, "images"),
        ({"system": []}, "system"),
        ({"prompt": "a", "options": {"stop": 5}}, "options.stop"),
        ({"prompt": "a", "think": "a lot"}, "think"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param == param


SAMPLE = {
    "model": "m",
    "prompt": "a",
    "system": "b",
    "images": ["c"],
    "options": {"temperature": 0, "stop": ["x"], "num_predict": -1},
    "format": {"type": "object"},
    "think": True,
    "suffix": "d",
}


@fuzz
@given(mutated(SAMPLE))
def test_any_request_is_read_or_refused(body: Any) -> None:
    try:
        asked = generate.read_request(json.dumps(body).encode())
    except InvalidRequest:
        return
    for provider in PROVIDER_DIALECTS.values():
        provider.write_request(asked, unsupported=Dropped())


def answer(*content: Text | Thinking | ToolCall) -> ChatResponse:
    return ChatResponse(
        dialect="openai_chat",
        id="1",
        model="up",
        choices=(Choice(content=content, stop="max_tokens"),),
        usage=Usage(input_tokens=7, output_tokens=3),
        created=NOW,
    )


def test_the_answer_stands_beside_no_message() -> None:
    dropped = Dropped()
    written = generate.write_response(
        answer(Thinking("hm"), Text("Hello"), ToolCall("1", "f", "{}")),
        context=context(5_000),
        unsupported=dropped,
    )
    assert json.loads(written) == {
        "model": "up",
        "created_at": MOMENT,
        "response": "Hello",
        "thinking": "hm",
        "done": True,
        "done_reason": "length",
        "total_duration": 5_000,
        "load_duration": 0,
        "eval_duration": 5_000,
        "prompt_eval_count": 7,
        "eval_count": 3,
    }
    assert dropped.names == ["message.tool_calls"]


@pytest.mark.parametrize("created", [10**20, -(10**20)])
def test_a_time_that_no_calendar_has_breaks_nothing(created: int) -> None:
    odd = msgspec.structs.replace(answer(Text("Hi")), created=created)
    written = generate.write_response(odd, context=context(), unsupported=Dropped())
    assert json.loads(written)["created_at"] == "1970-01-01T00:00:00Z"


def streamed(*events: Event, ticks: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    writer = generate.stream_writer(context=context(*ticks), unsupported=Dropped())
    start = StreamStart(dialect="openai_chat", id="1", model="up", created=NOW)
    out = b"".join([writer.write(event) for event in (start, *events)]) + writer.close()
    return [json.loads(line) for line in out.splitlines()]


def test_a_stream_says_when_the_first_word_came() -> None:
    head = {"model": "up", "created_at": MOMENT}
    assert streamed(
        BlockStart(0, Thinking("")),
        ThinkingDelta(0, "hm"),
        BlockStop(0),
        BlockStart(1, Text("")),
        TextDelta(1, "Hel"),
        TextDelta(1, "lo"),
        BlockStop(1),
        LogprobsDelta({"content": [{"token": "lo", "logprob": -1}]}),
        Finish(stop="end"),
        UsageUpdate(Usage(input_tokens=7, output_tokens=3)),
        StreamEnd(),
        ticks=(400, 1_000),
    ) == [
        {**head, "response": "", "thinking": "hm", "done": False},
        {**head, "response": "Hel", "done": False},
        {**head, "response": "lo", "done": False},
        {**head, "response": "", "logprobs": [{"token": "lo", "logprob": -1}], "done": False},
        {
            **head,
            "response": "",
            "done": True,
            "done_reason": "stop",
            "total_duration": 1_000,
            "load_duration": 0,
            "prompt_eval_duration": 400,
            "eval_duration": 600,
            "prompt_eval_count": 7,
            "eval_count": 3,
        },
    ]


def test_a_broken_stream_ends_in_an_error_line() -> None:
    told = streamed(
        BlockStart(0, Text("")), TextDelta(0, "Hel"), StreamError(UpstreamUnavailable("busy"))
    )
    assert told[-1] == {"error": "busy"}
    assert not any(line.get("done") for line in told)
