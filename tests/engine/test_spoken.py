"""What each deployment is asked in: as its provider type offers it, or as the operator says."""

import pytest

from portico.app import check_config
from portico.engine.snapshot import Target
from portico.errors import ConfigError
from tests.harness import read_config

CLIENTS = (
    "openai_chat",
    "openai_responses",
    "anthropic_messages",
    "gemini_generate",
    "cohere_chat",
    "ollama_chat",
)


def target(provider_type: str, model: str, provider: str = "", route: str = "") -> Target:
    config = read_config(
        f"providers:\n  - {{name: p, provider_type: {provider_type}, api_key: k{provider}}}\n"
        f"models:\n  - {{name: m, targets: [{{target: 'p/{model}'{route}}}]}}\n"
    )
    snapshot = check_config(config, {})
    return snapshot.target(snapshot["m"].deployments[0])


def asked_in(found: Target) -> dict[str, str]:
    """For each client that is not asked for in the usual dialect, the one that is used."""
    spoken = {client: found.dialect_for(client) for client in CLIENTS}
    return {client: one for client, one in spoken.items() if one != found.dialect}


CHAT = {"openai_chat": "openai_chat"}
RESPONSES = {"openai_responses": "openai_responses"}
MESSAGES = {"anthropic_messages": "anthropic_messages"}
BASE = ", base_url: 'https://r.example/openai/v1'"

OFFERED: dict[str, tuple[str, str, str, str, dict[str, str]]] = {
    "openai": ("openai", "gpt-5.5", "", "openai_chat", RESPONSES),
    "openai by Responses alone": ("openai", "gpt-5.5-pro", "", "openai_responses", {}),
    "openai, unheard of": ("openai", "gpt-99", "", "openai_chat", RESPONSES),
    "anthropic": ("anthropic", "claude-opus-5", "", "anthropic_messages", {}),
    "azure": ("azure", "gpt-5.5", BASE, "openai_chat", RESPONSES),
    "claude at azure": ("azure_ai", "claude-opus-5", BASE, "anthropic_messages", {}),
    "bedrock": ("bedrock", "amazon.nova-pro-v1:0", "", "bedrock_converse", {}),
    "claude at bedrock": (
        "bedrock",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "",
        "bedrock_converse",
        {"anthropic_messages": "bedrock_invoke"},
    ),
    "gpt-oss at bedrock": ("bedrock", "openai.gpt-oss-120b-1:0", "", "bedrock_converse", CHAT),
    "gpt at bedrock": (
        "bedrock",
        "us.openai.gpt-5.5",
        "",
        "bedrock_converse",
        {**CHAT, **RESPONSES},
    ),
    "claude at mantle": ("bedrock_mantle", "anthropic.claude-opus-5", "", "anthropic_messages", {}),
    "vertex": ("vertex_ai", "gemini-3.5-flash", BASE, "gemini_generate", {}),
    "vertex, tuned": ("vertex_ai", "endpoints/123", BASE, "gemini_generate", {}),
    "vertex, in full": ("vertex_ai", "google/gemini-2.5-pro", BASE, "gemini_generate", {}),
    "claude at vertex": ("vertex_ai", "claude-opus-5", BASE, "anthropic_messages", {}),
    "llama at vertex": ("vertex_ai", "meta/llama-4-scout-maas", BASE, "openai_chat", {}),
    "cohere": ("cohere", "command-a-03-2025", "", "cohere_chat", {}),
    "ollama": ("ollama", "qwen3", "", "ollama_chat", {**CHAT, **MESSAGES}),
    "vllm": ("vllm", "qwen3", "", "openai_chat", {**RESPONSES, **MESSAGES}),
    "vllm elsewhere": (
        "vllm",
        "qwen3",
        ", base_url: 'http://box:1/v1'",
        "openai_chat",
        {**RESPONSES, **MESSAGES},
    ),
    "deepseek": ("deepseek", "deepseek-v4-pro", "", "openai_chat", MESSAGES),
    "deepseek behind a proxy": (
        "deepseek",
        "deepseek-v4-pro",
        ", base_url: 'https://proxy.example'",
        "openai_chat",
        {},
    ),
    "openrouter": ("openrouter", "x/y", "", "openai_chat", {**RESPONSES, **MESSAGES}),
}


@pytest.mark.parametrize(
    ("type", "model", "more", "usual", "others"), OFFERED.values(), ids=OFFERED.keys()
)
def test_a_client_gets_its_own_dialect_where_that_is_offered(
    type: str, model: str, more: str, usual: str, others: dict[str, str]
) -> None:
    found = target(type, model, more)
    assert (found.dialect, asked_in(found)) == (usual, others)


def test_what_the_operator_says_is_all_that_is_spoken() -> None:
    for more, route in (
        (", dialect: openai_chat", ""),
        (", model_dialects: {'gpt-*': openai_chat}", ""),
        (", dialect: openai_responses, model_dialects: {gpt-5: openai_chat}", ""),
        (", dialect: openai_responses", ", dialect: openai_chat"),
        (", model_dialects: {'*': openai_responses}", ", dialect: openai_chat"),
    ):
        found = target("openai", "gpt-5", more, route)
        assert (found.dialect, asked_in(found)) == ("openai_chat", {})


def test_a_pattern_leaves_other_models_as_they_are() -> None:
    found = target("openai", "gpt-5", ", model_dialects: {'o*': openai_responses}")
    assert (found.dialect, asked_in(found)) == ("openai_chat", RESPONSES)


def test_a_model_of_no_list_speaks_as_its_name_says() -> None:
    config = read_config(
        f"providers: [{{name: p, provider_type: vertex_ai, api_key: k, models: ['*']{BASE}}}]"
    )
    snapshot = check_config(config, {})
    for model, dialect in (("claude-x", "anthropic_messages"), ("gemini-x", "gemini_generate")):
        (deployment,) = snapshot[f"p/{model}"].deployments
        assert (deployment.id, deployment.speaks) == (f"p/{model}", (dialect,))
    assert snapshot["p/claude-opus-5"].deployments[0].max_output_tokens == 128_000


def test_the_address_of_anthropics_api_is_used_for_that_alone() -> None:
    found = target("zai", "glm-5.3")
    assert found.addressed("openai_chat").provider.base_path == "/api/paas/v4"
    assert found.addressed("anthropic_messages").provider.base_path == "/api/anthropic"
    more = ", base_url: 'https://proxy.example/claude', dialect: anthropic_messages"
    elsewhere = target("zai", "glm-5.3", more)
    assert elsewhere.addressed("anthropic_messages").provider.base_path == "/claude"


def test_a_server_said_to_speak_messages_gets_its_key_as_anthropic_does() -> None:
    more = ", base_url: 'http://x.example', dialect: anthropic_messages"
    told = target("openai_compatible", "m", more).deployment.provider
    known = target("vllm", "m", more).deployment.provider
    assert (told.auth, known.auth) == ("header:x-api-key", "bearer")


CONFLICT = """
providers: [{name: p, provider_type: openai, api_key: k}]
models:
  - {name: a, targets: [{target: p/x, dialect: openai_chat}]}
  - {name: b, targets: [{target: p/x, dialect: openai_responses}]}
"""


def test_two_routes_that_disagree_about_a_dialect_are_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        check_config(read_config(CONFLICT), {})
    assert refused.value.message == (
        "the configuration has 1 problem:\n"
        "models: b: p/x speaks openai_responses here and openai_chat in a; say one dialect, or "
        "list its provider a second time under another name."
    )


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            "models: [gpt-5], model_dialects: {gpt-6: openai_chat}",
            "providers[0].model_dialects: provider 'p' lists no model 'gpt-6'",
        ),
        ("model_dialects: {gpt-6: chat}", "providers[0].model_dialects.gpt-6"),
    ],
)
def test_what_cannot_be_meant_is_said_where_it_stands(more: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_config(f"providers: [{{name: p, provider_type: openai, api_key: k, {more}}}]")
    assert told in str(refused.value)
