"""Keys of AWS: environment, profiles, assumed roles, web identity, ECS, EKS and EC2.

https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html and
…/feature-assume-role-credentials.html, docs.aws.amazon.com/AWSEC2/latest/UserGuide/
instance-metadata-security-credentials.html and docs.aws.amazon.com/STS/latest/APIReference
(2026-11-23). Profiles of IAM Identity Center and those that run a program are the business of
`tokens_aws_sso` and `tokens_process`; IMDSv1 and `aws login` are not spoken.
"""

import configparser
import html
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from portico.errors import ConfigError, UpstreamAuthentication, UpstreamError
from portico.http.base import Pool
from portico.http.token_request import LOCAL, Read, ask, ask_json, moment, read_file, split, text
from portico.http.tokens_aws_sso import SsoKeys, Write, sso_profile
from portico.http.tokens_process import ProcessKeys
from portico.providers.sigv4 import sign
from portico.types.credential import AwsKeys
from portico.types.secret import Secret

IMDS: Final = "http://169.254.169.254"
ECS: Final = "http://169.254.170.2"
_SESSION_NAME: Final = "portico"
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
        session_name: str = _SESSION_NAME,
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
        session_name: str = _SESSION_NAME,
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


class _Chain:
    """What is left when nothing was configured: the machine's own role, if it has one."""

    def __init__(self, instance: InstanceKeys) -> None:
        self._instance = instance

    async def fetch(self, now: float) -> AwsKeys:
        try:
            return await self._instance.fetch(now)
        except UpstreamError as error:
            raise UpstreamAuthentication(
                "no AWS credentials: there are none in the environment, in a profile or of a "
                f"container, and not from the instance metadata service ({error.code}). Set "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or "
                "AWS_BEARER_TOKEN_BEDROCK"
            ) from error


def find_aws(
    environ: Mapping[str, str],
    *,
    pool: Pool,
    direct: Pool,
    read: Read,
    write: Write | None = None,
    region: str | None = None,
) -> KeySource:
    """By the SDKs' order: environment, web identity, profile, container, instance.

    `write` puts a renewed sign-in back into the cache of the AWS tools.
    """
    region = region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    finder = _Finder(environ, pool, direct, read, write, region or "us-east-1")
    return (
        finder.environment()
        or finder.web_identity()
        or finder.profile(environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE"))
        or finder.container()
        or finder.instance()
    )


class _Finder:
    def __init__(
        self,
        environ: Mapping[str, str],
        pool: Pool,
        direct: Pool,
        read: Read,
        write: Write | None,
        region: str,
    ) -> None:
        self._environ = environ
        self._pool = pool
        self._direct = direct
        self._read = read
        self._write = write
        self._region = region
        self._sts = environ.get("AWS_ENDPOINT_URL_STS")
        self._profiles: dict[str, dict[str, str]] | None = None

    def environment(self) -> KeySource | None:
        key = self._environ.get("AWS_ACCESS_KEY_ID")
        secret = self._environ.get("AWS_SECRET_ACCESS_KEY")
        if not key or not secret:
            return None
        token = self._environ.get("AWS_SESSION_TOKEN")
        return StaticKeys(AwsKeys(key, Secret(secret), Secret(token) if token else None))

    def web_identity(self) -> KeySource | None:
        file = self._environ.get("AWS_WEB_IDENTITY_TOKEN_FILE")
        role = self._environ.get("AWS_ROLE_ARN")
        if not file or not role:
            return None
        return WebIdentityKeys(
            self._pool,
            role,
            file,
            region=self._region,
            read=self._read,
            session_name=self._environ.get("AWS_ROLE_SESSION_NAME") or _SESSION_NAME,
            endpoint=self._sts,
        )

    def container(self) -> KeySource | None:
        relative = self._environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        url = self._environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        if relative:
            url = ECS + relative
        return ContainerKeys(self._direct, url, self._container_token) if url else None

    def _container_token(self) -> str | None:
        file = self._environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        if file:
            name = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
            return read_file(self._read, file, name).strip()
        return self._environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN") or None

    def instance(self) -> KeySource:
        if self._environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            raise ConfigError(
                "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, "
                "or AWS_BEARER_TOKEN_BEDROCK (the instance metadata service is switched off)"
            )
        endpoint = self._environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or IMDS
        return _Chain(InstanceKeys(self._direct, endpoint))

    def profile(self, name: str | None, seen: tuple[str, ...] = ()) -> KeySource | None:
        """`None` only if no profile was asked for and there is no default one."""
        wanted = name or "default"
        section = self._sections().get(wanted)
        if section is None:
            if name is None:
                return None
            raise ConfigError(f"the AWS profile {wanted!r} is in neither of the AWS files")
        if "role_arn" in section and wanted not in seen:
            return self._role(wanted, section, seen)
        found = self._sso(wanted, section)
        if found is not None:
            return found
        key, secret = section.get("aws_access_key_id"), section.get("aws_secret_access_key")
        if key and secret:
            token = section.get("aws_session_token")
            return StaticKeys(AwsKeys(key, Secret(secret), Secret(token) if token else None))
        if command := section.get("credential_process"):
            return ProcessKeys(command, self._environ, profile=wanted)
        if name is None:
            return None
        raise ConfigError(
            f"the AWS profile {wanted!r} holds no keys"
            + ("; `aws login` is not supported, use SSO" if "login_session" in section else "")
        )

    def _sso(self, name: str, section: dict[str, str]) -> KeySource | None:
        before = "sso-session "
        sessions = {
            title.removeprefix(before): said
            for title, said in self._sections().items()
            if title.startswith(before)
        }
        profile = sso_profile(name, section, sessions)
        if profile is None:
            return None
        return SsoKeys(
            self._pool,
            profile,
            folder=f"{self._environ.get('HOME', '~')}/.aws/sso/cache",
            read=self._read,
            write=self._write,
            portal=self._environ.get("AWS_ENDPOINT_URL_SSO"),
            oidc=self._environ.get("AWS_ENDPOINT_URL_SSO_OIDC"),
        )

    def _role(self, name: str, section: dict[str, str], seen: tuple[str, ...]) -> KeySource:
        session_name = section.get("role_session_name") or _SESSION_NAME
        region = section.get("region") or self._region
        file = section.get("web_identity_token_file")
        if file:
            return WebIdentityKeys(
                self._pool,
                section["role_arn"],
                file,
                region=region,
                read=self._read,
                session_name=session_name,
                endpoint=self._sts,
            )
        duration = section.get("duration_seconds", "")
        return RoleKeys(
            self._pool,
            self._base_of(name, section, seen),
            section["role_arn"],
            region=region,
            session_name=session_name,
            external_id=section.get("external_id"),
            duration_s=int(duration) if duration.isascii() and duration.isdigit() else None,
            endpoint=self._sts,
        )

    def _base_of(self, name: str, section: dict[str, str], seen: tuple[str, ...]) -> KeySource:
        """The keys that assume the role: another profile's (or its own), or another source's."""
        source = section.get("source_profile")
        if source is not None:
            if source in seen:
                raise ConfigError(f"the AWS profile {name!r} leads back to itself")
            base = self.profile(source, (*seen, name))
            if base is not None:
                return base
        match section.get("credential_source"):
            case "Environment":
                found = self.environment()
            case "EcsContainer":
                found = self.container()
            case "Ec2InstanceMetadata":
                found = self.instance()
            case _:
                found = None
        if found is None:
            raise ConfigError(
                f"the AWS profile {name!r} has a `role_arn` and no keys to assume it with; give it "
                "a `source_profile` or a `credential_source` that is there"
            )
        return found

    def _sections(self) -> dict[str, dict[str, str]]:
        if self._profiles is None:
            home = self._environ.get("HOME", "~")
            self._profiles = {}
            for variable, default, prefix in (
                ("AWS_CONFIG_FILE", f"{home}/.aws/config", "profile "),
                ("AWS_SHARED_CREDENTIALS_FILE", f"{home}/.aws/credentials", ""),
            ):
                self._merge(self._environ.get(variable) or default, prefix)
        return self._profiles

    def _merge(self, path: str, prefix: str) -> None:
        """Keys of the credentials file, read last, win."""
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(self._read(path))
        except OSError:
            return
        except configparser.Error as problem:
            raise ConfigError(
                f"{path} is not a file of AWS profiles: {problem.__class__.__name__}"
            ) from None
        assert self._profiles is not None
        for section in parser.sections():
            name = section.removeprefix(prefix).strip()
            self._profiles.setdefault(name, {}).update(parser.items(section))


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
