"""Each row of the provider table, driven against a scripted provider: what reaches it, and what
comes back.
"""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import uvloop

from portico.catalog.providers import ProviderRow, listed_providers
from portico.wire.table import PROVIDER_DIALECTS
from tests.harness import (
    CANARY,
    CHAT,
    KEY,
    Received,
    Running,
    Upstream,
    chat,
    gateway,
    good,
    http,
    upstream,
)

ROWS = [row for row in listed_providers() if row.location != "builtin"]
OPENAI = [row for row in ROWS if "openai_chat" in (row.dialect, *row.also)]
FOREIGN = [row for row in ROWS if row not in OPENAI and row.name != "watsonx"]
"""Without watsonx, whose key is exchanged and whose answers are Chat's: `plays/test_watsonx`."""
MODEL = "some-model"


def path_of(row: ProviderRow) -> str:
    return urlsplit(row.base_url or row.base_url_form or "").path.rstrip("/")


def config_of(row: ProviderRow, url: str) -> str:
    return (
        f"providers:\n  - {{name: p, provider_type: {row.name}, base_url: '{url}{path_of(row)}', "
        f"api_key: {CANARY}, models: [{MODEL}]}}\n"
        f"keys:\n  - {{name: k, key: {KEY}}}\n"
    )


def check_address(row: ProviderRow, sent: Received, path: str) -> None:
    """The path, the credential where the row wants it and nowhere else, and the row's fields."""
    target = urlsplit(sent.target)
    assert sent.method == "POST"
    assert target.path == path
    kind, _, name = row.auth.partition(":")
    credential = sent.headers.get("authorization")
    if kind == "bearer":
        assert credential == f"Bearer {CANARY}"
    elif kind == "header":
        assert sent.headers[name] == CANARY
    elif kind == "query":
        assert parse_qs(target.query) == {name: [CANARY]}
    if kind != "query":
        assert target.query == ""
    carriers = [value for value in [*sent.headers.values(), sent.target] if CANARY in value]
    assert len(carriers) == (0 if kind == "none" else 1)
    assert sent.headers.items() >= row.headers.items()
    assert KEY not in str(sent.headers)
    assert sent.headers["content-type"] == "application/json"


def check_body(row: ProviderRow, body: dict[str, object], streamed: bool) -> None:
    named = NAMED.get(row.name, MODEL)
    wanted: dict[str, object] = {**chat(named, stream=streamed), **ASKED}
    if streamed:
        wanted["stream_options"] = {"include_usage": True}
    for old, new in row.renamed_params.items():
        if old in wanted:
            wanted.setdefault(new, wanted[old])
            del wanted[old]
    for name in row.refused_params:
        wanted.pop(name, None)
    assert body == wanted


ASKED: dict[str, object] = {
    "max_completion_tokens": 9,
    "seed": 1,
    "logit_bias": {"1": 2},
    "user": "u",
    "logprobs": True,
    "x_unknown": [1],
}


async def converse(row: ProviderRow, running: Running, provider: Upstream) -> None:
    for streamed in (False, True):
        answer = await running.ask(http(chat(f"p/{MODEL}", stream=streamed, **ASKED)))
        assert answer.status == 200, answer.body
        sent = provider.requests[-1]
        check_address(row, sent, path_of(row) + CHAT_PATHS.get(row.name, "/chat/completions"))
        check_body(row, sent.json(), streamed)
        dropped = [name for name in row.refused_params if name in ASKED]
        named = answer.headers.get("x-portico-dropped-params", "")
        assert set(filter(None, named.split(", "))) >= set(dropped)
        assert answer.headers["x-portico-deployment"] == f"p/{MODEL}"
        if streamed:
            assert answer.events()[-1] == "[DONE]"
            assert "usage" not in answer.body.decode()
        else:
            assert answer.body == CHAT
    await running.settled()
    for record in running.journal():
        usage = record.attempts[0].usage
        assert usage is not None
        reports = not record.streamed or "stream_options" not in row.refused_params
        assert usage.estimated != reports
        if reports:
            assert (usage.total_input_tokens, usage.total_output_tokens) == (7, 3)
    running.check_balance()


@pytest.mark.parametrize("row", OPENAI, ids=lambda row: row.name)
def test_a_provider_that_speaks_chat_completions(row: ProviderRow, tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(good) as provider,
            gateway(tmp_path, config_of(row, provider.url)) as running,
        ):
            await converse(row, running, provider)

    uvloop.run(play())


CHAT_PATHS = {
    "sagemaker": f"/endpoints/{MODEL}/openai/v1/chat/completions",
    "vertex_ai": "/endpoints/openapi/chat/completions",
}
NAMED = {"sagemaker": ""}
"""How the body calls the model, where the path names it."""
FOREIGN_PATHS = {
    "anthropic_messages": "/v1/messages",
    "bedrock_converse": f"/model/{MODEL}/converse",
    "cohere_chat": "/v2/chat",
    "gemini_generate": f"/models/{MODEL}:generateContent",
    "openai_responses": "/responses",
    "replicate": "/predictions",
}


@pytest.mark.parametrize("row", FOREIGN, ids=lambda row: row.name)
def test_a_provider_of_another_dialect_is_asked_in_its_own(
    row: ProviderRow, tmp_path: Path
) -> None:
    """The answer is of no dialect but Chat: it must not pass for one."""

    async def play() -> None:
        async with (
            upstream(good) as provider,
            gateway(tmp_path, config_of(row, provider.url)) as running,
        ):
            answer = await running.ask(http(chat(MODEL)))
            await running.settled()
            assert answer.status >= 500
            assert answer.error["message"]
            is_spoken = row.dialect in PROVIDER_DIALECTS
            assert bool(provider.requests) == is_spoken
            assert (answer.error["code"] == "not_supported") != is_spoken
            for sent in provider.requests:
                check_address(row, sent, path_of(row) + FOREIGN_PATHS[row.dialect])
            running.check_balance()

    uvloop.run(play())


def test_enough_rows_were_driven() -> None:
    assert len(OPENAI) > 100
