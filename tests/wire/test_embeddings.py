import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portico.errors import InvalidRequest, UnsupportedParameter, UpstreamProtocol
from portico.types.chat import DataSource, UrlSource
from portico.types.embeddings import EmbeddingRequest, EmbeddingResponse, Mixed
from portico.types.usage import Usage
from portico.wire.base import Dropped, refuse
from portico.wire.embeddings import openai
from portico.wire.embeddings.base import as_base64, as_floats, batches, count, join
from portico.wire.embeddings.table import (
    EMBEDDING_DIALECTS,
    ERRORS_OF,
    embedding_dialect,
)
from portico.wire.table import PROVIDER_DIALECTS

PLAIN = EmbeddingRequest(dialect="test", model="m", inputs=("one", "two"))
RICH = EmbeddingRequest(
    dialect="test",
    model="m",
    inputs=("one",),
    dimensions=256,
    encodings=("base64",),
    purpose="query",
    truncate="end",
    user="u",
    extra={"seed": 1, "~input_type": "query"},
)

REQUESTS: dict[str, tuple[Any, Any, list[str]]] = {
    # dialect: PLAIN as it is written (of one input for Titan), RICH as written, what it names
    "openai_embeddings": (
        {"model": "m", "input": ["one", "two"]},
        {
            "model": "m",
            "input": ["one"],
            "dimensions": 256,
            "encoding_format": "base64",
            "user": "u",
        },
        ["input_type", "truncate", "seed"],
    ),
    "gemini_embed": (
        {
            "requests": [
                {"model": "models/m", "content": {"parts": [{"text": "one"}]}},
                {"model": "models/m", "content": {"parts": [{"text": "two"}]}},
            ]
        },
        {
            "requests": [
                {
                    "model": "models/m",
                    "content": {"parts": [{"text": "one"}]},
                    "taskType": "RETRIEVAL_QUERY",
                    "outputDimensionality": 256,
                }
            ]
        },
        ["truncate", "user", "seed"],
    ),
    "cohere_embed": (
        {
            "model": "m",
            "texts": ["one", "two"],
            "input_type": "search_document",
            "embedding_types": ["float"],
        },
        {
            "model": "m",
            "texts": ["one"],
            "input_type": "search_query",
            "embedding_types": ["float"],
            "output_dimension": 256,
            "truncate": "END",
        },
        ["user", "seed"],
    ),
    "bedrock_cohere_embed": (
        {
            "texts": ["one", "two"],
            "input_type": "search_document",
            "embedding_types": ["float"],
        },
        {
            "texts": ["one"],
            "input_type": "search_query",
            "embedding_types": ["float"],
            "output_dimension": 256,
            "truncate": "END",
        },
        ["user", "seed"],
    ),
    "voyage_embed": (
        {"model": "m", "input": ["one", "two"]},
        {
            "model": "m",
            "input": ["one"],
            "input_type": "query",
            "output_dimension": 256,
            "encoding_format": "base64",
            "truncation": True,
        },
        ["user", "seed"],
    ),
    "voyage_multimodal": (
        {
            "model": "m",
            "inputs": [
                {"content": [{"type": "text", "text": "one"}]},
                {"content": [{"type": "text", "text": "two"}]},
            ],
        },
        {
            "model": "m",
            "inputs": [{"content": [{"type": "text", "text": "one"}]}],
            "input_type": "query",
            "output_dimension": 256,
            "output_encoding": "base64",
            "truncation": True,
        },
        ["user", "seed"],
    ),
    "jina_embed": (
        {"model": "m", "input": ["one", "two"]},
        {
            "model": "m",
            "input": ["one"],
            "task": "retrieval.query",
            "dimensions": 256,
            "embedding_type": "base64",
            "truncate": True,
        },
        ["user", "seed"],
    ),
    "huggingface_features": (
        {"inputs": ["one", "two"]},
        {"inputs": ["one"], "truncate": True, "truncation_direction": "Right"},
        ["input_type", "dimensions", "user", "seed"],
    ),
    "titan_embed": (
        {"inputText": "one"},
        {"inputText": "one", "dimensions": 256},
        ["input_type", "truncate", "user", "seed"],
    ),
    "sagemaker_embed": (
        {"model": "", "input": ["one", "two"]},
        {
            "model": "",
            "input": ["one"],
            "dimensions": 256,
            "encoding_format": "base64",
            "user": "u",
        },
        ["input_type", "truncate", "seed"],
    ),
    "vertex_embed": (
        {"instances": [{"content": "one"}, {"content": "two"}]},
        {
            "instances": [{"task_type": "RETRIEVAL_QUERY", "content": "one"}],
            "parameters": {"outputDimensionality": 256, "autoTruncate": True},
        },
        ["user", "seed"],
    ),
    "vertex_embed_single": (
        {"instances": [{"content": "one"}]},
        {
            "instances": [{"task_type": "RETRIEVAL_QUERY", "content": "one"}],
            "parameters": {"outputDimensionality": 256, "autoTruncate": True},
        },
        ["user", "seed"],
    ),
    "vertex_embed_content": (
        {"content": {"parts": [{"text": "one"}]}},
        {
            "content": {"parts": [{"text": "one"}]},
            "embedContentConfig": {"outputDimensionality": 256, "autoTruncate": True},
        },
        ["input_type", "user", "seed"],
    ),
    "watsonx_embed": (
        {"model_id": "m", "inputs": ["one", "two"]},
        {"model_id": "m", "inputs": ["one"]},
        ["input_type", "dimensions", "truncate", "user", "seed"],
    ),
    "snowflake_embed": (
        {"model": "m", "text": ["one", "two"]},
        {"model": "m", "text": ["one"]},
        ["input_type", "dimensions", "truncate", "user", "seed"],
    ),
    "ollama_embed": (
        {"model": "m", "input": ["one", "two"]},
        {"model": "m", "input": ["one"], "dimensions": 256, "truncate": True},
        ["input_type", "user", "seed"],
    ),
}


@pytest.mark.parametrize("name", EMBEDDING_DIALECTS)
def test_a_request_is_said_in_each_dialect(name: str) -> None:
    plain, rich, names = REQUESTS[name]
    dialect = EMBEDDING_DIALECTS[name]
    first = batches(PLAIN, dialect.MAX_INPUTS)[0]
    assert json.loads(dialect.write_request(first, unsupported=refuse)) == plain
    dropped = Dropped()
    assert json.loads(dialect.write_request(RICH, unsupported=dropped)) == rich
    assert dropped.names == names
    with pytest.raises(UnsupportedParameter):
        dialect.write_request(RICH, unsupported=refuse)


VECTORS = ([0.5, -0.25], [1.0, 0.0])
LISTED = {
    "object": "list",
    "data": [
        {"object": "embedding", "index": 1, "embedding": [1.0, 0]},
        {"object": "embedding", "index": 0, "embedding": [0.5, -0.25]},
    ],
    "model": "m-2",
}
USED = Usage(input_tokens=7, output_tokens=0)
PREDICTED = {
    "predictions": [
        {"embeddings": {"values": values, "statistics": {"token_count": count, "truncated": False}}}
        for values, count in zip(VECTORS, (3, 4), strict=True)
    ]
}
ANSWERS: dict[str, tuple[Any, EmbeddingResponse]] = {
    "openai_embeddings": (
        {**LISTED, "usage": {"prompt_tokens": 7, "total_tokens": 7}},
        EmbeddingResponse(
            dialect="openai_embeddings",
            vectors=VECTORS,
            model="m-2",
            usage=Usage(input_tokens=7, output_tokens=0, reported_total=7),
        ),
    ),
    "voyage_embed": (
        {**LISTED, "usage": {"total_tokens": 7}},
        EmbeddingResponse(
            dialect="voyage_embed",
            vectors=VECTORS,
            model="m-2",
            usage=Usage(input_tokens=7, output_tokens=0, reported_total=7),
        ),
    ),
    "voyage_multimodal": (
        {**LISTED, "usage": {"text_tokens": 3, "image_pixels": 2240, "total_tokens": 7}},
        EmbeddingResponse(
            dialect="voyage_multimodal",
            vectors=VECTORS,
            model="m-2",
            usage=Usage(input_tokens=7, output_tokens=0, reported_total=7),
        ),
    ),
    "jina_embed": (
        {**LISTED, "usage": {"prompt_tokens": 7, "total_tokens": 7}},
        EmbeddingResponse(
            dialect="jina_embed",
            vectors=VECTORS,
            model="m-2",
            usage=Usage(input_tokens=7, output_tokens=0, reported_total=7),
        ),
    ),
    "huggingface_features": (
        [[0.5, -0.25], [1, 0]],
        EmbeddingResponse(dialect="huggingface_features", vectors=VECTORS),
    ),
    "gemini_embed": (
        {
            "embeddings": [{"values": [0.5, -0.25]}, {"values": [1, 0]}],
            "usageMetadata": {"promptTokenCount": 7, "promptTokenDetails": []},
        },
        EmbeddingResponse(dialect="gemini_embed", vectors=VECTORS, usage=USED),
    ),
    "cohere_embed": (
        {
            "id": "5807ee2e",
            "embeddings": {"float": [[0.5, -0.25], [1, 0]]},
            "texts": ["one", "two"],
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 7}},
            "response_type": "embeddings_by_type",
        },
        EmbeddingResponse(dialect="cohere_embed", vectors=VECTORS, id="5807ee2e", usage=USED),
    ),
    "bedrock_cohere_embed": (
        {"id": "x", "embeddings": [[0.5, -0.25], [1, 0]], "response_type": "embeddings_floats"},
        EmbeddingResponse(dialect="bedrock_cohere_embed", vectors=VECTORS, id="x", usage=USED),
    ),
    "titan_embed": (
        {
            "embedding": [0.5, -0.25],
            "inputTextTokenCount": 7,
            "embeddingsByType": {"float": [0.5, -0.25]},
        },
        EmbeddingResponse(dialect="titan_embed", vectors=VECTORS[:1], usage=USED),
    ),
    "sagemaker_embed": (
        {**LISTED, "usage": {"prompt_tokens": 7, "total_tokens": 7}},
        EmbeddingResponse(
            dialect="sagemaker_embed",
            vectors=VECTORS,
            model="m-2",
            usage=Usage(input_tokens=7, output_tokens=0, reported_total=7),
        ),
    ),
    "vertex_embed": (
        PREDICTED,
        EmbeddingResponse(dialect="vertex_embed", vectors=VECTORS, usage=USED),
    ),
    "vertex_embed_single": (
        PREDICTED,
        EmbeddingResponse(dialect="vertex_embed", vectors=VECTORS, usage=USED),
    ),
    "vertex_embed_content": (
        {
            "embedding": {"values": [0.5, -0.25]},
            "usageMetadata": {"promptTokenCount": 7},
            "truncated": False,
        },
        EmbeddingResponse(dialect="vertex_embed_content", vectors=VECTORS[:1], usage=USED),
    ),
    "watsonx_embed": (
        {
            "model_id": "m-2",
            "results": [{"embedding": [0.5, -0.25]}, {"embedding": [1.0, 0]}],
            "created_at": "2026-11-23T12:00:00.000Z",
            "input_token_count": 7,
        },
        EmbeddingResponse(dialect="watsonx_embed", vectors=VECTORS, model="m-2", usage=USED),
    ),
    "snowflake_embed": (
        {
            "object": "list",
            "data": [
                {"object": "embedding", "index": 1, "embedding": [[1.0, 0]]},
                {"object": "embedding", "index": 0, "embedding": [[0.5, -0.25]]},
            ],
            "model": "m-2",
            "usage": {"total_tokens": 7},
        },
        EmbeddingResponse(
            dialect="snowflake_embed",
            vectors=VECTORS,
            model="m-2",
            usage=Usage(input_tokens=7, output_tokens=0, reported_total=7),
        ),
    ),
    "ollama_embed": (
        {
            "model": "m-2",
            "embeddings": [[0.5, -0.25], [1, 0]],
            "total_duration": 14143917,
            "prompt_eval_count": 7,
        },
        EmbeddingResponse(dialect="ollama_embed", vectors=VECTORS, model="m-2", usage=USED),
    ),
}
HEADERS = {b"x-amzn-bedrock-input-token-count": b"7"}


@pytest.mark.parametrize("name", EMBEDDING_DIALECTS)
def test_an_answer_is_read_in_each_dialect(name: str) -> None:
    body, expected = ANSWERS[name]
    read = EMBEDDING_DIALECTS[name].read_response(json.dumps(body).encode(), headers=HEADERS)
    assert read == expected


def test_pictures_of_cohere_are_counted_apart() -> None:
    body = {
        "embeddings": {"float": [[1.0]]},
        "meta": {"billed_units": {"input_tokens": 3, "image_tokens": 258, "images": 1}},
    }
    read = EMBEDDING_DIALECTS["cohere_embed"].read_response(json.dumps(body).encode(), headers={})
    assert read.usage == Usage(input_tokens=3, input_image_tokens=258, output_tokens=0)


@pytest.mark.parametrize("name", EMBEDDING_DIALECTS)
def test_an_answer_without_usage_is_an_answer(name: str) -> None:
    unsaid = (
        "input_token_count",
        "usage",
        "usageMetadata",
        "meta",
        "inputTextTokenCount",
        "prompt_eval_count",
    )
    body = ANSWERS[name][0]
    if name.startswith("vertex_embed") and "predictions" in body:
        body = {"predictions": [{"embeddings": {"values": vector}} for vector in VECTORS]}
    if isinstance(body, dict):
        body = {key: value for key, value in body.items() if key not in unsaid}
    read = EMBEDDING_DIALECTS[name].read_response(json.dumps(body).encode(), headers={})
    assert read.usage is None


BROKEN = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b'{"data":[{}]}',
    b'{"data":[{"index":0,"embedding":["x"]}]}',
    b'{"embeddings":{"int8":[[1]]}}',
    b'{"embedding":"x"}',
    b'{"embeddings":[{"values":null}]}',
    b'{"data":[{"index":5,"embedding":[1]},{"index":0,"embedding":[1]}]}',
    b"\xff",
    b"[" * 100_000,
]


@pytest.mark.parametrize("name", EMBEDDING_DIALECTS)
@pytest.mark.parametrize("body", BROKEN)
def test_what_is_no_answer_is_the_providers_error(name: str, body: bytes) -> None:
    with pytest.raises(UpstreamProtocol):
        EMBEDDING_DIALECTS[name].read_response(body, headers={})


PICTURE = EmbeddingRequest(
    dialect="test", model="m", inputs=(DataSource("image/png", "iVBORw0KGgo="),)
)


def test_pictures_go_where_they_are_understood_and_nowhere_else() -> None:
    def written(name: str, model: str) -> Any:
        request = EmbeddingRequest(dialect="test", model=model, inputs=PICTURE.inputs)
        return json.loads(EMBEDDING_DIALECTS[name].write_request(request, unsupported=refuse))

    part = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    assert written("gemini_embed", "m")["requests"][0]["content"] == {"parts": [part]}
    url = {"url": "data:image/png;base64,iVBORw0KGgo="}
    content = [{"type": "image_url", "image_url": url}]
    assert written("cohere_embed", "m")["inputs"] == [{"content": content}]
    base64 = "data:image/png;base64,iVBORw0KGgo="
    image = {"type": "image_base64", "image_base64": base64}
    assert written("voyage_multimodal", "m")["inputs"] == [{"content": [image]}]
    assert written("jina_embed", "m")["input"] == [{"image": base64}]
    assert written("titan_embed", "amazon.titan-embed-image-v1") == {"inputImage": "iVBORw0KGgo="}
    for name in (
        "titan_embed",
        "voyage_embed",
        "ollama_embed",
        "openai_embeddings",
        "huggingface_features",
    ):
        with pytest.raises(UnsupportedParameter):
            written(name, "m")


@pytest.mark.parametrize("name", EMBEDDING_DIALECTS.keys() - {"openai_embeddings"})
def test_token_ids_mean_nothing_to_another_tokenizer(name: str) -> None:
    request = EmbeddingRequest(dialect="openai_embeddings", model="m", inputs=((1, 2),))
    with pytest.raises(UnsupportedParameter, match=r"`input`: .* takes no such input"):
        EMBEDDING_DIALECTS[name].write_request(request, unsupported=Dropped())


# Clients.

READ: dict[str, tuple[Any, Any]] = {
    "one text": ({"input": "hi"}, ("hi",)),
    "texts": ({"input": ["a", ""]}, ("a", "")),
    "tokens": ({"input": [1, 2, 3]}, ((1, 2, 3),)),
    "pictures as Jina takes them": (
        {"input": [{"text": "a"}, {"image": "https://e.example/a.png"}, {"image": "iVBORw0KGgo="}]},
        ("a", UrlSource("https://e.example/a.png"), DataSource("image/png", "iVBORw0KGgo=")),
    ),
    "pictures as Voyage takes them": (
        {
            "input": [
                {
                    "content": [
                        {"type": "text", "text": "a"},
                        {"type": "image_base64", "image_base64": "data:image/gif;base64,R0lG"},
                    ]
                },
                {"content": [{"type": "image_url", "image_url": "https://e.example/a.png"}]},
            ]
        },
        (
            Mixed(("a", DataSource("image/gif", "R0lG"))),
            UrlSource("https://e.example/a.png"),
        ),
    ),
    "a picture as Chat has it": (
        {"input": [{"type": "image_url", "image_url": {"url": "https://e.example/a.png"}}]},
        (UrlSource("https://e.example/a.png"),),
    ),
    "several of tokens": ({"input": [[1, 2], [3]]}, ((1, 2), (3,))),
}


@pytest.mark.parametrize(("fields", "inputs"), READ.values(), ids=list(READ))
def test_every_form_of_input_is_read(fields: Any, inputs: Any) -> None:
    body = json.dumps({"model": "m", **fields}).encode()
    request = openai.read_request(body)
    assert request == EmbeddingRequest(dialect="openai_embeddings", model="m", inputs=inputs)


def test_a_request_survives_reading_and_writing() -> None:
    fields = {
        "model": "m",
        "input": ["a"],
        "dimensions": 64,
        "encoding_format": "base64",
        "user": "u",
        "input_type": "passage",
        "truncate": "END",
        "novel": 1,
    }
    request = openai.read_request(json.dumps(fields).encode())
    assert (request.purpose, request.truncate) == ("document", "end")
    assert json.loads(openai.write_request(request, unsupported=refuse)) == fields


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": []}, "input"),
        ({"input": [1, "a"]}, "input"),
        ({"input": ["a", 1]}, "input[1]"),
        ({"input": [[1, True]]}, "input[0]"),
        ({"input": None}, "input"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
        ({"input": "a", "input_type": "poem"}, "input_type"),
        ({"input": "a", "dimensions": "many"}, "dimensions"),
        ({"input": "a", "truncate": "middle"}, "truncate"),
    ],
)
def test_a_bad_request_says_where(fields: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        openai.read_request(json.dumps({"model": "m", **fields}).encode())
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("fields", "canonical"),
    [
        ({"task": "retrieval.query", "truncate": True}, {"purpose": "query", "truncate": "end"}),
        ({"task": "separation", "truncate": False}, {"purpose": "clustering", "truncate": "none"}),
        ({"output_dimension": 64, "truncation": True}, {"dimensions": 64, "truncate": "end"}),
    ],
)
def test_words_of_jina_and_voyage_are_understood(fields: Any, canonical: Any) -> None:
    request = openai.read_request(json.dumps({"model": "m", "input": "a", **fields}).encode())
    plain = EmbeddingRequest(
        dialect="openai_embeddings",
        model="m",
        inputs=("a",),
        extra={f"~{field}": value for field, value in fields.items()},
        **canonical,
    )
    assert request == plain
    assert json.loads(openai.write_request(request, unsupported=refuse)).items() >= fields.items()


def test_a_task_that_nobody_else_has_is_named() -> None:
    body = {"model": "m", "input": "a", "task": "sing", "late_chunking": True}
    dropped = Dropped()
    request = openai.read_request(json.dumps(body).encode())
    EMBEDDING_DIALECTS["gemini_embed"].write_request(request, unsupported=dropped)
    assert dropped.names == ["late_chunking", "task"]


@pytest.mark.parametrize("encoding", ["float", "base64"])
@pytest.mark.parametrize("given", [VECTORS[0], as_base64(VECTORS[0])], ids=["floats", "base64"])
def test_vectors_are_given_as_the_client_wants_them(encoding: Any, given: Any) -> None:
    request = EmbeddingRequest(
        dialect="openai_embeddings", model="m", inputs=("a",), encodings=(encoding,)
    )
    response = EmbeddingResponse(dialect="x", vectors=(given,), usage=USED)
    assert json.loads(openai.write_response(response, request=request, id="1")) == {
        "id": "1",
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "index": 0,
                "embedding": [0.5, -0.25] if encoding == "float" else "AAAAPwAAgL4=",
            }
        ],
        "model": "m",
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=30))
@settings(max_examples=50)
def test_base64_and_back_is_the_same_vector(vector: list[float]) -> None:
    assert as_floats(as_base64(vector)) == vector


@pytest.mark.parametrize("text", ["?", "AAA", "AAAA"])
def test_text_that_is_no_vector_is_the_providers_error(text: str) -> None:
    with pytest.raises(UpstreamProtocol):
        as_floats(text)


# Batches.


def test_a_request_is_parted_and_its_answers_joined() -> None:
    request = EmbeddingRequest(dialect="t", model="m", inputs=("a", "b", "c"), dimensions=8)
    parts = batches(request, 2)
    assert [part.inputs for part in parts] == [("a", "b"), ("c",)]
    assert all(part.dimensions == 8 for part in parts)
    assert batches(request, None) == batches(request, 3) == (request,)
    joined = join(
        [
            EmbeddingResponse(dialect="x", vectors=([1.0], [2.0]), model="m", usage=USED),
            EmbeddingResponse(dialect="x", vectors=([3.0],), model="m", usage=USED),
        ]
    )
    assert joined.vectors == ([1.0], [2.0], [3.0])
    assert joined.usage == Usage(input_tokens=14, output_tokens=0, requests=2)
    assert count(joined, request) is joined


def test_usage_that_is_unknown_in_part_is_unknown() -> None:
    known = EmbeddingResponse(dialect="x", vectors=([1.0],), usage=USED)
    unknown = EmbeddingResponse(dialect="x", vectors=([1.0],))
    assert join([known, unknown]).usage is None


def test_an_answer_short_of_vectors_is_no_answer() -> None:
    with pytest.raises(UpstreamProtocol, match="2 inputs with 1 vectors"):
        count(EmbeddingResponse(dialect="x", vectors=([1.0],)), PLAIN)


@pytest.mark.parametrize(
    ("type", "chat", "model", "name"),
    [
        ("openai", "openai_chat", "text-embedding-3-small", "openai_embeddings"),
        ("azure", "openai_responses", "x", "openai_embeddings"),
        ("voyage", "openai_chat", "voyage-3.5", "voyage_embed"),
        ("gemini", "gemini_generate", "gemini-embedding-001", "gemini_embed"),
        ("cohere", "cohere_chat", "embed-v4.0", "cohere_embed"),
        ("bedrock", "bedrock_converse", "amazon.titan-embed-text-v2:0", "titan_embed"),
        ("bedrock", "bedrock_invoke", "us.cohere.embed-v4:0", "bedrock_cohere_embed"),
        ("bedrock", "bedrock_converse", "anthropic.claude", None),
        ("ollama", "ollama_chat", "nomic", "ollama_embed"),
        ("anthropic", "anthropic_messages", "claude", None),
        ("vertex_ai", "openai_chat", "text-multilingual-embedding-002", "vertex_embed"),
        ("vertex_ai", "gemini_generate", "google/gemini-embedding-001", "vertex_embed_single"),
        ("vertex_ai", "gemini_generate", "gemini-embedding-2", "vertex_embed_content"),
        ("vertex_ai", "anthropic_messages", "claude-sonnet-4-5", None),
        ("sagemaker", "sagemaker_invoke", "endpoint", "sagemaker_embed"),
        ("snowflake", "openai_chat", "e5-base-v2", "snowflake_embed"),
        ("watsonx", "watsonx_chat", "ibm/granite-embedding", "watsonx_embed"),
    ],
)
def test_a_deployment_has_its_dialect(type: str, chat: str, model: str, name: str | None) -> None:
    assert embedding_dialect(type, chat, model) == name


def test_errors_are_read_by_a_dialect_that_exists() -> None:
    assert ERRORS_OF.keys() == EMBEDDING_DIALECTS.keys()
    assert set(ERRORS_OF.values()) <= PROVIDER_DIALECTS.keys()
