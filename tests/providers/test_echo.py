"""The built-in provider: the same answer to the same request, in the shapes that clients expect."""

import json
import math
from typing import Any

import pytest

from portico.providers.echo import answer


def ask(path: str, **fields: Any) -> tuple[int, Any]:
    status, kind, pieces = answer(path, json.dumps(fields).encode())
    body = b"".join(pieces)
    if kind == b"application/json":
        return status, json.loads(body)
    return status, body.decode()


def chat(text: Any, **more: Any) -> tuple[int, Any]:
    return ask("/chat/completions", messages=[{"role": "user", "content": text}], **more)


@pytest.mark.parametrize(
    ("given", "said", "reason", "limits"),
    [
        ("hello there  you", "hello there  you", "stop", {}),
        ([{"type": "text", "text": "a "}, {"type": "text", "text": "b"}], "a b", "stop", {}),
        ("one two three", "one two ", "length", {"max_tokens": 2}),
        ("one two three", "one ", "length", {"max_completion_tokens": 1}),
        ("", "(nothing to repeat)", "stop", {}),
    ],
)
def test_chat_repeats(given: Any, said: str, reason: str, limits: dict[str, int]) -> None:
    status, value = chat(given, model="echo", **limits)
    choice = value["choices"][0]
    assert (status, choice["message"]["content"], choice["finish_reason"]) == (200, said, reason)
    assert value == chat(given, model="echo", **limits)[1]


def test_a_streamed_chat_says_the_same_and_reports_usage_if_asked() -> None:
    _, whole = chat("one two three")
    _, plain = chat("one two three", stream=True)
    _, full = chat("one two three", stream=True, stream_options={"include_usage": True})
    for text, has_usage in ((plain, False), (full, True)):
        events = text.removesuffix("\n\n").split("\n\n")
        assert events[-1] == "data: [DONE]"
        values = [json.loads(event[6:]) for event in events[:-1]]
        said = "".join(
            choice["delta"].get("content", "") for value in values for choice in value["choices"]
        )
        assert said == whole["choices"][0]["message"]["content"]
        usages = [value["usage"] for value in values if value.get("usage")]
        assert usages == ([whole["usage"]] if has_usage else [])


def test_embeddings_are_unit_vectors_in_the_order_of_the_inputs() -> None:
    _, value = ask("/embeddings", input=["a", "b", "a"], dimensions=16)
    vectors = [one["embedding"] for one in value["data"]]
    assert [one["index"] for one in value["data"]] == [0, 1, 2]
    assert vectors[0] == vectors[2] != vectors[1]
    for vector in vectors:
        assert len(vector) == 16
        assert math.isclose(math.hypot(*vector), 1, rel_tol=1e-6)
    assert len(ask("/embeddings", input=[1, 2, 3])[1]["data"]) == 1


def test_rerank_orders_by_shared_words() -> None:
    _, value = ask("/rerank", query="a b", documents=["c", "a", {"text": "b a"}], top_n=2)
    found = [(one["index"], one["relevance_score"]) for one in value["results"]]
    assert found == [(2, 1.0), (1, 0.5)]


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/nope", {}, 404),
        ("/chat/completions", {}, 400),
        ("/chat/completions", {"messages": 5}, 400),
        ("/chat/completions", {"messages": [5]}, 400),
        ("/embeddings", {"input": "a", "dimensions": 5000}, 400),
        ("/rerank", {"query": 1, "documents": []}, 400),
        ("/completions", {}, 400),
        ("/responses", {"input": 5}, 400),
    ],
)
def test_what_it_cannot_read_it_refuses(path: str, fields: dict[str, Any], status: int) -> None:
    got, value = ask(path, **fields)
    assert got == status
    assert value["error"]["message"]


def test_it_survives_what_is_not_json() -> None:
    for body in (b"", b"[]", b"{", b"\xff", b"[" * 100_000):
        assert answer("/chat/completions", body)[0] == 400
