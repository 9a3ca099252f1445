"""Proxies: which applies, and what is said to it."""

import base64

import pytest

from portico.errors import ConfigError, UpstreamTimeout, UpstreamUnreachable
from portico.http.client import HttpPool
from portico.http.proxies import Proxy, ProxySettings, read_proxies
from portico.http.tls import client_context, server_context
from portico.types.http import Origin, Timeouts
from tests.http.conftest import Run
from tests.http.harness import CERTIFICATES, Conversation, ok, pooling, post, provider

API = Origin("https", "api.example.com", 443)
PLAIN = Origin("http", "10.1.2.3", 8080)


@pytest.mark.parametrize(
    ("environ", "settings"),
    [
        ({}, None),
        ({"HTTP_PROXY": ""}, None),
        ({"NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": "http://p:3128"}, ProxySettings(https=Proxy("p", 3128))),
        (
            {"https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:2"},
            ProxySettings(https=Proxy("a", 1)),
        ),
        ({"HTTP_PROXY": "p:3128"}, ProxySettings(http=Proxy("p", 3128))),
        ({"HTTP_PROXY": "http://[::1]"}, ProxySettings(http=Proxy("::1", 80))),
        (
            {"HTTP_PROXY": "http://u:p%40@p:1", "no_proxy": "a, .B ,"},
            ProxySettings(
                http=Proxy("p", 1, b"Basic " + base64.b64encode(b"u:p@")), exceptions=("a", ".b")
            ),
        ),
    ],
)
def test_the_environment_is_read(environ: dict[str, str], settings: ProxySettings | None) -> None:
    assert read_proxies(environ) == settings


@pytest.mark.parametrize("value", ["socks5://p:1", "https://p:1", "http://p:port", "http://"])
def test_what_cannot_be_a_proxy_is_named_without_its_password(value: str) -> None:
    with pytest.raises(ConfigError, match="HTTPS_PROXY"):
        read_proxies({"HTTPS_PROXY": value})


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(read_proxies({"HTTP_PROXY": "http://u:secret@p:1"}))


@pytest.mark.parametrize(
    ("entry", "origin", "applies"),
    [
        ("*", API, True),
        ("example.com", API, True),
        (".example.com", API, True),
        ("*.example.com", API, True),
        ("API.example.com", API, True),
        ("api.example.com:443", API, True),
        ("api.example.com:8443", API, False),
        ("ample.com", API, False),
        ("example.org", API, False),
        ("10.1.2.3", PLAIN, True),
        ("10.0.0.0/8", PLAIN, True),
        ("10.0.0.0/16", PLAIN, False),
        ("10.0.0.0/8", API, False),
        ("10.1.2.3/x", PLAIN, False),
        ("::1", Origin("http", "::1", 80), True),
        ("[::1]:80", Origin("http", "::1", 80), True),
        ("[::1]:81", Origin("http", "::1", 80), False),
    ],
)
def test_exceptions_are_matched(entry: str, origin: Origin, applies: bool) -> None:
    proxy = Proxy("p", 1)
    settings = read_proxies({"HTTP_PROXY": "p:1", "HTTPS_PROXY": "p:1", "NO_PROXY": entry})

    assert settings is not None
    assert settings.proxy_for(origin) == (None if applies else proxy)


def test_a_plain_request_goes_to_the_proxy_in_absolute_form(run: Run) -> None:
    seen: list[bytes] = []

    async def script(conversation: Conversation) -> None:
        for _ in range(2):
            seen.append((await conversation.request())[0])
            await conversation.say(ok())

    async def test() -> None:
        async with provider(script) as proxy:
            settings = ProxySettings(http=Proxy("127.0.0.1", proxy.origin.port, b"Basic eA=="))
            async with pooling(HttpPool(proxies=settings)) as pool:
                for _ in range(2):
                    await pool.send(post(PLAIN))
        assert (
            seen
            == [
                b"POST http://10.1.2.3:8080/v1/chat HTTP/1.1\r\nproxy-authorization: Basic eA==\r\n"
                b"host: 10.1.2.3:8080\r\ncontent-length: 2\r\n\r\n"
            ]
            * 2
        )

    run(test())


def test_an_https_request_goes_through_a_tunnel(run: Run) -> None:
    asked: list[bytes] = []
    tls = server_context(str(CERTIFICATES / "localhost.pem"), str(CERTIFICATES / "localhost.key"))

    async def script(conversation: Conversation) -> None:
        asked.append((await conversation.request())[0])
        await conversation.say(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")
        await conversation.writer.start_tls(tls)
        for _ in range(2):
            asked.append((await conversation.request())[0])
            await conversation.say(ok())

    async def test() -> None:
        async with provider(script) as proxy:
            settings = ProxySettings(https=Proxy("127.0.0.1", proxy.origin.port, b"Basic eA=="))
            pool = HttpPool(
                proxies=settings, ssl_context=lambda: client_context(str(CERTIFICATES / "ca.pem"))
            )
            async with pooling(pool):
                request = post(Origin("https", "localhost", 8443))
                for _ in range(2):
                    assert (await pool.send(request)).body == b"hello"
        assert asked == [
            b"CONNECT localhost:8443 HTTP/1.1\r\nhost: localhost:8443\r\n"
            b"proxy-authorization: Basic eA==\r\n\r\n",
            request.head,
            request.head,
        ]

    run(test())


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            "answered 407",
        ),
        (b"", "answered nothing"),
        (b"rubbish\r\n\r\n", "answered nothing"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000, "answered nothing"),
    ],
)
def test_a_proxy_that_declines_is_named(run: Run, said: bytes, shown: str) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.say(said)

    async def test() -> None:
        async with provider(script) as proxy:
            settings = ProxySettings(https=Proxy("127.0.0.1", proxy.origin.port))
            async with pooling(HttpPool(proxies=settings)) as pool:
                with pytest.raises(UpstreamUnreachable, match=shown) as failure:
                    await pool.send(post(API))
                assert failure.value.sent is False
                assert "api.example.com" in failure.value.message
                assert str(proxy.origin.port) in failure.value.message
                assert pool.stats.open == 0

    run(test())


def test_a_proxy_that_stalls_runs_out_of_connect_time(run: Run) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.is_closed()

    async def test() -> None:
        async with provider(script) as proxy:
            settings = ProxySettings(https=Proxy("127.0.0.1", proxy.origin.port))
            async with pooling(HttpPool(proxies=settings)) as pool:
                with pytest.raises(UpstreamTimeout, match="proxy") as failure:
                    await pool.send(post(API, timeouts=Timeouts(connect=0.05)))
                assert failure.value.timer == "connect"

    run(test())
