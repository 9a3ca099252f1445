"""Embeddings as clients of Cohere, Gemini and Ollama ask for them, to every provider."""

import contextlib
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.errors import InvalidRequest, UnsupportedParameter
from portico.types.chat import DataSource, UrlSource
from portico.types.embeddings import EmbeddingRequest, EmbeddingResponse, Mixed
from portico.types.usage import Usage
from portico.wire.base import Dropped, refuse
from portico.wire.embeddings import gemini_client
from portico.wire.embeddings.base import batches
from portico.wire.embeddings.table import EMBEDDING_DIALECTS, EMBEDDING_SHAPES, NATIVE_VECTORS
from tests.wire.test_fuzz import fuzz, mutated

PNG = "data:image/png;base64,iVBORw0KGgo="
PICTURE = DataSource("image/png", "iVBORw0KGgo=")
VECTORS = ([0.5, -0.25], [1.0, 0.0])
USED = Usage(input_tokens=7, output_tokens=0)


def read(shape: str, **fields: Any) -> EmbeddingRequest:
    return EMBEDDING_SHAPES[shape].read_request(json.dumps(fields).encode())


def canonical(dialect: str, *inputs: Any, **fields: Any) -> EmbeddingRequest:
    fields.setdefault("model", "m")
    return EmbeddingRequest(dialect=dialect, inputs=inputs, **fields)


UNNAMED = {"~unnamed": True}
READ: dict[str, tuple[str, dict[str, Any], EmbeddingRequest]] = {
    "cohere": (
        "cohere_embed",
        {
            "model": "m",
            "texts": ["a", "b"],
            "input_type": "search_query",
            "embedding_types": ["float", "base64", "int8"],
            "output_dimension": 256,
            "truncate": "START",
            "max_tokens": 100,
        },
        canonical(
            "cohere_embed",
            "a",
            "b",
            purpose="query",
            encodings=("float", "base64", "int8"),
            dimensions=256,
            truncate="start",
            extra={"max_tokens": 100},
        ),
    ),
    "cohere: pictures": (
        "cohere_embed",
        {"model": "m", "images": [PNG], "input_type": "image", "embedding_types": ["float"]},
        canonical("cohere_embed", PICTURE),
    ),
    "cohere: both": (
        "cohere_embed",
        {
            "model": "m",
            "inputs": [
                {
                    "content": [
                        {"type": "text", "text": "a"},
                        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                    ]
                },
                {"content": [{"type": "text", "text": "b"}]},
            ],
        },
        canonical("cohere_embed", Mixed(("a", UrlSource("https://x/y.png"))), "b", extra=UNNAMED),
    ),
    "cohere, version 1": (
        "cohere_embed_v1",
        {"model": "m", "texts": ["a"], "input_type": "clustering"},
        canonical("cohere_embed_v1", "a", purpose="clustering", extra=UNNAMED),
    ),
    "gemini": (
        "gemini_embed_one",
        {
            "model": "models/x",
            "content": {"parts": [{"text": "a"}], "role": "user"},
            "taskType": "CODE_RETRIEVAL_QUERY",
            "title": "T",
            "outputDimensionality": 64,
        },
        canonical(
            "gemini_embed", "a", model="", purpose="code_query", dimensions=64, extra={"title": "T"}
        ),
    ),
    "gemini: settings apart, in snakes": (
        "gemini_embed_one",
        {
            "content": {
                "parts": [{"text": "a"}, {"inline_data": {"data": "_-", "mime_type": "i/p"}}]
            },
            "embed_content_config": {
                "task_type": "QUESTION_ANSWERING",
                "output_dimensionality": 64,
                "auto_truncate": False,
            },
        },
        canonical(
            "gemini_embed",
            Mixed(("a", DataSource("i/p", "/+"))),
            model="",
            purpose="query",
            dimensions=64,
            truncate="none",
        ),
    ),
    "gemini: several": (
        "gemini_embed",
        {
            "requests": [
                {"model": "models/x", "content": {"parts": [{"text": "a"}, {"text": "b"}]}},
                {
                    "model": "models/x",
                    "content": {"parts": [{"fileData": {"fileUri": "https://x/y.png"}}]},
                    "taskType": "CLUSTERING",
                },
            ]
        },
        canonical(
            "gemini_embed",
            "a\nb",
            UrlSource("https://x/y.png"),
            model="",
            extra={"requests.taskType": True},
        ),
    ),
    "ollama": (
        "ollama_embed",
        {"model": "m", "input": "a", "truncate": True, "dimensions": 64, "keep_alive": "5m"},
        canonical("ollama_embed", "a", truncate="end", dimensions=64, extra={"keep_alive": "5m"}),
    ),
    "ollama: several": (
        "ollama_embed",
        {"model": "m", "input": ["a", "b"], "truncate": False},
        canonical("ollama_embed", "a", "b", truncate="none"),
    ),
    "ollama of old": (
        "ollama_embeddings",
        {"model": "m", "prompt": "a", "options": {"num_ctx": 8}},
        canonical("ollama_embeddings", "a", extra={"options": {"num_ctx": 8}}),
    ),
}


@pytest.mark.parametrize(("shape", "fields", "request_"), READ.values(), ids=list(READ))
def test_a_request_is_read(shape: str, fields: Any, request_: EmbeddingRequest) -> None:
    assert read(shape, **fields) == request_


CONTENT = {"parts": [{"text": "a"}]}
WRONG: list[tuple[str, Any, str]] = [
    ("cohere_embed", {"model": "m"}, "texts"),
    ("cohere_embed", {"model": "m", "texts": "a"}, "texts"),
    ("cohere_embed", {"model": "m", "texts": ["a"], "input_type": "poem"}, "input_type"),
    ("cohere_embed", {"model": "m", "texts": ["a"], "truncate": "MIDDLE"}, "truncate"),
    (
        "cohere_embed",
        {"model": "m", "texts": ["a"], "embedding_types": ["float", "hex"]},
        "embedding_types[1]",
    ),
    ("cohere_embed", {"model": "m", "inputs": [{"content": []}]}, "inputs[0].content"),
    (
        "cohere_embed",
        {"model": "m", "inputs": [{"content": [{"type": "sound"}]}]},
        "inputs[0].content[0]",
    ),
    ("gemini_embed_one", {}, ""),
    ("gemini_embed_one", {"content": {"parts": []}}, "content.parts"),
    ("gemini_embed_one", {"content": {"parts": [{"sound": 1}]}}, "content.parts[0]"),
    ("gemini_embed_one", {"content": CONTENT, "taskType": "POEM"}, "taskType"),
    ("gemini_embed", {}, "requests"),
    ("gemini_embed", {"requests": []}, "requests"),
    ("gemini_embed", {"requests": [5]}, "requests[0]"),
    (
        "gemini_embed",
        {"requests": [{"content": CONTENT}, {"content": {"parts": [{"inlineData": {}}]}}]},
        "requests[1].content.parts[0].inlineData",
    ),
    ("ollama_embed", {"model": "m"}, "input"),
    ("ollama_embed", {"model": "m", "input": [1]}, "input[0]"),
    ("ollama_embeddings", {"model": "m", "prompt": ""}, "prompt"),
]


@pytest.mark.parametrize(("shape", "fields", "param"), WRONG)
def test_a_wrong_field_is_named(shape: str, fields: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(shape, **fields)
    assert (caught.value.param or "") == param


@pytest.mark.parametrize("shape", EMBEDDING_SHAPES)
@given(st.binary(max_size=60))
def test_no_bytes_upset_a_reader(shape: str, body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        EMBEDDING_SHAPES[shape].read_request(body)


ANSWER = EmbeddingResponse(dialect="x", vectors=VECTORS, usage=USED)
META = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 7}}
WRITTEN: dict[str, tuple[str, EmbeddingRequest, Any]] = {
    "cohere": (
        "cohere_embed",
        canonical("cohere_embed", "a", PICTURE, encodings=("float", "base64")),
        {
            "response_type": "embeddings_by_type",
            "id": "call-1",
            "embeddings": {"float": list(VECTORS), "base64": ["AAAAPwAAgL4=", "AACAPwAAAAA="]},
            "texts": ["a"],
            "meta": META,
        },
    ),
    "cohere, version 1, unnamed": (
        "cohere_embed_v1",
        canonical("cohere_embed_v1", "a", "b", extra=UNNAMED),
        {
            "response_type": "embeddings_floats",
            "id": "call-1",
            "embeddings": list(VECTORS),
            "texts": ["a", "b"],
            "meta": {**META, "api_version": {"version": "1"}},
        },
    ),
    "gemini": (
        "gemini_embed_one",
        canonical("gemini_embed", "a", model=""),
        {"embedding": {"values": [0.5, -0.25]}, "usageMetadata": {"promptTokenCount": 7}},
    ),
    "gemini: several": (
        "gemini_embed",
        canonical("gemini_embed", "a", "b", model=""),
        {
            "embeddings": [{"values": [0.5, -0.25]}, {"values": [1.0, 0.0]}],
            "usageMetadata": {"promptTokenCount": 7},
        },
    ),
    "ollama": (
        "ollama_embed",
        canonical("ollama_embed", "a", "b"),
        {"model": "m", "embeddings": list(VECTORS), "prompt_eval_count": 7},
    ),
    "ollama of old": (
        "ollama_embeddings",
        canonical("ollama_embeddings", "a"),
        {"embedding": [0.5, -0.25]},
    ),
}


@pytest.mark.parametrize(("shape", "asked", "told"), WRITTEN.values(), ids=list(WRITTEN))
def test_the_answer_has_the_shape_of_the_question(
    shape: str, asked: EmbeddingRequest, told: Any
) -> None:
    written = EMBEDDING_SHAPES[shape].write_response(ANSWER, request=asked, id="call-1")
    assert json.loads(written) == told


def test_pictures_are_counted_apart_for_coheres_clients() -> None:
    used = Usage(input_tokens=3, input_image_tokens=40, output_tokens=0)
    answer = EmbeddingResponse(dialect="x", vectors=([1.0],), usage=used)
    asked = canonical("cohere_embed", PICTURE)
    told = EMBEDDING_SHAPES["cohere_embed"].write_response(answer, request=asked, id="1")
    assert json.loads(told)["meta"]["billed_units"] == {"input_tokens": 3, "image_tokens": 40}


@pytest.mark.parametrize("shape", EMBEDDING_SHAPES)
def test_usage_that_nobody_told_is_not_told(shape: str) -> None:
    answer = EmbeddingResponse(dialect="x", vectors=([1.0],))
    asked = canonical("x", "a")
    told = EMBEDDING_SHAPES[shape].write_response(answer, request=asked, id="1")
    if shape != "openai_embeddings":  # whose clients demand a number
        assert b"7" not in told
        assert b'"prompt_eval_count"' not in told
        assert b'"usageMetadata"' not in told
        assert b'"billed_units"' not in told


ASKED: dict[str, dict[str, Any]] = {
    "openai_embeddings": {"model": "m", "input": ["a"], "dimensions": 64, "input_type": "query"},
    "cohere_embed": {
        "model": "m",
        "texts": ["a"],
        "input_type": "search_query",
        "embedding_types": ["float"],
        "output_dimension": 64,
    },
    "cohere_embed_v1": {"model": "m", "texts": ["a"], "input_type": "search_query"},
    "gemini_embed_one": {
        "content": CONTENT,
        "taskType": "RETRIEVAL_QUERY",
        "outputDimensionality": 64,
    },
    "gemini_embed": {"requests": [{"content": CONTENT, "taskType": "RETRIEVAL_QUERY"}]},
    "ollama_embed": {"model": "m", "input": "a", "dimensions": 64},
    "ollama_embeddings": {"model": "m", "prompt": "a"},
}
SAY_PURPOSE = {"openai_embeddings", "cohere_embed", "cohere_embed_v1", "gemini_embed_one"}
SAY_PURPOSE |= {"gemini_embed"}
TAKE_PURPOSE = {
    "cohere_embed",
    "bedrock_cohere_embed",
    "gemini_embed",
    "jina_embed",
    "vertex_embed",
    "vertex_embed_single",
    "voyage_embed",
    "voyage_multimodal",
}
TAKE_MIXED = {
    "gemini_embed",
    "cohere_embed",
    "bedrock_cohere_embed",
    "vertex_embed_content",
    "voyage_multimodal",
}
TAKE_NO_DIMENSIONS = {"huggingface_features", "snowflake_embed", "watsonx_embed"}


def text_of(written: Any) -> Any:
    if "requests" in written:
        return [one["content"]["parts"][0]["text"] for one in written["requests"]]
    if "instances" in written:
        return [one["content"] for one in written["instances"]]
    if "content" in written:
        return [written["content"]["parts"][0]["text"]]
    if "inputText" in written:
        return [written["inputText"]]
    inputs = written.get("inputs")
    if inputs and isinstance(inputs[0], dict):
        return [one["content"][0]["text"] for one in inputs]
    return next(
        written[field] for field in ("texts", "text", "input", "inputs") if field in written
    )


@pytest.mark.parametrize(
    ("shape", "dialect"), list(itertools.product(EMBEDDING_SHAPES, EMBEDDING_DIALECTS))
)
def test_every_shape_goes_to_every_provider(shape: str, dialect: str) -> None:
    asked = read(shape, **ASKED[shape])
    dropped = Dropped()
    body = EMBEDDING_DIALECTS[dialect].write_request(asked, unsupported=dropped)
    assert text_of(json.loads(body)) == ["a"]
    is_own = shape == "openai_embeddings" and dialect in (shape, "sagemaker_embed")
    says = shape in SAY_PURPOSE and not is_own
    names = ["input_type"] if says and dialect not in TAKE_PURPOSE else []
    if asked.dimensions is not None and dialect in TAKE_NO_DIMENSIONS:
        names.append("dimensions")
    else:
        assert (b"64" in body) == (asked.dimensions is not None)
    assert dropped.names == names


@pytest.mark.parametrize("shape", EMBEDDING_SHAPES)
@fuzz
@given(data=st.data())
def test_any_request_is_read_or_refused(shape: str, data: st.DataObject) -> None:
    body = json.dumps(data.draw(mutated(ASKED[shape]))).encode()
    try:
        asked = EMBEDDING_SHAPES[shape].read_request(body)
    except InvalidRequest:
        return
    for dialect in EMBEDDING_DIALECTS.values():
        for part in batches(asked, dialect.MAX_INPUTS):
            with contextlib.suppress(UnsupportedParameter):
                dialect.write_request(part, unsupported=Dropped())


@pytest.mark.parametrize("dialect", EMBEDDING_DIALECTS)
def test_encodings_of_few_bits_are_named_or_refused(dialect: str) -> None:
    write = EMBEDDING_DIALECTS[dialect].write_request
    dropped = Dropped()
    write(canonical("x", "a", encodings=("float", "int8")), unsupported=dropped)
    assert dropped.names == ["embedding_types"]
    with pytest.raises(UnsupportedParameter, match="embedding_types"):
        write(canonical("x", "a", encodings=("ubinary",)), unsupported=Dropped())
    write(canonical("x", "a", encodings=("base64", "float")), unsupported=refuse)


@pytest.mark.parametrize("dialect", EMBEDDING_DIALECTS)
def test_texts_with_pictures_go_where_they_are_understood(dialect: str) -> None:
    mixed = canonical("x", Mixed(("a", PICTURE)))
    write = EMBEDDING_DIALECTS[dialect].write_request
    if dialect in TAKE_MIXED:
        assert b"iVBORw0KGgo=" in write(mixed, unsupported=refuse)
        return
    with pytest.raises(UnsupportedParameter, match="input"):
        write(mixed, unsupported=Dropped())


@pytest.mark.parametrize(
    "dialect", ["cohere_embed", "jina_embed", "titan_embed", "voyage_multimodal"]
)
def test_sound_is_no_picture(dialect: str) -> None:
    sound = canonical("x", DataSource("audio/mp3", "AAAA"), model="amazon.titan-embed-image-v1")
    with pytest.raises(UnsupportedParameter, match="input"):
        EMBEDDING_DIALECTS[dialect].write_request(sound, unsupported=Dropped())


@pytest.mark.parametrize(
    ("shape", "body", "usage"),
    [
        ("cohere_embed", b'{"meta":{"billed_units":{"input_tokens":7}},"embeddings":{}}', USED),
        ("cohere_embed", b'{"meta":5}', None),
        ("gemini_embed", b'{"usageMetadata":{"promptTokenCount":7},"embeddings":[]}', USED),
        ("gemini_embed_one", b'{"embedding":{"values":[1]}}', None),
        ("gemini_embed_one", b"oops", None),
        ("ollama_embed", b'{"prompt_eval_count":7}', USED),
        ("ollama_embeddings", b'{"embedding":[1]}', None),
        ("ollama_embed", b"\xff", None),
    ],
)
def test_usage_of_vectors_that_pass(shape: str, body: bytes, usage: Usage | None) -> None:
    assert NATIVE_VECTORS[shape].read_usage(body) == usage


@pytest.mark.parametrize(
    ("body", "renamed"),
    [
        ('{"content": {"parts": []}}', '{"content": {"parts": []}}'),
        (
            '{"content": {"parts": [ ]}, "model":"models/m"}',
            '{"content":{"parts": [ ]},"model":"models/up"}',
        ),
        (
            '{"requests":[{"model":"m","content":{"a": 1}},{"content":{"model":"x"}}]}',
            '{"requests":[{"model":"models/up","content":{"a": 1}},{"content":{"model":"x"}}]}',
        ),
        ('{"requests":5,"model":1}', '{"requests":5,"model":1}'),
    ],
)
def test_a_gemini_body_passes_with_the_providers_name(body: str, renamed: str) -> None:
    assert gemini_client.rename(body.encode(), "up") == renamed.encode()
