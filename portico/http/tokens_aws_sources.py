"""Keys of AWS, each from one place: EC2, ECS and EKS, an assumed role, a web identity.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html,
docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html and
docs.aws.amazon.com/STS/latest/APIReference (2026-11-23). IMDSv1 is not spoken.
"""

import html
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from portico.errors import ConfigError, UpstreamAuthentication
from portico.http.base import Pool
from portico.http.token_request import LOCAL, Read, ask, ask_json, moment, read_file, split, text
from portico.providers.sigv4 import sign
from portico.types.credential import AwsKeys
from portico.types.secret import Secret

IMDS: Final = "http://169.254.169.254"
ECS: Final = "http://169.254.170.2"
SESSION_NAME: Final = "portico"
_CONTAINER_HOSTS: Final = ("169.254.170.2", "169.254.170.23", "fd00:ec2::23")
_FORM: Final = "application/x-www-form-urlencoded"


class KeySource(Protocol):
    async def fetch(self, now: float) -> AwsKeys: ...


class StaticKeys:
    def __init__(self, keys: AwsKeys) -> None:
        self._keys = keys

    async def fetch(self, now: float) -> AwsKeys:
        return self._keys


class InstanceKeys:
    """Of the role of an EC2 instance, by IMDSv2."""

    def __init__(self, pool: Pool, endpoint: str = IMDS) -> None:
        self._pool = pool
        self._endpoint = endpoint.rstrip("/")

    async def fetch(self, now: float) -> AwsKeys:
        who = "the instance metadata service"
        base = f"{self._endpoint}/latest"
        ttl = {"x-aws-ec2-metadata-token-ttl-seconds": "21600"}
        token = await ask(
            self._pool, "PUT", f"{base}/api/token", headers=ttl, timeouts=LOCAL, who=who
        )
        shown = {"x-aws-ec2-metadata-token": _line(token, who)}
        roles = f"{base}/meta-data/iam/security-credentials/"
        role = await ask(self._pool, "GET", roles, headers=shown, timeouts=LOCAL, who=who)
        answer = await ask_json(
            self._pool, "GET", roles + _line(role, who), headers=shown, timeouts=LOCAL, who=who
        )
        return _keys(answer, who)


class ContainerKeys:
    """Of an ECS task, or of an EKS pod by its identity agent; `read` gives the agent's token."""

    def __init__(self, pool: Pool, url: str, token: Callable[[], str | None]) -> None:
        self._pool = pool
        self._url = url
        self._token = token
        _check_container(url)

    async def fetch(self, now: float) -> AwsKeys:
        who = "the container credentials endpoint"
        token = self._token()
        headers = {} if token is None else {"authorization": token}
        answer = await ask_json(
            self._pool, "GET", self._url, headers=headers, timeouts=LOCAL, who=who
        )
        return _keys(answer, who)


class RoleKeys:
    """Of a role that other keys may assume."""

    def __init__(
        self,
        pool: Pool,
        base: KeySource,
        role_arn: str,
        *,
        region: str,
        session_name: str = SESSION_NAME,
        external_id: str | None = None,
        duration_s: int | None = None,
        endpoint: str | None = None,
    ) -> None:
        self._pool = pool
        self._base = base
        self._region = region
        self._endpoint = endpoint or sts_endpoint(region)
        self._form = {
            "Action": "AssumeRole",
            "Version": "2011-06-15",
            "RoleArn": role_arn,
            "RoleSessionName": session_name,
        }
        if external_id is not None:
            self._form["ExternalId"] = external_id
        if duration_s is not None:
            self._form["DurationSeconds"] = str(duration_s)

    async def fetch(self, now: float) -> AwsKeys:
        keys = await self._base.fetch(now)
        origin, target = split(self._endpoint, "STS")
        body = urlencode(self._form).encode()
        added = sign(
            keys,
            method="POST",
            authority=origin.authority,
            target=target,
            fields=[("content-type", _FORM)],
            body=body,
            region=self._region,
            service="sts",
            now=now,
        )
        headers = {"content-type": _FORM, "accept": "text/xml", **dict(added)}
        answer = await ask(
            self._pool, "POST", self._endpoint, headers=headers, body=body, who="STS"
        )
        return _sts_keys(answer)


class WebIdentityKeys:
    """Of a role that a token in a file may assume (EKS, GitHub, any OpenID provider)."""

    def __init__(
        self,
        pool: Pool,
        role_arn: str,
        token_file: str,
        *,
        region: str,
        read: Read,
        session_name: str = SESSION_NAME,
        endpoint: str | None = None,
    ) -> None:
        self._pool = pool
        self._read = read
        self._token_file = token_file
        self._endpoint = endpoint or sts_endpoint(region)
        self._form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": role_arn,
            "RoleSessionName": session_name,
        }

    async def fetch(self, now: float) -> AwsKeys:
        token = read_file(self._read, self._token_file, "AWS_WEB_IDENTITY_TOKEN_FILE").strip()
        body = urlencode({**self._form, "WebIdentityToken": token}).encode()
        headers = {"content-type": _FORM, "accept": "text/xml"}
        answer = await ask(
            self._pool, "POST", self._endpoint, headers=headers, body=body, who="STS"
        )
        return _sts_keys(answer)


def sts_endpoint(region: str) -> str:
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://sts.{region}.{domain}/"


def _check_container(url: str) -> None:
    """Keys come over https, or from this machine: never in the open from elsewhere."""
    origin, _ = split(url, "the container credentials endpoint")
    if origin.scheme == "https" or origin.host in ("localhost", *_CONTAINER_HOSTS):
        return
    try:
        if ipaddress.ip_address(origin.host).is_loopback:
            return
    except ValueError:
        pass
    raise ConfigError(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or an address of this machine"
    )


def _line(body: bytes, who: str) -> str:
    """One word of a metadata server, fit for a path or a field."""
    word = body.decode("latin-1").strip()
    if not re.fullmatch(r"[\x21-\x7e]{1,1024}", word):
        raise UpstreamAuthentication(f"no AWS credentials: {who} gave no usable answer")
    return word


def _keys(answer: Mapping[str, Any], who: str) -> AwsKeys:
    return AwsKeys(
        text(answer, "AccessKeyId", who),
        Secret(text(answer, "SecretAccessKey", who)),
        Secret(text(answer, "Token", who)),
        _ends(text(answer, "Expiration", who), who),
    )


_TAG: Final = re.compile(
    rb"<(AccessKeyId|SecretAccessKey|SessionToken|Expiration)>([^<]{1,8192})</"
)


def _sts_keys(body: bytes) -> AwsKeys:
    """STS answers in XML; four leaves of it are all that is read."""
    found = {
        tag.decode(): html.unescape(value.decode("utf-8", "replace"))
        for tag, value in _TAG.findall(body)
    }
    return _keys({**found, "Token": found.get("SessionToken")}, "STS")


def _ends(written: str, who: str) -> float:
    ends = moment(written)
    if ends is None:
        raise UpstreamAuthentication(
            f"no AWS credentials: the answer of {who} has an unreadable `Expiration`"
        )
    return ends
