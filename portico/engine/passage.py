"""How one attempt passes between a client and a provider: as bytes, or through the dialects.

Same dialect on both sides: the body goes as it is but for the model's name, the answer comes back
as it is. Another dialect: the request is read once for the call, written for this provider, and
the answer is read and written back. Either way an attempt ends up with the same four things: a
request, a tap for its stream, what a whole answer becomes, and how errors are read. Retries start
again from the original.

Tokens of a prompt are counted by providers that can; whoever cannot raises `NotSupported`, and
`counting` estimates.
"""

import time
from collections.abc import Callable
from functools import cache
from types import ModuleType

import msgspec

from portico.engine import vectors
from portico.engine.addressing import PATHS, address
from portico.engine.conversations import Conversations, Keeper, Unnamed
from portico.engine.media import filled
from portico.engine.snapshot import Target
from portico.engine.vectors import Embedded, Ranked
from portico.errors import GatewayError, NotSupported, UpstreamError
from portico.providers.base import Task
from portico.types.call import Call
from portico.types.chat import ChatRequest, Home
from portico.types.deployment import Deployment, Operation, Provider
from portico.types.http import HttpHead, HttpRequest
from portico.types.usage import Usage
from portico.wire import envelope
from portico.wire.anthropic_messages.limit import with_limit
from portico.wire.base import (
    ClientDialect,
    Dropped,
    ProviderDialect,
    ReplyContext,
    Unsupported,
    refuse,
)
from portico.wire.custom_tools import Restorer, custom_names, restore, wrap
from portico.wire.embeddings.base import NativeVectors
from portico.wire.media import EVERY_KIND, may_have_urls, refuse_but_media, without_urls
from portico.wire.mistral_clients import WholeCalls, is_mistrals
from portico.wire.natives import COUNTERS, NATIVES, TokenCounter
from portico.wire.openai_chat.errors import read_error as read_openai_error
from portico.wire.openai_chat.fitting import fit
from portico.wire.openai_error import write_error as write_openai_error
from portico.wire.openai_usage import read_usage
from portico.wire.tap import MediaTap, StreamTap, Tap
from portico.wire.translating_tap import Stage, TranslatingTap

_JSON = b"application/json"
_STREAM_TYPES = {
    "sse": b"text/event-stream; charset=utf-8",
    "json": _JSON,
    "lines": b"application/x-ndjson",
}
_EVENT_STREAM = (b"text/event-stream",)
_ANY_TYPE = (b"",)
_STREAM_USAGE = frozenset({"chat", "completion"})
"""Operations whose streams report usage only if `stream_options.include_usage` asks for it."""
_NOTHING_USED = Usage(input_tokens=0, output_tokens=0, requests=0)
"""What it takes to count tokens: no provider bills for it."""

ReadError = Callable[[HttpHead, bytes], UpstreamError]
ReadUsage = Callable[[bytes], Usage | None]


class Straight(msgspec.Struct):
    """Bytes pass."""

    upstream: HttpRequest
    tap: Tap | None
    operation: str
    read_error: ReadError = read_openai_error
    content_type: bytes | None = None
    passes_errors: bool = True
    read_usage: ReadUsage | None = None
    """For dialects that are not OpenAI's."""

    def whole(self, body: bytes) -> tuple[bytes, Usage | None]:
        if self.read_usage is not None:
            return body, self.read_usage(body)
        return body, read_usage(body, self.operation)


class Translated(msgspec.Struct):
    """Through the hub: the provider's dialect in, the client's out."""

    upstream: HttpRequest
    tap: Tap | None
    provider: ProviderDialect
    client: ClientDialect
    context: ReplyContext
    unsupported: Unsupported
    home: Home
    content_type: bytes | None = b"application/json"
    passes_errors: bool = False
    custom_tools: frozenset[str] = frozenset()
    keeper: Keeper | None = None

    @property
    def read_error(self) -> ReadError:
        return self.provider.read_error

    def whole(self, body: bytes) -> tuple[bytes, Usage | None]:
        answer = self.provider.read_response(body, home=self.home)
        if self.custom_tools:
            answer = restore(answer, self.custom_tools)
        if self.client.NAME == _RESPONSES:
            answer = msgspec.structs.replace(answer, id="")
        written = self.client.write_response(
            answer, context=self.context, unsupported=self.unsupported
        )
        if self.keeper is not None:
            self.keeper.keep(answer, written)
        return written, answer.usage


class Counted(msgspec.Struct):
    """The tokens of a prompt, asked in one dialect and counted in another."""

    upstream: HttpRequest
    provider: TokenCounter
    client: TokenCounter
    tap: Tap | None = None
    content_type: bytes | None = b"application/json"
    passes_errors: bool = False

    @property
    def read_error(self) -> ReadError:
        return self.provider.read_error

    def whole(self, body: bytes) -> tuple[bytes, Usage | None]:
        return self.client.write_token_count(self.provider.read_token_count(body)), _NOTHING_USED


Passage = Straight | Translated | Counted | Embedded | Ranked
"""`tap` is there if the answer is to be a stream; `content_type` of `None` passes the provider's
on; `passes_errors`: may the provider's own error object go to the client as it is?
"""


def plan(call: Call, target: Target, conversations: Conversations) -> Passage:
    """The passage of one attempt.

    Raises `InvalidRequest` for a body that the client's dialect does not allow, `NotSupported`
    where this provider cannot do what the endpoint is for, and `MediaWanted` where media have to be
    fetched first.
    """
    endpoint = call.endpoint
    if endpoint.operation in ("embedding", "rerank"):
        return _vectors(call, target)
    spoken = target.dialect_for(endpoint.dialect)
    may_pass = _bytes_pass(call, target.deployment.provider, spoken, conversations)
    if may_pass and not _thinks_in_parts(call, target.deployment):
        native = endpoint.dialect in NATIVES
        return _native(call, target) if native else _straight(call, target)
    if endpoint.operation == "count_tokens":
        return _counted(call, target, spoken)
    return _translated(call, target, spoken, conversations)


def _bytes_pass(call: Call, provider: Provider, spoken: str, conversations: Conversations) -> bool:
    """Do both sides speak the same protocol for this operation? Whoever speaks Chat is taken to
    offer everything of OpenAI's but Responses, which its row must say.
    """
    dialect = call.endpoint.dialect
    if spoken != dialect or (provider.no_media_urls and _has_refused_urls(call, provider)):
        return False
    if call.endpoint.operation == "response":
        return _responses_pass(call, provider, conversations)
    if dialect != "openai_chat" and dialect not in NATIVES:
        return False
    match call.endpoint.operation:
        case "chat":
            if call.envelope.stream and _pieces_calls(call, provider):
                return False
            return not _is_misplaced(call)
        case "count_tokens":
            # A whole request inside that of `countTokens` names a model too, and is written anew.
            return _INNER not in call.request.body
        case _:
            return True


def _responses_pass(call: Call, provider: Provider, conversations: Conversations) -> bool:
    """A provider is asked to go on only with what it may have: not with what is kept here, nor if
    it keeps nothing; and what it does not keep must pass here to be kept.
    """
    seen = call.envelope
    if provider.stateless_responses:
        return seen.store is False and not seen.previous_response_id
    previous = seen.previous_response_id
    return not (previous and conversations.has(call.principal.key_id, previous, call.at))


def _has_refused_urls(call: Call, provider: Provider) -> bool:
    """Does it seem to name media by URL, to a provider that takes none though its dialect does?"""
    return (
        call.endpoint.dialect in provider.no_media_urls
        and call.endpoint.operation in ("chat", "response")
        and may_have_urls(call.request.body)
    )


def _pieces_calls(call: Call, provider: Provider) -> bool:
    """Would the provider stream tool calls in pieces to a client that takes none?"""
    return (
        is_mistrals(call.request.headers)
        and not provider.for_mistrals_sdk
        and b'"tools"' in call.request.body
    )


def _is_misplaced(call: Call) -> bool:
    """Is it a body of Responses, sent to Chat Completions? Cursor does so, and wants chunks of a
    chat for an answer.
    """
    body = call.request.body
    return (
        b'"messages"' not in body and b'"input"' in body and call.endpoint.dialect == "openai_chat"
    )


def _thinks_in_parts(call: Call, deployment: Deployment) -> bool:
    """Would reasoning come in a list, where clients of OpenAI expect the text of the answer? They
    get it beside the text, by way of the hub; the provider's own client knows both.
    """
    rules = deployment.provider.message_rules
    if rules is None or not rules.thinks_in_parts or call.endpoint.operation != "chat":
        return False
    if b"mistral" in call.request.headers.get(b"user-agent", b"").lower():
        return False
    is_asked = any(mark in call.request.body for mark in _ASKS_REASONING)
    return is_asked or deployment.model.startswith("magistral")


_ASKS_REASONING = (b'"reasoning_effort"', b'"prompt_mode"')
_INNER = b'"generateContentRequest"'
_RESPONSES = "openai_responses"
_NEED_A_LIMIT = frozenset({"anthropic_messages", "bedrock_invoke"})
_OPERATIONS: dict[str, Operation] = {_RESPONSES: "response"}
"""What a chat is called where it is not called so."""
OLLAMA = "ollama_chat"


def _straight(call: Call, target: Target) -> Straight:
    endpoint = call.endpoint
    seen = call.envelope
    provider = target.deployment.provider
    streamed = endpoint.binary or (endpoint.streams and bool(seen.stream))
    add_usage = (
        streamed
        and endpoint.operation in _STREAM_USAGE
        and "stream_options" not in provider.refused_params
        and not envelope.wants_usage(seen)
    )
    body = envelope.splice(call.request.body, seen, target.model_json, add_usage=add_usage)
    body = _adapted(call, provider, body)
    tap: Tap | None = None
    stream_types: tuple[bytes, ...] = ()
    if endpoint.binary:
        tap, stream_types = MediaTap(), _ANY_TYPE
    elif streamed:
        tap, stream_types = StreamTap(endpoint.operation, strip_usage=add_usage), _EVENT_STREAM
    task = Task(endpoint.operation, endpoint.dialect, streamed, endpoint.path)
    upstream = address(call, target, task, body, stream_types)
    return Straight(upstream, tap, endpoint.operation)


def _native(call: Call, target: Target) -> Straight:
    """The same in a dialect that is not OpenAI's."""
    endpoint = call.endpoint
    provider = target.deployment.provider
    native = NATIVES[endpoint.dialect]
    streamed = endpoint.streams and bool(call.envelope.stream)
    body = call.request.body
    if call.addressed is None:
        body = envelope.splice(body, call.envelope, target.model_json, add_usage=False)
    else:
        body = envelope.without_model(body)
    body = _adapted(call, provider, body)
    tap: Tap | None = None
    is_array = call.addressed is not None and call.addressed.framing == "json"
    if streamed:
        tap = native.array_tap() if is_array else native.tap()
    path = endpoint.path if call.addressed is None else None
    task = Task(endpoint.operation, endpoint.dialect, streamed, path)
    counts = endpoint.operation == "count_tokens"
    return Straight(
        address(call, target, task, body, _EVENT_STREAM if streamed else ()),
        tap,
        endpoint.operation,
        native.read_error,
        b"application/json" if is_array else None,
        read_usage=_nothing_used if counts else native.read_usage,
    )


def _nothing_used(body: bytes) -> Usage | None:
    return _NOTHING_USED


def _adapted(call: Call, provider: Provider, body: bytes) -> bytes:
    """The body with the names that this provider knows, and without what it refuses."""
    if provider.renamed_params:
        body = envelope.rename(body, provider.renamed_params)
    call.dropped_params = ()
    if provider.refused_params:
        body, call.dropped_params = envelope.drop(body, provider.refused_params)
    if provider.message_rules is not None and call.endpoint.dialect == "openai_chat":
        body, left_out = fit(body, provider.message_rules)
        call.dropped_params = (*call.dropped_params, *left_out)
    return body


def _vectors(call: Call, target: Target) -> Straight | Embedded | Ranked:
    deployment = target.deployment
    name = vectors.spoken(call, deployment)
    if vectors.passes(call, deployment, name):
        native = vectors.native(call)
        return _straight(call, target) if native is None else _same(call, target, native)
    operation = call.endpoint.operation

    def to(dialect: str, body: bytes) -> HttpRequest:
        task = Task(operation, dialect, path=_VECTOR_PATHS[operation])
        return address(call, target, task, body, ())

    make = vectors.embedded if operation == "embedding" else vectors.ranked
    return make(call, deployment, name, to, refuse if _refuses_unsupported(call) else None)


_VECTOR_PATHS: dict[Operation, str] = {"embedding": "/embeddings", "rerank": "/rerank"}
"""Where OpenAI, and whoever speaks alike, is asked."""


def _same(call: Call, target: Target, native: NativeVectors) -> Straight:
    """Vectors and ranks whose bytes pass, in other words than OpenAI's."""
    endpoint = call.endpoint
    body = call.request.body
    if native.rename is not None:
        body = native.rename(body, target.deployment.model)
    else:
        body = envelope.splice(body, call.envelope, target.model_json, add_usage=False)
    is_ollamas = endpoint.dialect == OLLAMA
    path = endpoint.path if is_ollamas else _VECTOR_PATHS[endpoint.operation]
    task = Task(endpoint.operation, native.dialect, path=path, method=native.method)
    errors = vectors.error_dialect(call, target.deployment, native.dialect)
    return Straight(
        address(call, target, task, _adapted(call, target.deployment.provider, body), ()),
        None,
        endpoint.operation,
        vectors.error_reader(errors),
        passes_errors=errors == endpoint.dialect,
        read_usage=native.read_usage,
    )


def _counted(call: Call, target: Target, spoken: str) -> Counted:
    deployment = target.deployment
    provider = COUNTERS.get(spoken)
    if provider is None:
        raise NotSupported(
            f"{deployment.id} speaks {spoken}, which cannot be asked for the tokens of a prompt."
        )
    client = COUNTERS[call.endpoint.dialect]
    asked = read_prompt(call)
    wanted = msgspec.structs.replace(asked, model=deployment.model)
    dropped = Dropped()
    home = Home(deployment.provider.name, deployment.model)
    body = provider.write_count_tokens(wanted, unsupported=dropped, home=home)
    call.dropped_params = dropped.names
    task = Task("count_tokens", spoken)
    return Counted(address(call, target, task, body, ()), provider, client)


def read_prompt(call: Call) -> ChatRequest:
    """The prompt whose tokens are to be counted; raises `InvalidRequest`."""
    if call.chat is None:
        model = call.addressed.model if call.addressed is not None else None
        client = COUNTERS[call.endpoint.dialect]
        call.chat = client.read_count_tokens(call.request.body, model=model)
    return call.chat


def _translated(
    call: Call, target: Target, spoken: str, conversations: Conversations
) -> Translated:
    deployment = target.deployment
    provider, client = _speakers(call, deployment, spoken)
    asked = _asked(call, client, conversations)
    if not asked.messages and call.endpoint.dialect == OLLAMA:
        raise NotSupported(f"{deployment.id} loads no models; send it a message.")
    home = Home(deployment.provider.name, deployment.model)
    dropped = Dropped()
    call.dropped_params = dropped.names
    body = _written(call, deployment, provider, asked, home, dropped)
    if dropped.names and (wanted := filled(call, asked, dropped.names)) is not asked:
        dropped.forget()
        body = _written(call, deployment, provider, wanted, home, dropped)
    context = _context(call, asked)
    custom_tools = custom_names(asked)
    keeper: Keeper | None = None
    if call.endpoint.dialect == _RESPONSES:
        keeper = conversations.keeper(
            call.principal.key_id,
            f"resp_{call.id}",
            asked,
            call.at,
            body=call.request.body,
            write=lambda answer: client.write_response(
                answer, context=context, unsupported=Dropped()
            ),
        )
    tap: Tap | None = None
    if asked.stream:
        tap = TranslatingTap(
            provider.stream_reader(home=home),
            client.stream_writer(context=context, unsupported=dropped),
            _stages(call, custom_tools, keeper),
        )
    task = Task(_OPERATIONS.get(spoken, "chat"), spoken, asked.stream, PATHS.get(spoken))
    return Translated(
        address(call, target, task, body, _EVENT_STREAM if asked.stream else ()),
        tap,
        provider,
        client,
        context,
        dropped,
        home,
        _STREAM_TYPES[context.framing] if asked.stream else _JSON,
        custom_tools=custom_tools,
        keeper=keeper,
    )


def _speakers(
    call: Call, deployment: Deployment, spoken: str
) -> tuple[ProviderDialect, ClientDialect]:
    """The dialects of both sides."""
    table = _dialects()
    endpoint = call.endpoint
    provider = table.PROVIDER_DIALECTS.get(spoken)
    client = None
    if endpoint.shape is not None:
        client = table.CLIENT_SHAPES.get(endpoint.shape)
    elif endpoint.operation in ("chat", "response"):
        client = table.CLIENT_DIALECTS.get(endpoint.dialect)
    if provider is None or client is None:
        raise NotSupported(
            f"{deployment.id} speaks {spoken}, which does not offer "
            f"{endpoint.path}; ask for a model of another provider."
        )
    return provider, client


@cache
def _dialects() -> ModuleType:
    """They are loaded when the first call needs a translation."""
    from portico.wire import table

    return table


def _asked(call: Call, client: ClientDialect, conversations: Conversations) -> ChatRequest:
    """What the client asked, with the conversation that it goes on with; read once a call."""
    if call.chat is None:
        call.chat = _read(client, call)
        if call.endpoint.dialect == _RESPONSES:
            call.chat = conversations.continued(call.principal.key_id, call.chat, call.at)
    return call.chat


def _written(
    call: Call,
    deployment: Deployment,
    provider: ProviderDialect,
    asked: ChatRequest,
    home: Home,
    dropped: Dropped,
) -> bytes:
    """The body for this provider."""
    unsupported: Unsupported = refuse_but_media(dropped) if _refuses_unsupported(call) else dropped
    wanted = msgspec.structs.replace(asked, model=deployment.model, include_usage=True)
    if provider.NAME in deployment.provider.no_media_urls:
        wanted = without_urls(wanted, EVERY_KIND, unsupported, provider.NAME)
    whom = deployment.provider
    if provider.NAME in _NEED_A_LIMIT:
        wanted = with_limit(
            wanted,
            max_output_tokens=deployment.max_output_tokens,
            max_input_tokens=deployment.max_input_tokens,
            prompt_bytes=len(call.request.body),
        )
    if provider.NAME != "openai_chat":
        return provider.write_request(wanted, unsupported=unsupported, home=home)
    if not whom.custom_tools and asked.dialect.startswith("openai"):
        wanted = wrap(wanted, "openai_chat", unsupported)
    body = provider.write_request(wanted, unsupported=unsupported, home=home)
    if whom.renamed_params:
        body = envelope.rename(body, whom.renamed_params)
    if whom.refused_params:
        body, names = envelope.drop(body, whom.refused_params)
        for name in names:
            if name != "stream_options":
                unsupported(name, "openai_chat")
    if whom.message_rules is not None:
        body, names = fit(body, whom.message_rules)
        for name in names:
            unsupported(name, "openai_chat")
    return body


def _context(call: Call, asked: ChatRequest) -> ReplyContext:
    endpoint = call.endpoint
    return ReplyContext(
        request=asked,
        id=call.id if endpoint.dialect == _RESPONSES else call.request_id,
        now=int(call.at),
        framing=call.addressed.framing if call.addressed is not None else endpoint.framing,
        elapsed_ns=_stopwatch(call) if endpoint.dialect == OLLAMA else None,
    )


def _stopwatch(call: Call) -> Callable[[], int]:
    """Nanoseconds since the call came, for clients that are told how long an answer took."""
    return lambda: int((time.monotonic() - call.received_at) * 1e9)


def _stages(call: Call, custom_tools: frozenset[str], keeper: Keeper | None) -> list[Stage]:
    """What looks at the events between reader and writer."""
    stages: list[Stage] = []
    if call.endpoint.dialect == "openai_chat" and is_mistrals(call.request.headers):
        stages.append(WholeCalls())
    if custom_tools:
        stages.append(Restorer(custom_tools))
    if call.endpoint.dialect == _RESPONSES:
        stages.append(Unnamed())
    if keeper is not None:
        stages.append(keeper)
    return stages


def _read(client: ClientDialect, call: Call) -> ChatRequest:
    if _is_misplaced(call):
        from portico.wire.openai_responses.request import read_request

        return read_request(call.request.body)
    if call.addressed is None:
        return client.read_request(call.request.body)
    return client.read_request(
        call.request.body, model=call.addressed.model, stream=call.addressed.stream
    )


def error_writer(dialect: str) -> Callable[[GatewayError], bytes]:
    """How errors are written to clients of this dialect."""
    if dialect.startswith("openai"):
        return write_openai_error
    from portico.wire.table import CLIENT_DIALECTS

    return CLIENT_DIALECTS[dialect].write_error


def _refuses_unsupported(call: Call) -> bool:
    """Is a request field that the provider's dialect cannot express an error? The client may say.

    What an answer has and the client's dialect cannot express is only ever named: it is paid for.
    """
    asked = call.request.headers.get(b"x-portico-unsupported-params")
    return asked == b"error" or (call.route.refuses_unsupported and asked != b"drop")
