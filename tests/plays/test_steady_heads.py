"""The head of a request to a provider is made once; what a client adds, or another credential, is
never mistaken for it.
"""

import json
from pathlib import Path

import pytest
import uvloop

from tests.harness import KEY, Answer, Received, Wire, gateway, http, upstream, whole

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "real",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 7, "output_tokens": 3},
}
SAID = {
    "anthropic": MESSAGE,
    "cohere": {
        "id": "1",
        "message": {"role": "assistant", "content": [{"type": "text", "text": "hello"}]},
        "finish_reason": "COMPLETE",
    },
    "gemini": {
        "candidates": [
            {"content": {"parts": [{"text": "hello"}], "role": "model"}, "finishReason": "STOP"}
        ]
    },
    "ollama": {
        "model": "real",
        "message": {"role": "assistant", "content": "hello"},
        "done": True,
        "done_reason": "stop",
    },
}
DIALECTS = {"cohere": "cohere_chat", "ollama": "ollama_chat"}


def served(kind: str, url: str) -> str:
    dialect = f"dialect: {DIALECTS[kind]}, " if kind in DIALECTS else ""
    return (
        f"providers:\n  - {{name: up, provider_type: {kind}, {dialect}base_url: '{url}', "
        f"api_keys: [key-one, key-two], models: [real]}}\n"
        "models:\n  - {name: m, targets: [up/real], strategy: round_robin}\n"
        f"keys:\n  - {{name: team-a, key: {KEY}}}\n"
    )


def asked(text: str, **fields: str) -> bytes:
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    return http(body, **fields)


@pytest.mark.parametrize("kind", SAID)
def test_each_request_has_its_own_head(kind: str, tmp_path: Path) -> None:
    answer = whole(json.dumps(SAID[kind]).encode())

    async def script(wire: Wire, request: Received) -> None:
        wire.send(answer)

    async def play() -> None:
        async with (
            upstream(script) as provider,
            gateway(tmp_path, served(kind, provider.url)) as running,
        ):
            answers: list[Answer] = []
            for fields in ({}, {}, {"traceparent": "00-a-b-01"}, {"traceparent": "00-c-d-01"}, {}):
                for text in ("hi", "a longer question"):
                    answers.append(await running.ask(asked(text, **fields)))
            assert {one.status for one in answers} == {200}
            seen = provider.requests
            assert [one.headers.get("traceparent") for one in seen] == [
                *(None,) * 4,
                *("00-a-b-01",) * 2,
                *("00-c-d-01",) * 2,
                *(None,) * 2,
            ]
            credentials = [
                next(key for key in ("key-one", "key-two") if key in str(one.headers))
                for one in seen
            ]
            assert credentials == ["key-one", "key-two"] * 5
            for one in seen:
                assert int(one.headers["content-length"]) == len(one.body)
                assert one.json()
            plain = [
                {name: value for name, value in one.headers.items() if name != "content-length"}
                for one in seen
                if "traceparent" not in one.headers
            ]
            assert plain[::2] == plain[:1] * 3
            assert plain[1::2] == plain[1:2] * 3
            assert len({one.target for one in seen}) == 1

    uvloop.run(play())


def test_what_an_anthropic_client_adds_goes_on(tmp_path: Path) -> None:
    async def script(wire: Wire, request: Received) -> None:
        wire.send(whole(json.dumps(MESSAGE).encode()))

    async def play() -> None:
        async with (
            upstream(script) as provider,
            gateway(tmp_path, served("anthropic", provider.url)) as running,
        ):
            for fields in ({}, {"anthropic_beta": "b-1"}, {}, {"anthropic_version": "2024-01-01"}):
                body = {
                    "model": "m",
                    "max_tokens": 5,
                    "messages": [{"role": "user", "content": "hi"}],
                }
                assert (await running.ask(http(body, path="/v1/messages", **fields))).status == 200
            heads = [one.headers for one in provider.requests]
            assert [head.get("anthropic-beta") for head in heads] == [None, "b-1", None, None]
            assert [head["anthropic-version"] for head in heads] == [
                "2023-06-01",
                "2023-06-01",
                "2023-06-01",
                "2024-01-01",
            ]

    uvloop.run(play())
