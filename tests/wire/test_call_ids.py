"""Results reach dialects that match by order in the order of their calls."""

import json
from typing import Any

from portico.types.chat import ChatRequest, Message, Text, ToolCall, ToolResult
from portico.wire.base import refuse
from portico.wire.call_ids import with_results_in_order
from portico.wire.ollama_chat import dialect as ollama

ASKED = Message("user", (Text("?"),))
CALLS = Message("assistant", tuple(ToolCall(id, "f", "{}") for id in "abc"))
MORE = Text("and?")


def result(id: str) -> ToolResult:
    return ToolResult(id, (Text(f"{id}!"),))


def told(*blocks: Any) -> Message:
    return Message("user", blocks)


def test_results_in_one_message_and_in_several() -> None:
    a, b, c = map(result, "abc")
    in_order = (ASKED, CALLS, told(a, b), told(c))
    assert with_results_in_order(in_order) is in_order
    assert with_results_in_order((ASKED, CALLS, told(c, a), told(b))) == in_order
    assert with_results_in_order((ASKED, CALLS, told(c), told(b), told(a))) == (
        (ASKED, CALLS, told(a), told(b), told(c))
    )


def test_the_rest_of_a_turn_stays_where_it_is() -> None:
    a, b, nobodys = map(result, "abx")
    given = (ASKED, CALLS, told(nobodys, MORE), ASKED, told(b, a))
    assert with_results_in_order(given) == (ASKED, CALLS, told(a, MORE), ASKED, told(b, nobodys))


def test_each_turn_by_itself() -> None:
    a, b = map(result, "ab")
    later = Message("assistant", (ToolCall("d", "f", "{}"), ToolCall("a", "f", "{}")))
    given = (ASKED, CALLS, told(b), told(a), later, told(a), told(result("d")))
    assert with_results_in_order(given) == (
        (ASKED, CALLS, told(a), told(b), later, told(result("d")), told(a))
    )


def test_ollama_gets_results_in_the_order_of_their_calls() -> None:
    sent = [
        ollama.write_request(
            ChatRequest(dialect="openai_chat", model="m", messages=(ASKED, CALLS, *results)),
            unsupported=refuse,
        )
        for results in ([told(result(id)) for id in "abc"], [told(result(id)) for id in "cab"])
    ]
    assert json.loads(sent[0]) == json.loads(sent[1])
