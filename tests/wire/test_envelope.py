"""Peek and splice: what was authorised is what is sent, whatever the bytes look like."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.errors import InvalidRequest
from portico.wire.envelope import drop, json_string, peek, rename, splice, wants_usage

PEEKED: list[tuple[bytes, str | None]] = [
    (b'{"model":"a"}', "a"),
    (b' { "model" : "a" } ', "a"),
    (b'{"model":"a","model":"b"}', "b"),
    (b'{"model":"a","model":null}', None),
    (b'{"\\u006dodel":"a"}', "a"),
    (b'{"model":"a","\\u006dodel":"b"}', "b"),
    (b'{"x":{"model":"b"},"model":"a"}', "a"),
    (b'{"Model":"b","model":"a"}', "a"),
    (b'{"messages":[{"role":"model"}],"model":"a"}', "a"),
    (b'{"messages":[]}', None),
    (b'{"model":"\\u00e9\\"\\\\"}', 'é"\\'),
    (b'{"model":""}', ""),
]


@pytest.mark.parametrize(("body", "model"), PEEKED)
def test_peek_reads_what_a_parser_where_the_last_key_wins_reads(
    body: bytes, model: str | None
) -> None:
    assert peek(body).model == model
    assert json.loads(body).get("model") == model


@pytest.mark.parametrize("body", [body for body, _ in PEEKED])
@pytest.mark.parametrize("add_usage", [False, True])
def test_splice_leaves_one_model(body: bytes, add_usage: bool) -> None:
    sent = splice(body, peek(body), b'"ours"', add_usage=add_usage)
    assert pairs(sent).count("model") == 1
    value = json.loads(body) | {"model": "ours"}
    if add_usage:
        value["stream_options"] = {"include_usage": True}
    assert json.loads(sent) == value


def pairs(body: bytes) -> list[str]:
    """The top-level keys, with repetitions."""
    keys: list[str] = []

    def hook(items: list[tuple[str, Any]]) -> dict[str, Any]:
        keys[:] = [name for name, _ in items]
        return dict(items)

    json.loads(body, object_pairs_hook=hook)
    return keys


@pytest.mark.parametrize(
    ("options", "after"),
    [
        (None, {"include_usage": True}),
        ({}, {"include_usage": True}),
        ({"include_usage": False}, {"include_usage": True}),
        ({"include_usage": None, "x": 1}, {"include_usage": True, "x": 1}),
        ("odd", {"include_usage": True}),
    ],
)
def test_usage_is_switched_on_and_other_stream_options_survive(options: Any, after: Any) -> None:
    body = json.dumps({"model": "a", "stream": True, "stream_options": options}).encode()
    envelope = peek(body)
    assert not wants_usage(envelope)
    sent = json.loads(splice(body, envelope, b'"b"', add_usage=True))
    assert sent == {"model": "b", "stream": True, "stream_options": after}


def test_a_plain_body_changes_in_one_place() -> None:
    body = b'{ "messages":[{"role":"user","content":"caf\xc3\xa9"}], "model" : "a","seed":1e0 }'
    sent = splice(body, peek(body), b'"b"', add_usage=False)
    assert sent == body.replace(b'"model" : "a"', b'"model":"b"')


def test_a_body_of_many_megabytes_is_spliced() -> None:
    body = json.dumps({"messages": ["x" * 5_000_000, '"model":"no"'], "model": "a"}).encode()
    sent = splice(body, peek(body), b'"b"', add_usage=True)
    assert json.loads(sent) == json.loads(body) | {
        "model": "b",
        "stream_options": {"include_usage": True},
    }


def test_a_body_that_keeps_its_model_loses_its_other_models() -> None:
    for body in (b'{"model":"evil","model":"a"}', b'{"\\u006dodel":"evil","model":"a"}'):
        sent = splice(body, peek(body), b'"a"', add_usage=False)
        assert pairs(sent) == ["model"]
        assert json.loads(sent) == {"model": "a"}


def test_a_second_model_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        peek(b'{"model":{"x":1},"model":"a"}')


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
names = st.sampled_from(["model", "role", "messages", "stream", "x", "stream_options"])


@given(
    st.dictionaries(
        st.text(max_size=6) | names.filter(lambda n: n != "stream"), values, max_size=5
    ),
    st.text(min_size=1, max_size=12),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 2]),
)
def test_splice_is_exactly_a_replacement(
    fields: dict[str, Any], model: str, ascii_only: bool, add_usage: bool, indent: int | None
) -> None:
    value = {**fields, "model": "client"}
    for odd in ("user", "n", "stream", "service_tier"):
        value.pop(odd, None)
    body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode(
        "utf-8", "surrogatepass"
    )
    sent = splice(body, peek(body), json_string(model), add_usage=add_usage)
    expected = {**value, "model": model}
    if add_usage:
        options = value.get("stream_options")
        options = options if isinstance(options, dict) else {}
        expected["stream_options"] = {**options, "include_usage": True}
    assert json.loads(sent) == expected
    assert peek(sent).model == model


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode()))
def test_peek_reads_anything_or_says_what_is_wrong(body: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        splice(body, peek(body), b'"m"', add_usage=True)


REFUSED: list[tuple[bytes, str, str | None, str]] = [
    (b"", "invalid_request", None, "no body"),
    (b"  \n", "invalid_request", None, "no body"),
    (b"{", "invalid_json", None, "not valid JSON"),
    (b'{"model":"a"}x', "invalid_json", None, "not valid JSON"),
    (b'{"model":"a",}', "invalid_json", None, "not valid JSON"),
    (b'{"model":"\xff"}', "invalid_json", None, "UTF-8"),
    (b"[" * 100_000, "invalid_json", None, ""),
    (b'{"x":' + b"[" * 100_000, "invalid_json", None, "nested too deeply"),
    (b"[]", "invalid_type", None, "must be a JSON object"),
    (b'"x"', "invalid_type", None, "must be a JSON object"),
    (b'{"model":5}', "invalid_type", "model", "`model`"),
    (b'{"stream":"yes"}', "invalid_type", "stream", "`stream`"),
    (b'{"max_tokens":"many"}', "invalid_type", "max_tokens", "`max_tokens`"),
    (b'{"n":1.5}', "invalid_type", "n", "`n`"),
]


@pytest.mark.parametrize(("body", "code", "param", "fragment"), REFUSED)
def test_what_is_wrong_is_said(body: bytes, code: str, param: str | None, fragment: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        peek(body)
    error = caught.value
    if body.startswith(b"[["):
        assert error.code in ("invalid_json", "invalid_type")
        return
    assert (error.code, error.param) == (code, param)
    assert fragment in error.message


@pytest.mark.parametrize(
    "change",
    [
        lambda body: splice(body, peek(body), b'"b"', add_usage=True),
        lambda body: rename(body, (("max_completion_tokens", "max_tokens"),)),
        lambda body: drop(body, ("user",)),
    ],
)
def test_a_key_that_is_not_utf8_is_the_clients_mistake(change: Callable[[bytes], object]) -> None:
    body = b'{"\xff":1,"model":"a","max_completion_tokens":1,"user":"u","stream_options":null}'
    with pytest.raises(InvalidRequest) as caught:
        change(body)
    assert caught.value.code == "invalid_json"


@pytest.mark.parametrize(
    ("body", "after"),
    [
        (b'{"a":1}', b'{"a":1}'),
        (b'{"old":1, "a":2}', b'{"a":2,"new":1}'),
        (b'{"old":1,"new":2}', b'{"new":2}'),
        (b'{"a":"\\"old\\""}', b'{"a":"\\"old\\""}'),
        (b'{"a":{"old":1}}', b'{"a":{"old":1}}'),
        (b'{"old":[1e0,"\xc3\xa9"]}', b'{"new":[1e0,"\xc3\xa9"]}'),
    ],
)
def test_rename(body: bytes, after: bytes) -> None:
    assert rename(body, (("old", "new"),)) == after


@pytest.mark.parametrize(
    ("body", "after", "dropped"),
    [
        (b'{"a":1}', b'{"a":1}', ()),
        (b'{"user":"u","a":1, "logit_bias":null}', b'{"a":1}', ("logit_bias", "user")),
        (b'{"a":{"user":1}}', b'{"a":{"user":1}}', ()),
        (b'{"role":"user"}', b'{"role":"user"}', ()),
    ],
)
def test_drop_names_what_it_took(body: bytes, after: bytes, dropped: tuple[str, ...]) -> None:
    assert drop(body, ("logit_bias", "user")) == (after, dropped)
