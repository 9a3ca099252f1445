"""What single providers do that OpenAI does not, and what gateways are cursed for when it is lost.

Read on 2026-11-23: https://docs.mistral.ai/inference/conversations/reasoning,
https://github.com/mistralai/client-python (the fields of requests and messages),
https://github.com/avante-corp/avante.nvim/pull/2951 (ids of calls),
https://api-docs.deepseek.com/guides/thinking_mode, https://console.groq.com/docs/openai,
https://github.com/NousResearch/hermes-agent/issues/11089 (Groq and `reasoning_content`),
https://github.com/Kilo-Org/kilocode/issues/10375 (Cerebras and the same),
https://openrouter.ai/docs/api-reference/streaming, https://docs.x.ai/developers/debugging,
https://docs.fireworks.ai/troubleshooting/status_error_codes/inference_error_code,
https://developers.cloudflare.com/workers-ai/platform/errors/.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import uvloop

from portico.catalog.providers import find_provider
from tests.conformance.test_providers import MODEL, config_of
from tests.harness import (
    CHAT,
    DONE,
    KEY,
    LAST_CHUNK,
    SSE_HEAD,
    USAGE,
    Answer,
    Received,
    Script,
    chat,
    chunk,
    event,
    gateway,
    http,
    replying,
    upstream,
    whole,
)

GOOD = replying(whole(CHAT))


def asked(
    folder: Path, type: str, script: Script, body: dict[str, Any], path: str = "", **fields: str
) -> tuple[Received, Answer, Any]:
    """One call: what the provider got, what the client got, and the journal's record."""
    row = find_provider(type)
    assert row is not None
    found: list[Any] = []

    async def play() -> None:
        async with (
            upstream(script) as provider,
            gateway(folder, config_of(row, provider.url)) as running,
        ):
            path_of = {"path": path} if path else {}
            answer = await running.ask(http(body, **path_of, **fields))
            await running.settled()
            running.check_balance()
            found.extend((provider.requests[-1], answer, running.journal()[-1]))

    uvloop.run(play())
    sent, answer, record = found
    return sent, answer, record


def streaming(*events: bytes) -> Script:
    return replying(SSE_HEAD + b"".join(map(chunk, events)) + LAST_CHUNK)


def piece(finish: str | None = None, /, **delta: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event({"id": "c1", "object": "chat.completion.chunk", "choices": [choice]})


CALL = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
TALK = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "name": "ann", "content": "hi"},
    {
        "role": "assistant",
        "content": "I look.",
        "reasoning_content": "Hm.",
        "tool_calls": [{"id": "call_1", **CALL}],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "ok"},
]


# Mistral


def test_mistral_gets_messages_in_its_own_form(tmp_path: Path) -> None:
    body = {**chat(f"p/{MODEL}"), "messages": TALK, "seed": 7, "max_completion_tokens": 5}
    more = {"tool_choice": "required", "safe_prompt": True}
    sent, answer, _ = asked(tmp_path, "mistral", GOOD, {**body, **more, "user": "u"})
    told = sent.json()
    assert {name: told[name] for name in ("random_seed", "max_tokens", *more)} == {
        "random_seed": 7,
        "max_tokens": 5,
        **more,
    }
    assert told.keys() & {"seed", "max_completion_tokens", "user"} == set()
    system, user, assistant, result = told["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert user == {"role": "user", "content": "hi"}
    id = assistant["tool_calls"][0]["id"]
    assert len(id) == 9
    assert result["tool_call_id"] == id
    assert assistant["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": "I look."},
    ]
    assert answer.headers["x-portico-dropped-params"] == "user, messages.name"


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
THOUGHTFUL = {
    **json.loads(CHAT),
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": [THOUGHT, {"type": "text", "text": "Yes."}],
            },
            "finish_reason": "stop",
        }
    ],
}


def test_mistral_thinks_beside_the_text_for_clients_of_openai(tmp_path: Path) -> None:
    script = replying(whole(json.dumps(THOUGHTFUL).encode()))
    body = {**chat(f"p/{MODEL}"), "reasoning_effort": "high", "prompt_mode": "reasoning"}
    sent, answer, _ = asked(tmp_path, "mistral", script, body)
    assert sent.json() == {**body, "model": MODEL}
    message = answer.json()["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("Yes.", "Hm.")


def test_mistral_answers_its_own_client_as_it_does(tmp_path: Path) -> None:
    said = json.dumps(THOUGHTFUL).encode()
    body = {**chat(f"p/{MODEL}"), "reasoning_effort": "high"}
    agent = {"user_agent": "mistral-client-python/2.1.0"}
    _, answer, _ = asked(tmp_path, "mistral", replying(whole(said)), body, **agent)
    assert answer.body == said


def test_mistral_may_be_told_to_go_on_with_a_beginning(tmp_path: Path) -> None:
    prefix = {"role": "assistant", "content": "Once", "prefix": True}
    messages = [{"role": "user", "content": "Tell."}, prefix]
    sent, _, _ = asked(tmp_path, "mistral", GOOD, {**chat(f"p/{MODEL}"), "messages": messages})
    assert sent.json()["messages"] == messages


MESSAGES_TALK = {
    "model": f"p/{MODEL}",
    "max_tokens": 64,
    "top_k": 3,
    "metadata": {"user_id": "u"},
    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "any"},
    "messages": [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "toolu_01AbC", "name": "f", "input": {}}],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "toolu_01AbC", "content": "ok"}],
        },
    ],
}


def test_mistral_gets_only_what_it_knows_from_clients_of_another_dialect(tmp_path: Path) -> None:
    sent, answer, _ = asked(tmp_path, "mistral", GOOD, MESSAGES_TALK, "/v1/messages")
    told = sent.json()
    assert answer.status == 200, answer.body
    assert told["max_tokens"] == 64
    assert told["tool_choice"] in ("any", "required")
    assert told.keys() <= {"model", "messages", "tools", "tool_choice", "max_tokens", "metadata"}
    id = told["messages"][1]["tool_calls"][0]["id"]
    assert (len(id), told["messages"][2]["tool_call_id"]) == (9, id)
    assert "top_k" in answer.headers["x-portico-dropped-params"]


def test_mistral_thinks_in_parts_which_other_clients_see_as_thinking(tmp_path: Path) -> None:
    script = streaming(
        piece(role="assistant", content=[THOUGHT]),
        piece(content=[{"type": "text", "text": "Yes."}]),
        event(
            {
                "id": "c1",
                "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}],
                "usage": USAGE,
            }
        ),
        DONE,
    )
    body = {**MESSAGES_TALK, "stream": True}
    _, answer, record = asked(tmp_path, "mistral", script, body, "/v1/messages")
    deltas = [json.loads(data).get("delta", {}) for data in answer.events()]
    assert "".join(delta.get("thinking", "") for delta in deltas) == "Hm."
    assert "".join(delta.get("text", "") for delta in deltas) == "Yes."
    usage = record.attempts[0].usage
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (7, 3, False)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_codestral_fills_in_the_middle(streamed: bool, tmp_path: Path) -> None:
    """It answers in the shape of a chat: `docs/models/fimcompletionrequest.md` and
    `src/mistralai/client/models/fimcompletionresponse.py` of the client above.
    """
    last = {"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    script = streaming(piece(content="x"), event({**last, "usage": USAGE}), DONE)
    body = {"model": f"p/{MODEL}", "prompt": "def f(", "suffix": "return x", "stream": streamed}
    sent, answer, record = asked(
        tmp_path,
        "codestral",
        script if streamed else GOOD,
        {**body, "seed": 1},
        "/v1/fim/completions",
    )
    assert sent.target == "/v1/fim/completions"
    assert sent.json() == {**body, "model": MODEL, "random_seed": 1}
    if streamed:
        assert answer.events()[-1] == "[DONE]"
    else:
        assert answer.body == CHAT
    usage = record.attempts[0].usage
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (7, 3, False)


def test_mistral_says_what_is_wrong_where(tmp_path: Path) -> None:
    fault = {
        "type": "extra_forbidden",
        "loc": ["body", "top_kk"],
        "msg": "Extra inputs are not permitted",
    }
    refused = {"object": "error", "message": {"detail": [fault]}, "type": "invalid_request_error"}
    script = replying(whole(json.dumps(refused).encode(), 422))
    _, answer, _ = asked(tmp_path, "mistral", script, MESSAGES_TALK, "/v1/messages")
    assert answer.status == 422
    assert answer.json()["error"]["message"] == "`top_kk`: Extra inputs are not permitted"


# DeepSeek


def test_deepseek_gets_its_reasoning_back_and_no_developer(tmp_path: Path) -> None:
    sent, _, _ = asked(tmp_path, "deepseek", GOOD, {**chat(f"p/{MODEL}"), "messages": TALK})
    assert sent.json()["messages"] == [{"role": "system", "content": "Be brief."}, *TALK[1:]]


def test_deepseek_counts_what_its_cache_had(tmp_path: Path) -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 6,
        "total_tokens": 16,
        "prompt_cache_hit_tokens": 8,
        "prompt_cache_miss_tokens": 2,
        "completion_tokens_details": {"reasoning_tokens": 4},
    }
    body = json.dumps({**json.loads(CHAT), "usage": usage}).encode()
    _, answer, record = asked(tmp_path, "deepseek", replying(whole(body)), chat(f"p/{MODEL}"))
    assert answer.body == body
    seen = record.attempts[0].usage
    counted = (seen.input_tokens, seen.cache_read_tokens, seen.output_tokens, seen.reasoning_tokens)
    assert counted == (2, 8, 2, 4)


# Groq, Cerebras


def test_groq_is_spared_what_it_refuses(tmp_path: Path) -> None:
    body = {**chat(f"p/{MODEL}"), "messages": TALK, "logprobs": True}
    sent, answer, _ = asked(tmp_path, "groq", GOOD, body)
    assert not any("name" in m or "reasoning_content" in m for m in sent.json()["messages"])
    named = answer.headers["x-portico-dropped-params"]
    assert named == "logprobs, messages.name, messages.reasoning_content"


def test_cerebras_is_spared_what_it_refuses(tmp_path: Path) -> None:
    sent, answer, _ = asked(tmp_path, "cerebras", GOOD, {**chat(f"p/{MODEL}"), "messages": TALK})
    user, assistant = sent.json()["messages"][1:3]
    assert (user["name"], "reasoning_content" in assistant) == ("ann", False)
    assert answer.headers["x-portico-dropped-params"] == "messages.reasoning_content"


def test_groq_reports_usage_under_a_name_of_its_own(tmp_path: Path) -> None:
    last = {"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    script = streaming(piece(content="hi"), event({**last, "x_groq": {"usage": USAGE}}), DONE)
    for path, body in (
        ("", chat(f"p/{MODEL}", stream=True)),
        ("/v1/messages", {**MESSAGES_TALK, "stream": True}),
    ):
        _, answer, record = asked(tmp_path / path.strip("/"), "groq", script, body, path)
        assert answer.status == 200
        usage = record.attempts[0].usage
        assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (7, 3, False)


# OpenRouter

PROCESSING = b": OPENROUTER PROCESSING\n\n"


def test_openrouter_comments_are_no_events(tmp_path: Path) -> None:
    script = streaming(
        PROCESSING,
        piece(content="hi"),
        PROCESSING,
        piece("stop"),
        event({"choices": [], "usage": USAGE}),
        DONE,
    )
    _, answer, record = asked(tmp_path, "openrouter", script, chat(f"p/{MODEL}", stream=True))
    *chunks, last = answer.events()
    assert last == "[DONE]"
    assert [json.loads(c)["choices"][0]["delta"].get("content") for c in chunks] == ["hi", None]
    assert not record.attempts[0].usage.estimated


BROKEN = event(
    {
        "id": "gen-1",
        "object": "chat.completion.chunk",
        "provider": "Targon",
        "error": {"code": "server_error", "message": "Provider disconnected unexpectedly"},
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
    }
)


@pytest.mark.parametrize("begun", [False, True], ids=["at once", "after the first text"])
def test_openrouter_fails_inside_a_stream(begun: bool, tmp_path: Path) -> None:
    start = (piece(content="Half"),) if begun else ()
    script = streaming(PROCESSING, *start, BROKEN)
    _, answer, _ = asked(tmp_path, "openrouter", script, chat(f"p/{MODEL}", stream=True))
    if begun:
        assert answer.status == 200
        assert "[DONE]" not in answer.events()
        error = json.loads(answer.events()[-1])["error"]
    else:
        assert answer.status >= 500
        error = answer.error
    assert error["message"] == "Provider disconnected unexpectedly"


def test_openrouter_fails_in_a_whole_answer_of_200(tmp_path: Path) -> None:
    failed = {"error": {"code": 502, "message": "Provider returned error"}, "user_id": "u1"}
    script = replying(whole(json.dumps(failed).encode()))
    _, answer, _ = asked(tmp_path, "openrouter", script, chat(f"p/{MODEL}"))
    assert (answer.status, answer.error["message"]) == (502, "Provider returned error")


# xAI, Together, Fireworks, Perplexity


def test_xai_counts_reasoning_beside_the_completion(tmp_path: Path) -> None:
    usage = {
        "prompt_tokens": 32,
        "completion_tokens": 9,
        "total_tokens": 135,
        "completion_tokens_details": {"reasoning_tokens": 94},
    }
    body = json.dumps(
        {**json.loads(CHAT), "usage": usage, "citations": ["https://x.ai/a"]}
    ).encode()
    _, answer, record = asked(tmp_path, "xai", replying(whole(body)), chat(f"p/{MODEL}"))
    assert answer.json()["citations"] == ["https://x.ai/a"]
    seen = record.attempts[0].usage
    assert (seen.output_tokens, seen.reasoning_tokens) == (9, 94)


def test_xai_says_400_to_a_wrong_key(tmp_path: Path) -> None:
    refused = {
        "code": "Client specified an invalid argument",
        "error": "Incorrect API key provided: xa***9c.",
    }
    script = replying(whole(json.dumps(refused).encode(), 400))
    _, answer, _ = asked(tmp_path, "xai", script, chat(f"p/{MODEL}"))
    assert answer.status == 502
    assert "xa***" not in answer.error["message"]


@pytest.mark.parametrize("type", ["together", "fireworks"])
def test_usage_that_comes_with_the_last_choice_is_not_lost(type: str, tmp_path: Path) -> None:
    """They send it there, and the client who did not ask still gets the choice."""
    last = {"id": "c1", "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "eos"}]}
    script = streaming(piece(content="hi"), event({**last, "usage": USAGE}), DONE)
    _, answer, record = asked(tmp_path, type, script, chat(f"p/{MODEL}", stream=True))
    assert json.loads(answer.events()[-2])["choices"][0]["finish_reason"] == "eos"
    assert record.attempts[0].usage.total_output_tokens == 3
    assert not record.attempts[0].usage.estimated


def test_perplexity_cites_and_chat_clients_see_it(tmp_path: Path) -> None:
    cited = {
        "type": "url_citation",
        "url": "https://example.com/a",
        "title": "A",
        "start_index": 0,
        "end_index": 4,
    }
    said = {"type": "output_text", "text": "Yes.", "annotations": [cited]}
    message = {
        "type": "message",
        "id": "m1",
        "role": "assistant",
        "status": "completed",
        "content": [said],
    }
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": MODEL,
        "output": [message],
        "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
    }
    script = replying(whole(json.dumps(response).encode()))
    sent, answer, _ = asked(tmp_path, "perplexity", script, chat(f"p/{MODEL}"))
    assert sent.target == "/v1/responses"
    told = answer.json()["choices"][0]["message"]
    assert told["content"] == "Yes."
    assert told["annotations"][0]["url_citation"]["url"] == "https://example.com/a"
    assert KEY not in str(sent.headers)
