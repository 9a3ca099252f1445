"""A body without unknown fields is read in one pass, any other the long way: to the same result."""

import json
from pathlib import Path

import msgspec
import pytest

from portico.errors import GatewayError
from portico.types.chat import ChatRequest, ChatResponse
from portico.wire.json_io import MAX_DEPTH
from portico.wire.table import CLIENT_DIALECTS, PROVIDER_DIALECTS

_FIXTURES = Path(__file__).parent.parent / "fixtures"
_DIALECTS = ("openai_chat", "anthropic_messages")
_REQUESTS = [
    path for name in _DIALECTS for path in sorted(_FIXTURES.glob(f"{name}/*/request.json"))
]
_ANSWERS = [
    path for name in _DIALECTS for path in sorted(_FIXTURES.glob(f"{name}/*/response.json"))
]
_UNKNOWN = {"never_heard_of": [1]}


def _case(path: Path) -> str:
    return f"{path.parent.parent.name}-{path.parent.name}"


def _request(path: Path, body: bytes) -> ChatRequest | str:
    try:
        return CLIENT_DIALECTS[path.parent.parent.name].read_request(body)
    except GatewayError as error:
        return error.message


@pytest.mark.parametrize("path", _REQUESTS, ids=_case)
def test_a_request_is_read_alike_with_and_without_an_unknown_field(path: Path) -> None:
    body = json.loads(path.read_bytes())
    alone = _request(path, json.dumps(body).encode())
    beside = _request(path, json.dumps(body | _UNKNOWN).encode())
    if isinstance(alone, ChatRequest):
        alone = msgspec.structs.replace(alone, extra=alone.extra | _UNKNOWN)
    assert beside == alone


@pytest.mark.parametrize("path", _ANSWERS, ids=_case)
def test_an_answer_is_read_alike_with_and_without_an_unknown_field(path: Path) -> None:
    def read(body: dict[str, object]) -> ChatResponse:
        dialect = PROVIDER_DIALECTS[path.parent.parent.name]
        return dialect.read_response(json.dumps(body).encode())

    body = json.loads(path.read_bytes())
    alone = read(body)
    assert read(body | _UNKNOWN) == msgspec.structs.replace(alone, extra=alone.extra | _UNKNOWN)


@pytest.mark.parametrize("dialect", _DIALECTS)
def test_the_one_pass_does_not_let_depth_by(dialect: str) -> None:
    deep: object = "x"
    for _ in range(MAX_DEPTH + 1):
        deep = [deep]
    part = {"type": "tool_use", "id": "a", "name": "b", "input": {"deep": deep}}
    message = {"role": "user", "content": [part]}
    body = {"model": "m", "max_tokens": 1, "messages": [message]}
    with pytest.raises(GatewayError, match="nested deeper"):
        CLIENT_DIALECTS[dialect].read_request(json.dumps(body).encode())


@pytest.mark.parametrize("field", ["content", "name"])
def test_what_is_wrong_is_named_as_ever(field: str) -> None:
    message = {"role": "user", "content": "Hello"} | {field: 7}
    body = {"model": "m", "messages": [message]}
    with pytest.raises(GatewayError) as caught:
        CLIENT_DIALECTS["openai_chat"].read_request(json.dumps(body).encode())
    assert caught.value.param == f"messages[0].{field}"
