"""Files by URL: what is fetched, from where, and what is refused before a byte is sent."""

import asyncio
import base64
import gzip
import ssl
import threading
from collections.abc import Callable, Mapping
from ipaddress import ip_network

import pytest
from msgspec.structs import replace

from portico.http.egress import EgressRules, Network
from portico.http.media import MediaFetcher, MediaLimits
from portico.http.resolve import Resolver
from portico.http.tls import client_context, server_context
from portico.types.chat import DataSource, TextSource
from portico.types.media import Fetched, MediaUrl, Unfetched
from tests.http.conftest import Run
from tests.http.harness import CERTIFICATES, Conversation, Provider, Script, ok, provider, until

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 3
PNG_DATA = DataSource("image/png", base64.b64encode(PNG).decode())
LIMITS = MediaLimits(
    max_files=4,
    max_file_bytes=100_000,
    max_total_bytes=150_000,
    timeout_s=5.0,
    max_concurrent=4,
)
LOOPBACK = (ip_network("127.0.0.0/8"),)
NO_NAMES: Mapping[str, list[str]] = {}
NOT_PUBLIC = Unfetched("refused", "is at a host without a public address")


def fetcher(
    *ups: Provider,
    names: Mapping[str, list[str]] | Callable[[str], list[str]] = NO_NAMES,
    limits: MediaLimits = LIMITS,
    networks: tuple[Network, ...] = LOOPBACK,
    trusts: Callable[[], ssl.SSLContext] = lambda: client_context(str(CERTIFICATES / "ca.pem")),
    deny_hosts: tuple[str, ...] = (),
) -> MediaFetcher:
    """A fetcher that may reach `ups`; `names` is its DNS, where addresses stand for themselves."""

    def look_up(host: str, port: int) -> list[str]:
        if callable(names):
            return names(host)
        if host in names:
            return names[host]
        if host.replace(".", "").isdigit() or ":" in host:
            return [host]
        raise OSError("no such name")

    rules = EgressRules(
        allow_http=True,
        ports=frozenset(up.origin.port for up in ups),
        allow_networks=networks,
        deny_hosts=deny_hosts,
    )
    return MediaFetcher(rules, limits, resolver=Resolver(look_up), ssl_context=trusts)


async def image(fetch: MediaFetcher, url: str) -> Fetched:
    (found,) = plain(await fetch.fetch([MediaUrl("image", url)], 60.0))
    return found


def plain(found: list[Fetched]) -> list[Fetched]:
    """What the client may hear of it."""
    return [replace(each, detail="") if isinstance(each, Unfetched) else each for each in found]


def answering(*pieces: bytes) -> Script:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.say(*pieces)

    return script


def test_a_picture_is_fetched_without_anything_of_ours(run: Run) -> None:
    heads: list[bytes] = []

    async def script(conversation: Conversation) -> None:
        heads.append((await conversation.request())[0])
        await conversation.say(ok(PNG, b"content-type: text/plain\r\nset-cookie: a=b\r\n"))

    async def test() -> None:
        async with provider(script) as up:
            url = f"http://pics.test:{up.origin.port}/a b.png".replace(" ", "%20")
            fetch = fetcher(up, names={"pics.test": ["127.0.0.1"]})
            assert await image(fetch, url + "?q=1#frag") == PNG_DATA
            assert await image(fetch, url) == PNG_DATA
        port = str(up.origin.port).encode()
        assert heads == [
            b"GET /a%%20b.png%b HTTP/1.1\r\nhost: pics.test:%b\r\nuser-agent: portico\r\n"
            b"accept: */*\r\naccept-encoding: identity\r\nconnection: close\r\n\r\n" % (query, port)
            for query in (b"?q=1", b"")
        ]

    run(test())


def test_a_proxy_of_the_environment_is_not_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    async def test() -> None:
        async with provider(answering(ok(PNG))) as up:
            assert await image(fetcher(up), f"{up.origin}/a.png") == PNG_DATA

    run(test())


def test_https_is_verified_by_name_though_the_address_is_pinned(run: Run) -> None:
    secure = server_context(
        str(CERTIFICATES / "localhost.pem"), str(CERTIFICATES / "localhost.key")
    )
    names = {"localhost": ["127.0.0.1"], "other.test": ["127.0.0.1"]}

    async def test() -> None:
        async with provider(answering(ok(PNG)), ssl=secure) as up:
            port = up.origin.port
            fetch = fetcher(up, names=names)
            assert await image(fetch, f"https://localhost:{port}/a.png") == PNG_DATA
            unreachable = Unfetched("failed", "cannot be reached, or broke off its answer")
            assert await image(fetch, f"https://other.test:{port}/a.png") == unreachable
            distrusting = fetcher(up, names=names, trusts=client_context)
            assert await image(distrusting, f"https://localhost:{port}/a.png") == unreachable

    run(test())


def test_several_are_fetched_at_once(run: Run) -> None:
    asked = 0
    all_asked = asyncio.Event()

    async def script(conversation: Conversation) -> None:
        nonlocal asked
        await conversation.request()
        asked += 1
        if asked == 3:
            all_asked.set()
        await all_asked.wait()
        await conversation.say(ok(PNG))

    async def test() -> None:
        async with provider(script) as up:
            urls = [MediaUrl("image", f"{up.origin}/{n}.png") for n in range(3)]
            assert await fetcher(up).fetch(urls, 60.0) == [PNG_DATA] * 3

    run(test())


def test_no_more_than_so_many_at_once(run: Run) -> None:
    under_way = most = 0

    async def script(conversation: Conversation) -> None:
        nonlocal under_way, most
        await conversation.request()
        under_way += 1
        most = max(most, under_way)
        for _ in range(5):
            await asyncio.sleep(0)
        under_way -= 1
        await conversation.say(ok(PNG))

    async def test() -> None:
        async with provider(script) as up:
            limits = MediaLimits(
                max_files=4,
                max_file_bytes=100_000,
                max_total_bytes=150_000,
                timeout_s=5.0,
                max_concurrent=1,
            )
            urls = [MediaUrl("image", f"{up.origin}/{n}.png") for n in range(4)]
            assert await fetcher(up, limits=limits).fetch(urls, 60.0) == [PNG_DATA] * 4
        assert most == 1

    run(test())


REFUSED = [
    "http://10.0.0.1/",
    "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[64:ff9b::a00:1]/",
    "http://inside.test/",
    "http://mixed.test/",
    "http://empty.test/",
    "http://nowhere.test/",
    "http://localhost/",
]


@pytest.mark.parametrize("url", REFUSED)
def test_what_is_not_public_is_refused_in_the_same_words(run: Run, url: str) -> None:
    names = {
        "inside.test": ["192.168.0.9"],
        "mixed.test": ["8.8.8.8", "10.0.0.1"],
        "empty.test": [],
        "localhost": ["::1"],
    }

    async def test() -> None:
        assert await image(fetcher(names=names), url) == NOT_PUBLIC

    run(test())


DETAILS = {
    "http://inside.test/p?q=s": "http://inside.test resolves to 192.168.0.9, which is not public",
    "http://169.254.169.254/p": "http://169.254.169.254 resolves to 169.254.169.254, which hands "
    "out credentials",
    "http://nowhere.test/": "http://nowhere.test cannot be resolved: no such name",
    "http://user:pass@inside.test/": "the address holds a user name or password; leave them out",
}


@pytest.mark.parametrize(("url", "detail"), DETAILS.items())
def test_the_operator_is_told_more_but_no_secret(run: Run, url: str, detail: str) -> None:
    async def test() -> None:
        fetch = fetcher(names={"inside.test": ["192.168.0.9"]})
        (found,) = await fetch.fetch([MediaUrl("image", url)], 60.0)
        assert isinstance(found, Unfetched)
        assert found.detail == detail

    run(test())


def test_an_odd_port_and_a_denied_host_are_refused(run: Run) -> None:
    async def test() -> None:
        fetch = fetcher(deny_hosts=("evil.test",))
        assert await image(fetch, "http://good.test:22/") == Unfetched(
            "refused", "names port 22, which this gateway does not connect to"
        )
        assert await image(fetch, "http://evil.test/") == Unfetched(
            "refused", "is at a host that this gateway does not fetch from"
        )

    run(test())


def moved(to: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} X\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n".encode()


def test_a_redirect_to_the_inside_is_not_followed(run: Run) -> None:
    async def test() -> None:
        async with provider(answering(ok(PNG))) as inside:
            for target in (
                f"http://inside.test:{inside.origin.port}/",
                "http://169.254.169.254/",
                "http://2130706433/",
                "file:///etc/passwd",
            ):
                async with provider(answering(moved(target))) as up:
                    names = {"outside.test": ["127.0.0.1"], "inside.test": ["10.0.0.7"]}
                    fetch = fetcher(up, inside, names=names)
                    found = await image(fetch, f"http://outside.test:{up.origin.port}/")
                    assert isinstance(found, Unfetched)
                    assert found.outcome == "refused"
        assert inside.conversations == []

    run(test())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_where_it_may_go(run: Run, status: int) -> None:
    lines: list[bytes] = []

    async def script(conversation: Conversation) -> None:
        head, _ = await conversation.request()
        lines.append(head.split(b"\r\n")[0])
        is_first = b" /first" in head
        await conversation.say(moved("/second?x=1", status) if is_first else ok(PNG))

    async def test() -> None:
        async with provider(script) as up:
            assert await image(fetcher(up), f"{up.origin}/first") == PNG_DATA
        assert lines == [b"GET /first HTTP/1.1", b"GET /second?x=1 HTTP/1.1"]

    run(test())


def test_the_fourth_redirect_is_one_too_many(run: Run) -> None:
    async def test() -> None:
        async with provider(answering(moved("/again"))) as up:
            assert await image(fetcher(up), f"{up.origin}/") == Unfetched(
                "failed", "is redirected more than 3 times"
            )
            assert len(up.conversations) == 4

    run(test())


def test_a_name_that_changes_its_mind_is_asked_once_for_each_connection(run: Run) -> None:
    """DNS rebinding: what was checked is what is connected to."""
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    asked: list[str] = []

    def names(host: str) -> list[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    async def test() -> None:
        async with provider(answering(ok(PNG))) as up:
            fetch = fetcher(up, names=names)
            url = f"http://flip.test:{up.origin.port}/"
            assert await image(fetch, url) == PNG_DATA
            assert asked == ["flip.test"]
            assert await image(fetch, url) == NOT_PUBLIC
            assert len(up.conversations) == 1

    run(test())


def test_another_address_of_the_name_is_tried(run: Run) -> None:
    async def test() -> None:
        async with provider(answering(ok(PNG))) as up:
            fetch = fetcher(up, names={"two.test": ["127.0.0.2", "127.0.0.1"]})
            assert await image(fetch, f"http://two.test:{up.origin.port}/") == PNG_DATA

    run(test())


ANSWERS: dict[str, tuple[bytes, Unfetched]] = {
    "gone": (
        b"HTTP/1.1 404 X\r\ncontent-length: 0\r\n\r\n",
        Unfetched("failed", "answered 404"),
    ),
    "partial": (
        b"HTTP/1.1 206 X\r\ncontent-length: 8\r\n\r\n" + PNG[:8],
        Unfetched("failed", "answered 206"),
    ),
    "moved nowhere": (
        b"HTTP/1.1 302 X\r\ncontent-length: 0\r\n\r\n",
        Unfetched("failed", "answered 302"),
    ),
    "said to be large": (
        b"HTTP/1.1 200 X\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        Unfetched("failed", "cannot be reached, or broke off its answer"),
    ),
    "large": (
        b"HTTP/1.1 200 X\r\ncontent-length: 100001\r\n\r\n" + PNG,
        Unfetched("too_large", "is a file of more than 100000 bytes"),
    ),
    "large and silent about it": (
        b"HTTP/1.1 200 X\r\n\r\n" + PNG + bytes(200_000),
        Unfetched("too_large", "is a file of more than 100000 bytes"),
    ),
    "a page": (
        ok(b"<html>" + b" " * 600, b"content-type: text/html\r\n"),
        Unfetched("wrong_type", "is not an image: its file is text/html"),
    ),
    "a short page": (
        ok(b"<html>", b"content-type: image/png\r\n"),
        Unfetched("wrong_type", "is not an image: its file is of a type that is not known here"),
    ),
    "a PDF": (
        ok(b"%PDF-1.7" + b" " * 600),
        Unfetched("wrong_type", "is not an image: its file is application/pdf"),
    ),
    "nothing": (
        ok(b""),
        Unfetched("wrong_type", "is not an image: its file is of a type that is not known here"),
    ),
    "a gzip bomb": (
        ok(gzip.compress(bytes(1_000_000)), b"content-encoding: gzip\r\n"),
        Unfetched("wrong_type", "answered with a compressed body that was not asked for"),
    ),
    "no HTTP": (
        b"SSH-2.0-OpenSSH_9.6\r\n",
        Unfetched("failed", "cannot be reached, or broke off its answer"),
    ),
    "cut short": (
        b"HTTP/1.1 200 X\r\ncontent-length: 99\r\n\r\n" + PNG[:20],
        Unfetched("failed", "cannot be reached, or broke off its answer"),
    ),
}


@pytest.mark.parametrize(("sent", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_is_no_picture_is_told(run: Run, sent: bytes, expected: Unfetched) -> None:
    async def test() -> None:
        async with provider(answering(sent)) as up:
            assert await image(fetcher(up), f"{up.origin}/") == expected

    run(test())


def test_who_refuses_connections_is_not_reached(run: Run) -> None:
    async def test() -> None:
        async with provider(answering()) as up:
            pass
        assert await image(fetcher(up), f"{up.origin}/") == Unfetched(
            "failed", "cannot be reached, or broke off its answer"
        )

    run(test())


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 X\r\n", b"HTTP/1.1 200 X\r\ncontent-length: 99\r\n\r\n\x89PNG"]
)
def test_who_is_slow_is_left_at_the_time_limit(run: Run, said: bytes) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.say(said)
        await conversation.is_closed()

    async def test() -> None:
        async with provider(script) as up:
            asked = [MediaUrl("image", f"{up.origin}/")]
            (found,) = plain(await fetcher(up).fetch(asked, 0.05))
            assert found == Unfetched("timeout", "did not answer whole within 0.05 s")
            await until(lambda: up.conversations[0].is_over)

    run(test())


def test_a_name_server_that_is_silent_costs_no_more_than_the_limit(run: Run) -> None:
    release = threading.Event()

    def names(host: str) -> list[str]:
        release.wait(5)
        return []

    async def test() -> None:
        fetch = fetcher(names=names)
        (found,) = plain(await fetch.fetch([MediaUrl("image", "http://slow.test/")], 0.05))
        assert found == Unfetched("timeout", "did not answer whole within 0.05 s")
        release.set()

    run(test())


def test_look_ups_are_bounded(run: Run) -> None:
    release = threading.Event()

    def look_up(host: str, port: int) -> list[str]:
        release.wait(5)
        return ["127.0.0.1"]

    async def test() -> None:
        async with provider(answering(ok(PNG))) as up:
            resolver = Resolver(look_up, max_threads=1)
            rules = EgressRules(
                allow_http=True, ports=frozenset({up.origin.port}), allow_networks=LOOPBACK
            )
            fetch = MediaFetcher(rules, LIMITS, resolver=resolver)
            url = f"http://a.test:{up.origin.port}/"
            first = asyncio.ensure_future(image(fetch, url))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await until(lambda: resolver._threads == 1)
            assert await image(fetch, url) == NOT_PUBLIC
            release.set()
            assert await first == PNG_DATA
            assert resolver._threads == 0

    run(test())


def test_all_files_of_a_request_share_one_allowance(run: Run) -> None:
    body = PNG + bytes(79_000)

    async def test() -> None:
        async with provider(answering(ok(body))) as up:
            urls = [MediaUrl("image", f"{up.origin}/{n}") for n in range(2)]
            found = plain(await fetcher(up).fetch(urls, 60.0))
        too_large = Unfetched("too_large", "is one of several with more than 150000 bytes together")
        data = DataSource("image/png", base64.b64encode(body).decode())
        assert sorted(map(repr, found)) == sorted(map(repr, [data, too_large]))

    run(test())


def test_too_many_are_not_asked_for_at_all(run: Run) -> None:
    async def test() -> None:
        async with provider(answering(ok(PNG))) as up:
            urls = [MediaUrl("image", f"{up.origin}/{n}") for n in range(5)]
            found = await fetcher(up).fetch(urls, 60.0)
        reason = "is one of 5 to fetch, and 4 are allowed in one request"
        assert found == [Unfetched("too_many", reason)] * 5
        assert up.conversations == []

    run(test())


def test_who_gives_up_leaves_no_connection_behind(run: Run) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.say(b"HTTP/1.1 200 X\r\ncontent-length: 99999\r\n\r\n" + PNG)
        await conversation.is_closed()

    async def test() -> None:
        async with provider(script) as up:
            task = asyncio.ensure_future(image(fetcher(up), f"{up.origin}/"))
            await until(lambda: up.conversations)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: up.conversations[0].is_over)

    run(test())


KINDS: dict[str, tuple[MediaUrl, bytes, Fetched]] = {
    "PDF": (
        MediaUrl("document", "/a.pdf"),
        ok(b"%PDF-1.4"),
        DataSource("application/pdf", "JVBERi0xLjQ="),
    ),
    "text": (
        MediaUrl("document", "/a.txt"),
        ok("\ufeffGrüße".encode(), b"content-type: text/plain\r\n"),
        TextSource("Grüße"),
    ),
    "long text": (
        MediaUrl("document", "/a.csv"),
        ok("Grüße;".encode() * 300, b"content-type: text/csv; charset=utf-8\r\n"),
        TextSource("Grüße;" * 300),
    ),
    "text in another coding": (
        MediaUrl("document", "/a.txt"),
        ok("Grüße".encode("latin-1"), b"content-type: text/plain\r\n"),
        Unfetched("wrong_type", "is a text that is not in UTF-8"),
    ),
    "sound": (
        MediaUrl("audio", "/a.wav"),
        ok(b"RIFF\x00\x00\x00\x00WAVE"),
        DataSource("audio/wav", "UklGRgAAAABXQVZF"),
    ),
    "a picture for a document": (
        MediaUrl("document", "/a.png"),
        ok(PNG),
        Unfetched("wrong_type", "is not a document: its file is image/png"),
    ),
}


@pytest.mark.parametrize(("asked", "sent", "expected"), KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("is_split", [False, True], ids=["whole", "byte by byte"])
def test_each_kind_comes_as_what_it_is(
    run: Run, asked: MediaUrl, sent: bytes, expected: Fetched, is_split: bool
) -> None:
    pieces = [bytes([byte]) for byte in sent] if is_split else [sent]

    async def test() -> None:
        async with provider(answering(*pieces)) as up:
            media = MediaUrl(asked.kind, f"{up.origin}{asked.url}")
            (found,) = plain(await fetcher(up).fetch([media], 60.0))
        assert found == expected

    run(test())
