"""Every ordered pair of dialects over every shared conversation, whole and streamed.

A provider-only dialect joins by a simulated provider in `tests/wire/simulated.py`: what reads its
requests and writes its answers. What a dialect cannot carry at all is listed in `CANNOT`.
"""

import importlib
import importlib.util
import json
from typing import Any

import msgspec
import pytest

from portico.errors import (
    AuthenticationFailed,
    GatewayError,
    InternalError,
    InvalidRequest,
    ModelNotFound,
    PayloadTooLarge,
    RateLimited,
    UpstreamProtocol,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from portico.types.chat import (
    Block,
    ChatRequest,
    ChatResponse,
    DataSource,
    Home,
    Message,
    Text,
    ToolCall,
    ToolResult,
)
from portico.types.chat_stream import (
    BlockStart,
    Event,
    StreamEnd,
    StreamError,
    StreamStart,
    TextDelta,
)
from portico.wire.assemble import collect, replay
from portico.wire.base import Dropped, ReplyContext, refuse
from portico.wire.call_ids import with_results_in_order
from portico.wire.media import EVERY_KIND, urls_of, with_data
from portico.wire.table import CLIENT_DIALECTS, PROVIDER_DIALECTS
from tests.wire.conversations import (
    CONVERSATIONS,
    Conversation,
    essence,
    parsed,
    plain_needs,
    turns,
)

CANNOT: dict[str, frozenset[str]] = {
    "cohere_chat": frozenset({"documents", "image_results"}),
    "ollama_chat": frozenset(
        {"cached_usage", "citations", "documents", "image_urls", "signatures"}
    ),
    "replicate": frozenset(
        {
            "cached_usage",
            "citations",
            "commas_in_stops",
            "documents",
            "images",
            "json_schema",
            "stop_reasons",
            "text_parts",
            "thinking",
            "tools",
        }
    ),
}
"""What a dialect has no place for, in the words of `Conversation.needs`."""

FETCHED = frozenset({"bedrock_converse", "bedrock_invoke", "ollama_chat"})
"""Providers' dialects that are told pictures by URL as data, which somebody has to fetch."""
FILE = DataSource("image/png", "iVBORw0KGgo=")

_simulated = importlib.util.find_spec("tests.wire.simulated")
SIMULATED: dict[str, Any] = (
    {} if _simulated is None else importlib.import_module("tests.wire.simulated").SIMULATED
)

CLIENTS = sorted(CLIENT_DIALECTS)
PROVIDERS = sorted(PROVIDER_DIALECTS)
PAIRS = [(client, provider) for client in CLIENTS for provider in PROVIDERS]
HOME = Home("up", "some-model")


def simulated(provider: str) -> Any:
    """The other end of a provider dialect: the dialect itself, if it has both sides."""
    return SIMULATED.get(provider) or CLIENT_DIALECTS[provider]


def can(name: str, conversation: Conversation) -> bool:
    return not needs(conversation) & CANNOT.get(name, frozenset())


def can_be_told(provider: str, conversation: Conversation) -> bool:
    needed = needs(conversation)
    if provider in FETCHED:
        needed -= {"image_urls"}
    return not needed & CANNOT.get(provider, frozenset())


def as_fetched(provider: str, request: ChatRequest) -> ChatRequest:
    """The request as the engine has it written for a provider that takes no URLs."""
    if provider not in FETCHED:
        return request
    return with_data(request, dict.fromkeys(urls_of(request, EVERY_KIND), FILE))


def needs(conversation: Conversation) -> frozenset[str]:
    return conversation.needs | plain_needs(conversation)


def context(request: ChatRequest) -> ReplyContext:
    return ReplyContext(request=request, id="call-1", now=1_795_000_000)


def asked_in(client: str, request: ChatRequest) -> ChatRequest:
    """The request as it arrives from a client that speaks `client`."""
    speaker: Any = PROVIDER_DIALECTS[client]
    body = speaker.write_request(request, unsupported=Dropped())
    gemini = client == "gemini_generate"
    extra = {"model": request.model, "stream": request.stream} if gemini else {}
    return CLIENT_DIALECTS[client].read_request(body, **extra)


@pytest.mark.parametrize(("client", "provider"), PAIRS)
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_the_provider_is_told_what_the_client_said(client: str, provider: str, name: str) -> None:
    conversation = CONVERSATIONS[name]
    if not (can(client, conversation) and can_be_told(provider, conversation)):
        pytest.skip(f"{client} or {provider} has no {', '.join(sorted(needs(conversation)))}")
    asked = as_fetched(provider, asked_in(client, conversation.request))
    dropped = Dropped()
    body = PROVIDER_DIALECTS[provider].write_request(asked, unsupported=dropped, home=HOME)
    told = simulated(provider).read_request(body)
    expected = as_fetched(provider, conversation.request)
    if "ollama_chat" in (client, provider):  # which knows the results of a turn by their order
        ordered = with_results_in_order(expected.messages)
        expected = msgspec.structs.replace(expected, messages=ordered)
    assert turns(told) == turns(expected)
    choice = conversation.request.tool_choice
    tools = [tool.name for tool in told.tools]
    if choice is None or tools != list(choice.names):  # a choice may be said by sending no others
        assert tools == [tool.name for tool in conversation.request.tools]
    assert told.max_tokens == conversation.request.max_tokens
    if "openai_responses" not in (client, provider):  # which has no stop sequences
        assert told.stop == conversation.request.stop
    if told.tool_choice is not None and choice is not None:
        assert told.tool_choice == choice


@pytest.mark.parametrize(("client", "provider"), PAIRS)
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_the_client_is_told_what_the_provider_said(client: str, provider: str, name: str) -> None:
    conversation = CONVERSATIONS[name]
    if not (can(client, conversation) and can(provider, conversation)):
        pytest.skip(f"{client} or {provider} has no {', '.join(sorted(needs(conversation)))}")
    asked = asked_in(client, conversation.request)
    whole = told_whole(client, provider, asked, conversation.answer)
    streamed = told_streamed(client, provider, asked, conversation.answer)
    assert essence(whole) == essence(conversation.answer)
    assert essence(streamed) == essence(conversation.answer)


def told_whole(
    client: str, provider: str, asked: ChatRequest, answer: ChatResponse
) -> ChatResponse:
    body = simulated(provider).write_response(answer, context=context(asked), unsupported=refuse)
    read = PROVIDER_DIALECTS[provider].read_response(body, home=HOME)
    told = CLIENT_DIALECTS[client].write_response(
        read, context=context(asked), unsupported=Dropped()
    )
    speaker: Any = PROVIDER_DIALECTS[client]
    response: ChatResponse = speaker.read_response(told)
    return response


def told_streamed(
    client: str, provider: str, asked: ChatRequest, answer: ChatResponse
) -> ChatResponse:
    return collect(streamed(client, provider, asked, list(replay(answer))))


def streamed(client: str, provider: str, asked: ChatRequest, events: list[Event]) -> list[Event]:
    """From a simulated provider's stream to what a client makes of ours, piece by piece."""
    from_provider = simulated(provider).stream_writer(
        context=context(include_usage(asked)), unsupported=Dropped()
    )
    reader = PROVIDER_DIALECTS[provider].stream_reader(home=HOME)
    writer = CLIENT_DIALECTS[client].stream_writer(
        context=context(include_usage(asked)), unsupported=Dropped()
    )
    speaker: Any = PROVIDER_DIALECTS[client]
    at_client = speaker.stream_reader()
    told: list[Event] = []
    for event in events:
        for read in reader.feed(from_provider.write(event)):
            told += at_client.feed(writer.write(read))
    for read in reader.close():
        told += at_client.feed(writer.write(read))
    assert writer.close() == b""
    told += at_client.close()
    return told


def include_usage(asked: ChatRequest) -> ChatRequest:
    return msgspec.structs.replace(asked, include_usage=True)


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_a_stream_that_breaks_is_never_told_as_complete(client: str, provider: str) -> None:
    start = StreamStart(dialect="test", id="answer-1", model="m")
    begun: list[Event] = [start, BlockStart(0, Text("")), TextDelta(0, "Half an ans")]
    request = asked_in(client, CONVERSATIONS["hello"].request)
    told = streamed(client, provider, request, begun)
    assert isinstance(told[-1], StreamError)
    assert not any(isinstance(event, StreamEnd) for event in told)
    text = "".join(event.text for event in told if isinstance(event, TextDelta))
    assert text == "Half an ans"


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_an_error_inside_a_stream_reaches_the_client(client: str, provider: str) -> None:
    start = StreamStart(dialect="test", id="answer-1", model="m")
    broken: list[Event] = [
        start,
        BlockStart(0, Text("")),
        TextDelta(0, "Half"),
        StreamError(UpstreamUnavailable("We are overloaded, come again.")),
    ]
    request = asked_in(client, CONVERSATIONS["hello"].request)
    told = streamed(client, provider, request, broken)
    assert isinstance(told[-1], StreamError)
    assert "overloaded" in told[-1].error.message


ERRORS: list[GatewayError] = [
    InvalidRequest("`messages[0].role`: expected a role", param="messages[0].role"),
    AuthenticationFailed("no such key"),
    ModelNotFound("no such model"),
    PayloadTooLarge("too large"),
    RateLimited("slow down", retry_after_s=3),
    InternalError("ours"),
    UpstreamTimeout("too slow", timer="total"),
    UpstreamUnavailable("overloaded"),
    UpstreamProtocol("not JSON"),
]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_say_their_message_in_every_dialect(client: str, error: GatewayError) -> None:
    body = CLIENT_DIALECTS[client].write_error(error)
    assert error.message in json.dumps(json.loads(body), ensure_ascii=False)


TURNS = ("messages", "contents", "input")
"""Where each dialect keeps what grows."""
WITHOUT_CACHE = frozenset({"replicate"})
"""Whoever is told one text as a prompt, which reads otherwise when it has one turn."""
SENTINEL = "the last word so far"


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_a_longer_conversation_keeps_the_bytes_of_the_shorter(client: str, provider: str) -> None:
    """Prompt caches go by prefix: what was sent before must be sent again byte for byte."""
    if provider in WITHOUT_CACHE:
        pytest.skip("has no cache of prompts")
    for name, conversation in CONVERSATIONS.items():
        if not (can(client, conversation) and can_be_told(provider, conversation)):
            continue
        said = (*conversation.request.messages, Message("user", (Text(SENTINEL),)))
        gone_on = (*said, Message("assistant", (Text("Yes."),)), Message("user", (Text("Go on"),)))
        shorter, longer = (
            told(client, provider, replaced(conversation.request, messages))
            for messages in (said, gone_on)
        )
        end = shorter.index(SENTINEL.encode()) + len(SENTINEL)
        assert longer[:end] == shorter[:end], name
        assert around(longer) == around(shorter), name


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_an_answer_given_back_is_the_same_bytes_whole_or_streamed(
    client: str, provider: str
) -> None:
    """And so is what comes after it, however the client had the answer."""
    for name, conversation in CONVERSATIONS.items():
        if not (can(client, conversation) and can(provider, conversation)):
            continue
        asked = asked_in(client, conversation.request)
        answers = [
            told_whole(client, provider, asked, conversation.answer),
            told_streamed(client, provider, asked, conversation.answer),
        ]
        bodies = [
            told(client, provider, given_back(conversation.request, answer)) for answer in answers
        ]
        assert bodies[0] == bodies[1], name


def given_back(request: ChatRequest, answer: ChatResponse) -> ChatRequest:
    """The next request of a client that answers every call it was asked for. How a model spaced
    its arguments only streams tell, and not all providers' ends here tell of citations.
    """
    content = tuple([_comparable(block) for block in answer.choices[0].content])
    results = [ToolResult(b.id, (Text("ok"),)) for b in content if isinstance(b, ToolCall)]
    spoken = (Message("assistant", content),) if content else ()
    after = Message("user", (*results, Text(SENTINEL)))
    return replaced(request, (*request.messages, *spoken, after))


def _comparable(block: Block) -> Block:
    match block:
        case ToolCall(arguments=text, kind="function"):
            return msgspec.structs.replace(block, arguments=json.dumps(parsed(text)))
        case Text():
            return msgspec.structs.replace(block, citations=())
        case _:
            return block


def told(client: str, provider: str, request: ChatRequest) -> bytes:
    """What the provider is sent for a client's request; twice, as a retry has it."""
    asked = as_fetched(provider, asked_in(client, request))
    writer = PROVIDER_DIALECTS[provider]
    first, again = (writer.write_request(asked, unsupported=Dropped(), home=HOME) for _ in range(2))
    assert first == again
    return first


def around(body: bytes) -> dict[str, Any]:
    return {key: value for key, value in json.loads(body).items() if key not in TURNS}


def replaced(request: ChatRequest, messages: tuple[Message, ...]) -> ChatRequest:
    return msgspec.structs.replace(request, messages=messages)


def test_there_are_enough_conversations() -> None:
    assert len(CONVERSATIONS) >= 60
