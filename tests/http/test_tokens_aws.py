from typing import Any

import pytest

from portico.errors import ConfigError, UpstreamAuthentication, UpstreamUnavailable
from portico.http.tokens_aws import find_aws
from portico.http.tokens_aws_sources import InstanceKeys, RoleKeys, StaticKeys, sts_endpoint
from portico.providers.sigv4 import sign
from portico.types.credential import AwsKeys
from portico.types.secret import Secret
from tests.http.token_server import LATER, NO_FILES, NOW, TokenServer, files, run, serving

KEYS = {
    "Code": "Success",
    "AccessKeyId": "ASIA",
    "SecretAccessKey": "secret",
    "Token": "session",
    "Expiration": LATER,
}
EXPECTED = AwsKeys("ASIA", Secret("secret"), Secret("session"), NOW + 2400)
STATIC = AwsKeys("AKIA", Secret("s"))
ROLE = "arn:aws:iam::123456789012:role/gateway"
XML = (
    b'<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>'
    b"<Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>"
    b"<SessionToken>a&amp;b</SessionToken><Expiration>2026-11-23T13:14:56Z</Expiration>"
    b"</Credentials></AssumeRoleResult></AssumeRoleResponse>"
)
FROM_STS = AwsKeys("ASIA", Secret("secret"), Secret("a&b"), NOW + 2400)
IMDS: dict[str, Any] = {
    "PUT /latest/api/token": (200, b"imds-token"),
    "GET /latest/meta-data/iam/security-credentials/": (200, b"gateway-role\n"),
    "GET /latest/meta-data/iam/security-credentials/gateway-role": (200, KEYS),
}


async def fetched(server: TokenServer, environ: dict[str, str], **contents: str) -> AwsKeys:
    source = find_aws(
        environ, pool=server.pool, direct=server.pool, read=files(**contents), region="eu-west-1"
    )
    return await source.fetch(NOW)


def test_an_instance_is_asked_by_imdsv2() -> None:
    async def test() -> None:
        async with serving(IMDS) as server:
            environ = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url}
            assert await fetched(server, environ) == EXPECTED
            put, list_, get = server.asked
            assert put.headers["x-aws-ec2-metadata-token-ttl-seconds"] == "21600"
            for asked in (list_, get):
                assert asked.headers["x-aws-ec2-metadata-token"] == "imds-token"

    run(test)


def test_a_machine_without_a_role_says_what_to_do() -> None:
    async def test() -> None:
        async with serving({"PUT /latest/api/token": (200, b"t")}) as server:
            environ = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url}
            with pytest.raises(UpstreamAuthentication, match="Set AWS_ACCESS_KEY_ID"):
                await fetched(server, environ)
            with pytest.raises(ConfigError, match="metadata service is switched off"):
                await fetched(server, {"AWS_EC2_METADATA_DISABLED": "true"})

    run(test)


@pytest.mark.parametrize("word", [b"", b"a b", b"a\r\nhost: x", b"\xff\n", b"x" * 2000])
def test_a_metadata_server_cannot_smuggle_anything_into_a_request(word: bytes) -> None:
    async def test() -> None:
        script = {**IMDS, "GET /latest/meta-data/iam/security-credentials/": (200, word)}
        async with serving(script) as server:
            with pytest.raises(UpstreamAuthentication, match="no usable answer"):
                await InstanceKeys(server.pool, server.url).fetch(NOW)
            assert len(server.asked) == 2

    run(test)


def test_a_container_is_asked_with_its_token() -> None:
    async def test() -> None:
        async with serving({"GET /creds": (200, KEYS)}) as server:
            environ = {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/creds?id=1",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/var/token",
            }
            assert await fetched(server, environ, var_token="from-file\n") == EXPECTED
            del environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
            environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "from-env"
            assert await fetched(server, environ) == EXPECTED
            assert [a.headers["authorization"] for a in server.asked] == ["from-file", "from-env"]
            assert server.asked[0].target == "/creds?id=1"

    run(test)


@pytest.mark.parametrize(
    "url", ["http://example.com/creds", "http://10.0.0.1/", "ftp://localhost/", "http://:x/"]
)
def test_keys_do_not_come_in_the_open_from_elsewhere(url: str) -> None:
    async def test() -> None:
        async with serving({}) as server:
            with pytest.raises(ConfigError):
                await fetched(server, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url})

    run(test)


def test_an_ecs_task_is_asked_at_its_fixed_address() -> None:
    async def test() -> None:
        async with serving({}) as server:
            environ = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1"}
            source: Any = find_aws(
                environ, pool=server.pool, direct=server.pool, read=NO_FILES, region=None
            )
            assert source._url == "http://169.254.170.2/v2/credentials/1"

    run(test)


def test_a_role_is_assumed_with_a_signed_request() -> None:
    async def test() -> None:
        async with serving({"POST /": (200, XML)}) as server:
            source = RoleKeys(
                server.pool,
                StaticKeys(STATIC),
                ROLE,
                region="eu-west-1",
                external_id="ext",
                duration_s=900,
                endpoint=f"{server.url}/",
            )
            assert await source.fetch(NOW) == FROM_STS
            (asked,) = server.asked
            assert asked.form == {
                "Action": "AssumeRole",
                "Version": "2011-06-15",
                "RoleArn": ROLE,
                "RoleSessionName": "portico",
                "ExternalId": "ext",
                "DurationSeconds": "900",
            }
            signed = sign(
                STATIC,
                method="POST",
                authority=asked.headers["host"],
                target="/",
                fields=[("content-type", "application/x-www-form-urlencoded")],
                body=asked.body,
                region="eu-west-1",
                service="sts",
                now=NOW,
            )
            assert dict(signed).items() <= asked.headers.items()

    run(test)


def test_a_web_identity_is_exchanged_anew_each_time() -> None:
    async def test() -> None:
        async with serving({"POST /": (200, XML)}) as server:
            environ = {
                "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token",
                "AWS_ROLE_ARN": ROLE,
                "AWS_ROLE_SESSION_NAME": "pod-1",
                "AWS_ENDPOINT_URL_STS": f"{server.url}/",
            }
            assert await fetched(server, environ, var_run_token="jwt-1\n") == FROM_STS
            assert await fetched(server, environ, var_run_token="jwt-2\n") == FROM_STS
            assert [a.form["WebIdentityToken"] for a in server.asked] == ["jwt-1", "jwt-2"]
            assert server.asked[0].form["RoleSessionName"] == "pod-1"
            assert "authorization" not in server.asked[0].headers
            with pytest.raises(ConfigError, match="AWS_WEB_IDENTITY_TOKEN_FILE: /var/run/token"):
                await fetched(server, environ)

    run(test)


CREDENTIALS = """
[default]
aws_access_key_id = AKIA
aws_secret_access_key = s

[temporary]
aws_access_key_id = ASIA
aws_secret_access_key = secret%with(percent)s
aws_session_token = session
"""
CONFIG = f"""
[default]
region = us-east-1

[profile app]
role_arn = {ROLE}
source_profile = default
external_id = ext

[profile chained]
role_arn = {ROLE}
source_profile = app

[profile from-env]
role_arn = {ROLE}
credential_source = Environment

[profile itself]
role_arn = {ROLE}
source_profile = itself
aws_access_key_id = AKIA
aws_secret_access_key = s

[profile a]
role_arn = {ROLE}
source_profile = b

[profile b]
role_arn = {ROLE}
source_profile = a

[profile lonely]
role_arn = {ROLE}

[profile browser]
sso_session = corp
sso_account_id = 1

[profile half]
sso_account_id = 1
sso_region = eu-west-1

[profile program]
credential_process = "/bin/keys

[profile login]
login_session = arn:aws:iam::1:user/me
"""
HOME = {"HOME": "/h"}
FILES = {"h__aws_credentials": CREDENTIALS, "h__aws_config": CONFIG}


def test_profiles_give_their_keys() -> None:
    async def test() -> None:
        async with serving({}) as server:
            assert await fetched(server, HOME, **FILES) == STATIC
            named = {**HOME, "AWS_PROFILE": "temporary"}
            expected = AwsKeys("ASIA", Secret("secret%with(percent)s"), Secret("session"))
            assert await fetched(server, named, **FILES) == expected
            elsewhere = {"AWS_SHARED_CREDENTIALS_FILE": "/x/y"}
            assert await fetched(server, elsewhere, x_y=CREDENTIALS) == STATIC

    run(test)


@pytest.mark.parametrize(
    ("profile", "exchanges"), [("app", 1), ("chained", 2), ("from-env", 1), ("itself", 1)]
)
def test_profiles_lead_to_roles(profile: str, exchanges: int) -> None:
    async def test() -> None:
        async with serving({"POST /": (200, XML)}) as server:
            environ = {
                **HOME,
                "AWS_PROFILE": profile,
                "AWS_ENDPOINT_URL_STS": f"{server.url}/",
            }
            if profile == "from-env":
                environ |= {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s"}
            source = find_aws(
                environ, pool=server.pool, direct=server.pool, read=files(**FILES), region="r"
            )
            if profile == "from-env":
                assert isinstance(source, StaticKeys), "the environment comes first"
                return
            assert await source.fetch(NOW) == FROM_STS
            assert len(server.asked) == exchanges
            external_id = None if profile == "itself" else "ext"
            assert server.asked[0].form.get("ExternalId") == external_id

    run(test)


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ("absent", "'absent' is in neither"),
        ("a", "leads back to itself"),
        ("lonely", "no keys to assume it with"),
        ("browser", "names the sso-session 'corp', which the AWS configuration file has not"),
        ("half", "'half' lacks sso_start_url, sso_role_name"),
        ("program", "'program' cannot be read as a command: No closing quotation"),
        ("login", "holds no keys; `aws login` is not supported, use SSO"),
        ("from-env", "a `source_profile` or a `credential_source` that is there"),
    ],
)
def test_a_profile_that_leads_nowhere_says_why(profile: str, words: str) -> None:
    async def test() -> None:
        async with serving({}) as server:
            with pytest.raises(ConfigError, match=words):
                await fetched(server, {**HOME, "AWS_PROFILE": profile}, **FILES)

    run(test)


def test_a_file_that_is_no_file_of_profiles_is_named() -> None:
    async def test() -> None:
        async with serving({}) as server:
            with pytest.raises(ConfigError, match=r"/h/\.aws/config is not a file of AWS profiles"):
                await fetched(server, HOME, h__aws_config="key without a section")

    run(test)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ((403, {"Code": "AccessDenied"}), UpstreamAuthentication, r"answered 403 \(AccessDenied\)"),
        ((400, b"<Error>secret</Error>"), UpstreamAuthentication, "answered 400;"),
        ((503, b""), UpstreamUnavailable, "answered 503"),
        ((429, b""), UpstreamUnavailable, "answered 429"),
        ((200, b"<html>"), UpstreamAuthentication, "not a JSON object"),
        ((200, {**KEYS, "SecretAccessKey": ""}), UpstreamAuthentication, "no `SecretAccessKey`"),
        ((200, {**KEYS, "Expiration": "soon"}), UpstreamAuthentication, "unreadable `Expiration`"),
    ],
)
def test_what_a_server_of_keys_does_wrong_is_told_without_secrets(
    answer: Any, error: type[Exception], words: str
) -> None:
    async def test() -> None:
        async with serving({"GET /creds": answer}) as server:
            environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/creds"}
            with pytest.raises(error, match=words) as raised:
                await fetched(server, environ)
            assert "secret" not in str(raised.value)

    run(test)


def test_sts_is_asked_in_the_region() -> None:
    assert sts_endpoint("eu-west-1") == "https://sts.eu-west-1.amazonaws.com/"
    assert sts_endpoint("cn-north-1") == "https://sts.cn-north-1.amazonaws.com.cn/"
