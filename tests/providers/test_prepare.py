"""Each provider's module: address, fields and body of what it would send."""

import base64
from typing import Any

import msgspec
import pytest

from portico.errors import ConfigError, ModelNotFound, NotSupported
from portico.providers import sigv4
from portico.providers.auth import static_credential
from portico.providers.base import Task
from portico.providers.bedrock import base_url as bedrock_url
from portico.providers.table import PREPARERS, preparer_of
from portico.providers.vertex_ai import base_url as vertex_url
from portico.types.credential import AccessToken, ApiKey, AwsKeys, Credential
from portico.types.deployment import Deployment, Provider
from portico.types.http import HttpRequest, Origin, Timeouts
from portico.types.secret import Secret

NOW = 1_795_437_296.0
KEY = ApiKey(Secret("the-key"))
TOKEN = AccessToken(Secret("the-token"))
AWS = AwsKeys("AKIDEXAMPLE", Secret("secret"), Secret("session"))
BODY = b'{"model":"m","stream":true,"messages":[],"n":1.50}'
TIMEOUTS = Timeouts(total=9)
COMMON = {
    "user-agent": "portico",
    "content-type": "application/json",
    "accept-encoding": "identity",
}
JSON = "application/json"
BINARY = "application/vnd.amazon.eventstream"
SSE = (b"text/event-stream",)

CHAT = "/chat/completions"


def deployment(
    type: str, url: str, model: str = "m", *, region: str | None = None, **fields: Any
) -> Deployment:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    provider = Provider(
        name="mine",
        type=type,
        dialect="",
        origin=Origin(scheme, host, 443 if scheme == "https" else 80),
        base_path=slash + path,
        api_key=Secret(""),
        **fields,
    )
    return Deployment(id=f"mine/{model}", provider=provider, model=model, region=region)


def prepared(
    deployment: Deployment,
    task: Task,
    credential: Credential | None = KEY,
    *,
    body: bytes = BODY,
    forwarded: dict[bytes, bytes] | None = None,
) -> HttpRequest:
    return PREPARERS[deployment.provider.type].prepare(
        deployment,
        task,
        body,
        credential,
        now=NOW,
        forwarded=forwarded or {},
        timeouts=TIMEOUTS,
    )


def parsed(request: HttpRequest) -> tuple[str, dict[str, str]]:
    """The target, and the fields beside those that every request has."""
    head, blank, rest = request.head.decode("latin-1").partition("\r\n\r\n")
    assert (blank, rest) == ("\r\n\r\n", "")
    line, *lines = head.split("\r\n")
    method, target, version = line.split(" ")
    assert (method, version) == ("POST", "HTTP/1.1")
    pairs = [tuple(field.split(": ", 1)) for field in lines]
    fields = dict(pairs)
    assert len(fields) == len(pairs), "a field twice"
    assert fields.pop("content-length") == str(len(request.body))
    assert fields.pop("host") == request.origin.authority
    assert {name: fields.pop(name) for name in COMMON} == COMMON
    assert request.timeouts is TIMEOUTS
    return target, fields


chat = Task("chat", "anthropic_messages")
stream = Task("chat", "anthropic_messages", stream=True)
count = Task("count_tokens", "anthropic_messages")
gemini = Task("chat", "gemini_generate")
gemini_stream = Task("chat", "gemini_generate", stream=True)
invoke = Task("chat", "bedrock_invoke")
openai = Task("chat", "openai_chat", path=CHAT)
openai_stream = Task("chat", "openai_chat", stream=True, path=CHAT)
responses = Task("response", "openai_responses", path="/responses")
embedding = Task("embedding", "openai_embeddings", path="/embeddings")
converse = Task("chat", "bedrock_converse")
converse_stream = Task("chat", "bedrock_converse", stream=True)

X_API_KEY = {"auth": "header:x-api-key"}
ANTHROPIC = deployment("anthropic", "https://api.anthropic.com", **X_API_KEY)
V1 = {"anthropic-version": "2023-06-01"}
GEMINI = deployment(
    "gemini", "https://generativelanguage.googleapis.com/v1beta", "gemini-2.5-flash"
)
VERTEX = deployment("vertex_ai", vertex_url("my-project", "europe-west4"), "gemini-2.5-pro")
CLAUDE = deployment("vertex_ai", vertex_url("my-project", "global"), "claude-sonnet-4-5@20250929")
BEARER = {"authorization": "Bearer the-token"}
PROJECT = "/v1/projects/my-project/locations"
AZURE = "https://res.openai.azure.com"
FOUNDRY = "https://res.services.ai.azure.com"
VERSIONED = {"api_version": "2025-04-01-preview"}
API_KEY = {"api-key": "the-key"}
BEDROCK_MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
BEDROCK = deployment("bedrock", bedrock_url("us-east-1"), BEDROCK_MODEL)
BEDROCK_PATH = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"
MANTLE = deployment("bedrock_mantle", "https://bedrock-mantle.us-east-1.api.aws/v1", "m")
SENT_KEY = {"authorization": "Bearer the-key"}
COHERE = deployment("cohere", "https://api.cohere.ai/compatibility/v1")
DATABRICKS = deployment("databricks", "https://dbc.example/serving-endpoints")
CORTEX = "/api/v2/cortex/v1"
SNOWFLAKE = deployment("snowflake", f"https://acc.snowflakecomputing.com{CORTEX}")
KEY_PAIR = deployment(
    "snowflake",
    f"https://acc.snowflakecomputing.com{CORTEX}",
    settings=(("private_key", Secret("x")),),
)
KIND = "x-snowflake-authorization-token-type"
WATSONX = deployment("watsonx", "https://us-south.ml.cloud.ibm.com", "ibm/granite")
SAGEMAKER = deployment("sagemaker", "https://runtime.sagemaker.us-east-1.amazonaws.com", "a/b c")
OLLAMA = deployment("ollama", "http://localhost:11434/v1")

ROWS: dict[str, tuple[Deployment, Task, Credential | None, str, dict[str, str], Any]] = {
    # deployment, task, credential, target, fields, stream types
    "anthropic": (ANTHROPIC, chat, KEY, "/v1/messages", {"x-api-key": "the-key", **V1}, ()),
    "anthropic streamed": (
        ANTHROPIC,
        stream,
        TOKEN,
        "/v1/messages",
        {**BEARER, **V1},
        SSE,
    ),
    "anthropic count": (ANTHROPIC, count, None, "/v1/messages/count_tokens", V1, ()),
    "anthropic with /v1": (
        deployment("anthropic", "https://proxy.example/anthropic/v1", **X_API_KEY),
        chat,
        KEY,
        "/anthropic/v1/messages",
        {"x-api-key": "the-key", **V1},
        (),
    ),
    "anthropic as OpenAI": (
        ANTHROPIC,
        openai,
        KEY,
        "/v1/chat/completions",
        {**SENT_KEY, **V1},
        (),
    ),
    "gemini": (
        GEMINI,
        gemini,
        KEY,
        "/v1beta/models/gemini-2.5-flash:generateContent",
        {"x-goog-api-key": "the-key"},
        (),
    ),
    "gemini streamed": (
        GEMINI,
        gemini_stream,
        KEY,
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        {"x-goog-api-key": "the-key"},
        SSE,
    ),
    "gemini count": (
        GEMINI,
        Task("count_tokens", "gemini_generate"),
        KEY,
        "/v1beta/models/gemini-2.5-flash:countTokens",
        {"x-goog-api-key": "the-key"},
        (),
    ),
    "gemini vectors of a tuned model": (
        deployment("gemini", "https://g.example/v1beta", "tunedModels/my model"),
        Task("embedding", "gemini_embed"),
        TOKEN,
        "/v1beta/tunedModels/my%20model:batchEmbedContents",
        BEARER,
        (),
    ),
    "vertex": (
        VERTEX,
        gemini,
        TOKEN,
        f"{PROJECT}/europe-west4/publishers/google/models/gemini-2.5-pro:generateContent",
        BEARER,
        (),
    ),
    "vertex streamed": (
        VERTEX,
        gemini_stream,
        TOKEN,
        f"{PROJECT}/europe-west4/publishers/google/models/gemini-2.5-pro"
        ":streamGenerateContent?alt=sse",
        BEARER,
        SSE,
    ),
    "vertex with a key": (
        deployment("vertex_ai", "https://aiplatform.googleapis.com/v1", "gemini-2.5-pro"),
        gemini,
        KEY,
        "/v1/publishers/google/models/gemini-2.5-pro:generateContent",
        {"x-goog-api-key": "the-key"},
        (),
    ),
    "vertex endpoint": (
        deployment("vertex_ai", vertex_url("my-project", "us"), "endpoints/12345"),
        gemini,
        TOKEN,
        f"{PROJECT}/us/endpoints/12345:generateContent",
        BEARER,
        (),
    ),
    "vertex Claude": (
        CLAUDE,
        chat,
        TOKEN,
        f"{PROJECT}/global/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
        BEARER,
        (),
    ),
    "vertex Claude streamed": (
        CLAUDE,
        stream,
        TOKEN,
        f"{PROJECT}/global/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict",
        BEARER,
        SSE,
    ),
    "vertex Claude count": (
        CLAUDE,
        count,
        TOKEN,
        f"{PROJECT}/global/publishers/anthropic/models/count-tokens:rawPredict",
        BEARER,
        (),
    ),
    "vertex as OpenAI": (
        deployment("vertex_ai", f"{vertex_url('my-project', 'global')}/endpoints/openapi"),
        openai_stream,
        TOKEN,
        f"{PROJECT}/global/endpoints/openapi/chat/completions",
        BEARER,
        SSE,
    ),
    "azure v1": (
        deployment("azure", f"{AZURE}/openai/v1"),
        openai,
        KEY,
        "/openai/v1/chat/completions",
        API_KEY,
        (),
    ),
    "azure v1 with Entra ID and a version": (
        deployment("azure", f"{AZURE}/openai/v1", api_version="preview"),
        openai_stream,
        TOKEN,
        "/openai/v1/chat/completions?api-version=preview",
        BEARER,
        SSE,
    ),
    "azure bare": (
        deployment("azure", AZURE),
        openai,
        KEY,
        "/openai/v1/chat/completions",
        API_KEY,
        (),
    ),
    "azure deployment": (
        deployment("azure", AZURE, "my gpt", **VERSIONED),
        openai,
        KEY,
        "/openai/deployments/my%20gpt/chat/completions?api-version=2025-04-01-preview",
        API_KEY,
        (),
    ),
    "azure deployment, address in full": (
        deployment("azure", f"{AZURE}/openai/deployments/other", "gpt", **VERSIONED),
        embedding,
        KEY,
        "/openai/deployments/gpt/embeddings?api-version=2025-04-01-preview",
        API_KEY,
        (),
    ),
    "azure responses before v1": (
        deployment("azure", f"{AZURE}/openai", **VERSIONED),
        responses,
        KEY,
        "/openai/responses?api-version=2025-04-01-preview",
        API_KEY,
        (),
    ),
    "foundry": (
        deployment("azure_ai", f"{FOUNDRY}/openai/v1"),
        openai,
        KEY,
        "/openai/v1/chat/completions",
        API_KEY,
        (),
    ),
    "foundry models": (
        deployment("azure_ai", f"{FOUNDRY}/models", api_version="2024-05-01-preview"),
        openai,
        KEY,
        "/models/chat/completions?api-version=2024-05-01-preview",
        API_KEY,
        (),
    ),
    "foundry Claude": (
        deployment("azure_ai", f"{FOUNDRY}/openai/v1"),
        stream,
        KEY,
        "/anthropic/v1/messages",
        {**API_KEY, **V1},
        SSE,
    ),
    "foundry Claude by its own address": (
        deployment("azure_ai", f"{FOUNDRY}/anthropic"),
        count,
        TOKEN,
        "/anthropic/v1/messages/count_tokens",
        {**BEARER, **V1},
        (),
    ),
    "foundry rerank": (
        deployment("azure_ai", f"{FOUNDRY}/openai/v1"),
        Task("rerank", "cohere_rerank"),
        KEY,
        "/providers/cohere/v2/rerank",
        API_KEY,
        (),
    ),
    "bedrock with a key": (
        BEDROCK,
        converse,
        KEY,
        f"{BEDROCK_PATH}/converse",
        {"accept": JSON, **SENT_KEY},
        (),
    ),
    "bedrock streamed": (
        BEDROCK,
        converse_stream,
        KEY,
        f"{BEDROCK_PATH}/converse-stream",
        {"accept": BINARY, **SENT_KEY},
        (b"application/vnd.amazon.eventstream",),
    ),
    "bedrock profile": (
        deployment(
            "bedrock",
            bedrock_url("eu-west-1"),
            "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc",
        ),
        converse,
        KEY,
        "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Aapplication-inference-profile"
        "%2Fabc/converse",
        {"accept": JSON, **SENT_KEY},
        (),
    ),
    "bedrock invoke": (
        BEDROCK,
        invoke,
        KEY,
        f"{BEDROCK_PATH}/invoke",
        {"accept": JSON, **SENT_KEY},
        (),
    ),
    "bedrock invoke streamed": (
        BEDROCK,
        Task("chat", "bedrock_invoke", stream=True),
        KEY,
        f"{BEDROCK_PATH}/invoke-with-response-stream",
        {"accept": BINARY, **SENT_KEY},
        (b"application/vnd.amazon.eventstream",),
    ),
    "bedrock vectors": (
        deployment("bedrock", bedrock_url("us-east-1"), "amazon.titan-embed-text-v2:0"),
        Task("embedding", "titan_embed"),
        KEY,
        "/model/amazon.titan-embed-text-v2%3A0/invoke",
        {"accept": JSON, **SENT_KEY},
        (),
    ),
    "bedrock as OpenAI": (
        deployment("bedrock", f"{bedrock_url('us-east-1')}/openai/v1"),
        openai_stream,
        KEY,
        "/openai/v1/chat/completions",
        SENT_KEY,
        SSE,
    ),
    "bedrock as OpenAI, bare address": (
        BEDROCK,
        openai,
        KEY,
        "/openai/v1/chat/completions",
        SENT_KEY,
        (),
    ),
    "bedrock Converse, address of the other": (
        deployment("bedrock", f"{bedrock_url('us-east-1')}/openai/v1", BEDROCK_MODEL),
        converse,
        KEY,
        f"{BEDROCK_PATH}/converse",
        {"accept": JSON, **SENT_KEY},
        (),
    ),
    "mantle as OpenAI": (MANTLE, responses, KEY, "/v1/responses", SENT_KEY, ()),
    "mantle Claude": (
        MANTLE,
        stream,
        KEY,
        "/anthropic/v1/messages",
        {**V1, **SENT_KEY},
        SSE,
    ),
    "cohere": (COHERE, Task("chat", "cohere_chat", True), KEY, "/v2/chat", SENT_KEY, SSE),
    "cohere embed": (COHERE, Task("embedding", "cohere_embed"), KEY, "/v2/embed", SENT_KEY, ()),
    "cohere rerank": (
        deployment("cohere", "https://api.cohere.com/v2"),
        Task("rerank", "cohere_rerank"),
        KEY,
        "/v2/rerank",
        SENT_KEY,
        (),
    ),
    "cohere as OpenAI": (
        COHERE,
        openai,
        KEY,
        "/compatibility/v1/chat/completions",
        SENT_KEY,
        (),
    ),
    "ollama": (
        OLLAMA,
        Task("chat", "ollama_chat", True),
        None,
        "/api/chat",
        {},
        (b"application/x-ndjson", b"application/json"),
    ),
    "ollama embed": (OLLAMA, Task("embedding", "ollama_embed"), None, "/api/embed", {}, ()),
    "ollama with a key": (
        deployment("ollama", "https://ollama.com/api"),
        Task("chat", "ollama_chat"),
        KEY,
        "/api/chat",
        SENT_KEY,
        (),
    ),
    "ollama as OpenAI": (OLLAMA, openai, None, "/v1/chat/completions", {}, ()),
    "databricks": (
        DATABRICKS,
        openai_stream,
        TOKEN,
        "/serving-endpoints/chat/completions",
        BEARER,
        SSE,
    ),
    "databricks translated": (
        DATABRICKS,
        Task("chat", "openai_chat"),
        TOKEN,
        "/serving-endpoints/chat/completions",
        BEARER,
        (),
    ),
    "databricks vectors": (
        DATABRICKS,
        embedding,
        TOKEN,
        "/serving-endpoints/embeddings",
        BEARER,
        (),
    ),
    "snowflake": (SNOWFLAKE, openai_stream, KEY, f"{CORTEX}{CHAT}", SENT_KEY, SSE),
    "snowflake by OAuth": (
        SNOWFLAKE,
        openai,
        TOKEN,
        f"{CORTEX}{CHAT}",
        {**BEARER, KIND: "OAUTH"},
        (),
    ),
    "snowflake by key pair": (
        KEY_PAIR,
        chat,
        TOKEN,
        f"{CORTEX}/messages",
        {**BEARER, KIND: "KEYPAIR_JWT", **V1},
        (),
    ),
    "snowflake vectors": (
        SNOWFLAKE,
        Task("embedding", "snowflake_embed"),
        KEY,
        "/api/v2/cortex/inference:embed",
        SENT_KEY,
        (),
    ),
    "watsonx": (
        WATSONX,
        Task("chat", "watsonx_chat", True),
        TOKEN,
        "/ml/v1/text/chat_stream?version=2025-04-23",
        BEARER,
        SSE,
    ),
    "watsonx deployment": (
        deployment("watsonx", "https://cpd.example/x", "deployment/a/b", api_version="2026-01-01"),
        Task("chat", "watsonx_chat"),
        TOKEN,
        "/x/ml/v1/deployments/a%2Fb/text/chat?version=2026-01-01",
        BEARER,
        (),
    ),
    "watsonx rerank": (
        WATSONX,
        Task("rerank", "watsonx_rerank"),
        TOKEN,
        "/ml/v1/text/rerank?version=2025-04-23",
        BEARER,
        (),
    ),
    "sagemaker with a token": (
        SAGEMAKER,
        openai_stream,
        KEY,
        f"/endpoints/a/inference-components/b%20c/openai/v1{CHAT}",
        SENT_KEY,
        SSE,
    ),
    "vertex vectors": (
        VERTEX,
        Task("embedding", "vertex_embed_single"),
        TOKEN,
        f"{PROJECT}/europe-west4/publishers/google/models/gemini-2.5-pro:predict",
        BEARER,
        (),
    ),
    "ollama as Anthropic": (OLLAMA, stream, None, "/v1/messages", V1, SSE),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_a_request_goes_to_the_right_place_with_the_right_fields(row: Any) -> None:
    target_of, task, credential, target, fields, stream_types = row
    request = prepared(target_of, task, credential)
    assert parsed(request) == (target, fields)
    assert request.origin == target_of.provider.origin
    assert request.stream_types == stream_types


BODIES: dict[str, tuple[Deployment, Task, bytes]] = {
    "as it is": (ANTHROPIC, chat, BODY),
    "vertex Claude": (
        CLAUDE,
        stream,
        b'{"anthropic_version":"vertex-2023-10-16","stream":true,"messages":[],"n":1.50}',
    ),
    "vertex Claude count": (
        CLAUDE,
        count,
        b'{"anthropic_version":"vertex-2023-10-16","model":"m","stream":true,"messages":[],'
        b'"n":1.50}',
    ),
    "bedrock invoke": (
        BEDROCK,
        invoke,
        b'{"anthropic_version":"bedrock-2023-05-31","messages":[],"n":1.50}',
    ),
}


@pytest.mark.parametrize(("target_of", "task", "body"), BODIES.values(), ids=list(BODIES))
def test_a_body_is_changed_only_where_the_platform_differs(
    target_of: Deployment, task: Task, body: bytes
) -> None:
    assert prepared(target_of, task, TOKEN).body == body


def test_a_model_named_twice_is_taken_out_twice() -> None:
    request = prepared(CLAUDE, chat, TOKEN, body=b'{"model":"a","x":1,"model":"b"}')
    assert b"model" not in request.body


def test_what_is_counted_at_bedrock_is_the_call_that_would_be_made() -> None:
    body = b'{"model":"m","messages":[]}'
    outer = msgspec.json.decode(
        prepared(BEDROCK, Task("count_tokens", "bedrock_invoke"), KEY, body=body).body
    )
    inner = base64.b64decode(outer["input"]["invokeModel"]["body"])
    assert inner == b'{"max_tokens":1,"anthropic_version":"bedrock-2023-05-31","messages":[]}'
    task = Task("count_tokens", "bedrock_converse")
    assert prepared(BEDROCK, task, KEY, body=b"{}").body == b'{"input":{"converse":{}}}'


CLIENT = {
    b"anthropic-beta": b"context-1m-2025-08-07, interleaved-thinking-2025-05-14",
    b"anthropic-version": b"2024-01-01",
    b"openai-beta": b"responses=v1",
    b"traceparent": b"00-1-2-01",
    b"authorization": b"Bearer the-clients-own",
    b"x-api-key": b"the-clients-own",
    b"api-key": b"the-clients-own",
    b"x-goog-api-key": b"the-clients-own",
    b"cookie": b"secret",
    b"host": b"evil.example",
    b"content-length": b"7",
    b"x-amz-security-token": b"the-clients-own",
}


@pytest.mark.parametrize("name", ROWS)
def test_no_field_of_the_client_goes_on_but_those_allowed(name: str) -> None:
    target_of, task, credential, *_ = ROWS[name]
    without = parsed(prepared(target_of, task, credential))[1]
    fields = parsed(prepared(target_of, task, credential, forwarded=CLIENT))[1]
    new = {key: value for key, value in fields.items() if without.get(key) != value}
    assert new.keys() <= {"traceparent", "anthropic-beta", "anthropic-version", "openai-beta"}
    assert new["traceparent"] == "00-1-2-01"
    assert "the-clients-own" not in str(fields)


def test_the_clients_version_and_betas_reach_anthropic() -> None:
    fields = parsed(prepared(ANTHROPIC, stream, KEY, forwarded=CLIENT))[1]
    assert fields["anthropic-version"] == "2024-01-01"
    assert fields["anthropic-beta"] == CLIENT[b"anthropic-beta"].decode()


def test_betas_are_in_the_body_at_bedrock_and_in_a_field_at_vertex() -> None:
    body = msgspec.json.decode(prepared(BEDROCK, invoke, KEY, forwarded=CLIENT).body)
    assert body["anthropic_beta"] == ["context-1m-2025-08-07", "interleaved-thinking-2025-05-14"]
    request = prepared(CLAUDE, stream, TOKEN, forwarded=CLIENT)
    fields = parsed(request)[1]
    assert fields["anthropic-beta"] == CLIENT[b"anthropic-beta"].decode()
    assert "anthropic-version" not in fields
    assert b"beta" not in request.body


def test_fields_of_the_operator_are_sent_but_never_instead_of_ours() -> None:
    headers = (("anthropic-version", "2099-01-01"), ("X-Org", "a"), ("x-api-key", "theirs"))
    target_of = deployment("anthropic", "https://api.anthropic.com", headers=headers, **X_API_KEY)
    fields = parsed(prepared(target_of, chat))[1]
    assert fields == {"x-api-key": "the-key", "X-Org": "a", "anthropic-version": "2099-01-01"}


@pytest.mark.parametrize("streamed", [False, True])
def test_bedrock_requests_are_signed_for_their_region(streamed: bool) -> None:
    request = prepared(BEDROCK, converse_stream if streamed else converse, AWS)
    target, fields = parsed(request)
    signed = sigv4.sign(
        AWS,
        method="POST",
        authority="bedrock-runtime.us-east-1.amazonaws.com",
        target=target,
        fields=[("content-type", "application/json")],
        body=BODY,
        region="us-east-1",
        service="bedrock",
        now=NOW,
    )
    assert fields == {"accept": BINARY if streamed else JSON, **dict(signed)}


REGIONS: dict[str, tuple[str, str | None, str, str]] = {
    # base_url, region of the deployment, host, region and service that are signed for
    "own": (
        "https://bedrock-runtime.us-west-2.amazonaws.com",
        None,
        "bedrock-runtime.us-west-2.amazonaws.com",
        "us-west-2/bedrock",
    ),
    "another": (
        "https://bedrock-runtime.us-west-2.amazonaws.com",
        "ap-southeast-2",
        "bedrock-runtime.ap-southeast-2.amazonaws.com",
        "ap-southeast-2/bedrock",
    ),
    "government": (
        "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
        None,
        "bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
        "us-gov-west-1/bedrock",
    ),
    "china": (
        "https://bedrock-runtime.cn-north-1.amazonaws.com.cn",
        None,
        "bedrock-runtime.cn-north-1.amazonaws.com.cn",
        "cn-north-1/bedrock",
    ),
    "private": (
        "https://vpce-0a1-b2c3.bedrock-runtime.eu-central-1.vpce.amazonaws.com",
        None,
        "vpce-0a1-b2c3.bedrock-runtime.eu-central-1.vpce.amazonaws.com",
        "eu-central-1/bedrock",
    ),
    "behind a proxy": (
        "https://bedrock.internal.example",
        "eu-west-3",
        "bedrock.internal.example",
        "eu-west-3/bedrock",
    ),
}


@pytest.mark.parametrize(("url", "region", "host", "scope"), REGIONS.values(), ids=list(REGIONS))
def test_the_region_is_that_of_the_deployment_or_of_the_address(
    url: str, region: str | None, host: str, scope: str
) -> None:
    request = prepared(deployment("bedrock", url, region=region), converse, AWS)
    assert request.origin.host == host
    assert f"/{scope}/aws4_request" in parsed(request)[1]["authorization"]


def test_mantle_is_a_service_of_its_own() -> None:
    fields = parsed(prepared(MANTLE, stream, AWS))[1]
    assert "/us-east-1/bedrock-mantle/aws4_request" in fields["authorization"]


def test_a_signature_without_a_region_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="give its deployments a `region`"):
        prepared(deployment("bedrock", "https://bedrock.internal.example"), converse, AWS)


@pytest.mark.parametrize("model", ["", ".", ".."])
@pytest.mark.parametrize(
    ("type", "task"),
    [("gemini", gemini), ("vertex_ai", gemini), ("azure", openai), ("bedrock", converse)],
)
def test_a_model_cannot_change_the_path(type: str, task: Task, model: str) -> None:
    target_of = deployment(type, "https://a.example", model, **VERSIONED)
    with pytest.raises(ModelNotFound):
        prepared(target_of, task)


@pytest.mark.parametrize("model", ["../../admin", "a?b=c", "a#b", "a\r\nx: y", "a b", "ü"])
@pytest.mark.parametrize(
    ("type", "task"),
    [("gemini", gemini), ("vertex_ai", gemini), ("azure", openai), ("bedrock", converse)],
)
def test_a_hostile_model_stays_one_segment(type: str, task: Task, model: str) -> None:
    usual = parsed(prepared(deployment(type, "https://a.example", "m", **VERSIONED), task))[0]
    target = parsed(prepared(deployment(type, "https://a.example", model, **VERSIONED), task))[0]
    assert target.count("/") == usual.count("/")
    assert target.count("?") == usual.count("?")
    assert target.isascii()


NOWHERE = [
    (ANTHROPIC, embedding),
    (GEMINI, openai),
    (VERTEX, embedding),
    (BEDROCK, gemini),
    (BEDROCK, chat),
    (MANTLE, gemini),
    (COHERE, chat),
    (OLLAMA, gemini),
    (deployment("azure", AZURE), gemini),
]


@pytest.mark.parametrize(("target_of", "task"), NOWHERE)
def test_what_has_no_address_is_said_so(target_of: Deployment, task: Task) -> None:
    with pytest.raises(NotSupported, match=f"no address for {task.operation} in the dialect"):
        prepared(target_of, task)


def provider(type: str, key: str = "k", path: str = "", **fields: Any) -> Provider:
    found = deployment(type, f"https://a.example{path}", **fields).provider
    return msgspec.structs.replace(found, api_key=Secret(key))


def test_plain_openai_requests_need_no_module() -> None:
    for type, path in {
        "openai": "",
        "groq": "/openai/v1",
        "azure": "/openai/v1",
        "azure_ai": "/openai/v1",
        "vertex_ai": "/v1/projects/p/locations/global/endpoints/openapi",
        "cohere": "/compatibility/v1",
        "gemini": "/v1beta/openai",
        "ollama": "/v1",
    }.items():
        assert preparer_of(provider(type, path=path), "openai_chat") is None, type
    assert preparer_of(provider("openai"), "anthropic_messages") is None


def test_everything_else_goes_to_its_module() -> None:
    for type, module in PREPARERS.items():
        assert preparer_of(provider(type), "anthropic_messages") is module
    assert preparer_of(provider("azure", **VERSIONED), "openai_chat") is PREPARERS["azure"]
    assert preparer_of(provider("azure", key="", path="/v1"), "openai_chat") is PREPARERS["azure"]
    assert preparer_of(provider("bedrock", key=""), "openai_chat") is PREPARERS["bedrock"]
    assert preparer_of(provider("ollama", key="", path="/v1"), "openai_chat") is None


@pytest.mark.parametrize("type", ["azure", "vertex_ai", "bedrock", "anthropic", "cohere", "ollama"])
def test_an_address_without_the_end_of_openais_paths_is_completed_by_the_module(type: str) -> None:
    assert preparer_of(provider(type, path="/proxy"), "openai_chat") is PREPARERS[type]


def test_a_key_of_vertex_is_mostly_a_token() -> None:
    assert static_credential(provider("vertex_ai", "ya29.x")) == AccessToken(Secret("ya29.x"))
    assert static_credential(provider("vertex_ai", "AIzaX")) == ApiKey(Secret("AIzaX"))
    assert static_credential(provider("gemini", "ya29.x")) == ApiKey(Secret("ya29.x"))
    assert static_credential(provider("gemini", "")) is None
