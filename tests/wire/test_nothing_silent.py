"""Whatever a canonical field says, a writer writes it or names it.

Made from the Structs: each optional field of a request or an answer is set, alone, to something
that is not what happens anyway; then either the bytes differ, or a name is among the dropped.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import pytest
from msgspec import inspect

from portico.types import chat
from portico.types.chat import (
    Audio,
    Block,
    CacheMarker,
    ChatRequest,
    ChatResponse,
    Choice,
    Citation,
    CustomTool,
    DataSource,
    Document,
    FunctionTool,
    Home,
    Image,
    Message,
    OpaqueBlock,
    ProviderState,
    RedactedThinking,
    Refusal,
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
    Video,
)
from portico.types.usage import Usage
from portico.wire.assemble import replay
from portico.wire.base import Dropped, ReplyContext
from portico.wire.table import CLIENT_DIALECTS, PROVIDER_DIALECTS

HOME: Final = Home("p", "m")
ELSEWHERE: Final = ProviderState("some_dialect", "c2lnbmF0dXJl", HOME)
PICTURE: Final = DataSource("image/png", "iVBORw0KGgo=")
SCHEMA: Final = {"type": "object", "properties": {"a": {"type": "string"}}}
SAID: Final = Text("said")

TOLD: Final[dict[str, Any]] = {
    "cache": CacheMarker(),
    "ttl": "1h",
    "citations": (Citation(url="https://a.example/", title="A", start_index=0, end_index=4),),
    "state": ELSEWHERE,
    "detail": "low",
    "kind": "custom",
    "is_error": True,
    "cite": True,
    "schema": SCHEMA,
    "tool_choice": ToolChoice("none"),
    "parallel_tool_calls": False,
    "response_format": ResponseFormat("json_schema", SCHEMA, "r"),
    "thinking": ThinkingConfig(effort="high"),
    "modalities": ("text", "audio"),
    "service_tier": "priority",
    "metadata": {"a": "b"},
    "extra": {"odd": 1},
    "sampling": Sampling(temperature=0.5),
    "logit_bias": {"1": 2.0},
    "n": 2,
    "top_k": 3,
    "stop": ("halt",),
    "names": ("f",),
    "mode": "enabled",
    "effort": "max",
    "budget_tokens": 60_000,
    "summary": "detailed",
    "format": {"type": "grammar", "syntax": "lark", "definition": "x"},
    "tools": (FunctionTool(name="g", schema=SCHEMA),),
    "stream": True,
    "Choice.logprobs": {"content": [{"token": "a", "logprob": -0.5, "top_logprobs": []}]},
    "FunctionTool.schema": {"type": "object", "properties": {"b": {"type": "number"}}},
    "ResponseFormat.schema": {"type": "object", "properties": {"b": {"type": "number"}}},
}
"""What a field is set to, by its name, where its type does not say enough."""
OF_NO_EFFECT: Final = {
    "ChatRequest.include_usage": "the gateway always asks; the client's wish is for the answer",
    "ResponseFormat.name": "a label",
    "ResponseFormat.strict": "dialects without it always are",
    "ThinkingConfig.mode": "budget or effort say it",
    "ToolResult.kind": "follows the call's",
    "ToolResult.name": "how a dialect finds the call; others have the id",
    "Thinking.id": "of an item in the dialect it came from",
    "RedactedThinking.id": "of an item in the dialect it came from",
    "Audio.id": "of the provider it came from, where the sound is here",
    "Audio.expires_at": "of the provider it came from",
}
STAYS_BEHIND: Final = {
    "Text.state": "only where it came from",
    "Image.state": "only where it came from",
    "ToolCall.state": "only where it came from",
    "Thinking.state": "only where it came from",
    "Text.citations": "decorates an earlier answer",
    "Audio.transcript": "the sound says it",
}
"""Of requests; what comes back to a client is written or named."""
ASKED_ONLY: Final = {"cache", "detail"}
"""Fields that answers never have."""
SAID_ELSEWHERE: Final = {
    ("ChatRequest.stream", "gemini_generate"),
    ("ChatRequest.stream", "bedrock_converse"),
    ("ChatRequest.stream", "bedrock_invoke"),
    ("ChatRequest.stream", "watsonx_chat"),
}
"""In the address."""


Case = tuple[str, Any, Any, Any]
"""A name, what has the field, what has it not, and what has not even the thing it is a field of."""


def settings(thing: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    """The thing again and again, each time with another optional field set."""
    kind = inspect.type_info(type(thing))
    assert isinstance(kind, inspect.StructType)
    for field in kind.fields:
        name = f"{type(thing).__name__}.{field.name}"
        if field.required or name in OF_NO_EFFECT:
            continue
        if name in TOLD or field.name in TOLD:
            value = TOLD[name if name in TOLD else field.name]
        else:
            value = told(field)
        yield name, msgspec.structs.replace(thing, **{field.name: value})


def told(field: inspect.Field) -> Any:
    kinds = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
    for kind in kinds:
        match kind:
            case inspect.StrType():
                return "told"
            case inspect.IntType():
                return 7
            case inspect.FloatType():
                return 0.7
            case inspect.BoolType():
                return True
    raise AssertionError(f"say in TOLD what {field.name} may be told")


BLOCKS: Final[tuple[Block, ...]] = (
    Text("said"),
    Image(PICTURE),
    Audio(DataSource("audio/wav", "UklGRg==")),
    Video(DataSource("video/mp4", "AAAA")),
    Document(DataSource("application/pdf", "JVBERi0=")),
    Document(TextSource("text")),
    OpaqueBlock("some_dialect", {"type": "odd"}),
)
ANSWERED: Final[tuple[Block, ...]] = (
    Text("said"),
    Image(PICTURE),
    Audio(DataSource("audio/wav", "UklGRg==")),
    ToolCall("c1", "f", '{"a":"b"}'),
    Thinking("hm"),
    RedactedThinking(ELSEWHERE),
    Refusal("no"),
    OpaqueBlock("some_dialect", {"type": "odd"}),
)
TOOLS: Final = (
    FunctionTool(name="f", schema=SCHEMA),
    CustomTool(name="f"),
    ServerTool("some_dialect", "f", {"type": "odd"}),
)


def asking(*messages: Message, **fields: Any) -> ChatRequest:
    fields.setdefault("tools", (*TOOLS[:1], FunctionTool(name="h", schema=SCHEMA)))
    return ChatRequest(dialect="test", model="m", messages=messages, **fields)


def requests() -> Iterator[Case]:
    plain, rest = asking(Message("user", (SAID,))), (Message("user", (SAID,)),)
    for name, one in settings(plain):
        yield name, one, plain, None
    for part, field in (
        (Sampling(temperature=0.2), "sampling"),
        (Sampling(logprobs=True), "sampling"),
        (ThinkingConfig(mode="enabled"), "thinking"),
        (ResponseFormat("json_schema", SCHEMA), "response_format"),
        (ToolChoice("required"), "tool_choice"),
    ):
        before = msgspec.structs.replace(plain, **{field: part})
        for name, one in settings(part):
            if one == part or (name == "Sampling.top_logprobs" and not part.logprobs):
                continue
            yield name, msgspec.structs.replace(plain, **{field: one}), before, plain
    bare = asking(*rest, tools=())
    for tool in TOOLS:
        before = asking(*rest, tools=(tool,))
        yield type(tool).__name__, before, bare, None
        for name, one in settings(tool):
            yield name, asking(*rest, tools=(one,)), before, bare
    for role in ("system", "user", "assistant"):
        message = Message(role, (SAID,))  # type: ignore[arg-type]
        yield f"Message of the {role}", asking(message, *rest), plain, None
        for name, one in settings(message):
            yield f"{name} of the {role}", asking(one, *rest), asking(message, *rest), plain
    for block in BLOCKS:
        yield from among(block, "user", ())
    for block in ANSWERED:
        if not isinstance(block, ToolCall):
            yield from among(block, "assistant", rest)
    called, result = ToolCall("c1", "f", '{"a":"b"}'), ToolResult("c1", (SAID,))
    before = asking(*rest, *calling(called, result))
    for name, one in settings(called):
        yield name, asking(*rest, *calling(one, result)), before, plain
    for name, one in settings(result):
        yield name, asking(*rest, *calling(called, one)), before, plain
    for block in BLOCKS[1:]:
        shown = msgspec.structs.replace(result, content=(SAID, block))
        name = f"ToolResult.content of {type(block).__name__}"
        yield name, asking(*rest, *calling(called, shown)), before, None


def calling(call: ToolCall, result: ToolResult) -> tuple[Message, Message]:
    return Message("assistant", (call,)), Message("user", (result,))


def among(block: Block, role: Any, rest: tuple[Message, ...]) -> Iterator[Case]:
    def having(*content: Block) -> ChatRequest:
        return asking(Message(role, (SAID, *content)), *rest)

    yield f"{type(block).__name__} of the {role}", having(block), having(), None
    for name, one in settings(block):
        yield f"{name} of the {role}", having(one), having(block), having()


REQUESTS: Final = list(requests())


PART_OF: Final = {"tool_choice": "tools", "parallel_tool_calls": "tools"}
"""What goes without saying once another is named."""
Written = tuple[bytes, list[str]]


def is_told(write: Callable[[Any], Written], case: Case) -> bool:
    """Is the field written or named, or named with the thing that it belongs to?"""
    name, having, lacking, bare = case
    before, after = write(lacking), write(having)
    if before != after:
        return True
    if bare is not None and before[0] == write(bare)[0] and before[1]:
        return True
    thing, _, field = name.partition(" ")[0].partition(".")
    tag = getattr(inspect.type_info(getattr(chat, thing)), "tag", None)
    words = {field, PART_OF.get(field), tag}
    return not words.isdisjoint(one.rpartition(".")[2] for one in after[1])


@pytest.mark.parametrize("dialect", PROVIDER_DIALECTS)
@pytest.mark.parametrize("case", REQUESTS, ids=[one[0] for one in REQUESTS])
def test_a_request_loses_nothing_in_silence(case: Case, dialect: str) -> None:
    name = case[0]
    if (name, dialect) in SAID_ELSEWHERE or name.partition(" ")[0] in STAYS_BEHIND:
        return

    def write(request: ChatRequest) -> Written:
        dropped = Dropped()
        writer = PROVIDER_DIALECTS[dialect]
        return writer.write_request(request, unsupported=dropped, home=HOME), dropped.names

    assert is_told(write, case)


def answers() -> Iterator[Case]:
    def answer(*content: Block, **fields: Any) -> ChatResponse:
        choice = Choice(content=(SAID, *content), stop="end")
        return ChatResponse(dialect="test", id="a", model="m", choices=(choice,), **fields)

    plain = answer()
    for name, choice in settings(plain.choices[0]):
        yield name, msgspec.structs.replace(plain, choices=(choice,)), plain, None
    yield "ChatResponse.usage", answer(usage=Usage(input_tokens=5, output_tokens=5)), plain, None
    for block in ANSWERED:
        yield type(block).__name__, answer(block), plain, None
        for name, one in settings(block):
            if name.partition(".")[2] not in ASKED_ONLY:
                yield name, answer(one), answer(block), plain


TOLD_BY_NOBODY: Final = {
    "Choice.index",
    "Choice.native_stop",
    "Choice.extra",
    "Choice.stop_sequence",
}
"""Of the provider's dialect alone, or said by `stop` too."""
ANSWERS: Final = [one for one in answers() if one[0] not in TOLD_BY_NOBODY]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", CLIENT_DIALECTS)
@pytest.mark.parametrize("case", ANSWERS, ids=[one[0] for one in ANSWERS])
def test_an_answer_loses_nothing_in_silence(case: Case, dialect: str, streamed: bool) -> None:
    asked = asking(Message("user", (SAID,)), include_usage=True)
    context = ReplyContext(request=asked, id="a", now=0)

    def write(answer: ChatResponse) -> Written:
        dropped = Dropped()
        client = CLIENT_DIALECTS[dialect]
        if not streamed:
            whole = client.write_response(answer, context=context, unsupported=dropped)
            return whole, dropped.names
        writer = client.stream_writer(context=context, unsupported=dropped)
        return b"".join([writer.write(event) for event in replay(answer)]), dropped.names

    assert is_told(write, case)
