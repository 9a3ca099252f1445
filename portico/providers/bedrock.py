"""Amazon Bedrock: Converse, InvokeModel, Claude's and OpenAI's own paths; signed, or with a key.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html,
…/API_runtime_InvokeModel.html, …/API_runtime_CountTokens.html, …/userguide/api-keys.html and
…/userguide/bedrock-mantle.html (2026-11-23). The region is part of the host; a deployment with a
region of its own goes to that one.
"""

import re
from base64 import b64encode
from typing import Final

import msgspec

from portico.errors import ConfigError
from portico.providers.addresses import ANTHROPIC_PATHS, add_anthropic_version
from portico.providers.auth import Fields, authorize
from portico.providers.base import Task
from portico.providers.bodies import edited
from portico.providers.heads import EVENT_STREAM, TRACE, no_address, request, segment
from portico.providers.sigv4 import sign
from portico.types.credential import AwsKeys, Credential
from portico.types.deployment import Deployment
from portico.types.http import Headers, HttpRequest, Origin, Timeouts

ANTHROPIC_VERSION: Final = "bedrock-2023-05-31"

_HOST: Final = re.compile(
    r"(?P<service>bedrock-(?:runtime|mantle)(?:-fips)?|bedrock)\.(?P<region>[a-z]{2}(?:-[a-z0-9]+)+)\."
    r"(?P<rest>amazonaws\.com(?:\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)"
)
_PRIVATE: Final = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d+)\.vpce\.amazonaws\.com")
_RUNTIME: Final = frozenset(
    {"bedrock_converse", "bedrock_invoke", "titan_embed", "bedrock_cohere_embed", "bedrock_rerank"}
)
"""What is said to `/model/<id>/…`."""
_BINARY_STREAM: Final = (b"application/vnd.amazon.eventstream",)
_ENCODER: Final = msgspec.json.Encoder()


def base_url(region: str) -> str:
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://bedrock-runtime.{region}.{domain}"


def prepare(
    deployment: Deployment,
    task: Task,
    body: bytes,
    credential: Credential | None,
    *,
    now: float,
    forwarded: Headers,
    timeouts: Timeouts,
) -> HttpRequest:
    provider = deployment.provider
    origin, region, service = _place(provider.origin, deployment.region)
    passed: tuple[bytes, ...] = TRACE
    accept: Fields = []
    if service == "bedrock-mantle" or task.dialect not in _RUNTIME:
        target = _own_target(deployment, task, service)
        stream_types = EVENT_STREAM if task.stream else ()
        if task.dialect == "anthropic_messages":
            passed = (b"anthropic-beta", b"anthropic-version", *TRACE)
            add_anthropic_version(accept, forwarded, provider.headers)
    else:
        action, body = _runtime(task, body, forwarded) or (None, body)
        if action is None:
            raise no_address(task, provider)
        base = provider.base_path.removesuffix("/openai/v1")
        target = f"{base}/model/{segment(deployment.model)}/{action}"
        stream_types = _BINARY_STREAM if task.stream else ()
        kind = "application/vnd.amazon.eventstream" if task.stream else "application/json"
        accept = [("accept", kind)]
    if isinstance(credential, AwsKeys):
        if region is None:
            raise ConfigError(
                f"the address of the provider {provider.name} names no AWS region to sign for; "
                "give its deployments a `region`"
            )
        fields = sign(
            credential,
            method="POST",
            authority=origin.authority,
            target=target,
            fields=[("content-type", "application/json")],
            body=body,
            region=region,
            service=service,
            now=now,
        )
    else:
        fields = authorize(credential, "authorization")
    return request(
        provider,
        target,
        accept + fields,
        body,
        forwarded=forwarded,
        timeouts=timeouts,
        passed=passed,
        origin=origin,
        stream_types=stream_types,
    )


def _place(origin: Origin, region: str | None) -> tuple[Origin, str | None, str]:
    """Where to send, the region to sign for (`None`: unknown), and the service to sign for.

    A private address keeps its host; the region then has to come from the deployment.
    """
    found = _HOST.fullmatch(origin.host)
    if found is None:
        if region is None and (private := _PRIVATE.search(origin.host)):
            region = private.group(1)
        return origin, region, "bedrock"
    service = "bedrock-mantle" if "mantle" in found["service"] else "bedrock"
    if region is None or region == found["region"]:
        return origin, found["region"], service
    host = f"{found['service']}.{region}.{found['rest']}"
    return Origin(origin.scheme, host, origin.port), region, service


def _own_target(deployment: Deployment, task: Task, service: str) -> str:
    """Below these addresses Bedrock has the paths of Anthropic and of OpenAI as they are.

    Of the two services only Mantle has Anthropic's.
    """
    provider = deployment.provider
    base = provider.base_path.removesuffix("/v1").removesuffix("/openai")
    base = base.removesuffix("/anthropic")
    if task.dialect == "anthropic_messages" and task.operation in ANTHROPIC_PATHS:
        if service == "bedrock-mantle" or provider.base_path.endswith("/anthropic"):
            return f"{base}/anthropic/v1{ANTHROPIC_PATHS[task.operation]}"
    elif task.dialect.startswith("openai_") and task.path is not None:
        if provider.base_path.endswith("/v1"):
            return f"{provider.base_path}{task.path}"
        own = "/v1" if service == "bedrock-mantle" else "/openai/v1"
        return f"{base}{own}{task.path}"
    raise no_address(task, provider)


def _runtime(task: Task, body: bytes, forwarded: Headers) -> tuple[str, bytes] | None:
    """The last part of the path, and the body as it must be there."""
    match task.dialect, task.operation:
        case "bedrock_converse", "chat":
            return ("converse-stream" if task.stream else "converse"), body
        case "bedrock_converse", "count_tokens":
            return "count-tokens", b'{"input":{"converse":%b}}' % body
        case "bedrock_invoke", "chat":
            action = "invoke-with-response-stream" if task.stream else "invoke"
            return action, _claude(body, forwarded)
        case "bedrock_invoke", "count_tokens":
            # The body of an InvokeModel call, which cannot be one without a limit.
            inner = edited(_claude(body, forwarded), without=(), first={"max_tokens": 1})
            return "count-tokens", _ENCODER.encode(
                {"input": {"invokeModel": {"body": b64encode(inner).decode()}}}
            )
        case _, "embedding" | "rerank":
            return "invoke", body
        case _:
            return None


def _claude(body: bytes, forwarded: Headers) -> bytes:
    """A body of Messages as InvokeModel takes it: version and betas inside, model outside."""
    first: dict[str, object] = {"anthropic_version": ANTHROPIC_VERSION}
    betas = forwarded.get(b"anthropic-beta")
    if betas:
        names = [name.strip() for name in betas.decode("latin-1").split(",")]
        first["anthropic_beta"] = [name for name in names if name]
    return edited(body, without=("model", "stream"), first=first)
