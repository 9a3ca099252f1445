"""A Chat request for a provider whose messages are stricter than OpenAI's."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.errors import InvalidRequest
from portico.types.deployment import MessageRules
from portico.wire.openai_chat.fitting import fit, plain_id

STRICT = MessageRules(
    refused=("name", "refusal", "reasoning_content"),
    roles=(("developer", "system"),),
    call_id_length=9,
    thinks_in_parts=True,
)


def fitted(*messages: dict[str, Any], rules: MessageRules = STRICT) -> tuple[list[Any], list[str]]:
    body = json.dumps({"model": "m", "n": 1, "messages": messages}).encode()
    written, dropped = fit(body, rules)
    told = json.loads(written)
    assert {**told, "messages": None} == {"model": "m", "n": 1, "messages": None}
    return told["messages"], list(dropped)


def test_what_is_plain_keeps_its_bytes() -> None:
    for body in (
        b'{"messages": [{"role":"user","content":"hi"}], "n": 1.50}',
        b'{"messages":[{"role":"user","content":"her \\"name\\""}]}',
        b'{"messages":[{"role":"tool","name":"f","tool_call_id":"abcdefGH9","content":"1.50"}]}',
        b'{"input":"name","name":1}',
    ):
        assert fit(body, STRICT) == (body, ())
    assert fit(b'{"messages":[],"x":"developer"}', STRICT)[1] == ()


def test_roles_get_the_name_that_is_known() -> None:
    told, dropped = fitted({"role": "developer", "content": "Be brief."})
    assert told == [{"role": "system", "content": "Be brief."}]
    assert dropped == []


def test_refused_fields_are_left_out_and_named_but_for_nulls() -> None:
    told, dropped = fitted(
        {"role": "user", "name": "ann", "content": "hi"},
        {"role": "assistant", "content": "ho", "refusal": None},
        {"role": "tool", "name": "f", "tool_call_id": "abcdefGH9", "content": "ok"},
    )
    assert told == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "ho"},
        {"role": "tool", "name": "f", "tool_call_id": "abcdefGH9", "content": "ok"},
    ]
    assert dropped == ["messages.name"]


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("Yes.", [THOUGHT, {"type": "text", "text": "Yes."}]),
        ("", [THOUGHT]),
        (None, [THOUGHT]),
        ([{"type": "text", "text": "Yes."}], [THOUGHT, {"type": "text", "text": "Yes."}]),
    ],
)
def test_reasoning_goes_back_as_parts_of_the_content(content: Any, parts: list[Any]) -> None:
    said = {"role": "assistant", "reasoning_content": "Hm.", "content": content}
    assert fitted(said) == ([{"role": "assistant", "content": parts}], [])


def test_reasoning_that_cannot_go_back_is_named() -> None:
    rules = MessageRules(refused=("reasoning_content",))
    said = {"role": "assistant", "reasoning_content": "Hm.", "content": "Yes."}
    told = ([{"role": "assistant", "content": "Yes."}], ["messages.reasoning_content"])
    assert fitted(said, rules=rules) == told


def test_a_call_and_its_result_keep_one_id() -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": '{"a":1.50}'}}
    told, dropped = fitted(
        {"role": "assistant", "content": None, "tool_calls": [{"id": "call_Abc-123", **call}]},
        {"role": "tool", "tool_call_id": "call_Abc-123", "content": "ok"},
    )
    (id,) = {told[0]["tool_calls"][0].pop("id"), told[1]["tool_call_id"]}
    assert len(id) == 9
    assert id.isascii()
    assert id.isalnum()
    assert told[0]["tool_calls"] == [call]
    assert dropped == []


def test_a_longer_conversation_keeps_the_bytes_of_the_shorter() -> None:
    first = {"role": "developer", "content": "Be brief."}
    more = {"role": "user", "name": "ann", "content": "hi"}
    short = fit(json.dumps({"messages": [first]}).encode(), STRICT)[0]
    long = fit(json.dumps({"messages": [first, more]}).encode(), STRICT)[0]
    assert long.startswith(short.removesuffix(b"]}"))


@given(st.text(), st.integers(1, 20))
def test_every_id_has_one_plain_form(id: str, length: int) -> None:
    plain = plain_id(id, length)
    assert len(plain) == length
    assert plain.isascii()
    assert plain.isalnum()
    assert plain_id(plain, length) == plain == plain_id(id, length)


@pytest.mark.parametrize(
    "body",
    [b'{"messages":{"name":1}}', b'{"messages":["name"]}', b'["name"]', b'{"name"', b'"name"'],
)
def test_messages_that_are_none_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="messages"):
        fit(body, STRICT)
