"""Laws for any answer: whole ≡ streamed, re-chunked ≡ unchunked, interleaved ≡ in turn."""

import itertools
import json
from operator import itemgetter
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portico.types.chat import (
    Block,
    ChatRequest,
    ChatResponse,
    Choice,
    Home,
    ProviderState,
    StopReason,
    Text,
    Thinking,
    ToolCall,
)
from portico.types.chat_stream import (
    ArgumentsDelta,
    BlockStart,
    BlockStop,
    Event,
    Finish,
    SignatureDelta,
    StreamEnd,
    StreamStart,
    TextDelta,
    ThinkingDelta,
    UsageUpdate,
)
from portico.types.usage import Usage
from portico.wire.assemble import collect
from portico.wire.base import Dropped, ReplyContext
from portico.wire.table import CLIENT_DIALECTS, PROVIDER_DIALECTS
from tests.wire.conversations import Essence, essence

BOTH = sorted(CLIENT_DIALECTS.keys() & PROVIDER_DIALECTS.keys())
PAIRS = [(first, second) for first in BOTH for second in BOTH]
laws = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words
arguments = st.dictionaries(words, values | st.lists(values, max_size=2), max_size=3).map(
    json.dumps
)
signatures = st.builds(
    ProviderState,
    st.just("anthropic_messages"),
    st.text("abcXYZ0189+/=", min_size=4, max_size=20),
    st.just(Home("claude", "claude-x")),
)


@st.composite
def answers(draw: st.DrawFn) -> ChatResponse:
    """Thinking, then text, then calls, each optional: the order that all dialects have."""
    content: list[Block] = []
    if draw(st.booleans()):
        content.append(Thinking(draw(words), draw(signatures)))
    if draw(st.booleans()):
        content.append(Text(draw(words)))
    names = st.sampled_from(["get_weather", "run", "x_1"])
    for i in range(draw(st.integers(0, 3))):
        content.append(ToolCall(f"call_{i}", draw(names), draw(arguments)))
    has_calls = any(isinstance(block, ToolCall) for block in content)
    stop: StopReason = "tool_calls" if has_calls else draw(st.sampled_from(["end", "max_tokens"]))
    counts = st.integers(0, 10**6)
    usage = Usage(
        input_tokens=draw(counts), cache_read_tokens=draw(counts), output_tokens=draw(counts)
    )
    choice = Choice(content=tuple(content), stop=stop)
    return ChatResponse(
        dialect="test", id="a", model="m", choices=(choice,), usage=usage, created=1
    )


def fit(answer: ChatResponse, *names: str) -> ChatResponse:
    """The answer without what one of the dialects has no place for: signatures, cached tokens."""
    if "ollama_chat" not in names or answer.usage is None:
        return answer
    (choice,) = answer.choices
    content = tuple(
        Thinking(block.text) if isinstance(block, Thinking) else block for block in choice.content
    )
    usage = msgspec.structs.replace(answer.usage, cache_read_tokens=0)
    choices = (msgspec.structs.replace(choice, content=content),)
    return msgspec.structs.replace(answer, choices=choices, usage=usage)


@st.composite
def told(draw: st.DrawFn, answer: ChatResponse) -> list[Event]:
    """The answer as some provider might stream it: any pieces, calls interleaved in any way."""
    events: list[Event] = [StreamStart(dialect="test", id="a", model="m", created=1)]
    queues = [draw(block_events(i, b)) for i, b in enumerate(answer.choices[0].content)]
    waiting, running = list(queues), []
    while waiting or running:
        may_start = bool(waiting) and all(isinstance(q[0], ArgumentsDelta) for q in running)
        if may_start and (not running or draw(st.booleans())):
            queue = waiting.pop(0)
            events.append(queue.pop(0))
            running.append(queue)
            continue
        queue = draw(st.sampled_from(running))
        events.append(queue.pop(0))
        if not queue:
            running.remove(queue)
    choice = answer.choices[0]
    assert answer.usage is not None
    end: list[Event] = [Finish(stop=choice.stop), UsageUpdate(answer.usage)]
    return [*events, *draw(st.permutations(end)), StreamEnd()]


@st.composite
def block_events(draw: st.DrawFn, index: int, block: Any) -> list[Event]:
    delta: Any
    match block:
        case Text(whole):
            start, delta = BlockStart(index, Text("")), TextDelta
        case Thinking(whole):
            start, delta = BlockStart(index, Thinking("")), ThinkingDelta
        case ToolCall(id, name, whole):
            start, delta = BlockStart(index, ToolCall(id, name, "")), ArgumentsDelta
        case _:
            raise AssertionError(block)
    cuts = sorted({0, len(whole), *draw(st.lists(st.integers(0, len(whole)), max_size=4))})
    pieces = [whole[a:b] for a, b in itertools.pairwise(cuts)]
    events: list[Event] = [start, *(delta(index, piece) for piece in pieces)]
    if isinstance(block, Thinking) and block.state is not None:
        events.append(SignatureDelta(index, block.state))
    return [*events, BlockStop(index)]


def unordered(answer: ChatResponse) -> Essence:
    """Dialects that give a call in one piece give interleaved ones as they are completed."""
    meant = essence(answer)
    return msgspec.structs.replace(meant, calls=tuple(sorted(meant.calls, key=itemgetter(0))))


def context() -> ReplyContext:
    request = ChatRequest(dialect="test", model="m", messages=(), include_usage=True, stream=True)
    return ReplyContext(request=request, id="a", now=1)


def written(name: str, events: list[Event]) -> bytes:
    writer = CLIENT_DIALECTS[name].stream_writer(context=context(), unsupported=Dropped())
    return b"".join(writer.write(event) for event in events)


def chunked(draw: Any, stream: bytes) -> list[bytes]:
    cuts = sorted({0, len(stream), *draw(st.lists(st.integers(0, len(stream)), max_size=8))})
    return [stream[a:b] for a, b in itertools.pairwise(cuts)]


def read(name: str, pieces: list[bytes]) -> list[Event]:
    reader = PROVIDER_DIALECTS[name].stream_reader()
    return [*(event for piece in pieces for event in reader.feed(piece)), *reader.close()]


@pytest.mark.parametrize("name", BOTH)
@laws
@given(data=st.data())
def test_whole_is_streamed_however_it_is_cut(name: str, data: st.DataObject) -> None:
    answer = fit(data.draw(answers()), name)
    events = data.draw(told(answer))
    assert essence(collect(events)) == essence(answer)
    streamed = collect(read(name, chunked(data.draw, written(name, events))))
    body = CLIENT_DIALECTS[name].write_response(answer, context=context(), unsupported=Dropped())
    whole = PROVIDER_DIALECTS[name].read_response(body)
    assert essence(whole) == essence(answer)
    assert unordered(streamed) == unordered(answer)


@pytest.mark.parametrize(("first", "second"), PAIRS)
@laws
@given(data=st.data())
def test_there_and_back_is_the_same(first: str, second: str, data: st.DataObject) -> None:
    """Through two dialects in a row, streamed: nothing both can say is lost."""
    answer = fit(data.draw(answers()), first, second)
    stream = written(first, data.draw(told(answer)))
    stream = written(second, read(first, chunked(data.draw, stream)))
    back = collect(read(first, [written(first, read(second, chunked(data.draw, stream)))]))
    assert unordered(back) == unordered(answer)
    assert signed(back) == signed(answer)


_PLAIN = ("cohere_chat", "openai_chat")


def signed(answer: ChatResponse) -> list[str]:
    """What says only whose plain words they were, Chat's and Cohere's, is no signature."""
    blocks = (block for block in answer.choices[0].content if isinstance(block, Thinking))
    states = (block.state for block in blocks if block.state is not None)
    return [state.data for state in states if state.dialect not in _PLAIN]
