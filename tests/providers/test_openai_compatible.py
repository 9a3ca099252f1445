"""Heads of requests to providers: what is in them, byte by byte."""

import pytest

from portico.providers.openai_compatible import head, head_prefix
from portico.types.deployment import Provider
from portico.types.http import Origin
from portico.types.secret import Secret


def provider(auth: str = "bearer", key: str = "k/1+", **more: object) -> Provider:
    given: dict[str, object] = {
        "name": "p",
        "type": "openai",
        "dialect": "openai_chat",
        "origin": Origin("https", "api.example", 443),
        "base_path": "/v1",
        "api_key": Secret(key),
        "auth": auth,
        **more,
    }
    return Provider(**given)  # type: ignore[arg-type]


def test_the_whole_head() -> None:
    prefix = head_prefix(provider(headers=(("x-a", "b"),)), "/chat/completions")
    assert head(prefix, b"{}", b"traceparent: t\r\n") == (
        b"POST /v1/chat/completions HTTP/1.1\r\n"
        b"host: api.example\r\n"
        b"user-agent: portico\r\n"
        b"authorization: Bearer k/1+\r\n"
        b"content-type: application/json\r\n"
        b"accept: */*\r\n"
        b"accept-encoding: identity\r\n"
        b"x-a: b\r\n"
        b"content-length: 2\r\n"
        b"traceparent: t\r\n"
        b"\r\n"
    )


@pytest.mark.parametrize(
    ("auth", "path", "line", "field"),
    [
        ("bearer", "/a", b"POST /v1/a HTTP/1.1", b"authorization: Bearer k/1+"),
        ("header:api-key", "/a", b"POST /v1/a HTTP/1.1", b"api-key: k/1+"),
        ("query:key", "/a", b"POST /v1/a?key=k%2F1%2B HTTP/1.1", b""),
        ("query:key", "/a?alt=sse", b"POST /v1/a?alt=sse&key=k%2F1%2B HTTP/1.1", b""),
        ("none", "/a", b"POST /v1/a HTTP/1.1", b""),
    ],
)
def test_where_the_credential_travels(auth: str, path: str, line: bytes, field: bytes) -> None:
    lines = head_prefix(provider(auth), path).split(b"\r\n")
    assert lines[0] == line
    assert [one for one in lines[1:] if b"k/1+" in one] == ([field] if field else [])


def test_without_a_key_no_credential_is_sent() -> None:
    assert b"authorization" not in head_prefix(provider(key=""), "/a")


@pytest.mark.parametrize("name", ["authorization", "Authorization", "host", "content-type"])
def test_extra_fields_never_replace_the_gateways_own(name: str) -> None:
    prefix = head_prefix(provider(headers=((name, "evil"),)), "/a")
    assert b"evil" not in prefix


def test_a_port_that_is_not_the_schemes_own_is_in_the_host() -> None:
    made = head_prefix(provider(origin=Origin("http", "::1", 8080)), "/a")
    assert b"\r\nhost: [::1]:8080\r\n" in made
