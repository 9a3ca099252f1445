import json
from typing import Any

import pytest

from portico.errors import InvalidRequest, UnsupportedParameter, UpstreamProtocol
from portico.types.rerank import RerankRequest, RerankResponse, RerankResult
from portico.types.usage import Usage
from portico.wire.base import Dropped, refuse
from portico.wire.rerank import cohere
from portico.wire.rerank.base import checked
from portico.wire.rerank.table import (
    ERRORS_OF,
    RERANK_DIALECTS,
    RERANK_SHAPES,
    rerank_dialect,
)
from portico.wire.table import PROVIDER_DIALECTS

PLAIN = RerankRequest(dialect="test", model="m", query="q", documents=("a", "b"))
RICH = RerankRequest(
    dialect="test",
    model="cohere.rerank-v3-5:0",
    query="q",
    documents=("a",),
    top_n=1,
    return_documents=True,
    max_tokens_per_document=512,
    truncate=False,
    extra={"priority": 1},
)
ASKED = {"model": "m", "query": "q", "documents": ["a", "b"]}
RICHLY = {"model": "cohere.rerank-v3-5:0", "query": "q", "documents": ["a"]}

REQUESTS: dict[str, tuple[Any, Any, list[str]]] = {
    "cohere_rerank": (
        ASKED,
        {**RICHLY, "top_n": 1, "max_tokens_per_doc": 512},
        ["truncation", "priority"],
    ),
    "jina_rerank": (
        {**ASKED, "return_documents": False},
        {**RICHLY, "top_n": 1, "return_documents": False},
        ["max_tokens_per_doc", "truncation", "priority"],
    ),
    "voyage_rerank": (
        ASKED,
        {**RICHLY, "top_k": 1, "truncation": False},
        ["max_tokens_per_doc", "priority"],
    ),
    "cloudflare_rerank": (
        {"query": "q", "contexts": [{"text": "a"}, {"text": "b"}]},
        {"query": "q", "contexts": [{"text": "a"}], "top_k": 1},
        ["max_tokens_per_doc", "truncation", "priority"],
    ),
    "watsonx_rerank": (
        {"model_id": "m", "query": "q", "inputs": [{"text": "a"}, {"text": "b"}]},
        {
            "model_id": "cohere.rerank-v3-5:0",
            "query": "q",
            "inputs": [{"text": "a"}],
            "parameters": {"truncate_input_tokens": 512, "return_options": {"top_n": 1}},
        },
        ["truncation", "priority"],
    ),
    "bedrock_rerank": (
        {"query": "q", "documents": ["a", "b"]},
        {
            "query": "q",
            "documents": ["a"],
            "api_version": 2,
            "top_n": 1,
            "max_tokens_per_doc": 512,
        },
        ["truncation", "priority"],
    ),
}


@pytest.mark.parametrize("name", RERANK_DIALECTS)
def test_a_request_is_said_in_each_dialect(name: str) -> None:
    plain, rich, names = REQUESTS[name]
    dialect = RERANK_DIALECTS[name]
    assert json.loads(dialect.write_request(PLAIN, unsupported=refuse)) == plain
    dropped = Dropped()
    assert json.loads(dialect.write_request(RICH, unsupported=dropped)) == rich
    assert dropped.names == names
    with pytest.raises(UnsupportedParameter):
        dialect.write_request(RICH, unsupported=refuse)


RESULTS = [{"index": 0, "relevance_score": 0.25}, {"index": 1, "relevance_score": 0.9}]
RANKED = (RerankResult(1, 0.9), RerankResult(0, 0.25))
TOKENS = Usage(input_tokens=26, output_tokens=0, reported_total=26)
ANSWERS: dict[str, tuple[Any, RerankResponse]] = {
    "cohere_rerank": (
        {
            "id": "07734bd2",
            "results": RESULTS,
            "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
        },
        RerankResponse(
            dialect="cohere_rerank",
            results=RANKED,
            id="07734bd2",
            usage=Usage(input_tokens=0, output_tokens=0, searches=1),
        ),
    ),
    "jina_rerank": (
        {"model": "jina-reranker-v3", "results": RESULTS, "usage": {"total_tokens": 26}},
        RerankResponse(
            dialect="jina_rerank", results=RANKED, model="jina-reranker-v3", usage=TOKENS
        ),
    ),
    "voyage_rerank": (
        {
            "object": "list",
            "data": RESULTS,
            "model": "rerank-2.5",
            "usage": {"total_tokens": 26},
        },
        RerankResponse(dialect="voyage_rerank", results=RANKED, model="rerank-2.5", usage=TOKENS),
    ),
    "cloudflare_rerank": (
        {
            "result": {"response": [{"id": 1, "score": 0.9}, {"id": 0, "score": 0.25}]},
            "success": True,
            "errors": [],
            "messages": [],
        },
        RerankResponse(dialect="cloudflare_rerank", results=RANKED),
    ),
    "watsonx_rerank": (
        {
            "model_id": "cross-encoder/ms-marco-minilm-l-12-v2",
            "results": [{"index": 0, "score": 0.25}, {"index": 1, "score": 0.9}],
            "created_at": "2026-11-23T12:00:00.000Z",
            "input_token_count": 26,
        },
        RerankResponse(
            dialect="watsonx_rerank",
            results=RANKED,
            model="cross-encoder/ms-marco-minilm-l-12-v2",
            usage=Usage(input_tokens=26, output_tokens=0),
        ),
    ),
    "bedrock_rerank": (
        {"results": RESULTS},
        RerankResponse(dialect="bedrock_rerank", results=RANKED),
    ),
}


@pytest.mark.parametrize("name", RERANK_DIALECTS)
def test_an_answer_is_read_best_first(name: str) -> None:
    body, expected = ANSWERS[name]
    assert RERANK_DIALECTS[name].read_response(json.dumps(body).encode(), headers={}) == expected


BROKEN = [b"", b"[]", b"{}", b'{"results":[{}],"data":[{}]}', b"\xff", b"[" * 100_000]


@pytest.mark.parametrize("name", RERANK_DIALECTS)
@pytest.mark.parametrize("body", BROKEN)
def test_what_is_no_answer_is_the_providers_error(name: str, body: bytes) -> None:
    with pytest.raises(UpstreamProtocol):
        RERANK_DIALECTS[name].read_response(body, headers={})


def test_a_client_may_send_documents_in_every_form() -> None:
    body = {
        "model": "m",
        "query": "q",
        "documents": ["a", {"text": "b", "title": "B"}, {"name": "c", "n": 1}],
        "top_n": 2,
        "return_documents": True,
        "rank_fields": ["text"],
    }
    assert cohere.read_request(json.dumps(body).encode()) == RerankRequest(
        dialect="cohere_rerank",
        model="m",
        query="q",
        documents=("a", "b", '{"name":"c","n":1}'),
        top_n=2,
        return_documents=True,
        extra={"rank_fields": ["text"]},
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"query": None}, "query"),
        ({"documents": "a"}, "documents"),
        ({"documents": [1]}, "documents[0]"),
        ({"top_n": 0}, "top_n"),
        ({"top_n": "all"}, "top_n"),
    ],
)
def test_a_bad_request_says_where(fields: Any, param: str) -> None:
    body = {"model": "m", "query": "q", "documents": ["a"], **fields}
    with pytest.raises(InvalidRequest) as raised:
        cohere.read_request(json.dumps(body).encode())
    assert raised.value.param == param


@pytest.mark.parametrize("name", RERANK_DIALECTS)
def test_clients_are_answered_in_coheres_shape_whoever_ranked(name: str) -> None:
    response = ANSWERS[name][1]
    asked = RerankRequest(
        dialect="cohere_rerank",
        model="m",
        query="q",
        documents=("a", "b"),
        top_n=1,
        return_documents=True,
    )
    told = json.loads(cohere.write_response(checked(response, asked), request=asked, id="1"))
    document = {"text": "b"}
    assert told["results"] == [{"index": 1, "relevance_score": 0.9, "document": document}]
    again = cohere.read_response(json.dumps(told).encode(), headers={})
    assert again.results == RANKED[:1]
    if response.usage is not None:
        assert again.usage is not None
        used = (again.usage.input_tokens, again.usage.searches)
        assert used == (response.usage.input_tokens, response.usage.searches)


def test_documents_are_not_sent_back_unasked() -> None:
    told = cohere.write_response(ANSWERS["jina_rerank"][1], request=PLAIN, id="1")
    assert b"document" not in told


@pytest.mark.parametrize("index", [-1, 2])
def test_a_document_that_nobody_sent_cannot_be_ranked(index: int) -> None:
    response = RerankResponse(dialect="x", results=(RerankResult(index, 0.5),))
    with pytest.raises(UpstreamProtocol, match=f"ranked document {index}; there are 2"):
        checked(response, PLAIN)


@pytest.mark.parametrize(
    ("type", "chat", "name"),
    [
        ("cohere", "cohere_chat", "cohere_rerank"),
        ("jina", "openai_chat", "jina_rerank"),
        ("voyage", "openai_chat", "voyage_rerank"),
        ("bedrock", "bedrock_converse", "bedrock_rerank"),
        ("openai_compatible", "openai_chat", "cohere_rerank"),
    ],
)
def test_a_deployment_has_its_dialect(type: str, chat: str, name: str) -> None:
    assert rerank_dialect(type, chat) == name


def test_errors_are_read_by_a_dialect_that_exists() -> None:
    assert ERRORS_OF.keys() == RERANK_DIALECTS.keys()
    assert set(ERRORS_OF.values()) <= PROVIDER_DIALECTS.keys()


def test_version_1_and_jina_are_asked_and_answered_at_one_place() -> None:
    body = {
        "model": "m",
        "query": "q",
        "documents": ["a", {"text": "b"}],
        "return_documents": True,
        "max_doc_length": 100,
        "truncation": False,
        "max_chunks_per_doc": 3,
    }
    shape = RERANK_SHAPES["rerank_v1"]
    asked = shape.read_request(json.dumps(body).encode())
    assert asked == RerankRequest(
        dialect="rerank_v1",
        model="m",
        query="q",
        documents=("a", "b"),
        return_documents=True,
        max_tokens_per_document=100,
        truncate=False,
        extra={"max_chunks_per_doc": 3},
    )
    dropped = Dropped()
    cohere.write_request(asked, unsupported=dropped)
    assert dropped.names == ["truncation", "max_chunks_per_doc"]
    response = RerankResponse(
        dialect="voyage_rerank",
        results=(RerankResult(1, 0.9),),
        usage=Usage(input_tokens=5, output_tokens=0),
    )
    assert json.loads(shape.write_response(response, request=asked, id="call-1")) == {
        "id": "call-1",
        "model": "m",
        "results": [{"index": 1, "relevance_score": 0.9, "document": {"text": "b"}}],
        "meta": {
            "api_version": {"version": "1"},
            "tokens": {"input_tokens": 5},
            "billed_units": {"input_tokens": 5},
        },
        "usage": {"total_tokens": 5},
    }


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        (
            b'{"results":[],"meta":{"billed_units":{"search_units":2}}}',
            Usage(input_tokens=0, output_tokens=0, searches=2),
        ),
        (b'{"results":[]}', None),
        (b'{"meta":5}', None),
        (b"oops", None),
    ],
)
def test_usage_of_ranks_that_pass(body: bytes, usage: Usage | None) -> None:
    assert cohere.read_usage(body) == usage
