"""Where an answer comes from, and how likely each token was: Gemini's forms to ours and back.

https://ai.google.dev/api/generate-content#GroundingMetadata, …#CitationMetadata and
…#LogprobsResult (2026-11-23). Google's indexes count bytes of UTF-8, ours characters.
"""

from collections.abc import Iterable
from typing import Any

from portico.types.chat import Citation, JsonObject, Text
from portico.wire.base import Unsupported
from portico.wire.gemini_generate.parts import NAME


def read_citations(grounding: Any, recitation: Any, text: str) -> tuple[Citation, ...]:
    """What others can use of `groundingMetadata` and `citationMetadata`; `text` is the answer's."""
    encoded = text.encode()
    citations: list[Citation] = []
    chunks = _objects(grounding, "groundingChunks")
    for support in _objects(grounding, "groundingSupports"):
        segment = support.get("segment")
        segment = segment if isinstance(segment, dict) else {}
        start, end = _span(segment, encoded)
        indices = support.get("groundingChunkIndices")
        for index in indices if isinstance(indices, list) else ():
            if isinstance(index, int) and 0 <= index < len(chunks):
                url, title = _source(chunks[index])
                citations.append(_citation(url, title, segment.get("text"), start, end))
    key = "citationSources" if _objects(recitation, "citationSources") else "citations"
    for source in _objects(recitation, key):
        start, end = _span(source, encoded)
        citations.append(_citation(source.get("uri"), source.get("title"), None, start, end))
    return tuple(citations)


def _objects(value: Any, key: str) -> list[JsonObject]:
    listed = value.get(key) if isinstance(value, dict) else None
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def _source(chunk: JsonObject) -> tuple[Any, Any]:
    for kind in ("web", "retrievedContext", "maps", "image"):
        source = chunk.get(kind)
        if isinstance(source, dict):
            return source.get("uri") or source.get("sourceUri"), source.get("title")
    return None, None


def _span(place: JsonObject, encoded: bytes) -> tuple[int | None, int | None]:
    end = place.get("endIndex")
    if not isinstance(end, int):
        return None, None
    start = place.get("startIndex")
    start = start if isinstance(start, int) else 0
    return _characters(encoded, start), _characters(encoded, end)


def _characters(encoded: bytes, length: int) -> int:
    return len(encoded[: max(length, 0)].decode("utf-8", "ignore"))


def _citation(url: Any, title: Any, text: Any, start: int | None, end: int | None) -> Citation:
    return Citation(
        url=url if isinstance(url, str) else None,
        title=title if isinstance(title, str) else None,
        cited_text=text if isinstance(text, str) else None,
        start_index=start,
        end_index=end,
        dialect=NAME,
    )


def write_grounding(texts: Iterable[Text], unsupported: Unsupported) -> JsonObject | None:
    """The citations of an answer's texts, in order; `None` if there are none with an address."""
    places: dict[tuple[str, str | None], int] = {}
    supports: list[JsonObject] = []
    before = 0
    for text in texts:
        for citation in text.citations:
            if citation.url is None:
                unsupported("citations", NAME)
                continue
            place = places.setdefault((citation.url, citation.title), len(places))
            segment = _segment(citation, text.text, before)
            supports.append({"segment": segment, "groundingChunkIndices": [place]})
        before += len(text.text.encode())
    if not supports:
        return None
    chunks = [{"web": {"uri": url, **_title(title)}} for url, title in places]
    return {"groundingChunks": chunks, "groundingSupports": supports}


def _title(title: str | None) -> JsonObject:
    return {} if title is None else {"title": title}


def _segment(citation: Citation, text: str, before: int) -> JsonObject:
    start = citation.start_index or 0
    end = len(text) if citation.end_index is None else citation.end_index
    return {
        "startIndex": before + len(text[:start].encode()),
        "endIndex": before + len(text[:end].encode()),
        "text": text[start:end],
    }


def read_logprobs(result: Any) -> JsonObject | None:
    """In OpenAI's form, which is the canonical one."""
    chosen = _objects(result, "chosenCandidates")
    if not chosen:
        return None
    top = _objects(result, "topCandidates")
    content: list[JsonObject] = []
    for i, token in enumerate(chosen):
        others = _objects(top[i], "candidates") if i < len(top) else []
        content.append({**_token(token), "top_logprobs": [_token(other) for other in others]})
    return {"content": content}


def _token(candidate: JsonObject) -> JsonObject:
    token = candidate.get("token")
    token = token if isinstance(token, str) else ""
    return {
        "token": token,
        "logprob": candidate.get("logProbability") or 0.0,
        "bytes": list(token.encode("utf-8", "replace")),
    }


def write_logprobs(logprobs: JsonObject) -> JsonObject:
    content = _objects(logprobs, "content")
    return {
        "topCandidates": [
            {"candidates": [_candidate(other) for other in _objects(token, "top_logprobs")]}
            for token in content
        ],
        "chosenCandidates": [_candidate(token) for token in content],
    }


def _candidate(token: JsonObject) -> JsonObject:
    return {"token": token.get("token"), "logProbability": token.get("logprob")}
