"""Vectors of Vertex AI: by `predict` for its older models, by `embedContent` for its newer."""

import json
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.harness import KEY, Received, Wire, gateway, http, upstream, whole

PROJECT = "/v1/projects/my-project/locations/europe-west4"
MODELS = f"{PROJECT}/publishers/google/models"


def config(url: str, model: str, more: str = "") -> str:
    return (
        f"providers:\n  - {{name: v, provider_type: vertex_ai, base_url: '{url}{PROJECT}', "
        f"api_key: ya29.token, models: ['{model}']{more}}}\n"
        f"models:\n  - {{name: m, targets: ['v/{model}'], retries: {{max_attempts: 1}}}}\n"
        f"keys:\n  - {{name: k, key: {KEY}}}\n"
    )


async def vertex(wire: Wire, request: Received) -> None:
    """A vector of the length of each text, and as many tokens."""
    asked = request.json()
    if request.target.endswith(":predict"):
        sizes = [len(one["content"]) for one in asked["instances"]]
        told: dict[str, Any] = {
            "predictions": [
                {"embeddings": {"values": [float(n)], "statistics": {"token_count": n}}}
                for n in sizes
            ]
        }
    else:
        size = len(asked["content"]["parts"][0]["text"])
        told = {"embedding": {"values": [float(size)]}, "usageMetadata": {"promptTokenCount": size}}
    wire.send(whole(json.dumps(told).encode()))


@pytest.mark.parametrize(
    ("model", "target", "requests"),
    [
        ("text-embedding-005", f"{MODELS}/text-embedding-005:predict", 1),
        ("gemini-embedding-001", f"{MODELS}/gemini-embedding-001:predict", 2),
        ("gemini-embedding-2", f"{MODELS}/gemini-embedding-2:embedContent", 2),
        (
            "publishers/google/models/gemini-embedding-2",
            f"{MODELS}/gemini-embedding-2:embedContent",
            2,
        ),
    ],
)
@pytest.mark.parametrize("more", ["", ", dialect: openai_chat", ", dialect: gemini_generate"])
def test_each_model_is_asked_as_it_wants_to_be(
    tmp_path: Path, model: str, target: str, requests: int, more: str
) -> None:
    async def play() -> None:
        async with (
            upstream(vertex) as up,
            gateway(tmp_path, config(up.url, model, more)) as running,
        ):
            body = {"model": "m", "input": ["a", "bb"], "dimensions": 256}
            answer = await running.ask(http(body, path="/v1/embeddings"))
            assert answer.status == 200, answer.body
            assert [one["embedding"] for one in answer.json()["data"]] == [[1.0], [2.0]]
            assert answer.json()["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
            assert [one.target for one in up.requests] == [target] * requests
            for sent in up.requests:
                assert sent.headers["authorization"] == "Bearer ya29.token"
                assert b'"outputDimensionality":256' in sent.body
            await running.settled()
            (record,) = running.journal()
            assert len(record.attempts) == 1
            running.check_balance()

    uvloop.run(play())


@pytest.mark.parametrize(
    ("status", "error", "answered", "code"),
    [
        (
            429,
            {
                "code": 429,
                "message": "Resource exhausted. Please try again later.",
                "status": "RESOURCE_EXHAUSTED",
            },
            429,
            "rate_limit_exceeded",
        ),
        (
            404,
            {
                "code": 404,
                "message": "Publisher Model `projects/my-project/locations/europe-west4/"
                "publishers/google/models/text-embedding-0` not found.",
                "status": "NOT_FOUND",
            },
            404,
            "model_not_found",
        ),
        (
            401,
            {
                "code": 401,
                "message": "Request had invalid authentication credentials.",
                "status": "UNAUTHENTICATED",
            },
            502,
            "upstream_authentication",
        ),
    ],
)
def test_its_refusals_are_told_as_what_they_are(
    tmp_path: Path, status: int, error: dict[str, Any], answered: int, code: str
) -> None:
    async def refuse(wire: Wire, request: Received) -> None:
        wire.send(whole(json.dumps({"error": error}).encode(), status))

    async def play() -> None:
        async with (
            upstream(refuse) as up,
            gateway(tmp_path, config(up.url, "text-embedding-005")) as running,
        ):
            body = {"model": "m", "input": "a"}
            answer = await running.ask(http(body, path="/v1/embeddings"))
            assert (answer.status, answer.error["code"]) == (answered, code)

    uvloop.run(play())
