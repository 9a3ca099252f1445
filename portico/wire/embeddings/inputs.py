"""What clients of OpenAI's shape give to be made vectors: texts, token ids, and pictures.

OpenAI knows no pictures here; whoever has models for them reads objects: `{"text"}` and `{"image"}`
(Jina, by https://github.com/Crypto-Gi/Jina-Ai-Compatible-Server), `{"content": [...]}` with typed
parts (Voyage, https://docs.voyageai.com/reference/multimodal-embeddings-api-1), a part of a Chat
message. Read 2026-11-23.
"""

from typing import Any, Final

from portico.types.chat import DataSource, UrlSource
from portico.types.embeddings import EmbeddingInput, Mixed, Part
from portico.wire.json_io import MalformedError
from portico.wire.openai_chat.parts import read_url

_PICTURES: Final = ("image", "image_url", "image_base64", "url")


def read_inputs(given: str | list[Any]) -> tuple[EmbeddingInput, ...]:
    if isinstance(given, str):
        return (given,)
    if not given:
        raise MalformedError("expected at least one input", "input")
    if isinstance(given[0], int):
        return (_tokens(given, "input"),)
    return tuple(_read_input(item, f"input[{i}]") for i, item in enumerate(given))


def _read_input(item: Any, path: str) -> EmbeddingInput:
    if isinstance(item, str):
        return item
    if not isinstance(item, dict):
        return _tokens(item, path)
    content = item.get("content")
    if not isinstance(content, list) or not content:
        return _read_part(item, path)
    parts = tuple(_read_part(part, f"{path}.content[{i}]") for i, part in enumerate(content))
    return parts[0] if len(parts) == 1 else Mixed(parts)


def _read_part(part: Any, path: str) -> Part:
    if isinstance(part, dict):
        if isinstance(text := part.get("text"), str):
            return text
        for name in _PICTURES:
            found = part.get(name)
            if isinstance(found, dict):
                found = found.get("url")
            if isinstance(found, str):
                return _picture(found)
    raise MalformedError("expected `text` or `image`", path)


def _picture(given: str) -> UrlSource | DataSource:
    """An address, a `data:` URL, or bare base64 as Jina takes it."""
    source = read_url(given)
    is_address = isinstance(source, UrlSource) and "://" in given[:16]
    return (
        source if is_address or isinstance(source, DataSource) else DataSource("image/png", given)
    )


def _tokens(given: Any, path: str) -> tuple[int, ...]:
    if not isinstance(given, list) or not all(type(token) is int for token in given):
        raise MalformedError("expected a string or an array of token ids", path)
    return tuple(given)


def is_picture(source: UrlSource | DataSource) -> bool:
    """An address is taken for one."""
    return isinstance(source, UrlSource) or source.media_type.startswith("image/")


def write_url(source: UrlSource | DataSource) -> str:
    if isinstance(source, UrlSource):
        return source.url
    return f"data:{source.media_type};base64,{source.data}"
