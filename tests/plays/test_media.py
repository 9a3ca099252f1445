"""Pictures and documents by URL, told to providers that take only data."""

import asyncio
import base64
import contextlib
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from portico.config.load import Loaded
from tests.harness import (
    CANARY,
    CHAT,
    KEY,
    Received,
    Running,
    Script,
    Upstream,
    Wire,
    closed_port,
    gateway,
    http,
    read_config,
    upstream,
    whole,
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))
PNG64 = base64.b64encode(PNG).decode()
PDF = b"%PDF-1.4 hello"
PDF64 = base64.b64encode(PDF).decode()
QUICKLY = ", retries: {max_attempts: 3, base_delay: 0, max_delay: 0.01}"
SECRET = "?token=do-not-log"

OLLAMA = {
    "model": "real",
    "created_at": "2026-11-23T00:00:00Z",
    "message": {"role": "assistant", "content": "a cat"},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 7,
    "eval_count": 3,
}
CONVERSE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "a cat"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10},
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "real",
    "content": [{"type": "text", "text": "a cat"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 7, "output_tokens": 3},
}
OLLAMA_CHAT = "ollama, dialect: ollama_chat"
ANSWERS: dict[str, Any] = {
    OLLAMA_CHAT: OLLAMA,
    "ollama": json.loads(CHAT),
    "lm_studio": json.loads(CHAT),
    "bedrock": CONVERSE,
    "anthropic": MESSAGE,
    "vertex_ai": MESSAGE,
}


async def files(wire: Wire, request: Received) -> None:
    """What is on the web."""
    body = {"/cat.png": PNG, "/doc.pdf": PDF}.get(request.target.partition("?")[0])
    wire.send(whole(body, kind="application/octet-stream") if body else whole(b"no", status=404))


def answering(provider: str) -> Script:
    async def script(wire: Wire, request: Received) -> None:
        wire.send(whole(json.dumps(ANSWERS[provider]).encode()))

    return script


def config(
    *ups: tuple[str, Upstream], web: Upstream | None, more: str = "", route: str = QUICKLY
) -> str:
    """One route over providers of these types; `web` of `None` fetches nothing."""
    providers, targets = "", []
    for number, (kind, up) in enumerate(ups):
        url, model = up.url, "real"
        if kind == "vertex_ai":
            url, model = f"{up.url}/v1/projects/p/locations/global", "claude-real"
        providers += (
            f"  - {{name: up{number}, provider_type: {kind}, base_url: '{url}', "
            f"api_key: {CANARY}, models: [{model}]}}\n"
        )
        targets.append(f"up{number}/{model}")
    media = ""
    if web is not None:
        media = (
            "media: {fetch: true, allow_http: true, allow_networks: [127.0.0.0/8], "
            f"ports: [{web.port}]{more}}}\n"
        )
    return (
        f"providers:\n{providers}models:\n  - {{name: m, targets: [{', '.join(targets)}], "
        f"strategy: priority_based{route}}}\nkeys:\n  - {{name: k, key: {KEY}}}\n{media}"
    )


Story = Callable[[Running, Upstream, list[Upstream]], Awaitable[None]]


def play(
    folder: Path,
    story: Story,
    *kinds: str,
    fetch: bool = True,
    web: Script = files,
    more: str = "",
    route: str = QUICKLY,
    scripts: dict[int, Script] | None = None,
) -> None:
    """`story` gets the gateway, the web, and a provider for each of `kinds`."""

    async def run() -> None:
        async with contextlib.AsyncExitStack() as stack:
            site = await stack.enter_async_context(upstream(web))
            ups = [
                await stack.enter_async_context(
                    upstream((scripts or {}).get(number, answering(kind)))
                )
                for number, kind in enumerate(kinds)
            ]
            known = list(zip(kinds, ups, strict=True))
            text = config(*known, web=site if fetch else None, more=more, route=route)
            running = await stack.enter_async_context(gateway(folder, text))
            await story(running, site, ups)
            await running.settled()
            running.check_balance()
            assert SECRET not in running.log

    uvloop.run(run())


def picture(url: str) -> dict[str, Any]:
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    return {"model": "m", "messages": [{"role": "user", "content": content}]}


def outcomes(running: Running) -> dict[str, float]:
    found = re.findall(r'(?m)^gateway_media_total\{outcome="(\w+)"\} (\S+)$', running.metrics())
    return {outcome: float(count) for outcome, count in found}


def test_ollama_is_given_the_picture_itself(tmp_path: Path) -> None:
    async def story(running: Running, web: Upstream, ups: list[Upstream]) -> None:
        answer = await running.ask(http(picture(f"{web.url}/cat.png{SECRET}")))
        assert answer.status == 200
        assert answer.json()["choices"][0]["message"]["content"] == "a cat"
        assert "x-portico-dropped-params" not in answer.headers
        (asked,) = ups[0].requests
        assert asked.json()["messages"] == [
            {"role": "user", "content": "What is this?", "images": [PNG64]}
        ]
        (fetched,) = web.requests
        assert fetched.target == f"/cat.png{SECRET}"
        assert "authorization" not in fetched.headers
        assert outcomes(running) == {"fetched": 1.0}
        (record,) = running.journal()
        assert [attempt.outcome for attempt in record.attempts] == ["success"]

    play(tmp_path, story, OLLAMA_CHAT)


@pytest.mark.parametrize("kind", ["ollama", "lm_studio"])
def test_who_speaks_like_openai_but_takes_no_urls_is_given_data(kind: str, tmp_path: Path) -> None:
    async def story(running: Running, web: Upstream, ups: list[Upstream]) -> None:
        asked = {**picture(f"{web.url}/cat.png"), "unknown": 1}
        answer = await running.ask(http(asked))
        assert answer.json()["choices"][0]["message"]["content"] == "hi"
        told = ups[0].requests[0].json()
        url = f"data:image/png;base64,{PNG64}"
        assert told["messages"][0]["content"][1] == {"type": "image_url", "image_url": {"url": url}}
        assert told["unknown"] == 1
        there = http(picture(url))
        await running.ask(there)
        assert len(web.requests) == 1
        assert ups[0].requests[1].json()["messages"] == told["messages"]

    play(tmp_path, story, kind)


def test_bedrock_is_given_pictures_and_documents_of_tools_too(tmp_path: Path) -> None:
    async def story(running: Running, web: Upstream, ups: list[Upstream]) -> None:
        image = {"type": "image", "source": {"type": "url", "url": f"{web.url}/cat.png"}}
        document = {"type": "document", "source": {"type": "url", "url": f"{web.url}/doc.pdf"}}
        messages = [
            {"role": "user", "content": [document, {"type": "text", "text": "Look."}]},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": {}}],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [image]}],
            },
            {"role": "assistant", "content": "I see."},
            {"role": "user", "content": [image]},
        ]
        tools = [{"name": "look", "input_schema": {"type": "object"}}]
        body = {"model": "m", "max_tokens": 9, "messages": messages, "tools": tools}
        answer = await running.ask(http(body, path="/v1/messages"))
        assert answer.status == 200
        told = ups[0].requests[0].json()["messages"]
        cat = {"image": {"format": "png", "source": {"bytes": PNG64}}}
        report = {"format": "pdf", "source": {"bytes": PDF64}, "name": "document"}
        assert told[0]["content"][0] == {"document": report}
        assert told[2]["content"][0]["toolResult"]["content"] == [cat]
        assert told[4]["content"] == [cat]
        assert sorted(each.target for each in web.requests) == ["/cat.png", "/doc.pdf"]
        assert outcomes(running) == {"fetched": 2.0}

    play(tmp_path, story, "bedrock")


def test_who_takes_urls_is_told_the_url(tmp_path: Path) -> None:
    async def story(running: Running, web: Upstream, ups: list[Upstream]) -> None:
        url = f"{web.url}/cat.png{SECRET}"
        assert (await running.ask(http(picture(url)))).status == 200
        source = ups[0].requests[0].json()["messages"][0]["content"][1]["source"]
        assert source == {"type": "url", "url": url}
        assert web.requests == []
        assert outcomes(running) == {}

    play(tmp_path, story, "anthropic")


def test_claude_on_vertex_takes_no_urls_not_even_of_its_own_dialect(tmp_path: Path) -> None:
    async def story(running: Running, web: Upstream, ups: list[Upstream]) -> None:
        image = {"type": "image", "source": {"type": "url", "url": f"{web.url}/cat.png"}}
        messages = [{"role": "user", "content": [image]}]
        body = {"model": "m", "max_tokens": 9, "messages": messages, "top_k": 3}
        answer = await running.ask(http(body, path="/v1/messages"))
        assert answer.json()["content"] == MESSAGE["content"]
        told = ups[0].requests[0].json()
        source = {"type": "base64", "media_type": "image/png", "data": PNG64}
        assert told["messages"][0]["content"] == [{"type": "image", "source": source}]
        assert told["top_k"] == 3
        plain = {**body, "messages": [{"role": "user", "content": "hi"}], "unknown": 1}
        await running.ask(http(plain, path="/v1/messages"))
        assert ups[0].requests[1].json()["unknown"] == 1

    play(tmp_path, story, "vertex_ai")


OFF = (
    "`messages[0].content[1].image_url.url` is an address, and this gateway fetches none for "
    "providers that take only data; send it as base64 data, or ask the operator to set "
    "`media.fetch`."
)


def test_nothing_is_fetched_unless_the_operator_allows_it(tmp_path: Path) -> None:
    async def story(running: Running, web: Upstream, ups: list[Upstream]) -> None:
        answer = await running.ask(http(picture(f"{web.url}/cat.png{SECRET}")))
        assert answer.status == 400
        assert answer.error == {
            "message": OFF,
            "type": "invalid_request_error",
            "param": "messages[0].content[1].image_url.url",
            "code": "media_not_fetched",
        }
        assert (web.requests, ups[0].requests) == ([], [])
        assert outcomes(running) == {"off": 1.0}
        assert running.journal() == []

    play(tmp_path, story, OLLAMA_CHAT, fetch=False)


def test_each_client_is_refused_in_its_own_words(tmp_path: Path) -> None:
    async def story(running: Running, web: Upstream, ups: list[Upstream]) -> None:
        image = {"type": "image", "source": {"type": "url", "url": "https://e.com/a.png"}}
        body: dict[str, Any] = {
            "model": "m",
            "max_tokens": 9,
            "system": "Be kind.",
            "messages": [{"role": "user", "content": [image]}],
        }
        answer = await running.ask(http(body, path="/v1/messages"))
        assert answer.status == 400
        assert answer.json()["type"] == "error"
        assert answer.json()["error"]["type"] == "invalid_request_error"
        assert "`messages[0].content[0].source.url` is" in answer.json()["error"]["message"]
        part = {"fileData": {"fileUri": "https://e.com/a.png", "mimeType": "image/png"}}
        path = "/v1beta/models/m:generateContent"
        answer = await running.ask(http({"contents": [{"parts": [part]}]}, path=path))
        assert answer.status == 400
        assert answer.error["status"] == "INVALID_ARGUMENT"
        assert "`contents[0].parts[0].fileData.fileUri` is" in answer.error["message"]
        item = {"type": "input_file", "file_url": "https://e.com/a.pdf"}
        body = {"model": "m", "input": [{"role": "user", "content": [item]}]}
        answer = await running.ask(http(body, path="/v1/responses"))
        assert answer.error["param"] == "input[0].content[0].file_url"
        assert ups[0].requests == []

    play(tmp_path, story, "bedrock", fetch=False)


@pytest.mark.parametrize("fetch", [False, True])
def test_a_client_that_says_drop_gets_an_answer_and_is_told(fetch: bool, tmp_path: Path) -> None:
    async def story(running: Running, web: Upstream, ups: list[Upstream]) -> None:
        body = http(picture(f"{web.url}/gone.png"), x_portico_unsupported_params="drop")
        answer = await running.ask(body)
        assert answer.status == 200
        assert answer.headers["x-portico-dropped-params"] == "image.url"
        (told,) = ups[0].requests
        assert told.json()["messages"] == [{"role": "user", "content": "What is this?"}]

    play(tmp_path, story, OLLAMA_CHAT, fetch=fetch)


def test_a_client_that_says_drop_still_gets_what_can_be_fetched(tmp_path: Path) -> None:
    async def story(running: Running, web: Upstream, ups: list[Upstream]) -> None:
        for wish in ("drop", "error"):
            body = http(picture(f"{web.url}/cat.png"), x_portico_unsupported_params=wish)
            answer = await running.ask(body)
            assert answer.status == 200
            assert "x-portico-dropped-params" not in answer.headers
            assert ups[0].requests[-1].json()["messages"][0]["images"] == [PNG64]

    play(tmp_path, story, OLLAMA_CHAT)


def test_an_error_wish_is_kept_for_all_that_is_not_fetched(tmp_path: Path) -> None:
    async def story(running: Running, web: Upstream, ups: list[Upstream]) -> None:
        asked = {**picture(f"{web.url}/cat.png"), "logit_bias": {"1": 1}}
        answer = await running.ask(http(asked, x_portico_unsupported_params="error"))
        assert (answer.status, answer.error["code"]) == (400, "unsupported_parameter")
        assert (web.requests, ups[0].requests) == ([], [])

    play(tmp_path, story, OLLAMA_CHAT)


def test_the_call_goes_on_to_a_deployment_that_takes_urls(tmp_path: Path) -> None:
    async def story(running: Running, web: Upstream, ups: list[Upstream]) -> None:
        url = f"{web.url}/gone.png"
        answer = await running.ask(http(picture(url)))
        assert answer.status == 200
        assert answer.headers["x-portico-deployment"] == "up1/real"
        assert answer.headers["x-portico-attempts"] == "1"
        assert ups[0].requests == []
        assert url in ups[1].requests[0].body.decode()

    play(tmp_path, story, OLLAMA_CHAT, "anthropic")
    play(tmp_path, story, "bedrock", "anthropic", fetch=False)


def test_retries_fetch_nothing_again_and_urls_stay_for_who_takes_them(tmp_path: Path) -> None:
    async def failing(wire: Wire, request: Received) -> None:
        wire.send(whole(b'{"error": "broken"}', status=500))

    async def story(running: Running, web: Upstream, ups: list[Upstream]) -> None:
        answer = await running.ask(http(picture(f"{web.url}/cat.png")))
        assert answer.status == 200
        assert answer.headers["x-portico-attempts"] == "3"
        assert [len(up.requests) for up in ups] == [1, 1, 1]
        assert PNG64 in ups[1].requests[0].body.decode()
        assert f"{web.url}/cat.png" in ups[2].requests[0].body.decode()
        assert len(web.requests) == 1

    play(tmp_path, story, OLLAMA_CHAT, "bedrock", "anthropic", scripts={0: failing, 1: failing})


FAILURES: dict[str, tuple[str, str, str]] = {
    "gone": ("/gone.png", "failed", "answered 404"),
    "no picture": ("/doc.pdf", "wrong_type", "is not an image: its file is application/pdf"),
}


@pytest.mark.parametrize(("path", "outcome", "reason"), FAILURES.values(), ids=FAILURES)
def test_what_cannot_be_had_is_told_before_a_provider_is_asked(
    path: str, outcome: str, reason: str, tmp_path: Path
) -> None:
    async def story(running: Running, web: Upstream, ups: list[Upstream]) -> None:
        answer = await running.ask(http(picture(web.url + path + SECRET)))
        assert answer.status == 400
        assert answer.error["message"] == (
            f"`messages[0].content[1].image_url.url` {reason}; the provider takes only data, so "
            "send it as base64, or from where it can be fetched."
        )
        assert ups[0].requests == []
        assert outcomes(running) == {outcome: 1.0}

    play(tmp_path, story, OLLAMA_CHAT)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://user:pass@127.0.0.1/",
        f"http://127.0.0.1:{closed_port()}/",
        "file:///etc/passwd",
        "data:image/png,abc",
        "",
    ],
)
def test_an_address_of_the_inside_is_refused(url: str, tmp_path: Path) -> None:
    async def story(running: Running, web: Upstream, ups: list[Upstream]) -> None:
        answer = await running.ask(http(picture(url)))
        assert (answer.status, answer.error["code"]) == (400, "media_not_fetched")
        assert ups[0].requests == []
        assert outcomes(running) == {"refused": 1.0}
        assert "WARNING portico media not fetched: " in running.log

    play(tmp_path, story, OLLAMA_CHAT)


def test_a_client_that_leaves_ends_the_fetch(tmp_path: Path) -> None:
    is_asked, is_left = asyncio.Event(), asyncio.Event()

    async def silent(wire: Wire, request: Received) -> None:
        is_asked.set()
        await wire.gone()
        is_left.set()

    async def story(running: Running, web: Upstream, ups: list[Upstream]) -> None:
        client = await running.client(http(picture(f"{web.url}/cat.png")))
        async with asyncio.timeout(5):
            await is_asked.wait()
            client.leave()
            await is_left.wait()
        await running.settled()
        assert ups[0].requests == []
        assert running.journal() == []

    play(tmp_path, story, OLLAMA_CHAT, web=silent)


@pytest.mark.parametrize(
    ("more", "route"), [(", timeout: 0.05", QUICKLY), ("", ", retries: {deadline: 0.05}")]
)
def test_a_slow_file_is_given_up_within_the_calls_own_time(
    more: str, route: str, tmp_path: Path
) -> None:
    async def silent(wire: Wire, request: Received) -> None:
        await wire.gone()

    async def story(running: Running, web: Upstream, ups: list[Upstream]) -> None:
        answer = await running.ask(http(picture(f"{web.url}/cat.png")))
        assert answer.status == 400
        assert "did not answer whole within" in answer.error["message"]
        assert outcomes(running) == {"timeout": 1.0}
        assert ups[0].requests == []

    play(tmp_path, story, OLLAMA_CHAT, web=silent, more=more, route=route)


def _is_waited_for(running: Running) -> bool:
    """Does a second attempt wait for what the first one fetches?"""
    return any(lock._waiters for lock in running.app.gateway.media._locks.values())


def test_a_hedged_call_fetches_once(tmp_path: Path) -> None:
    is_told = asyncio.Event()

    async def late(wire: Wire, request: Received) -> None:
        await is_told.wait()
        await files(wire, request)

    async def story(running: Running, web: Upstream, ups: list[Upstream]) -> None:
        client = await running.client(http(picture(f"{web.url}/cat.png")))
        async with asyncio.timeout(5):
            while not _is_waited_for(running):  # noqa: ASYNC110 (there is nothing to await)
                await asyncio.sleep(0.001)
            is_told.set()
        assert (await client.answer()).status == 200
        assert len(web.requests) == 1

    hedge = QUICKLY + ", hedge: {after: 0.01, budget: 1}"
    play(tmp_path, story, OLLAMA_CHAT, "bedrock", web=late, route=hedge)


def test_a_streamed_call_is_given_the_picture_too(tmp_path: Path) -> None:
    async def lines(wire: Wire, request: Received) -> None:
        piece = {**OLLAMA, "done": False}
        body = b"".join(json.dumps(each).encode() + b"\n" for each in (piece, OLLAMA))
        wire.send(whole(body, kind="application/x-ndjson"))

    async def story(running: Running, web: Upstream, ups: list[Upstream]) -> None:
        asked = {**picture(f"{web.url}/cat.png"), "stream": True}
        answer = await running.ask(http(asked))
        assert answer.status == 200
        assert answer.events()[-1] == "[DONE]"
        assert ups[0].requests[0].json()["messages"][0]["images"] == [PNG64]

    play(tmp_path, story, OLLAMA_CHAT, scripts={0: lines})


def test_a_reload_turns_it_on_and_off(tmp_path: Path) -> None:
    async def story(running: Running, web: Upstream, ups: list[Upstream]) -> None:
        asked = http(picture(f"{web.url}/cat.png"))
        assert (await running.ask(asked)).status == 400
        for site, status in ((web, 200), (None, 400)):
            loaded = Loaded(read_config(config((OLLAMA_CHAT, ups[0]), web=site)), ())
            running.app.reload(lambda loaded=loaded: loaded)  # type: ignore[misc]
            assert (await running.ask(asked)).status == status

    play(tmp_path, story, OLLAMA_CHAT, fetch=False)
