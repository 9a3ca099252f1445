"""One gateway and one independent upstream for all client tests."""

from collections.abc import Iterator

import pytest

from tests.clients.servers import KEY, Aimock, Server, aimock, free_port, portico

NARROW_KEY = "sk-only-mini-0123456789"
EXPIRED_KEY = "sk-expired-0123456789"

_CONFIG = """
providers:
  - name: mock
    provider_type: openai_compatible
    base_url: "{upstream}/v1"
    api_key: "sk-upstream-secret-0123456789"
    models:
      - gpt-4o-mini
      - gpt-4o
      - text-embedding-3-small
      - omni-moderation-latest
      - gpt-image-1
      - tts-1
  # A provider that limits or fails is left alone for a while; these spare the first.
  - name: limiting
    provider_type: openai_compatible
    base_url: "{upstream}/v1"
    models: [limited-model]
  - name: failing
    provider_type: openai_compatible
    base_url: "{upstream}/v1"
    models: [broken-model]
  - name: dead
    provider_type: openai_compatible
    base_url: "http://127.0.0.1:{nobody}/v1"
    api_key: "sk-dead-0123456789"
    models: [dead-model]
models:
  - name: fast
    targets: [mock/gpt-4o-mini]
keys:
  - {{name: all, key: {key}}}
  - {{name: narrow, key: {narrow}, models: [gpt-4o-mini]}}
  - {{name: expired, key: {expired}, expires_at: "2024-01-01T00:00:00Z"}}
"""


@pytest.fixture(scope="session")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aimock]:
    with aimock(tmp_path_factory.mktemp("aimock")) as running:
        yield running


@pytest.fixture(scope="session")
def gateway(upstream: Aimock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    config = _CONFIG.format(
        upstream=upstream.server.url,
        nobody=free_port(),
        key=KEY,
        narrow=NARROW_KEY,
        expired=EXPIRED_KEY,
    )
    with portico(tmp_path_factory.mktemp("portico"), config) as running:
        yield running


MODELS = {
    "openai_chat": "gpt-4o-mini",
    "openai_responses": "gpt-5-mini",
    "anthropic_messages": "claude-sonnet-4-6",
    "gemini_generate": "gemini-2.5-flash",
    "cohere_chat": "command-a-03-2025",
}
"""What the gateway of `dialects` offers: a model of a provider of each."""

AT_HOME = "qwen3"
"""A model of a provider of Ollama's dialect, where aimock counts nothing and tells no thoughts."""

VECTORS = {"openai_embeddings": "text-embedding-3-small", "cohere_embed": "embed-v4.0"}
"""What makes vectors there; aimock's other dialects have only some of their addresses for it."""

_DIALECTS = """
providers:
  - {{name: chat, provider_type: deepseek, base_url: "{upstream}/v1", {more}
     models: [{openai_chat}, {openai_embeddings}]}}
  - {{name: responses, provider_type: openai_compatible, base_url: "{upstream}/v1", {more}
     dialect: openai_responses, models: [{openai_responses}]}}
  - {{name: messages, provider_type: anthropic, base_url: "{upstream}", {more}
     models: [{anthropic_messages}]}}
  - {{name: generate, provider_type: gemini, base_url: "{upstream}/v1beta", {more}
     models: [{gemini_generate}]}}
  - {{name: cohere, provider_type: cohere, base_url: "{upstream}/v2", {more}
     dialect: cohere_chat, models: [{cohere_chat}, {cohere_embed}]}}
  - {{name: home, provider_type: ollama, base_url: "{upstream}", {more}
     dialect: ollama_chat, models: [{at_home}]}}
keys:
  - {{name: all, key: {key}}}
"""


@pytest.fixture(scope="session")
def dialects(upstream: Aimock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A gateway in front of one server that speaks six dialects."""
    config = _DIALECTS.format(
        upstream=upstream.server.url,
        key=KEY,
        more="api_key: sk-upstream-0123456789,",
        at_home=AT_HOME,
        **MODELS,
        **VECTORS,
    )
    with portico(tmp_path_factory.mktemp("dialects"), config) as running:
        yield running
