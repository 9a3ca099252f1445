"""Every dialect by name. Adding one is a row here, a module or package beside it, and fixtures."""

from typing import Final

from portico.wire import bedrock_invoke, sagemaker_invoke, watsonx_chat
from portico.wire.anthropic_messages import dialect as anthropic_messages
from portico.wire.base import ChatDialect, ClientDialect, ProviderDialect
from portico.wire.bedrock_converse import dialect as bedrock_converse
from portico.wire.cohere_chat import dialect as cohere_chat
from portico.wire.gemini_generate import dialect as gemini_generate
from portico.wire.ollama_chat import dialect as ollama_chat
from portico.wire.ollama_chat import generate as ollama_generate
from portico.wire.openai_chat import dialect as openai_chat
from portico.wire.openai_responses import dialect as openai_responses
from portico.wire.replicate import dialect as replicate

_BOTH: Final[tuple[ChatDialect, ...]] = (
    openai_chat,
    anthropic_messages,
    gemini_generate,
    openai_responses,
    ollama_chat,
    cohere_chat,
)
_PROVIDERS_ONLY: Final[tuple[ProviderDialect, ...]] = (
    bedrock_converse,
    bedrock_invoke,
    replicate,
    sagemaker_invoke,
    watsonx_chat,
)

CLIENT_DIALECTS: Final[dict[str, ClientDialect]] = {d.NAME: d for d in _BOTH}
"""What clients may speak."""

CLIENT_SHAPES: Final[dict[str, ClientDialect]] = {ollama_generate.NAME: ollama_generate}
"""What clients may ask beside the chat of a dialect, and gets answered by a chat."""

PROVIDER_DIALECTS: Final[dict[str, ProviderDialect]] = {
    d.NAME: d for d in (*_BOTH, *_PROVIDERS_ONLY)
}
"""What providers may speak."""
