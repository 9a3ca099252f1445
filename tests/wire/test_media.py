"""Media by URL: which dialects take them, what stands in their place, where they stood."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from portico.errors import InvalidRequest
from portico.types.chat import (
    Audio,
    Block,
    BlocksSource,
    ChatRequest,
    DataSource,
    Document,
    DocumentSource,
    Image,
    Message,
    Text,
    TextSource,
    ToolCall,
    ToolResult,
    UrlSource,
    Video,
)
from portico.types.media import MediaKind, MediaUrl
from portico.wire.base import Dropped
from portico.wire.media import (
    EVERY_KIND,
    kinds_by_url,
    path_of,
    urls_of,
    with_data,
    without_urls,
)
from portico.wire.media_types import is_of_kind, media_type_of
from portico.wire.table import PROVIDER_DIALECTS

URL = "https://example.com/file"
DATA: dict[MediaKind, DataSource] = {
    "image": DataSource("image/png", "iVBORw0KGgo="),
    "document": DataSource("application/pdf", "JVBERi0xLjQ="),
    "audio": DataSource("audio/wav", "UklGRgAAAABXQVZF"),
    "video": DataSource("video/mp4", "AAAAGGZ0eXBpc29t"),
}
MAKE: dict[MediaKind, Callable[[Any], Block]] = {
    "image": Image,
    "document": Document,
    "audio": Audio,
    "video": Video,
}
IN_CONTENT = "content"
IN_RESULT = "tool result"

FETCHED: dict[str, set[str]] = {
    "openai_chat": {"document", "audio"},
    "ollama_chat": {"image"},
    "sagemaker_invoke": {"document", "audio"},
    "watsonx_chat": {"document", "audio"},
    "bedrock_converse": {"image", "document", "audio", "video"},
    "bedrock_invoke": {"image", "document"},
}
"""What each dialect takes as data and not by URL; all others take both, or neither."""


def asked(block: Block, place: str = IN_CONTENT) -> ChatRequest:
    messages: tuple[Message, ...] = (Message("user", (Text("Look:"), block)),)
    if place == IN_RESULT:
        messages = (
            Message("user", (Text("Look:"),)),
            Message("assistant", (ToolCall("c1", "look", "{}"),)),
            Message("user", (ToolResult("c1", (block,)),)),
        )
    return ChatRequest(dialect="test", model="m", messages=messages)


def told(dialect: str, request: ChatRequest) -> list[str]:
    dropped = Dropped()
    PROVIDER_DIALECTS[dialect].write_request(request, unsupported=dropped)
    return dropped.names


@pytest.mark.parametrize("dialect", sorted(PROVIDER_DIALECTS))
@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("place", [IN_CONTENT, IN_RESULT])
def test_a_writer_says_by_url_exactly_where_data_would_do(
    dialect: str, kind: MediaKind, place: str
) -> None:
    by_url = told(dialect, asked(MAKE[kind](UrlSource(URL)), place))
    as_data = told(dialect, asked(MAKE[kind](DATA[kind]), place))
    would_do = bool(by_url) and not as_data
    assert kinds_by_url(by_url) == (frozenset({kind}) if would_do else frozenset())
    assert would_do == (kind in FETCHED.get(dialect, set()))


DEEP = ChatRequest(
    dialect="test",
    model="m",
    messages=(
        Message("system", (Text("Be kind."),)),
        Message("user", (Text("a"), Image(UrlSource("https://e/1"), "high"))),
        Message("assistant", (ToolCall("c1", "look", "{}"),)),
        Message("user", (ToolResult("c1", (Text("b"), Image(UrlSource("https://e/2")))),)),
        Message(
            "user",
            (
                Document(BlocksSource((Text("c"), Image(UrlSource("https://e/1"))))),
                Document(UrlSource("https://e/3"), title="Report"),
                Audio(None, id="kept"),
            ),
        ),
    ),
)


def test_urls_are_found_wherever_they_stand_each_once() -> None:
    assert urls_of(DEEP, EVERY_KIND) == (
        MediaUrl("image", "https://e/1"),
        MediaUrl("image", "https://e/2"),
        MediaUrl("document", "https://e/3"),
    )
    assert urls_of(DEEP, frozenset({"document"})) == (MediaUrl("document", "https://e/3"),)
    assert urls_of(DEEP, frozenset()) == ()


def test_data_stand_where_the_urls_stood_and_all_else_stays() -> None:
    png = DATA["image"]
    text = TextSource("The report.")
    filled = with_data(
        DEEP,
        {
            MediaUrl("image", "https://e/1"): png,
            MediaUrl("image", "https://e/2"): InvalidRequest("not there"),
            MediaUrl("document", "https://e/3"): text,
        },
    )
    assert filled.messages[0] is DEEP.messages[0]
    assert filled.messages[1].content == (Text("a"), Image(png, "high"))
    assert filled.messages[3] is DEEP.messages[3]
    assert filled.messages[4].content == (
        Document(BlocksSource((Text("c"), Image(png)))),
        Document(text, title="Report"),
        Audio(None, id="kept"),
    )


def test_a_request_without_urls_is_the_same_object() -> None:
    request = asked(Image(DATA["image"]))
    assert with_data(request, {}) is request
    assert without_urls(request, EVERY_KIND, Dropped(), "d") is request


def test_urls_taken_out_are_named() -> None:
    dropped = Dropped()
    left = without_urls(DEEP, EVERY_KIND, dropped, "d")
    assert dropped.names == ["image.url", "document.url"]
    assert urls_of(left, EVERY_KIND) == ()
    assert left.messages[1].content == (Text("a"),)


def test_kinds_that_are_not_meant_stay() -> None:
    dropped = Dropped()
    left = without_urls(DEEP, frozenset({"document"}), dropped, "d")
    assert dropped.names == ["document.url"]
    assert [media.kind for media in urls_of(left, EVERY_KIND)] == ["image", "image"]


def test_a_place_in_a_body_is_told_as_a_path() -> None:
    body = json.dumps({"a": [1, {"b": "x"}, {"c": {"d": URL}}], "e": URL}).encode()
    assert path_of(body, URL) == "a[2].c.d"
    assert path_of(body, "y") is None
    assert path_of(b"{", URL) is None
    assert path_of(json.dumps(URL).encode(), URL) == ""


PNG = b"\x89PNG\r\n\x1a\n\x00\x00"
FILES: dict[str, tuple[bytes, str, str | None]] = {
    "png": (PNG, "text/plain", "image/png"),
    "jpeg": (b"\xff\xd8\xff\xe0", "", "image/jpeg"),
    "gif": (b"GIF89a", "image/png", "image/gif"),
    "webp": (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "", "image/webp"),
    "wav": (b"RIFF\x00\x00\x00\x00WAVEfmt ", "", "audio/wav"),
    "heic": (b"\x00\x00\x00\x18ftypheic", "", "image/heic"),
    "mp4": (b"\x00\x00\x00\x18ftypisom", "", "video/mp4"),
    "m4a": (b"\x00\x00\x00\x18ftypM4A ", "", "audio/mp4"),
    "webm": (b"\x1aE\xdf\xa3\x01\x00\x00\x00webm", "", "video/webm"),
    "mp3": (b"ID3\x03", "", "audio/mpeg"),
    "pdf": (b"%PDF-1.7", "application/octet-stream", "application/pdf"),
    "docx": (
        b"PK\x03\x04",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document; x=y",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    "zip": (b"PK\x03\x04", "application/zip", None),
    "a zip that is said to be a picture": (b"PK\x03\x04", "image/png", None),
    "text": ("Grüße".encode(), "Text/CSV; charset=utf-8", "text/csv"),
    "text that is said to be a picture": (b"<html>", "image/png", None),
    "svg": (b"<svg xmlns=", "image/svg+xml", None),
    "binary that is said to be text": (b"\x00\x01", "text/plain", None),
    "nothing": (b"", "image/png", None),
}


@pytest.mark.parametrize(("beginning", "declared", "expected"), FILES.values(), ids=FILES)
def test_a_file_is_what_its_bytes_say(
    beginning: bytes, declared: str, expected: str | None
) -> None:
    assert media_type_of(beginning, declared) == expected


@pytest.mark.parametrize("kind", DATA)
def test_a_type_is_of_one_kind(kind: MediaKind) -> None:
    fitting = [other for other, data in DATA.items() if is_of_kind(data.media_type, kind)]
    assert fitting == [kind]
    assert is_of_kind("text/csv", "document")


@pytest.mark.parametrize("kind", DATA)
def test_the_samples_here_are_what_they_say(kind: MediaKind) -> None:
    source: DocumentSource = DATA[kind]
    assert isinstance(source, DataSource)
    assert media_type_of(base64.b64decode(source.data), "") == source.media_type
