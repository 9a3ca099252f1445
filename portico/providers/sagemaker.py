"""Amazon SageMaker AI: models of one's own, behind endpoints that speak OpenAI or anything at all.

https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints-openai-compatible.html,
…/APIReference/API_runtime_InvokeEndpoint.html and, for the token, the `token_generator` of
https://github.com/aws/sagemaker-python-sdk (2026-11-23). A model is the name of an endpoint, or
`endpoint/component`. Chat goes to the endpoint's OpenAI path with a short-lived token made of AWS
keys; in the dialect `sagemaker_invoke`, and for vectors, to InvokeEndpoint, signed.
"""

import re
from base64 import b64encode
from functools import lru_cache
from typing import Final

from portico.errors import ConfigError
from portico.providers.auth import Fields, authorize
from portico.providers.base import Task
from portico.providers.bodies import edited
from portico.providers.heads import EVENT_STREAM, TRACE, no_address, request, segment
from portico.providers.openai_compatible import FORWARDED
from portico.providers.sigv4 import presigned, sign
from portico.types.credential import AwsKeys, Credential
from portico.types.deployment import Deployment
from portico.types.http import Headers, HttpRequest, Origin, Timeouts

SERVICE: Final = "sagemaker"
COMPONENT: Final = "x-amzn-sagemaker-inference-component"
TOKEN_STEP_S: Final = 300
TOKEN_LIFE_S: Final = 900
"""A token is made anew every step and lives for three: the last use of it has time to arrive."""

_HOST: Final = re.compile(
    r"(?P<name>runtime(?:-fips)?\.sagemaker)\.(?P<region>[a-z]{2}(?:-[a-z0-9]+)+)\.(?P<rest>.+)"
)
_PRIVATE: Final = re.compile(r"\.runtime\.sagemaker\.([a-z]{2}(?:-[a-z0-9]+)+)\.vpce\.")
_BINARY_STREAM: Final = (b"application/vnd.amazon.eventstream",)


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
    origin, region = _place(provider.origin, deployment.region)
    endpoint, _, component = deployment.model.partition("/")
    target = f"{provider.base_path}/endpoints/{segment(endpoint)}"
    passed: tuple[bytes, ...] = TRACE
    stream_types: tuple[bytes, ...] = ()
    match task.operation, task.dialect:
        case "chat", "openai_chat":
            if component:
                target += f"/inference-components/{segment(component)}"
            target += "/openai/v1/chat/completions"
            body = _without_model(body)
            if isinstance(credential, AwsKeys):
                keys, place = credential, _known(region, provider.name)
                token = _token(keys, place, int(now) // TOKEN_STEP_S)
                fields = [("authorization", f"Bearer {token}")]
            else:
                fields = authorize(credential, "authorization")
            passed = FORWARDED
            stream_types = EVENT_STREAM if task.stream else ()
        case ("chat", "sagemaker_invoke") | ("embedding", "sagemaker_embed"):
            target += "/invocations-response-stream" if task.stream else "/invocations"
            body = _without_model(body)
            if not isinstance(credential, AwsKeys):
                raise ConfigError(
                    f"InvokeEndpoint wants requests signed with AWS keys, and the provider "
                    f"{provider.name} has an api_key; leave that out, or give it the dialect "
                    "openai_chat"
                )
            signed: Fields = [("content-type", "application/json")]
            if component:
                signed.append((COMPONENT, component))
            fields = signed[1:] + sign(
                credential,
                method="POST",
                authority=origin.authority,
                target=target,
                fields=signed,
                body=body,
                region=_known(region, provider.name),
                service=SERVICE,
                now=now,
            )
            stream_types = _BINARY_STREAM if task.stream else ()
        case _:
            raise no_address(task, provider)
    return request(
        provider,
        target,
        fields,
        body,
        forwarded=forwarded,
        timeouts=timeouts,
        passed=passed,
        origin=origin,
        stream_types=stream_types,
    )


def _without_model(body: bytes) -> bytes:
    """The address says which model; a container refuses names it does not serve, but not none."""
    return edited(body, without=("model",), first={"model": ""})


def _place(origin: Origin, region: str | None) -> tuple[Origin, str | None]:
    """Where to send, and the region to sign for; a private address keeps its host."""
    found = _HOST.fullmatch(origin.host)
    if found is None:
        private = _PRIVATE.search(origin.host)
        return origin, region or (private.group(1) if private is not None else None)
    if region is None or region == found["region"]:
        return origin, found["region"]
    return Origin(origin.scheme, f"{found['name']}.{region}.{found['rest']}", origin.port), region


def _known(region: str | None, provider: str) -> str:
    if region is None:
        raise ConfigError(
            f"the address of the provider {provider} names no AWS region to sign for; give it a "
            "`region`"
        )
    return region


@lru_cache(maxsize=32)
def _token(keys: AwsKeys, region: str, step: int) -> str:
    """What the service takes for a key: a request that is signed for later, and never sent."""
    url = presigned(
        keys,
        method="POST",
        authority="sagemaker.amazonaws.com",
        query=[("Action", "CallWithBearerToken")],
        region=region,
        service=SERVICE,
        now=step * TOKEN_STEP_S,
        expires_s=TOKEN_LIFE_S,
    )
    return "sagemaker-api-key-" + b64encode(f"{url}&Version=1".encode()).decode()
