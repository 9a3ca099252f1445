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
from typing import Final, NamedTuple

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
    place = _place(deployment)
    body = _without_model(body)
    stream_types: tuple[bytes, ...] = ()
    match task.operation, task.dialect:
        case "chat", "openai_chat":
            target, fields = _openai_path(deployment, place, credential, now)
            passed: tuple[bytes, ...] = FORWARDED
            stream_types = EVENT_STREAM if task.stream else ()
        case ("chat", "sagemaker_invoke") | ("embedding", "sagemaker_embed"):
            target, fields = _invocation(deployment, place, credential, body, now, task.stream)
            passed = TRACE
            stream_types = _BINARY_STREAM if task.stream else ()
        case _:
            raise no_address(task, deployment.provider)
    return request(
        deployment.provider,
        target,
        fields,
        body,
        forwarded=forwarded,
        timeouts=timeouts,
        passed=passed,
        origin=place.origin,
        stream_types=stream_types,
    )


class _Place(NamedTuple):
    """Where to send, and the region to sign for."""

    origin: Origin
    region: str | None


def _openai_path(
    deployment: Deployment, place: _Place, credential: Credential | None, now: float
) -> tuple[str, Fields]:
    target, component = _endpoint(deployment)
    if component:
        target += f"/inference-components/{segment(component)}"
    target += "/openai/v1/chat/completions"
    if not isinstance(credential, AwsKeys):
        return target, authorize(credential, "authorization")
    region = _known(place.region, deployment.provider.name)
    token = _token(credential, region, int(now) // TOKEN_STEP_S)
    return target, [("authorization", f"Bearer {token}")]


def _invocation(
    deployment: Deployment,
    place: _Place,
    credential: Credential | None,
    body: bytes,
    now: float,
    stream: bool,
) -> tuple[str, Fields]:
    """InvokeEndpoint, signed."""
    if not isinstance(credential, AwsKeys):
        raise ConfigError(
            f"InvokeEndpoint wants requests signed with AWS keys, and the provider "
            f"{deployment.provider.name} has an api_key; leave that out, or give it the dialect "
            "openai_chat"
        )
    target, component = _endpoint(deployment)
    target += "/invocations-response-stream" if stream else "/invocations"
    own: Fields = [(COMPONENT, component)] if component else []
    signature = sign(
        credential,
        method="POST",
        authority=place.origin.authority,
        target=target,
        fields=[("content-type", "application/json"), *own],
        body=body,
        region=_known(place.region, deployment.provider.name),
        service=SERVICE,
        now=now,
    )
    return target, own + signature


def _endpoint(deployment: Deployment) -> tuple[str, str]:
    """The endpoint's path, and the component's name or nothing."""
    endpoint, _, component = deployment.model.partition("/")
    return f"{deployment.provider.base_path}/endpoints/{segment(endpoint)}", component


def _without_model(body: bytes) -> bytes:
    """The address says which model; a container refuses names it does not serve, but not none."""
    return edited(body, without=("model",), first={"model": ""})


def _place(deployment: Deployment) -> _Place:
    """A private address keeps its host; the public one goes to the deployment's region."""
    origin, region = deployment.provider.origin, deployment.region
    found = _HOST.fullmatch(origin.host)
    if found is None:
        private = _PRIVATE.search(origin.host)
        return _Place(origin, region or (private.group(1) if private is not None else None))
    if region is None or region == found["region"]:
        return _Place(origin, found["region"])
    host = f"{found['name']}.{region}.{found['rest']}"
    return _Place(Origin(origin.scheme, host, origin.port), region)


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
