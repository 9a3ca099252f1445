"""Turns with thinking and tools: what proves the thinking comes home, through any client.

The provider thinks and calls; the client, which may speak another dialect, gets it whole or
streamed, gives it back with the result; the same provider must find its own signature on it, and no
other may.
"""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from portico.types.chat import (
    Block,
    ChatRequest,
    ChatResponse,
    Choice,
    FunctionTool,
    Home,
    JsonObject,
    Message,
    ProviderState,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from portico.types.usage import Usage
from portico.wire.assemble import collect, replay
from portico.wire.base import Dropped, ReplyContext
from portico.wire.table import CLIENT_DIALECTS, PROVIDER_DIALECTS
from tests.wire.test_pairs import simulated

HOME = Home("up", "some-model")
ELSEWHERE = Home("down", "some-model")
SIGNATURE = "EqQBCgIYAhIM1gbcDa9GJw=="


def signed(provider: str) -> tuple[Block, ...]:
    """What this provider says when it thinks before a call; its state is where it puts it."""
    call = ToolCall("call_1", "get_weather", '{"city":"Rome"}')
    match provider:
        case "anthropic_messages" | "bedrock_converse":
            state = ProviderState(provider, SIGNATURE)
            return (Thinking("Let me look.", state), call)
        case "gemini_generate":
            state = ProviderState(provider, SIGNATURE)
            return (Thinking("Let me look."), msgspec.structs.replace(call, state=state))
        case "openai_chat":
            return (Thinking("Let me look.", ProviderState(provider, "reasoning_content")), call)
        case _:
            return ()


PROVIDERS = [name for name in sorted(PROVIDER_DIALECTS) if signed(name)]
CLIENTS = ["anthropic_messages", "gemini_generate", "openai_chat"]
CLIENTS = [name for name in CLIENTS if name in CLIENT_DIALECTS]


def asked(*messages: Message, dialect: str = "test") -> ChatRequest:
    tools = (FunctionTool(name="get_weather", schema={"type": "object", "properties": {}}),)
    return ChatRequest(
        dialect=dialect,
        model="some-model",
        max_tokens=4096,
        messages=(Message("user", (Text("Weather in Rome?"),)), *messages),
        tools=tools,
    )


def received(client: str, provider: str, *, is_streamed: bool) -> JsonObject:
    """The provider's answer as the client holds it: a message in the client's own JSON."""
    choice = Choice(content=signed(provider), stop="tool_calls")
    answer = ChatResponse(
        dialect=provider,
        id="a",
        model="some-model",
        choices=(choice,),
        usage=Usage(input_tokens=1, output_tokens=1),
    )
    context = ReplyContext(request=asked(), id="a", now=1)
    dropped = Dropped()
    if is_streamed:
        from_provider = simulated(provider).stream_writer(context=context, unsupported=dropped)
        reader = PROVIDER_DIALECTS[provider].stream_reader(home=HOME)
        writer = CLIENT_DIALECTS[client].stream_writer(context=context, unsupported=dropped)
        sent = b"".join(map(from_provider.write, replay(answer)))
        told = b"".join(map(writer.write, [*reader.feed(sent), *reader.close()]))
        at_client = PROVIDER_DIALECTS[client].stream_reader()
        gathered = collect([*at_client.feed(told), *at_client.close()])
        told = CLIENT_DIALECTS[client].write_response(
            gathered, context=context, unsupported=dropped
        )
    else:
        sent = simulated(provider).write_response(answer, context=context, unsupported=dropped)
        read = PROVIDER_DIALECTS[provider].read_response(sent, home=HOME)
        told = CLIENT_DIALECTS[client].write_response(read, context=context, unsupported=dropped)
    assert dropped.names == []
    return MESSAGE_OF[client](json.loads(told))


MESSAGE_OF: dict[str, Callable[[Any], JsonObject]] = {
    "openai_chat": lambda answer: answer["choices"][0]["message"],
    "anthropic_messages": lambda answer: {"role": "assistant", "content": answer["content"]},
    "gemini_generate": lambda answer: answer["candidates"][0]["content"],
}


def returned(client: str, message: JsonObject) -> ChatRequest:
    """The next request of that client: the answer as it was, and the tool's result."""
    speaker: Any = PROVIDER_DIALECTS[client]
    result = Message("user", (ToolResult("call_1", (Text("Sunny"),), name="get_weather"),))
    there = asked(Message("assistant", (Text("said"),)), result, dialect=client)
    body = json.loads(speaker.write_request(there, unsupported=Dropped()))
    body["contents" if client == "gemini_generate" else "messages"][1] = message
    extra = {"model": "some-model", "stream": False} if client == "gemini_generate" else {}
    return CLIENT_DIALECTS[client].read_request(json.dumps(body).encode(), **extra)


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_provider_gets_its_signature_back(
    client: str, provider: str, is_streamed: bool
) -> None:
    again = returned(client, received(client, provider, is_streamed=is_streamed))
    dropped = Dropped()
    body = PROVIDER_DIALECTS[provider].write_request(again, unsupported=dropped, home=HOME)
    held = [getattr(block, "state", None) for block in signed(provider)]
    for state in filter(None, held):
        assert state.data.encode() in body
    assert set(dropped.names) <= ({"thinking"} if None in held[:1] else set())


FOREIGN = [(client, provider) for client in CLIENTS for provider in PROVIDERS if client != provider]
"""A client of the provider's own dialect holds the signature bare, as it would without us."""


WORDS_OF = {
    "bedrock_invoke": "anthropic_messages",
    "sagemaker_invoke": "openai_chat",
    "watsonx_chat": "openai_chat",
}
"""Dialects that only wrap another, whose state is the other's: the home tells them apart."""


@pytest.mark.parametrize(("client", "provider"), FOREIGN)
def test_no_other_provider_gets_it(client: str, provider: str) -> None:
    again = returned(client, received(client, provider, is_streamed=True))
    for other in PROVIDER_DIALECTS:
        home = ELSEWHERE if WORDS_OF.get(other, other) == provider else HOME
        body = PROVIDER_DIALECTS[other].write_request(again, unsupported=Dropped(), home=home)
        assert SIGNATURE.encode() not in body or WORDS_OF.get(other, other) == client
