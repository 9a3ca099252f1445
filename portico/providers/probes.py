"""What a health check asks: the list of models, which no provider bills, or what the operator
names.

The credential goes along as with calls. https://platform.openai.com/docs/api-reference/models/list,
https://docs.claude.com/en/api/models-list, https://ai.google.dev/api/models,
https://docs.cohere.com/reference/list-models,
https://learn.microsoft.com/en-us/rest/api/azureopenai/models/list,
https://sdks.replicate.com/resources/account/methods/get,
https://www.ibm.com/docs/SSLSRPV_2.4.x/wsj/analyze-data/fm-api-model-ids.html (2026-11-23).
"""

from typing import Final
from urllib.parse import quote

from portico.providers.auth import Fields, authorize
from portico.providers.heads import request
from portico.providers.watsonx import VERSION
from portico.types.credential import AccessToken, ApiKey, AwsKeys, Credential
from portico.types.deployment import Provider
from portico.types.http import HttpRequest, Timeouts

_NOWHERE: Final = frozenset({"bedrock", "sagemaker", "vertex_ai"})
"""Their lists of models are at other hosts."""
_MAX_BYTES: Final = 64 * 1024
_ANY_TYPE: Final = (b"",)


def target(provider: Provider, endpoint: str | None) -> str | None:
    """Path and query to ask for; `None` where nothing is known to be free of charge."""
    if endpoint is not None:
        return endpoint
    base = provider.base_path
    if provider.type in _NOWHERE:
        return None
    if provider.type == "anthropic":
        return f"{base}/models" if base.endswith("/v1") else f"{base}/v1/models"
    if provider.type == "cohere":
        return "/v1/models"
    if provider.type == "replicate":
        return f"{base}/account"
    if provider.type == "watsonx":
        root, version = base.removesuffix("/ml/v1"), provider.api_version or VERSION
        return f"{root}/ml/v1/foundation_model_specs?version={quote(version, safe='')}"
    if provider.type in ("azure", "azure_ai") and not base.endswith("/v1"):
        root = base.partition("/openai")[0]
        if provider.api_version is None:
            return f"{root}/openai/v1/models"
        return f"{root}/openai/models?api-version={quote(provider.api_version, safe='')}"
    return f"{base}/models"


def probe(
    provider: Provider, path: str, credential: Credential | None, timeout_s: float
) -> HttpRequest:
    """The check; what is in a good answer need not be read."""
    path, fields = _with_credential(provider, path, credential)
    asked = request(
        provider,
        path,
        fields,
        b"",
        forwarded={},
        timeouts=Timeouts(
            connect=timeout_s,
            first_byte=timeout_s,
            first_event=timeout_s,
            idle=timeout_s,
            total=timeout_s,
        ),
        stream_types=_ANY_TYPE,
        method="GET",
    )
    asked.max_response_bytes = _MAX_BYTES
    return asked


def _with_credential(
    provider: Provider, path: str, credential: Credential | None
) -> tuple[str, Fields]:
    kind, _, name = provider.auth.partition(":")
    match credential:
        case None | AwsKeys():
            return path, []
        case ApiKey(key) if kind == "query":
            joint = "&" if "?" in path else "?"
            return f"{path}{joint}{name}={quote(key.reveal(), safe='')}", []
        case ApiKey() if kind == "none":
            return path, []
        case ApiKey() | AccessToken():
            return path, authorize(credential, name if kind == "header" else "authorization")
