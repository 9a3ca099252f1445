"""The official `openai` SDK for Python through Portico to aimock, which nobody here wrote."""

import json
from collections.abc import Iterator

import pytest

from tests.clients.servers import KEY, Aimock, Server

openai = pytest.importorskip("openai", reason="needs the openai SDK; scripts/test installs it")

HELLO = "Hello from a server that nobody here wrote: ünïcödé, 漢字 and 👋 included."
ASK_HELLO = [{"role": "user", "content": "say hello"}]
ASK_WEATHER = [{"role": "user", "content": "weather in Paris and Rome"}]
WEATHER_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string"}},
            "required": ["city"],
        },
    },
}
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJ"
    "RU5ErkJggg=="
)


@pytest.fixture(scope="module")
def client(gateway: Server) -> Iterator["openai.OpenAI"]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as sdk:
        yield sdk


def test_chat_returns_the_text_and_the_usage_of_the_provider(client: "openai.OpenAI") -> None:
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=ASK_HELLO)

    assert answer.choices[0].message.content == HELLO
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens == 1200
    assert answer.usage.completion_tokens == 34


def test_a_route_sends_the_name_of_its_target(client: "openai.OpenAI", upstream: Aimock) -> None:
    answer = client.chat.completions.create(model="fast", messages=ASK_HELLO)

    assert answer.choices[0].message.content == HELLO
    assert upstream.last_request()["body"]["model"] == "gpt-4o-mini"


def test_unknown_parameters_reach_the_provider(client: "openai.OpenAI", upstream: Aimock) -> None:
    client.chat.completions.create(
        model="gpt-4o-mini",
        messages=ASK_HELLO,
        seed=7,
        stop="END",
        logit_bias={"50256": -100},
        extra_body={"a_field_of_next_year": {"deep": [1, 2.5, None]}},
    )

    body = upstream.last_request()["body"]
    assert body["seed"] == 7
    assert body["stop"] == "END"
    assert body["logit_bias"] == {"50256": -100}
    assert body["a_field_of_next_year"] == {"deep": [1, 2.5, None]}


def test_answer_headers_tell_the_way_it_took(client: "openai.OpenAI") -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=ASK_HELLO, extra_headers={"x-request-id": "my-request-1"}
    )

    assert raw.headers["x-request-id"] == "my-request-1"
    assert raw.headers["x-portico-deployment"] == "mock/gpt-4o-mini"
    assert raw.headers["x-portico-attempts"] == "1"
    assert float(raw.headers["x-portico-overhead-ms"]) < 1000


def test_a_stream_carries_the_same_text(client: "openai.OpenAI") -> None:
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=ASK_HELLO, stream=True)
    chunks = list(stream)

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == HELLO
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)


def test_a_stream_ends_with_usage_if_asked(client: "openai.OpenAI") -> None:
    stream = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=ASK_HELLO,
        stream=True,
        stream_options={"include_usage": True},
    )
    last = list(stream)[-1]

    assert last.choices == []
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (1200, 34)


def test_usage_is_asked_of_the_provider_even_if_the_client_did_not(
    client: "openai.OpenAI", upstream: Aimock
) -> None:
    list(client.chat.completions.create(model="gpt-4o-mini", messages=ASK_HELLO, stream=True))

    assert upstream.last_request()["body"]["stream_options"] == {"include_usage": True}


def test_parallel_tool_calls_and_their_results(client: "openai.OpenAI") -> None:
    asked = client.chat.completions.create(
        model="gpt-4o-mini", messages=ASK_WEATHER, tools=[WEATHER_TOOL], parallel_tool_calls=True
    )
    message = asked.choices[0].message
    calls = [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls]
    results = [
        {"role": "tool", "tool_call_id": call_id, "content": "14"} for call_id, _, _ in calls
    ]
    told = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[*ASK_WEATHER, message.model_dump(exclude_none=True), *results],
        tools=[WEATHER_TOOL],
    )

    assert asked.choices[0].finish_reason == "tool_calls"
    assert calls == [
        ("call_paris", "get_weather", '{"city":"Paris","unit":"celsius"}'),
        ("call_rome", "get_weather", '{"city":"Rome","unit":"celsius"}'),
    ]
    assert told.choices[0].message.content == "Paris has 14 degrees, Rome 21."


def test_parallel_tool_calls_in_a_stream(client: "openai.OpenAI") -> None:
    with client.chat.completions.stream(
        model="gpt-4o-mini", messages=ASK_WEATHER, tools=[WEATHER_TOOL]
    ) as stream:
        message = stream.get_final_completion().choices[0].message

    assert [json.loads(call.function.arguments)["city"] for call in message.tool_calls] == [
        "Paris",
        "Rome",
    ]


def test_structured_output_is_parsed(client: "openai.OpenAI") -> None:
    from pydantic import BaseModel

    class City(BaseModel):
        name: str
        country: str
        population: int

    answer = client.chat.completions.parse(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "a city as JSON"}],
        response_format=City,
    )

    assert answer.choices[0].message.parsed == City(
        name="Lisbon", country="Portugal", population=567131
    )


def test_images_in_a_message_reach_the_provider(client: "openai.OpenAI", upstream: Aimock) -> None:
    content = [
        {"type": "text", "text": "what is in this image"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    answer = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": content}]
    )

    assert answer.choices[0].message.content == "One red pixel."
    assert upstream.last_request()["body"]["messages"][0]["content"] == content


def test_embeddings(client: "openai.OpenAI") -> None:
    answer = client.embeddings.create(
        model="text-embedding-3-small", input="the quick brown fox", encoding_format="float"
    )

    assert answer.data[0].embedding == [0.25, -0.5, 0.75, -1.0]


def test_responses_whole(client: "openai.OpenAI") -> None:
    answer = client.responses.create(model="gpt-4o-mini", input="say hello")

    assert answer.output_text == HELLO
    assert answer.status == "completed"


def test_responses_streamed(client: "openai.OpenAI") -> None:
    with client.responses.create(model="gpt-4o-mini", input="say hello", stream=True) as stream:
        events = list(stream)

    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == HELLO
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"


def test_moderations(client: "openai.OpenAI") -> None:
    answer = client.moderations.create(model="omni-moderation-latest", input="say hello")

    assert answer.results[0].flagged is False


def test_images_are_generated(client: "openai.OpenAI") -> None:
    answer = client.images.generate(model="gpt-image-1", prompt="a lighthouse at dusk")

    assert answer.data[0].b64_json == "iVBORw0KGgo="


def test_speech_comes_as_bytes(client: "openai.OpenAI") -> None:
    answer = client.audio.speech.create(model="tts-1", voice="alloy", input="read this aloud")

    assert answer.content.startswith(b"ID3")


def test_models_are_those_of_the_key(client: "openai.OpenAI") -> None:
    listed = {model.id for model in client.models.list()}

    assert {"fast", "gpt-4o-mini", "gpt-4o"} <= listed
    assert client.models.retrieve("gpt-4o-mini").id == "gpt-4o-mini"


def test_the_asynchronous_client_streams_too(gateway: Server) -> None:
    import asyncio

    async def run() -> str:
        async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY) as sdk:
            stream = await sdk.chat.completions.create(
                model="fast", messages=ASK_HELLO, stream=True
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert asyncio.run(run()) == HELLO
