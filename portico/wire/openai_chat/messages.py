"""Messages of OpenAI Chat to canonical messages and back.

The `tool` role becomes a user message with one `ToolResult`; the older `function` role likewise,
under ids made up by position, since it has none. Pictures in a tool result, which a `tool` message
cannot hold, follow in a user message after all results of the turn.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from portico.types.chat import (
    Audio,
    Block,
    Citation,
    Home,
    JsonObject,
    Message,
    OpaqueBlock,
    RedactedThinking,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from portico.wire.base import Unsupported, drop_extra
from portico.wire.json_io import MalformedError, compact, convert, fields_of, unknown
from portico.wire.openai_chat.parts import NAME, read_content, read_part, write_part
from portico.wire.openai_chat.reasoning import (
    ExtraContent,
    read_extra_content,
    read_reasoning,
    write_extra_content,
    write_own,
    write_thinking_block,
)


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: Any = None


class _Custom(msgspec.Struct):
    name: str
    input: str = ""


class _Call(msgspec.Struct):
    id: str | None = None
    type: str | None = None
    function: _Function | None = None
    custom: _Custom | None = None
    extra_content: ExtraContent | None = None


class _AudioRef(msgspec.Struct):
    id: str | None = None
    data: str | None = None
    transcript: str | None = None
    expires_at: int | None = None


class MessageFields(msgspec.Struct):
    """A message of any role, in requests and in answers."""

    role: str | None = None
    content: str | list[Any] | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None
    tool_call_id: str | None = None
    audio: _AudioRef | None = None
    annotations: list[Any] | None = None
    images: list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Any] | None = None
    thinking_blocks: list[Any] | None = None


class PlainMessage(MessageFields, forbid_unknown_fields=True):
    """A message without fields that only OpenAI's dialect knows."""


_KNOWN: Final = fields_of(MessageFields)
_SPEAKERS: Final[dict[str, Role]] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
}
"""Whoever speaks to the model, in words and pictures alone."""


def read_messages(raw: list[Any]) -> tuple[Message, ...]:
    fields = convert(raw, list[MessageFields], "messages")
    return messages_of(fields, [unknown(message, _KNOWN) or None for message in raw])


def messages_of(
    fields: Sequence[MessageFields], extras: Sequence[JsonObject | None] | None = None
) -> tuple[Message, ...]:
    """`extras` are the fields of each message that are not known here."""
    legacy_calls = 0
    messages: list[Message] = []
    for i, message in enumerate(fields):
        extra = None if extras is None else extras[i]
        content = message.content
        role = _SPEAKERS.get(message.role or "")
        if role is not None and type(content) is str and message.function_call is None:
            said = (Text(content),) if content else ()
            messages.append(Message(role, said, message.name, extra))
            continue
        path = f"messages[{i}]"
        if message.role == "tool" or message.role == "function":
            messages.append(Message("user", (_result(message, legacy_calls, path),), None, extra))
            continue
        if role is None and message.role != "assistant":
            raise MalformedError(
                "expected one of `system`, `developer`, `user`, `assistant`, `tool`",
                f"{path}.role",
            )
        if message.function_call is not None:
            legacy_calls += 1
        if role is None:
            blocks = read_assistant(message, path, legacy_calls=legacy_calls)
        else:
            blocks = read_content(content, f"{path}.content")
        messages.append(Message(role or "assistant", blocks, message.name, extra))
    return tuple(messages)


def _result(message: MessageFields, legacy_calls: int, path: str) -> ToolResult:
    content = read_content(message.content, f"{path}.content")
    if message.role == "function":
        return ToolResult(legacy_id(legacy_calls), content, name=message.name)
    if message.tool_call_id is None:
        raise MalformedError("a `tool` message needs the id of its call", f"{path}.tool_call_id")
    return ToolResult(message.tool_call_id, content, name=message.name)


def legacy_id(count: int) -> str:
    return f"call_{count}"


def made_id(answer_id: str, index: int) -> str:
    """Of a call that came without: new in each answer, short enough for every dialect."""
    return f"call_{answer_id[-24:]}_{index}" if answer_id else f"call_{index}"


def read_assistant(
    message: MessageFields,
    path: str,
    *,
    home: Home | None = None,
    legacy_calls: int = 1,
    answer_id: str = "",
) -> tuple[Block, ...]:
    """What a model said: thinking, text, refusal, audio, images, calls, in this order."""
    blocks: list[Block] = list(
        read_reasoning(
            message.reasoning_content,
            message.reasoning,
            message.reasoning_details,
            message.thinking_blocks,
            home,
        )
    )
    content = read_content(message.content, f"{path}.content")
    if message.annotations:
        content = _annotate(content, message.annotations)
    blocks += content
    if message.refusal:
        blocks.append(Refusal(message.refusal))
    if message.audio is not None:
        blocks.append(_read_audio(message.audio))
    for i, image in enumerate(message.images or ()):
        blocks.append(read_part(image, f"{path}.images[{i}]"))
    for i, call in enumerate(message.tool_calls or ()):
        id = call.id or made_id(answer_id, i)
        blocks.append(_read_call(call, id, f"{path}.tool_calls[{i}]", home))
    if message.function_call is not None:
        function = message.function_call
        arguments = arguments_text(function.arguments)
        blocks.append(ToolCall(legacy_id(legacy_calls), function.name or "", arguments))
    return tuple(blocks)


def _read_call(call: _Call, id: str, path: str, home: Home | None) -> ToolCall:
    if call.custom is not None:
        return ToolCall(id, call.custom.name, call.custom.input, kind="custom")
    if call.function is None or not call.function.name:
        raise MalformedError("a tool call needs `function` with a `name`", path)
    return ToolCall(
        id,
        call.function.name,
        arguments_text(call.function.arguments),
        state=read_extra_content(call.extra_content, home),
    )


def arguments_text(arguments: Any) -> str:
    """Arguments are JSON text; some servers send the object itself."""
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else compact(arguments)


def _read_audio(audio: _AudioRef) -> Audio:
    from_data = None
    if audio.data is not None:
        from_data = read_part(
            {"type": "input_audio", "input_audio": {"data": audio.data, "format": "pcm16"}}, "audio"
        )
    source = from_data.source if isinstance(from_data, Audio) else None
    return Audio(source, audio.id, audio.transcript, audio.expires_at)


def read_annotation(annotation: Any) -> Citation | None:
    if not isinstance(annotation, dict):
        return None
    inner = annotation.get("url_citation")
    fields = inner if isinstance(inner, dict) else annotation
    url, title = fields.get("url"), fields.get("title")
    start, end = fields.get("start_index"), fields.get("end_index")
    return Citation(
        url=url if isinstance(url, str) else None,
        title=title if isinstance(title, str) else None,
        start_index=start if isinstance(start, int) else None,
        end_index=end if isinstance(end, int) else None,
        dialect=NAME,
        native=annotation,
    )


def _annotate(content: tuple[Block, ...], annotations: list[Any]) -> tuple[Block, ...]:
    """Chat keeps citations on the message; they go to its first text, where indexes count."""
    citations = tuple(filter(None, map(read_annotation, annotations)))
    for i, block in enumerate(content):
        if isinstance(block, Text):
            cited = msgspec.structs.replace(block, citations=citations)
            return (*content[:i], cited, *content[i + 1 :])
    return (Text("", citations), *content)


class MessageWriter:
    """Writes one request's messages; knows what a single message cannot."""

    def __init__(
        self, unsupported: Unsupported, *, home: Home | None, is_own: bool, is_legacy: bool
    ) -> None:
        self._unsupported = unsupported
        self._home = home
        self._is_own = is_own
        self._is_legacy = is_legacy
        self._names: dict[str, str] = {}

    def write(self, messages: tuple[Message, ...]) -> list[JsonObject]:
        written: list[JsonObject] = []
        for message in messages:
            if message.role != "assistant" and (text := _words(message.content)) is not None:
                written.append(self._with_rest({"role": message.role, "content": text}, message))
            elif message.role == "assistant":
                said = self.assistant(message.content)
                if self._is_own or said["content"] or len(said) > len(_NOTHING_SAID):
                    written.append(self._with_rest(said, message))
            elif message.role == "user":
                written += self._user(message)
            else:
                content = self._content(message.content)
                written.append(self._with_rest({"role": message.role, "content": content}, message))
        return _media_after_results(written)

    def _with_rest(self, written: JsonObject, message: Message) -> JsonObject:
        if message.name is not None:
            written["name"] = message.name
        if message.extra:
            if self._is_own:
                written.update(message.extra)
            else:
                drop_extra(message.extra, NAME, self._unsupported, "messages.")
        return written

    def _user(self, message: Message) -> Iterable[JsonObject]:
        media: list[Block] = []
        rest: list[Block] = []
        for block in message.content:
            if isinstance(block, ToolResult):
                yield self._with_rest(self._result(block, media), message)
            else:
                rest.append(block)
        if media:
            yield {"role": "user", "content": self._parts(media), _MEDIA: True}
        if rest or not message.content:
            yield self._with_rest({"role": "user", "content": self._content(rest)}, message)

    def _result(self, result: ToolResult, media: list[Block]) -> JsonObject:
        """A tool's answer in text; what else it has goes to `media`, under its call's id."""
        texts = [block for block in result.content if isinstance(block, Text | OpaqueBlock)]
        others = [block for block in result.content if not isinstance(block, Text | OpaqueBlock)]
        if others:
            media.append(Text(f"Attached to the result of tool call {result.call_id}:"))
            media += others
        if result.is_error:
            self._unsupported("tool_result.is_error", NAME)
        if result.cache is not None:
            self._unsupported("cache_control", NAME)
        content = self._content(texts)
        if self._is_legacy:
            name = result.name or self._names.get(result.call_id, "")
            return {"role": "function", "name": name, "content": content}
        written = {"role": "tool", "tool_call_id": result.call_id, "content": content}
        if result.name is not None and self._is_own:
            written["name"] = result.name
        return written

    def assistant(self, content: tuple[Block, ...]) -> JsonObject:
        """One assistant message of a request."""
        words: list[Block] = []
        calls: list[JsonObject] = []
        message: JsonObject = {"role": "assistant", "content": None}
        for block in content:
            match block:
                case Thinking(_, state) if state is not None and state.data == "thinking":
                    words.append(block)
                case Thinking() | RedactedThinking():
                    self._thinking(block, message)
                case ToolCall():
                    self._names[block.id] = block.name
                    calls.append(self._call(block))
                case Audio(_, id) if id is not None:
                    message["audio"] = {"id": id}
                case Refusal(text) if not words and block is content[-1]:
                    message["refusal"] = text
                case Refusal(text):
                    words.append(Text(text))
                case _:
                    words.append(block)
        if words:
            message["content"] = self._content(words)
        if self._is_legacy and len(calls) == 1:
            message["function_call"] = calls[0]["function"]
        elif calls:
            message["tool_calls"] = calls
        return message

    def _call(self, call: ToolCall) -> JsonObject:
        if call.state is not None and not call.state.is_at_home(NAME, self._home):
            self._unsupported("thought_signature", NAME)
            call = msgspec.structs.replace(call, state=None)
        if call.cache is not None:
            self._unsupported("cache_control", NAME)
        return write_call(call)

    def _thinking(self, block: Thinking | RedactedThinking, message: JsonObject) -> None:
        state = block.state
        if state is not None and state.is_at_home(NAME, self._home):
            text = block.text if isinstance(block, Thinking) else ""
            message.update(write_own(state, text))
        elif self._is_own:
            message.setdefault("thinking_blocks", []).append(write_thinking_block(block))
        else:
            self._unsupported("thinking", NAME)

    def _content(self, blocks: Iterable[Block]) -> str | list[JsonObject]:
        parts = self._parts(blocks)
        if not parts:
            return ""
        if len(parts) == 1 and len(parts[0]) == 2 and parts[0]["type"] == "text":
            text: str = parts[0]["text"]
            return text
        return parts

    def _parts(self, blocks: Iterable[Block]) -> list[JsonObject]:
        parts = (write_part(b, self._unsupported, markers=self._is_own) for b in blocks)
        return [part for part in parts if part is not None]


_NOTHING_SAID: Final = ("role", "content")
"""An assistant message of these alone, without content, is refused; what it held went elsewhere."""


def _words(content: tuple[Block, ...]) -> str | None:
    """The text, if there is one and nothing else."""
    if len(content) != 1 or not isinstance(only := content[0], Text):
        return None
    return None if only.citations or only.cache or only.state else only.text


_MEDIA: Final = "~media"
"""Marks, while writing, a user message that carries the media of tool results."""


def _media_after_results(messages: list[JsonObject]) -> list[JsonObject]:
    """All `tool` messages of a turn must follow their call at once; media wait until after them."""
    if not any(_MEDIA in message for message in messages):
        return messages
    ordered: list[JsonObject] = []
    waiting: list[JsonObject] = []
    for message in messages:
        if message.pop(_MEDIA, False):
            waiting.append(message)
            continue
        if waiting and message["role"] not in ("tool", "function"):
            ordered += waiting
            waiting = []
        ordered.append(message)
    return ordered + waiting


def write_call(call: ToolCall) -> JsonObject:
    written: JsonObject
    if call.kind == "custom":
        custom = {"name": call.name, "input": call.arguments}
        written = {"id": call.id, "type": "custom", "custom": custom}
    else:
        function = {"name": call.name, "arguments": call.arguments or "{}"}
        written = {"id": call.id, "type": "function", "function": function}
    if call.state is not None:
        written["extra_content"] = write_extra_content(call.state)
    return written
