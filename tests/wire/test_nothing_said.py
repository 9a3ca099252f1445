"""A turn of which nothing can be said to the provider is no empty message, which many refuse."""

import json
from typing import Any

import pytest

from portico.types.chat import ChatRequest, Message, OpaqueBlock, RedactedThinking, Text
from portico.types.chat import ProviderState as State
from portico.wire.base import Dropped
from portico.wire.table import PROVIDER_DIALECTS

ASKED = Message("user", (Text("?"),))
AGAIN = Message("user", (Text("Well?"),))
LOST: dict[str, tuple[Any, ...]] = {
    "a reference": (OpaqueBlock("nowhere", {"type": "item_reference", "id": "msg_1"}),),
    "thinking alone": (RedactedThinking(State("nowhere", "x")),),
}
DIALECTS = [
    "anthropic_messages",
    "bedrock_converse",
    "cohere_chat",
    "gemini_generate",
    "ollama_chat",
    "openai_chat",
    "openai_responses",
]


@pytest.mark.parametrize("blocks", LOST.values(), ids=LOST)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_turn_that_is_lost_whole_leaves_no_message(dialect: str, blocks: tuple[Any, ...]) -> None:
    def roles(*messages: Message) -> list[Any]:
        request = ChatRequest(dialect="nowhere", model="m", messages=messages)
        body = PROVIDER_DIALECTS[dialect].write_request(request, unsupported=Dropped())
        sent = json.loads(body)
        return [
            one["role"] for one in sent.get("messages") or sent.get("contents") or sent["input"]
        ]

    lost = Message("assistant", blocks)
    assert roles(ASKED, lost) == ["user"]
    assert set(roles(ASKED, lost, AGAIN)) == {"user"}
