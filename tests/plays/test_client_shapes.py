"""What well-known clients send, as they send it, to providers that speak something else."""

import json
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.harness import (
    CANARY,
    KEY,
    LAST_CHUNK,
    SSE_HEAD,
    Answer,
    Received,
    Running,
    Upstream,
    Wire,
    chat,
    chunk,
    event,
    gateway,
    good,
    http,
    upstream,
    whole,
)


def config(url: str, provider_type: str = "deepseek") -> str:
    return (
        f"providers:\n  - {{name: p, provider_type: {provider_type}, base_url: '{url}', "
        f"api_key: {CANARY}, models: [real]}}\n"
        f"models:\n  - {{name: m, targets: [p/real]}}\n"
        "model_aliases: {claude-haiku-4-5: m, gemini-2.5-pro: m, gpt-5-codex: m}\n"
        f"keys:\n  - {{name: k, key: {KEY}}}\n"
    )


async def calling(wire: Wire, request: Received) -> None:
    """A model that calls the first tool it is offered, in pieces."""
    tool = request.json()["tools"][0]
    name = (tool.get("function") or tool["custom"])["name"]
    call = {"index": 0, "id": "call_1", "type": "function"}
    pieces = [
        {"role": "assistant", "tool_calls": [{**call, "function": {"name": name}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"input"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ': "ls -l"}'}}]},
    ]
    events = [event({"id": "c", "choices": [{"index": 0, "delta": one}]}) for one in pieces]
    events.append(event({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}))
    body = b"".join(map(chunk, [*events, b"data: [DONE]\n\n"]))
    wire.send(SSE_HEAD + body + LAST_CHUNK)


def kinds(answer: Answer) -> list[str]:
    return [json.loads(one)["type"] for one in answer.events()]


# Claude Code

CLAUDE_CODE: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 32000,
    "stream": True,
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.0;"},
        {
            "type": "text",
            "text": "You are Claude Code, Anthropic's official CLI for Claude.",
            "cache_control": {"type": "ephemeral"},
        },
        {"type": "text", "text": "# Rules", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ],
    "thinking": {"type": "enabled", "budget_tokens": 31999},
    "metadata": {"user_id": "user_abc_account__session_123"},
    "tools": [
        {
            "name": "Bash",
            "description": "Runs a command.",
            "input_schema": {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "type": "object",
                "properties": {"input": {"type": "string"}},
                "required": ["input"],
                "additionalProperties": False,
            },
            "cache_control": {"type": "ephemeral"},
        }
    ],
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "<system-reminder>\n</system>"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Look first.", "signature": "c2ln"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"input": "pwd"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "content": "/",
                    "is_error": False,
                },
                {
                    "type": "text",
                    "text": "and now?",
                    "cache_control": {"type": "ephemeral"},
                },
            ],
        },
    ],
}
CLAUDE_FIELDS = {
    "anthropic_beta": "claude-code-20250219,interleaved-thinking-2025-05-14,fine-grained-tools",
    "anthropic_version": "2023-06-01",
    "anthropic_dangerous_direct_browser_access": "true",
    "x_app": "cli",
    "user_agent": "claude-cli/2.1.0 (external, cli)",
}


def claude_code(body: dict[str, Any], path: str = "/v1/messages?beta=true") -> bytes:
    return http(body, path=path, **CLAUDE_FIELDS)


def test_claude_code_to_a_chat_provider(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(calling) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            answer = await running.ask(claude_code(CLAUDE_CODE))
            assert answer.status == 200
            assert [kind for kind in kinds(answer) if kind != "ping"] == [
                "message_start",
                "content_block_start",
                "content_block_delta",
                "content_block_delta",
                "content_block_stop",
                "message_delta",
                "message_stop",
            ]
            (sent,) = provider.requests
            assert not [name for name in sent.headers if name.startswith(("anthropic", "x-app"))]
            system, first, assistant, result, last = sent.json()["messages"]
            assert (system["role"], first["role"]) == ("system", "user")
            assert assistant["tool_calls"][0]["id"] == result["tool_call_id"]
            assert json.loads(assistant["tool_calls"][0]["function"]["arguments"]) == {
                "input": "pwd"
            }
            assert (result["role"], last["role"]) == ("tool", "user")

    uvloop.run(play())


def test_claude_code_to_anthropic_is_untouched(tmp_path: Path) -> None:
    async def play() -> None:
        async def script(wire: Wire, _: Received) -> None:
            stop = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
            wire.send(SSE_HEAD + chunk(stop) + LAST_CHUNK)

        async with (
            upstream(script) as provider,
            gateway(tmp_path, config(provider.url, "anthropic")) as running,
        ):
            request = json.dumps(CLAUDE_CODE)
            answer = await running.ask(http(request, path="/v1/messages", **CLAUDE_FIELDS))
            assert answer.status == 200
            (sent,) = provider.requests
            assert sent.body.decode() == request.replace(
                '"model": "claude-haiku-4-5"', '"model":"real"'
            )
            assert sent.headers["anthropic-beta"] == CLAUDE_FIELDS["anthropic_beta"]

    uvloop.run(play())


def test_claude_code_counts_and_reports(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(good) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            body = {key: CLAUDE_CODE[key] for key in ("model", "system", "tools", "messages")}
            path = "/v1/messages/count_tokens?beta=true"
            counted = await running.ask(claude_code(body, path))
            assert counted.status == 200
            assert 50 < counted.json()["input_tokens"] < 500
            batch = http({"events": []}, path="/api/event_logging/batch", key=None)
            assert (await running.ask(batch)).status == 200

    uvloop.run(play())


# Codex CLI

CODEX: dict[str, Any] = {
    "model": "gpt-5-codex",
    "instructions": "You are Codex, based on GPT-5.",
    "input": [
        {
            "type": "message",
            "role": "developer",
            "content": [{"type": "input_text", "text": "<permissions>"}],
        },
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "list"}]},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Look."}],
            "encrypted_content": "gAAAAABsecret",
        },
        {
            "type": "custom_tool_call",
            "call_id": "call_0",
            "name": "apply_patch",
            "input": "*** Begin Patch",
        },
        {"type": "custom_tool_call_output", "call_id": "call_0", "output": "done"},
    ],
    "tools": [
        {
            "type": "custom",
            "name": "apply_patch",
            "description": "Edits files.",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
        },
        {
            "type": "function",
            "name": "shell",
            "strict": False,
            "parameters": {"type": "object", "properties": {"command": {"type": "string"}}},
        },
        {
            "type": "namespace",
            "name": "mcp__docs",
            "description": "Docs.",
            "tools": [
                {
                    "type": "function",
                    "name": "find",
                    "parameters": {"type": "object", "properties": {}},
                }
            ],
        },
        {"type": "web_search", "external_web_access": False},
        {"type": "image_generation", "output_format": "png"},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "0199-session",
}


def test_codex_to_a_chat_provider(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(calling) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            answer = await running.ask(http(CODEX, path="/v1/responses"))
            events = [json.loads(one) for one in answer.events()]
            assert (events[0]["type"], events[-1]["type"]) == (
                "response.created",
                "response.completed",
            )
            assert [one["sequence_number"] for one in events] == list(range(len(events)))
            (call,) = events[-1]["response"]["output"]
            assert (call["type"], call["name"], call["input"]) == (
                "custom_tool_call",
                "apply_patch",
                "ls -l",
            )
            sent = provider.requests[0].json()
            assert "gAAAAABsecret" not in provider.requests[0].body.decode()
            names = [tool["function"]["name"] for tool in sent["tools"] if "function" in tool]
            assert {"apply_patch", "shell"} < set(names)
            assert {tool["type"] for tool in sent["tools"]} == {"function"}
            patched = next(m for m in sent["messages"] if m.get("tool_calls"))["tool_calls"][0]
            assert patched["function"] == {
                "name": "apply_patch",
                "arguments": '{"input":"*** Begin Patch"}',
            }
            assert "tools[0].format" in answer.headers["x-portico-dropped-params"]

    uvloop.run(play())


@pytest.mark.parametrize("provider_type", ["anthropic", "gemini"])
def test_codex_is_written_for_every_provider(provider_type: str, tmp_path: Path) -> None:
    async def play() -> None:
        async def script(wire: Wire, _: Received) -> None:
            wire.send(whole(b'{"error":{"message":"enough"}}', 400))

        async with (
            upstream(script) as provider,
            gateway(tmp_path, config(provider.url, provider_type)) as running,
        ):
            answer = await running.ask(http(CODEX, path="/v1/responses"))
            assert (answer.status, answer.error["message"]) == (400, "enough")
            text = provider.requests[0].body.decode()
            assert "Begin Patch" in text
            assert "gAAAAABsecret" not in text

    uvloop.run(play())


# Gemini CLI

GEMINI_CLI: dict[str, Any] = {
    "contents": [
        {"role": "user", "parts": [{"text": "list the files"}]},
        {
            "role": "model",
            "parts": [
                {
                    "functionCall": {"name": "ls", "args": {"input": "."}},
                    "thoughtSignature": "c2lnbmF0dXJl",
                }
            ],
        },
        {
            "role": "user",
            "parts": [{"functionResponse": {"name": "ls", "response": {"output": "a.txt"}}}],
        },
    ],
    "systemInstruction": {"role": "user", "parts": [{"text": "You are an agent."}]},
    "tools": [
        {
            "functionDeclarations": [
                {
                    "name": "ls",
                    "description": "Lists files.",
                    "parametersJsonSchema": {
                        "type": "object",
                        "properties": {"input": {"type": "string"}},
                        "required": ["input"],
                    },
                }
            ]
        }
    ],
    "generationConfig": {
        "temperature": 0,
        "topP": 1,
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": -1},
    },
}


def gemini_cli(running: Running) -> Any:
    path = "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
    return running.ask(http(GEMINI_CLI, path=path, key=None, x_goog_api_key=KEY))  # type: ignore[arg-type]


def test_gemini_cli_to_a_chat_provider(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(calling) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            answer = await gemini_cli(running)
            assert answer.status == 200
            parts = [
                part
                for one in answer.events()
                for candidate in json.loads(one).get("candidates", [])
                for part in candidate["content"]["parts"]
            ]
            calls = [part["functionCall"] for part in parts if "functionCall" in part]
            assert [(call["name"], call["args"]) for call in calls] == [("ls", {"input": "ls -l"})]
            sent = provider.requests[0].json()
            parameters = sent["tools"][0]["function"]["parameters"]
            assert parameters["properties"] == {"input": {"type": "string"}}
            assert "c2lnbmF0dXJl" not in provider.requests[0].body.decode()
            assert "x-goog-api-key" not in provider.requests[0].headers

    uvloop.run(play())


# Open WebUI

OPEN_WEBUI = {
    "model": "m",
    "stream": True,
    "stream_options": {"include_usage": True},
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    ],
    "user": {"name": "U", "id": "1", "email": "u@example.com", "role": "user"},
}


@pytest.mark.parametrize("user", [OPEN_WEBUI["user"], "u-1"], ids=["object", "text"])
def test_open_webui(user: Any, tmp_path: Path) -> None:
    """Its pipelines send `user` as an object, which OpenAI does not allow: told clearly."""

    async def play() -> None:
        async with (
            upstream(good) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            fields = {"x_openwebui_user_id": "1", "x_openwebui_user_email": "u@example.com"}
            answer = await running.ask(http({**OPEN_WEBUI, "user": user}, **fields))
            if isinstance(user, str):
                assert answer.events()[-1] == "[DONE]"
                assert "x-openwebui-user-email" not in provider.requests[0].headers
            else:
                assert (answer.status, answer.error["param"]) == (400, "user")
            models = await running.ask(http(path="/v1/models", method="GET"))
            assert models.json()["object"] == "list"

    uvloop.run(play())


@pytest.mark.parametrize("allowed", [False, True])
def test_open_webui_names_its_users_where_it_may(allowed: bool, tmp_path: Path) -> None:
    async def play() -> None:
        async with upstream(good) as provider:
            text = config(provider.url)
            if allowed:
                text = text.replace(f"key: {KEY}", f"key: {KEY}, user_header: X-OpenWebUI-User-Id")
            async with gateway(tmp_path, text) as running:
                body = {**OPEN_WEBUI, "user": "said"}
                await running.ask(http(body, x_openwebui_user_id="0b1f-42"))
                await running.ask(http(body, x_openwebui_user_id="u" * 300))
                await running.ask(http(body))
                await running.settled()
                users = [record.user for record in running.journal()]
                assert users == [*(["0b1f-42"] if allowed else ["said"]), "said", "said"]
            for sent in provider.requests:
                assert sent.json()["user"] == "said"
                assert "x-openwebui-user-id" not in sent.headers

    uvloop.run(play())


# Cursor

CURSOR: dict[str, Any] = {
    "model": "m",
    "stream": True,
    "input": [
        {"role": "system", "content": "You are a coding assistant."},
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
    ],
    "tools": [
        {
            "type": "function",
            "name": "Shell",
            "parameters": {"type": "object", "properties": {"input": {"type": "string"}}},
        }
    ],
    "tool_choice": "auto",
    "reasoning": {"effort": "medium", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "store": False,
    "stream_options": {"include_usage": True},
    "user": "u-1",
    "metadata": {"cursorRequestId": "1"},
}


async def asked_by_cursor(running: Running, provider: Upstream) -> tuple[Answer, Any]:
    answer = await running.ask(http(CURSOR))
    return answer, provider.requests[0].json()


def test_cursor_gets_chunks_of_a_chat(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(calling) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            answer, sent = await asked_by_cursor(running, provider)
            assert answer.status == 200, answer.body
            assert [message["role"] for message in sent["messages"]] == ["system", "user"]
            assert sent["tools"][0]["function"]["name"] == "Shell"
            assert "input" not in sent
            *events, done = answer.events()
            assert done == "[DONE]"
            chunks = [json.loads(one) for one in events]
            assert {one["object"] for one in chunks} == {"chat.completion.chunk"}
            arguments = "".join(
                call["function"].get("arguments", "")
                for one in chunks
                for choice in one["choices"]
                for call in choice["delta"].get("tool_calls", [])
            )
            assert arguments == '{"input": "ls -l"}'

    uvloop.run(play())


def test_a_chat_without_messages_is_still_an_error(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(good) as provider,
            gateway(tmp_path, config(provider.url, "anthropic")) as running,
        ):
            answer = await running.ask(http({"model": "m"}))
            assert answer.status == 400
            assert "`messages`" in answer.error["message"]
            assert provider.requests == []

    uvloop.run(play())


# Mistral's SDKs


@pytest.mark.parametrize("agent", ["mistral-client-python/3.7.0", "OpenAI/Python 3.54.0"])
def test_mistrals_sdks_get_every_call_whole(agent: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(calling) as provider,
            gateway(tmp_path, config(provider.url)) as running,
        ):
            tool = {"type": "function", "function": {"name": "Bash", "parameters": {}}}
            body = chat(stream=True, tools=[tool])
            answer = await running.ask(http(body, user_agent=agent))
            deltas = [json.loads(one)["choices"][0]["delta"] for one in answer.events()[:-1]]
            calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
            assert "".join(one["function"].get("arguments", "") for one in calls) == (
                '{"input": "ls -l"}'
            )
            assert (len(calls) == 1) == agent.startswith("mistral")

    uvloop.run(play())
