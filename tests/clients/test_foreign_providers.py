"""Every official SDK through Portico to providers of every dialect, all of aimock's making."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.conftest import AT_HOME, MODELS, VECTORS
from tests.clients.servers import KEY, Aimock, Server

anthropic = pytest.importorskip("anthropic", reason="needs the official SDKs; see scripts/test")
cohere = pytest.importorskip("cohere", reason="needs the official SDKs; see scripts/test")
httpx = pytest.importorskip("httpx", reason="needs the official SDKs; see scripts/test")
genai = pytest.importorskip("google.genai", reason="needs the official SDKs; see scripts/test")
mistralai = pytest.importorskip("mistralai", reason="needs the official SDKs; see scripts/test")
ollama = pytest.importorskip("ollama", reason="needs the official SDKs; see scripts/test")
openai = pytest.importorskip("openai", reason="needs the official SDKs; see scripts/test")

HELLO = "Hello from a server that nobody here wrote: ünïcödé, 漢字 and 👋 included."
TOLD = "Paris has 14 degrees, Rome 21."
CITIES = [{"city": "Paris", "unit": "celsius"}, {"city": "Rome", "unit": "celsius"}]
THOUGHT = "Six times seven is forty-two."
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"type": "string"}},
    "required": ["city"],
}
ASK_WEATHER = "weather in Paris and Rome"
ASK_THOUGHT = "think before you answer"

ALL = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
THINKING = pytest.mark.parametrize(
    "model",
    [MODELS[one] for one in ("anthropic_messages", "gemini_generate", "openai_responses")],
)
"""Dialects in which aimock tells its reasoning."""


# Anthropic


@pytest.fixture(scope="module")
def claude(dialects: Server) -> Iterator["anthropic.Anthropic"]:
    with anthropic.Anthropic(base_url=dialects.url, api_key=KEY, max_retries=0) as sdk:
        yield sdk


@ALL
def test_anthropic_whole(claude: "anthropic.Anthropic", model: str) -> None:
    answer = claude.messages.create(
        model=model, max_tokens=100, messages=[{"role": "user", "content": "say hello"}]
    )

    assert [block.text for block in answer.content if block.type == "text"] == [HELLO]
    assert answer.stop_reason == "end_turn"
    assert answer.usage.input_tokens + (answer.usage.cache_read_input_tokens or 0) == 1200
    assert answer.usage.output_tokens == 34


@ALL
def test_anthropic_streamed(claude: "anthropic.Anthropic", model: str) -> None:
    with claude.messages.stream(
        model=model, max_tokens=100, messages=[{"role": "user", "content": "say hello"}]
    ) as stream:
        text = "".join(stream.text_stream)
        answer = stream.get_final_message()

    assert text == HELLO
    assert answer.stop_reason == "end_turn"
    assert answer.usage.output_tokens == 34


ANTHROPIC_TOOL: Any = {"name": "get_weather", "description": "Weather.", "input_schema": SCHEMA}


@ALL
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_anthropic_tools(claude: "anthropic.Anthropic", model: str, streamed: bool) -> None:
    asked: dict[str, Any] = {"model": model, "max_tokens": 100, "tools": [ANTHROPIC_TOOL]}
    messages: list[Any] = [{"role": "user", "content": ASK_WEATHER}]
    if streamed:
        with claude.messages.stream(messages=messages, **asked) as stream:
            answer = stream.get_final_message()
    else:
        answer = claude.messages.create(messages=messages, **asked)
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert answer.stop_reason == "tool_use"
    assert [call.input for call in calls] == CITIES
    assert len({call.id for call in calls}) == 2

    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": f"{call.input['city']}: ok"}
        for call in calls
    ]
    messages += [
        {"role": "assistant", "content": answer.content},
        {"role": "user", "content": results},
    ]
    told = claude.messages.create(messages=messages, **asked)
    assert [block.text for block in told.content if block.type == "text"] == [TOLD]


@THINKING
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_anthropic_thinking(claude: "anthropic.Anthropic", model: str, streamed: bool) -> None:
    asked: dict[str, Any] = {
        "model": model,
        "max_tokens": 4000,
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "messages": [{"role": "user", "content": ASK_THOUGHT}],
    }
    if streamed:
        with claude.messages.stream(**asked) as stream:
            answer = stream.get_final_message()
    else:
        answer = claude.messages.create(**asked)

    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert answer.content[0].thinking == THOUGHT
    assert answer.content[1].text == "Forty-two."


@ALL
def test_anthropic_counts_tokens(claude: "anthropic.Anthropic", model: str) -> None:
    """aimock counts for nobody, so all of it is estimated."""
    counted = claude.messages.count_tokens(
        model=model, messages=[{"role": "user", "content": "say hello, but at some length"}]
    )

    assert 5 < counted.input_tokens < 40


def test_anthropic_errors_are_its_own(claude: "anthropic.Anthropic") -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        claude.messages.create(
            model="nobody", max_tokens=5, messages=[{"role": "user", "content": "hi"}]
        )
    assert caught.value.body["error"]["type"] == "not_found_error"


# Gemini


@pytest.fixture(scope="module")
def gemini(dialects: Server) -> Iterator["genai.Client"]:
    options = genai.types.HttpOptions(base_url=dialects.url)
    with genai.Client(api_key=KEY, http_options=options, vertexai=False) as sdk:
        yield sdk


@ALL
def test_gemini_whole(gemini: "genai.Client", model: str) -> None:
    answer = gemini.models.generate_content(model=model, contents="say hello")

    assert answer.text == HELLO
    assert answer.candidates[0].finish_reason == "STOP"
    assert answer.usage_metadata.prompt_token_count == 1200
    assert answer.usage_metadata.candidates_token_count == 34


@ALL
def test_gemini_streamed(gemini: "genai.Client", model: str) -> None:
    chunks = list(gemini.models.generate_content_stream(model=model, contents="say hello"))

    assert "".join(chunk.text or "" for chunk in chunks) == HELLO
    assert chunks[-1].candidates[0].finish_reason == "STOP"
    assert chunks[-1].usage_metadata.candidates_token_count == 34


@ALL
@pytest.mark.filterwarnings(
    "ignore:FUNCTION_CALL"
)  # aimock's own finish reason, passed on as it is
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_gemini_tools(gemini: "genai.Client", model: str, streamed: bool) -> None:
    types = genai.types
    declared = types.FunctionDeclaration(name="get_weather", parameters_json_schema=SCHEMA)
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[declared])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    asked = types.Content(role="user", parts=[types.Part(text=ASK_WEATHER)])
    if streamed:
        chunks = gemini.models.generate_content_stream(model=model, contents=[asked], config=config)
        parts = [
            part
            for chunk in chunks
            for part in (chunk.candidates[0].content.parts if chunk.candidates else None) or []
        ]
    else:
        whole = gemini.models.generate_content(model=model, contents=[asked], config=config)
        parts = whole.candidates[0].content.parts
    called = [part for part in parts if part.function_call]
    assert [part.function_call.args for part in called] == CITIES

    results = [
        types.Part.from_function_response(name="get_weather", response={"result": "ok"})
        for _ in called
    ]
    told = gemini.models.generate_content(
        model=model,
        contents=[
            asked,
            types.Content(role="model", parts=called),
            types.Content(role="user", parts=results),
        ],
        config=config,
    )
    assert told.text == TOLD


@THINKING
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_gemini_thinking(gemini: "genai.Client", model: str, streamed: bool) -> None:
    types = genai.types
    config = types.GenerateContentConfig(
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=2000)
    )
    if streamed:
        answers = list(
            gemini.models.generate_content_stream(model=model, contents=ASK_THOUGHT, config=config)
        )
    else:
        answers = [gemini.models.generate_content(model=model, contents=ASK_THOUGHT, config=config)]
    parts = [part for answer in answers for part in answer.candidates[0].content.parts or []]

    assert "".join(part.text or "" for part in parts if part.thought) == THOUGHT
    assert "".join(part.text or "" for part in parts if not part.thought) == "Forty-two."


@ALL
def test_gemini_counts_tokens(gemini: "genai.Client", model: str) -> None:
    counted = gemini.models.count_tokens(model=model, contents="say hello, but at some length")

    assert 5 < counted.total_tokens < 40


def test_gemini_errors_are_its_own(gemini: "genai.Client") -> None:
    with pytest.raises(genai.errors.ClientError) as caught:
        gemini.models.generate_content(model="nobody", contents="hi")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


def test_gemini_lists_models(gemini: "genai.Client") -> None:
    assert {f"models/{model}" for model in MODELS.values()} <= {
        model.name for model in gemini.models.list()
    }


# OpenAI


@pytest.fixture(scope="module")
def gpt(dialects: Server) -> Iterator["openai.OpenAI"]:
    with openai.OpenAI(base_url=f"{dialects.url}/v1", api_key=KEY, max_retries=0) as sdk:
        yield sdk


OPENAI_TOOL: Any = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
RESPONSES_TOOL: Any = {"type": "function", "name": "get_weather", "parameters": SCHEMA}


@ALL
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_openai_chat(gpt: "openai.OpenAI", model: str, streamed: bool) -> None:
    asked: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": "say hello"}],
    }
    if streamed:
        chunks = list(
            gpt.chat.completions.create(
                stream=True, stream_options={"include_usage": True}, **asked
            )
        )
        text = "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices)
        usage = chunks[-1].usage
    else:
        answer = gpt.chat.completions.create(**asked)
        text, usage = answer.choices[0].message.content, answer.usage

    assert text == HELLO
    assert (usage.prompt_tokens, usage.completion_tokens) == (1200, 34)


@ALL
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_openai_chat_tools(gpt: "openai.OpenAI", model: str, streamed: bool) -> None:
    asked: dict[str, Any] = {"model": model, "tools": [OPENAI_TOOL]}
    messages: list[Any] = [{"role": "user", "content": ASK_WEATHER}]
    if streamed:
        with gpt.chat.completions.stream(messages=messages, **asked) as stream:
            message = stream.get_final_completion().choices[0].message
    else:
        message = gpt.chat.completions.create(messages=messages, **asked).choices[0].message
    calls = message.tool_calls
    assert [json.loads(call.function.arguments) for call in calls] == CITIES

    replies = [{"role": "tool", "tool_call_id": call.id, "content": "ok"} for call in calls]
    answer = gpt.chat.completions.create(messages=[*messages, message, *replies], **asked)
    assert answer.choices[0].message.content == TOLD


@ALL
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_openai_responses(gpt: "openai.OpenAI", model: str, streamed: bool) -> None:
    if streamed:
        with gpt.responses.stream(model=model, input="say hello") as stream:
            kinds = [event.type for event in stream]
            answer = stream.get_final_response()
        assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    else:
        answer = gpt.responses.create(model=model, input="say hello")

    assert (answer.output_text, answer.status) == (HELLO, "completed")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (1200, 34)


@pytest.mark.parametrize("model", [MODELS[one] for one in MODELS if one != "openai_responses"])
def test_openai_responses_go_on_by_id(gpt: "openai.OpenAI", upstream: Aimock, model: str) -> None:
    """For providers that keep none: the next request holds the calls and their results."""
    asked: dict[str, Any] = {"model": model, "tools": [RESPONSES_TOOL]}
    first = gpt.responses.create(input=ASK_WEATHER, **asked)
    calls = [item for item in first.output if item.type == "function_call"]
    assert [json.loads(call.arguments) for call in calls] == CITIES

    results: Any = [
        {"type": "function_call_output", "call_id": call.call_id, "output": "ok"} for call in calls
    ]
    second = gpt.responses.create(input=results, previous_response_id=first.id, **asked)
    assert second.output_text == TOLD
    assert second.previous_response_id == first.id

    with pytest.raises(openai.BadRequestError) as caught:
        gpt.responses.create(input="hi", previous_response_id="resp_nothing", **asked)
    assert caught.value.code == "previous_response_not_found"


# Mistral


@pytest.fixture(scope="module")
def mistral(dialects: Server) -> Any:
    client = getattr(mistralai, "Mistral", None)
    if client is None:
        from mistralai.client import Mistral as client
    with client(api_key=KEY, server_url=dialects.url) as sdk:
        yield sdk


@ALL
def test_mistral_whole_and_streamed(mistral: Any, model: str) -> None:
    messages = [{"role": "user", "content": "say hello"}]
    whole = mistral.chat.complete(model=model, messages=messages)
    assert whole.choices[0].message.content == HELLO
    assert whole.usage.completion_tokens == 34

    with mistral.chat.stream(model=model, messages=messages) as stream:
        chunks = [event.data for event in stream]
    text = "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices)
    assert text == HELLO


@ALL
def test_mistral_streams_tool_calls(mistral: Any, model: str) -> None:
    messages: list[Any] = [{"role": "user", "content": ASK_WEATHER}]
    with mistral.chat.stream(model=model, messages=messages, tools=[OPENAI_TOOL]) as stream:
        choices = [choice for event in stream for choice in event.data.choices]
    arguments: dict[int, str] = {}
    ids: dict[int, str] = {}
    for choice in choices:
        for call in choice.delta.tool_calls or []:
            arguments[call.index] = arguments.get(call.index, "") + call.function.arguments
            if call.id and call.id != "null":
                ids[call.index] = call.id
    assert [json.loads(arguments[index]) for index in sorted(arguments)] == CITIES
    assert len(set(ids.values())) == 2
    assert choices[-1].finish_reason == "tool_calls"


@ALL
def test_mistral_tools(mistral: Any, model: str) -> None:
    messages: list[Any] = [{"role": "user", "content": ASK_WEATHER}]
    asked = mistral.chat.complete(model=model, messages=messages, tools=[OPENAI_TOOL])
    message = asked.choices[0].message
    calls = message.tool_calls
    assert [json.loads(call.function.arguments) for call in calls] == CITIES

    replies = [
        {"role": "tool", "tool_call_id": call.id, "name": "get_weather", "content": "ok"}
        for call in calls
    ]
    told = mistral.chat.complete(
        model=model, messages=[*messages, message, *replies], tools=[OPENAI_TOOL]
    )
    assert told.choices[0].message.content == TOLD


# Cohere


@pytest.fixture(scope="module")
def command(dialects: Server) -> Iterator[Any]:
    with httpx.Client() as connections:  # the SDK closes none of its own
        yield cohere.ClientV2(
            api_key=KEY, base_url=dialects.url, max_retries=0, httpx_client=connections
        )


@ALL
def test_cohere_whole_and_streamed(command: Any, model: str) -> None:
    messages = [{"role": "user", "content": "say hello"}]
    answer = command.chat(model=model, messages=messages)
    assert [part.text for part in answer.message.content] == [HELLO]
    assert answer.finish_reason == "COMPLETE"
    assert answer.usage.billed_units.output_tokens == 34

    events = list(command.chat_stream(model=model, messages=messages))
    deltas = [event.delta for event in events if event.type == "content-delta"]
    assert "".join(delta.message.content.text for delta in deltas) == HELLO
    assert (events[0].type, events[-1].type) == ("message-start", "message-end")
    assert events[-1].delta.usage.billed_units.output_tokens == 34


@ALL
def test_cohere_streams_tool_calls(command: Any, model: str) -> None:
    messages: list[Any] = [{"role": "user", "content": ASK_WEATHER}]
    events = list(command.chat_stream(model=model, messages=messages, tools=[OPENAI_TOOL]))
    calls: dict[int, Any] = {}
    arguments: dict[int, str] = {}
    for event in events:
        if event.type == "tool-call-start":
            calls[event.index] = event.delta.message.tool_calls
            arguments[event.index] = event.delta.message.tool_calls.function.arguments or ""
        elif event.type == "tool-call-delta":
            arguments[event.index] += event.delta.message.tool_calls.function.arguments
    assert [json.loads(arguments[index]) for index in sorted(arguments)] == CITIES
    assert {call.function.name for call in calls.values()} == {"get_weather"}
    assert len({call.id for call in calls.values()}) == 2
    ends = [event.index for event in events if event.type == "tool-call-end"]
    assert ends == sorted(calls)
    assert events[-1].delta.finish_reason == "TOOL_CALL"


@ALL
def test_cohere_tools(command: Any, model: str) -> None:
    messages: list[Any] = [{"role": "user", "content": ASK_WEATHER}]
    asked = command.chat(model=model, messages=messages, tools=[OPENAI_TOOL])
    calls = asked.message.tool_calls
    assert asked.finish_reason == "TOOL_CALL"
    assert [json.loads(call.function.arguments) for call in calls] == CITIES

    results = [{"role": "tool", "tool_call_id": call.id, "content": "ok"} for call in calls]
    told = command.chat(
        model=model, messages=[*messages, asked.message, *results], tools=[OPENAI_TOOL]
    )
    assert told.message.content[0].text == TOLD


# Ollama


@pytest.fixture(scope="module")
def llama(dialects: Server) -> Iterator["ollama.Client"]:
    with ollama.Client(host=dialects.url, headers={"authorization": f"Bearer {KEY}"}) as sdk:
        yield sdk


@ALL
@pytest.mark.parametrize("tag", ["", ":latest"])
def test_ollama_whole_and_streamed(llama: "ollama.Client", model: str, tag: str) -> None:
    messages = [{"role": "user", "content": "say hello"}]
    answer = llama.chat(model=model + tag, messages=messages)
    assert answer.message.content == HELLO
    assert (answer.done, answer.done_reason) == (True, "stop")
    assert (answer.prompt_eval_count, answer.eval_count) == (1200, 34)

    parts = list(llama.chat(model=model + tag, messages=messages, stream=True))
    assert "".join(part.message.content or "" for part in parts) == HELLO
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert (parts[-1].prompt_eval_count, parts[-1].eval_count) == (1200, 34)
    assert parts[-1].total_duration >= parts[-1].eval_duration >= 0


@ALL
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_ollama_tools(llama: "ollama.Client", model: str, streamed: bool) -> None:
    messages: list[Any] = [{"role": "user", "content": ASK_WEATHER}]
    if streamed:
        parts = list(llama.chat(model=model, messages=messages, tools=[OPENAI_TOOL], stream=True))
        calls = [call for part in parts for call in part.message.tool_calls or []]
    else:
        asked = llama.chat(model=model, messages=messages, tools=[OPENAI_TOOL])
        calls = list(asked.message.tool_calls)
    assert [call.function.arguments for call in calls] == CITIES

    messages.append({"role": "assistant", "tool_calls": calls})
    messages += [{"role": "tool", "tool_name": "get_weather", "content": "ok"} for _ in calls]
    told = llama.chat(model=model, messages=messages, tools=[OPENAI_TOOL])
    assert told.message.content == TOLD


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_ollama_to_ollama(llama: "ollama.Client", streamed: bool) -> None:
    """As bytes; what passes is what aimock says."""
    asked: dict[str, Any] = {"model": AT_HOME, "stream": streamed}
    said = llama.chat(messages=[{"role": "user", "content": "say hello"}], **asked)
    parts = list(said) if streamed else [said]
    assert "".join(part.message.content for part in parts) == HELLO
    weather = [{"role": "user", "content": ASK_WEATHER}]
    called = llama.chat(messages=weather, tools=[OPENAI_TOOL], **asked)
    parts = list(called) if streamed else [called]
    calls = [call for part in parts for call in part.message.tool_calls or []]
    assert [call.function.arguments for call in calls] == CITIES
    told = llama.generate(prompt="say hello", raw=True, **asked)
    parts = list(told) if streamed else [told]
    assert "".join(part.response for part in parts) == HELLO


@THINKING
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_ollama_thinking(llama: "ollama.Client", model: str, streamed: bool) -> None:
    messages = [{"role": "user", "content": ASK_THOUGHT}]
    if streamed:
        parts = list(llama.chat(model=model, messages=messages, think=True, stream=True))
    else:
        parts = [llama.chat(model=model, messages=messages, think=True)]
    assert "".join(part.message.thinking or "" for part in parts) == THOUGHT
    assert "".join(part.message.content or "" for part in parts) == "Forty-two."


@ALL
def test_ollama_generates(llama: "ollama.Client", model: str) -> None:
    whole = llama.generate(model=model, prompt="say hello", system="Be brief.")
    assert (whole.response, whole.done_reason) == (HELLO, "stop")
    parts = list(llama.generate(model=model, prompt="say hello", stream=True))
    assert "".join(part.response for part in parts) == HELLO
    assert (parts[-1].done, parts[-1].eval_count) == (True, 34)


@ALL
def test_ollama_loads(llama: "ollama.Client", upstream: Aimock, model: str) -> None:
    before = len(upstream.requests())
    assert llama.generate(model=model, keep_alive=0).done_reason == "unload"
    assert len(upstream.requests()) == before


def test_ollama_lists_and_shows(llama: "ollama.Client") -> None:
    listed = {one.model for one in llama.list().models}
    offered = (*MODELS.values(), *VECTORS.values(), AT_HOME)
    assert {f"{model}:latest" for model in offered} <= listed
    assert list(llama.ps().models) == []
    shown = llama.show(MODELS["anthropic_messages"])
    assert {"completion", "tools", "vision"} <= set(shown.capabilities)
    assert shown.modelinfo["anthropic.context_length"] >= 200_000


def test_ollama_errors_are_its_own(llama: "ollama.Client") -> None:
    for stream in (False, True):
        with pytest.raises(ollama.ResponseError) as caught:
            list(llama.chat("nobody", [{"role": "user", "content": "hi"}], stream=stream))
        assert caught.value.status_code == 404
        assert "'nobody'" in caught.value.error


# Vectors

FOX = "the quick brown fox"
VECTOR = [0.25, -0.5, 0.75, -1.0]
ALL_VECTORS = pytest.mark.parametrize("model", VECTORS.values(), ids=VECTORS)


@ALL_VECTORS
def test_cohere_embeds(command: Any, model: str) -> None:
    answer = command.embed(
        model=model,
        texts=[FOX, FOX],
        input_type="search_query",
        embedding_types=["float"],
    )
    assert answer.embeddings.float_ == [VECTOR, VECTOR]


def test_cohere_embeds_inputs_and_wants_base64(command: Any) -> None:
    """aimock knows neither in Cohere's own dialect."""
    answer = command.embed(
        model=VECTORS["openai_embeddings"],
        inputs=[{"content": [{"type": "text", "text": FOX}]}],
        input_type="search_document",
        embedding_types=["float", "base64"],
    )
    assert answer.embeddings.float_ == [VECTOR]
    assert answer.embeddings.base64 == ["AACAPgAAAL8AAEA/AACAvw=="]


@ALL_VECTORS
def test_cohere_embeds_in_version_1(dialects: Server, model: str) -> None:
    with httpx.Client() as connections:
        old = cohere.Client(api_key=KEY, base_url=dialects.url, httpx_client=connections)
        answer = old.embed(model=model, texts=[FOX], input_type="search_query")
        assert answer.embeddings == [VECTOR]


@ALL_VECTORS
def test_gemini_embeds(gemini: "genai.Client", model: str) -> None:
    config = genai.types.EmbedContentConfig(task_type="RETRIEVAL_QUERY", output_dimensionality=4)
    for contents in (FOX, [FOX, FOX]):
        answer = gemini.models.embed_content(model=model, contents=contents, config=config)
        expected = [VECTOR] if contents == FOX else [VECTOR, VECTOR]
        assert [one.values for one in answer.embeddings] == expected


@ALL_VECTORS
def test_ollama_embeds(llama: "ollama.Client", model: str) -> None:
    assert llama.embed(model=model, input=[FOX, FOX]).embeddings == [VECTOR, VECTOR]
    assert llama.embeddings(model=model, prompt=FOX).embedding == VECTOR


@ALL_VECTORS
def test_openai_embeds(gpt: "openai.OpenAI", model: str) -> None:
    """Its SDK asks for base64, and makes floats of it."""
    answer = gpt.embeddings.create(model=model, input=[FOX, FOX])
    assert [one.embedding for one in answer.data] == [VECTOR, VECTOR]


@ALL_VECTORS
def test_mistral_embeds(mistral: Any, model: str) -> None:
    answer = mistral.embeddings.create(model=model, inputs=[FOX])
    assert [one.embedding for one in answer.data] == [VECTOR]


def test_cohere_lists_models(command: Any) -> None:
    names = {model.name for model in command.models.list().models}
    assert {*MODELS.values(), *VECTORS.values()} <= names
