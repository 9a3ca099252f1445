"""Vectors and ranks from providers that say it in their own words."""

import json
from pathlib import Path

import uvloop

from tests.harness import (
    CANARY,
    KEY,
    Received,
    Wire,
    gateway,
    http,
    replying,
    upstream,
    whole,
)


def config(provider_type: str, url: str, model: str, more: str = "") -> str:
    return (
        f"providers:\n  - {{name: p, provider_type: {provider_type}, base_url: '{url}', "
        f"api_key: {CANARY}, models: ['{model}']{more}}}\n"
        f"models:\n  - {{name: m, targets: ['p/{model}']}}\nkeys:\n  - {{name: k, key: {KEY}}}\n"
    )


def test_gemini_is_asked_for_vectors_in_its_own_way(tmp_path: Path) -> None:
    async def play() -> None:
        vectors = {"embeddings": [{"values": [0.5, 0.25]}, {"values": [1.0, 0.0]}]}
        async with (
            upstream(replying(whole(json.dumps(vectors).encode()))) as up,
            gateway(tmp_path, config("gemini", up.url, "embed")) as running,
        ):
            body = {"model": "m", "input": ["a", "b"]}
            answer = await running.ask(http(body, path="/v1/embeddings"))
            assert [one["embedding"] for one in answer.json()["data"]] == [[0.5, 0.25], [1.0, 0.0]]
            (asked,) = up.requests
            assert asked.target.endswith("/models/embed:batchEmbedContents")
            await running.settled()
            running.check_balance()

    uvloop.run(play())


def test_one_call_becomes_as_many_requests_as_the_provider_needs(tmp_path: Path) -> None:
    async def titan(wire: Wire, request: Received) -> None:
        size = float(len(request.json()["inputText"]))
        vector = {"embedding": [size], "inputTextTokenCount": 2}
        wire.send(whole(json.dumps(vector).encode()))

    async def play() -> None:
        more = ", dialect: bedrock_converse, region: us-east-1"
        model = "amazon.titan-embed-text-v2:0"
        async with (
            upstream(titan) as up,
            gateway(tmp_path, config("bedrock", up.url, model, more)) as running,
        ):
            body = {"model": "m", "input": ["a", "bb", "ccc"]}
            answer = await running.ask(http(body, path="/v1/embeddings"))
            told = answer.json()
            assert [one["embedding"] for one in told["data"]] == [[1.0], [2.0], [3.0]]
            assert told["usage"] == {"prompt_tokens": 6, "total_tokens": 6}
            assert len(up.requests) == 3
            await running.settled()
            (record,) = running.journal()
            assert len(record.attempts) == 1

    uvloop.run(play())


def test_jina_ranks_and_the_client_reads_cohere(tmp_path: Path) -> None:
    async def play() -> None:
        ranks = {
            "model": "j",
            "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
            "usage": {"total_tokens": 15},
        }
        async with (
            upstream(replying(whole(json.dumps(ranks).encode()))) as up,
            gateway(tmp_path, config("jina", up.url, "rank")) as running,
        ):
            body = {"model": "m", "query": "x", "documents": ["a", "b"]}
            answer = await running.ask(http(body, path="/v1/rerank"))
            assert [one["index"] for one in answer.json()["results"]] == [1, 0]
            assert up.requests[0].json()["model"] == "rank"

    uvloop.run(play())


def test_a_model_that_makes_no_vectors_is_not_asked(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(replying(whole(b"{}"))) as up,
            gateway(tmp_path, config("anthropic", up.url, "claude")) as running,
        ):
            answer = await running.ask(http({"model": "m", "input": "a"}, path="/v1/embeddings"))
            assert (answer.status, answer.error["code"]) == (501, "not_supported")
            assert up.requests == []

    uvloop.run(play())
