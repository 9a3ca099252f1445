"""Where the keys of AWS are: environment, profiles, and whatever the machine has.

https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html (2026-11-23). Profiles
of IAM Identity Center and those that run a program are the business of `tokens_aws_sso` and
`tokens_process`; `aws login` is not spoken.
"""

import configparser
from collections.abc import Mapping

from portico.errors import ConfigError, UpstreamAuthentication, UpstreamError
from portico.http.base import Pool
from portico.http.token_request import Read, read_file
from portico.http.tokens_aws_sources import (
    ECS,
    IMDS,
    SESSION_NAME,
    ContainerKeys,
    InstanceKeys,
    KeySource,
    RoleKeys,
    StaticKeys,
    WebIdentityKeys,
)
from portico.http.tokens_aws_sso import SsoKeys, Write, sso_profile
from portico.http.tokens_process import ProcessKeys
from portico.types.credential import AwsKeys
from portico.types.secret import Secret


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
            session_name=self._environ.get("AWS_ROLE_SESSION_NAME") or SESSION_NAME,
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
        session_name = section.get("role_session_name") or SESSION_NAME
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
