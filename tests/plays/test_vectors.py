"""Vectors and ranks from providers that say it in their own words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
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


COHERES = {
    "id": "1",
    "embeddings": {"float": [[0.5, 0.25]]},
    "meta": {"billed_units": {"input_tokens": 3}},
}
GEMINIS = {"embeddings": [{"values": [0.5, 0.25]}], "usageMetadata": {"promptTokenCount": 3}}
OLLAMAS = {"model": "up", "embeddings": [[0.5, 0.25]], "prompt_eval_count": 3}
OPENAIS = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
    "model": "up",
    "usage": {"prompt_tokens": 3, "total_tokens": 3},
}
PROVIDERS: dict[str, tuple[str, str, Any]] = {
    # provider type: what more its row says, where it is asked, what it answers
    "openai": ("", "/embeddings", OPENAIS),
    "cohere": (", dialect: cohere_chat", "/v2/embed", COHERES),
    "gemini": (", dialect: gemini_generate", "/models/up:batchEmbedContents", GEMINIS),
    "ollama": (", dialect: ollama_chat", "/api/embed", OLLAMAS),
}
CONTENT = {"parts": [{"text": "a"}]}
ASKED: dict[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    # path: what is asked, where the answer has its vector
    "/v1/embeddings": ({"model": "m", "input": ["a"]}, lambda told: told["data"][0]["embedding"]),
    "/v2/embed": (
        {"model": "m", "texts": ["a"], "input_type": "search_query", "embedding_types": ["float"]},
        lambda told: told["embeddings"]["float"][0],
    ),
    "/v1/embed": (
        {"model": "m", "texts": ["a"], "input_type": "search_query"},
        lambda told: told["embeddings"][0],
    ),
    "/v1beta/models/m:embedContent": (
        {"content": CONTENT},
        lambda told: told["embedding"]["values"],
    ),
    "/v1beta/models/m:batchEmbedContents": (
        {"requests": [{"model": "models/m", "content": CONTENT}]},
        lambda told: told["embeddings"][0]["values"],
    ),
    "/api/embed": ({"model": "m:latest", "input": "a"}, lambda told: told["embeddings"][0]),
    "/api/embeddings": ({"model": "m", "prompt": "a"}, lambda told: told["embedding"]),
}
SAME = {
    ("/v1/embeddings", "openai"),
    ("/v2/embed", "cohere"),
    ("/v1beta/models/m:embedContent", "gemini"),
    ("/v1beta/models/m:batchEmbedContents", "gemini"),
    ("/api/embed", "ollama"),
    ("/api/embeddings", "ollama"),
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("path", ASKED)
def test_every_client_has_vectors_of_every_provider(
    path: str, provider: str, tmp_path: Path
) -> None:
    async def play() -> None:
        more, target, told = PROVIDERS[provider]
        asked, vector = ASKED[path]
        async with (
            upstream(replying(whole(json.dumps(told).encode()))) as up,
            gateway(tmp_path, config(provider, up.url, "up", more)) as running,
        ):
            answer = await running.ask(http(asked, path=path))
            assert answer.status == 200, answer.body
            (sent,) = up.requests
            if (path, provider) in SAME:
                assert answer.json() == told
                verb = path.partition(":")[2]
                here = f"/models/up:{verb}" if verb else path.replace("/v1/", "/")
                assert sent.target.endswith(here)
                plain = json.dumps(asked).replace('"m:latest"', '"m"').replace("models/m", "m")
                passed = sent.body.decode().replace("models/up", "up")
                assert json.loads(passed) == json.loads(plain.replace('"m"', '"up"'))
            else:
                assert vector(answer.json()) == [0.5, 0.25]
                assert sent.target.endswith(target)
            await running.settled()
            (record,) = running.journal()
            usage = record.attempts[0].usage
            assert usage is not None
            assert (record.operation, usage.input_tokens, usage.estimated) == (
                "embedding",
                3,
                False,
            )
            running.check_balance()

    uvloop.run(play())


def test_mistrals_sdks_get_the_id_that_they_demand(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(replying(whole(json.dumps(OPENAIS).encode()))) as up,
            gateway(tmp_path, config("openai", up.url, "up")) as running,
        ):
            body = {"model": "m", "input": ["a"], "novel": 1}
            request = http(body, path="/v1/embeddings", user_agent="mistral-client-python/3.7.0")
            answer = await running.ask(request)
            assert answer.json() == {**OPENAIS, "id": answer.headers["x-request-id"]}
            assert up.requests[0].json() == {**body, "model": "up"}

    uvloop.run(play())


def test_a_client_is_served_in_its_own_dialect_where_several_are_offered(tmp_path: Path) -> None:
    async def play() -> None:
        told = whole(json.dumps(OLLAMAS).encode())
        async with (
            upstream(replying(told)) as up,
            gateway(tmp_path, config("ollama", up.url, "up")) as running,
        ):
            answer = await running.ask(http({"model": "m", "input": "a"}, path="/api/embed"))
            assert answer.json() == OLLAMAS
            await running.ask(http({"model": "m", "input": "a"}, path="/v1/embeddings"))
            assert [one.target for one in up.requests] == ["/api/embed", "/v1/embeddings"]

    uvloop.run(play())


def test_who_ranks_like_cohere_may_fail_like_openai(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(replying(whole(b'{"error":{"message":"no such thing"}}', 400))) as up,
            gateway(tmp_path, config("openai", up.url, "up")) as running,
        ):
            body = {"model": "m", "query": "q", "documents": ["a"]}
            answer = await running.ask(http(body, path="/v2/rerank"))
            assert (answer.status, answer.json()) == (400, {"message": "no such thing"})

    uvloop.run(play())


def test_a_gemini_verb_that_is_none_is_not_there(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, config("openai", "http://127.0.0.1:1", "up")) as running:
            answer = await running.ask(http({}, path="/v1beta/models/m:predict"))
            assert (answer.status, answer.json()["error"]["status"]) == (404, "NOT_FOUND")
            assert "batchEmbedContents" in answer.json()["error"]["message"]

    uvloop.run(play())


def test_token_ids_reach_only_their_own_tokenizer(tmp_path: Path) -> None:
    async def play() -> None:
        body = {"model": "m", "input": [[1, 2], [3]]}
        for provider, status in (("openai", 200), ("cohere", 400), ("gemini", 400)):
            more, _, told = PROVIDERS[provider]
            async with (
                upstream(replying(whole(json.dumps(told).encode()))) as up,
                gateway(tmp_path / provider, config(provider, up.url, "up", more)) as running,
            ):
                answer = await running.ask(http(body, path="/v1/embeddings"))
                assert answer.status == status
                if status == 400:
                    assert answer.error["code"] == "unsupported_parameter"
                    assert up.requests == []

    uvloop.run(play())


@pytest.mark.parametrize("path", ASKED)
def test_errors_are_said_in_the_clients_shape(path: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(replying(whole(b'{"error":{"message":"no such thing"}}', 400))) as up,
            gateway(tmp_path, config("openai", up.url, "up")) as running,
        ):
            answer = await running.ask(http(ASKED[path][0], path=path))
            assert answer.status == 400
            told = answer.json()
            if path.startswith("/api/"):
                assert told == {"error": "no such thing"}
            elif path.endswith("/embed"):
                assert told == {"message": "no such thing"}
            else:
                assert told["error"]["message"] == "no such thing"

    uvloop.run(play())


def test_a_client_of_voyage_passes_to_voyage_as_it_is(tmp_path: Path) -> None:
    async def play() -> None:
        told = {**OPENAIS, "usage": {"total_tokens": 3}}
        own = {"input": ["a"], "model": "m", "truncation": True, "output_dtype": "int8"}
        async with (
            upstream(replying(whole(json.dumps(told).encode()))) as up,
            gateway(tmp_path, config("voyage", up.url, "up")) as running,
        ):
            answer = await running.ask(http(own, path="/v1/embeddings"))
            assert answer.json() == told
            assert up.requests[0].json() == {**own, "model": "up"}
            openai = {"input": ["a"], "model": "m", "dimensions": 64, "encoding_format": "float"}
            answer = await running.ask(http(openai, path="/v1/embeddings"))
            assert answer.json()["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
            assert up.requests[1].json() == {
                "model": "up",
                "input": ["a"],
                "output_dimension": 64,
            }

    uvloop.run(play())


RANKED = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]


@pytest.mark.parametrize("path", ["/v2/rerank", "/v1/rerank"])
def test_cohere_ranks_for_its_own_clients(path: str, tmp_path: Path) -> None:
    async def play() -> None:
        told = {"results": RANKED, "meta": {"billed_units": {"search_units": 1}}, "novel": 1}
        async with (
            upstream(replying(whole(json.dumps(told).encode()))) as up,
            gateway(tmp_path, config("cohere", up.url, "up", ", dialect: cohere_chat")) as running,
        ):
            body = {"model": "m", "query": "q", "documents": ["a", "b"], "priority": 5}
            answer = await running.ask(http(body, path=path))
            (sent,) = up.requests
            assert sent.target == "/v2/rerank"
            if path == "/v2/rerank":
                assert answer.json() == told
                assert sent.json() == {**body, "model": "up"}
            else:
                assert answer.json()["results"] == RANKED
                assert answer.headers["x-portico-dropped-params"] == "priority"
            await running.settled()
            (record,) = running.journal()
            usage = record.attempts[0].usage
            assert usage is not None
            assert (record.operation, usage.searches) == ("rerank", 1)

    uvloop.run(play())


def test_jina_ranks_for_its_own_clients(tmp_path: Path) -> None:
    async def play() -> None:
        told = {"model": "j", "results": RANKED, "usage": {"total_tokens": 15}, "novel": 1}
        async with (
            upstream(replying(whole(json.dumps(told).encode()))) as up,
            gateway(tmp_path, config("jina", up.url, "up")) as running,
        ):
            body = {"model": "m", "query": "q", "documents": [{"image": "u"}, "b"]}
            answer = await running.ask(http(body, path="/v1/rerank"))
            assert answer.json() == told
            assert up.requests[0].json() == {**body, "model": "up"}
            cohere = {"model": "m", "query": "q", "documents": ["a", "b"]}
            answer = await running.ask(http({**cohere, "max_tokens_per_doc": 9}, path="/v1/rerank"))
            assert answer.json()["results"] == RANKED
            assert answer.headers["x-portico-dropped-params"] == "max_tokens_per_doc"
            assert up.requests[1].json() == {**cohere, "model": "up", "return_documents": False}
            answer = await running.ask(http(cohere, path="/v2/rerank"))
            assert answer.json()["meta"]["api_version"] == {"version": "2"}

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
