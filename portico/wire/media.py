"""Media by URL in a canonical request: which there are, and data in their place. Pure.

A writer that takes a kind of media as data, but by no address, says so to `unsupported` by a name
of `BY_URL` (`image.url`, `document.url` …). Whoever may fetch can then put the data in and write
again; `tests/wire/test_media.py` holds every writer to that.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from portico.errors import GatewayError
from portico.types.chat import (
    Audio,
    Block,
    BlocksSource,
    ChatRequest,
    DataSource,
    Document,
    Image,
    Text,
    TextSource,
    Thinking,
    ToolCall,
    ToolResult,
    UrlSource,
    Video,
)
from portico.types.media import MediaKind, MediaUrl
from portico.wire.base import Unsupported, refuse
from portico.wire.json_io import MalformedError, decode

BY_URL: Final[dict[str, MediaKind]] = {
    "image.url": "image",
    "document.url": "document",
    "audio.url": "audio",
    "video.url": "video",
}

_URL_SOURCE: Final = re.compile(rb'"(?:url|(?:image|video|file)_url)"\s*:\s*"(?!data:)')
EVERY_KIND: Final = frozenset(BY_URL.values())
_MOST: Final = frozenset({Text, ToolCall, Thinking})
"""What conversations mostly consist of."""

Media = Image | Document | Audio | Video
Change = Callable[[Media, MediaUrl], Block | None]
"""What stands in the place of a block that has a URL; `None` takes it out."""


def kinds_by_url(dropped: Iterable[str]) -> frozenset[MediaKind]:
    """The kinds of media that a writer would have taken as data."""
    return frozenset(BY_URL[name] for name in dropped if name in BY_URL)


def urls_of(request: ChatRequest, kinds: frozenset[MediaKind]) -> tuple[MediaUrl, ...]:
    """Each once, in the order of the conversation."""
    found: dict[MediaUrl, None] = {}

    def note(block: Media, media: MediaUrl) -> Block:
        if media.kind in kinds:
            found[media] = None
        return block

    _changed(request, note)
    return tuple(found)


def with_data(
    request: ChatRequest, data: Mapping[MediaUrl, DataSource | TextSource | GatewayError]
) -> ChatRequest:
    """The request with `data` in the place of their URLs; an error leaves the URL."""

    def put_in(block: Media, media: MediaUrl) -> Block:
        source = data.get(media)
        match block:
            case Document() if isinstance(source, DataSource | TextSource):
                return replace(block, source=source)
            case Image() | Audio() | Video() if isinstance(source, DataSource):
                return replace(block, source=source)
            case _:
                return block

    return _changed(request, put_in)


def without_urls(
    request: ChatRequest, kinds: frozenset[MediaKind], unsupported: Unsupported, dialect: str
) -> ChatRequest:
    """For providers that take less by URL than their dialect does: says so, and takes them out."""

    def take_out(block: Media, media: MediaUrl) -> Block | None:
        if media.kind not in kinds:
            return block
        unsupported(f"{media.kind}.url", dialect)
        return None

    return _changed(request, take_out)


def refuse_but_media(dropped: Unsupported) -> Unsupported:
    """The `unsupported_params: error` policy for requests whose media may still be fetched."""

    def unsupported(field: str, dialect: str, /) -> None:
        (dropped if field in BY_URL else refuse)(field, dialect)

    return unsupported


def may_have_urls(body: bytes) -> bool:
    """Does a body in the dialect of OpenAI or Anthropic look as if it had media by URL? It may only
    seem so.
    """
    return _URL_SOURCE.search(body) is not None


def path_of(body: bytes, text: str) -> str | None:
    """Where in a JSON body the string `text` stands, such as `messages[0].content[1].url`."""
    try:
        value = decode(body)
    except MalformedError:
        return None
    left: list[tuple[str, Any]] = [("", value)]
    while left:
        path, value = left.pop()
        if isinstance(value, str):
            if value == text:
                return path
        elif isinstance(value, dict):
            prefix = f"{path}." if path else ""
            left += reversed([(f"{prefix}{key}", item) for key, item in value.items()])
        elif isinstance(value, list):
            left += reversed([(f"{path}[{i}]", item) for i, item in enumerate(value)])
    return None


def _changed(request: ChatRequest, change: Change) -> ChatRequest:
    messages = tuple(
        message
        if (content := _blocks(message.content, change)) is message.content
        else replace(message, content=content)
        for message in request.messages
    )
    if all(new is old for new, old in zip(messages, request.messages, strict=True)):
        return request
    return replace(request, messages=messages)


def _blocks(blocks: tuple[Block, ...], change: Change) -> tuple[Block, ...]:
    """The same tuple where nothing changes."""
    changed = tuple(new for block in blocks if (new := _block(block, change)) is not None)
    if len(changed) == len(blocks) and all(map(lambda new, old: new is old, changed, blocks)):
        return blocks
    return changed


def _block(block: Block, change: Change) -> Block | None:
    if type(block) in _MOST:
        return block
    match block:
        case Image(UrlSource(url)):
            return change(block, MediaUrl("image", url))
        case Document(UrlSource(url)):
            return change(block, MediaUrl("document", url))
        case Audio(UrlSource(url)):
            return change(block, MediaUrl("audio", url))
        case Video(UrlSource(url)):
            return change(block, MediaUrl("video", url))
        case ToolResult():
            content = _blocks(block.content, change)
            return block if content is block.content else replace(block, content=content)
        case Document(BlocksSource(content)):
            inner = _blocks(content, change)
            return block if inner is content else replace(block, source=BlocksSource(inner))
        case _:
            return block
