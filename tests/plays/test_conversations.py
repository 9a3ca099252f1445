"""`previous_response_id` where the provider keeps nothing: the gateway does, per key."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from portico.engine.conversations import LIFE_S, Conversations
from portico.errors import InvalidRequest
from portico.types.chat import (
    Home,
    Message,
    ProviderState,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from tests.harness import CANARY, KEY, Received, Running, Wire, gateway, good, http, upstream, whole

OTHER_KEY = "sk-team-b-0123456789"


def chat_config(url: str, more: str = "") -> str:
    """A provider that has no Responses endpoint."""
    return (
        f"providers:\n  - {{name: p, provider_type: mistral, base_url: '{url}', "
        f"api_key: {CANARY}, models: [real]}}\n{more}"
        f"models:\n  - {{name: m, targets: [p/real]}}\n"
        f"keys:\n  - {{name: k, key: {KEY}}}\n  - {{name: other, key: {OTHER_KEY}}}\n"
    )


async def respond(running: Running, key: str = KEY, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = await running.ask(http({"model": "m", **body}, path="/v1/responses", key=key))
    if not body.get("stream"):
        return answer.status, answer.json()
    events = [json.loads(one) for one in answer.events()]
    assert events[-1]["type"] == "response.completed"
    return answer.status, events[-1]["response"]


def told(sent: Received) -> list[tuple[str, Any]]:
    return [(message["role"], message["content"]) for message in sent.json()["messages"]]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_conversation_goes_on(streamed: bool, tmp_path: Path) -> None:
    said = "hello" if streamed else "hi"

    async def play() -> None:
        async with (
            upstream(good) as provider,
            gateway(tmp_path, chat_config(provider.url)) as running,
        ):
            _, first = await respond(running, input="one", instructions="A", stream=streamed)
            _, second = await respond(
                running, input="two", previous_response_id=first["id"], stream=streamed
            )
            status, third = await respond(
                running,
                input="three",
                instructions="B",
                previous_response_id=second["id"],
                stream=streamed,
            )
            assert status == 200
            assert len({first["id"], second["id"], third["id"]}) == 3
            assert third["previous_response_id"] == second["id"]
            assert told(provider.requests[1]) == [
                ("user", "one"),
                ("assistant", said),
                ("user", "two"),
            ]
            assert told(provider.requests[2]) == [
                ("system", "B"),
                *told(provider.requests[1]),
                ("assistant", said),
                ("user", "three"),
            ]

    uvloop.run(play())


def test_tool_calls_and_their_results_go_on(tmp_path: Path) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    asks = {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    tool = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}

    async def play() -> None:
        async def script(wire: Wire, _: Received) -> None:
            wire.send(whole(json.dumps(asks).encode()))

        async with (
            upstream(script) as provider,
            gateway(tmp_path, chat_config(provider.url)) as running,
        ):
            _, first = await respond(running, input="go", tools=[tool])
            result = {"type": "function_call_output", "call_id": "call_1", "output": "done"}
            await respond(running, input=[result], tools=[tool], previous_response_id=first["id"])
            user, assistant, tool_result = provider.requests[1].json()["messages"]
            assert user == {"role": "user", "content": "go"}
            (called,) = assistant["tool_calls"]
            assert called == {**call, "id": called["id"]}  # Mistral takes ids of its own form
            assert (tool_result["role"], tool_result["tool_call_id"]) == ("tool", called["id"])

    uvloop.run(play())


def test_what_is_not_kept_is_not_found(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(good) as provider,
            gateway(tmp_path, chat_config(provider.url)) as running,
        ):
            _, kept = await respond(running, input="one")
            _, unkept = await respond(running, input="one", store=False)
            for key, id in ((OTHER_KEY, kept["id"]), (KEY, unkept["id"]), (KEY, "resp_none")):
                status, value = await respond(running, key, input="two", previous_response_id=id)
                assert status == 400
                assert value["error"]["code"] == "previous_response_not_found"
                assert value["error"]["param"] == "previous_response_id"
                assert id in value["error"]["message"]
            assert len(provider.requests) == 2

    uvloop.run(play())


def test_nothing_is_named_as_dropped(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(good) as provider,
            gateway(tmp_path, chat_config(provider.url)) as running,
        ):
            _, first = await respond(running, input="one", store=True)
            body = {"model": "m", "input": "two", "previous_response_id": first["id"]}
            answer = await running.ask(http(body, path="/v1/responses"))
            assert "x-portico-dropped-params" not in answer.headers

    uvloop.run(play())


def test_providers_with_responses_keep_their_own(tmp_path: Path) -> None:
    body = b'{"id":"resp_theirs","output":[{"type":"message"}]}'

    async def play() -> None:
        async def script(wire: Wire, _: Received) -> None:
            wire.send(whole(body))

        config = chat_config("").replace("mistral", "openai")
        async with upstream(script) as provider:
            config = chat_config(provider.url + "/v1").replace("mistral", "openai")
            async with gateway(tmp_path, config) as running:
                asked = {"model": "m", "input": "x", "previous_response_id": "resp_x"}
                answer = await running.ask(http(asked, path="/v1/responses"))
                assert answer.body == body
                assert provider.requests[0].json()["previous_response_id"] == "resp_x"

    uvloop.run(play())


# The shelf itself


def turns(text: str) -> tuple[Message, ...]:
    return (Message("user", (Text(text),)),)


def test_what_is_recalled_is_what_was_kept() -> None:
    state = ProviderState("anthropic_messages", "c2ln", Home("p", "m"))
    kept = (
        Message("user", (Text("é"),)),
        Message("assistant", (Thinking("hm", state), ToolCall("1", "f", '{"b": 1}'))),
        Message("user", (ToolResult("1", (Text("x"),), is_error=True),)),
    )
    shelf = Conversations()
    shelf.keep("k", "a", kept, now=0)
    assert shelf.recall("k", "a", now=LIFE_S - 1) == kept


def test_life_is_bounded() -> None:
    shelf = Conversations()
    shelf.keep("k", "a", turns("x"), now=0)
    with pytest.raises(InvalidRequest):
        shelf.recall("k", "a", now=LIFE_S)
    shelf.keep("k", "b", turns("x"), now=LIFE_S)
    assert not shelf.has("k", "a", now=0)


def test_a_key_loses_its_oldest_and_no_others() -> None:
    shelf = Conversations(key_bytes=1000, all_bytes=10_000)
    shelf.keep("other", "o", turns("x" * 500), now=0)
    for number in range(5):
        shelf.keep("k", str(number), turns("x" * 300), now=0)
    held = [number for number in range(5) if shelf.has("k", str(number), now=0)]
    assert held == [3, 4]
    assert shelf.has("other", "o", now=0)


def test_all_keys_together_are_bounded() -> None:
    shelf = Conversations(key_bytes=1000, all_bytes=2500)
    for key in range(20):
        shelf.keep(str(key), "a", turns("x" * 700), now=0)
        assert shelf.size <= 2500
    assert shelf.has("19", "a", now=0)


def test_what_is_too_large_is_not_kept() -> None:
    shelf = Conversations(key_bytes=1000)
    shelf.keep("k", "a", turns("x" * 2000), now=0)
    assert (shelf.size, shelf.has("k", "a", now=0)) == (0, False)


def test_an_answer_that_is_kept_again_counts_once() -> None:
    shelf = Conversations()
    shelf.keep("k", "a", turns("x"), now=0)
    size = shelf.size
    shelf.keep("k", "a", turns("x"), now=0)
    assert shelf.size == size


# Shown, listed, forgotten


async def page(
    running: Running, path: str, method: str = "GET", key: str = KEY
) -> tuple[int, dict[str, Any]]:
    answer = await running.ask(http(path=f"/v1/responses/{path}", method=method, key=key), method)
    return answer.status, answer.json()


def play(folder: Path, story: Callable[[Running], Awaitable[None]]) -> None:
    async def run() -> None:
        async with (
            upstream(good) as provider,
            gateway(folder, chat_config(provider.url)) as running,
        ):
            await story(running)

    uvloop.run(run())


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_answer_that_is_kept_is_shown_as_it_was(streamed: bool, tmp_path: Path) -> None:
    async def story(running: Running) -> None:
        _, given = await respond(running, input="one", stream=streamed)
        assert await page(running, given["id"]) == (200, given)

    play(tmp_path, story)


def test_nobody_else_sees_or_forgets_it(tmp_path: Path) -> None:
    async def story(running: Running) -> None:
        _, given = await respond(running, input="one")
        _, unkept = await respond(running, input="one", store=False)
        for id, key, method in (
            (given["id"], OTHER_KEY, "GET"),
            (given["id"], OTHER_KEY, "DELETE"),
            (f"{given['id']}/input_items", OTHER_KEY, "GET"),
            (unkept["id"], KEY, "GET"),
            ("resp_none", KEY, "DELETE"),
        ):
            status, told = await page(running, id, method, key)
            assert (status, told["error"]["code"]) == (404, "response_not_found")
        assert (await page(running, given["id"]))[0] == 200

    play(tmp_path, story)


def test_what_is_forgotten_is_gone(tmp_path: Path) -> None:
    async def story(running: Running) -> None:
        _, given = await respond(running, input="one")
        gone = {"id": given["id"], "object": "response", "deleted": True}
        assert await page(running, given["id"], "DELETE") == (200, gone)
        assert (await page(running, given["id"]))[0] == 404
        status, _ = await respond(running, input="two", previous_response_id=given["id"])
        assert status == 400
        assert running.app.gateway.conversations.size == 0
        status, told = await page(running, given["id"], "PUT")
        assert (status, told["error"]["code"]) == (405, "method_not_allowed")

    play(tmp_path, story)


def test_what_was_asked_is_listed_a_page_at_a_time(tmp_path: Path) -> None:
    async def story(running: Running) -> None:
        said = [{"role": "user", "content": str(i)} for i in range(3)]
        _, given = await respond(running, input=said)
        id = given["id"]

        async def texts(query: str) -> tuple[list[str], bool]:
            _, told = await page(running, f"{id}/input_items{query}")
            ids = [item["id"] for item in told["data"]]
            assert (told["first_id"], told["last_id"]) == (ids[0], ids[-1])
            return [item["content"][0]["text"] for item in told["data"]], told["has_more"]

        assert await texts("") == (["2", "1", "0"], False)
        assert await texts("?order=asc&limit=2") == (["0", "1"], True)
        assert await texts(f"?order=asc&after={id}_1") == (["2"], False)
        for query, param in (("limit=0", "limit"), ("limit=x", "limit"), ("after=no", "after")):
            status, told = await page(running, f"{id}/input_items?{query}")
            assert (status, told["error"]["param"]) == (400, param)
        _, given = await respond(running, input="text")
        _, told = await page(running, f"{given['id']}/input_items")
        assert told["data"] == [
            {
                "id": f"{given['id']}_0",
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "text"}],
            }
        ]

    play(tmp_path, story)


def test_compaction_passes_where_a_provider_has_it_and_nowhere_else(tmp_path: Path) -> None:
    compacted = b'{"id":"resp_1","object":"response.compaction","output":[{"id":"cmp_1"}]}'

    async def run() -> None:
        async def script(wire: Wire, _: Received) -> None:
            wire.send(whole(compacted))

        async with upstream(script) as provider:
            config = chat_config(provider.url).replace("mistral", "openai")
            body = b'{"model": "m", "input": [], "odd": 1.50}'
            async with gateway(tmp_path / "a", config) as running:
                answer = await running.ask(http(body, path="/v1/responses/compact"))
                assert (answer.status, answer.body) == (200, compacted)
                (sent,) = provider.requests
                assert (sent.target, sent.body) == (
                    "/responses/compact",
                    body.replace(b'"model": "m"', b'"model":"real"'),
                )
            async with gateway(tmp_path / "b", chat_config(provider.url)) as running:
                answer = await running.ask(http(body, path="/v1/responses/compact"))
                assert (answer.status, answer.error["code"]) == (501, "not_supported")

    uvloop.run(run())
