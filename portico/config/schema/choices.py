"""The words that settings may hold: every accepted spelling, and what it means."""

STRATEGIES: dict[str, str] = {
    "adaptive": "adaptive",
    "simple_shuffle": "simple_shuffle",
    "weighted": "simple_shuffle",
    "random": "simple_shuffle",
    "round_robin": "round_robin",
    "least_busy": "least_busy",
    "least_connections": "least_busy",
    "usage_based": "usage_based",
    "latency_based": "latency_based",
    "least_latency": "latency_based",
    "priority_based": "priority_based",
    "priority": "priority_based",
    "cost_based": "cost_based",
    "least_cost": "cost_based",
    "rate_limit_aware": "rate_limit_aware",
}
"""Every accepted spelling and the strategy it means: the one list in the configuration."""


DIALECTS: dict[str, str] = {
    name: name
    for name in (
        "openai_chat",
        "openai_responses",
        "anthropic_messages",
        "gemini_generate",
        "bedrock_converse",
        "bedrock_invoke",
        "cohere_chat",
        "ollama_chat",
        "replicate",
        "sagemaker_invoke",
        "watsonx_chat",
    )
}
"""What a provider may be said to speak."""


ABILITIES: dict[str, str] = {"vision": "vision", "tools": "tools"}
"""What a request can be seen to need."""


ADAPTIVE_CONCURRENCY: dict[str, str] = {"off": "off", "aimd": "aimd", "gradient": "gradient"}


UNSUPPORTED: dict[str, str] = {"drop": "drop", "error": "error"}


LOG_LEVELS: dict[str, str] = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    "critical": "critical",
}


LOG_FORMATS: dict[str, str] = {"text": "text", "json": "json", "structured": "json"}
