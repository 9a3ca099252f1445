"""Snowflake Cortex: what reaches it by each of its four kinds of credential."""

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import uvloop
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from portico.errors import ConfigError
from tests.harness import (
    CANARY,
    KEY,
    Received,
    Wire,
    chat,
    gateway,
    good,
    http,
    replying,
    upstream,
    whole,
)

BASE = "/api/v2/cortex/v1"
KIND = "x-snowflake-authorization-token-type"


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(passphrase: bytes | None = None) -> str:
    encryption: Any = serialization.NoEncryption()
    if passphrase is not None:
        encryption = serialization.BestAvailableEncryption(passphrase)
    return (
        private_key()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        .decode()
    )


def config(url: str, *, settings: str = "", model: str = "mistral-large2", more: str = "") -> str:
    said = f", settings: {{{settings}}}" if settings else ""
    return (
        f"providers:\n  - {{name: snow, provider_type: snowflake, base_url: '{url}{BASE}', "
        f"models: [{model}]{said}{more}}}\n"
        f"models:\n  - {{name: m, targets: [snow/{model}], retries: {{max_attempts: 1}}}}\n"
        f"keys:\n  - {{name: k, key: {KEY}}}\n"
    )


def claims_of(token: str) -> dict[str, Any]:
    """What the token says, once its signature is found good."""
    signed, _, signature = token.rpartition(".")
    private_key().public_key().verify(
        _decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
    assert header == {"alg": "RS256", "typ": "JWT"}
    return dict(claims)


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def fingerprint() -> str:
    der = (
        private_key()
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def test_a_programmatic_access_token_is_a_bearer_token(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(good) as up,
            gateway(tmp_path, config(up.url), environ={"SNOWFLAKE_PAT": CANARY}) as running,
        ):
            for streamed in (False, True):
                answer = await running.ask(http(chat("m", stream=streamed)))
                assert answer.status == 200, answer.body
                asked = up.requests[-1]
                assert asked.target == f"{BASE}/chat/completions"
                assert asked.headers["authorization"] == f"Bearer {CANARY}"
                assert KIND not in asked.headers
            await running.settled()
            running.check_balance()

    uvloop.run(play())


@pytest.mark.parametrize("how", ["in a file", "encrypted", "in a variable"])
def test_a_key_pair_proves_itself_by_a_token_of_an_hour(tmp_path: Path, how: str) -> None:
    file = tmp_path / "rsa_key.p8"
    file.write_text(pem(b"open sesame" if how == "encrypted" else None))
    environ = {"SNOWFLAKE_PRIVATE_KEY_PATH": str(file)}
    if how == "encrypted":
        environ["SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"] = "open sesame"
    if how == "in a variable":
        environ = {"SNOWFLAKE_PRIVATE_KEY": pem().replace("\n", "\\n")}

    async def play() -> None:
        settings = "account: myorg-acc, user: gateway"
        async with (
            upstream(good) as up,
            gateway(tmp_path, config(up.url, settings=settings), environ=environ) as running,
        ):
            for streamed in (False, True):
                assert (await running.ask(http(chat("m", stream=streamed)))).status == 200
            first, second = up.requests
            assert first.headers[KIND] == second.headers[KIND] == "KEYPAIR_JWT"
            scheme, _, token = first.headers["authorization"].partition(" ")
            assert scheme == "Bearer"
            assert second.headers["authorization"] == f"Bearer {token}", "made once"
            claims = claims_of(token)
            assert claims["exp"] - claims["iat"] == 3540
            assert (claims["iss"], claims["sub"]) == (
                f"MYORG-ACC.GATEWAY.SHA256:{fingerprint()}",
                "MYORG-ACC.GATEWAY",
            )
            assert token not in running.log

    uvloop.run(play())


def test_an_oauth_client_asks_with_its_refresh_token(tmp_path: Path) -> None:
    async def account(wire: Wire, request: Received) -> None:
        if request.target == "/oauth/token-request":
            wire.send(whole(b'{"access_token":"t1","token_type":"Bearer","expires_in":600}'))
        else:
            await good(wire, request)

    async def play() -> None:
        settings = f"client_id: 'a/b=', client_secret: {CANARY}-s, refresh_token: {CANARY}-r"
        async with (
            upstream(account) as up,
            gateway(tmp_path, config(up.url, settings=settings)) as running,
        ):
            assert (await running.ask(http(chat("m")))).status == 200
            token, asked = up.requests
            pair = base64.b64encode(f"a%2Fb%3D:{CANARY}-s".encode()).decode()
            assert token.headers["authorization"] == f"Basic {pair}"
            assert dict(parse_qsl(token.body.decode())) == {
                "grant_type": "refresh_token",
                "refresh_token": f"{CANARY}-r",
            }
            assert (asked.headers["authorization"], asked.headers[KIND]) == ("Bearer t1", "OAUTH")
            assert CANARY not in running.log

    uvloop.run(play())


def test_claude_speaks_messages_to_clients_that_do(tmp_path: Path) -> None:
    said = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [{"type": "text", "text": "hi"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }

    async def play() -> None:
        async with (
            upstream(replying(whole(json.dumps(said).encode()))) as up,
            gateway(
                tmp_path,
                config(up.url, model="claude-sonnet-4-5"),
                environ={"SNOWFLAKE_PAT": CANARY},
            ) as running,
        ):
            body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
            answer = await running.ask(http(body, path="/v1/messages"))
            assert answer.json() == said
            (asked,) = up.requests
            assert asked.target == f"{BASE}/messages"
            assert asked.headers["authorization"] == f"Bearer {CANARY}"
            assert asked.headers["anthropic-version"] == "2023-06-01"
            assert "x-api-key" not in asked.headers
            assert asked.json() == {**body, "model": "claude-sonnet-4-5"}

    uvloop.run(play())


@pytest.mark.parametrize("nested", [True, False])
def test_vectors_are_asked_in_its_own_way(tmp_path: Path, nested: bool) -> None:
    vectors = [[0.25], [0.5]]
    data = [
        {"object": "embedding", "embedding": [vectors[at]] if nested else vectors[at], "index": at}
        for at in (1, 0)
    ]
    told = {"object": "list", "data": data, "model": "e5", "usage": {"total_tokens": 4}}

    async def play() -> None:
        async with (
            upstream(replying(whole(json.dumps(told).encode()))) as up,
            gateway(
                tmp_path, config(up.url, model="e5-base-v2"), environ={"SNOWFLAKE_PAT": CANARY}
            ) as running,
        ):
            body = {"model": "m", "input": ["a", "b"], "dimensions": 3}
            answer = await running.ask(http(body, path="/v1/embeddings"))
            assert [one["embedding"] for one in answer.json()["data"]] == vectors
            assert answer.json()["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
            assert answer.headers["x-portico-dropped-params"] == "dimensions"
            (asked,) = up.requests
            assert asked.target == "/api/v2/cortex/inference:embed"
            assert asked.json() == {"text": ["a", "b"], "model": "e5-base-v2"}

    uvloop.run(play())


@pytest.mark.parametrize(
    ("status", "body", "answered", "code"),
    [
        (
            400,
            {"message": 'unknown model "mistral-large2"', "request_id": "d8c1"},
            400,
            "model_not_found",
        ),
        (
            401,
            {"code": "390144", "message": "JWT token is invalid. [3f9a]"},
            502,
            "upstream_authentication",
        ),
        (
            403,
            {"message": "Not authorized to use model.", "error_code": "390303"},
            502,
            "upstream_authentication",
        ),
        (429, {"message": "too many requests", "request_id": "d8c1"}, 429, "rate_limit_exceeded"),
        (503, {"message": "model is unavailable", "request_id": "d8c1"}, 503, None),
    ],
)
def test_what_it_refuses_is_told_as_what_it_is(
    tmp_path: Path, status: int, body: dict[str, str], answered: int, code: str | None
) -> None:
    async def play() -> None:
        async with (
            upstream(replying(whole(json.dumps(body).encode(), status))) as up,
            gateway(tmp_path, config(up.url), environ={"SNOWFLAKE_PAT": CANARY}) as running,
        ):
            answer = await running.ask(http(chat("m")))
            assert answer.status == answered
            if code is not None:
                assert answer.error["code"] == code

    uvloop.run(play())


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"SNOWFLAKE_PRIVATE_KEY": "/no/such/file"}, "private_key: /no/such/file cannot be read"),
        ({"SNOWFLAKE_PRIVATE_KEY": "-----BEGIN secret"}, "of the provider snow is not a PEM key"),
    ],
)
def test_a_key_that_is_none_is_told_at_the_start(
    tmp_path: Path, environ: dict[str, str], words: str
) -> None:
    async def play() -> None:
        text = config("https://acc.snowflakecomputing.com", settings="user: gateway")
        async with gateway(tmp_path, text, environ=environ):
            raise AssertionError("started")

    with pytest.raises(ConfigError, match=words) as raised:
        uvloop.run(play())
    assert "secret" not in str(raised.value)
