"""Through the hub: the request is read once for the call and written for this provider; the answer
is read in the provider's dialect and written in the client's.
"""

import time
from collections.abc import Callable
from typing import Final

import msgspec

from portico.engine.addressing import PATHS, address
from portico.engine.conversations import Conversations, Keeper, Unnamed
from portico.engine.media import filled
from portico.engine.passage.may_pass import is_misplaced
from portico.engine.passage.straight import EVENT_STREAM, ReadError
from portico.engine.snapshot import Target
from portico.errors import NotSupported
from portico.providers.base import Task
from portico.types.call import Call
from portico.types.chat import ChatRequest, Home
from portico.types.deployment import Deployment, Operation
from portico.types.http import HttpRequest
from portico.types.usage import Usage
from portico.wire import envelope
from portico.wire.anthropic_messages.limit import with_limit
from portico.wire.base import ClientDialect, Dropped, ProviderDialect, ReplyContext, Unsupported
from portico.wire.custom_tools import Restorer, custom_names, restore, wrap
from portico.wire.media import EVERY_KIND, refuse_but_media, without_urls
from portico.wire.mistral_clients import WholeCalls, is_mistrals
from portico.wire.ollama_chat import dialect as ollama_chat
from portico.wire.openai_chat.fitting import fit
from portico.wire.openai_responses import dialect as openai_responses
from portico.wire.table import CLIENT_DIALECTS, CLIENT_SHAPES, PROVIDER_DIALECTS
from portico.wire.tap import Tap
from portico.wire.translating_tap import Stage, TranslatingTap

_JSON: Final = b"application/json"
_STREAM_TYPES: Final = {
    "sse": b"text/event-stream; charset=utf-8",
    "json": _JSON,
    "lines": b"application/x-ndjson",
}
_NEED_A_LIMIT: Final = frozenset({"anthropic_messages", "bedrock_invoke"})
_OPERATIONS: Final[dict[str, Operation]] = {openai_responses.NAME: "response"}
"""What a chat is called where it is not called so."""


class Translated(msgspec.Struct):
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
        if self.client.NAME == openai_responses.NAME:
            answer = msgspec.structs.replace(answer, id="")
        written = self.client.write_response(
            answer, context=self.context, unsupported=self.unsupported
        )
        if self.keeper is not None:
            self.keeper.keep(answer, written)
        return written, answer.usage


def translated(call: Call, target: Target, spoken: str, conversations: Conversations) -> Translated:
    deployment = target.deployment
    provider, client = _speakers(call, deployment, spoken)
    asked = _asked(call, client, conversations)
    if not asked.messages and call.endpoint.dialect == ollama_chat.NAME:
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
    if call.endpoint.dialect == openai_responses.NAME:
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
        address(call, target, task, body, EVENT_STREAM if asked.stream else ()),
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
    endpoint = call.endpoint
    provider = PROVIDER_DIALECTS.get(spoken)
    client = None
    if endpoint.shape is not None:
        client = CLIENT_SHAPES.get(endpoint.shape)
    elif endpoint.operation in ("chat", "response"):
        client = CLIENT_DIALECTS.get(endpoint.dialect)
    if provider is None or client is None:
        raise NotSupported(
            f"{deployment.id} speaks {spoken}, which does not offer "
            f"{endpoint.path}; ask for a model of another provider."
        )
    return provider, client


def _asked(call: Call, client: ClientDialect, conversations: Conversations) -> ChatRequest:
    """What the client asked, with the conversation that it goes on with; read once a call."""
    if call.chat is None:
        call.chat = _read(client, call)
        if call.endpoint.dialect == openai_responses.NAME:
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
    unsupported: Unsupported = refuse_but_media(dropped) if call.refuses_unsupported else dropped
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
        id=call.id if endpoint.dialect == openai_responses.NAME else call.request_id,
        now=int(call.at),
        framing=call.addressed.framing if call.addressed is not None else endpoint.framing,
        elapsed_ns=_stopwatch(call) if endpoint.dialect == ollama_chat.NAME else None,
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
    if call.endpoint.dialect == openai_responses.NAME:
        stages.append(Unnamed())
    if keeper is not None:
        stages.append(keeper)
    return stages


def _read(client: ClientDialect, call: Call) -> ChatRequest:
    if is_misplaced(call):
        return openai_responses.read_request(call.request.body)
    if call.addressed is None:
        return client.read_request(call.request.body)
    return client.read_request(
        call.request.body, model=call.addressed.model, stream=call.addressed.stream
    )
