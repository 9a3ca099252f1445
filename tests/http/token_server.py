"""A scripted server of credentials on loopback, and what the token tests share."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from portico.http.client import HttpPool
from tests.http.harness import Conversation, pooling, provider

NOW = 1_795_437_296.0
LATER = "2026-11-23T13:14:56Z"
"""What `NOW` plus 2400 seconds is called."""

Answer = tuple[int, Any]


class Asked(msgspec.Struct):
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), strict_parsing=True))


class TokenServer:
    """`script` maps `METHOD /path` to answers: bytes as they are, all else as JSON."""

    def __init__(self, script: dict[str, Answer | list[Answer]]) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self.url = ""
        self.pool: HttpPool

    async def converse(self, conversation: Conversation) -> None:
        while True:
            head, body = await conversation.request()
            line, *fields = head.decode("latin-1").rstrip().split("\r\n")
            method, target, _ = line.split(" ")
            headers = dict(field.split(": ", 1) for field in fields)
            self.asked.append(Asked(method, target, headers, body))
            given = self.script.get(f"{method} {target.partition('?')[0]}", (404, {}))
            if isinstance(given, list):
                given = given.pop(0) if len(given) > 1 else given[0]
            status, value = given
            sent = value if isinstance(value, bytes) else json.dumps(value).encode()
            await conversation.say(
                b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(sent), sent)
            )


@contextlib.asynccontextmanager
async def serving(script: dict[str, Any]) -> AsyncIterator[TokenServer]:
    made = TokenServer(script)
    async with provider(made.converse) as server, pooling(HttpPool()) as pool:
        made.url = str(server.origin)
        made.pool = pool
        yield made


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def files(**contents: str) -> Callable[[str], str]:
    """A reader of files that are named here with `_` for `/` and `.`."""

    def read(path: str) -> str:
        try:
            return contents[path.strip("/").replace("/", "_").replace(".", "_")]
        except KeyError:
            raise FileNotFoundError(path) from None

    return read


NO_FILES = files()
