"""What a body says of its conversation, in every client dialect."""

import json
from typing import Any

import pytest

from portico.wire.conversation import has_data, needs, opening, session_name

SYSTEM = {"role": "system", "content": "be brief"}
USER = {"role": "user", "content": "hi"}
REPLY = {"role": "assistant", "content": "hello"}
MORE = {"role": "user", "content": "and then?"}
TOOLS = [{"type": "function", "function": {"name": "f"}}]
HI = {"role": "user", "parts": [{"text": "hi"}]}


def raw(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ({"messages": [USER]}, [None, None, USER]),
        ({"messages": [SYSTEM, USER, REPLY, MORE]}, [None, None, SYSTEM, USER]),
        ({"system": "s", "tools": TOOLS, "messages": [USER, REPLY]}, ["s", TOOLS, USER]),
        ({"systemInstruction": {"parts": []}, "contents": [HI, HI]}, [{"parts": []}, None, HI]),
        ({"system_instruction": {}, "contents": [HI]}, [{}, None, HI]),
        ({"instructions": "s", "input": "hi"}, ["s", None, "hi"]),
        ({"input": [SYSTEM, USER, REPLY]}, [None, None, SYSTEM, USER]),
        ({"prompt": "once upon"}, [None, None, "once upon"]),
    ],
)
def test_the_opening_stays_the_same_while_a_conversation_grows(
    body: dict[str, Any], parts: list[Any]
) -> None:
    assert opening(raw(body)) == tuple(b"" if part is None else raw(part) for part in parts)


@pytest.mark.parametrize("body", [{}, {"messages": []}, {"messages": 3}, {"input": []}, [1]])
def test_a_body_without_an_opening_has_none(body: Any) -> None:
    assert opening(raw(body)) in ((), (b"", b"", b"[]"))


def test_turns_that_are_no_objects_end_the_opening() -> None:
    assert opening(b'{"messages":[1,{"role":"user"}]}') == (b"", b"", b"1")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"prompt_cache_key": "abc"}, "abc"),
        ({"metadata": {"user_id": "u1"}}, "u1"),
        ({"prompt_cache_key": "abc", "metadata": {"user_id": "u1"}}, "abc"),
        ({"prompt_cache_key": "", "metadata": {"user_id": 7}}, None),
        ({"metadata": "text"}, None),
        ({"messages": "wrong", "prompt_cache_key": "abc"}, None),
    ],
)
def test_a_body_may_name_its_session(body: dict[str, Any], name: str | None) -> None:
    assert session_name(raw(body)) == name


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({"messages": [USER]}, set()),
        ({"messages": [USER], "tools": TOOLS}, {"tools"}),
        ({"content": [{"type": "image_url", "image_url": {"url": "u"}}]}, {"vision"}),
        ({"content": [{"type": "image", "source": {}}], "tools": TOOLS}, {"vision", "tools"}),
        ({"parts": [{"inlineData": {"mimeType": "image/png"}}]}, {"vision"}),
    ],
)
def test_what_a_body_seems_to_need(body: dict[str, Any], asked: set[str]) -> None:
    assert needs(raw(body)) == asked


def test_pictures_and_files_are_seen() -> None:
    assert has_data(b'{"url":"data:image/png;base64,AAAA"}')
    assert has_data(b'{"source":{"type":"base64"}}')
    assert not has_data(b'{"messages":[]}')
