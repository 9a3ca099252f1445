"""Everything that reads what somebody else wrote, as one table: seeds, and a function of bytes.

A reader's function returns for whatever bytes it is given. It lets the errors pass that the code
declares; any other exception is a defect. What was read is also written, in every dialect: a value
that nobody can write is as bad as one that nobody can read.
"""

import base64
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from portico.config.load import load
from portico.errors import (
    ConfigError,
    GatewayError,
    InvalidRequest,
    UnsupportedParameter,
    UpstreamError,
    UpstreamProtocol,
)
from portico.policy.prompt_tokens import prompt_tokens
from portico.types.chat import ChatRequest, ChatResponse, Home
from portico.types.chat_stream import Event, StreamEnd, StreamError
from portico.types.embeddings import EmbeddingRequest
from portico.types.http import HttpHead
from portico.types.rerank import RerankRequest
from portico.wire import conversation, envelope
from portico.wire.assemble import collect
from portico.wire.aws_events import AwsEventSplitter, write_event
from portico.wire.base import Dropped, ReplyContext
from portico.wire.custom_tools import custom_names, restore, wrap
from portico.wire.embeddings.base import NativeVectors, batches, count
from portico.wire.embeddings.table import EMBEDDING_DIALECTS, EMBEDDING_SHAPES, NATIVE_VECTORS
from portico.wire.gemini_generate.vertex import for_vertex
from portico.wire.media import EVERY_KIND, path_of, urls_of
from portico.wire.natives import COUNTERS, NATIVES
from portico.wire.openai_responses import continuation
from portico.wire.openai_usage import read_usage
from portico.wire.rerank.base import checked
from portico.wire.rerank.table import RERANK_DIALECTS, RERANK_SHAPES
from portico.wire.sse import SseSplitter
from portico.wire.table import CLIENT_DIALECTS, CLIENT_SHAPES, PROVIDER_DIALECTS
from portico.wire.tap import StreamTap, Tap

Read = Callable[[bytes], Iterator[None]]
"""One step after the other, so that each can be timed."""

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "fixtures"
_BROKEN = UpstreamProtocol("broken")
_ASKED = ChatRequest(dialect="test", model="m", messages=())
_HOME = Home("up", "m")


class Reader(msgspec.Struct, frozen=True):
    """`seeds` are good inputs; `is_json` says that they are whole JSON values."""

    seeds: tuple[bytes, ...]
    steps: Read
    is_json: bool = True


def run(reader: Reader, data: bytes) -> float:
    """Read `data`; CPU seconds of the slowest step. What an undeclared error raises, is raised."""
    slowest, before = 0.0, time.process_time()
    for _ in reader.steps(data):
        now = time.process_time()
        slowest = max(slowest, now - before)
        before = now
    return max(slowest, time.process_time() - before)


@cache
def readers() -> dict[str, Reader]:
    found: dict[str, Reader] = {}
    for name in CLIENT_DIALECTS:
        found[f"request {name}"] = Reader(_files(name, "request.json"), _request(name))
    for name in CLIENT_SHAPES:
        seeds = (b'{"model":"m","prompt":"hi","system":"s","images":["aGk="],"stream":false}',)
        found[f"shape {name}"] = Reader(seeds, _shape(name))
    for name in COUNTERS:
        found[f"count {name}"] = Reader(_files(name, "request.json"), _count(name))
        found[f"counted {name}"] = Reader(
            (b'{"input_tokens":3}', b'{"totalTokens":3}'), _counted(name)
        )
    for name in PROVIDER_DIALECTS:
        found[f"answer {name}"] = Reader(_files(name, "response.json"), _answer(name))
        found[f"error {name}"] = Reader(_error_bodies(name), _error(name))
        found[f"stream {name}"] = Reader(_streams(name), _stream(name), is_json=False)
    for name in NATIVES:
        seeds = _files(name, "response.json")
        found[f"native usage {name}"] = Reader(seeds, _native_usage(name))
        found[f"native stream {name}"] = Reader(_streams(name), _native_stream(name), is_json=False)
    for operation in ("chat", "response", "completion", "embedding", "rerank", "image"):
        seeds = _files("openai_responses" if operation == "response" else "openai_chat", "*.json")
        found[f"usage {operation}"] = Reader(seeds, _usage(operation))
    for operation in ("chat", "completion", "response", "image"):
        seeds = _streams("openai_responses" if operation == "response" else "openai_chat")
        found[f"tap {operation}"] = Reader(seeds, _tap(operation), is_json=False)
    for name in EMBEDDING_SHAPES:
        found[f"embedding request {name}"] = Reader(EMBEDDING_REQUESTS, _embedding_request(name))
    for name in RERANK_SHAPES:
        found[f"rerank request {name}"] = Reader(RERANK_REQUESTS, _rerank_request(name))
    for name, native in NATIVE_VECTORS.items():
        found[f"vector usage {name}"] = Reader(EMBEDDING_ANSWERS, _vector_usage(native))
    for name in EMBEDDING_DIALECTS:
        found[f"embedding answer {name}"] = Reader(EMBEDDING_ANSWERS, _embedding_answer(name))
    for name in RERANK_DIALECTS:
        found[f"rerank answer {name}"] = Reader(RERANK_ANSWERS, _rerank_answer(name))
    every = tuple(seed for name in CLIENT_DIALECTS for seed in _files(name, "request.json"))
    found["envelope"] = Reader(every, _envelope)
    found["conversation"] = Reader(every, _conversation)
    found["vertex body"] = Reader(_files("gemini_generate", "request.json"), _vertex)
    found["sse"] = Reader(_streams("openai_chat"), _sse, is_json=False)
    found["aws events"] = Reader(
        tuple(map(framed, _streams("bedrock_converse"))), _aws, is_json=False
    )
    examples = sorted((ROOT.parent / "examples").glob("*.yaml"))
    found["config"] = Reader(tuple(path.read_bytes() for path in examples), _config, is_json=False)
    return found


def framed(lines: bytes) -> bytes:
    """An AWS event stream of lines such as `event messageStart {…}`."""
    frames = b""
    for line in lines.splitlines():
        kind, _, rest = line.partition(b" ")
        name, _, payload = rest.partition(b" ")
        told, named = kind.decode("latin-1")[:20], name.decode("latin-1")[:200]
        frames += write_event({":message-type": told, f":{told}-type": named}, payload)
    return frames


def chunked(stream: bytes) -> bytes:
    """The events of Anthropic's stream as InvokeModel wraps them."""
    frames = b""
    for event in stream.split(b"\n\n"):
        _, found, data = event.partition(b"data: ")
        payload = json.dumps({"bytes": base64.b64encode(data or event).decode()}).encode()
        name = "chunk" if found else "other"
        frames += write_event({":message-type": "event", ":event-type": name}, payload)
    return frames


def parted(stream: bytes) -> bytes:
    """A stream as SageMaker passes it on: pieces of it, cut anywhere."""
    headers = {":message-type": "event", ":event-type": "PayloadPart"}
    pieces = (stream[at : at + 100] for at in range(0, len(stream), 100))
    return b"".join(write_event(headers, piece) for piece in pieces)


WRAPPED = {"bedrock_converse": framed, "bedrock_invoke": chunked, "sagemaker_invoke": parted}
"""Streams whose events are mutated as text and then put into frames with good checksums."""


def _files(name: str, file: str) -> tuple[bytes, ...]:
    if file == "response.json":
        name = _LIKE.get(name, name)
    return tuple(path.read_bytes() for path in sorted(FIXTURES.glob(f"{name}/*/{file}")))


_LIKE = {"bedrock_invoke": "anthropic_messages", "sagemaker_invoke": "openai_chat"}
"""Dialects that are another in other wrapping."""


def _error_bodies(name: str) -> tuple[bytes, ...]:
    bodies = (json.loads(file)["body"] for file in _files(name, "error.json"))
    return tuple(json.dumps(body).encode() for body in bodies)


def _streams(name: str) -> tuple[bytes, ...]:
    whole = _files(_LIKE.get(name, name), "stream.txt")
    if whole or name != "bedrock_converse":
        return whole
    return tuple(map(_as_lines, _files(name, "stream.jsonl")))


def _as_lines(events: bytes) -> bytes:
    lines = []
    for line in events.splitlines():
        kind, name, payload = json.loads(line)
        said = payload if isinstance(payload, str) else json.dumps(payload)
        lines.append(f"{kind} {name} {said}".encode())
    return b"\n".join(lines)


# Requests


def _request(name: str) -> Read:
    extra: Any = {"model": "m", "stream": False} if name == "gemini_generate" else {}

    def read(body: bytes) -> Iterator[None]:
        try:
            request = CLIENT_DIALECTS[name].read_request(body, **extra)
        except InvalidRequest:
            path_of(body, "text")
            return
        yield from _write_request(request)

    return read


def _shape(name: str) -> Read:
    def read(body: bytes) -> Iterator[None]:
        try:
            request = CLIENT_SHAPES[name].read_request(body)
        except InvalidRequest:
            return
        yield from _write_request(request)

    return read


def _write_request(request: ChatRequest) -> Iterator[None]:
    for provider in PROVIDER_DIALECTS.values():
        yield
        provider.write_request(request, unsupported=Dropped(), home=_HOME)
    yield
    prompt_tokens(request)
    yield
    urls_of(request, EVERY_KIND)
    wrap(request, "test", Dropped())
    yield
    restore(ChatResponse(dialect="t", id="x", model="m", choices=()), custom_names(request))
    continuation.previous_id(request)
    continuation.continued(request, ())


def _count(name: str) -> Read:
    def read(body: bytes) -> Iterator[None]:
        try:
            request = COUNTERS[name].read_count_tokens(body, model="m")
        except InvalidRequest:
            return
        prompt_tokens(request)
        for counter in COUNTERS.values():
            yield
            counter.write_count_tokens(request, unsupported=Dropped(), home=_HOME)

    return read


def _counted(name: str) -> Read:
    def read(body: bytes) -> Iterator[None]:
        try:
            tokens = COUNTERS[name].read_token_count(body)
        except UpstreamError:
            return
        for counter in COUNTERS.values():
            yield
            counter.write_token_count(tokens)

    return read


def _envelope(body: bytes) -> Iterator[None]:
    try:
        seen = envelope.peek(body)
    except GatewayError:
        return
    yield
    envelope.wants_usage(seen)
    envelope.streaming(seen)
    json.loads(envelope.splice(body, seen, b'"other"', add_usage=True))
    yield
    envelope.rename(body, (("max_tokens", "max_completion_tokens"), ("user", "user_id")))
    envelope.drop(body, ("messages", "stop"))
    envelope.without_model(body)


def _conversation(body: bytes) -> Iterator[None]:
    yield
    conversation.session_name(body)
    conversation.opening(body)
    conversation.needs(body)
    conversation.has_data(body)


def _vertex(body: bytes) -> Iterator[None]:
    for_vertex(body)
    yield


# Answers


def _answer(name: str) -> Read:
    def read(body: bytes) -> Iterator[None]:
        try:
            response = PROVIDER_DIALECTS[name].read_response(body, home=_HOME)
        except UpstreamError:
            return
        restore(response, frozenset({"f", "apply_patch"}))
        continuation.turns(_ASKED, response)
        for client in (*CLIENT_DIALECTS.values(), *CLIENT_SHAPES.values()):
            yield
            client.write_response(response, context=_context(), unsupported=Dropped())

    return read


def _error(name: str) -> Read:
    def read(body: bytes) -> Iterator[None]:
        for status in (400, 429, 503):
            head = HttpHead(status, {b"retry-after": body[:40]})
            error = PROVIDER_DIALECTS[name].read_error(head, body)
            assert isinstance(error, UpstreamError)
            for client in (*CLIENT_DIALECTS.values(), *CLIENT_SHAPES.values()):
                yield
                json.loads(client.write_error(error))

    return read


def _native_usage(name: str) -> Read:
    def read(body: bytes) -> Iterator[None]:
        NATIVES[name].read_usage(body)
        yield

    return read


def _usage(operation: str) -> Read:
    def read(body: bytes) -> Iterator[None]:
        read_usage(body, operation)
        yield

    return read


# Streams


def _context() -> ReplyContext:
    return ReplyContext(request=_ASKED, id="x", now=0, elapsed_ns=lambda: 1)


def _stream(name: str) -> Read:
    """Whole, and again in pieces, which must tell the same."""

    def read(data: bytes) -> Iterator[None]:
        data = WRAPPED.get(name, bytes)(data)
        whole = PROVIDER_DIALECTS[name].stream_reader(home=_HOME)
        told = [*whole.feed(data), *whole.close()]
        yield
        _check_grammar(told)
        yield
        in_pieces = PROVIDER_DIALECTS[name].stream_reader(home=_HOME)
        size = max(1, len(data) // 7)
        again = [
            e for at in range(0, len(data), size) for e in in_pieces.feed(data[at : at + size])
        ]
        again += in_pieces.close()
        assert type(again[-1]) is type(told[-1])
        for client in (*CLIENT_DIALECTS.values(), *CLIENT_SHAPES.values()):
            yield
            writer = client.stream_writer(context=_context(), unsupported=Dropped())
            for event in told:
                writer.write(event)
            assert writer.close() == b""

    return read


def _check_grammar(told: list[Event]) -> None:
    ends = [event for event in told if isinstance(event, StreamEnd | StreamError)]
    assert ends == told[-1:]
    try:
        collect(told)
    except UpstreamError:
        assert isinstance(told[-1], StreamError), "a stream that ends well is against the grammar"
    except GatewayError:
        assert isinstance(told[-1], StreamError)


def _native_stream(name: str) -> Read:
    def read(data: bytes) -> Iterator[None]:
        for make in (NATIVES[name].tap, NATIVES[name].array_tap):
            yield
            _pass(make(), data)

    return read


def _tap(operation: str) -> Read:
    def read(data: bytes) -> Iterator[None]:
        for strip in (False, True):
            yield
            _pass(StreamTap(operation, strip_usage=strip), data)

    return read


def _pass(tap: Tap, data: bytes) -> None:
    size = max(1, len(data) // 5)
    for at in range(0, len(data), size):
        tap.feed(data[at : at + size])
    tap.close()
    assert tap.events >= 0
    assert tap.error is None or isinstance(tap.error, GatewayError)
    tap.fail(tap.error or _BROKEN)


def _sse(data: bytes) -> Iterator[None]:
    yield
    splitter = SseSplitter()
    try:
        splitter.feed(data)
        splitter.close()
    except UpstreamError:
        pass


def _aws(data: bytes) -> Iterator[None]:
    yield
    splitter = AwsEventSplitter()
    try:
        for event in splitter.feed(data):
            assert isinstance(event.kind, str)
            assert isinstance(event.name, str)
        splitter.close()
    except UpstreamError:
        pass


# Vectors and ranks

EMBEDDING_REQUESTS = (
    b'{"model":"m","input":["a","b"],"dimensions":3,"encoding_format":"float","user":"u",'
    b'"input_type":"query","odd":1}',
    b'{"model":"m","input":[[1,2],[3]],"encoding_format":"base64"}',
    b'{"model":"m","input":"a"}',
    b'{"model":"m","texts":["a","b"],"input_type":"search_query","embedding_types":["float"],'
    b'"truncate":"END","images":["data:image/png;base64,aGk="],"output_dimension":3}',
    b'{"model":"m","input_type":"image","inputs":[{"content":[{"type":"text","text":"a"},'
    b'{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}}]}]}',
    b'{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]},'
    b'"taskType":"RETRIEVAL_QUERY","title":"t","outputDimensionality":3}]}',
    b'{"content":{"parts":[{"text":"a"},{"inline_data":{"mime_type":"image/png","data":"aGk="}}]}}',
    b'{"model":"m","input":["a"],"truncate":true,"options":{"num_ctx":1},"keep_alive":"5m"}',
    b'{"model":"m","prompt":"a"}',
)
EMBEDDING_ANSWERS = (
    b'{"id":"x","embeddings":{"float":[[0.1,0.2]],"base64":["AACAPwAAAEA="]},"texts":["a"],'
    b'"meta":{"billed_units":{"input_tokens":2,"images":1}}}',
    b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,0.2]}],'
    b'"model":"m","usage":{"prompt_tokens":2,"total_tokens":2}}',
    b'{"data":[{"index":0,"embedding":"AACAPwAAAEA="}],"usage":{"total_tokens":2}}',
    b'{"embeddings":[{"values":[0.1,0.2]}],"usageMetadata":{"promptTokenCount":2}}',
    b'{"embeddings":{"float":[[0.1,0.2]]},"meta":{"billed_units":{"input_tokens":2}}}',
    b'{"embeddings":[[0.1,0.2]],"prompt_eval_count":2}',
    b'{"embedding":[0.1,0.2],"embeddingsByType":{"float":[0.1]},"inputTextTokenCount":2}',
)
RERANK_REQUESTS = (
    b'{"model":"m","query":"q","documents":["a",{"text":"b"}],"top_n":1,'
    b'"return_documents":true,"max_chunks_per_doc":3,"odd":1}',
)
RERANK_ANSWERS = (
    b'{"id":"x","results":[{"index":0,"relevance_score":0.9,"document":{"text":"a"}}],'
    b'"meta":{"billed_units":{"search_units":1}},"usage":{"total_tokens":3}}',
    b'{"data":[{"index":0,"relevance_score":0.9}],"usage":{"total_tokens":3}}',
    b'{"results":[{"index":0,"relevanceScore":0.9}]}',
)


def _embedding_request(name: str) -> Read:
    def read(body: bytes) -> Iterator[None]:
        try:
            request = EMBEDDING_SHAPES[name].read_request(body)
        except InvalidRequest:
            return
        for provider in EMBEDDING_DIALECTS.values():
            yield
            for batch in batches(request, provider.MAX_INPUTS)[:2]:
                with contextlib.suppress(UnsupportedParameter):  # what cannot be left out
                    provider.write_request(batch, unsupported=Dropped())

    return read


def _embedding_answer(name: str) -> Read:
    request = EmbeddingRequest(dialect="test", model="m", inputs=("a",))

    def read(body: bytes) -> Iterator[None]:
        try:
            response = count(EMBEDDING_DIALECTS[name].read_response(body, headers={}), request)
            for shape in EMBEDDING_SHAPES.values():
                yield
                shape.write_response(response, request=request, id="x")
        except UpstreamError:
            pass

    return read


def _vector_usage(native: NativeVectors) -> Read:
    def read(body: bytes) -> Iterator[None]:
        yield
        native.read_usage(body)
        if native.rename is not None:
            native.rename(body, "other")

    return read


def _rerank_request(name: str) -> Read:
    def read(body: bytes) -> Iterator[None]:
        try:
            request = RERANK_SHAPES[name].read_request(body)
        except InvalidRequest:
            return
        for provider in RERANK_DIALECTS.values():
            yield
            provider.write_request(request, unsupported=Dropped())

    return read


def _rerank_answer(name: str) -> Read:
    request = RerankRequest(dialect="test", model="m", query="q", documents=("a", "b"))

    def read(body: bytes) -> Iterator[None]:
        try:
            response = checked(RERANK_DIALECTS[name].read_response(body, headers={}), request)
            for shape in RERANK_SHAPES.values():
                yield
                shape.write_response(response, request=request, id="x")
        except UpstreamError:
            pass

    return read


# Configuration


def _config(text: bytes) -> Iterator[None]:
    yield
    try:
        load(text, name="fuzz.yaml", environ={"A": "1"}, now=0.0)
    except ConfigError:
        pass
