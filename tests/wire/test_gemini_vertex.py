"""Vertex AI knows no ids of calls: they go, and results take the order of their calls."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.wire.gemini_generate.vertex import for_vertex


def call(name: str, **fields: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": {"id": 5}, **fields}}


def result(name: str, **fields: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": {"id": "kept"}, **fields}}


def sent(*contents: list[Any]) -> list[list[Any]]:
    body = {
        "contents": [{"role": "user", "parts": parts} for parts in contents],
        "labels": {"a": 1},
    }
    written = json.loads(for_vertex(json.dumps(body).encode()))
    assert written["labels"] == {"a": 1}
    return [content["parts"] for content in written["contents"]]


def test_ids_go_and_results_take_the_order_of_their_calls() -> None:
    assert sent(
        [{"text": "?"}],
        [call("f", id="a"), call("f", id="b"), call("g", id="c")],
        [result("f", id="b"), {"text": "between"}, result("g", id="c"), result("f", id="a")],
        [call("g", id="d")],
        [result("g", id="d")],
    ) == [
        [{"text": "?"}],
        [call("f"), call("f"), call("g")],
        [result("f"), {"text": "between"}, result("f"), result("g")],
        [call("g")],
        [result("g")],
    ]


def test_results_of_unknown_calls_keep_their_order() -> None:
    results = [result("f", id="x"), result("g", id="a"), result("h")]
    assert sent([call("g", id="a")], results)[1] == [result("f"), result("g"), result("h")]


def test_snake_case_is_known_too() -> None:
    body = b'{"contents":[{"parts":[{"function_call":{"id":"a","name":"f"}}]}]}'
    assert for_vertex(body) == b'{"contents":[{"parts":[{"function_call":{"name":"f"}}]}]}'


def test_tokens_are_counted_of_a_request_that_is_not_wrapped() -> None:
    inner = {"contents": [{"parts": [{"text": "Hi"}]}], "systemInstruction": {"parts": []}}
    wrapped = {"generateContentRequest": {"model": "models/m", "toolConfig": {}, **inner}}
    assert json.loads(for_vertex(json.dumps(wrapped).encode())) == inner


@pytest.mark.parametrize(
    "body",
    [
        b'{"contents": [{"parts": [{"text": "id"}]}], "generationConfig": {"temperature": 1.50}}',
        b'{"functionCall": ',
        b'["functionCall"]',
        b"",
    ],
)
def test_other_bodies_stay_as_they_are(body: bytes) -> None:
    assert for_vertex(body) == body


@given(
    st.recursive(
        st.none() | st.integers(0, 3) | st.sampled_from(["id", "a"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["contents", "parts", "functionCall", "functionResponse", "id", "name"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_any_shape_is_survived(value: Any) -> None:
    for_vertex(json.dumps({"contents": value, "functionCall": 1}).encode())
    for_vertex(json.dumps({"contents": [{"parts": value}], "functionCall": 1}).encode())
