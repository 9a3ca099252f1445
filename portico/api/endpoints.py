"""Every address of the gateway, as rows. The dispatcher, the docs page and the tests walk them."""

import msgspec

from portico.types.call import InferenceEndpoint

PREFIXES = ("/v1", "", "/openai/v1")
"""Inference paths answer under each of these."""

INFERENCE: tuple[InferenceEndpoint, ...] = (
    InferenceEndpoint(
        name="chat_completions",
        path="/chat/completions",
        operation="chat",
        dialect="openai_chat",
        streams=True,
        summary="Chat Completions, whole or streamed.",
    ),
    InferenceEndpoint(
        name="completions",
        path="/completions",
        operation="completion",
        dialect="openai_chat",
        streams=True,
        summary="Text completions, whole or streamed.",
    ),
    InferenceEndpoint(
        name="fim_completions",
        path="/fim/completions",
        operation="completion",
        dialect="openai_chat",
        streams=True,
        summary="Mistral's code between a prompt and a suffix, whole or streamed.",
    ),
    InferenceEndpoint(
        name="responses",
        path="/responses",
        operation="response",
        dialect="openai_responses",
        streams=True,
        summary="The Responses API, whole or streamed.",
    ),
    InferenceEndpoint(
        name="compact_response",
        path="/responses/compact",
        operation="response",
        dialect="openai_responses",
        shape="compaction",
        summary="A conversation made shorter, by providers that have Responses.",
    ),
    InferenceEndpoint(
        name="messages",
        path="/messages",
        operation="chat",
        dialect="anthropic_messages",
        streams=True,
        summary="Anthropic Messages, whole or streamed.",
    ),
    InferenceEndpoint(
        name="count_tokens",
        path="/messages/count_tokens",
        operation="count_tokens",
        dialect="anthropic_messages",
        summary="How long a prompt is, in Anthropic's form; estimated where no provider counts.",
    ),
    InferenceEndpoint(
        name="embeddings",
        path="/embeddings",
        operation="embedding",
        dialect="openai_chat",
        shape="openai_embeddings",
        summary="Vectors for texts.",
    ),
    InferenceEndpoint(
        name="moderations",
        path="/moderations",
        operation="moderation",
        dialect="openai_chat",
        summary="Is a text harmful?",
        default_model="omni-moderation-latest",
    ),
    InferenceEndpoint(
        name="rerank",
        path="/rerank",
        operation="rerank",
        dialect="openai_chat",
        shape="rerank_v1",
        summary="Order documents by what they say about a query, as at Jina or Cohere, version 1.",
    ),
    InferenceEndpoint(
        name="image_generations",
        path="/images/generations",
        operation="image",
        dialect="openai_chat",
        streams=True,
        summary="Images from a text.",
        default_model="gpt-image-1",
    ),
    InferenceEndpoint(
        name="audio_speech",
        path="/audio/speech",
        operation="speech",
        dialect="openai_chat",
        streams=True,
        binary=True,
        summary="Speech from a text; answers with audio.",
    ),
)


ROOTED: tuple[InferenceEndpoint, ...] = (
    InferenceEndpoint(
        name="cohere_chat",
        path="/v2/chat",
        operation="chat",
        dialect="cohere_chat",
        streams=True,
        summary="Cohere's chat, version 2, whole or streamed.",
    ),
    InferenceEndpoint(
        name="cohere_embed",
        path="/v2/embed",
        operation="embedding",
        dialect="cohere_chat",
        shape="cohere_embed",
        summary="Vectors for texts and pictures, as Cohere's clients ask for them.",
    ),
    InferenceEndpoint(
        name="cohere_embed_v1",
        path="/v1/embed",
        operation="embedding",
        dialect="cohere_chat",
        shape="cohere_embed_v1",
        summary="The same in Cohere's version 1.",
    ),
    InferenceEndpoint(
        name="cohere_rerank",
        path="/v2/rerank",
        operation="rerank",
        dialect="cohere_chat",
        shape="cohere_rerank",
        summary="Order documents by what they say about a query, as at Cohere.",
    ),
    InferenceEndpoint(
        name="ollama_chat",
        path="/api/chat",
        operation="chat",
        dialect="ollama_chat",
        streams=True,
        framing="lines",
        streams_unless_told=True,
        summary="Ollama's chat; streamed unless `stream` is false.",
    ),
    InferenceEndpoint(
        name="ollama_generate",
        path="/api/generate",
        operation="completion",
        dialect="ollama_chat",
        shape="ollama_generate",
        streams=True,
        framing="lines",
        streams_unless_told=True,
        summary="Ollama's answer to one prompt; streamed unless `stream` is false.",
    ),
    InferenceEndpoint(
        name="ollama_embed",
        path="/api/embed",
        operation="embedding",
        dialect="ollama_chat",
        shape="ollama_embed",
        summary="Vectors for texts, as Ollama's clients ask for them.",
    ),
    InferenceEndpoint(
        name="ollama_embeddings",
        path="/api/embeddings",
        operation="embedding",
        dialect="ollama_chat",
        shape="ollama_embeddings",
        summary="One vector for one text, as Ollama's older clients ask for it.",
    ),
)
"""Under their own paths alone, as the clients of Cohere and Ollama know them."""

GENERATE_CONTENT = InferenceEndpoint(
    name="generate_content",
    path="/models/{model}:generateContent",
    operation="chat",
    dialect="gemini_generate",
    streams=True,
    summary="Gemini generateContent; streamGenerateContent streams it.",
)
GEMINI_COUNT_TOKENS = InferenceEndpoint(
    name="gemini_count_tokens",
    path="/models/{model}:countTokens",
    operation="count_tokens",
    dialect="gemini_generate",
    summary="How long a prompt is, in Gemini's form; estimated where no provider counts.",
)
EMBED_CONTENT = InferenceEndpoint(
    name="embed_content",
    path="/models/{model}:embedContent",
    operation="embedding",
    dialect="gemini_generate",
    shape="gemini_embed_one",
    summary="One vector for one content, as Gemini's clients ask for it.",
)
BATCH_EMBED_CONTENTS = InferenceEndpoint(
    name="batch_embed_contents",
    path="/models/{model}:batchEmbedContents",
    operation="embedding",
    dialect="gemini_generate",
    shape="gemini_embed",
    summary="Vectors for several contents, as Gemini's clients ask for them.",
)
GEMINI_PREFIXES = ("/v1beta/models/", "/v1/models/")
"""Where Gemini clients look for models; after them comes `<model>:<verb>`."""
GEMINI_VERBS = {
    "generateContent": (GENERATE_CONTENT, False),
    "streamGenerateContent": (GENERATE_CONTENT, True),
    "countTokens": (GEMINI_COUNT_TOKENS, False),
    "embedContent": (EMBED_CONTENT, False),
    "batchEmbedContents": (BATCH_EMBED_CONTENTS, False),
}
"""Verbs that are calls, and whether they stream."""

CALLS: tuple[tuple[str, InferenceEndpoint], ...] = (
    *((PREFIXES[0] + endpoint.path, endpoint) for endpoint in INFERENCE),
    *(
        ("/v1beta" + endpoint.path, endpoint)
        for endpoint in (
            GENERATE_CONTENT,
            GEMINI_COUNT_TOKENS,
            EMBED_CONTENT,
            BATCH_EMBED_CONTENTS,
        )
    ),
    *((endpoint.path, endpoint) for endpoint in ROOTED),
)
"""Every call under the one address that the docs show."""


class Page(msgspec.Struct, frozen=True):
    """A row that the gateway answers itself; `GET` is `HEAD` too.

    `access` says who may: anyone (`open`), any key (`key`), an admin key (`admin`), or as
    `monitoring.metrics` says (`metrics`).
    """

    name: str
    path: str
    access: str
    summary: str
    is_inference: bool = False
    """Answers under all `PREFIXES`, as the inference paths do."""
    takes_id: bool = False
    """Whatever follows the path and a slash is an argument."""
    method: str = "GET"
    tail: str = ""
    """What the argument ends with, as the docs show it."""

    def is_at(self, path: str, prefix: str) -> bool:
        """Is it what answers under `path`, which may go on after `prefix`?"""
        if not path.startswith(prefix) or len(path) <= len(prefix):
            return False
        return "{" in self.tail or path.endswith(self.tail)

    @property
    def address(self) -> str:
        """The path as the docs show it."""
        prefix = PREFIXES[0] if self.is_inference else ""
        return f"{prefix}{self.path}{'/{id}' if self.takes_id else ''}{self.tail}"

    @property
    def allow(self) -> str:
        return "GET, HEAD" if self.method == "GET" else self.method


CONTROL_PATHS = frozenset({"/docs", "/openapi.json"})
"""Answered by the control plane; need a key, which a browser asks for."""

PAGES: tuple[Page, ...] = (
    Page("models", "/models", "key", "The models that the key may use.", is_inference=True),
    Page(
        "model",
        "/models",
        "key",
        "One model, by its public name.",
        is_inference=True,
        takes_id=True,
    ),
    Page(
        "response_input_items",
        "/responses",
        "key",
        "What an answer that is kept here was asked with.",
        is_inference=True,
        takes_id=True,
        tail="/input_items",
    ),
    Page(
        "response",
        "/responses",
        "key",
        "An answer of Responses that is kept here, for the key that asked.",
        is_inference=True,
        takes_id=True,
    ),
    Page(
        "delete_response",
        "/responses",
        "key",
        "Forget an answer that is kept here.",
        is_inference=True,
        takes_id=True,
        method="DELETE",
    ),
    Page("gemini_models", "/v1beta/models", "key", "The same models, as Gemini clients list them."),
    Page(
        "gemini_model",
        "/v1beta/models",
        "key",
        "One model, as Gemini clients see it.",
        takes_id=True,
    ),
    Page("ollama_tags", "/api/tags", "key", "The same models, as Ollama's clients list them."),
    Page(
        "ollama_show",
        "/api/show",
        "key",
        "What is known of one model, in Ollama's form.",
        method="POST",
    ),
    Page("ollama_ps", "/api/ps", "key", "The models in memory, for Ollama's clients: none."),
    Page("ollama_version", "/api/version", "open", "The version of Ollama's API that is spoken."),
    Page(
        "event_logging",
        "/api/event_logging/batch",
        "open",
        "Takes the telemetry of Anthropic's clients, and forgets it.",
        method="POST",
    ),
    Page("root", "/", "open", "A word that it runs."),
    Page("health", "/health", "open", "Is the process up?"),
    Page("health_live", "/health/live", "open", "Liveness: the event loop turns."),
    Page("health_ready", "/health/ready", "open", "Readiness: may traffic be sent here?"),
    Page("version", "/version", "open", "The version."),
    Page("status", "/status", "key", "What runs here: version, uptime, providers, journal."),
    Page("metrics", "/metrics", "metrics", "Metrics for Prometheus."),
    Page(
        "admin_routing",
        "/admin/routing",
        "admin",
        "Every deployment: state, speed, load, breaker, limits, last error.",
    ),
    Page(
        "admin_steer",
        "/admin/routing",
        "admin",
        "`drain`, `disable`, `enable` or `reset` a deployment.",
        takes_id=True,
        method="POST",
        tail="/{action}",
    ),
)
