"""watsonx.ai: a key that buys a token, in IBM Cloud or a Cloud Pak for Data, and who pays."""

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import uvloop

from portico.engine.provider_set import known_providers
from tests.harness import (
    CANARY,
    KEY,
    LAST_CHUNK,
    SSE_HEAD,
    Received,
    Wire,
    chat,
    chunk,
    gateway,
    http,
    read_config,
    upstream,
    whole,
)

FIXTURES = Path(__file__).parents[1] / "fixtures" / "watsonx_chat"
MODEL = "ibm/granite-4-h-small"
TOKEN = "eyJhbGciOiJub25lIn0"


def config(url: str, *, model: str = MODEL, settings: str = "project_id: p-1", **more: str) -> str:
    extra = "".join(f", {name}: {value}" for name, value in more.items())
    return (
        f"providers:\n  - {{name: ibm, provider_type: watsonx, base_url: '{url}', "
        f"models: ['{model}'], settings: {{{settings}}}{extra}}}\n"
        f"models:\n  - {{name: m, targets: ['ibm/{model}'], retries: {{max_attempts: 1}}}}\n"
        f"keys:\n  - {{name: k, key: {KEY}}}\n"
    )


VECTORS = {"model_id": MODEL, "results": [{"embedding": [0.5]}], "input_token_count": 3}
RANKS = {
    "model_id": MODEL,
    "results": [{"index": 1, "score": 2.5}, {"index": 0, "score": -0.5}],
    "input_token_count": 9,
}


class Cloud:
    """IAM, a Cloud Pak's own door, and the models, at one address."""

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token

    async def __call__(self, wire: Wire, request: Received) -> None:
        path = request.target.partition("?")[0]
        if path == "/identity/token":
            wire.send(whole(json.dumps({"access_token": self.token, "expires_in": 3600}).encode()))
        elif path == "/icp4d-api/v1/authorize":
            wire.send(whole(json.dumps({"_messageCode_": "200", "token": self.token}).encode()))
        elif request.headers.get("authorization") != f"Bearer {self.token}":
            wire.send(whole((FIXTURES / "error_token" / "error.json").read_bytes(), 401))
        elif path.endswith("chat_stream"):
            stream = (FIXTURES / "text" / "stream.txt").read_bytes()
            wire.send(SSE_HEAD + chunk(stream) + LAST_CHUNK)
        elif path.endswith("chat"):
            wire.send(whole((FIXTURES / "text" / "response.json").read_bytes()))
        else:
            told = VECTORS if path.endswith("embeddings") else RANKS
            wire.send(whole(json.dumps(told).encode()))


def environ(url: str) -> dict[str, str]:
    return {"WATSONX_APIKEY": CANARY, "IBMCLOUD_IAM_API_ENDPOINT": url}


def test_a_key_of_ibm_cloud_buys_a_token_for_chat_whole_and_streamed(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(Cloud()) as up,
            gateway(tmp_path, config(up.url), environ=environ(up.url)) as running,
        ):
            body = chat("m", max_tokens=9, user="u", tool_choice="auto", tools=[TOOL])
            answer = await running.ask(http(body))
            assert answer.status == 200, answer.body
            assert answer.json()["choices"][0]["message"]["content"] == "Ciao"
            assert answer.headers["x-portico-dropped-params"] == "user"
            streamed = await running.ask(http({**chat("m", stream=True)}))
            assert streamed.events()[-1] == "[DONE]"
            said = [json.loads(event)["choices"] for event in streamed.events()[:-1]]
            assert "".join(c[0]["delta"].get("content") or "" for c in said if c) == "Ciao"
            token, first, second = up.requests
            assert (token.target, dict(parse_qsl(token.body.decode()))) == (
                "/identity/token",
                {"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "apikey": CANARY},
            )
            assert first.target == "/ml/v1/text/chat?version=2025-04-23"
            assert second.target == "/ml/v1/text/chat_stream?version=2025-04-23"
            assert first.json() == {
                "project_id": "p-1",
                "model_id": MODEL,
                "messages": [{"role": "user", "content": "hi"}],
                "max_completion_tokens": 9,
                "tools": [TOOL],
                "tool_choice_option": "auto",
            }
            assert second.json().keys() == {"project_id", "model_id", "messages"}
            await running.settled()
            for record in running.journal():
                usage = record.attempts[0].usage
                assert usage is not None
                assert (usage.total_input_tokens, usage.total_output_tokens) == (38, 3)
            running.check_balance()
            assert CANARY not in running.log

    uvloop.run(play())


TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "sum", "parameters": {"type": "object", "properties": {}}},
}


def test_vectors_and_ranks(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(Cloud()) as up:
            text = config(f"{up.url}/ml/v1", settings="space_id: s-1", api_version="2026-01-01")
            async with gateway(tmp_path, text, environ=environ(up.url)) as running:
                body: dict[str, Any] = {"model": "m", "input": ["a"]}
                answer = await running.ask(http(body, path="/v1/embeddings"))
                assert answer.json()["data"][0]["embedding"] == [0.5]
                body = {"model": "m", "query": "q", "documents": ["a", "b"], "top_n": 2}
                answer = await running.ask(http(body, path="/v1/rerank"))
                assert [one["index"] for one in answer.json()["results"]] == [1, 0]
                _, embed, rerank = up.requests
                assert embed.target == "/ml/v1/text/embeddings?version=2026-01-01"
                assert embed.json() == {"space_id": "s-1", "model_id": MODEL, "inputs": ["a"]}
                assert rerank.target == "/ml/v1/text/rerank?version=2026-01-01"
                assert rerank.json() == {
                    "space_id": "s-1",
                    "model_id": MODEL,
                    "query": "q",
                    "inputs": [{"text": "a"}, {"text": "b"}],
                    "parameters": {"return_options": {"top_n": 2}},
                }

    uvloop.run(play())


def test_a_deployment_is_in_the_path_and_pays_for_itself(tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(Cloud()) as up:
            text = config(up.url, model="deployment/my model")
            async with gateway(tmp_path, text, environ=environ(up.url)) as running:
                assert (await running.ask(http(chat("m")))).status == 200
                sent = up.requests[-1]
                assert sent.target == ("/ml/v1/deployments/my%20model/text/chat?version=2025-04-23")
                assert sent.json().keys() == {"messages"}
                refused = await running.ask(
                    http({"model": "m", "input": "a"}, path="/v1/embeddings")
                )
                assert refused.error["code"] == "not_supported"

    uvloop.run(play())


def jwt(exp: int) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": exp}).encode()).rstrip(b"=").decode()
    return f"{TOKEN}.{claims}.c2ln"


@pytest.mark.parametrize(
    ("settings", "environ", "asked"),
    [
        ("user: admin", {"WATSONX_APIKEY": CANARY}, {"username": "admin", "api_key": CANARY}),
        (
            f"user: admin, password: {CANARY}",
            {},
            {"username": "admin", "password": CANARY},
        ),
    ],
)
def test_a_cloud_pak_for_data_gives_its_own_tokens(
    tmp_path: Path, settings: str, environ: dict[str, str], asked: dict[str, str]
) -> None:
    async def play() -> None:
        ends = 4_000_000_000
        async with upstream(Cloud(jwt(ends))) as up:
            text = config(up.url, settings=f"project_id: p, {settings}")
            async with gateway(tmp_path, text, environ=environ) as running:
                assert (await running.ask(http(chat("m")))).status == 200
                token, _ = up.requests
                assert token.target == "/icp4d-api/v1/authorize"
                assert token.json() == asked
                (target,) = (
                    one
                    for one in running.app.gateway.snapshot.targets.values()
                    if one.deployment.provider.name == "ibm"
                )
                assert getattr(target.credential, "expires_at", None) == ends
                assert CANARY not in running.log

    uvloop.run(play())


def test_a_token_in_place_of_a_key_is_sent_as_it_is(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(Cloud()) as up,
            gateway(tmp_path, config(up.url), environ={"WATSONX_TOKEN": TOKEN}) as running,
        ):
            assert (await running.ask(http(chat("m")))).status == 200
            assert len(up.requests) == 1

    uvloop.run(play())


def test_a_key_that_buys_nothing_is_told_without_it(tmp_path: Path) -> None:
    async def refuse(wire: Wire, request: Received) -> None:
        body = {"errorCode": "BXNIM0415E", "errorMessage": f"Provided API key {CANARY} not found."}
        wire.send(whole(json.dumps(body).encode(), 400))

    async def play() -> None:
        async with (
            upstream(refuse) as up,
            gateway(tmp_path, config(up.url), environ=environ(up.url)) as running,
        ):
            answer = await running.ask(http(chat("m")))
            assert (answer.status, answer.error["code"]) == (502, "upstream_authentication")
            assert "IBM Cloud IAM answered 400 (BXNIM0415E)" in running.log
            assert CANARY not in running.log + answer.body.decode()

    uvloop.run(play())


def test_a_stream_that_breaks_says_so_in_its_words(tmp_path: Path) -> None:
    broken = (
        b'event: error\ndata: {"errors":[{"code":"downstream_request_failed","message":'
        b'"Downstream vllm request failed"}],"trace":"23e1"}\n\n'
    )

    async def play() -> None:
        async def cloud(wire: Wire, request: Received) -> None:
            if not request.target.startswith("/ml/"):
                await Cloud()(wire, request)
                return
            stream = (FIXTURES / "text" / "stream.txt").read_bytes().split(b"\n\n")
            wire.send(SSE_HEAD + chunk(b"\n\n".join([*stream[:2], broken])) + LAST_CHUNK)

        async with (
            upstream(cloud) as up,
            gateway(tmp_path, config(up.url), environ=environ(up.url)) as running,
        ):
            answer = await running.ask(http(chat("m", stream=True)))
            assert "Downstream vllm request failed" in answer.body.decode()
            assert "[DONE]" not in answer.events()

    uvloop.run(play())


def test_a_provider_that_nobody_pays_for_is_told_at_the_start() -> None:
    text = config("https://us-south.ml.cloud.ibm.com", settings="user: u")
    problems: list[str] = []
    known_providers(read_config(text), {"WATSONX_APIKEY": "k"}, problems)
    assert problems == [
        "providers: ibm: IBM watsonx.ai needs `settings.project_id` or `settings.space_id`; give "
        "one, or set WATSONX_PROJECT_ID or WATSONX_SPACE_ID."
    ]
