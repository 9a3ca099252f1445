"""HTTPS both ways: verified, resumed, and plain words when it fails."""

import ssl

import pytest

from portico.errors import ConfigError, UpstreamTimeout, UpstreamUnreachable
from portico.http.client import HttpPool
from portico.http.tls import client_context, server_context
from portico.types.http import Origin, Timeouts
from tests.http.conftest import Run
from tests.http.harness import (
    CERTIFICATES,
    Conversation,
    Sink,
    ok,
    pooling,
    post,
    provider,
    serving,
)

CA = str(CERTIFICATES / "ca.pem")
CERTIFICATE = str(CERTIFICATES / "localhost.pem")
KEY = str(CERTIFICATES / "localhost.key")


def trusting() -> ssl.SSLContext:
    return client_context(CA)


async def serve_forever(conversation: Conversation) -> None:
    while True:
        _, body = await conversation.request()
        await conversation.say(ok(body))


@pytest.mark.parametrize("size", [5, 1_000_000])
def test_an_https_provider_is_reached_and_kept(run: Run, size: int) -> None:
    async def test() -> None:
        async with (
            provider(serve_forever, ssl=server_context(CERTIFICATE, KEY)) as up,
            pooling(HttpPool(ssl_context=trusting)) as pool,
        ):
            for _ in range(2):
                assert (await pool.send(post(up.origin, b"x" * size))).body == b"x" * size
            assert len(up.conversations) == 1

    run(test())


def test_a_new_connection_resumes_the_last_ones_session(run: Run) -> None:
    async def script(conversation: Conversation) -> None:
        for _ in range(2):
            await conversation.request()
            await conversation.say(ok())
        await conversation.request()
        await conversation.say(ok(b"bye", b"Connection: close\r\n"))

    async def test() -> None:
        async with (
            provider(script, ssl=server_context(CERTIFICATE, KEY)) as up,
            pooling(HttpPool(ssl_context=trusting)) as pool,
        ):
            for _ in range(4):
                await pool.send(post(up.origin))
            tls = [c.writer.get_extra_info("ssl_object") for c in up.conversations]
            assert [each.session_reused for each in tls] == [False, True]

    run(test())


def test_an_unknown_authority_is_not_trusted(run: Run) -> None:
    async def test() -> None:
        async with (
            provider(serve_forever, ssl=server_context(CERTIFICATE, KEY)) as up,
            pooling(HttpPool()) as pool,
        ):
            with pytest.raises(UpstreamUnreachable, match="certificate is not trusted") as failure:
                await pool.send(post(up.origin))
            assert failure.value.sent is False
            assert str(up.origin) in failure.value.message
            assert pool.stats.open == 0

    run(test())


def test_a_certificate_for_another_name_is_not_trusted(run: Run) -> None:
    async def test() -> None:
        async with (
            provider(serve_forever, ssl=server_context(CERTIFICATE, KEY)) as up,
            pooling(HttpPool(ssl_context=trusting)) as pool,
        ):
            origin = Origin("https", "127.0.0.2", up.origin.port)
            with pytest.raises(UpstreamUnreachable):
                await pool.send(post(origin))

    run(test())


def test_a_server_without_tls_is_named(run: Run) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.reader.read(1000)
        await conversation.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def test() -> None:
        async with provider(script) as up, pooling(HttpPool(ssl_context=trusting)) as pool:
            with pytest.raises(UpstreamUnreachable, match="TLS failed"):
                await pool.send(post(Origin("https", "127.0.0.1", up.origin.port)))

    run(test())


def test_a_handshake_that_stalls_runs_out_of_connect_time(run: Run) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.is_closed()

    async def test() -> None:
        async with provider(script) as up, pooling(HttpPool(ssl_context=trusting)) as pool:
            origin = Origin("https", "127.0.0.1", up.origin.port)
            with pytest.raises(UpstreamTimeout) as failure:
                await pool.send(post(origin, timeouts=Timeouts(connect=0.05)))
            assert failure.value.timer == "connect"
            assert pool.stats.open == 0

    run(test())


def test_streams_over_tls(run: Run) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.say(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n",
            b"3\r\ntwo\r\n0\r\n\r\n",
        )

    async def test() -> None:
        async with (
            provider(script, ssl=server_context(CERTIFICATE, KEY)) as up,
            pooling(HttpPool(ssl_context=trusting)) as pool,
        ):
            stream = await pool.open(post(up.origin, stream_types=(b"text/",)))
            sink = Sink()
            stream.attach(sink)
            await sink.end()
            assert (sink.body, sink.finished) == (b"onetwo", [None])

    run(test())


def test_our_server_speaks_tls(run: Run) -> None:
    async def test() -> None:
        async with (
            serving(ssl=server_context(CERTIFICATE, KEY)) as served,
            pooling(HttpPool(ssl_context=trusting)) as pool,
        ):
            origin = Origin("https", "127.0.0.1", served.server.port)
            assert (await pool.send(post(origin, b"hi"))).body == b"hi"

    run(test())


def test_files_that_are_not_there_are_named() -> None:
    with pytest.raises(ConfigError, match=r"CA file /no/such\.pem"):
        client_context("/no/such.pem")
    with pytest.raises(ConfigError, match=r"/no/such\.key"):
        server_context(CERTIFICATE, "/no/such.key")
