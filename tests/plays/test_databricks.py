"""Databricks: OpenAI's protocol, and a service principal's token that is fetched and renewed."""

import base64
import json
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import uvloop

from tests.harness import (
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

SECRET = "dose-canary-client-secret-4f1b"


def config(url: str, more: str = "") -> str:
    return (
        f"providers:\n  - {{name: dbx, provider_type: databricks, base_url: "
        f"'{url}/serving-endpoints', models: [dbx-llama]{more}}}\n"
        f"models:\n  - {{name: m, targets: [dbx/dbx-llama], retries: {{max_attempts: 1}}}}\n"
        f"keys:\n  - {{name: k, key: {KEY}}}\n"
    )


ENVIRON = {"DATABRICKS_CLIENT_ID": "client-1", "DATABRICKS_CLIENT_SECRET": SECRET}


class Workspace:
    """Gives tokens `t1`, `t2` …, and takes the last one only."""

    def __init__(self, expires_in: int = 3600) -> None:
        self.given = 0
        self.expires_in = expires_in

    async def __call__(self, wire: Wire, request: Received) -> None:
        if request.target == "/oidc/v1/token":
            self.given += 1
            wire.send(
                whole(
                    b'{"access_token":"t%d","token_type":"Bearer","expires_in":%d}'
                    % (self.given, self.expires_in)
                )
            )
        elif request.headers["authorization"] != f"Bearer t{self.given}":
            wire.send(whole(b'{"error_code":"403","message":"Invalid access token."}', 403))
        else:
            await good(wire, request)


def test_a_service_principal_asks_with_a_token_of_its_workspace(tmp_path: Path) -> None:
    workspace = Workspace()

    async def play() -> None:
        async with (
            upstream(workspace) as up,
            gateway(tmp_path, config(up.url), environ=ENVIRON) as running,
        ):
            for streamed in (False, True, False):
                answer = await running.ask(http(chat("m", stream=streamed)))
                assert answer.status == 200, answer.body
            token, *asked = up.requests
            assert (token.method, token.target) == ("POST", "/oidc/v1/token")
            pair = base64.b64encode(f"client-1:{SECRET}".encode()).decode()
            assert token.headers["authorization"] == f"Basic {pair}"
            assert dict(parse_qsl(token.body.decode())) == {
                "grant_type": "client_credentials",
                "scope": "all-apis",
            }
            assert [one.target for one in asked] == ["/serving-endpoints/chat/completions"] * 3
            assert {one.headers["authorization"] for one in asked} == {"Bearer t1"}
            assert asked[0].json() == chat("dbx-llama")
            await running.settled()
            running.check_balance()
            assert SECRET not in running.log

    uvloop.run(play())


def test_a_token_that_is_refused_is_fetched_anew(tmp_path: Path) -> None:
    workspace = Workspace()

    async def play() -> None:
        async with (
            upstream(workspace) as up,
            gateway(tmp_path, config(up.url), environ=ENVIRON) as running,
        ):
            assert (await running.ask(http(chat("m")))).status == 200
            workspace.given += 1
            refused = await running.ask(http(chat("m")))
            assert (refused.status, refused.error["code"]) == (502, "upstream_authentication")
            assert "Invalid access token" not in refused.error["message"]
            target = running.app.gateway.snapshot.targets["dbx/dbx-llama"]
            assert target.held is not None
            assert target.held.current() is None, "the next one waits for another"

    uvloop.run(play())


def test_a_workspace_that_gives_no_token_is_told_without_the_secret(tmp_path: Path) -> None:
    async def refuse(wire: Wire, request: Received) -> None:
        body = b'{"error":"invalid_client","error_description":"%b"}' % SECRET.encode()
        wire.send(whole(body, 401))

    async def play() -> None:
        async with (
            upstream(refuse) as up,
            gateway(tmp_path, config(up.url), environ=ENVIRON) as running,
        ):
            answer = await running.ask(http(chat("m")))
            assert (answer.status, answer.error["code"]) == (502, "upstream_authentication")
            assert "no usable credential for the provider dbx" in answer.error["message"]
            assert "the Databricks workspace answered 401 (invalid_client)" in running.log
            assert SECRET not in running.log + answer.body.decode()
            assert [one.target for one in up.requests] == ["/oidc/v1/token"]

    uvloop.run(play())


@pytest.mark.parametrize(
    ("status", "body", "answered", "code", "wait"),
    [
        (
            429,
            {
                "error_code": "REQUEST_LIMIT_EXCEEDED",
                "message": "REQUEST_LIMIT_EXCEEDED: Exceeded workspace rate limit for dbx-llama.",
            },
            429,
            "rate_limit_exceeded",
            "7",
        ),
        (
            404,
            {
                "error_code": "ENDPOINT_NOT_FOUND",
                "message": "The given endpoint does not exist, please retry after checking the "
                "specified model and version deployment exists.",
            },
            404,
            "model_not_found",
            None,
        ),
        (
            400,
            {
                "error_code": "BAD_REQUEST",
                "message": '{"external_model_provider":"openai","external_model_error":{"error":'
                '{"message":"Bad `n`"}}}',
            },
            400,
            "invalid_request",
            None,
        ),
        (
            403,
            {
                "error_code": "PERMISSION_DENIED",
                "message": "PERMISSION_DENIED: The endpoint is temporarily disabled due to a "
                "Databricks-set rate limit of 0.",
            },
            502,
            "upstream_authentication",
            None,
        ),
        (
            503,
            {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "The service is unavailable."},
            503,
            "upstream_unavailable",
            None,
        ),
    ],
)
def test_what_it_refuses_is_told_as_what_it_is(
    tmp_path: Path,
    status: int,
    body: dict[str, str],
    answered: int,
    code: str,
    wait: str | None,
) -> None:
    fields = {} if wait is None else {"retry_after": wait}

    async def play() -> None:
        async with (
            upstream(replying(whole(json.dumps(body).encode(), status, **fields))) as up,
            gateway(tmp_path, config(up.url), environ={"DATABRICKS_TOKEN": "dapi-1"}) as running,
        ):
            answer = await running.ask(http(chat("m")))
            assert (answer.status, answer.error["code"]) == (answered, code)
            assert answer.headers.get("retry-after") == wait

    uvloop.run(play())


def test_a_personal_access_token_is_sent_as_it_is(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            upstream(good) as up,
            gateway(
                tmp_path, config(up.url), environ={"DATABRICKS_TOKEN": "dapi-1", **ENVIRON}
            ) as running,
        ):
            assert (await running.ask(http(chat("m")))).status == 200
            (asked,) = up.requests
            assert asked.headers["authorization"] == "Bearer dapi-1"

    uvloop.run(play())
