import base64
import datetime

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from portico.providers.sagemaker import _token
from portico.providers.sigv4 import presigned, sign
from portico.types.credential import AwsKeys
from portico.types.secret import Secret

NOW = 1_795_437_296.75
KEYS = AwsKeys("AKIDEXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))
SESSION = AwsKeys("ASIAEXAMPLE", Secret("another/secret"), Secret("IQoJb3JpZ2luX2VjE+/=token"))


class _FixedTime(SigV4Auth):
    """botocore's signer, which reads the clock, at a given time."""

    def __init__(self, *arguments: str | Credentials, now: float) -> None:
        super().__init__(*arguments)
        self._at = datetime.datetime.fromtimestamp(now, datetime.UTC).strftime("%Y%m%dT%H%M%SZ")

    def add_auth(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self._at
        self._modify_request_before_signing(request)
        canonical = self.canonical_request(request)
        signature = self.signature(self.string_to_sign(request, canonical), request)
        self._inject_signature_to_request(request, signature)


def by_botocore(
    keys: AwsKeys, target: str, body: bytes, *, now: float = NOW, fields: dict[str, str]
) -> dict[str, str]:
    token = keys.session_token.reveal() if keys.session_token else None
    credentials = Credentials(keys.access_key_id, keys.secret_access_key.reveal(), token)
    url = f"https://bedrock-runtime.eu-west-1.amazonaws.com{target}"
    request = AWSRequest(method="POST", url=url, data=body, headers=fields)
    _FixedTime(credentials, "bedrock", "eu-west-1", now=now).add_auth(request)
    return {key.lower(): value for key, value in request.headers.items()}


def by_us(
    keys: AwsKeys, target: str, body: bytes, *, now: float = NOW, fields: dict[str, str]
) -> dict[str, str]:
    added = sign(
        keys,
        method="POST",
        authority="bedrock-runtime.eu-west-1.amazonaws.com",
        target=target,
        fields=fields.items(),
        body=body,
        region="eu-west-1",
        service="bedrock",
        now=now,
    )
    return {**fields, **dict(added)}


TARGETS = [
    "/",
    "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
    "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Fx/converse-stream",
    "/a%20b/~c_d.e-f",
    "/model/x/invoke?b=2&a=1&a=0&c=",
    "/model/x/invoke?empty&name=a%2Fb%20c",
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("keys", [KEYS, SESSION], ids=["static", "session"])
@pytest.mark.parametrize("body", [b"", b'{"a":"\xc3\xbc"}', bytes(range(256))])
def test_the_signature_is_botocores(target: str, keys: AwsKeys, body: bytes) -> None:
    fields = {"content-type": "application/json"}
    ours = by_us(keys, target, body, fields=fields)
    assert ours == by_botocore(keys, target, body, fields=fields)


@settings(max_examples=60, deadline=None)
@given(
    body=st.binary(max_size=64),
    now=st.integers(0, 4_000_000_000),
    value=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=20),
)
def test_any_body_time_and_field_is_signed_alike(body: bytes, now: int, value: str) -> None:
    fields = {"content-type": "application/json", "x-amz-meta": value.strip() or "-"}
    ours = by_us(KEYS, "/model/m/converse", body, now=now, fields=fields)
    assert ours == by_botocore(KEYS, "/model/m/converse", body, now=now, fields=fields)


class _FixedQuery(SigV4QueryAuth):
    """botocore's presigner, at a given time."""

    def __init__(self, *arguments: str | Credentials, now: float, expires: int) -> None:
        super().__init__(*arguments, expires=expires)
        self._at = datetime.datetime.fromtimestamp(now, datetime.UTC).strftime("%Y%m%dT%H%M%SZ")

    def add_auth(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self._at
        self._modify_request_before_signing(request)
        canonical = self.canonical_request(request)
        signature = self.signature(self.string_to_sign(request, canonical), request)
        self._inject_signature_to_request(request, signature)


def presigned_by_botocore(keys: AwsKeys, region: str, now: float, expires: int) -> str:
    token = keys.session_token.reveal() if keys.session_token else None
    credentials = Credentials(keys.access_key_id, keys.secret_access_key.reveal(), token)
    request = AWSRequest(
        method="POST",
        url="https://sagemaker.amazonaws.com/",
        headers={"host": "sagemaker.amazonaws.com"},
        params={"Action": "CallWithBearerToken"},
    )
    _FixedQuery(credentials, "sagemaker", region, now=now, expires=expires).add_auth(request)
    return str(request.url).removeprefix("https://")


@pytest.mark.parametrize("keys", [KEYS, SESSION], ids=["static", "session"])
@pytest.mark.parametrize("region", ["us-east-1", "cn-north-1"])
def test_a_presigned_request_is_botocores(keys: AwsKeys, region: str) -> None:
    ours = presigned(
        keys,
        method="POST",
        authority="sagemaker.amazonaws.com",
        query=[("Action", "CallWithBearerToken")],
        region=region,
        service="sagemaker",
        now=NOW,
        expires_s=900,
    )
    assert ours == presigned_by_botocore(keys, region, NOW, 900)


def test_a_token_of_sagemaker_is_what_its_sdk_makes() -> None:
    """https://github.com/aws/sagemaker-python-sdk, `token_generator` (2026-11-23)."""
    step = int(NOW) // 300
    url = presigned_by_botocore(SESSION, "us-west-2", step * 300, 900)
    expected = base64.b64encode(f"{url}&Version=1".encode()).decode()
    assert _token(SESSION, "us-west-2", step) == f"sagemaker-api-key-{expected}"


def test_the_published_example_of_a_derived_key() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-examples.html"""
    keys = AwsKeys("AKIDEXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))
    added = dict(
        sign(
            keys,
            method="GET",
            authority="example.amazonaws.com",
            target="/",
            fields=[],
            body=b"",
            region="us-east-1",
            service="service",
            now=1_440_938_160,
        )
    )
    assert added["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, "
        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    )
