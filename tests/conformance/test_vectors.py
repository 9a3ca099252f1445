"""Vectors and ranks where a provider has them at an address and in a form of its own: Voyage, Jina,
Hugging Face, Cloudflare. What they refuse is among the fixtures of `openai_chat`.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import uvloop

from portico.engine.provider_set import known_providers
from portico.providers import cloudflare, huggingface, voyage
from portico.providers.base import Preparer, Task
from portico.types.deployment import Deployment, Provider
from portico.types.http import Origin, Timeouts
from portico.types.secret import Secret
from tests.harness import (
    CANARY,
    KEY,
    Answer,
    Received,
    gateway,
    http,
    read_config,
    replying,
    upstream,
    whole,
)

LISTED = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
    "model": "m",
    "usage": {"prompt_tokens": 3, "total_tokens": 3},
}
ACCOUNT = "/client/v4/accounts/acc/ai/v1"


def asked(
    folder: Path,
    type: str,
    model: str,
    body: dict[str, Any],
    said: Any,
    path: str,
    base: str = "/v1",
) -> tuple[Received, Answer, Any]:
    found: list[Any] = []

    async def play() -> None:
        async with upstream(replying(whole(json.dumps(said).encode()))) as up:
            config = (
                f"providers:\n  - {{name: p, provider_type: {type}, base_url: '{up.url}{base}', "
                f"api_key: {CANARY}, models: ['{model}']}}\nkeys:\n  - {{name: k, key: {KEY}}}\n"
            )
            async with gateway(folder, config) as running:
                answer = await running.ask(http({"model": f"p/{model}", **body}, path=path))
                await running.settled()
                running.check_balance()
                (record,) = running.journal()
                (sent,) = up.requests
                found.extend((sent, answer, record))

    uvloop.run(play())
    sent, answer, record = found
    assert answer.status == 200, answer.body
    assert sent.headers["authorization"] == f"Bearer {CANARY}"
    return sent, answer, record


PICTURE = {"image": "https://example.com/a.png"}
VECTORS: dict[str, tuple[str, str, dict[str, Any], Any, str, dict[str, Any], str]] = {
    # type, model, what is asked, what the provider says, where, what it is told, what is dropped
    "voyage's texts": (
        "voyage",
        "voyage-3.5",
        {"input": ["a"], "dimensions": 256, "input_type": "query", "user": "u"},
        LISTED,
        "/v1/embeddings",
        {"model": "voyage-3.5", "input": ["a"], "input_type": "query", "output_dimension": 256},
        "user",
    ),
    "voyage's pictures": (
        "voyage",
        "voyage-multimodal-3.5",
        {"input": ["a"], "input_type": "document"},
        {**LISTED, "usage": {"text_tokens": 3, "image_pixels": 0, "total_tokens": 3}},
        "/v1/multimodalembeddings",
        {
            "model": "voyage-multimodal-3.5",
            "inputs": [{"content": [{"type": "text", "text": "a"}]}],
            "input_type": "document",
        },
        "",
    ),
    "jina's": (
        "jina",
        "jina-embeddings-v4",
        {"input": [PICTURE], "dimensions": 128, "input_type": "document"},
        LISTED,
        "/v1/embeddings",
        {
            "model": "jina-embeddings-v4",
            "input": [PICTURE],
            "task": "retrieval.passage",
            "dimensions": 128,
        },
        "",
    ),
    "jina's in its own words": (
        "jina",
        "jina-embeddings-v3",
        {"input": ["a"], "task": "code.passage", "late_chunking": True},
        LISTED,
        "/v1/embeddings",
        {
            "model": "jina-embeddings-v3",
            "input": ["a"],
            "task": "code.passage",
            "late_chunking": True,
        },
        "",
    ),
    "hugging face's": (
        "huggingface",
        "intfloat/multilingual-e5-large",
        {"input": "a", "dimensions": 3},
        [[0.5, 0.25]],
        "/hf-inference/models/intfloat/multilingual-e5-large/pipeline/feature-extraction",
        {"inputs": ["a"]},
        "dimensions",
    ),
    "cloudflare's, as OpenAI's": (
        "cloudflare",
        "@cf/baai/bge-m3",
        {"input": ["a"]},
        LISTED,
        f"{ACCOUNT}/embeddings",
        {"model": "@cf/baai/bge-m3", "input": ["a"]},
        "",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_are_asked_where_and_as_each_provider_has_them(name: str, tmp_path: Path) -> None:
    type, model, body, said, path, told, dropped = VECTORS[name]
    base = ACCOUNT if type == "cloudflare" else "/v1"
    sent, answer, record = asked(tmp_path, type, model, body, said, "/v1/embeddings", base)
    assert (sent.target, sent.json()) == (path, told)
    assert answer.json()["data"][0]["embedding"] == [0.5, 0.25]
    assert answer.headers.get("x-portico-dropped-params", "") == dropped
    usage = record.attempts[0].usage
    if type == "huggingface":
        assert usage.estimated
    else:
        assert (usage.input_tokens, usage.estimated) == (3, False)


SCORED = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.25}]
RANKS: dict[str, tuple[str, str, Any, str, dict[str, Any]]] = {
    "voyage": (
        "rerank-2.5",
        "/v1",
        {"object": "list", "data": SCORED, "usage": {"total_tokens": 26}},
        "/v1/rerank",
        {"model": "rerank-2.5", "query": "q", "documents": ["a", "b"], "top_k": 2},
    ),
    "jina": (
        "jina-reranker-v3",
        "/v1",
        {"results": SCORED, "usage": {"total_tokens": 26}},
        "/v1/rerank",
        {"model": "jina-reranker-v3", "query": "q", "documents": ["a", "b"], "top_n": 2},
    ),
    "cloudflare": (
        "@cf/baai/bge-reranker-base",
        ACCOUNT,
        {
            "result": {"response": [{"id": 1, "score": 0.9}, {"id": 0, "score": 0.25}]},
            "success": True,
            "errors": [],
            "messages": [],
        },
        "/client/v4/accounts/acc/ai/run/@cf/baai/bge-reranker-base",
        {"query": "q", "contexts": [{"text": "a"}, {"text": "b"}], "top_k": 2},
    ),
}


@pytest.mark.parametrize("type", RANKS)
def test_ranks_are_asked_where_and_as_each_provider_has_them(type: str, tmp_path: Path) -> None:
    model, base, said, path, told = RANKS[type]
    body = {"query": "q", "documents": ["a", "b"], "top_n": 2}
    sent, answer, _ = asked(tmp_path, type, model, body, said, "/v1/rerank", base)
    assert sent.target == path
    assert sent.json().items() >= told.items()
    ranked = [(one["index"], one["relevance_score"]) for one in answer.json()["results"]]
    assert ranked == [(1, 0.9), (0, 0.25)]


def test_the_account_of_cloudflare_is_part_of_the_address() -> None:
    text = "providers:\n  - {name: c, provider_type: cloudflare, models: [m]}\n"
    environ = {"CLOUDFLARE_API_TOKEN": "t", "CLOUDFLARE_ACCOUNT_ID": "acc-1"}
    problems: list[str] = []
    found = known_providers(read_config(text), environ, problems)["c"].provider
    assert problems == []
    assert f"{found.origin}{found.base_path}" == (
        "https://api.cloudflare.com/client/v4/accounts/acc-1/ai/v1"
    )


def deployment(type: str, model: str) -> Deployment:
    provider = Provider(
        name="p",
        type=type,
        dialect="openai_chat",
        origin=Origin("https", "a.example", 443),
        base_path="/v1",
        api_key=Secret("k"),
    )
    return Deployment(id=f"p/{model}", provider=provider, model=model)


MODULES: list[tuple[Preparer, str, str, str]] = [
    (huggingface, "huggingface_features", "../../x", "cannot be the name of a model"),
    (huggingface, "huggingface_features", "a/b:together", "made by hf-inference alone"),
    (huggingface, "gemini_generate", "a/b", "no address"),
    (cloudflare, "cloudflare_rerank", "@cf/../x", "cannot be the name of a model"),
    (cloudflare, "cohere_chat", "a/b", "no address"),
    (voyage, "gemini_generate", "a", "no address"),
]


@pytest.mark.parametrize(("module", "dialect", "model", "words"), MODULES)
def test_what_has_no_place_is_said_so(
    module: Preparer, dialect: str, model: str, words: str
) -> None:
    with pytest.raises(Exception, match=words):
        module.prepare(
            deployment("x", model),
            Task("embedding", dialect),
            b"{}",
            None,
            now=0.0,
            forwarded={},
            timeouts=Timeouts(),
        )
