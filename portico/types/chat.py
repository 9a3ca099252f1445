"""The canonical chat: what every dialect is read into and written from.

One hub for N dialects. A block is what a model can say or be shown; a message is a role and its
blocks; `chat_stream` has the same answer as events. What only one dialect knows travels beside it
(`extra`, `OpaqueBlock`, `ProviderState`) and goes home to that dialect alone.

Three rules make any dialect's conversation fit:
- Tool results are blocks of *user* messages. Dialects with a `tool` role read each into a user
  message of its own; dialects that want one user turn merge neighbours. Both round trips are exact.
- System and developer text are messages where they stood. Dialects with one system field hoist
  the leading ones.
- Tool arguments are JSON *text*, as the model wrote it: parsing and printing it again would change
  bytes, and with them prompt-cache keys.
"""

from typing import Any, Literal

import msgspec

from portico.types.usage import Usage

JsonObject = dict[str, Any]
"""A decoded JSON object whose inside is not ours to know: schemas, extras, opaque blocks."""

Role = Literal["system", "developer", "user", "assistant"]

StopReason = Literal[
    "end",
    "stop_sequence",
    "max_tokens",
    "tool_calls",
    "content_filter",
    "refusal",
    "pause",
    "context_window",
    "malformed_call",
    "error",
    "other",
]
"""Why the model stopped. `content_filter` is a filter's doing, `refusal` the model's own; `pause`
is a server tool's turn that the client continues by sending the answer back; `context_window` is
full before `max_tokens`; `malformed_call` is a tool call the provider could not parse."""

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Home(msgspec.Struct, frozen=True):
    """Where opaque state came from, and the only place it may go back to."""

    provider: str
    model: str


class ProviderState(msgspec.Struct, frozen=True):
    """Bytes only their provider understands: signatures, encrypted reasoning, thought signatures.

    `data` is verbatim and its format the business of `dialect`. `home` of `None` means that the
    client had it from elsewhere, so only the dialect is known.
    """

    dialect: str
    data: str
    home: Home | None = None

    def is_at_home(self, dialect: str, home: Home | None) -> bool:
        """May it be sent to this dialect, spoken by this provider and model?"""
        return self.dialect == dialect and (self.home is None or home is None or self.home == home)


class CacheMarker(msgspec.Struct, frozen=True):
    """A prompt-cache breakpoint after the thing that carries it; `ttl` of `None` is the default."""

    ttl: Literal["5m", "1h"] | None = None


# Where media come from.


class UrlSource(msgspec.Struct, frozen=True, tag="url"):
    url: str


class DataSource(msgspec.Struct, frozen=True, tag="data"):
    """`data` is standard base64, unchecked; `media_type` like `image/png`."""

    media_type: str
    data: str


class FileSource(msgspec.Struct, frozen=True, tag="file"):
    """A file uploaded to the provider before; the id means nothing elsewhere."""

    file_id: str


class TextSource(msgspec.Struct, frozen=True, tag="text"):
    text: str


class BlocksSource(msgspec.Struct, frozen=True, tag="blocks"):
    """A document given as blocks, cited block by block."""

    content: tuple["Block", ...]


MediaSource = UrlSource | DataSource | FileSource
DocumentSource = UrlSource | DataSource | FileSource | TextSource | BlocksSource


class Citation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a piece of text comes from.

    `start_index` and `end_index` count characters of the *answer*. `native` is the citation as
    `dialect` wrote it.
    """

    url: str | None = None
    title: str | None = None
    cited_text: str | None = None
    start_index: int | None = None
    end_index: int | None = None
    dialect: str | None = None
    native: JsonObject | None = None


# Blocks.


class Text(msgspec.Struct, frozen=True, tag="text", omit_defaults=True):
    text: str
    citations: tuple[Citation, ...] = ()
    cache: CacheMarker | None = None
    state: ProviderState | None = None


class Image(msgspec.Struct, frozen=True, tag="image", omit_defaults=True):
    source: MediaSource
    detail: str | None = None
    cache: CacheMarker | None = None
    state: ProviderState | None = None


class Audio(msgspec.Struct, frozen=True, tag="audio", omit_defaults=True):
    """Sound in either direction; a past answer may be referred to by `id` alone, without source."""

    source: MediaSource | None
    id: str | None = None
    transcript: str | None = None
    expires_at: int | None = None


class Video(msgspec.Struct, frozen=True, tag="video", omit_defaults=True):
    source: MediaSource
    cache: CacheMarker | None = None


class Document(msgspec.Struct, frozen=True, tag="document", omit_defaults=True):
    source: DocumentSource
    title: str | None = None
    context: str | None = None
    cite: bool | None = None
    """Whether the model is asked to cite it."""
    cache: CacheMarker | None = None


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call", omit_defaults=True):
    """`arguments` is JSON text of a function (`""` is none), free text of a `custom` tool."""

    id: str
    name: str
    arguments: str
    kind: Literal["function", "custom"] = "function"
    cache: CacheMarker | None = None
    state: ProviderState | None = None


class ToolResult(msgspec.Struct, frozen=True, tag="tool_result", omit_defaults=True):
    """`name` is the tool's, where the dialect says it; others find it by `call_id`."""

    call_id: str
    content: tuple["Block", ...]
    is_error: bool = False
    name: str | None = None
    kind: Literal["function", "custom"] = "function"
    cache: CacheMarker | None = None


class Thinking(msgspec.Struct, frozen=True, tag="thinking", omit_defaults=True):
    """Reasoning in words; `state` is what proves or continues it. `id` is a reasoning item's."""

    text: str
    state: ProviderState | None = None
    id: str | None = None


class RedactedThinking(msgspec.Struct, frozen=True, tag="redacted_thinking", omit_defaults=True):
    """Reasoning that only its provider can read."""

    state: ProviderState
    id: str | None = None


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    text: str


class OpaqueBlock(msgspec.Struct, frozen=True, tag="opaque"):
    """A block only one dialect has: server tools and their results, whatever comes next."""

    dialect: str
    data: JsonObject


Block = (
    Text
    | Image
    | Audio
    | Video
    | Document
    | ToolCall
    | ToolResult
    | Thinking
    | RedactedThinking
    | Refusal
    | OpaqueBlock
)


# Requests.


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """`extra` holds fields only the request's own dialect knows."""

    role: Role
    content: tuple[Block, ...]
    name: str | None = None
    extra: JsonObject | None = None


class FunctionTool(msgspec.Struct, frozen=True, kw_only=True, tag="function", omit_defaults=True):
    """`schema` is the JSON Schema of the arguments; `None` takes none."""

    name: str
    description: str | None = None
    schema: JsonObject | None = None
    strict: bool | None = None
    cache: CacheMarker | None = None
    extra: JsonObject | None = None


class CustomTool(msgspec.Struct, frozen=True, kw_only=True, tag="custom", omit_defaults=True):
    """Takes free text; `format` may bind it to a grammar (`{"type": "grammar", …}`)."""

    name: str
    description: str | None = None
    format: JsonObject | None = None


class ServerTool(msgspec.Struct, frozen=True, tag="server", omit_defaults=True):
    """A tool the provider runs itself; `data` is its whole declaration in `dialect`."""

    dialect: str
    name: str
    data: JsonObject


Tool = FunctionTool | CustomTool | ServerTool


class ToolChoice(msgspec.Struct, frozen=True, omit_defaults=True):
    """`names` narrows the choice; `required` with one name is *that* tool."""

    mode: Literal["auto", "none", "required"]
    names: tuple[str, ...] = ()


class ResponseFormat(msgspec.Struct, frozen=True, omit_defaults=True):
    type: Literal["text", "json_object", "json_schema"]
    schema: JsonObject | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class ThinkingConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much to reason, as the client said it; `wire.effort` turns one form into the other.

    `mode`: `enabled` with a budget or an effort, `adaptive` (the model decides), `disabled`; `None`
    where only an effort was given. `summary` asks for readable reasoning: `auto`, `concise`,
    `detailed`, `summarized`, or `omitted` (kept, but not shown).
    """

    mode: Literal["enabled", "adaptive", "disabled"] | None = None
    budget_tokens: int | None = None
    effort: Effort | None = None
    summary: str | None = None


class Sampling(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    n: int | None = None


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`dialect` is the one it was read from, the only one that `extra` (here and below) goes to."""

    dialect: str
    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    sampling: Sampling = Sampling()
    response_format: ResponseFormat | None = None
    thinking: ThinkingConfig | None = None
    modalities: tuple[str, ...] = ()
    """Of the answer: `text`, `audio`, `image`."""
    verbosity: str | None = None
    stream: bool = False
    include_usage: bool = False
    """Did a streaming client ask for the usage (dialects where it must be asked for)?"""
    service_tier: str | None = None
    user: str | None = None
    """The end user, in whatever field the dialect has for abuse tracking."""
    metadata: dict[str, Any] | None = None
    prompt_cache_key: str | None = None
    cache: CacheMarker | None = None
    """A breakpoint the provider moves along with the conversation's end."""
    extra: JsonObject = {}
    """A key that starts with `~` repeats something canonical in the dialect's own form; others pass
    over it in silence, while any other key is named as dropped."""


# Answers.


class Choice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`native_stop` is the reason in the words of the dialect it came from.

    `logprobs` is OpenAI's: `{"content": [{"token", "logprob", "bytes", "top_logprobs"}], …}`.
    """

    content: tuple[Block, ...]
    stop: StopReason
    index: int = 0
    native_stop: str | None = None
    stop_sequence: str | None = None
    logprobs: JsonObject | None = None
    extra: JsonObject | None = None


class ChatResponse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`created` is UTC epoch seconds. `dialect` is the one it was read from, as in requests."""

    dialect: str
    id: str
    model: str
    choices: tuple[Choice, ...]
    usage: Usage | None = None
    created: int | None = None
    extra: JsonObject = {}
